"""Sparklines: SVG paths of trends with a few dozen points."""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT = 192, 48  # units of the drawing; displayed at half this number of pixels
MARGIN, GAP = 3, 8  # margin above and below, and gap between lineages
_N_STEPS = 32


def paths(values: np.ndarray, grid_lineage: np.ndarray, with_zero: bool = False) -> list[str]:
    """Return one SVG path per trend `(n_trends, n_points)`, stretched to the full height, with lineages side by side.

    with_zero : Whether the range of each drawing includes zero.

    >>> paths(np.array([[0.0, 1.0, 0.0]]), np.array(["", "", ""]))[0][:20]
    'M0 45l6-3 6-2 6-3 6-'
    """
    if len(values) == 0:
        return []
    y = _heights(np.column_stack([values, np.zeros(len(values))]))[:, :-1] if with_zero else _heights(values)
    starts = np.flatnonzero(np.append(True, grid_lineage[1:] != grid_lineage[:-1]))
    ends = [*starts[1:], len(grid_lineage)]
    room = (WIDTH - GAP * (len(starts) - 1)) / len(starts)
    n_steps = max(2, _N_STEPS // len(starts))
    drawn = [""] * len(values)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        at = np.linspace(start, end - 1, n_steps + 1)
        left = np.floor(at).astype(int)
        right = np.minimum(left + 1, end - 1)
        x = np.rint(number * (room + GAP) + np.linspace(0, room, n_steps + 1)).astype(int)
        heights = np.rint(y[:, left] + (at - left) * (y[:, right] - y[:, left])).astype(int)
        dx, dy = np.diff(x), np.diff(heights, axis=1)
        for row, steps in enumerate(dy):
            line = "".join(
                f" {across}{up:+d}" if up < 0 else f" {across} {up}" for across, up in zip(dx, steps, strict=True)
            )
            drawn[row] += f"M{x[0]} {heights[row, 0]}l{line[1:]}"
    return drawn


def zeros(values: np.ndarray) -> list[int]:
    """Return the vertical position of zero in each drawing that includes it.

    >>> zeros(np.array([[1.0, 2.0], [-2.0, 2.0]]))
    [45, 24]
    """
    return np.rint(_heights(np.column_stack([values, np.zeros(len(values))]))[:, -1]).astype(int).tolist()


def _heights(values: np.ndarray) -> np.ndarray:
    low, span = values.min(axis=1, keepdims=True), np.ptp(values, axis=1, keepdims=True)
    share = np.where(span > 0, (values - low) / np.where(span > 0, span, 1), 0.5)
    return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)


def boundaries(grid_lineage: np.ndarray) -> list[int]:
    """Return the boundaries between lineages, in units of the drawing."""
    n_lineages = 1 + int(np.sum(grid_lineage[1:] != grid_lineage[:-1]))
    room = (WIDTH - GAP * (n_lineages - 1)) / n_lineages
    return [round(number * (room + GAP) - GAP / 2) for number in range(1, n_lineages)]
