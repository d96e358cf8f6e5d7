from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from scipy.interpolate import CubicSpline
from sklearn.utils.estimator_checks import parametrize_with_checks

from lineage_clust.models import GAM
from lineage_clust.smoothers import CubicSplineSmoother, CyclicSplineSmoother

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "cubic_regression"
SMOOTHERS = {"cr": CubicSplineSmoother, "cc": CyclicSplineSmoother}
BASIS = pytest.mark.parametrize("basis", SMOOTHERS)
GRID = np.linspace(0, 1, 101)[:, None]


def some_times(seed=0, n=120):
    """Pseudotimes that are neither uniform nor all different."""
    return np.round(np.random.default_rng(seed).beta(0.7, 2, n), 2)[:, None]


@st.composite
def smoothers(draw, basis):
    return SMOOTHERS[basis](draw(st.integers(3, 15)), draw(st.sampled_from(["uniform", "quantile"])), domain=(0, 1))


def coefficients_of(smoother, seed):
    return np.random.default_rng(seed).normal(size=smoother.n_splines)


def scipy_spline(smoother, coefficients):
    """The natural or periodic cubic spline with these values at the knots."""
    cyclic = isinstance(smoother, CyclicSplineSmoother)
    values = np.append(coefficients, coefficients[0]) if cyclic else coefficients
    return CubicSpline(smoother.bases_[0], values, bc_type="periodic" if cyclic else "natural")


# ---- the basis, against scipy


@BASIS
@given(data=st.data(), seed=st.integers(0, 100))
def test_the_curve_is_scipy_s_spline_through_the_coefficients(basis, data, seed):
    smoother = data.draw(smoothers(basis)).fit(some_times(seed))
    coefficients = coefficients_of(smoother, seed)
    expected = scipy_spline(smoother, coefficients)(GRID.ravel())
    np.testing.assert_allclose(smoother.transform(GRID) @ coefficients, expected, atol=1e-8 * np.abs(expected).max())


@BASIS
@given(data=st.data(), seed=st.integers(0, 100))
def test_the_penalty_is_the_integral_of_the_squared_second_derivative(basis, data, seed):
    smoother = data.draw(smoothers(basis)).fit(some_times(seed))
    coefficients = coefficients_of(smoother, seed)
    second = scipy_spline(smoother, coefficients).derivative(2)
    knots = smoother.bases_[0]
    pieces = [integrate.fixed_quad(lambda x: second(x) ** 2, *ends, n=3)[0] for ends in pairwise(knots)]
    assert coefficients @ smoother.penalty_ @ coefficients == pytest.approx(sum(pieces), rel=1e-7)


@BASIS
@given(data=st.data(), seed=st.integers(0, 100))
def test_the_basis_functions_sum_to_one(basis, data, seed):
    smoother = data.draw(smoothers(basis)).fit(some_times(seed))
    np.testing.assert_allclose(np.asarray(smoother.transform(GRID).sum(axis=1)).ravel(), 1, atol=1e-9)
    np.testing.assert_allclose(smoother.penalty_.sum(axis=1) / np.abs(smoother.penalty_).max(), 0, atol=1e-9)


@given(smoothers("cr"), st.integers(0, 100))
def test_straight_lines_are_free(smoother, seed):
    smoother.fit(some_times(seed))
    knots = smoother.bases_[0]
    np.testing.assert_allclose(smoother.transform(3 * GRID - 1) @ knots, 3 * GRID.ravel() - 1, atol=1e-8)
    assert abs(knots @ smoother.penalty_ @ knots) < 1e-9 * np.abs(smoother.penalty_).max()
    assert np.linalg.matrix_rank(smoother.penalty_, tol=1e-11 * np.abs(smoother.penalty_).max()) == len(knots) - 2


@given(smoothers("cr"), st.integers(0, 100))
def test_natural_curves_go_on_as_straight_lines(smoother, seed):
    smoother.fit(some_times(seed))
    coefficients = coefficients_of(smoother, seed)
    spline = scipy_spline(smoother, coefficients)
    for end, steps in ((0.0, np.linspace(-2, 0, 7)), (1.0, np.linspace(0, 2, 7))):
        expected = spline(end) + spline(end, 1) * steps
        found = smoother.transform(end + steps[:, None]) @ coefficients
        np.testing.assert_allclose(found, expected, atol=1e-7 * np.abs(expected).max())


@given(smoothers("cc"), st.integers(0, 100), st.integers(-3, 3))
def test_cyclic_curves_come_back_to_where_they_began(smoother, seed, turns):
    smoother.fit(some_times(seed))
    coefficients = coefficients_of(smoother, seed)
    one, other = (smoother.transform(GRID + shift) @ coefficients for shift in (0, turns))
    np.testing.assert_allclose(one, other, atol=1e-6 * np.abs(one).max())
    step, ends = 1e-4, np.array([[0.0], [1.0]])
    slopes = (smoother.transform(ends + step) - smoother.transform(ends - step)) @ coefficients / (2 * step)
    assert slopes[0] == pytest.approx(slopes[1], rel=1e-5, abs=1e-5 * np.abs(coefficients).max())


# ---- mgcv; `golden/cubic_regression` says how its numbers were made


