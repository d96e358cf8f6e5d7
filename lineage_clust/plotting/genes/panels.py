"""Figure with one panel per gene: its trend along one or several lineages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm

from lineage_clust.errors import UnknownNameError, did_you_mean, quoted
from lineage_clust.trends.gene_trend import GeneTrend
from lineage_clust.trends.trends import Trends

from ...utils.constraints import integer
from ...utils.documenting import parameters_as
from ..panels.panels import plot_clusters
from ..parts import mpl
from ..parts.checking import check_figure
from ..parts.colors import cluster_color, colors_by_lineage
from ..parts.labels import fit_text, plain, settle_layout, shortened
from ..parts.layout import color_bar_beside, grid_of_panels, panels_a_row
from ..parts.strips import Strip
from ..parts.theme import ink
from ..parts.timeline import Segment, segments
from .gene import MAX_CELLS, draw_trend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL = (2.5, 2.0)
_NARROWEST = 1.5  # inches


@parameters_as(plot_clusters)
def plot_gene_trends(
    trends: Mapping[str, Mapping[str, Any]] | Trends,
    genes: Sequence[str] | None = None,
    *,
    clusters: Mapping[str, int] | None = None,
    lineages: Sequence[str] | None = None,
    max_cells: int = MAX_CELLS,
    ylabel: str = "expression",
    ncols: int | None = None,
    sharey: bool = False,
    cell_colors: Strip | None = None,
    derivative: bool = False,
    palette: Mapping[str, Any] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Figure:
    """Draw trends of genes with their 95 % intervals, one panel per gene with all lineages.

    Parameters
    ----------
    trends : mapping of str to mapping of str to GeneTrend, or Trends
        Gene -> lineage -> trend, as in `TrendClusterer.models_`, or from `TrendClusterer.gene_trends(adata)`, whose
        trends store cells. Cells are drawn darker with higher lineage weight. For a :class:`lineage_clust.Trends`,
        the interval is `values` +- 1.96 `se`.
    genes : sequence of str, default=None
        Genes to draw, in this order; `None` = all.
    clusters : mapping of str to int, default=None
        Cluster of each gene, -1 = not assigned, written above the panel. With a single lineage, the trend has
        the cluster's colour, unless `cell_colors` are given.
    lineages : sequence of str, default=None
        Lineages to draw; `None` = all.
    max_cells : int, default=3000
        Maximum number of drawn cells per lineage, chosen at random; 0 = none.
    sharey : bool, default=False
        Whether panels share the y axis.
    cell_colors : Strip, default=None
        Colours of the cells, see :func:`lineage_clust.plotting.genes.gene.cell_colors`; `None` = grey, or the colour of the
        lineage.
    derivative : bool, default=False
        Whether to draw the slopes of the trends with their intervals instead, without cells. The trend rises or falls
        where the interval does not contain 0.
    palette : mapping of str to colour, default=None
        Colours of several lineages; `None` or incomplete = default colours.
    ax : Axes or sequence of Axes, default=None
        One per gene; `None` = a new figure.

    Raises
    ------
    UnknownNameError
        If a gene or lineage does not exist.
    ValueError
        If `genes` is empty, no gene has a trend, or the numbers of genes and axes differ.

    Notes
    -----
    The panel of a gene that could not be fitted states the reason. If many cells have no expression, they are spread
    over a grey strip below 0 to show their number. If expression is never negative, the interval is truncated at 0.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.trends import Trends
    >>> time = np.linspace(0, 1, 20)
    >>> trends = Trends(np.array([time, 1 - time]), time, ["a", "b"])
    >>> [ax.get_title(loc="left") for ax in plot_gene_trends(trends).axes]
    ['a', 'b']
    """
    check_figure(None, figsize, dpi)
    integer(0).check("max_cells", max_cells)
    for name, values in (("trends", trends), ("clusters", clusters)):
        if not isinstance(values, (Mapping, Trends)) and (name == "trends" or values is not None):
            raise TypeError(f"{name} must be a mapping with the genes as keys; got {type(values).__name__}.")
    if derivative and isinstance(trends, Trends):
        trends = trends.derivative()
    curves = _of_arrays(trends) if isinstance(trends, Trends) else trends
    genes = _chosen("genes", genes, curves, "There is no trend of {!r}: it was not fitted.")
    shown = {gene: dict(curves[gene]) for gene in genes}
    fitted = list(next(iter(shown.values())))
    names = _chosen("lineages", lineages, fitted, f"Lineage {{!r}} was not fitted; there is {quoted(fitted)}.")
    if not any(shown[gene][name] for gene in genes for name in names):
        shown[genes[0]][names[0]].reraise()
    if derivative:
        ylabel = "slope" if ylabel == "expression" else ylabel
        shown = {gene: {name: _slope(trend) for name, trend in parts.items()} for gene, parts in shown.items()}
    figure, axes = _make_axes(ax, len(genes), ncols, sharey, figsize, dpi)
    tones = colors_by_lineage(names, palette) if len(names) > 1 else None
    n_clusters = max([-1, *(clusters or {}).values()]) + 1
    by_cells = cell_colors is not None and max_cells > 0 and not derivative
    titles = []
    strips: dict[Axes, float] = {}
    for gene, panel in zip(genes, axes, strict=True):
        cluster = None if clusters is None else clusters.get(gene)
        for number, name in enumerate(names):
            if not shown[gene][name]:
                continue
            # clusters have the colours of categories of cells
            color = tones[number] if tones else ink(0.9) if by_cells else cluster_color(cluster, n_clusters)
            cell_color = tones[number] if tones else None
            strip = draw_trend(panel, shown[gene][name], color, cell_color, max_cells, plain(name), cell_colors)
            strips[panel] = max(strips.get(panel, 0.0), strip)
        _set_limits(panel, [shown[gene][name] for name in names])
        if derivative:
            panel.axhline(0, color=ink(0.55), lw=0.8, zorder=0)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
        note = "" if cluster is None else f"cluster {cluster}" if cluster >= 0 else "no cluster"
        right = panel.set_title(note, loc="right", fontsize=8, color=ink(0.65), y=1.0)
        titles.append((panel, panel.set_title(plain(gene), loc="left", fontsize=10, fontweight="bold", y=1.0), right))
    for panel in filter(strips.get, strips):  # now that axes which are shared have all their content
        beside = panel.get_shared_y_axes().get_siblings(panel)
        _mark_zeros(panel, strips[panel], max(strips.get(one, 0.0) for one in beside))
    time = "pseudotime" if tones or not names[0] else f"pseudotime ({plain(shortened(names[0], 20))})"
    _label(figure, axes, ax is None, time, ylabel, bool(tones), cell_colors if by_cells else None)
    for panel, left, right in titles:
        fit_text(left, panel.get_window_extent().width - right.get_window_extent().width - 0.08 * figure.dpi)
    return figure


def _of_arrays(trends: Trends) -> dict:
    """Return trends by gene and lineage, without cells."""
    ends = None if trends.se is None else trends.values[..., None] + norm.ppf(0.975) * trends.se[..., None] * [-1, 1]

    def trend(row: int, part: Segment) -> SimpleNamespace:
        bounds = None if ends is None else ends[row, part.columns]
        return SimpleNamespace(x=None, x_test=part.grid, y_test=trends.values[row, part.columns], conf_int=bounds)

    parts = segments(trends.grid, trends.grid_lineage)
    return {gene: {part.name: trend(row, part) for part in parts} for row, gene in enumerate(trends.genes)}


def _chosen(what: str, names: Any, known: Iterable[str], unknown: str) -> list[str]:
    """Return the names to draw, `None` = all; raise an error, which begins with `unknown`, if one is not known."""
    wanted = known if names is None else [names] if isinstance(names, str) else names
    found = list(dict.fromkeys(wanted))
    if not found:
        raise ValueError(f"{what} is empty. Name at least one, or pass None for all.")
    for name in found:
        if name not in known:
            raise UnknownNameError(f"{unknown.format(name)}{did_you_mean(name, known)}")
    return found


def _make_axes(ax, n_genes: int, ncols: int | None, sharey: bool, figsize, dpi):
    if ax is not None:
        axes = list(np.atleast_1d(np.asarray(ax, dtype=object)).ravel())
        if len(axes) != n_genes:
            raise ValueError(f"ax must contain one Axes per gene; got {n_genes} genes and {len(axes)} Axes.")
        return axes[0].figure.figure, axes
    ncols = panels_a_row(n_genes, ncols, figsize, narrowest=_NARROWEST)
    size = (_PANEL[0] * ncols + 0.5, _PANEL[1] * -(-n_genes // ncols) + 0.5)
    figure, axes = grid_of_panels(n_genes, ncols, figsize or size, dpi, sharey=sharey)
    for panel in axes:  # few ticks are easier to read in a small panel, and take most of the time
        panel.xaxis.set_major_locator(mpl.ticker.MaxNLocator(3, steps=[1, 2, 5, 10]))
        panel.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4, steps=[1, 2, 5, 10]))
        # only the figure has axis labels; fixed positions of the empty ones save layout time
        panel.xaxis.set_label_coords(0.5, 0)
        panel.yaxis.set_label_coords(0, 0.5)
    return figure, axes


def _set_limits(ax, trends: list) -> None:
    found = [trend for trend in trends if trend]
    if found:
        ax.set_xlim(min(trend.x_test[0] for trend in found), max(trend.x_test[-1] for trend in found))
        return
    reason = plain(fill(f"no trend: {trends[0].reason}", 34, max_lines=5, placeholder=" …"))
    ax.text(0.5, 0.5, reason, transform=ax.transAxes, fontsize=7, color=ink(0.65), ha="center", va="center")
    ax.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False)  # of this panel, if axes are shared


def _slope(trend: Any) -> Any:
    """Return the slope of a trend as its values; failed trends are returned unchanged."""
    if not trend or not isinstance(trend, GeneTrend):
        return trend
    slope, interval = trend.derivative()
    return SimpleNamespace(x=None, x_test=trend.x_test, y_test=slope, conf_int=interval)


def _mark_zeros(ax, height: float, highest: float) -> None:
    """Shade the strip of the cells without expression, below which the axis has the highest one, and remove ticks in it."""
    ax.axhspan(-1.1 * height, 0, color=ink(0.08), lw=0, zorder=0)
    ax.set_ylim(bottom=-1.15 * highest)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}" if value >= 0 else "")


def _label(figure, axes: list, own: bool, time: str, ylabel: str, legend: bool, cell_colors: Strip | None) -> None:
    """Label axes (of a new figure, once) and lineages, and compute the layout."""
    for ax in [] if own else axes:
        ax.set_xlabel(time)
        ax.set_ylabel(ylabel)
    entries = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        entries.update(zip(labels, handles, strict=True))
    if own:
        layout = figure.get_layout_engine()
        layout.xlabel, layout.ylabel = figure.supxlabel(time, fontsize=10), figure.supylabel(ylabel, fontsize=10)
        if cell_colors is not None:
            _name_colors(figure, cell_colors)
        if legend:
            layout.above = figure.legend(
                entries.values(), entries, loc="upper center", ncols=4, frameon=False, fontsize=9, borderaxespad=0.2
            )
    elif legend:
        axes[0].legend(entries.values(), entries, frameon=False, fontsize=8)
    settle_layout(figure)


def _name_colors(figure, cell_colors: Strip) -> None:
    """Draw the legend of the cells' colours, or the bar of their numbers, right of the panels."""
    name = plain(shortened(cell_colors.name, 30))
    if cell_colors.limits is not None:
        scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(*cell_colors.limits), cell_colors.cmap)
        color_bar_beside(figure, scale, (0.12, 2.4), label=name, extend="both")
        return
    dots = [
        mpl.lines.Line2D([], [], ls="", marker="o", ms=5, color=color, label=plain(shortened(level)))
        for level, color in cell_colors.categories.items()
    ]
    figure.get_layout_engine().beside = figure.legend(
        handles=dots, loc="center left", frameon=False, fontsize=8, title=name, title_fontsize=8, handletextpad=0.1,
        borderaxespad=0, bbox_to_anchor=(0.9, 0.5),
    )  # fmt: skip
