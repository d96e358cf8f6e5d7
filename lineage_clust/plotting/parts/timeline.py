"""Time axis with one or several lineages side by side, on the same scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

_GAP = 0.03  # of the total length


@dataclass(frozen=True)
class Segment:
    """Part of the time axis of one lineage ("" if there is only one): its grid points, and their pseudotimes.

    >>> parts = segments(np.array([0.0, 1.0, 0.5, 1.0]), np.array(["a", "a", "b", "b"]), touching=True)
    >>> [part.x.tolist() for part in parts]
    [[0.0, 1.0], [1.0, 1.5]]
    """

    name: str
    columns: slice
    grid: np.ndarray
    shift: float  # position on the axis minus pseudotime

    @property
    def x(self) -> np.ndarray:
        """Positions of the grid points on the axis."""
        return self.grid + self.shift

    @property
    def ends(self) -> tuple[float, float]:
        """First and last position on the axis, half a step beyond the grid, as each point is a cell of the heatmap."""
        half = (self.grid[-1] - self.grid[0]) / max(len(self.grid) - 1, 1) / 2 or 0.5
        return float(self.grid[0] + self.shift - half), float(self.grid[-1] + self.shift + half)


def segments(grid: np.ndarray, grid_lineage: np.ndarray | None = None, touching: bool = False) -> list[Segment]:
    """Return the part of the axis of each lineage, in order.

    There is a gap between lineages; if they are `touching`, each starts where the previous one ends, the first at 0.
    """
    grid = np.asarray(grid, dtype=float)
    names = np.full(len(grid), "", dtype=object) if grid_lineage is None else np.asarray(grid_lineage, dtype=object)
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    bounds = list(zip(starts, [*starts[1:], len(grid)], strict=True))
    if len(bounds) == 1:
        return [Segment("", slice(0, len(grid)), grid, 0.0)]
    gap = _GAP * sum(grid[last - 1] - grid[first] for first, last in bounds)
    parts: list[Segment] = []
    for first, last in bounds:
        columns = slice(int(first), int(last))
        part = Segment(str(names[first]), columns, grid[columns], 0.0)
        if touching:
            shift = (parts[-1].x[-1] if parts else 0.0) - part.grid[0]
        else:
            shift = parts[-1].ends[1] + gap - part.ends[0] if parts else 0.0
        parts.append(replace(part, shift=shift))
    return parts


def evenly(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return rows `(n_genes, n_points)` interpolated at equally spaced times, as required by images."""
    even = np.linspace(grid[0], grid[-1], len(grid))
    if np.allclose(grid, even, rtol=0, atol=1e-6 * max(np.ptp(grid), 1e-300)):
        return values
    return np.array([np.interp(even, grid, row) for row in values])
