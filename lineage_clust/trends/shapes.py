"""The shape of a trend: direction, amplitude, and the times of onset, half-maximum and peak, with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..utils.compiling import compiled_module

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
load_compiled = compiled_module(".shape_loops", __package__)
_END_TAILS = {"onset": 4, "half_max": 2}  # divisors of `1 - level`
_WORTHWHILE = 2**23  # values of samples; for fewer, loading numba takes longer than it saves


def is_constant(values: np.ndarray) -> np.ndarray:
    """Return which trends `(n_genes, n_points)` are constant up to rounding errors."""
    return ~(np.ptp(values, axis=-1) > ROUNDING * np.abs(values).max(axis=-1))


def peak_time(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the pseudotimes `(n_genes,)` of the first maximum of trends `(n_genes, n_points)`.

    Values that differ by less than 1e-9 of the range, and all of a constant trend, are tied: rounding does not choose.
    """
    highest, tie = values.max(axis=-1), np.where(is_constant(values), 2.0, _TIE) * np.ptp(values, axis=-1)
    return grid[np.argmax(values >= (highest - tie)[..., None], axis=-1)]


def moved_times(values: np.ndarray, grid: np.ndarray, shares: Sequence[float]) -> list[np.ndarray]:
    """Return the first times at which trends have changed by given fractions, at most 0.5, of their range."""
    moved = values - values[..., :1]
    asked = [_within_reach(share, values, moved) for share in shares]
    return [first_time(moved * _side(moved, bound)[..., None], bound, grid) for bound in asked]


def half_max_flank(values: np.ndarray) -> np.ndarray:
    """Return whether each trend is above (1) or below (-1) its start at its half-maximum time; 0 if constant."""
    moved = values - values[..., :1]
    return np.where(is_constant(values), 0, _side(moved, _within_reach(0.5, values, moved)).astype(int))


