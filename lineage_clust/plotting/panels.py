"""One panel a cluster: the trends of its genes, their mean and a band."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .colors import cluster_colors

_PANEL = (3.6, 2.7)  # inches
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
):
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

    labels = np.asarray(labels)
    shown = check_clusters(clusters, labels)
    ncols = max(1, min(int(ncols), len(shown)))
    nrows = -(-len(shown) // ncols)
    figsize = (_PANEL[0] * ncols + 0.5, _PANEL[1] * nrows + 0.4) if figsize is None else figsize
    figure, axes = plt.subplots(
        nrows, ncols, figsize=figsize, dpi=dpi, squeeze=False, sharex=True, sharey=sharey, layout="constrained"
    )
    colors = cluster_colors(int(labels.max(initial=-1)) + 1)
    x, ticks = _positions(grid, grid_lineage)
    for cluster, ax in zip(shown, axes.flat, strict=False):
        members = np.flatnonzero(labels == cluster)
        if importance is not None:
            members = members[np.argsort(-np.nan_to_num(importance[members]), kind="stable")]
        named = [] if genes is None else [genes[member] for member in members[:n_named]]
        _draw_cluster(ax, x, scaled[members], colors[cluster] if cluster >= 0 else "#777777")
        _label_panel(ax, cluster, len(members), named)
        _mark_lineages(ax, ticks)
    for ax in axes.flat[len(shown) :]:
        ax.remove()
    bottoms = [ax for column in range(ncols) for ax in [_lowest(axes, column, len(shown), ncols)]]
    for ax in bottoms:
        ax.xaxis.set_tick_params(labelbottom=True)
    figure.supxlabel("pseudotime", fontsize=10)
    figure.supylabel(ylabel, fontsize=10)
    return figure


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


def _draw_cluster(ax, x: np.ndarray, trends: np.ndarray, color: str) -> None:
    mean, spread = trends.mean(axis=0), trends.std(axis=0)
    lines = trends[:: max(1, -(-len(trends) // _MAX_LINES))]
    ax.plot(x, lines.T, color=color, lw=0.6, alpha=float(np.clip(12 / len(lines), 0.08, 0.5)), zorder=1)
    ax.fill_between(x, mean - spread, mean + spread, color=color, alpha=0.2, lw=0, zorder=2)
    ax.plot(x, mean, color="white", lw=3.4, zorder=3)
    ax.plot(x, mean, color=color, lw=2.0, zorder=4)
    ax.set_xlim(x[0], x[-1])
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=8)


def _label_panel(ax, cluster: int, size: int, named: list[str]) -> None:
    ax.set_title(f"cluster {cluster}" if cluster >= 0 else "not assigned", loc="left", fontsize=10, fontweight="bold", pad=16)
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
        marks.append((shift, shift + span, str(grid_lineage[first]), float(grid[first]), float(grid[last - 1])))
        shift += span
    return x, marks


def _mark_lineages(ax, marks) -> None:
    if marks is None:
        return
    for start, end, name, _, _ in marks:
        if start > 0:
            ax.axvline(start, color="0.6", lw=0.8, ls=":")
        ax.annotate(name, ((start + end) / 2, 0), xycoords=("data", "axes fraction"), xytext=(0, 3),
                    textcoords="offset points", ha="center", fontsize=7, color="0.4")  # fmt: skip
    ax.set_xticks([mark[1] for mark in marks], [f"{mark[4]:.2g}" for mark in marks])


def _lowest(axes, column: int, n_shown: int, ncols: int):
    last_row = (n_shown - 1 - column) // ncols
    return axes[last_row, column]
