"""Slopes of trends: values, and intervals from the posterior."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lineage_clust as lc
from lineage_clust.trends import Trends


def trend_of(y, t, **model):
    return lc.GeneTrend("a", None, t, y, model=lc.GAM(**model)).prepare().fit()


@pytest.fixture(scope="module")
def wave():
    t = np.sort(np.random.default_rng(11).uniform(0, 2, 300))
    return trend_of(np.sin(3 * t) + np.random.default_rng(12).normal(0, 0.2, 300), t)


@settings(max_examples=15, deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 100))
def test_the_slope_of_a_line_is_its_slope(level, slope, length):
    t = np.linspace(0, length, 40)
    found, _ = trend_of(level + slope * t, t).derivative()
    np.testing.assert_allclose(found, slope, atol=1e-5 * (1 + abs(level) / length))


def test_the_slope_adds_up_to_the_trend(wave):
    slope, _ = wave.derivative()
    risen = np.concatenate([[0], np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(wave.x_test))])
    np.testing.assert_allclose(risen, wave.y_test - wave.y_test[0], atol=2e-3)


def test_the_slope_at_a_time_does_not_depend_on_the_other_times(wave):
    times = np.array([0.3, 0.9, 1.7])
    slopes, intervals = wave.derivative(times)
    for place, time in enumerate(times):
        slope, interval = wave.derivative([time])
        np.testing.assert_allclose(slope, slopes[place], rtol=1e-9)
        np.testing.assert_allclose(interval[0], intervals[place], rtol=1e-9)
    np.testing.assert_allclose(
        slopes, [wave.derivative()[0][np.abs(wave.x_test - time).argmin()] for time in times], atol=0.1
    )


def test_the_interval_is_that_of_slopes_drawn_from_the_posterior(wave):
    """Exact and simulated, of the same covariance: the standard errors agree to 5 %, that of 4,000 draws being 1 %."""
    _, exact = wave.derivative()
    fit = wave._group
    draws = np.array([draw.ravel() for draw in fit.model.sample(fit.design(wave.x_test), 4000, 0)])
    inside = slice(2, -2)
    simulated = np.gradient(draws, wave.x_test, axis=1).std(axis=0)[inside]
    np.testing.assert_allclose((exact[:, 1] - exact[:, 0])[inside] / (2 * 1.959964), simulated, rtol=0.05)


@pytest.mark.slow
def test_the_interval_covers_the_true_slope():
    """Averaged over the grid and 40 fresh sets, as the coverage of such intervals is meant."""
    covered = []
    for seed in range(40):
        generator = np.random.default_rng(1000 + seed)
        t = np.sort(generator.uniform(0, 1, 400))
        trend = trend_of(np.sin(4 * t) + generator.normal(0, 0.3, 400), t)
        _, interval = trend.derivative(level=0.9)
        truth = 4 * np.cos(4 * trend.x_test)
        covered.append(np.mean((interval[:, 0] <= truth) & (truth <= interval[:, 1])))
    assert 0.85 < np.mean(covered) < 0.97


def test_slopes_of_many_genes_have_the_errors_of_their_samples(wave):
    """The exact interval of one gene, from 2,000 samples: their standard errors have a relative error of 2 %."""
    slope, exact = wave.derivative()
    samples = [draw.T for draw in wave._group.model.sample(wave._group.design(wave.x_test), 2000, 0)]
    slopes = Trends(wave.y_test[None], wave.x_test, ["a"]).derivative(samples)
    inside = slice(2, -2)
    np.testing.assert_allclose(slopes.values[0, inside], slope[inside], atol=0.01)
    np.testing.assert_allclose(slopes.se[0, inside], (exact[:, 1] - exact[:, 0])[inside] / (2 * 1.959964), rtol=0.08)


def test_counts_have_an_interval_too():
    generator = np.random.default_rng(3)
    t = np.sort(generator.uniform(0, 1, 300))
    trend = trend_of(generator.poisson(np.exp(0.5 + 1.5 * t)).astype(float), t, family="poisson")
    slope, interval = trend.derivative(np.array([0.2, 0.5, 0.8]))
    assert (interval[:, 0] < slope).all()
    assert (slope < interval[:, 1]).all()
    assert interval[1, 0] > 0  # a rise beyond doubt
    risen = trend.predict(np.array([0.501])) - trend.predict(np.array([0.499]))
    assert slope[1] == pytest.approx(risen[0] / 0.002, rel=1e-3)


def test_without_a_posterior_there_is_no_interval():
    from sklearn.neighbors import KNeighborsRegressor

    t = np.linspace(0, 1, 50)
    trend = lc.GeneTrend("a", None, t, t, model=KNeighborsRegressor(), smoother="passthrough").prepare().fit()
    assert trend.derivative()[1] is None
    with pytest.raises(ValueError, match="level"):
        trend.derivative(level=2)


def test_slopes_of_arrays_stay_within_a_lineage():
    grid = np.tile(np.linspace(0, 1, 5), 2)
    trends = Trends(np.array([[*(2 * grid[:5]), *(10 - grid[5:])]]), grid, ["a"], grid_lineage=np.repeat(["A", "B"], 5))
    slopes = trends.derivative()
    np.testing.assert_allclose(slopes.values, [[2.0] * 5 + [-1.0] * 5])
    assert slopes.se is None
    steeper = Trends(trends.values * 2, grid, ["a"], grid_lineage=trends.grid_lineage).values
    np.testing.assert_allclose(
        trends.derivative([steeper, trends.values]).se, [[2 / np.sqrt(2)] * 5 + [1 / np.sqrt(2)] * 5]
    )
    with pytest.raises(ValueError, match="shape of values"):
        trends.derivative([steeper[:, :4]])
    with pytest.raises(ValueError, match="two grid points"):
        Trends(np.ones((1, 1)), np.zeros(1), ["a"]).derivative()
