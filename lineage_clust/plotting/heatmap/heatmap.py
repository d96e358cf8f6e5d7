"""Heatmap of all genes, with one row per gene, ordered by cluster and peak time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...utils.checking import as_numbers, check_number
from ...utils.documenting import parameters_as
from ..panels.panels import check_clusters, check_shapes, plot_clusters
from ..parts import mpl
from ..parts.checking import check_color_map, check_figure, check_named
from ..parts.colors import UNASSIGNED_COLOR, palette_colors
from ..parts.dendrogram import Dendrogram
from ..parts.labels import set_scale
from ..parts.strips import Strip
from ..parts.timeline import evenly, segments
from ..places import PLACES, Places
from . import margins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _WIDTH_OF_EACH = 4.2, 2.9  # inches, for one lineage and for each of several
_ROW, _LEAST_HEIGHT, _MOST_HEIGHT = 0.13, 1.3, 6.5
_BESIDE, _SMALLEST = 1.6, 0.62  # inches of margins; minimum font scale in a narrow figure
_INSIDE = 0.99  # fraction of the values within the colour limits


@parameters_as(plot_clusters)
def plot_heatmap(
    scaled: np.ndarray,
    labels: np.ndarray,
    grid: np.ndarray,
    genes: Sequence[str] | None = None,
    *,
    grid_lineage: np.ndarray | None = None,
    clusters: Sequence[int] | None = None,
    n_clusters: int | None = None,
    label_genes: Sequence[str] | int | None = None,
    importance: np.ndarray | None = None,
    strips: Sequence[Strip] = (),
    names: Sequence[str] | None = None,
    palette: Any = None,
    confidence: np.ndarray | None = None,
    dendrogram: Dendrogram | None = None,
    n_leading: int | None = None,
    center: float | None = 0.0,
    cmap: Any = None,
    value_label: str = "scaled expression",
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw trends as a heatmap.

    Parameters
    ----------
    genes : sequence of str, default=None
        Names of the rows.
    grid_lineage : ndarray of str, shape (n_points,), default=None
        Lineage of each grid point; several are drawn side by side with a gap, on the same time scale.
    clusters : sequence of int, default=None
        Clusters to draw, in this order; `None` = all. -1 = genes that are not assigned.
    n_clusters : int, default=None
        Number of clusters used for the colours; `None` = those in `labels`.
    label_genes : sequence of str or int, default=None
        Genes to name, each with a line to its row; or the maximum number of names. `None` = as many as fit, in order
        of importance. Names never overlap.
    strips : sequence of lineage_clust.plotting.parts.strips.Strip, default=()
        Covariates, drawn above the rows on the same time axis.
    names : sequence of str, default=None
        Names of the clusters, by number; `None` = their numbers.
    confidence : ndarray of shape (n_genes,), default=None
        Values from 0 to 1, drawn as a column right of the rows; lower confidence is paler.
    dendrogram : Dendrogram, default=None
        Dendrogram of the clusters, drawn left of them. If it consists of the clusters shown, it determines their order.
    n_leading : int, default=None
        Number of leading columns that determine the order of the rows and the colour limits, if further columns are
        shown beside them; `None` = all.
    center : float, default=0.0
        Value at the middle of a diverging colour map; `None` = a sequential map from the lowest to the highest value.
    cmap : str or Colormap, default=None
        `None` = "RdBu_r" around a centre, else "viridis".
    value_label : str, default="scaled expression"
        Label of the colour bar.
    ax : matplotlib.axes.Axes, default=None
        Axes for the rows; bars and names are drawn around it like tick labels. `None` = a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        With one image per lineage.

    Raises
    ------
    ValueError
        If a requested cluster does not exist, there are no clusters, or the requested names do not fit.
    UnknownNameError
        If a gene to be named is not drawn.

    Notes
    -----
    Within a cluster, genes are ordered by the time around which they are above their mean, see :func:`row_order`. With
    `center`, 99 % of the values are within the colour limits, and values beyond have the colour of the limit.

    Examples
    --------
    >>> import numpy as np
    >>> scaled = np.array([[-1.0, 0.0, 1.0], [1.0, 0.0, -1.0], [0.9, 0.2, -1.0]])
    >>> ax = plot_heatmap(scaled, np.array([1, 0, 0]), np.array([0.0, 0.5, 1.0]), ["a", "b", "c"])
    >>> ax.images[0].get_array()[:, 0].tolist()
    [1.0, 0.9, -1.0]
    """
    check_figure(ax, figsize, dpi)
    check_number("center", center, or_none=True)
    if cmap is not None:
        check_color_map(cmap)
    scaled, labels = as_numbers("scaled", scaled), np.asarray(labels)
    check_shapes(scaled, labels, grid, genes=genes, grid_lineage=grid_lineage, importance=importance,
                 confidence=confidence)  # fmt: skip
    shown = check_clusters(clusters, labels)
    n_clusters = int(labels.max(initial=-1)) + 1 if n_clusters is None else n_clusters
    cluster_names = [str(cluster) for cluster in range(n_clusters)] if names is None else list(names)
    colors = [*palette_colors(palette, n_clusters, cluster_names), UNASSIGNED_COLOR]
    numbers_of_ends = [] if dendrogram is None else [dendrogram.cluster[end] for end in dendrogram.ends]
    if dendrogram is not None and sorted(numbers_of_ends) == sorted(shown):
        shown = numbers_of_ends
    else:
        dendrogram = None
    members = [np.flatnonzero(labels == cluster) for cluster in shown]
    order = np.concatenate([rows[row_order(scaled[rows, :n_leading], grid[:n_leading])] for rows in members])
    gene_names = None if genes is None else [str(genes[row]) for row in order]
    if label_genes is not None:
        why = ": it has no trend, is in no cluster (-1), or its cluster is not shown"
        label_genes = check_named("label_genes", label_genes, gene_names, "heatmap", why)
    weight = None if importance is None else np.nan_to_num(np.asarray(importance, dtype=float)[order])
    parts = segments(grid, grid_lineage)
    n_named = len(label_genes) if isinstance(label_genes, list) else 0
    of_rows = float(np.clip(_ROW * len(order), _LEAST_HEIGHT, _MOST_HEIGHT))
    of_names = max(n_named * margins.SIZE * margins.SPACING, len(shown) * margins.CLUSTER_GAP)
    size = _WIDTH if len(parts) == 1 else _WIDTH_OF_EACH * len(parts), max(of_rows, of_names)
    own = ax is None
    if ax is None:
        figure = mpl.pyplot.figure(figsize=figsize or size, dpi=dpi)
        ax = figure.add_axes([0.2, 0.2, 0.6, 0.6])
        if figsize is None:
            figure.set_size_inches(size[0] / 0.6, size[1] / 0.6)  # the rows have their final size
        else:
            set_scale(ax, float(np.clip(figsize[0] / (size[0] + _BESIDE), _SMALLEST, 1.0)))

    def names_and_legends() -> list:
        margins.draw_ticks(ax, parts)
        numbers = margins.draw_cluster_numbers(ax, labels[order], cluster_names)
        if dendrogram is not None:
            numbers += margins.draw_tree(ax, dendrogram, labels[order], colors, numbers)
        named = margins.draw_gene_labels(
            ax, gene_names, label_genes, weight, 0.0 if confidence is None else margins.CONFIDENCE
        )
        return numbers + named + margins.draw_legends(ax, strips, named)

    try:
        image = _draw_rows(ax, scaled[order], parts, center, cmap, n_leading)
        _note(ax, labels[order], gene_names, parts)
        margins.draw_cluster_bar(ax, labels[order], colors)
        if confidence is not None:
            margins.draw_confidence(ax, np.asarray(confidence, dtype=float)[order])
        margins.draw_time(ax, parts, strips)
        margins.draw_scale(ax, image, value_label)
        if not own and ax.figure.figure.get_layout_engine() is not None:
            ax.figure.figure.draw_without_rendering()
        drawn = names_and_legends()
        if own and figsize is not None:  # names and legends take space from the rows
            margins.settle(ax, size, figsize)
            for artist in drawn:
                artist.remove()
            names_and_legends()
        if own:
            margins.settle(ax, size, figsize)
    except Exception:
        if own:
            mpl.pyplot.close(figure)
        raise
    return ax


