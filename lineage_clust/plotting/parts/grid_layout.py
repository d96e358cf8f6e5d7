"""Layout of a grid of panels that measures tick labels only once, unlike the layout engines of matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.layout_engine import LayoutEngine
from matplotlib.transforms import Bbox

_PAD, _GAP = 0.05, 0.1  # inches around labels in the margins, and before what is right of the panels
_TITLE = 0.25  # inches above each panel


class GridLayout(LayoutEngine):
    """Layout of panels of equal size, given row by row, with margins for the tick labels of each column and row."""

    _adjust_compatible = False
    _colorbar_gridspec = False
    above: Any = None  # legend above all panels
    beside: Any = None  # legend, or axes of a colour bar, right of them
    xlabel: Any = None  # of the whole figure
    ylabel: Any = None

    def __init__(self, panels: list, ncols: int) -> None:
        super().__init__()
        self._panels, self._ncols = panels, ncols

    def execute(self, fig) -> None:
        """Place the panels, and labels and legends around them."""
        width, height = fig.get_size_inches()
        rows, columns = np.divmod(np.arange(len(self._panels)), self._ncols)
        around = np.array([_around(ax) for ax in self._panels]) / fig.dpi
        lefts, bottoms = _largest(around[:, 0], columns), _largest(around[:, 1], rows)
        gaps = np.maximum(_largest(around[:, 2], columns), _PAD) + _PAD
        left = 2 * _PAD + (0.0 if self.ylabel is None else _extent(self.ylabel)[0])
        bottom = 2 * _PAD + (0.0 if self.xlabel is None else _extent(self.xlabel)[1])
        right = 0.0 if self.beside is None else _extent(self.beside)[0] + 2 * _GAP
        top = 0.0 if self.above is None else _extent(self.above)[1] + _PAD
        n_columns, n_rows = len(lefts), len(bottoms)
        free = width - left - right - lefts.sum() - gaps.sum()
        high = height - top - bottom - bottoms.sum() - _TITLE * n_rows - _PAD * n_rows
        each = np.maximum([free / n_columns, high / n_rows], 0.1)
        for ax, row, column in zip(self._panels, rows, columns, strict=True):
            x = left + lefts[: column + 1].sum() + gaps[:column].sum() + column * each[0]
            y = height - top - (row + 1) * (_TITLE + each[1]) - bottoms[:row].sum() - _PAD * row
            ax.set_position([x / width, y / height, each[0] / width, each[1] / height])
            ax.set_in_layout(True)
        start, end = left + lefts[0], width - right - gaps[-1]
        middle = (bottom + bottoms[-1] + height - top - _TITLE) / 2
        if self.xlabel is not None:
            self.xlabel.set_position(((start + end) / 2 / width, _PAD / height))
        if self.ylabel is not None:
            self.ylabel.set_position((_PAD / width, middle / height))
        if self.beside is not None:
            _put_beside(self.beside, (end + gaps[-1] + _GAP) / width, middle / height)


def _around(ax) -> tuple[float, float, float]:
    """Return the pixels that the labels of an axes take left of it, below it, and right of it."""
    boxes = [axis.get_tightbbox(for_layout_only=True) for axis in (ax.xaxis, ax.yaxis)]
    frame, whole = ax.bbox, Bbox.union([ax.bbox, *(box for box in boxes if box is not None)])
    return frame.x0 - whole.x0, frame.y0 - whole.y0, whole.x1 - frame.x1


def _largest(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    return np.array([values[groups == group].max() for group in range(groups.max() + 1)])


def _extent(artist) -> np.ndarray:
    """Return width and height in inches."""
    box = artist.get_tightbbox()
    return np.array([box.width, box.height]) / artist.figure.figure.dpi


def _put_beside(artist, x: float, y: float) -> None:
    """Put a legend or the axes of a colour bar right of the panels, in the middle of their height."""
    if hasattr(artist, "set_bbox_to_anchor"):
        artist.set_bbox_to_anchor((x, y))
        return
    box = artist.get_position()
    artist.set_position([x, y - box.height / 2, box.width, box.height])
    artist.set_in_layout(True)
