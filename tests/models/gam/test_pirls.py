"""Fits of the families other than the Gaussian: optimal by an independent likelihood, and equal to scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, TweedieRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from lineage_clust.models import GAM
from lineage_clust.models.families import FAMILIES
from lineage_clust.smoothers import BSplineSmoother

GRID = np.linspace(0, 1, 41)[:, None]
DEFAULT_LINKS = [(family, FAMILIES[family].default_link) for family in FAMILIES if family != "gaussian"]
OTHER_LINKS = [
    ("gaussian", "log"),
    ("gaussian", "inverse"),
    ("poisson", "identity"),
    ("poisson", "inverse"),
    ("negative_binomial", "identity"),
    ("gamma", "inverse"),
    ("gamma", "identity"),
    ("binomial", "log"),
    ("inverse_gaussian", "inv_squared"),
    ("inverse_gaussian", "identity"),
]
COUNTED = [family for family, _ in DEFAULT_LINKS]
FAMILY = pytest.mark.parametrize("family", COUNTED)
PHI = 0.3

INVERSE_LINKS = {
    "identity": lambda eta: eta,
    "log": np.exp,
    "logit": lambda eta: 1 / (1 + np.exp(-eta)),
    "inverse": lambda eta: 1 / eta,
    "inv_squared": lambda eta: eta**-0.5,
}


def log_likelihood(family, y, mu, theta):
    """Times the scale, as lambda is in units of it."""
    if family == "gaussian":
        return PHI * stats.norm.logpdf(y, mu, np.sqrt(PHI))
    if family == "poisson":
        return stats.poisson.logpmf(y, mu)
    if family == "negative_binomial":
        return stats.nbinom.logpmf(y, theta, theta / (theta + mu))
    if family == "gamma":
        return PHI * stats.gamma.logpdf(y, 1 / PHI, scale=mu * PHI)
    if family == "binomial":
        return y * np.log(mu) + (1 - y) * np.log1p(-mu)
    return PHI * stats.invgauss.logpdf(y, mu * PHI, scale=1 / PHI)


class Problem:
    """Cells with weights, a spline design and genes whose expression is drawn from a family."""

    def __init__(self, family="poisson", link=None, seed=0, n_cells=250, n_genes=4, n_splines=12):
        self.family, self.link = family, link
        rng = np.random.default_rng(seed)
        self.t = rng.uniform(0, 1, (n_cells, 1))
        self.w = rng.uniform(0.05, 1, n_cells)
        self.offset = rng.normal(0, 0.3, n_cells)
        waves = np.sin(2 * np.pi * self.t * rng.uniform(0.3, 1.2, n_genes) + rng.uniform(0, 6, n_genes))
        mu = 0.45 + 0.3 * waves if family == "binomial" else np.exp(0.7 + 0.8 * waves)
        self.Y = self.draw(rng, mu)
        self.smoother = BSplineSmoother(n_splines, domain=(0, 1)).fit(self.t)
        self.B = self.smoother.transform(self.t)
        self.S = self.smoother.penalty_
        self.rows = self.smoother.transform(GRID)

    def draw(self, rng, mu):
        if self.family == "gaussian":
            return rng.normal(mu, 0.1)
        if self.family == "poisson":
            return rng.poisson(mu).astype(float)
        if self.family == "negative_binomial":
            return rng.negative_binomial(2.0, 2.0 / (2.0 + mu)).astype(float)
        if self.family == "gamma":
            return rng.gamma(1 / PHI, mu * PHI)
        if self.family == "binomial":
            return (rng.random(mu.shape) < mu).astype(float)
        return rng.wald(mu, 1 / PHI)

    def fit(self, smoothing="reml", Y=None, w=None, cells=slice(None), **options):
        Y, w = self.Y if Y is None else Y, self.w if w is None else w
        offset = options.pop("offset", None)
        return GAM(self.family, self.link, smoothing=smoothing, **options).fit(
            self.B[cells], Y[cells], w[cells], penalty=self.S, offset=None if offset is None else offset[cells]
        )


def assert_same_fit(one, other, rows, rtol=1e-6):
    (fit, se), (other_fit, other_se) = one.predict(rows, return_std=True), other.predict(rows, return_std=True)
    np.testing.assert_allclose(fit, other_fit, atol=rtol * np.ptp(other_fit))
    np.testing.assert_allclose(se, other_se, rtol=10 * rtol, atol=rtol * np.ptp(other_fit))
    for name in ("edf_", "deviance_explained_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=10 * rtol)


# ---- the optimum


def gradient(problem, gam, gene, offset):
    """Of the penalised log-likelihood, relative to what its terms add up to without their signs."""
    B, y = problem.B.toarray(), problem.Y[:, gene]
    theta = gam.theta_[gene] if problem.family == "negative_binomial" else None
    eta = B @ gam.coef_[gene] + gam.intercept_[gene] + offset
    mean, step = INVERSE_LINKS[gam._link.name], 1e-6
    either = [log_likelihood(problem.family, y, mean(eta + sign * step), theta) for sign in (1, -1)]
    scores = problem.w * (either[0] - either[1]) / (2 * step)
    pull = gam.lambda_[gene] * problem.S @ gam.coef_[gene]
    rounding = 1e-15 * gam.lambda_[gene] * np.abs(problem.S) @ np.abs(gam.coef_[gene])  # counts where lambda is huge
    return np.maximum(np.abs(B.T @ scores - pull) - rounding, 0) / (np.abs(B).T @ np.abs(scores)).max()


@pytest.mark.parametrize(
    ("family", "link", "with_offset"),
    [(*pair, False) for pair in DEFAULT_LINKS + OTHER_LINKS] + [(*pair, True) for pair in DEFAULT_LINKS],
)
@pytest.mark.parametrize("smoothing", ["reml", *(pytest.param(one, marks=pytest.mark.slow) for one in ("gcv", 0.1))])
@pytest.mark.first(8)
def test_the_gradient_of_the_penalised_likelihood_is_zero(family, link, with_offset, smoothing):
    problem = Problem(family, link)
    offset = problem.offset if with_offset else np.zeros(250)
    gam = problem.fit(smoothing, offset=offset if with_offset else None)
    assert gam.failed_ == {}
    assert gam.converged_.all()
    for gene in range(4):
        assert gradient(problem, gam, gene, offset).max() < 1e-5


@pytest.mark.parametrize("expectile", [0.1, 0.5, 0.9])
def test_the_gradient_of_the_asymmetric_squares_is_zero(expectile):
    problem = Problem("gaussian", "identity")
    gam = problem.fit(expectile=expectile)
    B = problem.B.toarray()
    residuals = problem.Y - gam.predict(problem.B)
    scores = problem.w[:, None] * np.where(residuals > 0, expectile, 1 - expectile) * residuals
    pull = gam.lambda_ * (problem.S @ gam.coef_.T)
    np.testing.assert_allclose(B.T @ scores, pull, atol=1e-5 * np.abs(scores).sum())


# ---- without a penalty, against scikit-learn


def plain_design(n_cells=300, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_cells, 3)), rng.uniform(0.1, 1, n_cells)


@pytest.mark.parametrize(
    ("family", "reference"),
    [
        ("poisson", PoissonRegressor(alpha=0, tol=1e-10, max_iter=10_000)),
        ("gamma", GammaRegressor(alpha=0, tol=1e-10, max_iter=10_000)),
        ("inverse_gaussian", TweedieRegressor(power=3, alpha=0, link="log", tol=1e-10, max_iter=10_000)),
        ("binomial", LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)),
    ],
)
@pytest.mark.parametrize("weighted", [True, False])
def test_without_a_penalty_it_is_scikit_learn_s_regression(family, reference, weighted):
    X, weights = plain_design()
    weights = weights if weighted else None
    eta = X @ [[0.5, -0.2], [0.3, 0.1], [0.0, 0.4]] - 0.3
    y = Problem(family).draw(np.random.default_rng(2), INVERSE_LINKS[FAMILIES[family].default_link](eta))
    gam = GAM(family).fit(X, y, weights)
    for gene in range(2):
        reference.fit(X, y[:, gene], sample_weight=weights)
        np.testing.assert_allclose(gam.coef_[gene], np.ravel(reference.coef_), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(gam.intercept_[gene], np.ravel(reference.intercept_)[0], rtol=1e-4, atol=1e-5)


@FAMILY
def test_an_intercept_alone_is_the_weighted_mean(family):
    problem = Problem(family)
    gam = GAM(family, fit_intercept=False).fit(np.ones((250, 1)), problem.Y, problem.w)
    np.testing.assert_allclose(gam.predict([[1.0]])[0], np.average(problem.Y, axis=0, weights=problem.w), rtol=1e-7)


# ---- laws


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
def test_a_cell_twice_is_a_cell_of_double_weight(family):
    problem = Problem(family)
    twice = np.repeat(np.arange(250), 2)
    repeated, doubled = problem.fit(0.5, cells=twice), problem.fit(0.5, w=2 * problem.w)
    np.testing.assert_allclose(repeated.predict(problem.rows), doubled.predict(problem.rows), rtol=1e-5)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "gamma", "inverse_gaussian"])
@pytest.mark.parametrize("shift", [-2.0, 1.5])
@pytest.mark.first(3)
def test_a_constant_offset_shifts_the_intercept(family, shift):
    problem = Problem(family)
    plain, shifted = problem.fit(0.5), problem.fit(0.5, offset=np.full(250, shift))
    np.testing.assert_allclose(shifted.predict(problem.rows), plain.predict(problem.rows) * np.exp(-shift), rtol=1e-5)


@pytest.mark.parametrize("family", ["gamma", "inverse_gaussian"])
@pytest.mark.parametrize("unit", [1e-4, 50.0])
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
def test_endless_smoothing_is_a_straight_line_on_the_link_scale(family):
    problem = Problem(family)
    gam = problem.fit(1e9)
    X = np.column_stack([problem.t.ravel()])
    line = GAM(family).fit(X, problem.Y, problem.w)
    np.testing.assert_allclose(gam.predict(problem.rows), line.predict(GRID), rtol=1e-3)
    np.testing.assert_allclose(gam.edf_, 2, atol=1e-4)


@FAMILY
def test_deviance_explained_is_a_share(family):
    problem = Problem(family)
    gam = problem.fit()
    assert np.all((gam.deviance_explained_ > 0) & (gam.deviance_explained_ < 1))
    flat = problem.fit(Y=np.random.default_rng(0).permuted(problem.Y, axis=0))
    assert flat.deviance_explained_.max() < gam.deviance_explained_.max()


@pytest.mark.parametrize(("family", "link"), DEFAULT_LINKS + OTHER_LINKS)
@pytest.mark.first(5)
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


# ---- covariates


@FAMILY
@pytest.mark.parametrize("unit", [1e-5, 1e5])
@pytest.mark.first(4)
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


# ---- scikit-learn's checks

EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "fewer cells than columns, and no penalty: many fits are as good",
    "check_sample_weight_equivalence_on_sparse_data": "fewer cells than columns, and no penalty: many fits are as good",
    "check_regressor_multioutput": "its responses are negative",
}


def expected_failures(estimator):
    less = {"check_regressor_multioutput"} if estimator.expectile is not None else set()
    return {check: reason for check, reason in EXPECTED_FAILURES.items() if check not in less}


@pytest.mark.slow  # test_gam.py has those of GAM()
@parametrize_with_checks(
    [GAM("poisson"), GAM("negative_binomial"), GAM("gamma"), GAM("inverse_gaussian"), GAM(expectile=0.8)],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


# ---- expectiles


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
