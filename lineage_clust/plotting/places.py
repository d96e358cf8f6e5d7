"""Positions of clusters and genes in figures, for interactive pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

_PLACES: WeakKeyDictionary[Any, Places] = WeakKeyDictionary()


@dataclass(frozen=True)
class Places:
    """Positions of clusters and genes in an axes, in data coordinates.

    areas : Clusters and the outline `(n_corners, 2)` of each; `None` = the whole axes.
    genes, at : Genes and their positions `(n_genes, 2)`. NaN = the full extent: genes that are rows have no x.
    curves : Start and end of the curves of each lineage, if there are curves.
    """

    areas: Sequence[tuple[int, np.ndarray | None]]
    genes: Sequence[str] = ()
    at: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    curves: Sequence[tuple[float, float]] = ()


def note_places(ax: Any, places: Places) -> None:
    """Record the positions in an axes, for the lifetime of the axes."""
    _PLACES[ax] = places


def places_in(figure: Any) -> list[tuple[Any, Places]]:
    """Return the axes of a figure with recorded positions, and these."""
    return [(ax, _PLACES[ax]) for ax in figure.axes if ax in _PLACES]


def in_figure(ax: Any, points: np.ndarray) -> np.ndarray:
    """Return points `(n_points, 2)` as fractions of width and height of the figure, from its upper left corner.

    NaN is preserved.
    """
    pixels = ax.transData.transform(np.nan_to_num(points))
    width, height = ax.figure.figure.bbox.size
    shares = np.column_stack([pixels[:, 0] / width, 1 - pixels[:, 1] / height])
    return np.where(np.isnan(points), np.nan, shares)


def outline(ax: Any, corners: np.ndarray | None) -> np.ndarray:
    """Return the corners of an area in the coordinates of :func:`in_figure`."""
    if corners is not None:
        return in_figure(ax, np.asarray(corners, dtype=float))
    box = ax.get_position()
    return np.array([[box.x0, 1 - box.y1], [box.x1, 1 - box.y1], [box.x1, 1 - box.y0], [box.x0, 1 - box.y0]])
