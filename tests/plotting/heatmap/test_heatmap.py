"""Heatmap of genes: order of the rows, labels without overlap, covariates, and lineages side by side."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.text import Text

from lineage_clust.errors import UnknownNameError
from lineage_clust.lineage.annotations import Annotation
from lineage_clust.plotting import cluster_colors, plot_heatmap
from lineage_clust.plotting.heatmap.heatmap import row_order
from lineage_clust.plotting.parts.strips import covariate_strips

GRID = np.linspace(0, 1, 50)


def some_trends(n_genes=40, n_clusters=4, seed=0):
    rng = np.random.default_rng(seed)
    peaks = np.sort(rng.uniform(0, 1, n_genes))
    labels = np.minimum((peaks * n_clusters).astype(int), n_clusters - 1)
    labels = np.unique(labels, return_inverse=True)[1]
    values = np.exp(-((GRID - peaks[:, None]) ** 2) / 0.05)
    scaled = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    shuffled = rng.permutation(n_genes)
    return scaled[shuffled], labels[shuffled], [f"Gene{index}" for index in range(n_genes)]


def of_kind(ax, gid):
    return [text for text in ax.texts if text.get_gid() == gid]


def inset(ax, label):
    (found,) = [child for child in ax.child_axes if child.get_label() == label]
    return found


def rows_of(ax):
    return np.hstack([np.asarray(image.get_array()) for image in ax.images])


def test_rows_are_ordered_by_cluster_and_peak():
    scaled, labels, genes = some_trends()
    labels[3] = -1
    ax = plot_heatmap(scaled, labels, GRID, genes)
    assert isinstance(ax, Axes)
    kept = np.flatnonzero(labels >= 0)
    order = kept[np.lexsort((GRID[scaled[kept].argmax(axis=1)], labels[kept]))]
    peaks = GRID[rows_of(ax).argmax(axis=1)]
    np.testing.assert_allclose(peaks, GRID[scaled[order].argmax(axis=1)])
    for cluster in range(labels.max() + 1):
        assert np.all(np.diff(peaks[labels[order] == cluster]) >= 0)


def test_equal_peaks_are_ordered_by_the_centre_of_mass():
    falling = np.exp(-GRID / np.array([[0.5], [0.1], [0.3]]))
    assert row_order(falling, GRID).tolist() == [1, 2, 0]
    assert row_order(np.zeros((2, 50)), GRID).tolist() == [0, 1]


@pytest.mark.slow
def test_the_bar_has_the_colours_of_the_clusters():
    scaled, labels, genes = some_trends()
    colors = cluster_colors(labels.max() + 1)
    for clusters, n_clusters in ((None, None), ([2, 0], None), ([1], 4)):
        ax = plot_heatmap(scaled, labels, GRID, genes, clusters=clusters, n_clusters=n_clusters)
        shown = list(range(4)) if clusters is None else clusters
        bar = inset(ax, "cluster")
        assert [to_hex(patch.get_facecolor()).upper() for patch in bar.patches] == [colors[c].upper() for c in shown]
        assert [patch.get_height() for patch in bar.patches] == [np.sum(labels == c) for c in shown]
        assert [text.get_text() for text in of_kind(ax, "cluster")] == [str(c) for c in shown]


def test_many_clusters_of_a_subset_keep_their_colours():
    scaled, labels, _ = some_trends(120, 30)
    n_clusters = labels.max() + 1
    few = labels <= 2
    bar = inset(plot_heatmap(scaled[few], labels[few], GRID, n_clusters=n_clusters), "cluster")
    assert [to_hex(patch.get_facecolor()).upper() for patch in bar.patches] == cluster_colors(n_clusters)[:3]


def test_genes_that_are_not_assigned_come_when_asked_for():
    scaled, labels, genes = some_trends()
    labels[:5] = -1
    ax = plot_heatmap(scaled, labels, GRID, genes, clusters=[0, -1])
    assert rows_of(ax).shape[0] == np.sum(labels <= 0)
    assert [text.get_text() for text in of_kind(ax, "cluster")] == ["0", "none"]


@pytest.mark.parametrize("n_clusters", [1, pytest.param(3, marks=pytest.mark.slow), 30])
@pytest.mark.parametrize("n_genes", [3, 60, pytest.param(700, marks=pytest.mark.slow)])
@pytest.mark.parametrize("figsize", [pytest.param(None, marks=pytest.mark.slow), (4, 3)])
@pytest.mark.first(1)
def test_names_do_not_overlap(overlaps, left_out, n_genes, n_clusters, figsize):
    scaled, labels, genes = some_trends(n_genes, n_clusters)
    ax = plot_heatmap(
        scaled, labels, GRID, [f"{name}_with_a_name_that_is_very_long" for name in genes], figsize=figsize
    )
    texts = [*ax.texts, *ax.get_xticklabels(), ax.xaxis.label]
    assert not overlaps(ax.figure, texts)
    assert not left_out(ax.figure, ax.figure.findobj(Text))
    named = of_kind(ax, "gene")
    assert len(named) == n_genes if n_genes == 3 else 3 < len(named) <= n_genes
    assert all(len(text.get_text()) <= 22 for text in named)
    if figsize is not None:
        assert ax.figure.get_size_inches().tolist() == [4, 3]


def test_each_name_stands_at_its_row():
    scaled, labels, genes = some_trends(300)
    importance = np.random.default_rng(1).random(300)
    ax = plot_heatmap(scaled, labels, GRID, genes, importance=importance)
    order = np.concatenate([np.flatnonzero(labels == c)[row_order(scaled[labels == c], GRID)] for c in range(4)])
    row = {genes[index]: number for number, index in enumerate(order)}
    for text in of_kind(ax, "gene"):
        assert 1 - text.get_position()[1] == pytest.approx((row[text.get_text()] + 0.5) / 300)
    names = [text.get_text() for text in of_kind(ax, "gene")]
    assert genes[int(np.argmax(importance))] in names
    few = plot_heatmap(scaled, labels, GRID, genes, importance=importance, label_genes=3)
    assert len(of_kind(few, "gene")) == 3
    assert not of_kind(plot_heatmap(scaled, labels, GRID, genes, label_genes=0), "gene")


def test_named_genes_have_lines_to_their_rows(overlaps):
    scaled, labels, genes = some_trends(300)
    order = np.concatenate([np.flatnonzero(labels == c)[row_order(scaled[labels == c], GRID)] for c in range(4)])
    wanted = [genes[row] for row in order[100:130]]  # next to each other
    ax = plot_heatmap(scaled, labels, GRID, genes, label_genes=wanted)
    assert [text.get_text() for text in of_kind(ax, "gene")] == wanted
    assert not overlaps(ax.figure, ax.texts)
    lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
    starts = [1 - line.get_ydata()[0] for line in lines]
    np.testing.assert_allclose(starts, (np.arange(100, 130) + 0.5) / 300)
    np.testing.assert_allclose(
        [line.get_ydata()[-1] for line in lines], [t.get_position()[1] for t in of_kind(ax, "gene")]
    )


def test_the_map_is_centred_and_labelled():
    scaled, labels, genes = some_trends()
    ax = plot_heatmap(scaled, labels, GRID, genes, value_label="z-score")
    low, high = ax.images[0].get_clim()
    assert low == -high
    assert np.mean(np.abs(scaled) <= high) == pytest.approx(0.99, abs=0.01)
    bar = inset(ax, "scale")
    assert [text.get_text() for text in bar.texts] == ["z-score"]
    assert ax.images[0].get_cmap().name == "RdBu_r"
    zero_to_one = plot_heatmap(np.abs(scaled), labels, GRID, center=None)
    assert zero_to_one.images[0].get_clim() == (np.abs(scaled).min(), np.abs(scaled).max())
    assert zero_to_one.images[0].get_cmap().name == "viridis"
    plot_heatmap(np.zeros((3, 50)), np.zeros(3, dtype=int), GRID).figure.canvas.draw()


def test_lineages_lie_side_by_side(overlaps):
    scaled, labels, genes = some_trends()
    grid = np.r_[np.linspace(0, 1, 50), np.linspace(0, 0.6, 50)]
    names = np.array(["Ery"] * 50 + ["Myeloid"] * 50, dtype=object)
    ax = plot_heatmap(np.hstack([scaled, -scaled]), labels, grid, genes, grid_lineage=names)
    first, second = (image.get_extent() for image in ax.images)
    assert second[0] > first[1]
    assert (second[1] - second[0]) / (first[1] - first[0]) == pytest.approx(0.6)
    np.testing.assert_allclose(ax.images[1].get_array(), -ax.images[0].get_array())
    assert ax.images[0].get_clim() == ax.images[1].get_clim()
    assert {"Ery", "Myeloid"} <= {text.get_text() for text in ax.texts}
    assert not overlaps(ax.figure, [*ax.texts, *ax.get_xticklabels(), ax.xaxis.label])


def test_covariates_have_bars_and_legends(overlaps, left_out):
    scaled, labels, genes = some_trends()
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 1, 300)
    types = pd.Series(np.where(t < 0.5, "stem", "a type with a long name")).astype("category")
    covariates = [
        Annotation("type", {"": (types, t, np.ones(300))}, list(types.cat.categories)),
        Annotation("depth", {"": (pd.Series(t**2), t, np.ones(300))}, []),
    ]
    strips = covariate_strips(covariates, GRID, np.full(len(GRID), ""))
    ax = plot_heatmap(scaled, labels, GRID, genes, strips=strips)
    assert {"type", "depth"} <= {child.get_label() for child in ax.child_axes}
    ax.figure.canvas.draw()
    above = [inset(ax, name).get_window_extent() for name in ("type", "depth")]
    assert "pseudotime" not in {child.get_label() for child in ax.child_axes}  # the axis says it
    assert all(low.y1 < high.y0 for low, high in pairwise(above))
    assert all(box.x0 == pytest.approx(ax.get_window_extent().x0, abs=0.5) for box in above)
    np.testing.assert_allclose(inset(ax, "type").collections[0].get_facecolor(), strips[0].colors)
    everything = ax.figure.findobj(Text)
    assert not overlaps(ax.figure, [text for text in everything if text.get_visible()])
    assert not left_out(ax.figure, everything)


@pytest.mark.slow
def test_it_draws_into_an_axes_of_the_caller(overlaps):
    scaled, labels, genes = some_trends(200)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    assert plot_heatmap(scaled, labels, GRID, genes, ax=right) is right
    assert plt.get_fignums() == [figure.number]
    assert not left.images
    assert not overlaps(figure, right.texts)
    figure.canvas.draw()
    tight = min(text.get_window_extent().x0 for text in right.texts)
    assert tight > left.get_window_extent().x1  # the layout has made room for the names


def test_input_and_settings_stay_as_they_are():
    scaled, labels, genes = some_trends()
    before = scaled.copy(), labels.copy(), list(genes), plt.rcParams.copy()
    plot_heatmap(scaled, labels, GRID, genes)
    np.testing.assert_array_equal(scaled, before[0])
    np.testing.assert_array_equal(labels, before[1])
    assert genes == before[2]
    assert plt.rcParams == before[3]
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"clusters": [9]}, ValueError, r"There is no cluster 9; the clusters are \[0, 1, 2, 3\]"),
        ({"label_genes": ["Gene7", "Gene77"]}, UnknownNameError, "label_genes contains 'Gene77'.*Did you mean"),
        ({"label_genes": [f"Gene{i}" for i in range(40)], "figsize": (3, 2.5)}, ValueError, "40 names do not fit"),
        ({"genes": None, "label_genes": ["Gene1"]}, ValueError, "pass genes= as well"),
        ({"genes": ["a"]}, ValueError, "genes must have 40 values"),
        ({"labels": np.full(40, -1)}, ValueError, "There is no cluster to draw"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_figure(arguments, error, message):
    scaled, labels, genes = some_trends()
    arguments = {"labels": labels, "genes": genes, **arguments}
    with pytest.raises(error, match=message):
        plot_heatmap(scaled, grid=GRID, **arguments)
    assert not plt.get_fignums()


def test_rows_make_one_diagonal_across_clusters():
    time = np.linspace(0, 1, 50)
    peaks = np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, 60))
    scaled = np.exp(-((time - peaks[:, None]) ** 2) / 0.02)
    ax = plot_heatmap(scaled, (peaks > 0.5).astype(int), time, center=None)
    drawn = time[rows_of(ax).argmax(axis=1)]
    assert (np.diff(drawn) >= 0).all()


def test_confidence_is_a_column_in_the_order_of_the_rows():
    scaled, labels, genes = some_trends(30)
    confidence = np.linspace(0, 1, 30)
    confidence[3] = np.nan
    ax = plot_heatmap(scaled, labels, GRID, genes, confidence=confidence)
    order = np.concatenate([np.flatnonzero(labels == c)[row_order(scaled[labels == c], GRID)] for c in range(4)])
    shown = inset(ax, "confidence").images[0].get_array()
    np.testing.assert_array_equal(shown.filled(np.nan)[:, 0], confidence[order])
    assert [text.get_text() for text in inset(ax, "confidence scale").texts] == ["confidence (column)"]
    ax.figure.canvas.draw()
    column = inset(ax, "confidence").get_window_extent()
    assert all(text.get_window_extent().x0 > column.x1 for text in of_kind(ax, "gene"))


def test_clusters_have_the_names_and_colours_that_are_given():
    scaled, labels, genes = some_trends()
    ax = plot_heatmap(scaled, labels, GRID, genes, names=["0", "1.1", "1.2", "2"], palette={"1.2": "red"})
    assert [text.get_text() for text in of_kind(ax, "cluster")] == ["0", "1.1", "1.2", "2"]
    assert to_hex(inset(ax, "cluster").patches[2].get_facecolor()) == "#ff0000"
