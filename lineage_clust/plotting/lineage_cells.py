"""Figure of the weights of the cells of each lineage over pseudotime, and the fitted range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import counted
from ..utils.constraints import integer
from ..utils.documenting import parameters_as
from .genes.gene import some_cells
from .parts import mpl
from .parts.checking import axes_for, check_figure
from .parts.colors import colors_by_lineage
from .parts.labels import fit_text, plain, settle_layout
from .parts.layout import grid_of_panels
from .parts.theme import ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_CELLS = 5000
_N_BINS, _OF_EACH = 40, 30  # maximum number of bins for the mean weight, and minimum number of cells per bin


@dataclass(frozen=True)
class LineageCells:
    """The cells of a lineage.

    Attributes
    ----------
    name
        Name of the lineage, or `None`.
    pseudotime, weights
        `(n_cells,)` of all cells, including those outside the range.
    start, end
        Fitted range.

    Examples
    --------
    >>> cells = LineageCells("Ery", np.array([0.0, 1.0]), np.array([0.2, 1.0]), 0.0, 1.0)
    >>> cells.name, cells.end
    ('Ery', 1.0)
    """

    name: str | None
    pseudotime: np.ndarray
    weights: np.ndarray
    start: float
    end: float


@parameters_as(axes_for)
def plot_lineage(
    lineages: Sequence[LineageCells],
    *,
    max_cells: int = _MOST_CELLS,
    palette: Mapping[str, Any] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> list[Axes]:
    """Draw the weight of every cell over pseudotime and the fitted range, with one panel per lineage.

    Parameters
    ----------
    lineages : sequence of LineageCells
        Cells of each lineage.
    max_cells : int, default=5000
        Maximum number of drawn cells per lineage, chosen at random.
    palette : mapping of str to colour, default=None
        Colours of the lineages; `None` or incomplete = default colours.

    Returns
    -------
    list of matplotlib.axes.Axes
        One per lineage.

    Notes
    -----
    The curve is the mean weight of groups of at least 30 neighbouring cells. Cells outside the range (grey background)
    are not fitted; if many of them have high weights, set `time_range`.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.linspace(0, 1, 50)
    >>> [ax] = plot_lineage([LineageCells("Ery", time, time**2, 0.0, 1.0)])
    >>> ax.get_title(loc="right")
    '49 cells in 0 to 1'
    """
    check_figure(None, figsize, dpi)
    integer(0).check("max_cells", max_cells)
    if len(lineages) == 0:
        raise ValueError("lineages is empty. Pass at least one lineage.")
    n_lineages = len(lineages)
    size = figsize or (4.6, 1.9 * n_lineages + 0.4)
    figure, axes = grid_of_panels(n_lineages, 1, size, dpi, sharex=True)
    colors, titles = colors_by_lineage([lineage.name for lineage in lineages], palette), []
    for ax, lineage, color in zip(axes, lineages, colors, strict=True):
        titles.append(_draw(ax, lineage, color, max_cells))
    layout = figure.get_layout_engine()
    layout.xlabel = figure.supxlabel("pseudotime", fontsize=10)
    layout.above = figure.legend(
        handles=_key(any(ax.patches for ax in axes)), loc="upper center", ncols=3, frameon=False, fontsize=8,
        borderaxespad=0.2, columnspacing=1.2,
    )  # fmt: skip
    settle_layout(figure)
    for ax, (left, right) in zip(axes, titles, strict=True):
        fit_text(left, ax.get_window_extent().width - right.get_window_extent().width - 8)
    return axes


def _key(with_left_out: bool) -> list:
    """Return the entries of the legend."""
    dots = mpl.lines.Line2D([], [], ls="", marker="o", ms=4, color=ink(0.6), label="cell")
    mean = mpl.lines.Line2D([], [], color=ink(0.9), lw=1.2, label="mean weight")
    return [dots, mean, *([mpl.patches.Patch(color=ink(0.1), label="not fitted")] if with_left_out else [])]


def _draw(ax, lineage: LineageCells, color: str, max_cells: int) -> tuple:
    known = np.isfinite(lineage.pseudotime) & np.isfinite(lineage.weights)
    time, weights = lineage.pseudotime[known], lineage.weights[known]
    inside = (time >= lineage.start) & (time <= lineage.end)
    fitted = inside & (weights > 0)
    chosen = some_cells(len(time), max_cells)
    tones = np.where(fitted[chosen, None], mpl.colors.to_rgb(color), ink(0.45))
    ax.scatter(time[chosen], weights[chosen], c=tones, s=4, alpha=0.4, lw=0, rasterized=True, zorder=2)
    groups = np.array_split(np.argsort(time, kind="stable"), np.clip(len(time) // _OF_EACH, 1, _N_BINS))
    ax.plot(
        *([values[group].mean() for group in groups] for values in (time, weights)),
        color=ink(0.9), lw=1.2, zorder=3, label="mean weight",
    )  # fmt: skip
    low, high = float(time.min()), float(time.max())
    for first, last in ((low, lineage.start), (lineage.end, high)):
        if last > first:
            ax.axvspan(first, last, color=ink(0.1), lw=0, zorder=0, gid="left out")
    for edge in (lineage.start, lineage.end):
        ax.axvline(edge, color=ink(0.6), lw=0.9, ls="--", zorder=1)
    ax.set_xlim(min(low, lineage.start), max(high, lineage.end))
    ax.set_ylim(bottom=min(ax.get_ylim()[0], -0.05 * ax.get_ylim()[1]))  # also of constant weights
    ax.set_ylabel("weight")
    ax.spines[["top", "right"]].set_visible(False)
    left_out = int((~inside & (weights >= 0.5 * weights.max())).sum())
    said = f"{counted(int(fitted.sum()), 'cell')} in {lineage.start:.3g} to {lineage.end:.3g}"
    if left_out:
        said += f"; {left_out:,} of high weight outside"
    name = "all cells" if lineage.name is None else plain(lineage.name)
    left = ax.set_title(name, loc="left", fontsize=10, fontweight="bold")
    return left, ax.set_title(said, loc="right", fontsize=8, color=ink(0.7))
