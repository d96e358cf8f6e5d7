"""Sizes of the negative binomial: maximum likelihood against SciPy's, and shrinkage towards their trend."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, sparse, stats
from scipy.special import digamma, polygamma, xlogy

from lineage_clust.expression.counts.bins import values_of_bins
from lineage_clust.expression.counts.table import Shares, Wanted, block_table
from lineage_clust.models import GAM
from lineage_clust.models.families import FAMILIES
from lineage_clust.models.gam.pirls.size import LEAST, MOST, DistinctCounts, Histogram, moment_size, shrink, size_step
from lineage_clust.smoothers import BSplineSmoother

N_CELLS = 300


def counts_around(mu, theta, seed=0):
    return np.random.default_rng(seed).negative_binomial(theta, theta / (theta + mu)).astype(float)


def log_likelihood(log_theta, y, mu, weights):
    theta = np.exp(log_theta)
    return weights @ stats.nbinom.logpmf(y, theta, theta / (theta + mu))


def best_size(y, mu, weights):
    """The size that maximises scipy's likelihood."""
    return np.exp(optimize.minimize_scalar(
        lambda log_theta: -log_likelihood(log_theta, y, mu, weights), bounds=(np.log(LEAST), np.log(MOST)),
        method="bounded", options={"xatol": 1e-10},
    ).x)  # fmt: skip


def iterate(y, mu, weights, theta, n=60):
    table = DistinctCounts.of(y, weights)
    for _ in range(n):
        theta, information = size_step(table, weights[:, None] * y, mu, weights[:, None], theta)
    return theta, information


@given(theta=st.sampled_from([0.1, 0.7, 3.0, 20.0]), level=st.sampled_from([0.3, 2.0, 30.0]), seed=st.integers(0, 50))
def test_newton_s_steps_end_at_the_maximum_of_scipy_s_likelihood(theta, level, seed):
    rng = np.random.default_rng(seed)
    mu = level * rng.uniform(0.5, 2, N_CELLS)
    weights = rng.uniform(0.1, 1, N_CELLS)
    y = counts_around(mu, theta, seed)
    found, _ = iterate(y[:, None], mu[:, None], weights, np.array([1.0]))
    expected = best_size(y, mu, weights)
    if 10 * LEAST < expected < 0.1 * MOST:
        assert found[0] == pytest.approx(expected, rel=1e-4)
    # else the likelihood still rises where theta is held: compare what was reached
    ends = [log_likelihood(np.log(value), y, mu, weights) for value in (found[0], expected)]
    assert ends[0] > ends[1] - 1e-3


def test_the_information_is_the_curvature_of_the_likelihood():
    rng = np.random.default_rng(1)
    mu, weights = rng.uniform(1, 5, N_CELLS), rng.uniform(0.1, 1, N_CELLS)
    y = counts_around(mu, 2.0)
    theta, information = iterate(y[:, None], mu[:, None], weights, np.array([1.0]))
    at, step = np.log(theta[0]), 1e-3
    values = [log_likelihood(at + k * step, y, mu, weights) for k in (-1, 0, 1)]
    assert information[0] == pytest.approx(-(values[0] - 2 * values[1] + values[2]) / step**2, rel=1e-4)


def test_every_gene_takes_its_own_step():
    rng = np.random.default_rng(2)
    mu = rng.uniform(0.2, 6, (N_CELLS, 5))
    weights = rng.uniform(0.1, 1, N_CELLS)
    y = counts_around(mu, np.array([0.2, 1, 3, 10, 50]))
    start = np.array([0.5, 1.0, 2.0, 3.0, 4.0])
    sums, weights, table = weights[:, None] * y, weights[:, None], DistinctCounts.of(y, weights)
    together = size_step(table, sums, mu, weights, start)
    for gene in range(5):
        own = [gene]
        alone = size_step(table.take(np.array(own)), sums[:, own], mu[:, own], weights, start[own])
        for ours, expected in zip(together, alone, strict=True):
            np.testing.assert_allclose(ours[own], expected, rtol=1e-10)


