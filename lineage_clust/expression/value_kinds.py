"""The kind of values in an expression matrix, counts, their logs or square roots, or others, from a sample of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..utils.matrices import summed
from .storage.blocks import BlockedExpression

COUNTS, LOG_COUNTS, ROOT_COUNTS, OTHER = "counts", "log counts", "roots of counts", "other"
_BASES = (np.e, 2.0, 10.0)
_LARGEST = 2.0**53  # beyond it every floating point number is an integer
_EXACT = 1000  # counts up to this can be recovered from their logarithm in single precision
_N_VALUES = 2**14
_N_CELLS, _N_GENES = 1000, 1000
_N_IN_PART = 2**19


def are_integers(values: np.ndarray) -> bool:
    """Return whether all values are integers."""
    return bool(np.all(values == np.rint(values)))


def kind_of(values: np.ndarray) -> str:
    """Return the kind of nonzero values: "counts" are positive integers, not all of them 1 (which any indicator is).

    "log counts" are logs of 1 + counts, to base e, 2 or 10, that were not normalised, and "roots of counts" their
    square roots: normalised counts are not integers.
    """
    values = np.asarray(values, dtype=float)
    if len(values) == 0 or values.min() < 0:
        return OTHER
    if are_integers(values):
        return COUNTS if 1 < values.max() < _LARGEST else OTHER
    if log_base(values) is not None:
        return LOG_COUNTS
    return ROOT_COUNTS if _nearly_counts(values[values**2 < _EXACT] ** 2) else OTHER


def log_base(values: np.ndarray) -> float | None:
    """Return the base of the logarithm if values are logs of 1 + counts, else `None`."""
    for base in _BASES:
        small = values[values < np.log(_EXACT) / np.log(base)].astype(float)
        if _nearly_counts(base**small - 1):
            return base
    return None


def _nearly_counts(values: np.ndarray) -> bool:
    return len(values) > 0 and bool(np.all(np.abs(values - np.rint(values)) < 1e-3)) and np.rint(values).max() > 1


def as_counts(block, kind: str):
    """Return a block of counts, or of their logs or roots, as counts."""
    if kind == ROOT_COUNTS:
        return block.multiply(block) if sparse.issparse(block) else np.asarray(block) ** 2
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
    """Return whether the cells of a block `(n_cells, n_genes)` have equal totals after inverting the natural log."""
    with np.errstate(over="ignore"):
        totals = np.asarray(np.expm1(block.astype(float)).sum(axis=1)).ravel()
    totals = totals[(totals > 0) & np.isfinite(totals)]
    return len(totals) > 1 and bool(np.ptp(totals) < 1e-2 * totals.mean())


class Sample:
    """Some values and cells of an expression matrix, in memory or in a file, of which only the first part is read.

    matrix : `(n_obs, n_genes)` array, CSR or CSC matrix, or BlockedExpression.
    values, kind : Some of the finite nonzero values, and what they are, see :func:`kind_of`.
    positive : Fraction of all values that are positive.
    """

    def __init__(self, matrix: Any) -> None:
        self._place: np.ndarray | None = None  # of each cell in the part that is read, -1 for the others
        self._matrix = matrix
        if isinstance(matrix, BlockedExpression) and matrix.in_memory:
            self._matrix = matrix.stored
        elif isinstance(matrix, BlockedExpression):
            cells, self._matrix = matrix.head(_N_IN_PART)
            self._place = np.full(matrix.shape[0], -1)
            self._place[cells] = np.arange(self._matrix.shape[0])
        self.values = self._some_values()
        self.kind = kind_of(self.values)
        self.positive = self._filled() * np.mean(self.values > 0) if len(self.values) else 0.0

    def _filled(self) -> float:
        """Return the fraction of values that are stored, of an array that are not zero."""
        matrix = self._matrix
        if sparse.issparse(matrix):
            return matrix.nnz / max(1, np.prod(matrix.shape, dtype=float))
        return float(np.mean(self._some_rows(matrix) != 0))

    def _some_rows(self, matrix: np.ndarray) -> np.ndarray:
        n_rows = min(len(matrix), max(1, _N_VALUES // max(1, matrix.shape[1])))
        return np.asarray(matrix[evenly_spaced(len(matrix), n_rows)])

    def _some_values(self) -> np.ndarray:
        matrix = self._matrix
        if sparse.issparse(matrix):
            # a new object, because the check sets flags
            matrix = type(matrix)((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
            if (
                not matrix.has_canonical_format
            ):  # it stores values in parts, such as 3 as 1.5 and 1.5: sum those of some rows
                by_rows = matrix.format == "csr"
                some = evenly_spaced(matrix.shape[0 if by_rows else 1], _N_CELLS)
                matrix = summed(matrix[some] if by_rows else matrix[:, some])
            values = matrix.data[:: max(1, len(matrix.data) // _N_VALUES)]
        else:
            values = self._some_rows(matrix).ravel()
        values = _as_numbers(values)
        return values[np.isfinite(values) & (values != 0)]

    def cells(self, cells: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return positions of some of the given cells, and their expression, of a CSC matrix only that of some genes."""
        matrix = self._matrix
        if self._place is not None:
            chosen = np.flatnonzero(self._place[cells] >= 0)
            return chosen, _by_rows(matrix)[self._place[cells[chosen]]]
        if sparse.issparse(matrix) and matrix.format == "csc":
            matrix = matrix[:, evenly_spaced(matrix.shape[1], _N_GENES)].tocsr()
        chosen = evenly_spaced(len(cells), _N_CELLS)
        block = matrix[cells[chosen]]
        return chosen, _by_rows(block) if sparse.issparse(block) else _as_numbers(block)

    def counts(self, cells: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the same as :meth:`cells`; logs and roots of counts as counts."""
        chosen, block = self.cells(cells)
        return chosen, as_counts(block, self.kind)


def evenly_spaced(size: int, number: int) -> np.ndarray:
    """Return up to `number` different, evenly spaced positions below `size`."""
    return np.unique(np.linspace(0, size - 1, min(size, number)).astype(int)) if size else np.zeros(0, dtype=int)


def _as_numbers(values: np.ndarray) -> np.ndarray:
    """Return values of dtype object as floats; an empty array if they are not numbers, which the models report."""
    if values.dtype.kind in "buif":
        return values
    try:
        return values.astype(float)
    except (TypeError, ValueError):
        return np.zeros((0, *values.shape[1:]))


def _by_rows(block):
    """Return a sparse block as CSR without values that are stored in parts; others as they are."""
    return summed(block.tocsr()) if sparse.issparse(block) else block
