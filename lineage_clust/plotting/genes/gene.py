"""Figure of one gene: cells, trend and confidence interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...utils.documenting import parameters_as
from ..parts.checking import axes_for
from ..parts.labels import plain
from ..parts.strips import Strip
from ..parts.theme import ink, paper
from .cells import some_cells, with_zeros_apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...trends.gene_trend import GeneTrend

MAX_CELLS = 3000  # more cells form a solid area, and make vector files large


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
    from matplotlib.colors import is_color_like

    grid = getattr(trend, "x_test", None)
    if grid is None:
        raise TypeError(f"trend must be a fitted GeneTrend; got {type(trend).__name__}. Call prepare() and fit().")
    if not is_color_like(color):
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
    """Draw cells (if the trend stores them; a random sample of very many), interval and curve.

    Cells without expression are spread over a strip below 0, whose height is returned. If expression is never negative,
    the interval is truncated at 0.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patheffects import withStroke

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
        rgba = np.column_stack([np.broadcast_to(to_rgb(tones) if np.ndim(tones) < 2 else tones, (len(x), 3)), alpha])
        # an octagon looks like a circle at this size, and is drawn faster
        ax.scatter(x, y, s=5, c=rgba, lw=0, marker="8", rasterized=True, zorder=1)
    if bounds is not None:
        ax.fill_between(trend.x_test, *bounds.T, color=color, alpha=0.25, lw=0, zorder=2)
    ax.plot(trend.x_test, trend.y_test, color=color, lw=2, zorder=3, label=label,
            path_effects=[withStroke(linewidth=3.6, foreground=paper())])  # fmt: skip
    return strip
