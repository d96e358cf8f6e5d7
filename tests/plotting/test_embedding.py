"""Figures of cells: module scores on an embedding, weights of a lineage, binned expression beside trends."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

import lineage_clust as lc
from lineage_clust.plotting import LineageCells, plot_embedding, plot_lineage


@pytest.fixture(scope="module")
def fitted(make_adata):
    adata = make_adata(n_cells=150, n_genes=24, kind="dense")
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(150, 2))
    tc = lc.TrendClusterer(lineage="A", alpha=None, n_points=40, clusterer=KMeans(3, random_state=0))
    return tc.fit(adata), adata


def test_each_cluster_shows_its_own_scores(fitted):
    tc, adata = fitted
    scores = tc.transform(adata)
    figure = tc.plot_embedding(adata, "umap", clusters=[2, 0])
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    sizes = tc.cluster_table_["size"]
    assert [ax.get_title(loc="left") for ax in panels] == [
        f"cluster 2 ({sizes[2]} genes)",
        f"cluster 0 ({sizes[0]} genes)",
    ]
    for ax, cluster in zip(panels, [2, 0], strict=True):
        [dots] = ax.collections
        order = np.argsort(scores[:, cluster], kind="stable")
        np.testing.assert_allclose(dots.get_array(), scores[order, cluster])
        np.testing.assert_allclose(dots.get_offsets(), adata.obsm["X_umap"][order])


def test_what_is_not_there_is_said(fitted):
    tc, adata = fitted
    with pytest.raises(lc.UnknownNameError, match="X_umap"):
        tc.plot_embedding(adata, "X_umapp")
    with pytest.raises(ValueError, match="no cluster 7"):
        tc.plot_embedding(adata, clusters=7)
    with pytest.raises(ValueError, match="two columns"):
        plot_embedding(np.ones((3, 1)), np.ones((3, 1)), ["a"])
    with pytest.raises(ValueError, match="lineages is empty"):
        plot_lineage([])


def test_the_lineage_shows_all_cells_and_the_range(fitted):
    tc, adata = fitted
    [ax] = tc.plot_lineage(adata)
    assert ax.get_title(loc="left") == "A"
    assert f"{tc.n_cells_} cells in " in ax.get_title(loc="right")
    assert len(ax.collections[0].get_offsets()) == adata.n_obs
    edges = {float(line.get_xdata()[0]) for line in ax.lines if len(line.get_xdata()) == 2}
    assert edges == {float(tc.pseudotime_[0]), float(tc.pseudotime_[-1])}


def test_cells_of_high_weight_that_are_left_out_are_counted():
    time = np.linspace(0, 1, 101)
    [ax] = plot_lineage([LineageCells(None, time, np.ones(101), 0.0, 0.5)])
    assert ax.get_title(loc="right") == "51 cells in 0 to 0.5; 50 of high weight outside"
    assert [patch.get_gid() for patch in ax.patches] == ["left out"]
    assert (
        len(plot_lineage([LineageCells(None, time, np.ones(101), 0, 1)], max_cells=10)[0].collections[0].get_offsets())
        == 10
    )


def test_the_axis_of_constant_weights_begins_at_0():
    time = np.linspace(0, 1, 101)
    [ax] = plot_lineage([LineageCells(None, time, np.ones(101), 0.0, 1.0)])
    low, high = ax.get_ylim()
    assert -0.1 < low < 0 < 1 < high


def test_the_cells_stand_beside_the_trends(fitted):
    """Same rows in the same order as without them, and after the trends the scaled means of the cells."""
    tc, adata = fitted
    clear = [gene for gene in tc.genes_ if gene.startswith(("rise", "fall"))]  # others change too little to be compared
    alone, both = tc.plot_heatmap(clear), tc.plot_heatmap(clear, adata, cells=True)
    assert len(both.images) == 2
    np.testing.assert_array_equal(both.images[0].get_array(), alone.images[0].get_array())
    assert both.images[0].get_clim() == alone.images[0].get_clim()
    cells, trends = both.images[1].get_array(), both.images[0].get_array()
    middles = np.linspace(0, trends.shape[1] - 1, 2 * cells.shape[1] + 1)[1::2]
    at_bins = np.array([np.interp(middles, np.arange(trends.shape[1]), row) for row in trends])
    assert np.corrcoef(cells.ravel(), at_bins.ravel())[0, 1] > 0.6
    with pytest.raises(ValueError, match="pass adata="):
        tc.plot_heatmap(cells=True)
