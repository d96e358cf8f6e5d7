"""Dispersion around the mean of the cell, with and without a trajectory."""

import numpy as np
import pytest
from scipy import sparse

from lineage_clust.datasets import simulate_lineage
from lineage_clust.thinning.splitting import estimate_dispersion


def estimated(counts):
    return estimate_dispersion(sparse.csr_matrix(counts), np.random.RandomState(0))


def test_dispersions_without_structure_are_the_true_ones():
    rng, n_genes = np.random.default_rng(1), 60
    truth, depth = rng.uniform(0.1, 1.0, n_genes), np.exp(rng.normal(0, 0.4, (1500, 1)))
    rate = rng.gamma(1 / truth, truth, (1500, n_genes))
    ratio = estimated(rng.poisson(5 * depth * rate)) / truth
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.quantile(ratio, 0.9) < 1.25


def test_a_trajectory_is_not_taken_for_dispersion():
    adata = simulate_lineage(1500, 300, 6, dispersion=0.3, random_state=2)
    counts = adata.layers["counts"].toarray()
    changing = ~adata.var["is_flat"].to_numpy()
    ratio = estimated(counts)[changing] / 0.3
    mean = counts.mean(axis=0)
    around_all_cells = ((counts.var(axis=0) - mean) / mean**2)[changing] / 0.3
    assert np.median(around_all_cells) > 2.5
    assert 1 - 0.1 < np.median(ratio) < 1 + (np.median(around_all_cells) - 1) / 5


def test_poisson_counts_have_hardly_any_dispersion():
    rng = np.random.default_rng(3)
    assert np.median(estimated(rng.poisson(5.0, (1000, 40)))) < 0.01


@pytest.mark.parametrize("counts", [np.zeros((5, 3)), np.ones((1, 3)), np.eye(4), np.full((30, 1), 2.0)])
def test_hardly_any_counts_give_finite_dispersions(counts):
    found = estimated(counts)
    assert found.shape == (counts.shape[1],)
    assert np.all((found >= 0) & np.isfinite(found))
