"""An order of rows that the data alone decides, so that nothing downstream depends on how the rows were listed.

Leiden and Louvain visit vertices in their order, and nearest neighbours at equal distance are ranked by theirs: the
same genes listed differently would end in different clusters. Rows are therefore brought into one order first. So that
the order does not hang on the last bits of a fit, values are rounded before they are compared.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

# 2**-20 is about 1e-6 of the spread of the data. Trends that differ by less are the same: straight lines, for instance,
# which very large but finite smoothing parameters make of genes, and whose differences are nothing but that.
_BITS = 20
# Data whose spread is under 1/128 of their size (nearly constant data) are rounded by their size instead: their own
# spread may be nothing but floating-point noise.
_SMALLEST_RELATIVE_SPREAD = 2.0**-7
# Squares, products of squares and sums of them are taken: within 2**-200 to 2**200 none of them leaves floating point.
_LARGEST_EXPONENT = 200


def extreme_exponent(X):
    """Return the exponent of the power of two that values too small or too large to be squared are divided by.

    Division by a power of two is exact, so that labels are those of the same rows in another unit.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Values in any unit.

    Returns
    -------
    int
        0 if the largest value is of a size between 2**-200 and 2**200.

    Examples
    --------
    >>> import numpy as np
    >>> extreme_exponent(np.array([[1.0, 2.0]])), extreme_exponent(np.array([[1e300, 0.0]]))
    (0, 997)
    """
    exponent = int(np.frexp(np.abs(X).max())[1])
    return exponent if abs(exponent) > _LARGEST_EXPONENT else 0


def rounding_step(X):
    """Return the step to which the values of `X` are rounded: about 1e-6 of their spread.

    The spread is the mean range of the columns. The step is a power of two, hence rounding to it is exact and the same
    for data that differ by noise.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        Values in any unit.

    Returns
    -------
    float
        Step in the unit of `X`; positive.

    Examples
    --------
    >>> import numpy as np
    >>> rounding_step(np.array([[0.0], [1.0]])) == 2.0**-20
    True
    """
    spread = max(np.ptp(X, axis=0).mean(), _SMALLEST_RELATIVE_SPREAD * np.abs(X).max())
    if spread == 0:
        return 1.0
    # Rounding the exponent puts its jumps at sqrt(2) times a power of two, where the spread of min-max scaled or
    # standardised data never lies exactly; flooring it would put one at 1.
    return float(2.0 ** (np.round(np.log2(spread)) - _BITS))


def rounded(X, step):
    """Return `X` rounded to multiples of `step`, without negative zeros."""
    return np.round(X / step) * step + 0.0


def canonical_order(rows, draw=None):
    """Return the order that sorts rows by their first column, then the second, and so on.

    Identical rows may be told apart by a draw: what is drawn for them differs, and decides on clusters.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        Rounded values.
    draw : ndarray of shape (n_rows, n_drawn_columns), default=None
        Rounded values that settle ties.

    Returns
    -------
    ndarray of shape (n_rows,)
        Indices into `rows`; identical rows become adjacent.
    """
    columns = rows if draw is None else np.hstack([rows, draw])
    return np.lexsort(columns.T[::-1])


def first_of(draws):
    """Return the first of several draws, and all of them: what an iterator gave is put before the rest.

    Parameters
    ----------
    draws : iterable of array-like
        Draws.

    Returns
    -------
    first : array-like or None
        `None` if there is none.
    draws : iterable
        An iterator if it was one.
    """
    iterator = iter(draws)
    first = next(iterator, None)
    if first is None or iterator is not draws:
        return first, draws
    return first, chain([first], iterator)


def identical_groups(rows):
    """Return which adjacent rows are identical.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        Rows in canonical order.

    Returns
    -------
    group : ndarray of shape (n_rows,)
        0 for the first run of identical rows, 1 for the second, and so on.
    rank : ndarray of shape (n_rows,)
        Place of each row within its run, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> identical_groups(np.array([[1.0], [1.0], [2.0]]))
    (array([0, 0, 1]), array([0, 1, 0]))
    """
    starts = np.r_[True, (rows[1:] != rows[:-1]).any(axis=1)]
    group = np.cumsum(starts) - 1
    rank = np.arange(len(rows)) - np.flatnonzero(starts)[group]
    return group, rank
