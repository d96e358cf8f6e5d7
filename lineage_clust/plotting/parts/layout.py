"""Layout of panels: their number per row, grids, and panels with strips in inches, without overlap."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import Any

from ...utils.checking import check_number
from ...utils.constraints import integer
from . import mpl

_MOST = 4  # panels per row, unless only five leave no row with a single panel
_SHAPE, _PANEL = 1.3, 1.25  # columns per row of a grid that suits a page; width of a panel relative to its height
_PANEL_WIDTH, _PANEL_HEIGHT = 2.9, 2.0
_LEFT, _LEFT_WITH_STRIPS, _RIGHT, _LEGEND, _TOP, _BOTTOM = 0.75, 1.3, 0.2, 2.1, 0.58, 0.78
_YLABEL = 0.42  # width of the label of the y axis with space on both sides
_LARGEST_RATIO = 10  # larger ratios of strip to panel height are likely mistakes
_GAP_X, _GAP_Y, _STRIP_GAP, _LEAST_STRIP = 0.32, 0.68, 0.03, 0.09
_KEY, _TIME_LABEL = 0.06, 0.18  # distance of the key from the bottom, and of the time label from it
_NARROWEST, _LOWEST = 1.25, 0.45  # minimum width and height of a panel in inches
_ONE_LINE, _KEY_LINE = 5.2, 0.13  # minimum width for a one-line key, and height per line, in inches
_NAMES = 0.1  # height of lineage names in inches
_SMALLEST = 0.62  # minimum font scale


def panels_a_row(
    n_panels: int, ncols: int | None = None, figsize: tuple[float, float] | None = None, *,
    narrowest: float | None = None, most: int | None = None,
) -> int:  # fmt: skip
    """Return the number of panels per row: the requested one, or one for which the last row is almost full.

    It is at most `most`, and so few that panels have at least a width of `narrowest` inches in a figure of given size.

    >>> [panels_a_row(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 60)]
    [1, 2, 3, 2, 3, 3, 4, 4, 3, 4, 5, 4]
    >>> panels_a_row(4, 3), panels_a_row(2, 3), panels_a_row(7, most=3)
    (3, 2, 3)
    """
    if figsize is not None and narrowest is not None:
        most = int(figsize[0] / narrowest)
    limit = max(1, n_panels if most is None else min(n_panels, most))
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
    from .grid_layout import GridLayout

    figure, axes = mpl.pyplot.subplots(-(-n_panels // ncols), ncols, figsize=figsize, dpi=dpi, squeeze=False, **shared)
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


@dataclass(frozen=True)
class Layout:
    """Positions of panels and of the strips below them, as fractions of the figure."""

    ncols: int
    size: tuple[float, float]  # of the figure in inches, the unit of all lengths
    small: float  # scale of fonts, lines and margins: 1, or less in a figure that is small for its panels
    width: float
    height: float
    strip: float  # height of a strip, ...
    stack: float  # ... of a panel with its strips, ...
    gap: float  # ... and of the space below it
    left: float  # unscaled margins
    right: float
    bottom: float
    n_key_lines: int
    time_label: float  # distance from the bottom

    def panel_box(self, number: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a panel."""
        return self._box(*self._corner(number), self.width, self.height)

    def strip_box(self, number: int, index: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a strip under a panel."""
        left, top = self._corner(number)
        top += self.height + _STRIP_GAP + index * (self.strip + _STRIP_GAP)
        return self._box(left, top, self.width, self.strip)

    def legend_box(self, top: float, width: float = 0.0, height: float = 0.0) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a legend, `top` inches from the top."""
        return self._box(self.size[0] - self.right + 0.25, top, width, height)

    @property
    def centre(self) -> float:
        """Horizontal middle of the panels."""
        return (self.left * self.small + self.size[0] - self.right) / 2 / self.size[0]

    @property
    def middle(self) -> float:
        """Vertical middle of the panels."""
        return (self.bottom * self.small + self.size[1] - _TOP * self.small) / 2 / self.size[1]

    def _corner(self, number: int) -> tuple[float, float]:
        """Return the position of the upper left corner of a panel relative to that of the figure, in inches."""
        row, column = divmod(number, self.ncols)
        left = self.left * self.small + column * (self.width + _GAP_X * self.small)
        return left, _TOP * self.small + row * (self.stack + self.gap * self.small)

    def _box(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        whole_width, whole_height = self.size
        return left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height


def lay_out_panels(
    n_panels: int, ncols: int | None = None, n_strips: int = 0, ratio: float = 0.05,
    figsize: tuple[float, float] | None = None, named_axis: bool = False, names: float = 0.9,
) -> Layout:  # fmt: skip
    """Return the layout of panels, with fewer per row than `ncols` if they would be too narrow for their titles.

    With strips, whose height is `ratio` times that of a panel, there is space for legends, and at the default size for names
    `names` inches wide; with `named_axis`, for names
    of lineages below the times.

    >>> lay_out_panels(4).ncols, lay_out_panels(4, 3).ncols, lay_out_panels(4, 3, figsize=(3.5, 4.5)).ncols
    (2, 3, 2)
    """
    check_number("ratio", ratio)
    if not 0 <= ratio <= _LARGEST_RATIO:
        raise ValueError(f"ratio must be a number from 0 to {_LARGEST_RATIO}; got {ratio!r}.")
    left, right = (_LEFT_WITH_STRIPS, _LEGEND) if n_strips else (_LEFT, _RIGHT)
    left = max(_LEFT, names + _YLABEL) if n_strips and figsize is None else left

    def with_columns(ncols: int) -> Layout:
        nrows = -(-n_panels // ncols)
        width, height, small = _PANEL_WIDTH, _PANEL_HEIGHT, 1.0
        whole = left + ncols * width + (ncols - 1) * _GAP_X + right if figsize is None else float(figsize[0])
        if figsize is not None:
            columns = (whole - 0.3) / ncols / (_PANEL_WIDTH + _GAP_X)
            rows = (figsize[1] - 0.3) / nrows / (_PANEL_HEIGHT + _GAP_Y)
            small = float(min(max(min(1.25 * columns, 1.25 * rows), _SMALLEST), 1.0))
        n_key_lines = 1 if whole >= _ONE_LINE * small else 2
        bottom = _BOTTOM + (n_key_lines - 1) * _KEY_LINE + named_axis * _NAMES
        gap = _GAP_Y + named_axis * _NAMES
        if figsize is not None:
            at_right = right * (1 if n_strips else small)
            width = (whole - left * small - at_right - (ncols - 1) * _GAP_X * small) / ncols
            each = (figsize[1] - (_TOP + bottom + (nrows - 1) * gap) * small) / nrows
            height = max(0.2, each / (1 + n_strips * ratio) - n_strips * _STRIP_GAP)
        strip = max(ratio * height, _LEAST_STRIP)
        stack = height + n_strips * (strip + _STRIP_GAP)
        high = _TOP + nrows * stack + (nrows - 1) * gap + bottom if figsize is None else float(figsize[1])
        time_label = _KEY + (_TIME_LABEL + (n_key_lines - 1) * _KEY_LINE - 0.03 * named_axis) * small
        return Layout(
            ncols, (whole, high), small, width, height, strip, stack, gap, left, right, bottom, n_key_lines, time_label
        )

    found = with_columns(panels_a_row(n_panels, ncols, figsize))
    while found.ncols > 1 and found.width < _NARROWEST:
        fewer = with_columns(panels_a_row(n_panels, ncols, figsize, most=found.ncols - 1))
        if fewer.height < _LOWEST:  # the rows would be too low
            break
        found = fewer
    return replace(found, width=max(found.width, 0.2))
