"""Axis limits of panels of trends, cell density, and times of half change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ...trends.shapes import DIRECTIONS, direction, half_back, moved_times

CENTRAL, BAND = 0.98, 0.8  # fraction of all curves within the axis limits, and of a cluster within its band
_THIN = 0.25  # of the mean density; curves fade below
_BANDWIDTH = 0.02  # of the grid
_MOVES = 0.25  # minimum change within a lineage, relative to the total range, for a half-change time


def band(trends: np.ndarray) -> np.ndarray:
    """Return the limits of the middle 80 % of curves `(n_genes, n_points)` at each point, `(2, n_points)`."""
    return np.quantile(trends, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)


def limits(clusters: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return limits that include the central 98 % of all curves at each point, and the middle 80 % of each cluster.

    >>> limits([np.zeros((500, 3)), np.array([[0.0, 1, 50], *[[0.0, 1, 2]] * 20])])
    (0.0, 2.0)
    """
    every = np.concatenate(list(clusters))
    ends = [np.quantile(every, [(1 - CENTRAL) / 2, (1 + CENTRAL) / 2], axis=0), *(band(trends) for trends in clusters)]
    low, high = min(float(one[0].min()) for one in ends), max(float(one[1].max()) for one in ends)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def n_beyond(trends: np.ndarray, low: float, high: float) -> int:
    """Return the number of curves that leave a range by more than one per cent of it."""
    slack = 0.01 * (high - low)
    return int(((trends < low - slack) | (trends > high + slack)).any(axis=1).sum())


def smoothed(density: np.ndarray, parts: Sequence[slice]) -> np.ndarray:
    """Return the density of cells `(n_points,)`, smoothed within each lineage."""
    found = np.array(density, dtype=float)
    for part in parts:
        sd = max(_BANDWIDTH * len(found[part]), 1e-3)
        ones = gaussian_filter1d(np.ones(len(found[part])), sd, mode="constant")
        found[part] = gaussian_filter1d(found[part], sd, mode="constant") / np.maximum(ones, 1e-12)
    return found


def thinness(density: np.ndarray, parts: Sequence[slice]) -> np.ndarray:
    """Return the sparsity of cells `(n_points,)`: 0 above a quarter of the lineage's mean density, 1 without cells.

    >>> thinness(np.array([4.0, 4.0, 0.0, 4.0]), [slice(0, 4)]).tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    found = np.zeros(len(density))
    for part in parts:
        enough = _THIN * density[part].mean()
        if enough > 0:
            found[part] = np.clip(1 - density[part] / enough, 0, 1)
    return found


def half_times(mean: np.ndarray, grid: np.ndarray, parts: Sequence[slice]) -> list[tuple[int, float, float]]:
    """Return lineage number, time and value where a mean trend has completed half of its change.

    This is `half_max` of the tables, or `half_back` for a peak or dip that begins less than half of its range from its
    extreme. Lineages in which it changes by less than a quarter of its total range, or turns more than once, are left out.

    >>> half_times(np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.5, 1.0]), [slice(0, 3)])
    [(0, 0.5, 1.0)]
    >>> half_times(np.array([0.0, 1.0, -3.0]), np.array([0.0, 0.5, 1.0]), [slice(0, 3)])
    [(0, 0.75, -1.0)]
    """
    found = []
    for number, part in enumerate(parts):
        way = direction(mean[None, part])
        if np.ptp(mean[part]) > _MOVES * np.ptp(mean) and way[0] <= DIRECTIONS.index("transient down"):
            time = float(moved_times(mean[None, part], grid[part], [0.5])[0][0])
            back = float(half_back(mean[None, part], grid[part], way)[0])
            time = back if back < time else time
            found.append((number, time, float(np.interp(time, grid[part], mean[part]))))
    return found
