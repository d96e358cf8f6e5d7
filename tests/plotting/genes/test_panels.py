"""Figure with one panel per gene: lineages, colours, arrays as input, and errors."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lineage_clust import FailedTrend, GeneTrend, UnknownNameError
from lineage_clust.plotting import cluster_colors, lineage_colors, plot_gene_trends
from lineage_clust.plotting.genes.gene import cell_colors
from lineage_clust.trends.trends import Trends


def some_trend(gene, lineage, seed=0, n_cells=90):
    rng = np.random.default_rng(seed)
    x, w = rng.uniform(0, 1, n_cells), rng.uniform(0.05, 0.5, n_cells)
    trend = GeneTrend(gene, lineage, x, np.sin(4 * x + seed) + rng.normal(0, 0.1, n_cells), w)
    return trend.prepare(time_range=(0.1, 0.8), n_points=30).fit()


@pytest.fixture(scope="module")
def trends():
    return {
        g: {name: some_trend(g, name, i + j) for j, name in enumerate("AB")} for i, g in enumerate(["g1", "g2", "g3"])
    }


def one_lineage(trends):
    return {gene: {"A": parts["A"]} for gene, parts in trends.items()}


def cells_of(ax):
    return [artist for artist in ax.collections if isinstance(artist, PathCollection)]


def line_colors(ax):
    return [to_hex(line.get_color()).upper() for line in ax.lines]


def test_lineages_are_together_in_one_panel(trends):
    figure = plot_gene_trends(trends)
    assert isinstance(figure, Figure)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["g1", "g2", "g3"]
    for gene, ax in zip(trends, figure.axes, strict=True):
        assert line_colors(ax) == lineage_colors(2)
        for line, trend in zip(ax.lines, trends[gene].values(), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), trend.y_test)
        assert [len(part.get_offsets()) for part in cells_of(ax)] == [len(t.x) for t in trends[gene].values()]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["A", "B"]
    assert [to_hex(handle.get_color()).upper() for handle in legend.get_lines()] == lineage_colors(2)


def test_one_lineage_has_the_colour_of_the_cluster(trends):
    clusters = {"g1": 3, "g2": -1, "g3": 0, "other": 5}
    figure = plot_gene_trends(one_lineage(trends), clusters=clusters)
    colors = [line_colors(ax)[0] for ax in figure.axes]
    assert colors[0] == cluster_colors(6)[3]
    assert colors[2] == cluster_colors(6)[0]
    assert [ax.get_title(loc="right") for ax in figure.axes] == ["cluster 3", "no cluster", "cluster 0"]
    assert not figure.legends
    assert figure.get_supxlabel() == "pseudotime (A)"


def test_with_colours_of_cells_the_trend_has_no_colour_of_them(trends):
    """Clusters and categories have the same colours, which mean one thing in a figure."""
    kinds = cell_colors("kind", pd.Series(["a", "b"] * 45, dtype="category"))
    figure = plot_gene_trends(one_lineage(trends), clusters={"g1": 0, "g2": 1, "g3": -1}, cell_colors=kinds)
    found = {line_colors(ax)[0] for ax in figure.axes}
    assert len(found) == 1
    assert not found & {to_hex(color).upper() for color in kinds.categories.values()}


def test_genes_and_lineages_are_chosen(trends):
    figure = plot_gene_trends(trends, ["g3", "g1"], lineages="B")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["g3", "g1"]
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), trends["g3"]["B"].y_test)
    assert len(figure.axes[0].lines) == 1
    assert [ax.get_title(loc="left") for ax in plot_gene_trends(trends, "g2").axes] == ["g2"]


def test_of_very_many_cells_a_part_is_drawn():
    trends = {"g": {"A": some_trend("g", "A", n_cells=900)}}
    (cells,) = cells_of(plot_gene_trends(trends, max_cells=100).axes[0])
    (again,) = cells_of(plot_gene_trends(trends, max_cells=100).axes[0])
    assert len(cells.get_offsets()) == len(cells.get_facecolors()) == 100
    np.testing.assert_array_equal(cells.get_offsets(), again.get_offsets())
    assert not cells_of(plot_gene_trends(trends, max_cells=0).axes[0])


def test_trends_as_arrays():
    grid = np.r_[np.linspace(0, 1, 20), np.linspace(0, 0.5, 20)]
    names = np.array(["A"] * 20 + ["B"] * 20, dtype=object)
    values = np.random.default_rng(0).normal(size=(2, 40))
    figure = plot_gene_trends(Trends(values, grid, ["g1", "g2"], np.full((2, 40), 0.5), names))
    ax = figure.axes[1]
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), grid[20:])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), values[1, 20:])
    edge = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert edge.max() == pytest.approx(values[1, :20].max() + 1.96 * 0.5, abs=1e-3)
    assert len(plot_gene_trends(Trends(values, grid, ["g1", "g2"]), "g1").axes[0].lines) == 1


@pytest.mark.slow
def test_long_names_do_not_reach_the_cluster(trends, overlaps):
    long = {f"ENSMUSG00000_{gene}_a_very_long_name": {"A": parts["A"]} for gene, parts in trends.items()}
    figure = plot_gene_trends(long, clusters=dict.fromkeys(long, 12), figsize=(5, 2))
    for ax in figure.axes:
        titles = [
            text
            for text in ax.get_children()
            if getattr(text, "get_text", str)() in (ax.get_title("left"), "cluster 12")
        ]
        assert len(titles) == 2
        assert not overlaps(figure, titles)


def test_a_gene_without_a_trend_says_why(trends):
    failed = {"bad": {"A": FailedTrend("bad", "A", "fit", "no expression in any cell")}}
    figure = plot_gene_trends({**one_lineage(trends), **failed})
    assert "no expression in any cell" in " ".join(text.get_text() for text in figure.axes[-1].texts).replace("\n", " ")
    with pytest.raises(ValueError, match="no expression in any cell"):
        plot_gene_trends(failed)
    half = {"g": {"A": trends["g1"]["A"], "B": FailedTrend("g", "B", "fit", "x")}}
    assert line_colors(plot_gene_trends(half).axes[0]) == lineage_colors(2)[:1]


def test_it_draws_into_axes_of_the_caller(trends):
    figure, axes = plt.subplots(2, 2)
    assert plot_gene_trends(trends, ax=axes.ravel()[:3]) is figure
    assert plt.get_fignums() == [figure.number]
    assert [ax.get_xlabel() for ax in axes.ravel()] == ["pseudotime"] * 3 + [""]
    assert axes[0, 0].get_legend() is not None
    assert plot_gene_trends(trends, "g1", ax=axes[1, 1]) is figure


@pytest.mark.parametrize("ncols", [1, 2, 9])
@pytest.mark.slow
def test_panels_a_row(trends, ncols):
    figure = plot_gene_trends(trends, ncols=ncols)
    figure.canvas.draw()
    assert len({round(ax.get_position().x0, 2) for ax in figure.axes}) == min(ncols, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"genes": ["gg1"]}, UnknownNameError, "There is no trend of 'gg1': it was not fitted. Did you mean"),
        ({"genes": []}, ValueError, "genes is empty"),
        ({"lineages": "C"}, UnknownNameError, "Lineage 'C' was not fitted; there is 'A', 'B'"),
        ({"lineages": []}, ValueError, "lineages is empty"),
    ],
)
def test_what_cannot_be_drawn_leaves_no_figure(trends, arguments, error, message):
    with pytest.raises(error, match=message):
        plot_gene_trends(trends, **arguments)
    assert not plt.get_fignums()


def test_axes_must_be_as_many_as_genes(trends):
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="3 genes and 1 Axes"):
        plot_gene_trends(trends, ax=ax)


def test_shared_axes_show_all_genes_with_zeros_and_have_ticks_beside_a_failed_one():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, 90)
    trends = {}
    for gene, level in (("low", 1.0), ("high", 30.0)):
        y = np.where(rng.random(90) < 0.3, 0.0, level * (1 + x))
        trends[gene] = {"A": GeneTrend(gene, "A", x, y, np.ones(90)).prepare(n_points=30).fit()}
    trends["none"] = {"A": FailedTrend("none", "A", "fit", "all zero")}
    figure = plot_gene_trends(trends, sharey=True)
    low, high = figure.axes[0].get_ylim()
    for ax in figure.axes[:2]:
        assert ax.get_ylim() == (low, high)
        for part in [*(line.get_ydata() for line in ax.lines), *(dots.get_offsets()[:, 1] for dots in cells_of(ax))]:
            assert low <= np.min(part) <= np.max(part) <= high
    assert len(figure.axes[0].get_yticks()) > 1
    figure.draw_without_rendering()
    assert [any(tick.tick1line.get_visible() for tick in ax.yaxis.get_major_ticks()) for ax in figure.axes][2] is False
