"""Clusters of new genes and cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering, KMeans

import lineage_clust as lc

CLUSTERERS = [lc.GraphClusterer(8, resolution=1.0), KMeans(4, n_init=3, random_state=0), AgglomerativeClustering(4)]


@pytest.fixture(scope="module")
def simulated():
    """Cells with 4 modules; half of the genes are fitted, the others are new."""
    return lc.datasets.simulate_lineage(1200, 160, 4, n_lineages=2, random_state=3)


@pytest.fixture(scope="module", params=CLUSTERERS, ids=lambda clusterer: type(clusterer).__name__)
def tc(request, simulated):
    half = list(simulated.var_names[::2])
    return lc.TrendClusterer(clusterer=request.param, genes=half, lineage="lineage_1", random_state=0).fit(simulated)


def module_clusters(tc, adata):
    """Return the cluster that most fitted genes of each module are in."""
    modules = adata.var.loc[tc.genes_, "module"].to_numpy()
    return {module: np.bincount(tc.labels_[(modules == module) & (tc.labels_ >= 0)]).argmax() for module in range(4)}


@pytest.mark.first(1)
def test_fitted_genes_get_their_own_labels(tc, simulated):
    np.testing.assert_array_equal(tc.predict(simulated), tc.labels_)
    some = tc.genes_[5:40:3]
    np.testing.assert_array_equal(tc.predict(simulated, some), tc.labels_[5:40:3])


@pytest.mark.first(1)
def test_each_fitted_gene_alone_gets_its_own_label(tc, simulated):
    """Among them those of the largest p-value that was clustered, fitted again in another block of genes."""
    p = tc.gene_table_["pvalue"].where(tc.labels_ >= 0)
    for gene in [*p.nlargest(5).index, *tc.genes_[:8]]:
        assert tc.predict(simulated, [gene])[0] == tc.gene_table_.loc[gene, "cluster"], gene


@pytest.mark.first(1)
def test_new_genes_of_a_module_get_its_cluster(tc, simulated):
    new = [gene for gene in simulated.var_names[1::2] if simulated.var.loc[gene, "module"] >= 0]
    modules = simulated.var.loc[new, "module"].to_numpy()
    expected = module_clusters(tc, simulated)
    assert len(set(expected.values())) == 4
    labels = tc.predict(simulated, new)
    right = labels == np.array([expected[module] for module in modules])
    assert right[labels >= 0].mean() > 0.95
    assert (labels >= 0).mean() > 0.85  # weakly expressed ones are not significant


def test_new_flat_genes_are_not_assigned(tc, simulated):
    flat = [gene for gene in simulated.var_names[1::2] if simulated.var.loc[gene, "is_flat"]]
    assert (tc.predict(simulated, flat) == -1).mean() > 0.95


@pytest.mark.first(1)
def test_other_cells_of_the_lineage_give_the_same_clusters(tc):
    again = lc.datasets.simulate_lineage(1200, 160, 4, n_lineages=2, random_state=3)
    rows = np.random.default_rng(0).permutation(1200)[:800]
    labels = tc.predict(again[rows])
    both = (labels >= 0) & (tc.labels_ >= 0)
    assert both.sum() > 0.85 * (tc.labels_ >= 0).sum()
    assert (labels == tc.labels_)[both].mean() > 0.95


@pytest.mark.first(1)
def test_the_other_lineage_is_not_looked_at(tc, simulated):
    other = simulated.copy()
    gone = other.obs["branch"] == "lineage_2"
    np.testing.assert_array_equal(tc.predict(other[~gone]) >= -1, True)
    assert (tc.predict(other[~gone]) == tc.labels_).mean() > 0.9


def test_confidence_is_a_share_of_votes_where_there_are_votes(tc, simulated):
    labels, confidence = tc.predict(simulated, list(simulated.var_names), return_confidence=True)
    assert np.isnan(confidence[labels < 0]).all()
    if isinstance(tc.clusterer_, lc.GraphClusterer):
        assigned = confidence[labels >= 0]
        assert np.all((assigned > 0) & (assigned <= 1))
        assert np.median(assigned) > 0.9
    else:
        assert np.isnan(confidence).all()


def test_predicting_changes_neither_the_clusterer_nor_the_cells(tc, simulated):
    labels, trends = tc.labels_.copy(), tc.trends_.copy()
    before = simulated.X.copy()
    tc.predict(simulated, list(simulated.var_names[1::2]))
    np.testing.assert_array_equal(tc.labels_, labels)
    np.testing.assert_array_equal(tc.trends_, trends)
    assert (simulated.X != before).nnz == 0


def test_genes_that_fail_are_not_assigned(simulated):
    cells = simulated[:, :60].copy()
    cells.X = cells.X.toarray()
    cells.X[:, 3] = np.nan
    tc = lc.TrendClusterer(clusterer=CLUSTERERS[1], lineage="lineage_1", random_state=0).fit(cells)
    broken = cells.var_names[3]
    assert broken in tc.failed_
    assert tc.predict(cells, [broken, *tc.genes_]).tolist() == [-1, *tc.labels_]


def test_a_significant_gene_is_not_dropped_because_its_nearest_neighbour_is_insignificant(simulated):
    """Trends that were not clustered are nobody's neighbours."""
    tc = lc.TrendClusterer(
        clusterer=AgglomerativeClustering(4), genes=list(simulated.var_names[::2]), lineage="lineage_1", alpha=1e-30
    ).fit(simulated)
    left_out = np.flatnonzero(tc.labels_ < 0)
    tc._result = replace(tc._result, gate=replace(tc._result.gate, pvalue_limit=1.0))  # as if they were significant
    others = simulated.copy()
    others.var_names = "new " + others.var_names
    found = tc.predict(others, [f"new {tc.genes_[gene]}" for gene in left_out])
    assert (found >= 0).all()


def test_unknown_genes_are_named(tc, simulated):
    with pytest.raises(lc.UnknownNameError, match=r"gene_0000.* is not in adata\.var_names"):
        tc.predict(simulated, ["gene_0000"])


def test_trends_for_new_genes_are_those_that_a_fit_would_give(tc, simulated):
    new = list(simulated.var_names[1:40:2])
    trends = tc.trends_for(simulated, new)
    span = float(tc.pseudotime_[0]), float(tc.pseudotime_[-1])
    fit = lc.TrendClusterer(clusterer=CLUSTERERS[1], genes=new, lineage="lineage_1", time_range=span).fit(simulated)
    np.testing.assert_allclose(trends.values, fit.trends_, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(trends.grid, tc.pseudotime_)


def test_several_lineages_are_predicted_jointly(simulated):
    genes = list(simulated.var_names[:40])
    both = ["lineage_1", "lineage_2"]
    tc = lc.TrendClusterer(clusterer=CLUSTERERS[0], genes=genes, lineage=both, random_state=0).fit(simulated)
    np.testing.assert_array_equal(tc.predict(simulated), tc.labels_)
    assert tc.trends_for(simulated, list(simulated.var_names[40:50])).values.shape == (10, 400)


def test_models_predict_at_new_times(tc, simulated):
    gene = tc.genes_[0]
    trend = tc.models_[gene]["lineage_1"]
    np.testing.assert_allclose(trend.predict(tc.pseudotime_), tc.trends_[0], atol=1e-12)
    assert trend.predict(np.array([0.123, 0.456])).shape == (2,)
