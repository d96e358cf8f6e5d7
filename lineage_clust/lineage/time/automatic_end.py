"""Estimate the end of a lineage from the weights of its cells; arrays only."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve1d

from ...errors import warn

# A cell belongs to the lineage if it has at least this fraction of the lineage's highest weight.
_OWN_SHARE = 0.5
# The highest weight is this quantile of the weights (weighted by themselves), which is robust to outliers.
_TOP_QUANTILE = 0.98
# Weights of at most this fraction of the highest count as 0, as in `weight_threshold`.
_NO_WEIGHT = 0.01
# Maximum number and maximum fraction of the lineage's cells that can be outliers in time.
_MAX_OUTLIERS = 5
_OUTLIER_SHARE = 0.05
# They are outliers if the gap before them is longer than the time spanned by the `_BEFORE_GAP` cells before the gap,
# and longer than the fraction `_NEAR` of the whole time before it.
_BEFORE_GAP = 15
_NEAR = 0.02
_LOST_SHARE = 0.05
_FALL = 0.8
# A range shorter than this fraction of the span of the lineage's cells is treated as a failed estimate.
_COLLAPSED_SHARE = 0.05


def end_of_own_cells(
    pseudotime: np.ndarray, weights: np.ndarray, start: float, threshold: float | None = None, lineage: str = ""
) -> float:
    """Return the pseudotime of the last cell that belongs to the lineage.

    Cells `(n_cells,)` with finite pseudotime and a weight of at least `threshold` (`None` = half of the lineage's
    highest weight) belong to it; those before `start` are ignored. There must be one.

    Warns
    -----
    LineageClustWarning
        If the weights decrease along pseudotime, if more than 5 % of the lineage's weight or outliers lie after its
        end, or if no cell of the lineage lies well after `start`.

    The rule uses the weight of each cell and not the mean weight as a function of time. The mean is low wherever most
    cells belong to other lineages, which reflects the rarity of the lineage and not its end. Cells of other lineages
    that have some weight in this one after its end have less than half of its highest weight.

    Up to five of the last cells of the lineage (at most 5 % of its cells) are outliers if they are separated from the
    others by a gap that is longer than the time spanned by the fifteen cells before it, and longer than 2 % of the time
    before it. Such gaps are rare if the density of cells ends abruptly or decreases gradually.

    >>> import numpy as np
    >>> t = np.linspace(0, 1, 101)
    >>> end_of_own_cells(t, np.where((t <= 0.8) & (np.arange(101) % 4 == 0), 1.0, 0.02), 0.0)
    0.8
    """
    top = _highest(weights)
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

    >>> t = np.linspace(0, 1, 11)
    >>> float(end_of_first_maximum(t, np.minimum(t, 0.5), 0.0, None, 1))
    0.5
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


def _highest(weights: np.ndarray) -> float:
    ordered = np.sort(weights)
    below = np.cumsum(ordered / ordered[-1])
    position = np.searchsorted(below, _TOP_QUANTILE * (1 - 1e-9) * below[-1])  # robust to rounding
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
