"""Figure of the graph of genes: layout, labels without overlap, and colours."""

import random
from itertools import combinations, pairwise

import igraph
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from scipy.spatial.distance import pdist

from lineage_clust.clusterers import GraphClusterer
from lineage_clust.errors import UnknownNameError
from lineage_clust.plotting import cluster_colors, plot_graph
from lineage_clust.plotting.graph.layout import DOT, graph_layout
from lineage_clust.plotting.parts.colors import UNASSIGNED_COLOR


def some_graph(n_clusters=4, size=25, seed=0):
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 1, 30)
    labels = np.repeat(np.arange(n_clusters), size)
    peaks = (labels + rng.uniform(0, 0.9, len(labels))) / n_clusters
    graph = GraphClusterer(resolution=1.0).fit(np.exp(-((time - peaks[:, None]) ** 2) / 0.02)).graph_
    return graph, labels, [f"Gene{index}" for index in range(len(labels))]


def of_kind(ax, gid):
    return [text.get_text() for text in ax.texts if text.get_gid() == gid]


def test_genes_have_the_colours_of_their_clusters():
    graph, labels, genes = some_graph()
    labels[:3] = -1
    ax = plot_graph(graph, labels, genes, n_clusters=12)
    colors = [*cluster_colors(12), UNASSIGNED_COLOR]
    drawn = [to_hex(color).upper() for color in ax.collections[1].get_facecolors()]
    assert drawn == [colors[label].upper() for label in labels]
    assert of_kind(ax, "cluster") == ["0", "1", "2", "3"]


def test_the_layout_depends_on_the_seed_alone():
    graph, labels, _ = some_graph()
    random.seed(5)
    first = graph_layout(graph, labels, 0)
    state = random.getstate()
    random.seed(99)
    np.testing.assert_array_equal(graph_layout(graph, labels, 0), first)
    random.seed(5)
    assert random.getstate() == state  # igraph did not draw from Python's generator
    assert np.abs(graph_layout(graph, labels, 1) - first).max() > 0.1


def test_the_layout_puts_neighbours_close_and_early_clusters_left():
    graph, labels, _ = some_graph(6)
    places = graph_layout(graph, labels)
    means = np.array([places[labels == cluster].mean(axis=0) for cluster in range(6)])
    assert means[0, 0] < means[-1, 0]
    assert np.ptp(places[:, 0]) > np.ptp(places[:, 1])
    ends = np.array(graph.get_edgelist())
    tied = np.hypot(*(places[ends[:, 0]] - places[ends[:, 1]]).T).mean()
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, len(places), (500, 2))
    assert tied < 0.5 * np.hypot(*(places[pairs[:, 0]] - places[pairs[:, 1]]).T).mean()


def test_parts_that_nothing_connects_lie_apart():
    graph = igraph.Graph(n=9, edges=[(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)], edge_attrs={"weight": [1.0] * 6})
    places = graph_layout(graph, np.zeros(9, dtype=int))
    assert np.isfinite(places).all()
    groups = [places[:3], places[3:6], *places[6:, None]]
    assert not [pair for pair in combinations(groups, 2) if overlap(*pair)]


def overlap(one, other):
    """Whether the boxes around two groups of places overlap."""
    return bool(((one.min(axis=0) < other.max(axis=0)) & (other.min(axis=0) < one.max(axis=0))).all())


def test_parts_stand_in_rows_from_the_earliest_cluster_to_the_latest():
    graph, labels = igraph.Graph(), np.repeat(np.arange(30), 12)[::-1]
    for _ in range(30):
        graph += igraph.Graph.Full(12)
    graph.es["weight"] = 1.0
    places = graph_layout(graph, labels)
    groups = [places[labels == cluster] for cluster in range(30)]
    assert not [pair for pair in combinations(groups, 2) if overlap(*pair)]
    for one, other in pairwise(groups):
        assert one[:, 0].max() < other[:, 0].min() or one[:, 1].min() > other[:, 1].max()
    wide, high = np.ptp(places, axis=0)
    assert 0.8 < wide / high < 2.5


