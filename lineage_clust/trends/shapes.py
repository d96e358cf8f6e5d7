"""The shape of a trend: which way it goes, when it moves and peaks, and by how much."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

DIRECTIONS = ("flat", "up", "down", "transient up", "transient down", "complex")
TIMES = ("peak", "onset", "half_max")
MOVED_SHARES = {"onset": 0.1, "half_max": 0.5}  # of the range
ROUNDING = 1e-10  # of the largest value: a trend that varies by less is constant
TURN_SHARE = 0.2  # of the range: a smaller way back is no turn


def is_constant(values: np.ndarray) -> np.ndarray:
    """Return which trends `(n_genes, n_points)` vary by no more than rounding of their values.

    Examples
    --------
    >>> is_constant(np.array([[0.0, 0.0], [1.0, 1.0 + 1e-12], [0.0, 1e-12]])).tolist()
    [True, True, False]
    """
    return ~(np.ptp(values, axis=-1) > ROUNDING * np.abs(values).max(axis=-1))


def peak_time(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the pseudotimes `(n_genes,)` at which trends `(n_genes, n_points)` are highest, the first if several."""
    return grid[np.argmax(values, axis=-1)]


def moved_times(values: np.ndarray, grid: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
    """Return when each trend has first moved from where it starts by shares of its range, `(n_genes,)` for each share.

    Between two points of the grid a trend is taken for a straight line.

    Parameters
    ----------
    values
        `(n_genes, n_points)`.
    grid
        `(n_points,)` pseudotime.
    shares
        0.1 for the onset, 0.5 for the half-maximum time; at most 0.5, which every trend reaches.

    Examples
    --------
    >>> moved_times(np.array([[0.0, 0.2, 0.6, 1.0]]), np.array([0.0, 1.0, 2.0, 3.0]), [0.5])[0].tolist()
    [1.75]
    """
    moved = values - values[..., :1]
    away = np.abs(moved)
    span, farthest = np.ptp(values, axis=-1), away.max(axis=-1)
    found = []
    for share in shares:
        asked = np.minimum(share * span, farthest)  # rounding may put half of the range out of reach
        here = np.argmax(away >= asked[..., None], axis=-1)
        last = np.maximum(here - 1, 0)
        after, before = (np.take_along_axis(moved, point[..., None], axis=-1)[..., 0] for point in (here, last))
        after, before = np.abs(after), before * np.where(after < 0, -1.0, 1.0)
        found.append(grid[last] + part_of_step(before, asked, after) * (grid[here] - grid[last]))
    return found


def part_of_step(before: np.ndarray, asked: np.ndarray | float, after: np.ndarray) -> np.ndarray:
    """Return how far along the line from `before` to `after` the value `asked` is; 1 if there is no line between them.

    Examples
    --------
    >>> part_of_step(np.array([1.0]), 2.0, np.array([5.0])).tolist()
    [0.25]
    """
    step = after - before
    rises = (step > 0) & np.isfinite(step)
    return np.where(rises, np.clip((asked - before) / np.where(rises, step, 1.0), 0.0, 1.0), 1.0)


def direction(values: np.ndarray) -> np.ndarray:
    """Return which way trends go, as positions in `DIRECTIONS`.

    A trend is cut into rises and falls at its turning points; a way back of less than a fifth of the trend's range is no
    turn. One piece is "up" or "down", a rise and a fall "transient up", a fall and a rise "transient down", more are
    "complex".

    Parameters
    ----------
    values
        `(n_genes, n_points)`.

    Examples
    --------
    >>> t = np.linspace(0, 1, 50)
    >>> [DIRECTIONS[code] for code in direction(np.array([t, 1 - t, t * (1 - t), np.cos(7 * t), np.sin(9 * t), 0 * t]))]
    ['up', 'down', 'transient up', 'transient down', 'complex', 'flat']
    """
    turn = np.where(is_constant(values), np.inf, TURN_SHARE * np.ptp(values, axis=-1))
    along = np.ascontiguousarray(np.moveaxis(values, -1, 0))  # one point of all trends after the other
    high, low = along[0].copy(), along[0].copy()
    heading, first, pieces = (np.zeros(turn.shape, dtype=np.int8) for _ in range(3))
    for here in along[1:]:
        np.maximum(high, here, out=high)
        np.minimum(low, here, out=low)
        rises = (heading <= 0) & (here - low >= turn)
        falls = (heading >= 0) & (high - here >= turn) & ~rises
        turned = rises | falls
        if turned.any():
            way = np.where(rises, 1, -1).astype(np.int8)
            first = np.where(turned & (heading == 0), way, first)
            heading = np.where(turned, way, heading)
            pieces = pieces + turned
            high, low = np.where(turned, here, high), np.where(turned, here, low)
    rising = first > 0
    return np.select(
        [pieces == 0, pieces == 1, pieces == 2], [0, np.where(rising, 1, 2), np.where(rising, 3, 4)], default=5
    )


def shapes(values: np.ndarray, grid: np.ndarray) -> pd.DataFrame:
    """Return direction, amplitude, and the times of peak, onset and half-maximum, one row a trend.

    Parameters
    ----------
    values
        `(n_genes, n_points)` on the response scale.
    grid
        `(n_points,)` pseudotime.

    Examples
    --------
    >>> shapes(np.array([[0.0, 1.0, 4.0]]), np.array([0.0, 0.5, 1.0])).T[0].to_dict()
    {'peak': 1.0, 'onset': 0.2, 'half_max': 0.6666666666666666, 'direction': 'up', 'amplitude': 4.0}
    """
    onset, half_max = moved_times(values, grid, list(MOVED_SHARES.values()))
    return pd.DataFrame(
        {
            "peak": peak_time(values, grid),
            "onset": onset,
            "half_max": half_max,
            "direction": np.asarray(DIRECTIONS, dtype=object)[direction(values)],
            "amplitude": np.ptp(values, axis=1),
        }
    )
