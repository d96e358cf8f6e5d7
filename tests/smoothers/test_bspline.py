import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, sparse
from scipy.interpolate import BSpline
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from lineage_clust.smoothers import BSplineSmoother

degrees = st.integers(0, 4)
knot_rules = st.sampled_from(["uniform", "quantile"])


@st.composite
def smoothers(draw, least_degree=0):
    degree = draw(st.integers(least_degree, 4))
    n_splines = draw(st.integers(degree + 1, 25))
    return BSplineSmoother(n_splines, degree, draw(st.integers(0, min(3, n_splines - 1))), draw(knot_rules))


def some_times(seed=0, n=120):
    """Pseudotimes that are neither uniform nor all different."""
    return np.round(np.random.default_rng(seed).beta(0.7, 2, n), 2)[:, None]


# ---- the basis, against other implementations


@given(smoothers(), st.integers(0, 100))
def test_the_basis_is_scipy_s_on_the_knots(smoother, seed):
    x = some_times(seed)
    design = smoother.fit_transform(x)
    knots, degree = smoother.bases_[0], smoother.degree
    assert sparse.issparse(design)
    assert design.shape == (len(x), smoother.n_splines)
    for index in range(smoother.n_splines):
        coefficients = np.eye(smoother.n_splines)[index]
        np.testing.assert_allclose(
            design[:, [index]].toarray().ravel(), BSpline(knots, coefficients, degree)(x.ravel()), atol=1e-10
        )


def test_the_basis_is_that_of_sklearn():
    x = some_times()
    ours = BSplineSmoother(9, degree=3, domain=(-0.1, 1.1)).fit_transform(x)
    theirs = SplineTransformer(degree=3, knots=np.linspace(-0.1, 1.1, 7)[:, None]).fit_transform(x)
    np.testing.assert_allclose(ours.toarray(), theirs, atol=1e-12)


def test_basis_and_penalty_are_those_of_pygam():
    from pygam.penalties import derivative
    from pygam.utils import b_spline_basis

    x = np.linspace(-0.2, 1.2, 60)  # beyond the domain, both go on as straight lines
    smoother = BSplineSmoother(10, domain=(0, 1)).fit(x[:, None])
    theirs = b_spline_basis(x, np.array([0.0, 1.0]), 10, 3, sparse=False, periodic=False, verbose=False)
    np.testing.assert_allclose(
        smoother.transform(x[:, None]).toarray(), theirs, atol=1e-6
    )  # pyGAM moves its knots by 1e-9
    np.testing.assert_allclose(smoother.penalty_, derivative(10, None).toarray(), atol=1e-12)


# ---- laws


@given(smoothers(), st.integers(0, 100))
def test_the_basis_functions_sum_to_one_everywhere(smoother, seed):
    smoother.fit(some_times(seed))
    sums = np.asarray(smoother.transform(np.linspace(-3, 4, 71)[:, None]).sum(axis=1))
    np.testing.assert_allclose(sums, 1, atol=1e-7)


@given(smoothers(least_degree=1), st.floats(0.1, 5), st.floats(-5, 5))
def test_curves_go_on_as_straight_lines_outside_the_domain(smoother, step, seed):
    smoother.fit(some_times())
    coefficients = np.random.default_rng(int(100 + seed)).normal(size=smoother.n_splines)
    start, end = smoother.bases_[0][smoother.degree], smoother.bases_[0][-smoother.degree - 1]
    inner_slope = BSpline(smoother.bases_[0], coefficients, smoother.degree).derivative()
    for edge, direction, inside in ((start, -1, np.nextafter(start, 1)), (end, 1, np.nextafter(end, 0))):
        x = edge + direction * step * np.arange(3)
        y = smoother.transform(x[:, None]) @ coefficients
        expected = y[0] + inner_slope(inside) * (x - edge)
        np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6 * np.abs(y).max())


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("n_splines", [4, 7, 20])
def test_the_uniform_penalty_is_the_square_of_differences(order, n_splines):
    penalty = BSplineSmoother(n_splines, penalty_order=order).fit(some_times()).penalty_
    differences = np.diff(np.eye(n_splines), n=order, axis=0)
    np.testing.assert_allclose(penalty, differences.T @ differences, atol=1e-9)


@given(smoothers(), st.integers(0, 100))
def test_the_penalty_leaves_exactly_the_low_polynomials_free(smoother, seed):
    x = some_times(seed)
    design = smoother.fit_transform(x).toarray()
    penalty, order = smoother.penalty_, smoother.penalty_order
    values = linalg.eigvalsh(penalty)
    assert np.all(values > -1e-9 * values[-1])
    free = linalg.null_space(penalty, rcond=1e-10)
    assert free.shape[1] == order
    if order <= smoother.degree + 1:  # the basis holds these polynomials
        start, end = smoother.bases_[0][smoother.degree], smoother.bases_[0][-smoother.degree - 1]
        dense = np.linspace(start, end, 200)
        curves = smoother.transform(dense[:, None]) @ free
        powers = np.vander((dense - start) / (end - start), order)
        residual = curves - powers @ linalg.lstsq(powers, curves)[0]
        np.testing.assert_allclose(residual, 0, atol=1e-6)
    assert np.isfinite(design).all()


