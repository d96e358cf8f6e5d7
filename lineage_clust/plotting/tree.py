"""Figure of the tree of clusters, from all genes to small groups, with their trends and leading genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..clusterers.tree import ClusterTree
from ..errors import counted
from ..results.tabulating import time_ranks
from ..utils.constraints import integer
from ..utils.documenting import parameters_as
from .panels.panels import plot_clusters
from .parts import mpl
from .parts.captions import Caption, captions, own_labels, share
from .parts.checking import axes_for, check_figure
from .parts.colors import palette_colors
from .parts.dendrogram import Dendrogram, draw_branches, lay_out, upper_nodes
from .parts.labels import fit_text, plain, settle_layout, width_of
from .parts.theme import ink, paper
from .parts.timeline import segments
from .places import PLACES, Places

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ENDS = 30
_WIDTH, _NARROW = 7.2, 4.6  # inches: default width, and minimum width for full-size fonts
_ROWS = (0.26, 0.42, 8.5)  # minimum and maximum row height, and total height to which rows are fitted, in inches
_TOP, _BOTTOM = 0.32, 0.34
_SIZE = 8.0  # font size in points
_TREE, _SPARK = 0.36, 0.14  # fractions of the width
_LEGIBLE = 0.55  # minimum font scale
_SMALLEST_HEADING = 0.8  # relative to the font size; longer headings are truncated


@parameters_as(axes_for, own_labels, plot_clusters)
def plot_tree(
    tree: ClusterTree,
    table: pd.DataFrame,
    means: np.ndarray,
    grid: np.ndarray,
    *,
    grid_lineage: np.ndarray | None = None,
    n_leaves: int | None = None,
    labels: Mapping[Any, str] | Sequence[str] | None = None,
    palette: Any = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw the hierarchy of clusters, with the current partition.

    Parameters
    ----------
    tree : ClusterTree
        Tree of a GraphClusterer.
    table : DataFrame
        One row per node, as `tree_table_` of a TrendClusterer.
    means : ndarray of shape (n_nodes, n_points)
        Mean scaled trend of each node.
    grid_lineage : ndarray of str, shape (n_points,), default=None
        Lineage of each grid point.
    n_leaves : int, default=None
        Maximum number of groups into which the tree is drawn, at least the clusters of the current cut. `None` = about
        twice the number of clusters, up to 30.

    Notes
    -----
    Divisions of more distinct parts are farther left. The number beside a division is its support: the agreement beyond
    chance (Cohen's kappa) of independent halves of the data on which of the two parts each gene belongs to. Clusters of
    the current cut have a dot of their colour; the dashed line is the cut.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> tc = lc.TrendClusterer(random_state=0).fit(lc.datasets.bone_marrow(), lineage="Ery")
    >>> tree, rows = tc.tree_, tc.scaled_trends_[tc.labels_ >= 0]
    >>> plot_tree(tree, tc.tree_table_, tree.means(rows), tc.pseudotime_).get_xlabel()
    ''
    """
    check_figure(ax, figsize, dpi)
    cluster = table["cluster"].to_numpy()
    nodes = np.array([np.flatnonzero(cluster == number)[0] for number in range(cluster.max(initial=-1) + 1)], dtype=int)
    if n_leaves is None:
        n_leaves = int(min(max(2 * len(nodes), len(nodes) + 4), _MOST_ENDS))
    integer(1).check("n_leaves", n_leaves)
    names = table.index.astype(str).tolist()
    colors = palette_colors(palette, len(nodes), [names[node] for node in nodes])
    shape = lay_out(tree, upper_nodes(tree, nodes.tolist(), n_leaves), nodes.tolist(), time_ranks(means, grid), names)
    said = captions(table, names, means, grid, grid_lineage)
    for node, label in zip(nodes, own_labels(labels, [names[node] for node in nodes]), strict=True):
        said[node] = replace(said[node], name=label)
    if ax is None:
        row = float(np.clip(_ROWS[2] / len(shape.ends), *_ROWS[:2]))
        size = figsize or (_WIDTH, row * len(shape.ends) + _TOP + _BOTTOM)
        figure = mpl.pyplot.figure(figsize=size, dpi=dpi)
        ax = figure.add_axes([0.1 / size[0], 0.05 / size[1], 1 - 0.2 / size[0], 1 - 0.1 / size[1]])
    _draw(ax, shape, table, means, segments(grid, grid_lineage), said, colors)
    return ax


