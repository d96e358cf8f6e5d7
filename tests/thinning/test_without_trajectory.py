"""Counts without a trajectory: genes keep their means or counts, without correlations between genes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.thinning.without_trajectory import permuted, simulated


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 150))
def test_permuted_genes_keep_their_counts(seed, n_cells):
    counts = sparse.csr_matrix(np.random.default_rng(seed).poisson(1.0, (n_cells, 6)))
    found = permuted(counts, np.random.RandomState(seed))
    assert found.shape == counts.shape
    assert np.array_equal(np.sort(found.toarray(), axis=0), np.sort(counts.toarray(), axis=0))


def test_simulated_counts_have_the_means_depths_and_dispersions_and_no_groups():
    rng = np.random.default_rng(0)
    depth, group = np.exp(rng.normal(0, 0.6, 1500)), rng.integers(0, 2, 1500)
    levels = np.where(np.arange(80) < 40, 1.0, np.where(group[:, None] == 1, 1.8, 0.2)) * rng.uniform(1, 8, 80)
    dispersion = 0.3
    counts = rng.poisson(depth[:, None] * levels * rng.gamma(1 / dispersion, dispersion, levels.shape))
    found = simulated(sparse.csr_matrix(counts), np.random.RandomState(1)).toarray()
    assert found.mean(axis=0) == pytest.approx(counts.mean(axis=0), rel=0.15)
    assert np.corrcoef(np.log(found.sum(axis=1)), np.log(counts.sum(axis=1)))[0, 1] > 0.9
    size = counts.sum(axis=1) / counts.sum(axis=1).mean()
    means = size[:, None] * found.mean(axis=0)
    excess = ((found - means) ** 2 - means).sum(axis=0) / (means**2).sum(axis=0)
    assert np.median(excess) == pytest.approx(dispersion, abs=0.08)
    together = [np.corrcoef(both[:, 60] / size, both[:, 61] / size)[0, 1] for both in (counts, found)]
    assert together[0] > 0.3
    assert abs(together[1]) < 0.1


def test_hardly_any_counts():
    for counts in (np.zeros((5, 3)), np.ones((1, 3))):
        assert simulated(sparse.csr_matrix(counts), np.random.RandomState(0)).shape == counts.shape
