"""Canonical order of rows, so that results do not depend on the order of the input.

Leiden and Louvain visit vertices in order, and neighbours at equal distance are ranked by row number: the same genes in
another order would give different clusters. Rows are therefore sorted first. Values are rounded before they are
compared, so that the order does not depend on the last bits of a fit.
"""

from __future__ import annotations

import numpy as np

# 2**-20 is about 1e-6 of the range of the data. Trends that differ by less are treated as identical, for instance
# straight lines that result from very large but finite smoothing parameters.
_BITS = 20
# For nearly constant data, whose range is less than 1/128 of their magnitude, the step is derived from the magnitude,
# because the range may be floating-point noise.
_SMALLEST_EXTENT = 2.0**-7
# Within 2**-200 to 2**200, squares, products of squares and sums of these neither overflow nor underflow.
_LARGEST_EXPONENT = 200


def extreme_exponent(X: np.ndarray) -> int:
    """Return the exponent of the power of two by which values are divided if they are too small or large to be squared.

    Division by a power of two is exact, so that labels do not depend on the unit.

    >>> extreme_exponent(np.array([[1.0, 2.0]])), extreme_exponent(np.array([[1e300, 0.0]]))
    (0, 997)
    """
    exponent = int(np.frexp(np.abs(X).max())[1])
    return exponent if abs(exponent) > _LARGEST_EXPONENT else 0


def rounding_step(X: np.ndarray) -> float:
    """Return the step to which values are rounded: a power of two, about 1e-6 of their range, averaged over the columns.

    Rounding to it is exact, and gives the same result for data that differ by noise.
    """
    extent = max(np.ptp(X, axis=0).mean(), _SMALLEST_EXTENT * np.abs(X).max())
    if extent == 0:
        return 1.0
    # Rounding the exponent places its jumps at sqrt(2) times a power of two, where the range of min-max scaled or
    # standardised data never lies exactly; truncation would place a jump at 1.
    return float(2.0 ** (np.round(np.log2(extent)) - _BITS))


def rounded(X: np.ndarray, step: float) -> np.ndarray:
    """Return `X` rounded to multiples of `step`, without negative zeros."""
    return np.round(X / step) * step + 0.0


def canonical_order(rows: np.ndarray) -> np.ndarray:
    """Return the order that sorts rounded rows by their first column, then the second, and so on."""
    return np.lexsort(rows.T[::-1])


def identical_groups(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of the run of identical rows to which each belongs, and its position within the run, from 0.

    >>> identical_groups(np.array([[1.0], [1.0], [2.0]]))
    (array([0, 0, 1]), array([0, 1, 0]))
    """
    starts = np.r_[True, (rows[1:] != rows[:-1]).any(axis=1)]
    group = np.cumsum(starts) - 1
    return group, np.arange(len(rows)) - np.flatnonzero(starts)[group]
