"""Figures of trends in several conditions and of their differences: by gene, as heatmap, and as volcano plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NoTrendError
from ..utils.constraints import integer
from ..utils.documenting import parameters_as
from .panels.panels import plot_clusters
from .parts import mpl
from .parts.checking import axes_for, check_color_map, check_figure
from .parts.colors import UNASSIGNED_COLOR, colors_by_lineage, palette_colors
from .parts.labels import extents, fit_text, place, plain, settle_layout, shortened
from .parts.layout import panels_a_row
from .parts.theme import ink, paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Z = 1.96
_NARROWEST, _TALLER = 1.5, 1.3  # inches for a gene; its height relative to other panels
_MOST_SAMPLES = 60  # more lines are not legible
_MOST_NAMES = 60
_LOWEST_Q = 1e-100
_FONT = 8
_EXPRESSION = {"log": "log expression", "logit": "log odds of expression"}


@parameters_as(plot_clusters)
def plot_condition_genes(
    found: Any,
    genes: Sequence[str] | str,
    *,
    ncols: int | None = None,
    samples: bool = True,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Figure:
    """Draw the trends of genes in each condition, and their differences from the reference below.

    Parameters
    ----------
    found : ConditionComparison
        As returned by :func:`lineage_clust.compare_conditions`.
    genes : sequence of str
        Genes.
    samples : bool, default=True
        Whether to draw donors as thin lines.

    Notes
    -----
    Bands are 95 % bands: pointwise for trends, simultaneous for differences. Lines are dotted where a condition has no
    cells.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(400, 30, 3, n_lineages=1, random_state=0)
    >>> adata.obs["drug"] = ["no", "yes"] * 200
    >>> adata.X = adata.X.toarray()
    >>> adata.X[1::2, :5] += 1.0
    >>> found = lc.compare_conditions(adata, "drug", random_state=0)
    >>> len(plot_condition_genes(found, found.genes[:2]).axes)
    4
    """
    check_figure(None, figsize, dpi)
    names = [genes] if isinstance(genes, str) else list(dict.fromkeys(genes))
    if not names:
        raise ValueError("genes is empty. Name at least one gene.")
    rows = found.rows(names)
    shape = figsize and (_TALLER * figsize[0], figsize[1])
    n_across = panels_a_row(len(names), ncols, shape, most=figsize and int(figsize[0] / _NARROWEST))
    n_down = -(-len(names) // n_across)
    colors = colors_by_lineage(found.conditions, None)
    size = figsize or (0.6 + 2.9 * n_across, 0.9 + 3.1 * n_down)
    figure = mpl.pyplot.figure(figsize=size, dpi=dpi, layout="constrained")
    grid = figure.add_gridspec(2 * n_down, n_across, height_ratios=[2.2, 1] * n_down)
    titles = []
    for number, (name, row) in enumerate(zip(names, rows, strict=True)):
        down, across = divmod(number, n_across)
        upper = figure.add_subplot(grid[2 * down, across])
        lower = figure.add_subplot(grid[2 * down + 1, across], sharex=upper)
        titles += _draw_trends(upper, found, name, row, colors, samples)
        _draw_differences(lower, found, row, colors)
        upper.tick_params(labelbottom=False)
        if number % n_across == 0:
            upper.set_ylabel(_EXPRESSION.get(found.link, "expression"), fontsize=_FONT + 1)
            lower.set_ylabel(f"minus\n{plain(shortened(found.reference, 12))}", fontsize=_FONT + 1)
        if number + n_across >= len(names):
            lower.set_xlabel("pseudotime", fontsize=_FONT + 1)
        for ax in (upper, lower):
            ax.spines[["top", "right"]].set_visible(False)
            ax.tick_params(labelsize=_FONT)
    _finish(figure, found, colors, samples)
    settle_layout(figure)
    for text in titles:
        fit_text(text, text.axes.get_window_extent().width, least=0.75)
    return figure


def _draw_trends(ax, found, name: str, row: int, colors: list[str], samples: bool) -> list:
    """Draw the trends of a gene, and return the texts above."""
    time, inside = found.pseudotime, found.is_common
    if samples and found.replicates == "donors":
        own = found.sample_trends(name)[:_MOST_SAMPLES]
        for condition, values in zip(found.samples["condition"], own, strict=False):
            color = colors[found.conditions.index(condition)]
            ax.plot(time, np.where(inside, values, np.nan), color=color, lw=0.6, zorder=1)
    for number, color in enumerate(colors):
        trend, half = found.trends[number, row], _Z * found.trend_se[number, row]
        _line(ax, time, trend, inside, color, 2.0)
        ax.fill_between(time, trend - half, trend + half, where=inside, color=color, alpha=0.2, lw=0)
    q = found.table[["qvalue_level", "qvalue_shape"]].to_numpy()[row]
    title = ax.set_title(plain(shortened(name, 26)), loc="left", fontsize=10, fontstyle="italic", pad=16)
    tests = ax.annotate(
        f"q: level {_number(q[0])}, shape {_number(q[1])}", (0, 1), (0, 4), xycoords="axes fraction",
        textcoords="offset points", fontsize=_FONT, color=ink(0.75), va="bottom", in_layout=False,
    )  # fmt: skip
    return [title, tests]


def _draw_differences(ax, found, row: int, colors: list[str]) -> None:
    time, inside = found.pseudotime, found.is_common
    ax.axhline(0, color=ink(0.55), lw=0.8, zorder=0)
    for number, name in enumerate(found.conditions[1:]):
        color = colors[number + 1]
        lower, upper = found.difference_band(found.genes[row], name)
        _line(ax, time, found.differences[number, row], inside, color, 1.6)
        ax.fill_between(time, lower[0], upper[0], where=inside, color=color, alpha=0.2, lw=0)


def _line(ax, time, values, inside, color: str, width: float) -> None:
    ax.plot(time, values, color=color, lw=0.7 * width, ls=":", zorder=2)
    ax.plot(time, np.where(inside, values, np.nan), color=color, lw=width, zorder=3)


def _finish(figure, found, colors: list[str], samples: bool) -> None:
    handles: list[Any] = [mpl.lines.Line2D([], [], color=color, lw=2.2) for color in colors]
    labels = [plain(shortened(name, 30)) for name in found.conditions]
    if samples and found.replicates == "donors":
        handles.append(tuple(mpl.lines.Line2D([], [], color=color, lw=0.7) for color in colors))
        labels.append("one donor")
    figure.legend(
        handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, fontsize=_FONT + 1,
        handler_map={tuple: mpl.legend_handler.HandlerTuple(ndivide=None)},
    )  # fmt: skip
    _say_replicates(figure, found)


def _say_replicates(figure, found) -> None:
    """Write the type of replicates below a figure."""
    from textwrap import fill

    width = int(figure.get_size_inches()[0] * 72 / (0.62 * _FONT))
    figure.supxlabel(plain(fill(found.replicates_note, width)), x=0.01, ha="left", fontsize=_FONT, color=ink(0.75))


def _minus_reference(found, condition: str) -> str:
    """Return the label of a difference from the reference."""
    return f"{plain(shortened(condition, 24))} minus {plain(shortened(found.reference, 24))}"


def _number(value: float) -> str:
    if not np.isfinite(value):
        return "?"
    if value < 1e-300:  # as computed, it may be 0
        return "< 1e-300"
    return f"{value:.0e}" if value < 1e-3 else f"{value:.2g}"


@parameters_as(plot_condition_genes)
def plot_difference_heatmap(
    found: Any,
    condition: str,
    *,
    cmap: Any = "RdBu_r",
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Figure:
    """Draw a heatmap of the differences, with one row per gene that differs, ordered by cluster.

    Parameters
    ----------
    condition : str
        Condition, compared with the reference.
    cmap : str or Colormap, default="RdBu_r"
        Diverging colour map, centred at no difference.

    Raises
    ------
    NoTrendError
        If no gene differs.

    Notes
    -----
    Each row is divided by the largest absolute difference of the gene from the reference, in any condition, in the common
    range: colours show when and in which direction a gene differs, but not by how much.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(400, 30, 3, n_lineages=1, random_state=0)
    >>> adata.obs["drug"] = ["no", "yes"] * 200
    >>> adata.X = adata.X.toarray()
    >>> adata.X[1::2, :3] += 1.0
    >>> found = lc.compare_conditions(adata, "drug", random_state=0)
    >>> plot_difference_heatmap(found, "yes").axes[0].get_xlabel()
    'pseudotime'
    """
    check_figure(None, figsize, dpi)
    check_color_map(cmap)
    shown = np.flatnonzero(found.labels >= 0)
    if len(shown) == 0:
        raise NoTrendError(f"No gene differs with a q-value below {found.alpha:g}: there is no heatmap.", {})
    other = found.conditions.index(condition) - 1
    first, last = np.flatnonzero(found.is_common)[[0, -1]]
    every = np.where(found.is_common, found.differences, np.nan)[..., first : last + 1]  # gaps remain empty
    size = np.nanmax(np.abs(every), axis=(0, 2))[:, None]  # a condition like the reference stays pale
    values = np.divide(every[other], size, out=np.zeros_like(every[other]), where=size > 0)
    time = np.nan_to_num(np.abs(values)).argmax(axis=1)
    order = shown[np.lexsort((time[shown], found.labels[shown]))]
    named = len(order) <= _MOST_NAMES
    height = 1.6 + (0.155 * len(order) if named else 4.5)
    figure, ax = mpl.pyplot.subplots(figsize=figsize or (5.6, max(height, 2.6)), dpi=dpi, layout="constrained")
    image = ax.imshow(
        values[order], aspect="auto", cmap=cmap, vmin=-1, vmax=1, interpolation="nearest",
        extent=(*found.common_range, len(order) - 0.5, -0.5),
    )  # fmt: skip
    _mark_clusters(ax, found.labels[order], found.n_clusters)
    if named:
        names = [plain(shortened(found.genes[row], 18)) for row in order]
        ax.yaxis.tick_right()
        ax.set_yticks(np.arange(len(order)), names, fontsize=7, fontstyle="italic")
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_yticks([])
    ax.set_xlabel("pseudotime")
    ax.set_title(f"{_minus_reference(found, condition)}: {len(order):,} genes", loc="left", fontsize=11)
    bar = figure.colorbar(image, ax=ax, shrink=0.5, aspect=18, location="bottom", pad=0.01)
    bar.set_ticks([-1, 0, 1], labels=["lower", "0", "higher"])
    bar.set_label(f"difference / its largest value{_in_any(found)}", fontsize=_FONT)
    bar.ax.tick_params(labelsize=_FONT)
    ax.spines[:].set_visible(False)
    _say_replicates(figure, found)
    return figure


def _in_any(found) -> str:
    return " in any condition" if len(found.conditions) > 2 else ""


def _mark_clusters(ax, labels: np.ndarray, n_clusters: int) -> None:
    across = ax.get_yaxis_transform()
    for cluster, color in enumerate(palette_colors(None, n_clusters)):
        own = np.flatnonzero(labels == cluster)
        start, end = own[0] - 0.5, own[-1] + 0.5
        style = {"transform": across, "color": color, "lw": 0, "clip_on": False}
        ax.add_patch(mpl.patches.Rectangle((-0.035, start), 0.025, end - start, **style))
        ax.annotate(
            str(cluster), (-0.035, (start + end) / 2), (-4, 0), xycoords=across, textcoords="offset points", ha="right",
            va="center", fontsize=9,
        )  # fmt: skip
        if end < len(labels) - 0.5:
            ax.axhline(end, color=paper(), lw=1.2, gid="halo")


@parameters_as(axes_for, plot_difference_heatmap)
def plot_difference_volcano(
    found: Any,
    condition: str,
    *,
    n_names: int = 12,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw q-values over the largest difference of each gene, in the colours of the clusters.

    Parameters
    ----------
    n_names : int, default=12
        Number of named genes, those with the smallest p-values.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(400, 30, 3, n_lineages=1, random_state=0)
    >>> adata.obs["drug"] = ["no", "yes"] * 200
    >>> adata.X = adata.X.toarray()
    >>> adata.X[1::2, :5] += 1.0
    >>> found = lc.compare_conditions(adata, "drug", random_state=0)
    >>> plot_difference_volcano(found, "yes").get_xlabel()
    'largest difference, yes minus no'
    """
    integer(0).check("n_names", n_names)
    own, ax = ax is None, axes_for(ax, (5.4, 4.4), figsize, dpi)
    suffix = "" if len(found.conditions) == 2 else f"_{condition}"
    x = found.table[f"largest_difference{suffix}"].to_numpy(dtype=float)
    q = found.table["qvalue_both"].to_numpy(dtype=float)
    y = -np.log10(np.clip(q, _LOWEST_Q, 1.0))
    colors = palette_colors(None, found.n_clusters)
    for cluster in range(-1, found.n_clusters):
        part = (found.labels == cluster) & np.isfinite(x) & np.isfinite(y)
        if not part.any():
            continue
        label = f"cluster {cluster}" if cluster >= 0 else f"q ≥ {found.alpha:g}"
        color = colors[cluster] if cluster >= 0 else UNASSIGNED_COLOR
        size, alpha, above = (16, 1.0, 3) if cluster >= 0 else (8, 0.6, 2)
        ax.scatter(x[part], y[part], s=size, color=color, alpha=alpha, lw=0, label=label, zorder=above)
    ax.axhline(-np.log10(found.alpha), color=ink(0.55), lw=0.8, ls="--", zorder=1)
    ax.axvline(0, color=ink(0.55), lw=0.8, zorder=0)
    farthest = np.nanmax(np.abs(x), initial=0.0)
    ax.set_xlim(-1.15 * farthest or -1, 1.15 * farthest or 1)
    highest = max(np.nanmax(y, initial=0.0), 1.5)
    ax.set_ylim(-0.03 * highest, 1.12 * highest)
    if np.nanmin(q, initial=1.0) < _LOWEST_Q:
        ax.yaxis.set_major_formatter(lambda tick, _: f"{'≥ ' if tick == highest else ''}{tick:g}")
    ax.set_xlabel(f"largest difference, {_minus_reference(found, condition)}")
    ax.set_ylabel(f"\u2212log₁₀ q (level and shape{_in_any(found)})")
    ax.spines[["top", "right"]].set_visible(False)
    if own and found.n_clusters > 0:
        style = {"frameon": False, "fontsize": _FONT, "handletextpad": 0.3, "borderaxespad": 0.2}
        ax.figure.legend(loc="outside right upper", **style)
    if own:
        _say_replicates(ax.figure, found)
    order = [row for row in np.argsort(q, kind="stable")[:n_names] if q[row] < found.alpha]
    _name(ax, np.column_stack([x, y]), order, found.genes)
    return ax


def _name(ax, points: np.ndarray, rows: list[int], genes: list[str]) -> None:
    """Label some points where labels do not overlap others."""
    if not rows:
        return
    dpi, style = ax.figure.dpi, {"fontsize": _FONT, "fontstyle": "italic", "ha": "center", "va": "center"}
    ax.figure.draw_without_rendering()
    pixels = ax.transData.transform(points)
    texts = [shortened(genes[row], 16) for row in rows]
    found = place(
        pixels[rows], extents(ax, texts, **style) * dpi, pixels[np.isfinite(pixels).all(axis=1)],
        ax.get_window_extent().extents, distances=np.array([4.0, 9.0, 16.0, 26.0]),
    )  # fmt: skip
    line = {"arrowstyle": "-", "color": ink(0.55), "lw": 0.4, "shrinkA": 0, "shrinkB": 1}
    for text, row, middle in zip(texts, rows, found, strict=True):
        if np.isfinite(middle).all():
            away = (middle - pixels[row]) * 72 / dpi
            ax.annotate(plain(text), points[row], away, textcoords="offset points", arrowprops=line, **style)