def _draw(ax, shape: Dendrogram, table, means, parts, said: list[Caption], colors: list[str]) -> None:
    """Draw everything in inches from the upper left corner."""
    settle_layout(ax.figure.figure)
    box = ax.get_window_extent()
    width, height = box.width / ax.figure.figure.dpi, box.height / ax.figure.figure.dpi
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_axis_off()
    small = float(np.clip(width / _NARROW, 0.7, 1.0))
    n_ends = len(shape.ends)
    row = (height - (_TOP + _BOTTOM) * small) / n_ends
    size = min(_SIZE * small, row * 72 / 2.6)
    size = max(size, _LEGIBLE * _SIZE)
    left, right = 0.16 * width * small / 2, _TREE * width

    def x(depth: float) -> float:
        return right - (right - left) * depth

    def y(place: float) -> float:
        return _TOP * small + (place + 0.5) * row

    draw_branches(ax, shape, x, y, colors, width=1.3 * small, stub=0.06)
    above = {child: x(shape.depth[node]) for node, pair in shape.children.items() for child in pair}
    halo = [mpl.patheffects.withStroke(linewidth=2.0, foreground=paper())]
    for node in shape.children:
        support = float(table["support"].iloc[node])
        at, place = x(shape.depth[node]), y(shape.place[node])
        ax.plot(at, place, ".", ms=2.5 * small, color=ink(0.6), zorder=3, clip_on=False)
        if np.isfinite(support):
            beyond = [x(shape.depth.get(child, 0.0)) for child in shape.children[node]]
            beyond += [x(shape.cut)] if shape.cut is not None and x(shape.cut) > at else []
            tight = min(beyond) - at < 3.4 * size / 72 and at - above.get(node, left) > min(beyond) - at
            over_dot = tight and shape.cut is not None and 0 <= at - x(shape.cut) < 3.4 * size / 72
            above_line = (0.085 if over_dot else 0.02) * small
            ax.text(at - 0.03 if tight else at + 0.04, place - above_line if tight else place, share(support),
                    fontsize=0.8 * size, ha="right" if tight else "left", va="bottom" if tight else "center",
                    color=ink(0.75), path_effects=halo, zorder=4, gid="support")  # fmt: skip
    for node, number in shape.cluster.items():
        if table["cluster"].iloc[node] == number:
            at = x(min(max(shape.cut or 0.0, shape.depth.get(node, 0.0)), 1.06))
            ax.plot(at, y(shape.place[node]), "o", ms=5.5 * small, color=colors[number], mec=paper(), mew=0.8, zorder=5,
                    clip_on=False)  # fmt: skip
    _draw_cut(ax, shape, x, y, size, len(colors))
    _draw_ends(ax, shape, table, means, parts, said, colors, y, row, size, (right, width))
    ends = [(shape.cluster[node], y(shape.place[node])) for node in shape.ends if node in shape.cluster]
    corners = np.array([[right, -row / 2], [width, -row / 2], [width, row / 2], [right, row / 2]])
    PLACES[ax] = Places([(number, corners + [0, at]) for number, at in ends])
    supported = np.isfinite(table["support"].to_numpy(dtype=float)).any()
    ax.text(left, height - 0.05 * small, "← more distinct" + " · numbers: support" * bool(supported), fontsize=0.85 * size,
            color=ink(0.65), va="bottom")  # fmt: skip


def _draw_cut(ax, shape: Dendrogram, x, y, size: float, n_clusters: int) -> None:
    said, top = f"cut: {counted(n_clusters, 'cluster')}", y(-0.5)
    style = {"fontsize": 0.9 * size, "color": ink(0.75), "va": "bottom", "gid": "cut"}
    if shape.cut is None:
        ax.text(x(1.0), top - 0.04, said, **style)
        return
    at = x(shape.cut)
    ax.plot([at, at], [top, y(len(shape.ends) - 0.5)], "--", color=ink(0.75), lw=0.9, zorder=1, gid="cut")
    ax.text(max(at, x(1.0) + 0.3), top - 0.04, said, ha="center", **style)


def _draw_ends(ax, shape, table, means, parts, said, colors, y, row, size, span) -> None:
    """Draw the mean trend of each end, and write its caption and leading genes."""
    right, width = span
    spark = right + 0.03 * width, right + 0.03 * width + _SPARK * width
    start, end = parts[0].ends[0], parts[-1].ends[1]
    low, high = float(means[shape.ends].min()), float(means[shape.ends].max())
    text_at, dpi = spark[1] + 0.025 * width, ax.figure.figure.dpi
    least = min(max(_SMALLEST_HEADING, _LEGIBLE * _SIZE / size), 1.0)
    for node in shape.ends:
        place = y(shape.place[node])
        color = colors[shape.cluster[node]] if node in shape.cluster else ink(0.55)
        for part in parts:
            along = spark[0] + (part.x - start) / (end - start) * (spark[1] - spark[0])
            level = place + 0.4 * row - 0.8 * row * (means[node, part.columns] - low) / ((high - low) or 1.0)
            ax.plot(along, level, color=color, lw=1.4, zorder=3, gid="sparkline", solid_capstyle="round")
            ax.plot(along[[0, -1]], [place + 0.42 * row] * 2, color=ink(0.55), lw=0.4, zorder=2)
        caption = said[node]
        upper = ax.text(text_at, place - 0.02 * row, plain(caption.heading), fontsize=size, va="bottom", fontweight="bold",
                        gid="leaf")  # fmt: skip
        beside = {"xycoords": upper, "xytext": (4.3, 0), "textcoords": "offset points"}  # also at another resolution
        room = (width - text_at) * dpi - 8
        for said_size in (counted(caption.size, "gene"), f"{caption.size:,}"):
            number = ax.annotate(said_size, (1, 0), va="bottom", fontsize=size, color=ink(0.65), gid="size", **beside)
            left = room - width_of(number) - 0.06 * dpi
            if least * width_of(upper) <= left or said_size.isdigit():
                break
            number.remove()
        fit_text(upper, left, least)
        lower = ax.text(text_at, place + 0.02 * row, plain(table["top_genes"].iloc[node]), fontsize=0.92 * size, va="top",
                        style="italic", color=ink(0.8), gid="genes")  # fmt: skip
        fit_text(lower, (width - text_at) * dpi)
