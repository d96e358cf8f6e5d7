"""Density of the cells of a lineage along pseudotime."""

from __future__ import annotations

import numpy as np

from .lineage import Lineage


def cells_on_grid(lineage: Lineage, n_points: int) -> np.ndarray:
    """Return the summed weight of the cells nearest to each grid point, `(n_points,)`.

    Parameters
    ----------
    lineage
        The lineage, with the cells inside its time range.
    n_points
        Number of grid points.

    Examples
    --------
    >>> times = np.array([0.0, 0.1, 0.9, 1.0])
    >>> one = Lineage("Ery", times, np.array([1, 1, 0.5, 1]), np.zeros((4, 0)), [], 0.0, 1.0, np.arange(4))
    >>> cells_on_grid(one, 3).tolist()
    [2.0, 0.0, 1.5]
    """
    step = (lineage.end - lineage.start) / max(n_points - 1, 1)
    nearest = np.rint((lineage.pseudotime - lineage.start) / step).astype(int)
    return np.bincount(np.clip(nearest, 0, n_points - 1), weights=lineage.weights, minlength=n_points)
