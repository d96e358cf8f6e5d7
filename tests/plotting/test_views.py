import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError

import lineage_clust as lc
from lineage_clust import TrendClusterer, UnknownNameError
from lineage_clust.clusterers import GraphClusterer
from lineage_clust.lineage.annotations import read_annotations
from lineage_clust.lineage.lineage import Reader
from lineage_clust.plotting import cluster_colors, lineage_colors
from lineage_clust.plotting.heatmap.heatmap import row_order
from lineage_clust.plotting.parts import strips
from lineage_clust.plotting.parts.strips import covariate_strips, smooth_along


@pytest.fixture(scope="module")
def cells(make_adata):
    return make_adata(400, 40)


def fit(cells, clusterer=None, lineage="A", **settings):
    clusterer = GraphClusterer(n_neighbors=8, resolution=1.0) if clusterer is None else clusterer
    return TrendClusterer(clusterer=clusterer, n_points=40, random_state=0, **settings).fit(cells, lineage=lineage)


@pytest.fixture(scope="module")
def fitted(cells):
    return fit(cells)


@pytest.fixture(scope="module")
def joint(cells):
    return fit(cells, lineage=["A", "B"])


@pytest.fixture(scope="module")
def automatic(cells):
    return fit(cells, GraphClusterer(n_neighbors=8, resolution="auto"))


@pytest.fixture(scope="module")
def without_clusters(cells):
    flat = [gene for gene in cells.var_names if gene.startswith("flat")]
    with pytest.warns(UserWarning, match="No gene is clustered"):
        return fit(cells, alpha=1e-12, genes=flat)


def named(ax, gid="gene"):
    return [text.get_text() for text in ax.texts if text.get_gid() == gid]


def test_heatmap_of_all_that_is_clustered(fitted):
    ax = fitted.plot_heatmap()
    assert isinstance(ax, Axes)
    rows = np.asarray(ax.images[0].get_array())
    kept = fitted.labels_ >= 0
    shown = [int(name) for name in named(ax, "cluster")]
    assert sorted(shown) == list(range(fitted.n_clusters_))
    members = [np.flatnonzero(fitted.labels_ == cluster) for cluster in shown]
    order = np.concatenate([own[row_order(fitted.scaled_trends_[own], fitted.pseudotime_)] for own in members])
    np.testing.assert_array_equal(rows, fitted.scaled_trends_[order])
    assert sorted(named(ax)) == sorted(np.array(fitted.genes_)[kept])


def test_heatmap_of_some_genes(fitted, automatic):
    genes = ["flat0", "fall0", "rise0", "peak0"]
    ax = fitted.plot_heatmap(genes)
    assert sorted(named(ax)) == sorted(genes)
    assert named(ax, "cluster")[-1] == "none"  # flat0
    bar = next(child for child in ax.child_axes if child.get_label() == "cluster")
    colors = cluster_colors(fitted.n_clusters_)
    shown = [colors[int(number)].lower() for number in named(ax, "cluster")[:-1]]
    assert [to_hex(patch.get_facecolor()) for patch in bar.patches][:-1] == shown
    assert named(fitted.plot_heatmap(clusters=[1]), "cluster") == ["1"]
    assert named(fitted.plot_heatmap(label_genes=["rise1", "fall1"])) == ["fall1", "rise1"]


@pytest.mark.slow
def test_heatmap_of_several_lineages_with_covariates(joint, cells):
    ax = joint.plot_heatmap(adata=cells, covariate_key=["celltype", "depth"])
    assert len(ax.images) == 2
    assert {"A", "B"} <= {text.get_text() for text in ax.texts}
    assert {"celltype", "depth"} <= {child.get_label() for child in ax.child_axes}
    with pytest.raises(ValueError, match="covariate_key needs the cells: pass adata="):
        joint.plot_heatmap(covariate_key="celltype")


@pytest.mark.parametrize(("scale", "cmap", "label"), [
    ("zscore", "RdBu_r", "scaled expression (z)"),
    ("minmax", "viridis", "scaled expression (0-1)"),
    (None, "viridis", "expression"),
])  # fmt: skip
@pytest.mark.first(1)
def test_heatmap_says_what_its_colours_show(cells, scale, cmap, label):
    ax = fit(cells, scale=scale).plot_heatmap()
    assert ax.images[0].get_cmap().name == cmap
    bar = next(child for child in ax.child_axes if child.get_label() == "scale")
    assert [text.get_text() for text in bar.texts] == [label]