def test_counts_with_less_variance_than_poisson_go_to_the_largest_size():
    y = np.full((N_CELLS, 1), 4.0)
    theta, _ = iterate(y, np.full((N_CELLS, 1), 4.0), np.ones(N_CELLS), np.array([1.0]))
    assert theta[0] == MOST


def test_moments_find_the_size_of_many_cells():
    mu = np.random.default_rng(0).uniform(2, 8, (20_000, 3))
    y = counts_around(mu, np.array([0.5, 2.0, 8.0]))
    np.testing.assert_allclose(moment_size(np.sum(y**2, axis=0), y, mu, np.ones((len(y), 1))), [0.5, 2, 8], rtol=0.15)


def test_the_sizes_of_a_model_maximise_the_likelihood_at_its_trends():
    rng = np.random.default_rng(3)
    t = rng.uniform(0, 1, (400, 1))
    weights = rng.uniform(0.1, 1, 400)
    mu = np.exp(1 + np.sin(5 * t)) * np.ones(4)
    y = counts_around(mu, np.array([0.4, 1.0, 4.0, 15.0]))
    smoother = BSplineSmoother(domain=(0, 1)).fit(t)
    B = smoother.transform(t)
    gam = GAM("negative_binomial").fit(B, y, weights, penalty=smoother.penalty_)
    fitted = gam.predict(B)
    expected = [best_size(y[:, gene], fitted[:, gene], weights) for gene in range(4)]
    np.testing.assert_allclose(gam.theta_, expected, rtol=1e-3)


@pytest.mark.parametrize("dispersion", [0.0, 0.25, 2.0])
def test_a_fixed_dispersion_is_kept(dispersion):
    t = np.linspace(0, 1, 200)[:, None]
    smoother = BSplineSmoother().fit(t)
    y = counts_around(np.exp(1 + t) * np.ones(3), 2.0)
    gam = GAM("negative_binomial", dispersion=dispersion).fit(smoother.transform(t), y, penalty=smoother.penalty_)
    np.testing.assert_allclose(1 / gam.theta_, dispersion, atol=1e-6)
    if dispersion == 0:
        poisson = GAM("poisson").fit(smoother.transform(t), y, penalty=smoother.penalty_)
        np.testing.assert_allclose(gam.coef_, poisson.coef_, atol=1e-3)


# ---- shrinkage


def genes_around_a_trend(n=60, seed=4):
    """Sizes that follow the means, with one informative and one uninformative gene far away from the trend."""
    rng = np.random.default_rng(seed)
    means = np.exp(rng.uniform(-2, 4, n))
    trend = np.exp(0.5 + 0.3 * np.log(means))
    information = np.full(n, 50.0)
    theta = trend * np.exp(rng.normal(0, np.sqrt(0.05 + 1 / information)))
    means[:2], trend[:2] = 1.0, np.exp(0.5)
    theta[:2], information[:2] = 12 * trend[:2], [5000.0, 0.5]
    return theta, information, means, trend


def test_shrinkage_moves_noisy_genes_to_the_trend_and_leaves_informative_ones():
    theta, information, means, trend = genes_around_a_trend()
    shrunk = shrink(theta, information, means)
    distance = np.log(theta / trend), np.log(shrunk / trend)
    assert abs(np.log(shrunk[0] / theta[0])) < 0.05
    assert abs(distance[1][1]) < 0.3 * abs(distance[0][1])
    others = slice(2, None)
    assert np.mean(distance[1][others] ** 2) < np.mean(distance[0][others] ** 2)


def test_more_information_is_less_shrinkage():
    moved = []
    for own in (0.5, 5, 50, 500, 5000):
        theta, information, means, _ = genes_around_a_trend()
        information[1] = own
        moved.append(np.log(theta[1] / shrink(theta, information, means)[1]))
    assert np.all(np.diff(moved) < 0)


def test_few_genes_have_no_trend_to_go_to():
    theta, information, means = np.linspace(1, 2, 9), np.ones(9), np.linspace(1, 5, 9)
    np.testing.assert_array_equal(shrink(theta, information, means), theta)


