"""Mean expression of cells in bins: of the cells on which each gene is fitted, in the fitted range."""

from __future__ import annotations

import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.results.cells import binned_cells


def fitted(adata, **settings):
    clusterer = lc.GraphClusterer(5, resolution=1.0)
    return lc.TrendClusterer(clusterer=clusterer, lineage="A", n_points=50, random_state=0, **settings).fit(adata)


def means_by_hand(result, adata, edges, keeps):
    cells = result.held_out(adata, "A")
    Y = np.asarray(cells.expression.toarray())
    place = np.clip(np.searchsorted(edges, cells.pseudotime, side="right") - 1, 0, len(edges) - 2)
    means = np.full((Y.shape[1], len(edges) - 1), np.nan)
    for gene in range(Y.shape[1]):
        for one in range(len(edges) - 1):
            kept = (place == one) & keeps(Y[:, gene])
            if kept.any():
                means[gene, one] = np.average(Y[kept, gene], weights=cells.weights[kept])
    return means


def expressing(trend, **settings):
    return trend.prepare(**{**settings, "filter_cells": 0.0})


@pytest.mark.parametrize("settings", [{}, {"filter_cells": 0.0}, {"callback": expressing}])
def test_bins_hold_the_cells_on_which_a_gene_was_fitted(settings, make_adata):
    adata = make_adata(300, 12)
    result = fitted(adata, **settings)._result
    (bins,) = binned_cells(result, adata, result.genes, 8)
    expected = means_by_hand(result, adata, bins.edges, lambda y: (y > 0) if settings else np.full(len(y), True))
    np.testing.assert_allclose(bins.means, expected, rtol=1e-6)


def test_bins_of_other_cells_span_the_fitted_range(make_adata):
    adata = make_adata(300, 12)
    tc = fitted(adata)
    early = adata[adata.obs["palantir_pseudotime"] < 0.4]
    (bins,) = binned_cells(tc._result, early, tc.genes_, 10)
    assert bins.edges[[0, -1]].tolist() == tc.pseudotime_[[0, -1]].tolist()
    assert np.isnan(bins.means[:, bins.edges[:-1] > 0.4]).all()


def test_cells_of_one_donor_are_shown_beside_trends_of_all(make_adata):
    adata = make_adata(400, 24)
    adata.obs["donor"] = np.random.default_rng(0).choice(list("abcde"), adata.n_obs)
    tc = fitted(adata, sample_key="donor")
    one = adata[adata.obs["donor"] == "a"]
    assert len(binned_cells(tc._result, one, tc.genes_, 5)) == 1
    assert len(tc.gene_trends(one)["rise0"]["A"].x_all) == one.n_obs
    tc.plot_lineage(one)
    tc.plot_genes(["rise0"], adata=one)
    tc.plot_heatmap(adata=one, cells=True)