def test_a_numeric_covariate_has_one_scale_for_all_lineages(joint, cells, monkeypatch):
    annotations, smoothed = read_annotations(cells, "palantir_pseudotime", ["A", "B"], Reader()), []
    monkeypatch.setattr(strips, "smooth_along", lambda *cells: smoothed.append(1) or smooth_along(*cells))
    (strip,) = covariate_strips(annotations, joint.pseudotime_, joint.grid_lineage_)
    assert len(smoothed) == 2  # once per lineage
    starts = [np.flatnonzero(joint.grid_lineage_ == name)[0] for name in "AB"]
    ends = [np.flatnonzero(joint.grid_lineage_ == name)[-1] for name in "AB"]
    np.testing.assert_allclose(strip.colors[starts[0]], strip.colors[starts[1]], atol=0.05)
    longest = int(np.argmax(joint.pseudotime_[ends]))
    assert strip.limits[1] == pytest.approx(joint.pseudotime_[ends[longest]], abs=0.05)


def test_genes_with_and_without_cells(fitted, cells):
    figure = fitted.plot_genes(["rise0", "fall0"], cells)
    assert isinstance(figure, Figure)
    trend = fitted.gene_trends(cells)["rise0"]["A"]
    ax = figure.axes[0]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), trend.y_test)
    (dots,) = [artist for artist in ax.collections if isinstance(artist, PathCollection)]
    np.testing.assert_allclose(dots.get_offsets()[:, 0], trend.x)
    shown = np.asarray(dots.get_offsets()[:, 1])
    np.testing.assert_allclose(shown[trend.y > 0], trend.y[trend.y > 0])
    assert (shown[trend.y == 0] <= 0).all()  # cells without expression have a strip of their own
    cluster = fitted.labels_[fitted.genes_.index("rise0")]
    assert to_hex(ax.lines[0].get_color()) == cluster_colors(fitted.n_clusters_)[cluster].lower()
    without = fitted.plot_genes("rise0").axes[0]
    assert not [artist for artist in without.collections if isinstance(artist, PathCollection)]


def test_genes_of_several_lineages(joint, cells):
    figure = joint.plot_genes(["rise0", "flat0"], cells)
    assert [to_hex(line.get_color()).upper() for line in figure.axes[0].lines] == lineage_colors(2)
    assert len(joint.plot_genes("rise0", lineages="B").axes[0].lines) == 1


def test_genes_of_one_trajectory(make_adata):
    cells = make_adata(200, 8)
    del cells.obsm["palantir_fate_probabilities"]
    figure = fit(cells, lineage=None).plot_genes(["rise0"], cells)
    assert figure.get_supxlabel() == "pseudotime"


def test_graph_has_the_genes_that_were_clustered(fitted):
    ax = fitted.plot_graph(label_hubs=["rise0", "fall0"])
    colors = [*cluster_colors(fitted.n_clusters_), ""]
    labels = fitted.labels_[fitted.labels_ >= 0]
    assert [to_hex(color) for color in ax.collections[1].get_facecolors()] == [colors[c].lower() for c in labels]
    assert sorted(named(ax)) == ["fall0", "rise0"]
    with pytest.raises(UnknownNameError, match="'flat0', which is not in the graph"):
        fitted.plot_graph(label_hubs=["flat0"])


@pytest.mark.parametrize("alpha", [0.01, None])
@pytest.mark.parametrize(
    ("bound", "column"), [("min_range", "amplitude"), ("min_deviance_explained", "deviance_explained")]
)
@pytest.mark.slow
def test_graph_where_small_trends_are_not_clustered(cells, fitted, bound, column, alpha, tmp_path):
    middle = float(fitted.gene_table_.loc[fitted.labels_ >= 0, column].median())
    tc = fit(cells, alpha=alpha, **{bound: middle})
    assert 0 < (tc.labels_ >= 0).sum() < (fitted.labels_ >= 0).sum()
    assert len(tc.plot_graph().collections[1].get_offsets()) == (tc.labels_ >= 0).sum()
    tc.report(tmp_path / "report.html")


