"""Figure with one panel per cluster: trends of the genes, their mean and band, and the density of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ...utils.checking import as_numbers
from ...utils.constraints import Constraint
from ...utils.documenting import parameters_as
from ..parts import mpl
from ..parts.captions import Caption, own_labels
from ..parts.checking import axes_for, check_figure
from ..parts.colors import UNASSIGNED_COLOR, palette_colors
from ..parts.labels import fit_text, plain
from ..parts.layout import lay_out_panels
from ..parts.strips import Strip, draw_legends, draw_strip, names_width, strip_edges
from ..parts.theme import ink
from ..parts.timeline import Segment, segments
from ..places import PLACES, Places
from .parts import LOW_CONFIDENCE, draw_cells, draw_curves, draw_key, label_panel, limits, n_beyond, smoothed, thinness

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHAREY = Constraint(
    "True, False, 'row', 'col', 'all' or 'none'",
    lambda value: isinstance(value, (bool, np.bool_)) or value in (None, "row", "col", "all", "none"),
)


@parameters_as(axes_for)
def plot_clusters(
    scaled: np.ndarray,
    labels: np.ndarray,
    grid: np.ndarray,
    *,
    genes: Sequence[str] | None = None,
    grid_lineage: np.ndarray | None = None,
    importance: np.ndarray | None = None,
    clusters: Sequence[int] | None = None,
    names: Mapping[Any, str] | Sequence[str] | None = None,
    captions: Sequence[Caption] | None = None,
    density: np.ndarray | None = None,
    palette: Any = None,
    n_named: int = 4,
    ncols: int | None = None,
    sharey: bool | str = True,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
    ylabel: str = "scaled expression",
    strips: Sequence[Strip] = (),
    ratio: float = 0.05,
) -> Figure:
    """Draw one panel per cluster of trends.

    Parameters
    ----------
    scaled : ndarray of shape (n_genes, n_points)
        Scaled trends.
    labels : ndarray of int, shape (n_genes,)
        Cluster of each gene, -1 = not assigned.
    grid : ndarray of shape (n_points,)
        Pseudotime; several lineages are concatenated.
    genes : sequence of str, default=None
        Names of the genes.
    grid_lineage : ndarray of str, shape (n_points,), default=None
        Lineage of each grid point; several are drawn side by side within a panel.
    importance : ndarray of shape (n_genes,), default=None
        Importance by which genes are named.
    clusters : sequence of int, default=None
        Clusters to draw, in this order; `None` = all.
    names : mapping or sequence of str, default=None
        Names of the clusters: by number, or one per cluster; `None` = their numbers.
    captions : sequence of Caption, default=None
        Captions of the clusters by number, instead of `names`.
    density : ndarray of shape (n_points,), default=None
        Density of cells at each grid point, drawn at the bottom of each panel; curves fade where it is low.
    palette : sequence, mapping or str, default=None
        Colours of the clusters: one per cluster, by cluster, or the name of a colour map.
    n_named : int, default=4
        Number of named genes per cluster.
    ncols : int, default=None
        Number of panels per row, fewer in a narrow figure; `None` = chosen so that no row has a single panel.
    sharey : bool or {"row", "col", "all", "none"}, default=True
        Whether panels share the y axis. Its limits include the central 98 % of the curves.
    ylabel : str, default="scaled expression"
        Label of the y axis.
    strips : sequence of lineage_clust.plotting.parts.strips.Strip, default=()
        Covariates drawn under every panel on its time axis.
    ratio : float, default=0.05
        Height of a strip relative to a panel.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a requested cluster does not exist, or there are no clusters.

    Notes
    -----
    At each time, the y axis includes the central 98 % of all curves of the panels that share it, and the middle 80 % of
    each cluster; panels state how many curves leave it. The thick line is the mean, the band contains the middle 80 %
    of the genes, and a circle marks the time at which half of the mean's change is complete. Curves fade where the
    density of cells is below a quarter of its mean. If the mean confidence of a cluster is below 0.6, its mean is
    dashed and its genes are finer. Curves are opaque: the more there are, the finer they are.

    Examples
    --------
    >>> import numpy as np
    >>> figure = plot_clusters(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 0]), np.array([0.0, 1.0]))
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['cluster 0', 'cluster 1']
    """
    scaled, labels = as_numbers("scaled", scaled), np.asarray(labels)
    check_shapes(scaled, labels, grid, genes=genes, grid_lineage=grid_lineage, importance=importance, density=density)
    _SHAREY.check("sharey", sharey)
    shown = check_clusters(clusters, labels)
    n_clusters = int(labels.max(initial=-1)) + 1
    captions = _captions(labels, n_clusters, names) if captions is None else captions
    colors = palette_colors(palette, n_clusters, [caption.name for caption in captions])
    check_figure(None, figsize, dpi)
    lineages = segments(grid, grid_lineage, touching=True)
    x = np.concatenate([part.x for part in lineages])
    layout = lay_out_panels(len(shown), ncols, len(strips), ratio, figsize, len(lineages) > 1, names_width(strips))
    figure = mpl.pyplot.figure(figsize=layout.size, dpi=dpi)
    cells = None if density is None else smoothed(density, lineages)
    thin = None if cells is None else thinness(cells, lineages)
    members = [np.flatnonzero(labels == cluster) for cluster in shown]
    groups = [_group(number, layout.ncols, sharey) for number in range(len(shown))]
    sharing: dict[int, Any] = {}
    for number, (cluster, rows) in enumerate(zip(shown, members, strict=True)):
        ax = figure.add_axes(layout.panel_box(number), sharey=sharing.get(groups[number]))
        sharing.setdefault(groups[number], ax)
        together = [scaled[own] for own, group in zip(members, groups, strict=True) if group == groups[number]]
        if importance is not None:
            rows = rows[np.argsort(-np.nan_to_num(importance[rows]), kind="stable")]
        caption = captions[cluster] if cluster >= 0 else Caption("not assigned", "", len(rows))
        color, span = colors[cluster] if cluster >= 0 else UNASSIGNED_COLOR, limits(together)
        draw_curves(
            ax, scaled[rows], lineages, span, color, thin=thin, confidence=caption.confidence, with_half=cluster >= 0,
            small=layout.small,
        )  # fmt: skip
        if cells is not None:
            draw_cells(ax, cells, lineages)
        ax.set_xlim(x[0], x[-1])
        PLACES[ax] = Places([(cluster, None)], curves=[(float(part.x[0]), float(part.x[-1])) for part in lineages])
        named = [] if genes is None else [genes[row] for row in rows[:n_named]]
        label_panel(ax, caption, n_beyond(scaled[rows], *span), named, layout.small)
        stack = [ax]
        for index, strip in enumerate(strips):
            below = figure.add_axes(layout.strip_box(number, index), sharex=ax)
            draw_strip(below, strip, strip_edges(x), named=number % layout.ncols == 0)
            stack.append(below)
        lowest = number + layout.ncols >= len(shown)
        if len(lineages) > 1:
            _mark_lineages(ax, stack[-1], lineages, lowest, layout.small)
        for part in stack:
            last = part is stack[-1]
            part.tick_params(labelbottom=last and lowest, bottom=last, labelsize=8 * layout.small)
        if number % layout.ncols and sharey in (True, "all", "row"):
            ax.tick_params(labelleft=False)
    draw_legends(figure, strips, layout)
    size = 10 * layout.small
    wide, high = layout.size
    figure.supxlabel("pseudotime", x=layout.centre, y=layout.time_label / high, ha="center", va="bottom", fontsize=size)
    figure.supylabel(ylabel, x=0.12 * layout.small / wide, y=layout.middle, ha="left", va="center", fontsize=size)
    unsure = any(cluster >= 0 and captions[cluster].confidence < LOW_CONFIDENCE for cluster in shown)
    draw_key(figure, layout, with_cells=cells is not None, with_unsure=unsure)
    return figure


def _captions(labels: np.ndarray, n_clusters: int, names) -> list[Caption]:
    prefix = "cluster " if names is None else ""
    given = own_labels(names, [f"{prefix}{cluster}" for cluster in range(n_clusters)])
    return [Caption(name, "", int((labels == cluster).sum())) for cluster, name in enumerate(given)]


def _group(number: int, ncols: int, sharey: bool | str) -> int:
    """Return the number of the group of panels that share the y axis."""
    return {True: 0, "all": 0, "row": number // ncols, "col": number % ncols}.get(sharey, number)


def check_shapes(scaled, labels: np.ndarray, grid, **per_row_or_column) -> None:
    """Raise a ValueError unless labels match rows, pseudotimes match columns, and further arrays have the right length."""
    shape = np.shape(scaled)
    if len(shape) != 2 or labels.shape != shape[:1] or np.shape(grid) != shape[1:]:
        raise ValueError(
            "scaled must have two dimensions, labels one value per row and grid one per column; got shapes "
            f"{shape}, {labels.shape} and {np.shape(grid)}."
        )
    if labels.dtype.kind not in "iuf":
        raise TypeError(f"labels must be numbers, -1 for genes without a cluster; their dtype is {labels.dtype}.")
    if not np.all(labels == np.round(labels)):  # nor is NaN
        raise ValueError("labels must be whole numbers, -1 for genes without a cluster; some are not.")
    if not np.all(np.isfinite(scaled)):
        raise ValueError("scaled must be finite; it contains NaN or infinity. Leave such rows out.")
    for name, values in per_row_or_column.items():
        needed = shape[1] if name in ("grid_lineage", "density") else shape[0]
        if values is not None and len(values) != needed:
            raise ValueError(f"{name} must have {needed} values; it has {len(values)}.")


def check_clusters(clusters: int | Sequence[int] | None, labels: np.ndarray) -> list[int]:
    """Return the clusters to draw; raise a ValueError that lists existing ones if one does not exist."""
    there = sorted(int(label) for label in np.unique(labels) if label >= 0)
    if clusters is None:
        if not there:
            raise ValueError("There is no cluster to draw: no gene is assigned to one (all labels are -1).")
        return there
    chosen = np.atleast_1d(np.asarray(clusters, dtype=object)).tolist()
    if not chosen:
        raise ValueError("clusters is empty. Name at least one cluster, or pass None for all.")
    known = {str(label): int(label) for label in np.unique(labels)}
    unknown = [cluster for cluster in chosen if str(cluster) not in known]
    if unknown:
        raise ValueError(f"There is no cluster {unknown[0]!r}; the clusters are {there}.")
    return [known[str(cluster)] for cluster in chosen]


def _mark_lineages(ax, lowest_of_stack, lineages: list[Segment], with_times: bool, small: float) -> None:
    """Draw lines between the lineages, and write their names, truncated to their parts, below the axis and its times."""
    ends = [lineages[0].x[0], *(part.x[-1] for part in lineages)]
    for part, (start, end) in zip(lineages, pairwise(ends), strict=True):
        if start > 0:
            ax.axvline(start, color=ink(0.55), lw=0.8, ls=":")
        below = lowest_of_stack.annotate(
            plain(part.name), ((start + end) / 2, 0), (0, (-17 if with_times else -5) * small),
            xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", va="top", fontsize=8 * small,
            color=ink(0.75), gid="lineage",
        )  # fmt: skip
        left, right = ax.transData.transform([(start, 0), (end, 0)])[:, 0]
        fit_text(below, right - left - 4)
    # times at which one lineage ends and the next begins
    between = [f"{one.grid[-1]:.2g} | {other.grid[0]:.2g}" for one, other in pairwise(lineages)]
    ax.set_xticks(ends, [f"{lineages[0].grid[0]:.2g}", *between, f"{lineages[-1].grid[-1]:.2g}"])
