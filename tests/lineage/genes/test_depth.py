"""Changes of sequencing depth along a lineage are found, independent of genes that change."""

import numpy as np
import pytest
from scipy import sparse

from lineage_clust.lineage.genes.depth import depth_change

SHAPES = {
    "rising": lambda t: 1 + t,
    "falling": lambda t: 2 - t,
    "in the middle": lambda t: 1 + np.exp(-0.5 * ((t - 0.5) / 0.15) ** 2),
}


def cells(seed, depth, n_cells=600, n_genes=80, effect=None):
    rng = np.random.default_rng(seed)
    t = rng.random(n_cells)
    means = rng.lognormal(0, 1, n_genes) * np.outer(depth(t) * rng.lognormal(0, 0.4, n_cells), np.ones(n_genes))
    means *= 1 if effect is None else effect(t, n_genes)
    return rng.negative_binomial(2, 2 / (2 + means)).astype(float), t


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_a_change_of_depth_is_found_whatever_its_shape(shape, make):
    counts, t = cells(0, SHAPES[shape])
    assert 1.4 < depth_change(make(counts), t, np.ones(len(t))) < 2.2


def test_depth_that_varies_at_random_is_no_change():
    """The bound holds with a probability of 99 % in each set."""
    sets = [cells(seed, np.ones_like) for seed in range(60)]
    assert sum(depth_change(counts, t, np.ones(len(t))) is not None for counts, t in sets) <= 3


def test_genes_that_change_do_not_count_as_depth():
    """In a panel of which a quarter rises four-fold and a quarter falls, totals change, and the median gene does not."""

    def effect(t, n_genes):
        slope = np.zeros(n_genes)
        slope[: n_genes // 4], slope[-(n_genes // 4) :] = np.log(4), -np.log(4)
        return np.exp(np.outer(t, slope))

    sets = [cells(seed, np.ones_like, effect=effect) for seed in range(60)]
    assert sum(depth_change(counts, t, np.ones(len(t))) is not None for counts, t in sets) <= 3


def test_weights_say_which_cells_count():
    counts, t = cells(1, np.ones_like, n_cells=1200)
    counts[::2] = np.random.default_rng(2).poisson(counts[::2] * (1 + 3 * t[::2, None]))
    own = np.where(np.arange(len(t)) % 2, 1.0, 1e-3)
    assert depth_change(counts, t, np.ones(len(t))) > 1.3
    assert depth_change(counts, t, own) is None


@pytest.mark.parametrize("n_cells", [1, 3, 20])
def test_too_little_to_say(n_cells):
    counts, t = cells(0, lambda t: 1 + t, n_cells=n_cells)
    assert depth_change(counts / 100, t, np.ones(n_cells)) is None
