"""Where the panels of a figure are, in inches, so that any number of them fits without overlap."""

from __future__ import annotations

from dataclasses import dataclass

from ..utils.checking import check_number
from .checking import check_count

_PANEL_WIDTH, _PANEL_HEIGHT = 2.9, 2.0
_LEFT, _LEFT_WITH_STRIPS, _RIGHT, _LEGEND, _TOP, _BOTTOM = 0.75, 1.3, 0.2, 2.1, 0.58, 0.78
_LARGEST_RATIO = 10  # strips ten times as high as panels: more is a mistake
_GAP_X, _GAP_Y, _STRIP_GAP, _LEAST_STRIP = 0.32, 0.68, 0.03, 0.09
_TIME_LABEL = 0.24
_NARROWEST, _LOWEST = 1.25, 0.45  # inches that a panel should have, for its title and its curves
_ONE_LINE, _KEY_LINE = 5.2, 0.13  # inches that the key needs in one line, and those of a line
_NAMES = 0.1  # inches of names of lineages
_SMALLEST = 0.62  # share of the size of letters


@dataclass(frozen=True)
class Layout:
    """Positions of panels and of the strips below them, as fractions of the figure.

    Attributes
    ----------
    n_panels, ncols
        Number of panels, and of panels a row at most: fewer, if they would be too narrow for their titles.
    n_strips, ratio
        Number of strips under each panel, and their height in heights of a panel.
    figsize
        Width and height of the figure in inches; `None` = as large as the panels need.
    named_axis
        Whether names of lineages stand below the times.

    Examples
    --------
    >>> Layout(4, 3).nrows, Layout(2, 3).ncols
    (2, 2)
    >>> Layout(4, 3, figsize=(3.5, 4.5)).ncols
    2
    """

    n_panels: int
    ncols: int = 3
    n_strips: int = 0
    ratio: float = 0.05
    figsize: tuple[float, float] | None = None
    named_axis: bool = False

    def __post_init__(self):
        check_count("ncols", self.ncols, 1)
        check_number("ratio", self.ratio)
        if not 0 <= self.ratio <= _LARGEST_RATIO:
            raise ValueError(f"ratio must be a number from 0 to {_LARGEST_RATIO}; got {self.ratio!r}.")
        ncols = max(1, min(int(self.ncols), self.n_panels))
        object.__setattr__(self, "ncols", ncols)
        while self.ncols > 1 and self._width < _NARROWEST:
            object.__setattr__(self, "ncols", self.ncols - 1)
            if self._height < _LOWEST:  # fewer columns would leave the rows too low
                object.__setattr__(self, "ncols", self.ncols + 1)
                break

    @property
    def nrows(self) -> int:
        """Number of rows of panels."""
        return -(-self.n_panels // self.ncols)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the figure in inches."""
        if self.figsize is not None:
            return float(self.figsize[0]), float(self.figsize[1])
        width = self._left + self.ncols * _PANEL_WIDTH + (self.ncols - 1) * _GAP_X + self._right
        height = _TOP + self.nrows * self._stack + (self.nrows - 1) * _GAP_Y + _BOTTOM + self.named_axis * _NAMES
        height += _KEY_LINE * (width < _ONE_LINE)
        return width, height

    @property
    def small(self) -> float:
        """Scale of letters, lines and margins: 1, or less in a figure that is narrow or low for its panels."""
        if self.figsize is None:
            return 1.0
        columns = (self.figsize[0] - 0.3) / self.ncols / (_PANEL_WIDTH + _GAP_X)
        rows = (self.figsize[1] - 0.3) / self.nrows / (_PANEL_HEIGHT + _GAP_Y)
        return float(min(max(min(1.25 * columns, 1.25 * rows), _SMALLEST), 1.0))

    @property
    def time_label(self) -> float:
        """Inches from the bottom to the label of the time axis."""
        return (_TIME_LABEL + (self.n_key_lines - 1) * _KEY_LINE - 0.04 * self.named_axis) * self.small

    @property
    def n_key_lines(self) -> int:
        """Number of lines of the key below all panels."""
        return 1 if self.size[0] >= _ONE_LINE * self.small else 2

    @property
    def _bottom(self) -> float:
        return _BOTTOM + (self.n_key_lines - 1) * _KEY_LINE + self.named_axis * _NAMES

    @property
    def _width(self) -> float:
        """Width of a panel in inches."""
        if self.figsize is None:
            return _PANEL_WIDTH
        left, right = self._left * self.small, self._right * (1 if self.n_strips else self.small)
        return (self.figsize[0] - left - right - (self.ncols - 1) * _GAP_X * self.small) / self.ncols

    @property
    def _height(self) -> float:
        """Height of a panel in inches."""
        if self.figsize is None:
            return _PANEL_HEIGHT
        margins = (_TOP + self._bottom + (self.nrows - 1) * _GAP_Y) * self.small
        whole = (self.figsize[1] - margins) / self.nrows
        return max(0.2, whole / (1 + self.n_strips * self.ratio) - self.n_strips * _STRIP_GAP)

    def panel(self, number: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a panel."""
        left, top = self._corner(number)
        return self._box(left, top, max(self._width, 0.2), self._height)

    def strip(self, number: int, index: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a strip under a panel."""
        left, top = self._corner(number)
        top += self._height + _STRIP_GAP + index * (self._strip + _STRIP_GAP)
        return self._box(left, top, max(self._width, 0.2), self._strip)

    def _corner(self, number: int) -> tuple[float, float]:
        """Return how far the upper left corner of a panel is from that of the figure, in inches."""
        row, column = divmod(number, self.ncols)
        left = self._left * self.small + column * (self._width + _GAP_X * self.small)
        return left, _TOP * self.small + row * (self._stack + _GAP_Y * self.small)

    def legend_corner(self, top: float) -> tuple[float, float]:
        """Return the upper left corner of a legend, `top` inches from the top."""
        left, bottom, _, _ = self._box(self.size[0] - self._right + 0.25, top, 0.0, 0.0)
        return left, bottom

    def legend_bar(self, top: float) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a colour bar, `top` inches from the top."""
        return self._box(self.size[0] - self._right + 0.25, top, 1.5, 0.1)

    def at_left(self, inches: float) -> float:
        """Return the horizontal position so many inches from the left."""
        return inches / self.size[0]

    def at_bottom(self, inches: float) -> float:
        """Return the vertical position so many inches from the bottom."""
        return inches / self.size[1]

    @property
    def centre(self) -> float:
        """Horizontal middle of the panels."""
        return (self._left * self.small + self.size[0] - self._right) / 2 / self.size[0]

    @property
    def middle(self) -> float:
        """Vertical middle of the panels."""
        return (self._bottom * self.small + self.size[1] - _TOP * self.small) / 2 / self.size[1]

    @property
    def _left(self) -> float:
        return _LEFT_WITH_STRIPS if self.n_strips else _LEFT

    @property
    def _right(self) -> float:
        return _LEGEND if self.n_strips else _RIGHT  # where there are strips, legends stand

    @property
    def _strip(self) -> float:
        return max(self.ratio * self._height, _LEAST_STRIP)

    @property
    def _stack(self) -> float:
        return self._height + self.n_strips * (self._strip + _STRIP_GAP)

    def _box(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        total_width, total_height = self.size
        return left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height
