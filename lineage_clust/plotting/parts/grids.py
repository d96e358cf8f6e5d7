"""Grids of panels: the number of panels per row, and the figure."""

from __future__ import annotations

from math import log
from typing import Any

from ...utils.constraints import integer

_MOST = 4  # panels per row, unless only five leave no row with a single panel
_SHAPE, _PANEL = 1.3, 1.25  # columns per row of a grid that suits a page; width of a panel relative to its height


def panels_a_row(
    n_panels: int, ncols: int | None = None, most: int | None = None, figsize: tuple[float, float] | None = None
) -> int:
    """Return the number of panels per row, at most `most`: the requested one, or one for which the last row is almost full.

    >>> [panels_a_row(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 60)]
    [1, 2, 3, 2, 3, 3, 4, 4, 3, 4, 5, 4]
    >>> panels_a_row(4, 3), panels_a_row(2, 3), panels_a_row(7, most=3)
    (3, 2, 3)
    """
    limit = max(1, min(n_panels, most or n_panels))
    if ncols is not None:
        integer(1).check("ncols", ncols)
        return min(ncols, limit)
    shape = _SHAPE if figsize is None else figsize[0] / figsize[1] / _PANEL
    found = min(range(1, min(limit, _MOST) + 1), key=lambda n: _cost(n_panels, n, shape))
    return 5 if limit >= 5 and n_panels % found == 1 != n_panels % 5 and found > 1 else found


def _cost(n_panels: int, ncols: int, shape: float) -> float:
    """Return the cost of a grid: for a single panel in the last row, for empty places, and for its shape."""
    nrows = -(-n_panels // ncols)
    last = n_panels - (nrows - 1) * ncols
    return float(last == 1 < ncols) + (ncols - last) / ncols + 1.5 * abs(log(ncols / nrows / shape))


def grid_of_panels(
    n_panels: int, ncols: int, figsize: tuple[float, float], dpi: int | None = None, **shared: Any
) -> tuple[Any, list]:
    """Return a new figure and its axes, row by row, with a :class:`.grid_layout.GridLayout`."""
    import matplotlib.pyplot as plt

    from .grid_layout import GridLayout

    figure, axes = plt.subplots(-(-n_panels // ncols), ncols, figsize=figsize, dpi=dpi, squeeze=False, **shared)
    panels = list(axes.ravel())
    for empty in panels[n_panels:]:
        empty.remove()
    figure.set_layout_engine(GridLayout(panels[:n_panels], ncols))
    return figure, panels[:n_panels]


def color_bar_beside(figure, scale, inches: tuple[float, float], **style: Any) -> Any:
    """Add a colour bar of a width and at most a height right of the panels of :func:`grid_of_panels`, and return it."""
    width, height = figure.get_size_inches()
    bar = figure.add_axes([0.9, 0.1, inches[0] / width, min(0.6, inches[1] / height)])
    figure.get_layout_engine().beside = bar
    return figure.colorbar(scale, cax=bar, **style)
