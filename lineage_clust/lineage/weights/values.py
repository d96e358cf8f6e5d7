"""Check and clip the weights of cells in a lineage; arrays only."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

# Upper bound of a probability that is 0 up to rounding errors: the square root of the machine precision.
_ROUNDING = float(np.sqrt(np.finfo(float).eps))


def clip_weights(weights: np.ndarray, weight_threshold: Any) -> np.ndarray:
    """Set weights below `a` to `b`, for `weight_threshold = (a, b)` or a single number for both."""
    pair = (weight_threshold, weight_threshold) if np.ndim(weight_threshold) == 0 else tuple(weight_threshold)
    if len(pair) != 2 or not all(isinstance(value, Real) and 0 <= value < np.inf for value in pair):
        raise ValueError(
            f"weight_threshold must be a non-negative number or a pair (a, b) of them; got {weight_threshold!r}."
        )
    finite = np.isfinite(weights)
    least = np.min(weights, where=finite, initial=0)
    if least < 0:
        raise ValueError(f"Lineage weights must not be negative; the smallest is {least:g}.")
    below, value = pair
    return np.where(finite & (weights < below), float(value), weights)


def check_members(
    weights: np.ndarray,
    weight_threshold: Any,
    lineage: object,
    key: object = None,
    time_range: tuple[float, float] | None = None,
) -> None:
    """Raise a ValueError if no cell has a sufficient weight `(n_cells,)` in the lineage; NaN counts as 0.

    Cells with a weight below the first number of `weight_threshold` do not belong to the lineage. If this holds for all
    cells, trends would be fitted to cells outside the lineage, with the second number as their weight. `lineage`, `key`
    and `time_range` are for the message.
    """
    lowest = float(np.ravel(weight_threshold)[0])
    largest = float(np.max(weights, where=np.isfinite(weights), initial=0.0))
    if largest >= max(lowest, _ROUNDING):
        return
    where = "" if time_range is None else f" in [{time_range[0]:g}, {time_range[1]:g}]"
    source = "the lineage weights" if key is None else repr(key)
    found = f"No cell{where} belongs to lineage {lineage!r}: the largest weight is {largest:g}"
    if largest < _ROUNDING:
        raise ValueError(f"{found}{', which is 0 up to rounding' if largest else ''}. Check {source}.")
    raise ValueError(
        f"{found}, but weight_threshold excludes cells below {lowest:g}. Check {source}; if its weights "
        "are small by design, lower weight_threshold."
    )
