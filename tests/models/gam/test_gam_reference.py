"""The Gaussian GAM against NumPy, SciPy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, optimize
from sklearn.linear_model import LinearRegression

from lineage_clust.models import GAM
from lineage_clust.smoothers import BSplineSmoother, CyclicSplineSmoother

from .gaussian_problem import GRID, Problem, settings


def weighted_lstsq(X, Y, w):
    root = np.sqrt(w)[:, None]
    return linalg.lstsq(X * root, Y * root)[0]


def test_without_smoothing_it_is_least_squares():
    problem = Problem()
    B = problem.B.toarray()
    np.testing.assert_allclose(problem.fit(0).coef_.T, weighted_lstsq(B, problem.Y, problem.w), atol=1e-8)
    np.testing.assert_allclose(problem.fit(0).edf_, 12)


def test_with_endless_smoothing_it_is_a_straight_line():
    problem = Problem()
    gam = problem.fit(1e12)
    line = np.polynomial.polynomial.polyfit(problem.t.ravel(), problem.Y, 1, w=np.sqrt(problem.w))
    np.testing.assert_allclose(gam.predict(problem.rows), line[0] + GRID * line[1], atol=1e-6)
    np.testing.assert_allclose(gam.edf_, 2, atol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_endless_smoothing_leaves_the_penalty_s_null_space(order):
    problem = Problem()
    penalty = BSplineSmoother(12, penalty_order=order, domain=(0, 1)).fit(problem.t).penalty_
    gam = GAM(smoothing=1e12).fit(problem.B, problem.Y, sample_weight=problem.w, penalty=penalty)
    powers = weighted_lstsq(np.vander(problem.t.ravel(), order), problem.Y, problem.w)
    np.testing.assert_allclose(gam.predict(problem.rows), np.vander(GRID.ravel(), order) @ powers, atol=1e-4)


@given(settings, st.floats(-3, 5))
def test_a_fixed_lambda_is_the_closed_form(setting, log_lambda):
    _, covariance, seed = setting
    problem, lambda_ = Problem(seed), 10**log_lambda
    gam = problem.fit(lambda_, covariance)
    B, W = problem.B.toarray(), np.diag(problem.w)
    P = np.linalg.inv(B.T @ W @ B + lambda_ * problem.S)
    coef = P @ B.T @ W @ problem.Y
    deviance = problem.w @ (problem.Y - B @ coef) ** 2
    np.testing.assert_allclose(gam.coef_.T, coef, atol=1e-6)
    np.testing.assert_allclose(gam.edf_, np.trace(P @ B.T @ W @ B), rtol=1e-7)
    np.testing.assert_allclose(gam.lambda_, lambda_)
    if covariance == "bayes":
        np.testing.assert_allclose(gam.scale_, deviance / (150 - gam.edf_), rtol=1e-7)
    null = problem.w @ (problem.Y - np.average(problem.Y, axis=0, weights=problem.w)) ** 2
    np.testing.assert_allclose(gam.deviance_explained_, 1 - deviance / null, atol=1e-8)


def dense_reml(problem, y):
    """The REML criterion of mgcv's fixed-scale form with the scale profiled out, from log-determinants."""
    B, w, S = problem.B.toarray(), problem.w, problem.S
    values = linalg.eigvalsh(S)
    rank = int(np.sum(values > 1e-9 * values[-1]))
    log_det_s = np.sum(np.log(values[-rank:]))

    def criterion(log_lambda):
        lambda_ = np.exp(log_lambda)
        A = B.T @ (B * w[:, None]) + lambda_ * S
        beta = np.linalg.solve(A, B.T @ (w * y))
        penalised = np.sum(w * (y - B @ beta) ** 2) + lambda_ * beta @ S @ beta
        df = len(y) - (len(S) - rank)
        return 0.5 * (df * np.log(penalised) + np.linalg.slogdet(A)[1] - rank * log_lambda - log_det_s)

    return criterion


def dense_gcv(problem, y):
    """Generalised cross-validation from the hat matrix."""
    B, w, S = problem.B.toarray(), problem.w, problem.S

    def criterion(log_lambda):
        root = np.sqrt(w)[:, None] * B
        hat = root @ np.linalg.solve(root.T @ root + np.exp(log_lambda) * S, root.T)
        residual = np.sqrt(w) * y - hat @ (np.sqrt(w) * y)
        return np.log(residual @ residual) - 2 * np.log(len(y) - np.trace(hat))

    return criterion


