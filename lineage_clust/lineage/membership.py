"""Whether any cell belongs to a lineage at all."""

from __future__ import annotations

from typing import Any

import numpy as np

# What is left of a probability of 0 after rounding: the square root of the precision of floating point.
_ROUNDING = float(np.sqrt(np.finfo(float).eps))


def check_members(
    weights: np.ndarray,
    weight_threshold: Any,
    lineage: object,
    key: object = None,
    time_range: tuple[float, float] | None = None,
) -> None:
    """Raise a ValueError if no cell has a weight that counts as belonging to the lineage.

    A weight below the first number of `weight_threshold` says that a cell does not belong. If that is said of all cells,
    trends would rest on cells that do not belong, whatever weight the second number gives them.

    Parameters
    ----------
    weights
        `(n_cells,)` as stored; NaN counts as no weight.
    weight_threshold
        `(a, b)`, or one number for both.
    lineage, key
        Name of the lineage, and of where its weights are, for the message.
    time_range
        Where in pseudotime these cells are, for the message.

    Examples
    --------
    >>> check_members(np.array([0.0, 1e-20]), (0.01, 0.01), "Ery", "fates")
    Traceback (most recent call last):
    ValueError: No cell belongs to lineage 'Ery': the largest weight is 1e-20, which is no more than rounding. Check 'fates'.
    """
    lowest = float(np.ravel(weight_threshold)[0])
    largest = float(np.max(weights, where=np.isfinite(weights), initial=0.0))
    if largest >= max(lowest, _ROUNDING):
        return
    where = "" if time_range is None else f" in [{time_range[0]:g}, {time_range[1]:g}]"
    source = "the lineage weights" if key is None else repr(key)
    found = f"No cell{where} belongs to lineage {lineage!r}: the largest weight is {largest:g}"
    if largest < _ROUNDING:
        raise ValueError(f"{found}{', which is no more than rounding' if largest else ''}. Check {source}.")
    raise ValueError(
        f"{found}, and weight_threshold says that cells below {lowest:g} do not belong. Check {source}; if its weights "
        "are small by design, lower weight_threshold."
    )
