"""Fits of non-Gaussian families: optimal by an independent likelihood, and equal to scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, TweedieRegressor

from lineage_clust.models import GAM
from lineage_clust.models.families import FAMILIES
from lineage_clust.models.gam.pirls import iterations
from lineage_clust.smoothers import BSplineSmoother

from ..family_problem import DEFAULT_LINKS, FAMILY, INVERSE_LINKS, OTHER_LINKS, Problem, log_likelihood


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
@pytest.mark.first(4)
def test_the_gradient_of_the_penalised_likelihood_is_zero(family, link, with_offset, smoothing):
    problem = Problem(family, link)
    offset = problem.offset if with_offset else np.zeros(250)
    gam = problem.fit(smoothing, offset=offset if with_offset else None)
    assert gam.failed_ == {}
    assert gam.converged_.all()
    for gene in range(4):
        assert gradient(problem, gam, gene, offset).max() < 1e-5


def test_a_gene_between_two_minima_gets_the_smoother_curve(monkeypatch):
    """In whichever of the two its smoothing parameter is when it has alternated for long enough."""
    rng, t = np.random.default_rng(3), np.linspace(0, 1, 300)
    mean = np.exp(-1 + 0.4 * rng.uniform(size=200) * np.sin(2 * np.pi * t[:, None]))
    y = rng.poisson(mean * rng.gamma(2, 0.5, mean.shape))[:, 70]
    smoother = BSplineSmoother()
    B = smoother.fit_transform(t[:, None])
    for freeze in (14, 15):
        monkeypatch.setattr(iterations, "_SCHEDULE", iterations.Schedule(freeze=freeze))
        gam = GAM("negative_binomial").fit(B, y, penalty=smoother.penalty_)
        assert gam.converged_.all()
        assert gam.n_iter_[0] > freeze
        np.testing.assert_allclose(gam.edf_, 2, atol=1e-3)


@pytest.mark.parametrize("expectile", [0.1, 0.5, 0.9])
def test_the_gradient_of_the_asymmetric_squares_is_zero(expectile):
    problem = Problem("gaussian", "identity")
    gam = problem.fit(expectile=expectile)
    B = problem.B.toarray()
    residuals = problem.Y - gam.predict(problem.B)
    scores = problem.w[:, None] * np.where(residuals > 0, expectile, 1 - expectile) * residuals
    pull = gam.lambda_ * (problem.S @ gam.coef_.T)
    np.testing.assert_allclose(B.T @ scores, pull, atol=1e-5 * np.abs(scores).sum())


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
