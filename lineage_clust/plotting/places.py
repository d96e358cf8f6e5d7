"""Positions of clusters and genes in figures, for interactive pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np


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


PLACES: WeakKeyDictionary[Any, Places] = WeakKeyDictionary()
"""The positions in an axes, for the lifetime of the axes."""
