"""Modules that are hard to find: minorities, opposites, small panels, small modules beside large ones."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc

GRID = np.linspace(0, 1, 200)
UP, DOWN = 2 * GRID, 2 - 2 * GRID
PEAK = 2 * np.exp(-((GRID - 0.5) ** 2) / 0.02)
EARLY, LATE = (2 / (1 + np.exp(-(GRID - time) / 0.04)) for time in (0.2, 0.8))


def fit(curves, noise, n_cells=400, seed=0):
    """Return the fit of genes with these curves, `(n_genes, 200)`, in cells with Gaussian noise."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.random(n_cells))
    expression = np.array([np.interp(time, GRID, curve) for curve in curves]).T
    expression += noise * rng.standard_normal(expression.shape)
    names = [f"gene_{number}" for number in range(len(curves))]
    adata = ad.AnnData(expression, obs=pd.DataFrame({"pseudotime": time}, index=[f"c{i}" for i in range(n_cells)]))
    adata.var_names = names
    return lc.TrendClusterer(random_state=0).fit(adata)


@pytest.mark.parametrize(
    "counts, curves, noise",
    [
        ([294, 6], [UP, DOWN], 1.0),
        ([99, 1], [UP, DOWN], 1.0),
        ([400, 10], [UP, PEAK], 1.0),
        ([1, 1], [UP, DOWN], 0.5),
        ([1, 1], [EARLY, LATE], 0.5),
        ([2], [UP], 0.5),
        ([1, 1, 1], [UP, DOWN, PEAK], 0.5),
        ([2, 2], [EARLY, LATE], 0.5),
        ([3, 3, 3, 3, 3], [UP, DOWN, PEAK, LATE, EARLY], 0.7),
    ],
    ids=[
        "2 % opposite",
        "one opposite",
        "ten beside 400",
        "opposites",
        "early and late",
        "alike",
        "three",
        "four",
        "panel",
    ],
)
@pytest.mark.first(2)
def test_genes_are_grouped_as_they_were_made(counts, curves, noise):
    tc = fit(np.repeat(curves, counts, axis=0), noise)
    truth = np.repeat(np.arange(len(counts)), counts)
    assert tc.n_clusters_ == len(counts)
    assert len(set(zip(truth, tc.labels_, strict=True))) == len(counts)


def test_cut_gives_unions_of_clusters_of_the_same_fit():
    tc = fit(np.repeat([UP, DOWN, PEAK, LATE, EARLY], 12, axis=0), 0.7)
    assert tc.n_clusters_ == 5
    for n_clusters in (1, 2, 3, 4):
        other = tc.cut(n_clusters=n_clusters)
        assert other.n_clusters_ == len(other.cluster_table_) == len(other.cluster_centers_) == n_clusters
        assert other.gene_table_["cluster"].tolist() == other.labels_.tolist()
        assert len(set(zip(other.labels_, tc.labels_, strict=True))) == tc.n_clusters_  # unions of clusters
    assert tc.n_clusters_ == 5
    with pytest.raises(ValueError, match="Pass one of n_clusters and min_support"):
        tc.cut()
    other = lc.TrendClusterer(alpha=None, random_state=0)
    with pytest.raises(Exception, match="not fitted yet"):
        other.cut(n_clusters=2)