@BASIS
def test_basis_and_penalty_are_those_of_mgcv(basis):
    design = pd.read_csv(GOLDEN / "results" / f"design_{basis}.csv.gz")
    penalty = pd.read_csv(GOLDEN / "results" / f"penalty_{basis}.csv.gz").to_numpy()
    smoother = SMOOTHERS[basis](penalty.shape[1], "uniform", domain=(0, 1)).fit(GRID)
    found = smoother.transform(design[["t"]].to_numpy()).toarray()
    np.testing.assert_allclose(found, design.drop(columns="t"), atol=1e-11)
    np.testing.assert_allclose(smoother.penalty_, penalty, rtol=1e-10, atol=1e-9)


@BASIS
def test_fits_are_those_of_mgcv(basis):
    data = pd.read_csv(GOLDEN / "data.csv")
    genes = [name for name in data if name.startswith("y")]
    curves = pd.read_csv(GOLDEN / "results" / f"curves_{basis}.csv.gz")
    numbers = pd.read_csv(GOLDEN / "results" / "genes.csv.gz").query("basis == @basis").set_index("gene").loc[genes]
    smoother = SMOOTHERS[basis](10 if basis == "cr" else 9, "uniform", domain=(0, 1)).fit(GRID)
    gam = GAM(covariance="bayes").fit(
        smoother.transform(data[["t"]].to_numpy()), data[genes].to_numpy(), data["w"], penalty=smoother.penalty_
    )
    trend, se = gam.predict(smoother.transform(curves[["t"]].to_numpy()), return_std=True)
    expected = curves[[f"fit_{gene}" for gene in genes]].to_numpy()
    assert np.max(np.abs(trend - expected).max(axis=0) / np.ptp(expected, axis=0).clip(1e-3)) < 1e-4
    np.testing.assert_allclose(se, curves[[f"se_{gene}" for gene in genes]], rtol=1e-3)
    np.testing.assert_allclose(gam.edf_, numbers["edf"], atol=1e-3)
    np.testing.assert_allclose(gam.scale_, numbers["scale"], rtol=1e-4)
    np.testing.assert_allclose(gam.deviance_explained_, numbers["deviance_explained"], atol=1e-4)
    finite = ~numbers["at_infinity"].to_numpy()
    np.testing.assert_allclose(gam.lambda_[finite], numbers["lambda"][finite], rtol=1e-3)
    if basis == "cr":  # a smooth without a free part has another test in mgcv, that of a random effect
        known = (numbers["pvalue"] > 1e-6).to_numpy()
        np.testing.assert_allclose(np.log10(gam.pvalue_[known]), np.log10(numbers["pvalue"][known]), atol=0.05)


# ---- knots


def test_quantile_knots_are_quantiles_of_the_distinct_times():
    t = np.random.default_rng(0).beta(2, 2, (400, 1))
    knots = CubicSplineSmoother(8).fit(np.repeat(t, 2, axis=0)).bases_[0]
    np.testing.assert_allclose(knots, np.quantile(t, np.linspace(0, 1, 8)), atol=1e-12)


@BASIS
@pytest.mark.parametrize("times", [[0.0, 0.5, 1.0], [0.0, 1e-6, 1.0], [0.3, 0.3, 0.3]], ids=str)
def test_few_or_equal_times_still_make_a_basis(basis, times):
    smoother = SMOOTHERS[basis](12, "quantile").fit(np.array(times * 20)[:, None])
    knots = smoother.bases_[0]
    assert np.all(np.diff(knots) > 0)
    assert np.isfinite(smoother.transform(np.array(times)[:, None]).toarray()).all()
    assert np.linalg.eigvalsh(smoother.penalty_)[0] > -1e-9 * np.abs(smoother.penalty_).max()


@BASIS
@pytest.mark.parametrize("skewed", [False, True])
def test_knots_at_quantiles_leave_only_what_is_free_of_penalty(basis, skewed):
    """Also where most cells are in a corner: knots that almost coincide would let rounding free some curves."""
    t = np.random.default_rng(0).beta(0.2 if skewed else 1, 3, (500, 1))
    smoother = SMOOTHERS[basis](20, "quantile").fit(t)
    y = np.random.default_rng(1).normal(size=(500, 30))
    gam = GAM().fit(smoother.transform(t), y, penalty=smoother.penalty_)
    assert gam.edf_.min() < (2 if basis == "cr" else 1) + 0.01


def test_a_cell_cycle_gene_has_no_seam():
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 1, (500, 1))
    y = np.cos(2 * np.pi * t) + rng.normal(0, 0.2, t.shape)
    smoother = CyclicSplineSmoother(domain=(0, 1)).fit(t)
    trend = GAM().fit(smoother.transform(t), y, penalty=smoother.penalty_).predict(smoother.transform(GRID))
    assert trend[0] == pytest.approx(trend[-1])
    np.testing.assert_allclose(trend, np.cos(2 * np.pi * GRID), atol=0.08)


# ---- parameters


@BASIS
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_splines": 2}, "n_splines must be an integer of at least 3; got 2"),
        ({"n_splines": 5.0}, "n_splines must be an integer of at least 3; got 5.0"),
        ({"knots": "density"}, "knots must be 'quantile' or 'uniform'|knots must be 'uniform' or 'quantile'"),
        ({"domain": (1, 1)}, "domain must be None or"),
        ({"domain": 3}, "domain must be None or"),
    ],
)
def test_wrong_parameters(basis, parameters, message):
    with pytest.raises(ValueError, match=message):
        SMOOTHERS[basis](**parameters).fit(GRID)


@parametrize_with_checks([CubicSplineSmoother(n_splines=5), CyclicSplineSmoother(n_splines=5)])
@pytest.mark.first(47)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)
