"""Sums of digamma functions over counts, by a histogram."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import digamma, polygamma, xlogy

from lineage_clust.expression.counts.bins import values_of_bins
from lineage_clust.expression.counts.table import Shares, Wanted, block_table
from lineage_clust.models.families import FAMILIES
from lineage_clust.models.gam.pirls.histogram import Histogram
from lineage_clust.models.gam.pirls.size import DistinctCounts


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


@pytest.mark.parametrize("table", [histogram, DistinctCounts])
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
    functions = pytest.importorskip("lineage_clust.models.gam.pirls.compiled")
    found = histogram(np.array(counts, dtype=float)[:, None], np.ones(len(counts)))
    first, second = found.sums(np.array([theta]))
    one, other = functions.gamma_sums.py_func(found.tails[:, 0], found.bins[0], values_of_bins(), theta)
    assert one == pytest.approx(first[0], rel=1e-6, abs=1e-8)
    assert other == pytest.approx(second[0], rel=1e-6, abs=1e-8)
