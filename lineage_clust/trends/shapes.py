"""The shape of a trend: direction, amplitude, and the times of onset, half-maximum and peak."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

DIRECTIONS = (
    "flat", "up", "down", "transient up", "transient down", "up-down-up", "down-up-down", "two peaks", "two dips",
    "three peaks", "three dips", "complex",
)  # fmt: skip
# Position of the direction for twice the number of rises and falls, less one if the first is a rise.
CODES = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 11, 9, 10, 11])
MOVED_SHARES = {"onset": 0.1, "half_max": 0.5}  # of the range
ROUNDING = 1e-10  # relative to the largest value; a trend that varies by less is constant
TURN_SHARE = 0.2  # fraction of the range; smaller reversals are not turning points
_TIE = 1e-9  # relative to the range; maxima that differ by less are tied


def is_constant(values: np.ndarray) -> np.ndarray:
    """Return which trends `(n_genes, n_points)` are constant up to rounding errors."""
    return ~(np.ptp(values, axis=-1) > ROUNDING * np.abs(values).max(axis=-1))


def peak_time(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the pseudotimes `(n_genes,)` of the first maximum of trends `(n_genes, n_points)`.

    Values that differ by less than 1e-9 of the range, and all values of a constant trend, are tied, so that rounding does
    not choose between them.
    """
    highest, tie = values.max(axis=-1), np.where(is_constant(values), 2.0, _TIE) * np.ptp(values, axis=-1)
    return grid[np.argmax(values >= (highest - tie)[..., None], axis=-1)]


def moved_times(values: np.ndarray, grid: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
    """Return the first times at which each trend has changed by given fractions of its range, `(n_genes,)` each.

    Changes are relative to the start of the trend. Fractions are at most 0.5, which every trend reaches.
    """
    moved = values - values[..., :1]
    asked = [_within_reach(share, values, moved) for share in shares]
    return [first_time(moved * _side(moved, bound)[..., None], bound, grid) for bound in asked]


def half_max_flank(values: np.ndarray) -> np.ndarray:
    """Return whether each trend is above (1) or below (-1) its start at its half-maximum time; 0 if constant."""
    moved = values - values[..., :1]
    return np.where(is_constant(values), 0, _side(moved, _within_reach(0.5, values, moved)).astype(int))


def half_back(values: np.ndarray, grid: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Return the times at which transient trends have returned by half of their range from their extreme, `(n_genes,)`.

    `ways` are positions in `DIRECTIONS`. NaN for trends that are not transient or do not return that far.
    """
    turned = values * np.where(ways == DIRECTIONS.index("transient down"), -1.0, 1.0)[:, None]
    after = np.arange(len(grid)) > turned.argmax(axis=1)[:, None]
    fallen = np.where(after, turned.max(axis=1, keepdims=True) - turned, 0.0)
    half = 0.5 * np.ptp(values, axis=1)
    transient = np.isin(ways, [DIRECTIONS.index("transient up"), DIRECTIONS.index("transient down")])
    returns = transient & (after & (fallen >= half[:, None])).any(axis=1)
    return np.where(returns, first_time(fallen, half, grid), np.nan)


def _within_reach(share: float, values: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return a fraction of the range, but not more than the largest change: rounding may prevent reaching half."""
    return np.minimum(share * np.ptp(values, axis=-1), np.abs(moved).max(axis=-1))


def _side(moved: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the sign of each change `(n_genes, n_points)` where it is first as large as asked."""
    here = np.argmax(np.abs(moved) >= asked[..., None], axis=-1)
    return np.sign(np.take_along_axis(moved, here[..., None], axis=-1)[..., 0])


def first_time(values: np.ndarray, bound: np.ndarray | float, grid: np.ndarray) -> np.ndarray:
    """Return the first time at which interpolated values `(n_genes, n_points)` reach a bound; the last if they do not."""
    reached = values >= np.asarray(bound)[..., None]
    here = np.where(reached.any(axis=-1), np.argmax(reached, axis=-1), len(grid) - 1)
    last = np.maximum(here - 1, 0)
    before, after = (np.take_along_axis(values, at[..., None], axis=-1)[..., 0] for at in (last, here))
    return grid[last] + _part_of_step(before, bound, after) * (grid[here] - grid[last])


def _part_of_step(before: np.ndarray, asked: np.ndarray | float, after: np.ndarray) -> np.ndarray:
    """Return the position of `asked` on the line from `before` to `after`, from 0 to 1; 1 if the line does not rise."""
    step = after - before
    rises = (step > 0) & np.isfinite(step)
    return np.where(rises, np.clip((asked - before) / np.where(rises, step, 1.0), 0.0, 1.0), 1.0)


def direction(values: np.ndarray) -> np.ndarray:
    """Return the directions of trends `(n_genes, n_points)`, as positions in `DIRECTIONS`.

    A trend is divided into rises and falls at its turning points; reversals of less than a fifth of its range are
    ignored. A single rise or fall is "up" or "down", a rise and a fall "transient up", a fall and a rise "transient
    down"; three pieces are "up-down-up" or "down-up-down", four are "two peaks" or "two dips", six are "three peaks"
    or "three dips"; others are "complex".
    """
    turn = np.where(is_constant(values), np.inf, TURN_SHARE * np.ptp(values, axis=-1)).ravel()
    along = np.ascontiguousarray(np.moveaxis(values, -1, 0)).reshape(values.shape[-1], -1)  # grid points first
    high, low = along[0].copy(), along[0].copy()
    heading, first, pieces = (np.zeros(len(turn), dtype=np.int8) for _ in range(3))
    for here in along[1:]:
        np.maximum(high, here, out=high)
        np.minimum(low, here, out=low)
        rises = (heading <= 0) & (here - low >= turn)
        turned = np.flatnonzero(rises | ((heading >= 0) & (high - here >= turn)))
        if len(turned):
            way = np.where(rises[turned], 1, -1)
            first[turned] = np.where(heading[turned] == 0, way, first[turned])
            heading[turned], high[turned], low[turned] = way, here[turned], here[turned]
            pieces[turned] += 1
    codes = 2 * pieces.astype(int) - (first > 0)  # for each number of pieces, one that begins with a rise or a fall
    return CODES[np.minimum(codes, len(CODES) - 1)].reshape(values.shape[:-1])


def shapes(values: np.ndarray, grid: np.ndarray) -> pd.DataFrame:
    """Return direction, amplitude, and the times of peak, onset and half-maximum, one row per trend.

    `half_max_flank` is "rising" or "falling" if the trend is above or below its start at `half_max`; `half_back` is the
    time at which a transient trend has returned by half of its range.
    """
    onset, half_max = moved_times(values, grid, list(MOVED_SHARES.values()))
    ways = direction(values)
    return pd.DataFrame(
        {
            "peak": peak_time(values, grid),
            "onset": onset,
            "half_max": half_max,
            "half_max_flank": np.asarray(("", "rising", "falling"), dtype=object)[half_max_flank(values)],
            "half_back": half_back(values, grid, ways),
            "direction": np.asarray(DIRECTIONS, dtype=object)[ways],
            "amplitude": np.ptp(values, axis=1),
        }
    )
