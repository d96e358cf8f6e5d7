"""One panel a cluster: the trends of its genes, their mean and a band."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..utils.checking import as_numbers
from .checking import check_figure
from .colors import UNASSIGNED, cluster_colors
from .labels import fit_text
from .layout import Layout
from .strips import Strip, draw_legends, draw_strip, strip_edges

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_MAX_LINES = 400  # more are a solid area on paper and megabytes in a vector file


def plot_clusters(
    scaled: np.ndarray,
    labels: np.ndarray,
    grid: np.ndarray,
    *,
    genes: Sequence[str] | None = None,
    grid_lineage: np.ndarray | None = None,
    importance: np.ndarray | None = None,
    clusters: Sequence[int] | None = None,
    n_named: int = 4,
    ncols: int = 3,
    sharey: bool | str = False,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
    ylabel: str = "scaled expression",
    strips: Sequence[Strip] = (),
    ratio: float = 0.05,
) -> Figure:
    """Draw one panel a cluster of trends.

    Parameters
    ----------
    scaled : ndarray of shape (n_genes, n_points)
        Scaled trends.
    labels : ndarray of int, shape (n_genes,)
        Cluster of each gene, -1 = not assigned.
    grid : ndarray of shape (n_points,)
        Pseudotime; several lineages one after the other.
    genes : sequence of str, optional
        Names, for the few that are shown.
    grid_lineage : ndarray of str, shape (n_points,), optional
        Lineage of each grid point; several are drawn side by side within a panel.
    importance : ndarray of shape (n_genes,), optional
        Which genes are named first.
    clusters : sequence of int, optional
        Which clusters, in which order; `None` = all.
    n_named : int
        How many genes of a cluster are named.
    ncols : int
        Panels a row, at most.
    sharey : bool or {"row", "col", "all", "none"}
        Whether panels share the y axis.
    figsize, dpi
        Inches and dots per inch of the figure.
    ylabel : str
        What the y axis shows.
    strips : sequence of lineage_clust.plotting.strips.Strip
        Covariates that are drawn under every panel, on its time axis.
    ratio : float
        Height of a strip, in heights of a panel.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a cluster is asked for that is not there, or there is none.

    Examples
    --------
    >>> import numpy as np
    >>> figure = plot_clusters(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 0]), np.array([0.0, 1.0]))
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['cluster 0', 'cluster 1']
    """
    import matplotlib.pyplot as plt

    scaled, labels = as_numbers("scaled", scaled), np.asarray(labels)
    check_shapes(scaled, labels, grid, genes=genes, grid_lineage=grid_lineage, importance=importance)
    check_sharey(sharey)
    shown = check_clusters(clusters, labels)
    layout = Layout(len(shown), ncols, n_strips=len(strips), ratio=ratio, wide_legend=bool(strips))
    check_figure(None, figsize, dpi)
    figure = plt.figure(figsize=figsize or layout.size, dpi=dpi)
    colors = cluster_colors(int(labels.max(initial=-1)) + 1)
    x, marks = _positions(grid, grid_lineage)
    panels: list = []
    for number, cluster in enumerate(shown):
        ax = figure.add_axes(layout.panel(number), sharey=_shared_with(panels, number, layout.ncols, sharey))
        panels.append(ax)
        members = np.flatnonzero(labels == cluster)
        if importance is not None:
            members = members[np.argsort(-np.nan_to_num(importance[members]), kind="stable")]
        named = [] if genes is None else [genes[member] for member in members[:n_named]]
        _draw_cluster(ax, x, scaled[members], colors[cluster] if cluster >= 0 else UNASSIGNED, marks)
        _label_panel(ax, cluster, len(members), named)
        stack = [ax]
        for index, strip in enumerate(strips):
            below = figure.add_axes(layout.strip(number, index), sharex=ax)
            draw_strip(below, strip, strip_edges(x), named=number % layout.ncols == 0)
            stack.append(below)
        lowest = number + layout.ncols >= len(shown)
        _mark_lineages(ax, stack[-1], marks, lowest)
        ax.set_xlim(x[0], x[-1])
        for part in stack:
            part.tick_params(labelbottom=part is stack[-1] and lowest, bottom=part is stack[-1], labelsize=8)
        _fit_names(stack[-1])
    draw_legends(figure, strips, layout)
    low = layout.at_bottom(0.12 if marks is None else 0.03)
    figure.text(layout.centre, low, "pseudotime", ha="center", va="bottom", fontsize=10)
    figure.text(layout.at_left(0.12), layout.middle, ylabel, ha="left", va="center", rotation=90, fontsize=10)
    return figure


def check_shapes(scaled, labels: np.ndarray, grid, **per_row_or_column) -> None:
    """Raise a ValueError unless there is a label a row, a pseudotime a column, and names as many as there should be."""
    shape = np.shape(scaled)
    if len(shape) != 2 or labels.shape != shape[:1] or np.shape(grid) != shape[1:]:
        raise ValueError(
            "scaled must have two dimensions, labels one value a row and grid one a column; their shapes are "
            f"{shape}, {labels.shape} and {np.shape(grid)}."
        )
    if labels.dtype.kind not in "iuf":
        raise TypeError(f"labels must be numbers, -1 for genes without a cluster; their dtype is {labels.dtype}.")
    if not np.all(labels == np.round(labels)):  # nor is NaN
        raise ValueError("labels must be whole numbers, -1 for genes without a cluster; some are not.")
    if not np.all(np.isfinite(scaled)):
        raise ValueError("scaled must be finite; it holds NaN or infinity. Leave such rows out.")
    for name, values in per_row_or_column.items():
        needed = shape[1] if name == "grid_lineage" else shape[0]
        if values is not None and len(values) != needed:
            raise ValueError(f"{name} must have {needed} values; it has {len(values)}.")


def check_sharey(sharey: object) -> None:
    """Raise a ValueError unless `sharey` is one that matplotlib knows."""
    if sharey is not None and not isinstance(sharey, (bool, np.bool_)) and sharey not in ("row", "col", "all", "none"):
        raise ValueError(f"sharey must be True, False, 'row', 'col', 'all' or 'none'; got {sharey!r}.")


def _shared_with(panels: list, number: int, ncols: int, sharey: bool | str):
    """Return the panel whose y axis the next one shares, or `None`."""
    if not panels or sharey in (None, False, "none"):
        return None
    if sharey in (True, "all"):
        return panels[0]
    first_of_row = number - number % ncols
    if sharey == "row":
        return panels[first_of_row] if number > first_of_row else None
    return panels[number % ncols] if number >= ncols else None


def check_clusters(clusters: Sequence[int] | None, labels: np.ndarray) -> list[int]:
    """Return the clusters to draw, or raise a ValueError that lists those there are."""
    there = sorted(int(label) for label in np.unique(labels) if label >= 0)
    if clusters is None:
        if not there:
            raise ValueError("There is no cluster to draw: no gene is assigned to one (all labels are -1).")
        return there
    chosen = [clusters] if np.ndim(clusters) == 0 else list(clusters)
    if not chosen:
        raise ValueError("clusters is empty. Name at least one cluster, or pass None for all.")
    known = {str(label): int(label) for label in np.unique(labels)}
    unknown = [cluster for cluster in chosen if str(cluster) not in known]
    if unknown:
        raise ValueError(f"There is no cluster {unknown[0]!r}; the clusters are {there}.")
    return [known[str(cluster)] for cluster in chosen]


def _draw_cluster(ax, x: np.ndarray, trends: np.ndarray, color: str, marks) -> None:
    if marks is not None:  # a gap, so that no line leads from the end of a lineage to the start of the next
        gaps = [mark[5] for mark in marks[1:]]
        x, trends = np.insert(x, gaps, np.nan), np.insert(trends, gaps, np.nan, axis=1)
    mean, spread = trends.mean(axis=0), trends.std(axis=0)
    lines = trends[:: max(1, -(-len(trends) // _MAX_LINES))]
    ax.plot(x, lines.T, color=color, lw=0.6, alpha=float(np.clip(12 / len(lines), 0.08, 0.5)), zorder=1)
    ax.fill_between(x, mean - spread, mean + spread, color=color, alpha=0.2, lw=0, zorder=2)
    ax.plot(x, mean, color="white", lw=3.4, zorder=3)
    ax.plot(x, mean, color=color, lw=2.0, zorder=4)
    ax.spines[["top", "right"]].set_visible(False)


def _label_panel(ax, cluster: int, size: int, named: list[str]) -> None:
    ax.set_title(
        f"cluster {cluster}" if cluster >= 0 else "not assigned", loc="left", fontsize=10, fontweight="bold", pad=16
    )
    ax.set_title(f"{size} gene{'s' if size != 1 else ''}", loc="right", fontsize=9, color="0.35", pad=16)
    if named:
        text = ", ".join(named)
        text = text if len(text) <= 46 else text[:45].rsplit(",", 1)[0] + ", …"
        ax.annotate(text, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=8,
                    style="italic", color="0.25", va="bottom")  # fmt: skip


def _positions(grid: np.ndarray, grid_lineage: np.ndarray | None):
    """Return x positions, and of several lineages where each starts: they are laid side by side."""
    grid = np.asarray(grid, dtype=float)
    if grid_lineage is None or len(set(grid_lineage)) < 2:
        return grid, None
    starts = np.flatnonzero(np.append(True, grid_lineage[1:] != grid_lineage[:-1]))
    x, shift, marks = np.empty(len(grid)), 0.0, []
    for first, last in zip(starts, [*starts[1:], len(grid)], strict=True):
        span = grid[last - 1] - grid[first]
        x[first:last] = grid[first:last] - grid[first] + shift
        marks.append(
            (shift, shift + span, str(grid_lineage[first]), float(grid[first]), float(grid[last - 1]), int(first))
        )
        shift += span
    return x, marks


def _mark_lineages(ax, lowest_of_stack, marks, with_times: bool) -> None:
    """Part the lineages by lines, and write their names below the axis, where no trend comes, and below its times."""
    if marks is None:
        return
    for start, end, name, *_ in marks:
        if start > 0:
            ax.axvline(start, color="0.6", lw=0.8, ls=":")
        below = lowest_of_stack.annotate(
            name, ((start + end) / 2, 0), (0, -17 if with_times else -5), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="top", fontsize=8, color="0.25", gid="lineage",
        )  # fmt: skip
        below.span = (start, end)
    ends = [marks[0][0], *(mark[1] for mark in marks)]
    # one time ends where the next begins
    between = [f"{one[4]:.2g} | {other[3]:.2g}" for one, other in pairwise(marks)]
    ax.set_xticks(ends, [f"{marks[0][3]:.2g}", *between, f"{marks[-1][4]:.2g}"])


def _fit_names(ax) -> None:
    """Cut names of lineages to the width of their parts."""
    for text in (text for text in ax.texts if text.get_gid() == "lineage"):
        left, right = ax.transData.transform([(end, 0) for end in text.span])[:, 0]
        fit_text(text, right - left - 4)