def test_genes_without_a_size_of_their_own_get_the_trend_s():
    theta, information, means, _ = genes_around_a_trend()
    theta[1], information[1] = MOST, 0.0
    assert shrink(theta, information, means)[1] == pytest.approx(np.exp(0.5), rel=0.2)


def test_a_shrunk_model_has_less_scattered_sizes():
    rng = np.random.default_rng(5)
    t = rng.uniform(0, 1, (150, 1))
    means = np.exp(rng.uniform(-1, 2, 60))
    y = counts_around(means * np.ones((150, 1)), 2.0)
    smoother = BSplineSmoother(domain=(0, 1)).fit(t)
    own, shrunk = (
        GAM("negative_binomial", dispersion=how).fit(smoother.transform(t), y, penalty=smoother.penalty_)
        for how in ("gene", "shrunk")
    )
    assert np.std(np.log(shrunk.theta_)) < 0.6 * np.std(np.log(own.theta_))
    assert np.median(shrunk.theta_) == pytest.approx(2, rel=0.3)


def histogram(counts, weights):
    n = len(counts)
    shares = Shares(np.zeros(n, dtype=int), np.ones((n, 1)), weights, np.zeros(n), 1)
    return Histogram.of(block_table(sparse.csr_array(counts), None, shares, Wanted(histogram=True)).histogram)


@given(st.floats(1e-3, 1e5), st.floats(0.05, 3e4), st.integers(0, 99))
def test_sums_of_gamma_functions(theta, level, seed):
    rng = np.random.default_rng(seed)
    counts, w = rng.poisson(rng.gamma(0.7, level / 0.7, (40, 2))).astype(float), rng.uniform(0.1, 1, 40)
    sizes = np.array([theta, 2 * theta])
    first, second = histogram(counts, w).sums(sizes)
    exact = w @ (digamma(counts + sizes) - digamma(sizes)), w @ (polygamma(1, counts + sizes) - polygamma(1, sizes))
    np.testing.assert_allclose(first, exact[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(second, exact[1], rtol=1e-6, atol=1e-6 / theta)
    least = w @ (2 * ((counts + sizes) * np.log(counts + sizes) - xlogy(counts, counts)))
    np.testing.assert_allclose(histogram(counts, w).least_loss(sizes, w.sum()), least, rtol=1e-6)


@pytest.mark.parametrize("table", [histogram, DistinctCounts.of])
def test_genes_can_be_taken(table):
    counts, w = np.random.default_rng(0).poisson([1.0, 5.0, 300.0], (50, 3)).astype(float), np.linspace(0.1, 1, 50)
    whole, theta, some = table(counts, w), np.array([1.0, 2.0, 3.0]), np.array([False, True, True])
    np.testing.assert_allclose(whole.take(some).sums(theta[some]), np.array(whole.sums(theta))[:, some])
    np.testing.assert_allclose(whole.take(np.array([2])).sums(theta[2:]), np.array(whole.sums(theta))[:, 2:])
    losses = w @ FAMILIES["negative_binomial"].least_loss(counts, theta)
    np.testing.assert_allclose(whole.least_loss(theta, w.sum()), losses)
    np.testing.assert_allclose(whole.take(some).least_loss(theta[some], w.sum()), losses[some])


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8), st.floats(1e-3, 1e6))
def test_sums_of_one_gene_compiled(counts, theta):
    functions = pytest.importorskip("numba") and pytest.importorskip("lineage_clust.models.gam.pirls.compiled")
    found = histogram(np.array(counts, dtype=float)[:, None], np.ones(len(counts)))
    first, second = found.sums(np.array([theta]))
    one, other = functions.gamma_sums.py_func(found.tails[:, 0], found.bins[0], values_of_bins(), theta)
    assert one == pytest.approx(first[0], rel=1e-6, abs=1e-8)
    assert other == pytest.approx(second[0], rel=1e-6, abs=1e-8)
