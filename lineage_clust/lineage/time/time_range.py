"""Start and end of a lineage in pseudotime; arrays only."""

from __future__ import annotations

import numpy as np

from ...utils.checking import check_number
from ...utils.constraints import is_real
from .automatic_end import are_hard, end_of_first_maximum, end_of_own_cells

ENDPOINTS = ("plateau", "argmax")

_LATE = 0.1  # of pseudotime: a shorter part without the lineage is no matter, as weights may rise from 0


def parse_time_range(time_range: object) -> tuple[float | None, float | None]:
    """Parse `None`, a number (the end) or a pair into `(start, end)`; `None` = estimated from the cells.

    >>> parse_time_range(0.8), parse_time_range((0.1, None))
    ((None, 0.8), (0.1, None))
    """
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
        raise ValueError(f"time_range must start before it ends; got start {start:g} and end {end:g}. Swap the two.")
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
    :func:`~lineage_clust.lineage.time.automatic_end.end_of_own_cells`. "argmax" starts at the first cell and smooths
    weights over `max(1, n_points // 20)` cells, as CellRank does, except with weights of 0 and 1, for which this end is
    chance and that of "plateau" is used. Both warn of ends that are in doubt.

    >>> t = np.linspace(0, 1, 101)
    >>> find_time_range(t, np.minimum(1, 2 * t))
    (0.0, 1.0)
    >>> find_time_range(t, np.ones(101), time_range=0.5)
    (0.0, 0.5)
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