def test_single_genes_come_last():
    graph = igraph.Graph.Full(20) + igraph.Graph(n=3)
    graph.es["weight"] = 1.0
    places = graph_layout(graph, np.r_[np.full(20, 5), 0, 1, -1])
    assert (places[20:, 0] > places[:20, 0].max()).all() or (places[20:, 1] < places[:20, 1].min()).all()


def test_no_dot_lies_on_another_however_strong_the_ties():
    within, rng = igraph.Graph.Full(60), np.random.default_rng(0)
    graph = within + within  # of two groups, tied by one edge
    graph.add_edge(0, 60)
    graph.es["weight"] = [*rng.uniform(0.9, 1.0, graph.ecount() - 1), 1e-3]
    places = graph_layout(graph, np.repeat([0, 1], 60))
    assert pdist(places).min() > 0.8 * DOT
    assert places[:60, 0].max() < places[60:, 0].min()


@pytest.mark.parametrize(("n_clusters", "size"), [(1, 40), (4, 25), (30, 8), (1, 3), (2, 1)])
@pytest.mark.parametrize("long", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.first(1)
def test_names_do_not_overlap(overlaps, left_out, n_clusters, size, long):
    graph, labels, genes = some_graph(n_clusters, size)
    genes = [f"ENSMUSG000000_{gene}_a_very_long_name" for gene in genes] if long else genes
    ax = plot_graph(graph, labels, genes)
    assert not overlaps(ax.figure, ax.texts)
    assert not left_out(ax.figure, ax.figure.findobj(Text))
    assert len(of_kind(ax, "cluster")) == n_clusters
    assert len(of_kind(ax, "gene")) >= min(3, n_clusters * size)


def test_hubs_have_the_strongest_ties_within_their_cluster():
    graph, labels, genes = some_graph(3, 20)
    weights = graph.get_adjacency_sparse("weight").toarray()
    strength = (weights * (labels[:, None] == labels)).sum(axis=1)
    named = of_kind(plot_graph(graph, labels, genes, label_hubs=1), "gene")
    expected = {genes[rows[np.argmax(strength[rows])]] for rows in (np.flatnonzero(labels == c) for c in range(3))}
    assert set(named) == expected
    assert not of_kind(plot_graph(graph, labels, genes, label_hubs=0), "gene")
    assert not of_kind(plot_graph(graph, labels), "gene")


def test_genes_that_are_asked_for_are_all_named(overlaps):
    graph, labels, genes = some_graph(2, 60)
    wanted = genes[10:50]
    ax = plot_graph(graph, labels, genes, label_hubs=wanted)
    assert sorted(of_kind(ax, "gene")) == sorted(wanted)
    assert not overlaps(ax.figure, ax.texts)


def test_it_draws_into_an_axes_of_the_caller(overlaps):
    graph, labels, genes = some_graph()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    assert plot_graph(graph, labels, genes, ax=right) is right
    assert not left.collections
    assert plt.get_fignums() == [figure.number]
    assert not overlaps(figure, right.texts)


def test_input_and_settings_stay_as_they_are():
    graph, labels, genes = some_graph()
    before = labels.copy(), plt.rcParams.copy(), graph.vertex_attributes(), graph.es["weight"]
    plot_graph(graph, labels, genes)
    np.testing.assert_array_equal(labels, before[0])
    assert plt.rcParams == before[1]
    assert graph.vertex_attributes() == before[2]
    assert graph.es["weight"] == before[3]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"label_hubs": ["Gene7", "Gene777"]},
            UnknownNameError,
            "contains 'Gene777', which is not in the graph of 100",
        ),
        ({"genes": ["a"]}, ValueError, "genes must have one entry per vertex: the graph has 100, got 1"),
        ({"labels": [0]}, ValueError, "labels must have one entry per vertex"),
        ({"genes": None, "label_hubs": ["Gene1"]}, ValueError, "pass genes= as well"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_figure(arguments, error, message):
    graph, labels, genes = some_graph()
    with pytest.raises(error, match=message):
        plot_graph(graph, **{"labels": labels, "genes": genes, **arguments})
    assert not plt.get_fignums()


@pytest.mark.parametrize("seed", [-1, "a", 2.5, None.__class__])
def test_odd_seeds_are_refused(seed):
    graph = igraph.Graph(n=2, edges=[(0, 1)], edge_attrs={"weight": [1.0]})
    with pytest.raises(ValueError, match="seed must be"):
        plot_graph(graph, np.array([0, 0]), seed=seed)


def test_the_strongest_edges_of_each_gene_are_drawn():
    graph, labels, _ = some_graph()
    places = graph_layout(graph, labels)
    place = {tuple(where): gene for gene, where in enumerate(places.round(9).tolist())}
    ax = plot_graph(graph, labels)
    drawn = {
        frozenset(place[tuple(end)] for end in line.round(9).tolist()) for line in ax.collections[0].get_segments()
    }
    weights = graph.get_adjacency_sparse("weight").toarray() * (labels[:, None] == labels)
    for gene in range(len(labels)):
        others = sorted(set(np.flatnonzero(weights[gene])), key=lambda other: -weights[gene, other])
        weakest = weights[gene, others[2]]
        assert all(frozenset((gene, other)) in drawn for other in others if weights[gene, other] > weakest)
    assert all(labels[one] == labels[other] for one, other in map(tuple, drawn))
    assert len(drawn) < 3 * len(labels)


def test_bundles_are_as_wide_as_clusters_are_connected():
    """Each pair of neighbours has half of the edges expected by chance, or twice as many; others have none."""
    strong = [(0, 3), (1, 4), (2, 5), (0, 4)]
    edges = [(0, 1), (1, 2), (3, 4), (4, 5), *strong, (6, 7), (7, 8), (5, 6)]
    graph = igraph.Graph(n=12, edges=[*edges, (9, 10), (10, 11)], edge_attrs={"weight": [1.0] * (len(edges) + 2)})
    bundles = [line for line in plot_graph(graph, np.repeat(range(4), 3)).lines if line.get_gid() == "bundle"]
    assert len(bundles) == 2
    assert bundles[0].get_linewidth() == 6.0 > bundles[1].get_linewidth() > 0.5


def test_clusters_lie_apart_each_in_its_halo():
    graph, labels, genes = some_graph(6)
    ax = plot_graph(graph, labels, genes)
    halos = [patch for patch in ax.patches if patch.get_gid() == "halo"]
    assert len(halos) == 6
    places = ax.collections[1].get_offsets().data
    for cluster, patch in enumerate(halos):
        inside = patch.get_path().contains_points(patch.get_patch_transform().inverted().transform(places))
        np.testing.assert_array_equal(inside, labels == cluster)


def test_clusters_lie_near_those_they_are_tied_to():
    graph, labels, _ = some_graph(5)
    places = graph_layout(graph, labels)
    middles = np.array([places[labels == cluster].mean(axis=0) for cluster in range(5)])
    next_to = np.hypot(*np.diff(middles, axis=0).T)
    assert next_to.mean() < 0.85 * pdist(middles).mean()


def test_of_genes_with_the_same_trend_the_important_ones_are_named():
    """All of them have the same edges but for their order, in which the first in the alphabet come first."""
    trend = np.linspace(0, 1, 30)
    rows = np.vstack([np.tile(trend, (40, 1)), np.tile(-(trend**2), (5, 1))])
    graph = GraphClusterer(resolution=1.0).fit(rows).graph_
    labels, genes = np.r_[np.zeros(40, dtype=int), np.ones(5, dtype=int)], [f"Gene{index:02d}" for index in range(45)]
    strength = np.asarray(graph.strength(weights="weight"))[:40]
    assert strength.argmax() < 20  # so it is
    importance = np.linspace(0, 1, 45)
    ax = plot_graph(graph, labels, genes, label_hubs=1, importance=importance)
    chosen = strength >= np.median(strength)
    assert f"Gene{np.flatnonzero(chosen).max():02d}" in of_kind(ax, "gene")


def test_clusters_go_by_their_names():
    graph, labels, genes = some_graph(2)
    ax = plot_graph(graph, labels, genes, names=["0", "1.2.1"], palette={"1.2.1": "red"})
    assert of_kind(ax, "cluster") == ["0", "1.2.1"]
    assert {to_hex(color) for color in ax.collections[1].get_facecolors()} == {cluster_colors(2)[0].lower(), "#ff0000"}
