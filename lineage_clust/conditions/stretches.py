"""Intervals of a lineage in which all conditions have cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.ndimage import find_objects, label

from ..errors import warn
from ..lineage.lineage import Lineage

_FEW_CELLS = 0.002  # fraction of a condition's cells outside the range, where trends are extrapolated
_WINDOW = 0.05  # relative to the range
_EXPECTED = 7.0  # expected number of cells for which observing none has probability 0.001


def common_points(
    cells: Lineage, codes: np.ndarray, names: list[str], n_points: int
) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the positions of the grid points at which all conditions have cells, and the table of the excluded gaps.

    In a gap, a condition has no cells in any window of 5 % of the range where another's density would give at least seven.
    """
    first, last = 0, n_points - 1
    shares = np.zeros((len(names), n_points))
    for condition, share in enumerate(shares):
        own = codes == condition
        part = replace(cells, pseudotime=cells.pseudotime[own], weights=cells.weights[own])
        share[:] = part.cells_on_grid(n_points)
        share /= share.sum()
        whole = np.cumsum(share)
        first = max(first, int(np.argmax(whole > _FEW_CELLS)))
        last = min(last, int(np.argmax(whole >= 1 - _FEW_CELLS)))
    if last - first < 2:
        raise ValueError(
            "The conditions have no common interval of pseudotime: cells of one precede all cells of another. Their "
            "difference cannot be separated from changes along the lineage."
        )
    inside = np.zeros(n_points, dtype=bool)
    inside[first : last + 1] = True
    half = max(round(0.5 * _WINDOW * n_points), 1)
    around = np.stack([np.convolve(share, np.ones(2 * half + 1), mode="same") for share in shares])
    grid, found = cells.grid(n_points), []
    for condition, name in enumerate(names):
        weights = cells.weights[codes == condition]
        n_cells = weights.sum() ** 2 / np.sum(weights**2)
        for (run,) in find_objects(label(inside & (around[condition] < _FEW_CELLS))[0]):
            stretch = slice(max(run.start - half, first), run.stop + half)
            if n_cells * np.delete(shares, condition, axis=0)[:, stretch].sum(axis=1).max() > _EXPECTED:
                found.append((name, float(grid[stretch][0]), float(grid[stretch][-1])))
    gaps = pd.DataFrame(found, columns=["condition", "start", "end"])
    inside &= outside_gaps(grid, gaps)
    if len(gaps):
        listed = "; ".join(f"{name!r} from {start:.3g} to {end:.3g}" for name, start, end in found)
        warn(
            f"Conditions have hardly any cells in intervals of pseudotime where others have cells: {listed}. Trends are "
            "interpolated there, and these intervals are excluded from the table."
        )
    if inside.sum() < 3:
        raise ValueError("The conditions have no cells at the same pseudotime. They cannot be compared.")
    return np.flatnonzero(inside), gaps


def outside_gaps(times: np.ndarray, gaps: pd.DataFrame) -> np.ndarray:
    """Return a mask of the times outside all gaps."""
    inside = (times >= gaps["start"].to_numpy()[:, None]) & (times <= gaps["end"].to_numpy()[:, None])
    return ~inside.any(axis=0)
