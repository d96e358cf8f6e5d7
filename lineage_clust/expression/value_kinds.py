"""The kind of values in an expression matrix: counts, logs of counts, or other values."""

from __future__ import annotations

import numpy as np
from scipy import sparse

COUNTS, LOG_COUNTS, OTHER = "counts", "log counts", "other"
_BASES = (np.e, 2.0, 10.0)
_LARGEST = 2.0**53  # beyond it every floating point number is an integer
_EXACT = 1000  # counts up to this can be recovered from their logarithm in single precision


def are_integers(values: np.ndarray) -> bool:
    """Return whether all values are integers.

    >>> are_integers(np.array([1.0, 2.0])), are_integers(np.array([1.5]))
    (True, False)
    """
    return bool(np.all(values == np.rint(values)))


def kind_of(values: np.ndarray) -> str:
    """Return the kind of nonzero values.

    "counts" are positive integers, not all of them 1 (which any indicator is). "log counts" are logs of 1 + counts, to
    base e, 2 or 10: counts that were not normalised, because normalised counts are not integers.

    >>> kind_of(np.array([1.0, 4.0])), kind_of(np.log1p([1.0, 4.0])), kind_of(np.log1p([0.7, 2.8]))
    ('counts', 'log counts', 'other')
    """
    values = np.asarray(values, dtype=float)
    if len(values) == 0 or values.min() < 0:
        return OTHER
    if are_integers(values):
        return COUNTS if 1 < values.max() < _LARGEST else OTHER
    return OTHER if log_base(values) is None else LOG_COUNTS


def log_base(values: np.ndarray) -> float | None:
    """Return the base of the logarithm if values are logs of 1 + counts, else `None`."""
    for base in _BASES:
        small = values[values < np.log(_EXACT) / np.log(base)].astype(float)
        counts = base**small - 1
        if len(counts) and np.all(np.abs(counts - np.rint(counts)) < 1e-3) and np.rint(counts).max() > 1:
            return base
    return None


def as_counts(block, kind: str):
    """Return a block of counts, or of logs of counts, as counts.

    >>> as_counts(np.log1p([[0.0, 3.0]]), "log counts").round().tolist()
    [[0.0, 3.0]]
    """
    if kind != LOG_COUNTS:
        return block
    values = block.data if sparse.issparse(block) else np.asarray(block)
    base = log_base(values[values > 0]) or np.e
    counts = base ** values.astype(float) - 1
    if not sparse.issparse(block):
        return counts
    block = block.copy()
    block.data = counts
    return block


def is_log_normalised(block) -> bool:
    """Return whether the cells of a block `(n_cells, n_genes)` have equal totals after inverting the natural log.

    >>> counts = np.array([[1.0, 3.0], [4.0, 4.0]])
    >>> is_log_normalised(np.log1p(counts / counts.sum(axis=1, keepdims=True))), is_log_normalised(np.log1p(counts))
    (True, False)
    """
    with np.errstate(over="ignore"):
        totals = np.asarray(np.expm1(block.astype(float)).sum(axis=1)).ravel()
    totals = totals[(totals > 0) & np.isfinite(totals)]
    return len(totals) > 1 and bool(np.ptp(totals) < 1e-2 * totals.mean())
