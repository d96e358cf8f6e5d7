"""Posterior of the smoothing parameter against its density by brute force."""

import numpy as np
import pytest
from scipy import integrate, linalg

from lineage_clust.models import GAM
from lineage_clust.models.gam.smoothing.criteria import reml
from lineage_clust.smoothers import BSplineSmoother

RNG = np.random.default_rng(5)
T = np.sort(RNG.random(150))
CURVES = np.column_stack([np.sin(5 * T), 2 * T, np.zeros(len(T)), np.exp(-((T - 0.5) ** 2) / 0.005)])
Y = CURVES + RNG.normal(0, 0.5, CURVES.shape)
WEIGHTS = RNG.uniform(0.2, 1, len(T))


@pytest.fixture(scope="module")
def smoother():
    return BSplineSmoother(n_splines=10, domain=(0.0, 1.0)).fit(T[:, None])


@pytest.fixture(scope="module")
def gam(smoother):
    return GAM().fit(smoother.transform(T[:, None]), Y, WEIGHTS, penalty=smoother.penalty_)


def log_density(rho, y, B, S, rank):
    """REML with dense matrices, and the derivative of the degrees of freedom, up to a constant."""
    A, lam = B.T @ (B * WEIGHTS[:, None]), np.exp(rho)
    P = A + lam * S
    beta = linalg.solve(P, B.T @ (WEIGHTS * y))
    deviance = y @ (WEIGHTS * y) - (B.T @ (WEIGHTS * y)) @ beta
    n_free = len(S) - rank
    value = (len(y) - n_free) / 2 * np.log(deviance) + 0.5 * np.linalg.slogdet(P)[1] - 0.5 * rank * rho
    share = linalg.solve(P, A)
    return -value + np.log(max(np.trace(share @ (np.eye(len(S)) - share)), 1e-30))


def test_the_variance_due_to_lambda_is_that_of_log_lambda_times_the_squared_slope(gam, smoother):
    rows = smoother.transform(np.linspace(0, 1, 7)[:, None]).toarray()
    posterior = gam.posterior_
    free, found = posterior.smoothing, posterior.moved_by_lambda(rows)

    def at(step):
        precision = free.spectrum.gram + free.spectrum.penalty * posterior.lambda_ * np.exp(step)
        criterion = reml(free.spectrum, free.loadings, free.squares, free.n_cells)
        values = criterion(np.log(posterior.lambda_) + step, np.arange(len(posterior.lambda_)))[0]
        return rows @ free.spectrum.basis @ (free.loadings / precision), values

    (low, below), (_, here), (high, above) = at(-1e-3), at(0.0), at(1e-3)
    curvature = np.maximum((above - 2 * here + below) / 1e-6, 0.0)
    np.testing.assert_allclose(found, ((high - low) / 2e-3) ** 2 / (curvature + 0.1), rtol=1e-3, atol=1e-12)
    assert np.all(found[:, 0] > 0)


@pytest.mark.slow
@pytest.mark.parametrize("gene", range(4))
@pytest.mark.first(2)
def test_the_distribution_is_that_of_brute_force(gam, smoother, gene):
    B, S = np.asarray(smoother.transform(T[:, None]).todense()), np.asarray(smoother.penalty_)
    grid, cumulative = gam.posterior_.smoothing.distribution()
    grid = grid[:, 0]
    fine, rank = np.linspace(grid[0], grid[-1], 1000), np.linalg.matrix_rank(S)
    logs = np.array([log_density(rho, Y[:, gene], B, S, rank) for rho in fine])
    expected = integrate.cumulative_trapezoid(np.exp(logs - logs.max()), fine, initial=0)
    np.testing.assert_allclose(cumulative[:, gene], np.interp(grid, fine, expected / expected[-1]), atol=0.02)


def test_draws_follow_the_distribution(gam):
    draw, rng = gam.posterior_.smoothing.quantile_function(), np.random.default_rng(0)
    grid, cumulative = gam.posterior_.smoothing.distribution()
    draws = np.log([draw(rng.random(4)) for _ in range(4000)])
    for gene in range(4):
        found = np.mean(draws[:, gene][:, None] <= grid[:, 0], axis=0)
        np.testing.assert_allclose(found, cumulative[:, gene], atol=0.04)


def test_a_straight_line_bends_in_some_draws_only_if_its_smoothness_is_drawn(gam, smoother):
    line = 1
    assert gam.edf_[line] < 2.5
    rows = smoother.transform(np.linspace(0, 1, 50)[:, None])

    def bending(unconditional):
        drawn = np.array([draw[:, line] for draw in gam.sample(rows, 200, 0, unconditional=unconditional)])
        return np.abs(np.diff(drawn, 2, axis=1)).sum(axis=1)

    assert np.quantile(bending(True), 0.9) > 3 * np.quantile(bending(False), 0.9)


def test_where_smoothness_is_well_known_both_kinds_of_draws_spread_alike(smoother):
    rng = np.random.default_rng(1)
    t = np.sort(rng.random(20_000))
    y = np.sin(12 * t)[:, None] + rng.normal(0, 0.3, (len(t), 1))
    gam = GAM().fit(smoother.transform(t[:, None]), y, penalty=smoother.penalty_)
    rows = smoother.transform(np.linspace(0.05, 0.95, 20)[:, None])
    with_, without = (np.std(list(gam.sample(rows, 400, 0, unconditional=u)), axis=0) for u in (True, False))
    np.testing.assert_allclose(with_, without, rtol=0.25)


def test_some_genes_have_the_same_posterior_alone(gam):
    whole, part = gam.posterior_.smoothing, gam.take_genes([2, 0]).posterior_.smoothing
    np.testing.assert_allclose(part.distribution()[1], whole.distribution()[1][:, [2, 0]], atol=1e-12)


def test_given_smoothing_parameters_are_not_drawn(smoother):
    gam = GAM(smoothing=3.0).fit(smoother.transform(T[:, None]), Y, penalty=smoother.penalty_)
    rows = smoother.transform(T[:5, None])
    assert gam.posterior_.smoothing is None
    for one, other in zip(gam.sample(rows, 3, 0, unconditional=True), gam.sample(rows, 3, 0), strict=True):
        np.testing.assert_array_equal(one, other)