@given(smoothers(), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_the_unit_of_pseudotime_changes_neither_design_nor_penalty(smoother, unit, shift):
    x = np.linspace(0, 1, 40)[:, None] ** 2
    design, penalty = smoother.fit_transform(x).toarray(), smoother.penalty_
    moved = smoother.fit_transform(unit * x + shift).toarray()
    if smoother.degree > 0:  # a step function jumps where rounding moves a knot across a cell
        np.testing.assert_allclose(moved, design, atol=1e-6)
    np.testing.assert_allclose(smoother.penalty_, penalty, rtol=1e-4, atol=1e-6 * np.abs(penalty).max())


# ---- knots and domain


def test_the_knots_span_the_domain_and_not_the_data():
    x = np.linspace(0.3, 0.6, 30)[:, None]
    smoother = BSplineSmoother(8, domain=(0, 1)).fit(x)
    np.testing.assert_allclose(smoother.bases_[0], np.arange(-3, 9) / 5, atol=1e-12)
    np.testing.assert_allclose(BSplineSmoother(8).fit(x).bases_[0][[3, -4]], [0.3, 0.6])


def test_quantile_knots_are_quantiles():
    x = some_times()
    knots = BSplineSmoother(9, knots="quantile").fit(x).bases_[0]
    np.testing.assert_allclose(knots[3:-3], np.quantile(x, np.linspace(0, 1, 7)), atol=1e-3)


@pytest.mark.parametrize(
    "values", [[0.0] * 95 + [0.3, 0.5, 0.9, 0.95, 1.0], [0.0] * 50 + [1.0] * 50, [0.0, 1.0], [1.0] * 9]
)
def test_quantile_knots_with_ties_still_make_a_basis(values):
    x = np.array(values)[:, None]
    smoother = BSplineSmoother(12, knots="quantile").fit(x)
    assert np.all(np.diff(smoother.bases_[0]) > 0)
    assert np.isfinite(smoother.penalty_).all()
    np.testing.assert_allclose(np.asarray(smoother.transform(x).sum(axis=1)), 1, atol=1e-9)


def test_quantile_knots_look_only_at_cells_inside_the_domain():
    x = np.r_[np.linspace(0, 1, 50), np.full(1000, 7.0)][:, None]
    knots = BSplineSmoother(6, knots="quantile", domain=(0, 1)).fit(x).bases_[0]
    np.testing.assert_allclose(knots[3:-3], [0, 1 / 3, 2 / 3, 1], atol=1e-3)


def test_several_columns_are_expanded_one_by_one():
    x = np.column_stack([np.linspace(0, 1, 30), np.linspace(5, 9, 30) ** 2])
    both = BSplineSmoother(6).fit(x)
    parts = [BSplineSmoother(6).fit(column[:, None]) for column in x.T]
    expected = np.hstack([part.transform(column[:, None]).toarray() for part, column in zip(parts, x.T, strict=True)])
    np.testing.assert_array_equal(both.transform(x).toarray(), expected)
    np.testing.assert_array_equal(both.penalty_, linalg.block_diag(*[part.penalty_ for part in parts]))
    assert list(both.get_feature_names_out(["t", "u"]))[:7] == [*(f"t_sp_{index}" for index in range(6)), "u_sp_0"]


# ---- parameters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_splines": 3}, "n_splines must be an integer of at least 4; got 3"),
        ({"n_splines": 10.0}, "n_splines must be an integer"),
        ({"degree": -1}, "degree must be an integer of at least 0; got -1"),
        ({"degree": True}, "degree must be an integer"),
        ({"penalty_order": -1}, "penalty_order must be an integer of at least 0"),
        ({"n_splines": 5, "penalty_order": 5}, "penalty_order must be below n_splines"),
        ({"knots": "even"}, "knots must be 'uniform' or 'quantile'; got 'even'"),
        ({"domain": (1, 0)}, r"domain must be None or \(start, end\)"),
        ({"domain": (0, 1, 2)}, "domain must be None or"),
        ({"domain": 5}, "domain must be None or"),
        ({"domain": (0, np.inf)}, "domain must be None or"),
        ({"domain": "ab"}, "domain must be None or"),
        ({"domain": (None, 1)}, "domain must be None or"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        BSplineSmoother(**parameters).fit(some_times())


@parametrize_with_checks([BSplineSmoother()])
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([BSplineSmoother(n_splines=6, degree=1, knots="quantile")])
def test_scikit_learn_s_checks_of_other_settings(estimator, check):
    check(estimator)
