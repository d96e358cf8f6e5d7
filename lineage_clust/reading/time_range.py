"""Where a lineage starts and ends in pseudotime; arrays only."""

from __future__ import annotations

import warnings
from numbers import Real

import numpy as np
from scipy.ndimage import convolve1d

from ..errors import LineageClustWarning
from ..utils.checking import check_number

ENDPOINTS = ("plateau", "argmax")
_PLATEAU_LEVEL = 0.98
# A range shorter than this share of what the lineage's own cells span is a collapse, not an end.
_COLLAPSED_SHARE = 0.05


def parse_time_range(time_range: object) -> tuple[float | None, float | None]:
    """Return `(start, end)` of the forms that `time_range` can take.

    Parameters
    ----------
    time_range
        `None`, a number (the end), or a pair `(start, end)` of which either may be `None`.

    Returns
    -------
    tuple
        `(start, end)` in units of pseudotime; `None` = to be found from the cells.

    Raises
    ------
    TypeError
        If it is none of these forms.
    ValueError
        If a bound is not finite or the start is not before the end.

    Examples
    --------
    >>> parse_time_range(0.8), parse_time_range((0.1, None))
    ((None, 0.8), (0.1, None))
    """
    if time_range is None:
        return None, None
    if _is_number(time_range):
        bounds: tuple = (None, time_range)
    elif isinstance(time_range, (tuple, list, np.ndarray)) and len(time_range) == 2:
        bounds = tuple(time_range)
    else:
        raise TypeError(
            f"time_range must be None, a number (the end) or a pair (start, end); got {time_range!r}. "
            "Use e.g. time_range=0.8 or time_range=(0.1, None)."
        )
    for bound in bounds:
        if bound is not None and not _is_number(bound):
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
    """Return the start and end of a lineage: what the user set, and the rest from the cells.

    Parameters
    ----------
    pseudotime, weights
        Finite arrays `(n_cells,)`: pseudotime, and how much each cell belongs to the lineage.
    time_range
        As in :func:`parse_time_range`. A bound that is given is never clipped to the cells.
    endpoint
        `"plateau"`: the last time at which the smoothed weight is at least 98 % of its maximum. `"argmax"`: the time
        of its first maximum (CellRank's rule).
    threshold
        Only cells with at least this weight decide on the end; `None` = the median weight.
    n_points
        Number of grid points; the moving average spans `max(1, n_points // 20)` cells.
    lineage
        Name for messages.

    Returns
    -------
    tuple
        `(start, end)` with `start < end`.

    Raises
    ------
    ValueError
        If `endpoint` is unknown, or no cell has a weight of `threshold`, or the range is empty.

    Examples
    --------
    >>> import numpy as np
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
    if start is None:
        start = float(pseudotime.min())
    if not float(pseudotime.max()) - float(pseudotime.min()) < np.inf:
        raise ValueError(
            f"Pseudotime spans [{pseudotime.min():g}, {pseudotime.max():g}], more than floating point holds. Rescale it."
        )
    if end is None:
        end = _automatic_end(pseudotime, weights, start, endpoint, threshold, n_points, lineage)
    if start >= end:
        raise ValueError(
            f"The time range of lineage {lineage!r} is empty: it starts at {start:g} and ends at {end:g}, while its "
            f"cells span [{pseudotime.min():g}, {pseudotime.max():g}]. Set time_range=(start, end)."
        )
    return start, end


def _automatic_end(pseudotime, weights, start, endpoint, threshold, n_points, lineage) -> float:
    if np.ptp(weights) <= 1e-12 * max(1.0, weights.max()):  # constant weights say nothing about an end
        return float(pseudotime.max())
    threshold = float(np.median(weights)) if threshold is None else float(threshold)
    belongs = weights >= threshold
    if not belongs.any():
        raise ValueError(
            f"No cell of lineage {lineage!r} has a weight of at least endpoint_threshold={threshold:g} (the largest is "
            f"{weights.max():g}). Lower endpoint_threshold, or set the end of time_range."
        )
    times, values = pseudotime[belongs], weights[belongs]
    order = np.lexsort((values, times))  # by weight within ties, so that the order of the cells does not matter
    times, values = times[order], values[order]
    window = max(1, int(n_points) // 20)
    smoothed = convolve1d(values, np.full(window, 1 / window), mode="nearest")
    if endpoint == "argmax":
        end = times[np.argmax(smoothed)]
    else:
        end = times[np.flatnonzero(smoothed >= _PLATEAU_LEVEL * smoothed.max())[-1]]
    last = times[-1]
    if last > start and end - start < _COLLAPSED_SHARE * (last - start):
        warnings.warn(
            f"By the rule endpoint={endpoint!r}, lineage {lineage!r} would end at pseudotime {end:.4g}, where its "
            f"weights are largest, but it starts at {start:.4g}. It ends at its last cell with a weight of at least "
            f"{threshold:.3g} instead, at {last:.4g}. Set time_range to choose another end.",
            LineageClustWarning,
            stacklevel=2,
        )
        end = last
    return float(end)


def _is_number(value: object) -> bool:
    return isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))
