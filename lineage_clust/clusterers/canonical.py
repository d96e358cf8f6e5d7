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


def extreme_exponent(X):
    """Return the exponent of the power of two by which values are divided if they are too small or large to be squared.

    Division by a power of two is exact, so that labels do not depend on the unit.

    X : ndarray of shape (n_rows, n_columns). Values in any unit.
    returns : int. 0 if the largest absolute value is between 2**-200 and 2**200.

    >>> import numpy as np
    >>> extreme_exponent(np.array([[1.0, 2.0]])), extreme_exponent(np.array([[1e300, 0.0]]))
    (0, 997)
    """
    exponent = int(np.frexp(np.abs(X).max())[1])
    return exponent if abs(exponent) > _LARGEST_EXPONENT else 0


def rounding_step(X):
    """Return the step to which the values of `X` are rounded: about 1e-6 of their range.

    The range is averaged over the columns. The step is a power of two, so that rounding is exact and gives the same
    result for data that differ by noise.

    X : ndarray of shape (n_rows, n_columns). Values in any unit.
    returns : float. Step in the unit of `X`; positive.

    >>> import numpy as np
    >>> rounding_step(np.array([[0.0], [1.0]])) == 2.0**-20
    True
    """
    extent = max(np.ptp(X, axis=0).mean(), _SMALLEST_EXTENT * np.abs(X).max())
    if extent == 0:
        return 1.0
    # Rounding the exponent places its jumps at sqrt(2) times a power of two, where the range of min-max scaled or
    # standardised data never lies exactly; truncation would place a jump at 1.
    return float(2.0 ** (np.round(np.log2(extent)) - _BITS))


def rounded(X, step):
    """Return `X` rounded to multiples of `step`, without negative zeros."""
    return np.round(X / step) * step + 0.0


def canonical_order(rows):
    """Return the order that sorts rows by their first column, then the second, and so on.

    rows : ndarray of shape (n_rows, n_columns). Rounded values.
    returns : ndarray of shape (n_rows,). Indices into `rows`; identical rows become adjacent.
    """
    return np.lexsort(rows.T[::-1])


def identical_groups(rows):
    """Group adjacent identical rows.

    rows : ndarray of shape (n_rows, n_columns). Rows in canonical order.
    returns group : ndarray of shape (n_rows,). 0 for the first run of identical rows, 1 for the second, and so on.
    returns rank : ndarray of shape (n_rows,). Position of each row within its run, from 0.

    >>> import numpy as np
    >>> identical_groups(np.array([[1.0], [1.0], [2.0]]))
    (array([0, 0, 1]), array([0, 1, 0]))
    """
    starts = np.r_[True, (rows[1:] != rows[:-1]).any(axis=1)]
    group = np.cumsum(starts) - 1
    rank = np.arange(len(rows)) - np.flatnonzero(starts)[group]
    return group, rank
