"""Joint fits of genes: constant and failed genes, and slopes with their intervals."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.linear_model import QuantileRegressor
from sklearn.neural_network import MLPRegressor

import lineage_clust as lc
from lineage_clust import GAM, LineageClustWarning, TrendClusterer
from lineage_clust.models import PyGAM
from lineage_clust.models.regressor import RegressorModel
from lineage_clust.smoothers import BSplineSmoother
from lineage_clust.trends import Trends
from lineage_clust.trends.group_fit import _levelled, fit_group

from ..fits import QUICK, lineage_of

N_CELLS = 200
T = np.sort(np.random.default_rng(0).uniform(0, 1, N_CELLS))
W = np.ones(N_CELLS)
GRID = np.linspace(0, 1, 50)


def fit(model, Y, smoother=None):
    names = [f"g{gene}" for gene in range(Y.shape[1])]
    return fit_group(lineage_of(T, W, Y, names), GRID, BSplineSmoother() if smoother is None else smoother, model)


def waves(n_genes=12, seed=1):
    rng = np.random.default_rng(seed)
    return np.sin(4 * T[:, None] + rng.uniform(0, 6, n_genes)) + rng.normal(0, 0.3, (N_CELLS, n_genes)) + 3


class Reporting(BaseEstimator):
    """A model that says of each gene what it is told to say."""

    reads = "design"

    def __init__(self, converged=True, explained=0.5):
        self.converged, self.explained = converged, explained

    def fit(self, X, y, sample_weight=None, penalty=None):
        n_genes = y.shape[1]
        self.converged_ = np.broadcast_to(self.converged, n_genes).copy()
        self.deviance_explained_ = np.broadcast_to(self.explained, n_genes).astype(float)
        self.pvalue_, self.failed_, self.note_ = np.full(n_genes, 1e-9), {}, [""] * n_genes
        self.coef_ = np.linalg.lstsq(X.toarray() if hasattr(X, "toarray") else X, y, rcond=None)[0]
        return self

    def predict(self, X, return_std=False):
        mean = X @ self.coef_
        return (mean, None) if return_std else mean


@pytest.mark.parametrize(
    "model", [GAM(), PyGAM(), PyGAM(penalties=("derivative", "l2")), RegressorModel(QuantileRegressor())]
)
@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
@pytest.mark.first(4)
def test_a_constant_gene_has_a_constant_trend(model, level):
    Y = waves(3)
    Y[:, 1] = level
    found = fit(model, Y)
    assert np.ptp(found.values[1]) == 0
    assert np.ptp(found.values[[0, 2]], axis=1).min() > 0.1 or isinstance(model, RegressorModel)


@pytest.mark.slow
def test_an_unexpressed_gene_is_not_clustered_with_pygam():
    Y = np.column_stack([waves(20), np.zeros(N_CELLS)])
    adata = ad.AnnData(Y, obs=pd.DataFrame({"pseudotime": T}, index=[f"c{cell}" for cell in range(N_CELLS)]))
    tc = TrendClusterer(PyGAM(), alpha=None, random_state=0, clusterer=QUICK).fit(adata)
    assert tc.labels_[-1] == -1
    assert np.all(tc.labels_[:-1] >= 0)
    assert np.all(tc.scaled_trends_[-1] == 0)
    assert tc.gene_table_["direction"].iloc[-1] == "flat"
    assert tc.gene_table_["peak"].iloc[-1] == tc.pseudotime_[0]
    assert tc.gene_scale_[-1] == 0


@settings(max_examples=30, deadline=None)
@given(unit=st.sampled_from([1e-12, 1e-3, 1.0, 1e9]), height=st.sampled_from([1e-9, 1e-4, 1.0]))
def test_constant_is_judged_by_the_spread_of_expression(unit, height):
    values = unit * (2 + height * np.sin(GRID))[None]
    levelled = _levelled(values, np.array([unit]))
    assert (np.ptp(levelled) == 0) == (height == 1e-9)
    np.testing.assert_allclose(levelled, values, atol=1e-8 * unit)


def test_fits_that_did_not_succeed_are_not_clustered():
    Y = waves(30)
    adata = ad.AnnData(Y, obs=pd.DataFrame({"pseudotime": T}, index=[f"c{cell}" for cell in range(N_CELLS)]))
    converged, explained = np.ones(30, dtype=bool), np.full(30, 0.5)
    converged[0], explained[1], explained[2] = False, -0.2, -1e-9
    for alpha in (0.01, None):
        tc = TrendClusterer(Reporting(converged, explained), clusterer=QUICK, alpha=alpha, random_state=0).fit(adata)
        assert (tc.labels_ < 0).tolist() == [True, True, *[False] * 28]
        assert tc.gene_table_["pvalue"].isna().tolist() == [True, True, *[False] * 28]
        assert tc.gene_table_["converged"].tolist() == [False, False, *[True] * 28]
        assert tc.gene_table_["note"].tolist()[:3] == ["", "explains less than a constant does", ""]


def test_many_of_them_are_warned_of_once():
    Y = waves(30)
    adata = ad.AnnData(Y, obs=pd.DataFrame({"pseudotime": T}, index=[f"c{cell}" for cell in range(N_CELLS)]))
    explained = np.where(np.arange(30) < 5, -1.0, 0.5)
    with pytest.warns(LineageClustWarning) as caught:
        TrendClusterer(Reporting(True, explained), clusterer=QUICK, random_state=0).fit(adata)
    assert len(caught) == 1
    assert "5 of 30 fits did not converge" in str(caught[0].message)
    assert "5 of them: explains less than a constant does" in str(caught[0].message)


def test_a_regressor_that_stopped_early_says_so():
    model = RegressorModel(MLPRegressor(hidden_layer_sizes=(5,), max_iter=3, random_state=0))
    found = fit(model, waves(4))
    assert not found.table["converged"].any()
    assert all("stopped at its max_iter" in note for note in found.table["note"])


def test_a_regressor_with_another_loss_may_explain_less_squares_than_the_mean():
    Y = waves(4) + np.random.default_rng(2).normal(0, 1, (N_CELLS, 4))
    found = fit(RegressorModel(QuantileRegressor(quantile=0.95, alpha=0)), Y, BSplineSmoother(6))
    assert (found.table["deviance_explained"] < 0).any()
    assert found.table["converged"].all()


@pytest.mark.parametrize("family", ["gamma", "poisson", "inverse_gaussian"])
@pytest.mark.parametrize("last_digit", [0.0, 1e-15])
def test_the_peak_of_a_constant_gene_does_not_hang_on_the_last_digit(family, last_digit):
    weights = np.random.default_rng(3).uniform(0.1, 1, N_CELLS) * (1 + last_digit)
    Y = np.column_stack([np.full(N_CELLS, 3.0), np.random.default_rng(4).poisson(4, N_CELLS) + 1.0])
    found = fit_group(lineage_of(T, weights, Y, ["constant", "other"]), GRID, BSplineSmoother(), GAM(family))
    assert np.ptp(found.values[0]) == 0
    assert np.argmax(found.values[0]) == 0
    np.testing.assert_allclose(found.values[0], 3, rtol=1e-6)


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
