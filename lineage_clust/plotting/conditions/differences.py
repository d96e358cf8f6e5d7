"""Figures of differences between conditions: heatmap by cluster, and volcano plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lineage_clust.errors import NoTrendError

from ...utils.documenting import parameters_as
from ..parts.checking import axes_for, check_color_map, check_count, check_figure
from ..parts.colors import UNASSIGNED_COLOR, palette_colors
from ..parts.labels import extents, plain, shortened
from ..parts.placing import place
from ..parts.theme import ink, paper
from .trends import minus_reference, plot_condition_genes, say_replicates

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMES = 60
_LOWEST_Q = 1e-100
_FONT = 8


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
    Each row is divided by its largest absolute value in the common range: colours show when and in which direction a
    gene differs, but not by how much.

    Examples
    --------
    >>> import numpy as np
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(400, 30, 3, n_lineages=1, random_state=0)
    >>> adata.obs["drug"] = np.where(np.arange(400) % 2, "yes", "no")
    >>> adata.X = adata.X.toarray()
    >>> adata.X[1::2, :3] += 1.0
    >>> found = lc.compare_conditions(adata, "drug", random_state=0)
    >>> plot_difference_heatmap(found, "yes").axes[0].get_xlabel()
    'pseudotime'
    """
    import matplotlib.pyplot as plt

    check_figure(None, figsize, dpi)
    check_color_map(cmap)
    shown = np.flatnonzero(found.labels >= 0)
    if len(shown) == 0:
        raise NoTrendError(f"No gene differs with a q-value below {found.alpha:g}: there is no heatmap.", {})
    other = found.conditions.index(condition) - 1
    first, last = np.flatnonzero(found.is_common)[[0, -1]]
    values = np.where(found.is_common, found.differences[other], np.nan)[:, first : last + 1]  # gaps remain empty
    size = np.nanmax(np.abs(values), axis=1, keepdims=True)
    values = np.divide(values, size, out=np.zeros_like(values), where=size > 0)
    time = np.nan_to_num(np.abs(values)).argmax(axis=1)
    order = shown[np.lexsort((time[shown], found.labels[shown]))]
    named = len(order) <= _MOST_NAMES
    height = 1.6 + (0.155 * len(order) if named else 4.5)
    figure, ax = plt.subplots(figsize=figsize or (5.6, max(height, 2.6)), dpi=dpi, layout="constrained")
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
    ax.set_title(f"{minus_reference(found, condition)}: {len(order):,} genes", loc="left", fontsize=11)
    bar = figure.colorbar(image, ax=ax, shrink=0.5, aspect=18, location="bottom", pad=0.01)
    bar.set_ticks([-1, 0, 1], labels=["lower", "0", "higher"])
    bar.set_label("difference / its largest value", fontsize=_FONT)
    bar.ax.tick_params(labelsize=_FONT)
    ax.spines[:].set_visible(False)
    say_replicates(figure, found)
    return figure


def _mark_clusters(ax, labels: np.ndarray, n_clusters: int) -> None:
    from matplotlib.patches import Rectangle

    across = ax.get_yaxis_transform()
    for cluster, color in enumerate(palette_colors(None, n_clusters)):
        own = np.flatnonzero(labels == cluster)
        start, end = own[0] - 0.5, own[-1] + 0.5
        ax.add_patch(Rectangle((-0.035, start), 0.025, end - start, transform=across, color=color, lw=0, clip_on=False))
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
    >>> import numpy as np
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.simulate_lineage(400, 30, 3, n_lineages=1, random_state=0)
    >>> adata.obs["drug"] = np.where(np.arange(400) % 2, "yes", "no")
    >>> adata.X = adata.X.toarray()
    >>> adata.X[1::2, :3] += 1.0
    >>> found = lc.compare_conditions(adata, "drug", random_state=0)
    >>> plot_difference_volcano(found, "yes").get_xlabel()
    'largest difference, yes minus no'
    """
    check_count("n_names", n_names)
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
    ax.set_xlabel(f"largest difference, {minus_reference(found, condition)}")
    ax.set_ylabel("\u2212log₁₀ q (level and shape)")
    ax.spines[["top", "right"]].set_visible(False)
    if own and found.n_clusters > 0:
        style = {"frameon": False, "fontsize": _FONT, "handletextpad": 0.3, "borderaxespad": 0.2}
        ax.figure.legend(loc="outside right upper", **style)
    if own:
        say_replicates(ax.figure, found)
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
