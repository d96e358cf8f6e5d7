"""Warn where a time range holds no cells: before and after them, or in a gap between them; arrays only."""

from __future__ import annotations

import numpy as np

from ...errors import warn

_LONG = 0.1  # of the time range: shorter gaps are no matter for a trend
_BY_CHANCE = 3e-4
_NEAREST = 30  # times on either side of a gap
_LIGHT = 0.1  # relative to the weighted median weight: such cells do not fill a gap
_HARDLY = 0.02  # of the weight of the lineage


def warn_of_empty_time(times: np.ndarray, weights: np.ndarray, start: float, end: float, lineage: str = "") -> None:
    """Warn if cells are missing in a large part of the time range.

    times, weights : `(n_cells,)`, finite, of all cells of the lineage, inside the time range and outside.

    Warns
    -----
    LineageClustWarning
        If the range holds less than 2 % of the weight, if it extends beyond the cells by more than these span, or if
        there is a gap between the cells: at least a tenth of the range without a cell, which is not due to chance.

    If times follow a Poisson process, the next time is later than `g` after `m` times that span `T` with probability `(1 +
    g / T)^-m`, as `g / T` is a ratio of gamma variables [1]_. For the (up to) 30 times before a gap and for those after it,
    this probability must be below 0.0003, divided by the number of times. Equal times count once, so that the distance
    between the time points of an experiment is no gap.

    References
    ----------
    .. [1] Cox & Lewis (1966). The Statistical Analysis of Series of Events. Methuen, section 9.2.

    >>> import warnings
    >>> times = np.r_[np.linspace(0, 0.3, 60), np.linspace(0.8, 1, 60)]
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_of_empty_time(times, np.ones(120), 0, 1, "Ery")
    >>> print(str(caught[0].message)[:86])
    No cell of lineage 'Ery' lies between pseudotime 0.3 and 0.8, 50 % of the time range:
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
    ordered = np.sort(weights)
    typical = ordered[np.searchsorted(np.cumsum(ordered), 0.5 * ordered.sum())]
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
