"""The shape of a trend: which way it goes, when it moves and peaks, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice
from types import ModuleType

import numpy as np
import pandas as pd

from ..utils.compiling import can_compile
from ..utils.threads import in_threads

DIRECTIONS = ("flat", "up", "down", "transient up", "transient down", "complex")
TIMES = ("peak", "onset", "half_max")
_ONSET_SHARE = 0.1
_WORTHWHILE = 2**15  # values of trends with tens of draws: for fewer, numba takes longer to load than it saves
_BATCH = 2**19  # values of draws that are looked at together
_ROUNDING = 1e-10  # of the largest value: a trend that varies by less is constant
_TURN_SHARE = 0.2  # of the range: a smaller way back is no turn


def is_constant(values: np.ndarray) -> np.ndarray:
    """Return which trends `(n_genes, n_points)` vary by no more than rounding of their values.

    Examples
    --------
    >>> is_constant(np.array([[0.0, 0.0], [1.0, 1.0 + 1e-12], [0.0, 1e-12]])).tolist()
    [True, True, False]
    """
    return ~(np.ptp(values, axis=-1) > _ROUNDING * np.abs(values).max(axis=-1))


def peak_time(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the pseudotimes `(n_genes,)` at which trends `(n_genes, n_points)` are highest, the first if several."""
    return grid[np.argmax(values, axis=-1)]


def moved_times(values: np.ndarray, grid: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
    """Return when each trend has first moved from where it starts by shares of its range, `(n_genes,)` for each share.

    Parameters
    ----------
    values
        `(n_genes, n_points)`.
    grid
        `(n_points,)` pseudotime.
    shares
        0.1 for the onset, 0.5 for the half-maximum time. A trend that starts in the middle of its range may never be that
        far from its start; the time at which it is farthest is taken then.

    Examples
    --------
    >>> moved_times(np.array([[0.0, 0.2, 0.6, 1.0]]), np.array([0.0, 1.0, 2.0, 3.0]), [0.5])[0].tolist()
    [2.0]
    """
    away = np.abs(values - values[..., :1])
    span, farthest = np.ptp(values, axis=-1), away.max(axis=-1)
    asked = [np.minimum(share * span, farthest)[..., None] for share in shares]
    return [grid[np.argmax(away >= least, axis=-1)] for least in asked]


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
    turn = np.where(is_constant(values), np.inf, _TURN_SHARE * np.ptp(values, axis=-1))
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
    {'peak': 1.0, 'onset': 0.5, 'half_max': 1.0, 'direction': 'up', 'amplitude': 4.0}
    """
    onset, half_max = moved_times(values, grid, [_ONSET_SHARE, 0.5])
    return pd.DataFrame(
        {
            "peak": peak_time(values, grid),
            "onset": onset,
            "half_max": half_max,
            "direction": np.asarray(DIRECTIONS, dtype=object)[direction(values)],
            "amplitude": np.ptp(values, axis=1),
        }
    )


def uncertainty(values: np.ndarray, draws: Iterable[np.ndarray], grid: np.ndarray, level: float = 0.9) -> pd.DataFrame:
    """Return how well shapes are known: intervals of times and amplitudes, and how many draws go the same way.

    Parameters
    ----------
    values
        `(n_genes, n_points)` trends.
    draws
        Arrays like `values`: trends drawn from what is known of them.
    grid
        `(n_points,)` pseudotime.
    level
        Share of the draws inside an interval.

    Returns
    -------
    DataFrame
        Columns `peak_lower`, `peak_upper`, and the same of onset, half_max and amplitude; `direction_confidence`.

    Examples
    --------
    >>> t = np.linspace(0, 1, 11)
    >>> rows = uncertainty(t[None], [t[None] + shift for shift in (0.0, 0.5)], t)
    >>> rows[["peak_lower", "peak_upper", "direction_confidence"]].to_numpy().tolist()
    [[1.0, 1.0, 1.0]]
    """
    own, draws = direction(values), iter(draws)
    step = max(1, _BATCH // max(values.size, 1))
    look = _look_compiled if values.size >= _WORTHWHILE and compiled() is not None else _look
    batches = iter(lambda: list(islice(draws, step)), [])
    parts = list(in_threads(lambda batch: look(np.stack(batch), grid), batches))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    table = {}
    for name in (*TIMES, "amplitude"):
        ends = np.quantile(found[name], [0.5 - level / 2, 0.5 + level / 2], axis=0)
        table[f"{name}_lower"], table[f"{name}_upper"] = ends
    return pd.DataFrame(table | {"direction_confidence": (found["ways"] == own).mean(axis=0)})


def _look(values: np.ndarray, grid: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is measured of the shapes of trends `(n_draws, n_genes, n_points)`, `(n_draws, n_genes)` each."""
    onset, half_max = moved_times(values, grid, [_ONSET_SHARE, 0.5])
    return {
        "peak": peak_time(values, grid),
        "onset": onset,
        "half_max": half_max,
        "amplitude": np.ptp(values, axis=-1),
        "ways": direction(values),
    }


def _look_compiled(values: np.ndarray, grid: np.ndarray) -> dict[str, np.ndarray]:
    """Return what `_look` does."""
    trends = values.reshape(-1, values.shape[-1])
    peak, onset, half_max, ways = (np.empty(len(trends), dtype=np.int64) for _ in range(4))
    amplitude = np.empty(len(trends))
    compiled().find_shapes(trends, _ONSET_SHARE, _TURN_SHARE, _ROUNDING, peak, onset, half_max, amplitude, ways)
    found = {"peak": grid[peak], "onset": grid[onset], "half_max": grid[half_max], "amplitude": amplitude, "ways": ways}
    return {name: every.reshape(values.shape[:-1]) for name, every in found.items()}


@cache
def compiled() -> ModuleType | None:
    """Return the compiled loop, or `None` without numba."""
    if not can_compile():
        return None
    from . import compiled_shapes

    return compiled_shapes
