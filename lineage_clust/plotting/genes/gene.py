"""Figure of one gene: its cells, coloured by annotation, with a separate strip for zeros, trend and confidence interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...lineage.columns import check_levels, numbers_or_levels
from ...trends.gene_trend import GeneTrend
from ...utils.documenting import parameters_as
from ..parts import mpl
from ..parts.checking import axes_for
from ..parts.colors import cluster_colors, read_palette
from ..parts.labels import level_names, plain
from ..parts.strips import Strip
from ..parts.theme import ink, paper

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_CELLS = 3000  # more cells form a solid area, and make vector files large
_MANY_ZEROS = 0.05  # fraction of zeros above which they are drawn in a separate strip
_STRIP = 0.09  # height of the strip, relative to the range of expression
_UNKNOWN = 0.55  # ink of cells with missing values


@parameters_as(axes_for)
def plot_gene_trend(trend: GeneTrend, ax: Axes | None = None, color: str = "#3664C1") -> Axes:
    """Draw a fitted trend.

    Parameters
    ----------
    trend : GeneTrend
        A fitted trend; its cells are drawn if it stores them, darker with higher lineage weight.
    color : str, default="#3664C1"
        Colour of the trend.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust import GeneTrend
    >>> t = np.linspace(0, 1, 50)
    >>> ax = plot_gene_trend(GeneTrend("Klf1", "Ery", t, t**2).prepare().fit())
    >>> ax.get_title(loc="left")
    'Klf1'
    """
    grid = getattr(trend, "x_test", None)
    if grid is None:
        raise TypeError(f"trend must be a fitted GeneTrend; got {type(trend).__name__}. Call prepare() and fit().")
    if not mpl.colors.is_color_like(color):
        raise ValueError(f"color must be a matplotlib colour such as '#3664C1' or 'red'; got {color!r}.")
    ax = axes_for(ax, (4.4, 3.2))
    draw_trend(ax, trend, color)
    ax.set_xlim(grid[0], grid[-1])
    ax.set_title(plain(trend.gene), loc="left", fontsize=11, fontweight="bold")
    ax.set_title("" if not trend.lineage else plain(trend.lineage), loc="right", fontsize=9, color=ink(0.65))
    ax.set_xlabel("pseudotime")
    ax.set_ylabel("expression")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def draw_trend(
    ax, trend, color, cell_color=None, max_cells: int = MAX_CELLS, label: str | None = None,
    cell_colors: Strip | None = None,
) -> float:  # fmt: skip
    """Draw cells, if the trend stores them, interval and curve, and return the height of the strip of zeros."""
    strip = 0.0
    bounds = None if trend.conf_int is None else np.asarray(trend.conf_int, dtype=float)

    if trend.x is not None and max_cells > 0:
        x, y, w = np.asarray(trend.x), np.asarray(trend.y), np.asarray(trend.w)
        alpha = 0.04 + 0.46 * w / max(float(w.max()), 1e-12)
        kept = some_cells(len(x), max_cells)
        x, y, alpha = x[kept], y[kept], alpha[kept]
        if bounds is not None and np.min(trend.y) >= 0:
            bounds = np.maximum(bounds, 0.0)
        y, strip = with_zeros_apart(y)
        positions = getattr(trend, "cells", None)  # not stored in older files
        if cell_colors is not None and positions is not None:
            tones: Any = cell_colors.colors[positions[kept]]
            order = np.random.default_rng(0).permutation(len(x))  # random order, so that no category covers the others
            x, y, alpha, tones = x[order], y[order], np.maximum(alpha[order], 0.25), tones[order]
        else:
            tones = ink(0.7) if cell_color is None else cell_color
        rgb = mpl.colors.to_rgb(tones) if np.ndim(tones) < 2 else tones
        rgba = np.column_stack([np.broadcast_to(rgb, (len(x), 3)), alpha])
        # an octagon looks like a circle at this size, and is drawn faster
        ax.scatter(x, y, s=5, c=rgba, lw=0, marker="8", rasterized=True, zorder=1)
    if bounds is not None:
        ax.fill_between(trend.x_test, *bounds.T, color=color, alpha=0.25, lw=0, zorder=2)
    ax.plot(trend.x_test, trend.y_test, color=color, lw=2, zorder=3, label=label,
            path_effects=[mpl.patheffects.withStroke(linewidth=3.6, foreground=paper())])  # fmt: skip
    return strip


def cell_colors(name: str, values: pd.Series, colors: Any = None) -> Strip:
    """Return the colours of cells by a column of obs, numbers between their 1 % and 99 % quantiles."""
    values = numbers_or_levels(values)
    grey = np.array(ink(_UNKNOWN))
    if not isinstance(values.dtype, pd.CategoricalDtype):
        numbers = values.to_numpy(dtype=float)
        known = np.isfinite(numbers)
        low, high = (float(end) for end in np.quantile(numbers[known], [0.01, 0.99])) if known.any() else (0.0, 1.0)
        chosen = mpl.colormaps["viridis"]
        scale = mpl.colors.Normalize(low, high if high > low else low + 1.0, clip=True)
        rgb = np.array(chosen(scale(np.nan_to_num(numbers))))[:, :3]
        rgb[~known] = grey
        return Strip(name, rgb, {}, (low, high), chosen)
    check_levels(values, "color")
    levels = level_names(values.cat.categories)
    palette = read_palette(colors, levels, f"adata.uns[{f'{name}_colors'!r}]") or cluster_colors(len(levels))
    known_colors = np.array([*(mpl.colors.to_rgb(color) for color in palette), grey])  # the last one is for code -1
    return Strip(name, known_colors[values.cat.codes.to_numpy()], dict(zip(levels, palette, strict=True)))


def some_cells(n_cells: int, at_most: int) -> np.ndarray:
    """Return the positions of the cells to draw: all, or a reproducible random sample of `at_most`."""
    if n_cells <= at_most:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(0).choice(n_cells, at_most, replace=False))


def with_zeros_apart(y: np.ndarray) -> tuple[np.ndarray, float]:
    """Return y coordinates with zeros, which would overlap, spread over a strip below 0, and its height, 0 = no strip."""
    zero = y == 0
    if len(y) == 0 or y.min() < 0 or zero.mean() < _MANY_ZEROS or zero.all():
        return y, 0.0
    height = _STRIP * float(y.max())
    places = y.astype(float).copy()
    places[zero] = -height * np.random.default_rng(0).uniform(0.25, 1.0, int(zero.sum()))
    return places, height
