"""Where the panels of a figure are, in inches, so that any number of them fits without overlap."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from ..utils.checking import check_number

_PANEL_WIDTH, _PANEL_HEIGHT = 2.9, 2.0
_LEFT, _LEFT_WITH_STRIPS, _RIGHT, _LEGEND, _TOP, _BOTTOM = 0.8, 1.3, 0.2, 2.1, 0.45, 0.6
_LARGEST_RATIO = 10  # strips ten times as high as panels: more is a mistake
_GAP_X, _GAP_Y, _STRIP_GAP, _LEAST_STRIP = 0.55, 0.62, 0.03, 0.09


@dataclass(frozen=True)
class Layout:
    """Positions of panels and of the strips below them, as fractions of the figure.

    Attributes
    ----------
    n_panels, ncols
        Number of panels, and of panels a row at most.
    n_strips, ratio
        Number of strips under each panel, and their height in heights of a panel.
    wide_legend
        Whether there is room for legends right of the panels.

    Examples
    --------
    >>> Layout(4, 3).nrows, Layout(2, 3).ncols
    (2, 2)
    """

    n_panels: int
    ncols: int = 3
    n_strips: int = 0
    ratio: float = 0.05
    wide_legend: bool = False

    def __post_init__(self):
        if isinstance(self.ncols, bool) or not isinstance(self.ncols, Integral) or self.ncols < 1:
            raise ValueError(f"ncols must be an integer of at least 1; got {self.ncols!r}.")
        check_number("ratio", self.ratio)
        if not 0 <= self.ratio <= _LARGEST_RATIO:
            raise ValueError(f"ratio must be a number from 0 to {_LARGEST_RATIO}; got {self.ratio!r}.")
        object.__setattr__(self, "ncols", max(1, min(int(self.ncols), self.n_panels)))

    @property
    def nrows(self) -> int:
        """Number of rows of panels."""
        return -(-self.n_panels // self.ncols)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the figure in inches."""
        width = self._left + self.ncols * _PANEL_WIDTH + (self.ncols - 1) * _GAP_X + self._right
        height = _TOP + self.nrows * self._stack + (self.nrows - 1) * _GAP_Y + _BOTTOM
        return width, height

    def panel(self, number: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a panel."""
        row, column = divmod(number, self.ncols)
        top = _TOP + row * (self._stack + _GAP_Y)
        return self._box(self._left + column * (_PANEL_WIDTH + _GAP_X), top, _PANEL_WIDTH, _PANEL_HEIGHT)

    def strip(self, number: int, index: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a strip under a panel."""
        row, column = divmod(number, self.ncols)
        top = _TOP + row * (self._stack + _GAP_Y) + _PANEL_HEIGHT + _STRIP_GAP + index * (self._strip + _STRIP_GAP)
        return self._box(self._left + column * (_PANEL_WIDTH + _GAP_X), top, _PANEL_WIDTH, self._strip)

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
        return (self._left + self.size[0] - self._right) / 2 / self.size[0]

    @property
    def middle(self) -> float:
        """Vertical middle of the panels."""
        return (_BOTTOM + self.size[1] - _TOP) / 2 / self.size[1]

    @property
    def _left(self) -> float:
        return _LEFT_WITH_STRIPS if self.n_strips else _LEFT

    @property
    def _right(self) -> float:
        return _LEGEND if self.wide_legend else _RIGHT

    @property
    def _strip(self) -> float:
        return max(self.ratio * _PANEL_HEIGHT, _LEAST_STRIP)

    @property
    def _stack(self) -> float:
        return _PANEL_HEIGHT + self.n_strips * (self._strip + _STRIP_GAP)

    def _box(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        total_width, total_height = self.size
        return left / total_width, 1 - (top + height) / total_height, width / total_width, height / total_height
