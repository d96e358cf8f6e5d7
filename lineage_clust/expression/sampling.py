"""Sample some values or cells of an expression matrix to determine the kind of its values."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..utils.matrices import summed
from .storage.blocks import BlockedExpression

_N_VALUES = 2**14
_N_CELLS, _N_GENES = 1000, 1000
_N_IN_PART = 2**19


class Sample:
    """Some values and cells of an expression matrix, in memory or in a file, of which only the first part is read.

    matrix : `(n_obs, n_genes)` array, CSR or CSC matrix, or BlockedExpression.

    >>> Sample(sparse.csr_array(np.diag([1.0, 2.0, np.nan]))).values().tolist()
    [1.0, 2.0]
    >>> chosen, block = Sample(np.arange(8.0).reshape(4, 2)).cells(np.array([3, 1]))
    >>> chosen.tolist(), block.tolist()
    ([0, 1], [[6.0, 7.0], [2.0, 3.0]])
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

    def values(self) -> np.ndarray:
        """Return some of the finite nonzero values."""
        matrix = self._matrix
        if sparse.issparse(matrix):
            # a new object, because the check sets flags
            matrix = type(matrix)((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
            if not matrix.has_canonical_format:
                matrix = _some_summed(matrix)
            values = matrix.data[:: max(1, len(matrix.data) // _N_VALUES)]
        else:
            n_rows = min(len(matrix), max(1, _N_VALUES // max(1, matrix.shape[1])))
            values = np.asarray(matrix[_evenly_spaced(len(matrix), n_rows)]).ravel()
        values = _as_numbers(values)
        return values[np.isfinite(values) & (values != 0)]

    def cells(self, cells: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the expression of some of the given cells, evenly spaced if the matrix is in memory.

        cells : Positions `(n_cells,)` in the matrix.
        returns chosen : ndarray. Positions in `cells`.
        returns block : array or CSR matrix of shape (n_chosen, n_some_genes). All genes, or a sample of them if the
            matrix is in CSC format.
        """
        matrix = self._matrix
        if self._place is not None:
            chosen = np.flatnonzero(self._place[cells] >= 0)
            return chosen, _by_rows(matrix)[self._place[cells[chosen]]]
        if sparse.issparse(matrix) and matrix.format == "csc":
            matrix = matrix[:, _evenly_spaced(matrix.shape[1], _N_GENES)].tocsr()
        chosen = _evenly_spaced(len(cells), _N_CELLS)
        block = matrix[cells[chosen]]
        return chosen, _by_rows(block) if sparse.issparse(block) else _as_numbers(block)


def _evenly_spaced(size: int, number: int) -> np.ndarray:
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
    if not sparse.issparse(block):
        return block
    return summed(block.tocsr())


def _some_summed(matrix):
    """Return some rows, or columns, of a CSR or CSC matrix that stores values in parts, such as 3 as 1.5 and 1.5, as sums."""
    axis = 0 if matrix.format == "csr" else 1
    some = _evenly_spaced(matrix.shape[axis], _N_CELLS)
    return summed(matrix[some] if axis == 0 else matrix[:, some])
