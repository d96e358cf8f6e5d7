"""Tree of clusters: no crossing branches, the cut between clusters and their parts, labels that fit."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from lineage_clust import TrendClusterer, datasets
from lineage_clust.clusterers.tree import ClusterTree
from lineage_clust.plotting import cluster_colors
from lineage_clust.plotting.parts.dendrogram import dendrogram_of, lay_out, upper_nodes
from lineage_clust.results.tabulating import nodes_of


@st.composite
def trees(draw):
    n_leaves, seed = draw(st.integers(1, 14)), draw(st.integers(0, 10**6))
    rng, alive, merges = np.random.default_rng(seed), list(range(n_leaves)), []
    n_below = dict.fromkeys(alive, 1)
    for step in range(n_leaves - 1):
        first, second = rng.choice(len(alive), 2, replace=False)
        pair = sorted((alive[first], alive[second]))
        alive = [node for node in alive if node not in pair] + [n_leaves + step]
        n_below[n_leaves + step] = n_below[pair[0]] + n_below[pair[1]]
        merges.append((*pair, 0.1 * 1.5**step, n_below[n_leaves + step]))
    tree = ClusterTree(np.arange(n_leaves), np.array(merges).reshape(-1, 4), np.ones(n_leaves - 1), 1)
    rank = rng.permutation(2 * n_leaves - 1)
    return tree, rank, draw(st.integers(1, n_leaves)), draw(st.integers(1, 16))


@settings(max_examples=60)
@given(trees())
def test_branches_do_not_cross_and_the_cut_is_between_clusters_and_their_parts(made):
    tree, rank, n_clusters, n_ends = made
    clusters = nodes_of(tree, tree.cut(n_clusters=n_clusters)).tolist()
    ends = upper_nodes(tree, clusters, n_ends)
    assert len(ends) == max(n_clusters, min(n_ends, tree.n_leaves))
    shape = lay_out(tree, ends, clusters, rank)
    assert sorted(shape.ends) == sorted(ends)
    rows = tree.rows()
    assert sorted(np.concatenate([rows[end] for end in ends]).tolist()) == list(range(tree.n_leaves))
    for node, pair in shape.children.items():
        below = sorted(shape.place[end] for end in ends if set(rows[end]) <= set(rows[node]))
        np.testing.assert_array_equal(np.diff(below), 1)  # what is together is drawn together
        assert shape.place[pair[0]] < shape.place[node] < shape.place[pair[1]]
        for child in pair:
            assert shape.depth.get(child, 0.0) < shape.depth[node] <= 1
    for node, depth in shape.depth.items():
        assert (depth < shape.cut) == (node in shape.cluster)


def test_divisions_at_the_same_height_and_at_the_cut_are_drawn_apart():
    linkage = [[0, 1, np.nextafter(1, 0), 2], [2, 4, 1, 3], [3, 5, 1, 4]]
    tree = ClusterTree(np.arange(4), np.array(linkage), np.ones(3), 3)
    shape = lay_out(tree, range(4), [4, 2, 3], np.arange(7))
    assert shape.depth[4] + 0.03 < shape.cut < shape.depth[5] - 0.03 < shape.depth[6] - 0.06


@pytest.fixture(scope="module")
def fitted():
    return TrendClusterer(lineage="Myeloid", random_state=0).fit(datasets.bone_marrow())


def of_kind(ax, gid):
    return [text for text in ax.texts if text.get_gid() == gid]


@pytest.mark.parametrize("n_clusters", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 7))])
def test_every_group_is_named_with_its_genes_and_trend(fitted, n_clusters):
    tc = fitted.cut(n_clusters=n_clusters)
    ax = tc.plot_tree()
    table = tc.tree_table_
    names = [text.get_text().split(" · ")[0] for text in of_kind(ax, "leaf")]
    assert set(names) <= set(table.index)
    assert table.loc[names, "size"].sum() == (tc.labels_ >= 0).sum()
    assert len(names) >= n_clusters
    assert len([line for line in ax.lines if line.get_gid() == "sparkline"]) == len(names)
    first = table.loc[names[0], "top_genes"]
    assert of_kind(ax, "genes")[0].get_text().rstrip("…") in first
    assert of_kind(ax, "cut")[0].get_text() == f"cut: {n_clusters} cluster{'s' if n_clusters > 1 else ''}"
    colors = {to_hex(line.get_color()).upper() for line in ax.lines if line.get_gid() == "sparkline"}
    assert colors == set(cluster_colors(n_clusters))


def test_support_stands_at_the_divisions(fitted):
    ax = fitted.plot_tree(n_leaves=5)
    written = sorted(text.get_text() for text in of_kind(ax, "support"))
    tree = fitted.tree_
    expected = sorted(f"{value:.2f}".lstrip("0") for value in tree.support[len(tree.support) - 4 :])
    assert written == expected


@pytest.mark.parametrize(
    ("n_leaves", "figsize"),
    [
        (12, (3.5, 4.0)),
        pytest.param(2, None, marks=pytest.mark.slow),
        pytest.param(30, None, marks=pytest.mark.slow),
        pytest.param(6, (3.5, 2.5), marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_letters_fit_and_do_not_overlap(fitted, overlaps, left_out, n_leaves, figsize):
    ax = fitted.plot_tree(n_leaves=n_leaves, figsize=figsize)
    texts = [text for gid in ("leaf", "genes", "size", "cut") for text in of_kind(ax, gid)]
    assert not overlaps(ax.figure, texts)
    assert not left_out(ax.figure, ax.texts)
    assert all(text.get_fontsize() >= 3.9 for text in ax.texts)


@pytest.mark.slow
def test_sizes_do_not_touch_headings_at_another_resolution(fitted):
    """Letters are relatively wider at a low resolution than at the one at which they were placed."""
    ax = fitted.plot_tree()
    for dpi in (60, 70, 300):
        ax.figure.set_dpi(dpi)
        ax.figure.draw_without_rendering()
        for heading, size in zip(of_kind(ax, "leaf"), of_kind(ax, "size"), strict=True):
            gap = size.get_window_extent().x0 - heading.get_window_extent().x1
            assert 2 < gap * 72 / dpi < 8  # points


def test_the_number_of_genes_stands_beside_long_headings(fitted, left_out):
    ax = fitted.plot_tree(labels=["a module with a name that is longer than its row has room for"] * fitted.n_clusters_)
    headings, sizes = of_kind(ax, "leaf"), of_kind(ax, "size")
    assert len(sizes) == len(headings)
    assert any(text.get_text().endswith("…") for text in headings)
    assert not left_out(ax.figure, sizes)


def test_names_and_colours_of_the_user_and_an_axes_of_the_caller(fitted):
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    ax = fitted.plot_tree(n_leaves=1, ax=right, labels={2: "haem"}, palette=["red", "blue", "lime", "gold", "cyan"])
    assert ax is right
    assert not left.lines
    assert plt.get_fignums() == [figure.number]
    assert any(text.get_text().startswith("haem") for text in of_kind(ax, "leaf"))
    assert {to_hex(line.get_color()) for line in ax.lines if line.get_gid() == "sparkline"} == {
        "#ff0000",
        "#0000ff",
        "#00ff00",
        "#ffd700",
        "#00ffff",
    }


@pytest.mark.slow
def test_the_tree_stands_beside_the_heat_map(fitted, left_out):
    ax = fitted.plot_heatmap()
    shape = dendrogram_of(fitted._result)
    shown = [int(text.get_text()) for text in of_kind(ax, "cluster")]
    assert shown == [shape.cluster[end] for end in shape.ends]
    branches = [line for line in ax.lines if line.get_gid() == "branch"]
    assert len(branches) == 3 * len(shape.children) + 1
    ax.figure.canvas.draw()
    edge = ax.get_window_extent().x0
    assert all(0 <= line.get_window_extent().x0 and line.get_window_extent().x1 < edge for line in branches)
    assert len([line for line in ax.lines if line.get_gid() == "cut"]) == 1
    without = fitted.plot_heatmap(dendrogram=False)
    assert not [line for line in without.lines if line.get_gid() == "branch"]
    assert [text.get_text() for text in of_kind(without, "cluster")] == [
        str(number) for number in range(fitted.n_clusters_)
    ]
    assert not [line for line in fitted.plot_heatmap(clusters=[1, 0]).lines if line.get_gid() == "branch"]
    assert not [line for line in fitted.cut(n_clusters=1).plot_heatmap().lines if line.get_gid() == "branch"]


def test_without_a_tree_there_is_advice(fitted):
    from sklearn.cluster import KMeans

    tc = TrendClusterer(clusterer=KMeans(3, n_init=1, random_state=0), lineage="Ery").fit(datasets.bone_marrow())
    with pytest.raises(ValueError, match="KMeans has no tree of clusters to draw. Fit with clusterer="):
        tc.plot_tree()
    assert not [line for line in tc.plot_heatmap().lines if line.get_gid() == "branch"]
    with pytest.raises(ValueError, match="n_leaves must be an integer of at least 1"):
        fitted.plot_tree(n_leaves=0)
