"""Start and end of a lineage in pseudotime, given or estimated from the weights, and gaps between; arrays only."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve1d

from ...errors import warn
from ...utils.checking import check_number
from ...utils.constraints import is_real

ENDPOINTS = ("plateau", "argmax")
_LATE = 0.1  # of pseudotime: a shorter part without the lineage is no matter, as weights may rise from 0
_OWN_SHARE = 0.5  # of the lineage's highest weight, that cells have which belong to it
_TOP_QUANTILE = 0.98  # of the weights, weighted by themselves: the highest weight, robust to outliers
_NO_WEIGHT = 0.01  # of the highest: such weights count as 0, as in `weight_threshold`
_MAX_OUTLIERS, _OUTLIER_SHARE = 5, 0.05  # number and fraction of the lineage's cells that can be outliers in time
# They are outliers if the gap before them is longer than the time spanned by the `_BEFORE_GAP` cells before the gap,
# and longer than the fraction `_NEAR` of the whole time before it.
_BEFORE_GAP = 15
_NEAR = 0.02
_LOST_SHARE = 0.05
_FALL = 0.8
_COLLAPSED_SHARE = 0.05  # of the span of the lineage's cells: a shorter range is treated as a failed estimate
_LONG = 0.1  # of the time range: shorter gaps are no matter for a trend
_BY_CHANCE = 3e-4
_NEAREST = 30  # times on either side of a gap
_LIGHT = 0.1  # relative to the weighted median weight: such cells do not fill a gap
_HARDLY = 0.02  # of the weight of the lineage


def parse_time_range(time_range: object) -> tuple[float | None, float | None]:
    """Parse `None`, a number (the end) or a pair into `(start, end)`; `None` = estimated from the cells."""
    if time_range is None:
        return None, None
    if is_real(time_range):
        bounds: tuple = (None, time_range)
    elif isinstance(time_range, (tuple, list, np.ndarray)) and len(time_range) == 2:
        bounds = tuple(time_range)
    else:
        raise TypeError(
            f"time_range must be None, a number (the end) or a pair (start, end); got {time_range!r}. "
            "Use e.g. time_range=0.8 or time_range=(0.1, None)."
        )
    for bound in bounds:
        if bound is not None and not is_real(bound):
            raise TypeError(f"The bounds of time_range must be numbers or None; got {bound!r} in {time_range!r}.")
        if bound is not None and not np.isfinite(bound):
            raise ValueError(
                f"The bounds of time_range must be finite; got {bound!r}. Use None for an automatic bound."
            )
    start, end = (None if bound is None else float(bound) for bound in bounds)
    if start is not None and end is not None and start >= end:
        advice = "Swap the two." if start > end else "Pass two different times."
        raise ValueError(f"time_range must start before it ends; got start {start:g} and end {end:g}. {advice}")
    return start, end


def find_time_range(
    pseudotime: np.ndarray,
    weights: np.ndarray,
    *,
    time_range: object = None,
    endpoint: str = "plateau",
    threshold: float | None = None,
    n_points: int = 200,
    lineage: str = "",
) -> tuple[float, float]:
    """Return the start and end of a lineage, `start < end`, as set by the user or estimated from its cells.

    Parameters are those of :class:`lineage_clust.TrendClusterer`; bounds that are given are never clipped to the range
    of the cells. With "plateau", the start is the first cell, or the first with a positive weight if that is later by more
    than a tenth of pseudotime, as in a branch with weights of 0 and 1; the end is that of
    :func:`~lineage_clust.lineage.time.time_range.end_of_own_cells`. "argmax" starts at the first cell and smooths
    weights over `max(1, n_points // 20)` cells, as CellRank does, except with weights of 0 and 1, for which this end is
    chance and that of "plateau" is used. Both warn of ends that are in doubt.
    """
    if not isinstance(endpoint, str) or endpoint not in ENDPOINTS:
        raise ValueError(f"endpoint must be 'plateau' or 'argmax'; got {endpoint!r}.")
    check_number("endpoint_threshold", threshold, or_none=True)
    start, end = parse_time_range(time_range)
    first, last = float(pseudotime.min()), float(pseudotime.max())
    if not last - first < np.inf:
        raise ValueError(
            f"Pseudotime spans [{first:g}, {last:g}], which exceeds the range of floating point. Rescale it."
        )
    if start is None:
        own = first if endpoint == "argmax" else float(np.min(pseudotime, where=weights > 0, initial=np.inf))
        start = own if _LATE * (last - first) < own - first < np.inf else first
    if end is None:
        if np.ptp(weights) <= 1e-12 * max(1.0, weights.max()):  # constant weights are not informative
            end = last
        elif endpoint == "argmax" and not (threshold is None and are_hard(weights)):
            end = end_of_first_maximum(pseudotime, weights, start, threshold, max(1, int(n_points) // 20), lineage)
        else:
            end = end_of_own_cells(pseudotime, weights, start, threshold, lineage)
    if start >= end:
        raise ValueError(
            f"The time range of lineage {lineage!r} is empty: it starts at {start:g} and ends at {end:g}, while its "
            f"cells span [{first:g}, {last:g}]. Set time_range=(start, end)."
        )
    return start, end


def end_of_own_cells(
    pseudotime: np.ndarray, weights: np.ndarray, start: float, threshold: float | None = None, lineage: str = ""
) -> float:
    """Return the pseudotime of the last cell that belongs to the lineage; warn if it is in doubt.

    Cells with a weight of at least `threshold` (`None` = half of the lineage's highest weight) belong to it; those before
    `start` are ignored. The rule uses the weight of each cell and not the mean weight as a function of time. The mean is
    low wherever most cells belong to other lineages, which reflects the rarity of the lineage and not its end. Cells of
    other lineages that have some weight in this one after its end have less than half of its highest weight.

    Up to five of the last cells of the lineage (at most 5 % of its cells) are outliers if they are separated from the
    others by a gap that is longer than the time spanned by the fifteen cells before it, and longer than 2 % of the time
    before it. Such gaps are rare if the density of cells ends abruptly or decreases gradually.
    """
    top = _quantile(weights, _TOP_QUANTILE)
    least = _OWN_SHARE * top if threshold is None else float(threshold)
    own = (weights >= least) & (weights > 0)
    if not own.any():
        raise no_cell_above(least, weights, lineage)
    weighs = (weights > _NO_WEIGHT * top) & (pseudotime >= start)
    own_times = pseudotime[own & (pseudotime >= start)]
    end = _last_time(own_times) if len(own_times) else float(pseudotime[own].max())
    if not weighs.any():
        return end
    last = float(pseudotime[weighs].max())
    if last > start and end - start < _COLLAPSED_SHARE * (last - start):
        warn(
            f"The last cell of lineage {lineage!r} with a weight of at least {least:.3g} is at pseudotime {end:.4g}, "
            f"but the lineage starts at {start:.4g}. The last cell with any weight, at {last:.4g}, is used as its end "
            "instead. Set time_range to choose another end, or reverse pseudotime if it runs backwards."
        )
        return last
    _check_weights(pseudotime[weighs], weights[weighs], end, least, lineage)
    return end


def end_of_first_maximum(
    pseudotime: np.ndarray, weights: np.ndarray, start: float, threshold: float | None, window: int, lineage: str = ""
) -> float:
    """Return the first time at which the moving average of the weights is largest (CellRank's rule).

    Only cells with a weight of at least `threshold` (`None` = the median weight) are used; `window` is in cells. If the
    range would be too short, the end is the last cell used, and a warning is raised.
    """
    threshold = float(np.median(weights)) if threshold is None else float(threshold)
    belongs = weights >= threshold
    if not belongs.any():
        raise no_cell_above(threshold, weights, lineage)
    times, values = pseudotime[belongs], weights[belongs]
    order = np.lexsort((values, times))  # ties by weight, so that the order of the cells does not matter
    times, values = times[order], values[order]
    smoothed = convolve1d(values, np.full(window, 1 / window), mode="nearest")
    end, last = float(times[np.argmax(smoothed)]), float(times[-1])
    if last > start and end - start < _COLLAPSED_SHARE * (last - start):
        warn(
            f"With endpoint='argmax', lineage {lineage!r} would end at pseudotime {end:.4g}, where its weights are "
            f"largest, but it starts at {start:.4g}. The last cell with a weight of at least {threshold:.3g}, at "
            f"{last:.4g}, is used as its end instead. Set time_range to choose another end, or reverse pseudotime if "
            "it runs backwards."
        )
        return last
    return end


def are_hard(weights: np.ndarray) -> bool:
    """Return whether every cell belongs to the lineage or does not, so that weights do not say where it is most certain.

    >>> are_hard(np.array([0.01, 1.0, 1.0])), are_hard(np.array([0.0, 0.8, 1.0])), are_hard(np.array([0.5, 1.0]))
    (True, False, False)
    """
    own = weights > _NO_WEIGHT * weights.max()
    return bool(np.ptp(weights[own]) == 0 and np.any(~own))


def no_cell_above(threshold: float, weights: np.ndarray, lineage: str) -> ValueError:
    """Return the error for a threshold that no weight reaches."""
    return ValueError(
        f"No cell of lineage {lineage!r} has a weight of at least endpoint_threshold={threshold:g} (the largest is "
        f"{weights.max():g}). Lower endpoint_threshold, or set the end of time_range."
    )


def _quantile(weights: np.ndarray, share: float) -> float:
    """Return a quantile of weights, weighted by themselves."""
    ordered = np.sort(weights)
    below = np.cumsum(ordered / ordered[-1])
    position = np.searchsorted(below, share * (1 - 1e-9) * below[-1])  # robust to rounding
    return float(ordered[min(position, len(ordered) - 1)])


def _last_time(times: np.ndarray) -> float:
    """Return the last time that is not an outlier."""
    latest = np.sort(times)[::-1]
    spared = min(_MAX_OUTLIERS, int(_OUTLIER_SHARE * len(latest)))
    ends, after = latest[1 : spared + 1], latest[:spared]
    before = latest[np.minimum(np.arange(1, spared + 1) + _BEFORE_GAP, len(latest) - 1)]
    apart = after - ends > np.maximum(ends - before, _NEAR * (ends - latest[-1]))
    return float(ends[apart][-1]) if apart.any() else float(latest[0])


def _check_weights(times: np.ndarray, weights: np.ndarray, end: float, least: float, lineage: str) -> None:
    """Warn if the weights decrease along time, or if cells after the end may belong to the lineage."""
    largest = weights.max()
    later, weights = times[(times > end) & (weights >= least)], weights / largest  # sums of huge weights overflow
    lost = weights[times > end].sum() / weights.sum()
    first, final = largest * _certainty_of_fifths(times[times <= end], weights[times <= end])
    left_out = []
    if lost > _LOST_SHARE:
        left_out.append(f"{lost:.0%} of its weight lies later, in cells that are assumed to belong to other lineages.")
    if len(later):
        left_out.append(
            f"Later cells with a weight of at least {least:.3g} ({len(later)}, up to pseudotime {later.max():.4g}) "
            f"are treated as outliers."
        )
    if final < _FALL * first:
        warn(
            f"The weights of lineage {lineage!r} decrease along pseudotime, from {first:.2g} in its first fifth to "
            f"{final:.2g} in its last. If pseudotime runs backwards, reverse it. "
            + " ".join([f"The lineage ends at {end:.4g}.", *left_out, "Set time_range to choose another end."])
        )
    elif left_out:
        warn(
            f"Lineage {lineage!r} ends at pseudotime {end:.4g}. {' '.join(left_out)} If these cells belong to the "
            f"lineage, set time_range to choose another end; if pseudotime runs backwards, reverse it."
        )


def _certainty_of_fifths(times: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean weight, weighted by itself, in the first and last fifth of the weight along time."""
    if len(times) < 25:  # too few cells
        return np.ones(2)
    order = np.argsort(times, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    bounds = times[order][np.searchsorted(share, [0.2, 0.8])]
    early, late = weights[times <= bounds[0]], weights[times >= bounds[1]]
    return np.array([early @ early / early.sum(), late @ late / late.sum()])


def warn_of_empty_time(times: np.ndarray, weights: np.ndarray, start: float, end: float, lineage: str = "") -> None:
    """Warn if cells are missing in a large part of the time range.

    That is if the range holds less than 2 % of the weight of all cells, if it extends beyond the cells by more than these
    span, or if there is a gap between them: at least a tenth of the range without a cell, which is not due to chance.

    If times follow a Poisson process, the next time is later than `g` after `m` times that span `T` with probability `(1 +
    g / T)^-m`, as `g / T` is a ratio of gamma variables [1]_. For the (up to) 30 times before a gap and for those after it,
    this probability must be below 0.0003, divided by the number of times. Equal times count once, so that the distance
    between the time points of an experiment is no gap.

    References
    ----------
    .. [1] Cox & Lewis (1966). The Statistical Analysis of Series of Events. Methuen, section 9.2.
    """
    belongs = weights > 0
    times, weights = times[belongs], weights[belongs]
    inside = (times >= start) & (times <= end)
    share = weights[inside].sum() / weights.sum()
    times, weights = times[inside], weights[inside]
    named = f" of lineage {lineage!r}" if lineage else ""
    if share < _HARDLY:
        warn(
            f"The time range [{start:g}, {end:g}] holds {100 * share:.2g} % of the weight{named} ({len(times)} cells): "
            "trends are uncertain. Set time_range to another part of pseudotime."
        )
    first, last = times.min(), times.max()
    if end - start > 2 * (last - first) > 0:
        warn(
            f"The time range [{start:g}, {end:g}] extends far beyond the cells{named}, which lie between pseudotime "
            f"{first:.4g} and {last:.4g}: the rest of each trend is extrapolated. Set time_range to the range of the cells."
        )
    typical = _quantile(weights, 0.5)
    points = np.unique(times[weights >= _LIGHT * typical])
    for place in np.flatnonzero(np.diff(points) > _LONG * (end - start)):
        before, after = points[place], points[place + 1]
        length = after - before
        sides = before - points[max(place - _NEAREST, 0) : place], points[place + 2 : place + 2 + _NEAREST] - after
        chance = [(1 + length / max(np.abs(side).max(initial=0.0), 1e-300)) ** -float(len(side)) for side in sides]
        if max(chance) * len(points) < _BY_CHANCE:
            has_light = np.any((times > before) & (times < after))
            light = f" with a weight of at least {_LIGHT * typical:.2g}" if has_light else ""
            warn(
                f"No cell{named}{light} lies between pseudotime {before:.4g} and {after:.4g}, "
                f"{100 * length / (end - start):.0f} % of the time range: trends there are interpolated. Check whether "
                "pseudotime connects the cells before and after, or set time_range to one of the two parts."
            )