@pytest.mark.slow
def test_graph_of_small_clusters_left_out_and_of_a_loaded_fit(cells, tmp_path):
    tc = fit(cells, GraphClusterer(n_neighbors=4, resolution=3.0, min_cluster_size=8), alpha=None)
    assert (tc.labels_ < 0).any()
    first = tc.plot_graph()
    assert len(first.collections[1].get_offsets()) == len(tc.genes_)
    tc.save(tmp_path / "fit")
    again = TrendClusterer.load(tmp_path / "fit").plot_graph()
    np.testing.assert_array_equal(again.collections[1].get_offsets(), first.collections[1].get_offsets())


def test_stability_marks_what_was_chosen(automatic, fitted):
    ax = automatic.plot_stability()
    curve = automatic.clusterer_.stability_
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), curve.n_clusters[curve.n_clusters > 1])
    assert curve.chosen == automatic.n_clusters_
    said = ax.get_legend().get_texts()[-1].get_text()
    assert said.startswith(f"chosen: {automatic.n_clusters_} cluster")
    with pytest.raises(
        ValueError,
        match=r'no stability curve to draw. Fit with clusterer=GraphClusterer\(n_clusters=None, resolution="auto"\)',
    ):
        fitted.plot_stability()


def test_a_clusterer_without_a_graph(cells):
    tc = fit(cells, KMeans(3, random_state=0, n_init=1))
    with pytest.raises(
        ValueError, match=r"KMeans has no graph of genes to draw. Fit with clusterer=GraphClusterer\(\)"
    ):
        tc.plot_graph()
    with pytest.raises(ValueError, match="KMeans has no stability curve"):
        tc.plot_stability()
    tc.plot_heatmap()


@pytest.mark.parametrize("method", ["plot", "plot_heatmap", "plot_graph", "plot_stability"])
@pytest.mark.first(2)
def test_without_any_cluster(without_clusters, method):
    with pytest.raises(ValueError, match="no cluster to draw|no gene was clustered"):
        getattr(without_clusters, method)()
    assert not plt.get_fignums()
    assert len(without_clusters.plot_genes("flat0").axes) == 1
    without_clusters.plot_heatmap(["flat0", "flat1"])


@pytest.mark.parametrize("method", ["plot_heatmap", "plot_genes", "plot_graph", "plot_stability"])
def test_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(TrendClusterer(), method)(*(["a"] if method == "plot_genes" else []))


def test_unknown_genes(fitted):
    with pytest.raises(UnknownNameError, match="There is no trend of 'rise00'.*Did you mean 'rise0'"):
        fitted.plot_heatmap(["rise00"])
    with pytest.raises(UnknownNameError, match="There is no trend of 'rise00'"):
        fitted.plot_genes("rise00")
    with pytest.raises(ValueError, match="genes is empty"):
        fitted.plot_heatmap([])


def test_fit_and_cells_stay_as_they_are(joint, cells):
    before = joint.scaled_trends_.copy(), joint.labels_.copy(), cells.X.copy(), cells.obs.copy(), dict(joint.__dict__)
    joint.plot_heatmap(adata=cells, covariate_key="batch")
    joint.plot_genes(["rise0"], cells)
    joint.plot_graph()
    np.testing.assert_array_equal(joint.scaled_trends_, before[0])
    np.testing.assert_array_equal(joint.labels_, before[1])
    assert (cells.X != before[2]).nnz == 0
    assert cells.obs.equals(before[3])
    assert joint.__dict__.keys() == before[4].keys()
    assert all(joint.__dict__[name] is value for name, value in before[4].items())


@pytest.mark.slow
def test_the_stability_curve_says_what_was_chosen():
    adata = lc.datasets.bone_marrow()
    tc = lc.TrendClusterer(random_state=0).fit(adata, lineage="Ery")
    assert tc.clusterer_.stability_.chosen == tc.n_clusters_
    assert tc.plot_stability().get_legend().get_texts()[-1].get_text() == f"chosen: {tc.n_clusters_} clusters"
    assert f"With {tc.n_clusters_ + 1} clusters, " in tc.clusterer_.stability_.why
    alike = lc.datasets.simulate_lineage(600, 50, 1, random_state=0)
    one = lc.TrendClusterer(random_state=0).fit(alike, lineage="lineage_1")
    assert one.n_clusters_ == 1
    assert one.plot_stability().get_legend().get_texts()[-1].get_text() == "chosen: 1 cluster"
