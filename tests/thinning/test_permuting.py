"""Permuted counts: each gene keeps its counts, cells keep about their depth, genes no longer go together."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.thinning.permuting import permuted


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.integers(2, 150))
def test_each_gene_keeps_its_counts(seed, keep_depth, n_cells):
    counts = sparse.csr_matrix(np.random.default_rng(seed).poisson(1.0, (n_cells, 6)))
    found = permuted(counts, np.random.RandomState(seed), keep_depth)
    assert found.shape == counts.shape
    assert np.array_equal(np.sort(found.toarray(), axis=0), np.sort(counts.toarray(), axis=0))


def test_depth_stays_and_correlation_goes():
    rng = np.random.default_rng(0)
    depth = np.exp(rng.normal(0, 0.7, 1000))
    together = np.exp(rng.normal(0, 1, 1000))
    mean = np.hstack([np.outer(depth, np.full(30, 4.0)), together[:, None], together[:, None]])
    counts = sparse.csr_matrix(rng.poisson(mean))
    totals = np.log(counts.toarray().sum(axis=1))

    def after(keep_depth):
        found = permuted(counts, np.random.RandomState(1), keep_depth).toarray()
        return np.corrcoef(np.log(found.sum(axis=1)), totals)[0, 1], np.corrcoef(found[:, 30], found[:, 31])[0, 1]

    kept, free = after(True), after(False)
    assert kept[0] > 0.9
    assert abs(free[0]) < 0.1
    assert abs(free[1]) < 0.1