def half_back(values: np.ndarray, grid: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Return the times at which transient trends, by direction in `ways`, have returned by half of their range, else NaN."""
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
    step = after - before
    rises = (step > 0) & np.isfinite(step)
    part = np.where(rises, np.clip((bound - before) / np.where(rises, step, 1.0), 0.0, 1.0), 1.0)
    return grid[last] + part * (grid[here] - grid[last])


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


def uncertainty(
    values: np.ndarray,
    draws: np.ndarray | Iterable[np.ndarray],
    grid: np.ndarray,
    level: float = 0.9,
    n_values: int = 0,
) -> pd.DataFrame:
    """Return intervals of times and amplitudes, and the proportion of draws with the same direction.

    The target of each interval is the peak, onset, half-maximum time or range of the true trend (the expected
    expression of the lineage's cells at each pseudotime) over the range of `grid`. The estimate from
    :func:`lineage_clust.trends.shapes.shapes` is always inside its interval, and no interval leaves the grid.

    values, draws : `(n_genes, n_points)` trends, and posterior samples of them, an array or an iterable.
    n_values : Number of values of the draws of all genes, if these are some of them.
    returns : Columns `peak_lower`, `peak_upper`, and the same of onset, half_max and amplitude; `direction_confidence`. NaN
        for trends whose draws are not finite.

    With `a = 1 - level`, both tails of an interval have probability `a / 2`, unless stated below.

    - **peak**: quantiles of the peaks of the draws. A peak cannot lie beyond the grid: if one of the two is an end of the
      grid, the other has a tail of `a`.
    - **amplitude**: the range of an estimated curve is too large by a factor, because extremes are selected for their
      errors, and that of a draw, which contains the errors twice, is larger again by about the same factor. The upper
      end is therefore that of a basic bootstrap interval of the logarithm [5]_: the square of the range of the trend,
      divided by the lower quantile of the ranges of the draws. The lower end is the quantile of the difference between
      the *lowest* value of the maximum under a draw's errors, over all candidate times of the maximum, and the highest
      value of the minimum; a time is a candidate if the trend is not significantly (`a`, one-sided) below its maximum
      there. Such bounds on maxima are valid if several points are tied [1]_ [2]_.
    - **onset, half_max**: at the true time, the distance of the trend from its start minus the fraction of the range is
      0. The interval ends at the first time at which this difference is significantly positive, with the standard error
      of the draws and a tail of `a / 2` for the half-maximum and of `a / 4` for the onset: smoothing flattens the foot of
      a steep rise, so that trends change too early there, and standard errors include this bias only on average over the
      curve [3]_ [4]_. The interval of the half-maximum starts at the first time at which the difference is not
      significantly negative, with the mean of the lower ranges above and a tail of `a`, because one of many times is
      often so by chance. The onset is before a time if the *largest* difference until then is at least 0: its interval
      starts at the first time at which this is not rejected, with a tail of `a / 3`. The largest difference is estimated
      too high, and is corrected by the amount by which it is larger in draws than in the trend [5]_. Quantiles of the
      draws' times are not used, because a noisy curve passes a bound too early.

    References
    ----------
    .. [1] Chernozhukov, Lee & Rosen (2013). Intersection bounds: estimation and inference. Econometrica 81, 667-737.
    .. [2] Andrews & Soares (2010). Inference for parameters defined by moment inequalities using generalized moment
       selection. Econometrica 78, 119-157.
    .. [3] Nychka (1988). Bayesian confidence intervals for smoothing splines. JASA 83, 1134-1143.
    .. [4] Marra & Wood (2012). Coverage properties of confidence intervals for generalized additive model components.
       Scandinavian Journal of Statistics 39, 53-74.
    .. [5] Davison & Hinkley (1997). Bootstrap Methods and their Application, section 5.2. Cambridge University Press.
    """
    drawn = draws if isinstance(draws, np.ndarray) else np.stack(list(draws))
    outside = 1.0 - level
    fast = max(drawn.size, n_values) >= _WORTHWHILE and load_compiled() is not None
    found = (_look_compiled if fast else _look)(values, drawn, norm.isf(outside))
    span, low = np.ptp(values, axis=1), _quantiles(found["spans"], outside / 2)[0]
    enlarged = np.divide(span, low, out=np.ones_like(span), where=low > 0)
    bounds: dict[str, tuple[np.ndarray, np.ndarray]] = {
        "peak": _quantiles_within(grid[found["peak"]], outside, grid),
        "amplitude": (_quantiles(found["least"], outside / 2)[0], span * enlarged),
    }
    at_least = _moved_by(MOVED_SHARES["half_max"], values, found, found["least"].mean(axis=0))
    starts = {
        "onset": first_time(found["risen"] + norm.isf(outside / 3) * found["risen_sd"], 0.0, grid),
        "half_max": first_time(at_least, -norm.isf(outside), grid),
    }
    for name, share in MOVED_SHARES.items():
        at_most = _moved_by(share, values, found, span)
        bounds[name] = (starts[name], first_time(at_most, norm.isf(outside / _END_TAILS[name]), grid))
    own = dict(zip(MOVED_SHARES, moved_times(values, grid, list(MOVED_SHARES.values())), strict=True))
    own |= {"peak": peak_time(values, grid), "amplitude": span}
    known = np.isfinite(found["least"]).all(axis=0)
    table = {}
    for name in ("peak", *MOVED_SHARES, "amplitude"):
        lower, upper = bounds[name]
        table[f"{name}_lower"] = np.where(
            known, np.clip(lower, 0.0 if name == "amplitude" else None, own[name]), np.nan
        )
        table[f"{name}_upper"] = np.where(known, np.maximum(upper, own[name]), np.nan)
    return pd.DataFrame(table | {"direction_confidence": (found["ways"] == found["own"]).mean(axis=0)})


def _quantiles(drawn: np.ndarray, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper quantiles `(n_genes,)` with tail probability `tail` for a new draw."""
    lower, upper = np.quantile(drawn, [tail, 1 - tail], axis=0, method="weibull")
    return lower, upper


def _quantiles_within(drawn: np.ndarray, outside: float, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ends of intervals `(n_genes,)`: both tails are `outside / 2`, or all of it where the other end is the grid's."""
    lower, upper = _quantiles(drawn, outside / 2)
    inner_lower, inner_upper = _quantiles(drawn, outside)
    first, last = lower <= grid[0], upper >= grid[-1]
    return np.where(last & ~first, inner_lower, lower), np.where(first & ~last, inner_upper, upper)


def _moved_by(share: float, values: np.ndarray, found: dict[str, np.ndarray], span: np.ndarray) -> np.ndarray:
    """Return the z-score of the distance of each trend from its start minus a fraction of its range `(n_genes,)`."""
    moved, error = values - values[:, :1], (found["most"] - np.ptp(values, axis=1))
    least = np.finfo(float).tiny
    both = []
    for sign in (1.0, -1.0):
        variance = found["moved"] + share**2 * np.mean(error**2, axis=0)[:, None] - 2 * sign * share * found["along"]
        both.append((sign * moved - share * span[:, None]) / np.sqrt(np.maximum(variance, least)))
    return np.maximum(*both)


def _look(values: np.ndarray, draws: np.ndarray, extreme: float) -> dict[str, np.ndarray]:
    """Return shape statistics of trends from draws `(n_draws, n_genes, n_points)`; see `shape_loops.measure`."""
    rows, top, bottom = np.arange(len(values)), values.argmax(axis=1), values.argmin(axis=1)
    span, errors = values[rows, top] - values[rows, bottom], draws - values
    at_top, at_bottom = errors[:, rows, top][..., None], errors[:, rows, bottom][..., None]
    moved, of_range = errors - errors[..., :1], at_top - at_bottom
    risen = _risen(draws, span + of_range[..., 0])
    below, above = values[rows, top][:, None] - values, values - values[rows, bottom][:, None]
    may_be_top = below <= extreme * np.sqrt(np.mean((at_top - errors) ** 2, axis=0))
    may_be_bottom = above <= extreme * np.sqrt(np.mean((errors - at_bottom) ** 2, axis=0))
    lowered = np.where(may_be_top, errors, at_top).min(axis=-1)
    raised = np.where(may_be_bottom, errors, at_bottom).max(axis=-1)
    return {
        "own": direction(values),
        "ways": direction(draws),
        "peak": draws.argmax(axis=-1),
        "least": span + lowered - raised,
        "most": span + of_range[..., 0],
        "spans": np.ptp(draws, axis=-1),
        "risen": 2 * _risen(values, span) - risen.mean(axis=0),
        "risen_sd": risen.std(axis=0),
        "moved": np.mean(moved**2, axis=0),
        "along": np.mean(moved * of_range, axis=0),
    }


def _risen(values: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Return the largest distance of trends from their start up to each point, minus that at the onset."""
    away = np.abs(values - values[..., :1]) - MOVED_SHARES["onset"] * span[..., None]
    return np.maximum.accumulate(away, axis=-1)


def _look_compiled(values: np.ndarray, draws: np.ndarray, extreme: float) -> dict[str, np.ndarray]:
    codes = {name: np.empty(draws.shape[:2], dtype=np.int64) for name in ("ways", "peak")}
    ranges = {name: np.empty(draws.shape[:2]) for name in ("least", "most", "spans")}
    errors = {name: np.empty(values.shape) for name in ("risen", "risen_sd", "moved", "along")}
    found = {"own": np.empty(len(values), dtype=np.int64)} | codes | ranges | errors
    loop = load_compiled()
    assert loop is not None  # checked by the caller
    loop.measure(
        values, np.ascontiguousarray(draws), TURN_SHARE, ROUNDING, extreme, MOVED_SHARES["onset"], *found.values()
    )
    return found
