"""Properties of fits of non-Gaussian families."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.utils.estimator_checks import parametrize_with_checks

from lineage_clust.models import GAM
from lineage_clust.smoothers import BSplineSmoother

from .family_problem import COUNTED, DEFAULT_LINKS, FAMILY, GRID, OTHER_LINKS, Problem, assert_same_fit


@FAMILY
@pytest.mark.slow
def test_storage_does_not_matter(family):
    problem = Problem(family)
    dense = problem.fit()
    for storage in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array):
        assert_same_fit(problem.fit(Y=storage(problem.Y)), dense, problem.rows, 1e-8)
    design = GAM(family).fit(problem.B.toarray(), problem.Y, problem.w, penalty=problem.S)
    assert_same_fit(design, dense, problem.rows, 1e-8)


@FAMILY
@pytest.mark.parametrize("smoothing", ["reml", "gcv", 0.1])
@pytest.mark.slow
def test_every_gene_is_fitted_by_itself(family, smoothing):
    problem = Problem(family, n_genes=70)  # more than go together in memory
    together = problem.fit(smoothing)
    chosen = [0, 33, 69]
    alone = problem.fit(smoothing, Y=problem.Y[:, chosen])
    np.testing.assert_allclose(alone.coef_, together.coef_[chosen], rtol=1e-8, atol=1e-8)
    for name in ("lambda_", "edf_", "scale_", "deviance_explained_", "statistic_", "pvalue_"):
        np.testing.assert_allclose(getattr(alone, name), getattr(together, name)[chosen], rtol=1e-7)


@FAMILY
@pytest.mark.slow
def test_threads_do_not_matter(family):
    problem = Problem(family, n_genes=150, n_cells=120)
    one, two = problem.fit(n_jobs=1), problem.fit(n_jobs=2)
    np.testing.assert_array_equal(one.coef_, two.coef_)
    np.testing.assert_array_equal(one.pvalue_, two.pvalue_)


@settings(max_examples=15)
@given(st.sampled_from(COUNTED), st.integers(0, 100))
@pytest.mark.slow
def test_a_cell_of_weight_zero_is_as_if_absent(family, seed):
    problem = Problem(family, seed=seed)
    kept = np.random.default_rng(seed).random(250) < 0.8
    zeroed = problem.fit(w=np.where(kept, problem.w, 0.0))
    assert_same_fit(zeroed, problem.fit(cells=kept), problem.rows, 1e-8)


@settings(max_examples=15)
@given(st.sampled_from(COUNTED), st.integers(0, 100))
@pytest.mark.slow
def test_the_order_of_the_cells_does_not_matter(family, seed):
    problem = Problem(family, seed=seed)
    order = np.random.default_rng(seed).permutation(250)
    assert_same_fit(problem.fit(cells=order), problem.fit(), problem.rows, 1e-6)


@FAMILY
@pytest.mark.first(2)
def test_a_cell_twice_is_a_cell_of_double_weight(family):
    problem = Problem(family)
    twice = np.repeat(np.arange(250), 2)
    repeated, doubled = problem.fit(0.5, cells=twice), problem.fit(0.5, w=2 * problem.w)
    np.testing.assert_allclose(repeated.predict(problem.rows), doubled.predict(problem.rows), rtol=1e-5)


@pytest.mark.parametrize(("family", "link"), [("gaussian", "inverse"), ("gamma", "log"), ("inverse_gaussian", "log")])
@pytest.mark.parametrize("smoothing", ["reml", "gcv"])
def test_constant_genes_converge_to_a_straight_line(family, link, smoothing):
    rng, smoother = np.random.default_rng(4), BSplineSmoother(8)
    design = smoother.fit_transform(np.sort(rng.random((12, 1)), axis=0))
    constant = np.ones((12, 1)) * np.array([1.0, 2.0, 1e-3, 1e3])
    fit = GAM(family, link, smoothing=smoothing).fit(design, constant, rng.random(12), penalty=smoother.penalty_)
    assert fit.converged_.all()
    np.testing.assert_allclose(fit.edf_, 2.0, rtol=1e-4)
    np.testing.assert_array_equal(fit.pvalue_, 1.0)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "binomial"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_gene_that_one_batch_lacks_has_a_note(family, form):
    problem = Problem(family)
    batch = np.arange(250) % 2
    Y = problem.Y.copy()
    Y[batch == 1, 0] = 0
    design = form(np.column_stack([problem.B.toarray(), batch - 0.5]))
    fit = GAM(family).fit(design, Y, problem.w, penalty=problem.S)
    assert ["infinite" in note for note in fit.note_] == [True] + [False] * (Y.shape[1] - 1)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "gamma", "inverse_gaussian"])
@pytest.mark.parametrize("shift", [-2.0, 1.5])
@pytest.mark.first(3)
def test_a_constant_offset_shifts_the_intercept(family, shift):
    problem = Problem(family)
    plain, shifted = problem.fit(0.5), problem.fit(0.5, offset=np.full(250, shift))
    np.testing.assert_allclose(shifted.predict(problem.rows), plain.predict(problem.rows) * np.exp(-shift), rtol=1e-5)


@pytest.mark.parametrize("family", ["gamma", "inverse_gaussian"])
@pytest.mark.parametrize("unit", [1e-4, 50.0])
@pytest.mark.first(2)
def test_the_unit_of_expression_does_not_matter_under_a_log_link(family, unit):
    """Of the gamma family nothing depends on it; of the inverse Gaussian, whose scale has a unit, the smoothing as well."""
    problem = Problem(family)
    smoothing = "reml" if family == "gamma" else 0.5
    lambda_unit = 1.0 if family == "gamma" else 1 / unit
    plain = problem.fit(smoothing)
    scaled = problem.fit(smoothing if family == "gamma" else smoothing * lambda_unit, Y=problem.Y * unit)
    np.testing.assert_allclose(scaled.predict(problem.rows) / unit, plain.predict(problem.rows), rtol=1e-5)


def test_zeros_and_ones_may_be_called_the_other_way_round():
    problem = Problem("binomial")
    one, other = problem.fit(), problem.fit(Y=1 - problem.Y)
    np.testing.assert_allclose(one.predict(problem.rows), 1 - other.predict(problem.rows), atol=1e-6)
    np.testing.assert_allclose(one.pvalue_, other.pvalue_, rtol=1e-3)


@FAMILY
@pytest.mark.first(2)
def test_endless_smoothing_is_a_straight_line_on_the_link_scale(family):
    problem = Problem(family)
    gam = problem.fit(1e9)
    X = np.column_stack([problem.t.ravel()])
    line = GAM(family).fit(X, problem.Y, problem.w)
    np.testing.assert_allclose(gam.predict(problem.rows), line.predict(GRID), rtol=1e-3)
    np.testing.assert_allclose(gam.edf_, 2, atol=1e-4)


@FAMILY
@pytest.mark.first(2)
def test_deviance_explained_is_a_share(family):
    problem = Problem(family)
    gam = problem.fit()
    assert np.all((gam.deviance_explained_ > 0) & (gam.deviance_explained_ < 1))
    flat = problem.fit(Y=np.random.default_rng(0).permuted(problem.Y, axis=0))
    assert flat.deviance_explained_.max() < gam.deviance_explained_.max()


@pytest.mark.parametrize(("family", "link"), DEFAULT_LINKS + OTHER_LINKS)
@pytest.mark.first(2)
def test_intervals_are_inside_of_what_the_family_can_have(family, link):
    problem = Problem(family, link)
    gam = problem.fit()
    lower, upper = gam.confidence_interval(problem.rows)
    trend = gam.predict(problem.rows)
    assert np.all((lower <= trend) & (trend <= upper))
    if link in ("log", "logit", "inverse", "inv_squared"):
        assert np.all(lower > 0)
    if link == "logit":
        assert np.all(upper < 1)


def test_standard_errors_on_the_response_scale_are_by_the_delta_method():
    problem = Problem("poisson")
    gam = problem.fit()
    se = gam.predict(problem.rows, return_std=True)[1]
    lower, upper = gam.confidence_interval(problem.rows, level=0.02)  # so near that the link is straight
    np.testing.assert_allclose((upper - lower) / 2, stats.norm.ppf(0.51) * se, rtol=1e-3)
    assert np.all(se > 0)


def test_with_few_iterations_it_says_so():
    problem = Problem("negative_binomial")
    gam = problem.fit(max_iter=2)
    assert not gam.converged_.any()
    assert gam.note_ == ["no convergence in 2 iterations"] * 4


@FAMILY
@pytest.mark.parametrize("unit", [1e-5, 1e5])
@pytest.mark.first(2)
def test_the_unit_of_a_covariate_does_not_matter(family, unit):
    problem = Problem(family)
    covariate = np.random.default_rng(3).normal(size=(250, 1))
    fits = [
        GAM(family).fit(sparse.hstack([problem.B, size * covariate]), problem.Y, problem.w, penalty=problem.S)
        for size in (1.0, unit)
    ]
    rows = sparse.hstack([problem.rows, np.zeros((len(GRID), 1))], format="csr")
    assert_same_fit(*fits, rows, 1e-5)
    np.testing.assert_allclose(fits[1].coef_[:, -1] * unit, fits[0].coef_[:, -1], rtol=1e-4, atol=1e-6)


@FAMILY
@pytest.mark.first(2)
def test_a_covariate_that_comes_twice_counts_once(family):
    problem = Problem(family)
    batch = sparse.csr_matrix(np.where(np.arange(250) % 3 == 0, 1.0, -0.5)[:, None])
    once, twice = (
        GAM(family).fit(sparse.hstack([problem.B, *[batch] * n]), problem.Y, problem.w, penalty=problem.S)
        for n in (1, 2)
    )
    rows = [sparse.hstack([problem.rows, np.zeros((len(GRID), n))], format="csr") for n in (1, 2)]
    both = zip(once.predict(rows[0], return_std=True), twice.predict(rows[1], return_std=True), strict=True)
    for one, other in both:
        np.testing.assert_allclose(one, other, rtol=1e-3)
    np.testing.assert_allclose(once.predict(rows[0]), twice.predict(rows[1]), rtol=1e-5)


def expected_failures(estimator):
    return {} if estimator.expectile is not None else {"check_regressor_multioutput": "its responses are negative"}


@pytest.mark.slow  # test_gam.py has those of GAM()
@parametrize_with_checks(
    [GAM("poisson"), GAM("negative_binomial"), GAM("gamma"), GAM("inverse_gaussian"), GAM(expectile=0.8)],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def test_the_expectile_in_the_middle_is_the_mean():
    problem = Problem("gaussian", "identity")
    mean, middle = problem.fit(0.5), problem.fit(0.25, expectile=0.5)  # all weights are 1/2: so is lambda
    np.testing.assert_allclose(middle.predict(problem.rows), mean.predict(problem.rows), rtol=1e-8)
    mean, middle = problem.fit(), problem.fit(expectile=0.5)
    np.testing.assert_allclose(middle.predict(problem.rows), mean.predict(problem.rows), atol=1e-5)


def test_higher_expectiles_lie_above():
    problem = Problem("gaussian", "identity")
    curves = [problem.fit(1.0, expectile=level).predict(problem.B) for level in (0.05, 0.3, 0.5, 0.7, 0.95)]
    means = [np.average(curve, axis=0, weights=problem.w) for curve in curves]
    assert np.all(np.diff(means, axis=0) > 0)
    assert np.mean(np.diff(curves, axis=0) > 0) > 0.99


@pytest.mark.parametrize("expectile", [0.2, 0.9])
def test_expectiles_are_those_of_pygam(expectile):
    from pygam import ExpectileGAM
    from pygam import s as spline

    problem = Problem("gaussian", "identity")
    t = np.concatenate([problem.t.ravel()[:-2], [0.0, 1.0]])  # pyGAM's knots span the data
    smoother = BSplineSmoother(10).fit(t[:, None])
    ours = GAM(smoothing=0.6, expectile=expectile)
    ours.fit(smoother.transform(t[:, None]), problem.Y, penalty=smoother.penalty_)
    terms = spline(0, n_splines=10, lam=0.6, penalties="derivative")
    for gene in range(4):
        theirs = ExpectileGAM(terms, expectile=expectile, tol=1e-10, max_iter=1000).fit(t, problem.Y[:, gene])
        np.testing.assert_allclose(ours.predict(smoother.transform(GRID))[:, gene], theirs.predict(GRID), atol=1e-5)