@pytest.mark.parametrize(("method", "dense"), [("reml", dense_reml), ("gcv", dense_gcv)])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.first(3)
def test_lambda_minimises_the_dense_criterion(method, dense, seed):
    problem = Problem(seed)
    gam = problem.fit(method)
    for gene in range(7):
        criterion = dense(problem, problem.Y[:, gene])
        scan = np.linspace(-12, 16, 57)
        best = scan[np.argmin([criterion(point) for point in scan])]
        minimum = optimize.minimize_scalar(
            criterion, bounds=(best - 1, best + 1), method="bounded", options={"xatol": 1e-8}
        )
        assert criterion(min(np.log(gam.lambda_[gene]), 18.0)) <= minimum.fun + 1e-7
        if best < 12:  # not a straight line
            assert np.log(gam.lambda_[gene]) == pytest.approx(minimum.x, abs=1e-3)
    assert gam.converged_.all()


@pytest.mark.parametrize("fit_intercept", [True, False, "auto"])
@pytest.mark.parametrize("weighted", [True, False])
def test_without_a_penalty_it_is_linear_regression(fit_intercept, weighted):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 3)), rng.normal(size=(60, 4)) + 5
    w = rng.uniform(0.1, 1, 60) if weighted else None
    ours = GAM(fit_intercept=fit_intercept).fit(X, Y, sample_weight=w)
    theirs = LinearRegression(fit_intercept=bool(fit_intercept)).fit(X, Y, sample_weight=w)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-10)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-10)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-10)
    assert ours.score(X, Y, sample_weight=w) == pytest.approx(theirs.score(X, Y, sample_weight=w))


def test_an_intercept_is_added_only_where_the_design_has_no_constant():
    problem = Problem()
    assert np.all(problem.fit().intercept_ == 0)
    without = GAM().fit(problem.t, problem.Y)
    np.testing.assert_allclose(without.intercept_, LinearRegression().fit(problem.t, problem.Y).intercept_, atol=1e-10)


def test_standard_errors_and_test_of_a_straight_line_are_those_of_textbooks():
    problem = Problem(n_genes=5)
    gam = GAM(covariance="bayes").fit(problem.t, problem.Y)
    X = np.column_stack([np.ones(150), problem.t])
    for gene in range(5):
        beta, rss = linalg.lstsq(X, problem.Y[:, gene])[:2]
        covariance = rss / 148 * np.linalg.inv(X.T @ X)
        rows = np.column_stack([np.ones(41), GRID])
        se = gam.predict(GRID, return_std=True)[1][:, gene]
        np.testing.assert_allclose(se, np.sqrt(np.einsum("ij,jk,ik->i", rows, covariance, rows)), rtol=1e-8)
        assert gam.statistic_[gene] == pytest.approx(beta[1] ** 2 / covariance[1, 1], rel=1e-6)


@pytest.mark.parametrize("covariance", ["robust", "bayes"])
def test_a_smooth_that_the_penalty_shrinks_to_a_constant_is_tested_as_a_random_effect(covariance):
    """`b'(X'WX + lambda S) b` without the intercept, with the weights of its squared normals, as in Wood (2013)."""
    problem = Problem(seed=3)
    smoother = CyclicSplineSmoother(8, domain=(0, 1)).fit(problem.t)
    B, S, w = smoother.transform(problem.t), smoother.penalty_, problem.w
    Y = problem.w[:, None] + np.random.default_rng(0).normal(size=problem.Y.shape)
    gam = GAM(smoothing=0.01, covariance=covariance).fit(B, Y, sample_weight=w, penalty=S)
    centred = linalg.null_space((w @ B)[None])  # curves with weighted mean zero
    X = B @ centred
    precision = X.T @ (w[:, None] * X) + 0.01 * centred.T @ S @ centred
    spread = linalg.solve(precision, X.T * w)
    variances = spread / (w if covariance == "bayes" else 1) @ spread.T
    statistic = np.einsum("ig,ij,jg->g", spread @ Y, precision, spread @ Y) / gam.scale_
    weights = linalg.eigvals(precision @ variances).real
    n_used = len(w) if covariance == "bayes" else w.sum() ** 2 / np.sum(w**2)
    freedom = n_used - gam.edf_
    rng = np.random.default_rng(1)
    for gene in range(len(gam.edf_)):
        sums = rng.standard_normal((200_000, len(weights))) ** 2 @ weights
        sums /= rng.chisquare(freedom[gene], len(sums)) / freedom[gene]
        expected = np.mean(sums > statistic[gene])
        slack = {"robust": 0.12, "bayes": 0.03}[covariance]  # robust tests allow for the kurtosis of expression
        assert gam.pvalue_[gene] == pytest.approx(expected, rel=slack, abs=2e-3)