def row_order(scaled: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the order of rows by the time around which their values are high, `(n_genes,)`.

    This is the centre of mass of the squared deviations above the row's mean, which varies smoothly with the trend.
    """
    above = np.clip(scaled - scaled.mean(axis=1, keepdims=True), 0, None) ** 2
    mass = above.sum(axis=1)
    centre = np.divide(above @ grid, mass, out=np.full(len(scaled), np.mean(grid)), where=mass > 0)
    return np.argsort(centre, kind="stable")


def _note(ax, labels: np.ndarray, gene_names: list[str] | None, parts) -> None:
    """Record the positions of the rows of each cluster and gene."""
    left, right = parts[0].ends[0], parts[-1].ends[1]
    areas = [
        (int(labels[first]), np.array([[left, first], [right, first], [right, last], [left, last]], dtype=float))
        for first, last in zip(*margins.blocks(labels), strict=True)
    ]
    rows = np.column_stack([np.full(len(labels), np.nan), np.arange(len(labels)) + 0.5])
    PLACES[ax] = Places(areas, gene_names or (), rows if gene_names else rows[:0])


def _draw_rows(ax, values: np.ndarray, parts, center: float | None, cmap, n_leading: int | None):
    """Draw one image per lineage, and return one of them."""
    leading = values[:, :n_leading]
    if center is None:
        low, high = float(leading.min()), float(leading.max())
        high = high if high > low else low + 1.0
    else:
        away = np.abs(leading - center)
        reach = float(np.quantile(away, _INSIDE)) or float(away.max()) or 1.0
        low, high = center - reach, center + reach
    cmap = cmap or ("viridis" if center is None else "RdBu_r")
    crowded = len(values) > ax.get_window_extent().height  # rows share a pixel: show their mean
    for part in parts:
        image = ax.imshow(
            evenly(values[:, part.columns], part.grid), aspect="auto", cmap=cmap, vmin=low, vmax=high,
            extent=(*part.ends, len(values), 0), interpolation="antialiased" if crowded else "nearest",
        )  # fmt: skip
    ax.set_xlim(parts[0].ends[0], parts[-1].ends[1])
    ax.set_ylim(len(values), 0)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return image
