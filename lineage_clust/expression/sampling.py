"""Sample some values or cells of an expression matrix to determine the kind of its values."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .storage.blocks import BlockedExpression

_N_VALUES = 2**14
_N_CELLS, _N_GENES = 1000, 1000
_N_IN_PART = 2**19


def first_part(matrix) -> tuple | None:
    """Return `(cells, block)` of the first part of a matrix in a file or in dask; `None` for a matrix in memory."""
    stored = isinstance(matrix, BlockedExpression) and not matrix.in_memory
    return matrix.head(_N_IN_PART) if stored else None


def some_values(matrix, first: tuple | None = None) -> np.ndarray:
    """Return a sample of the finite nonzero values of a matrix.

    matrix : `(n_obs, n_genes)` array, CSR or CSC matrix, or BlockedExpression.
    first : Output of :func:`first_part`; only its values are sampled.

    >>> some_values(sparse.csr_array(np.diag([1.0, 2.0, np.nan]))).tolist()
    [1.0, 2.0]
    """
    if isinstance(matrix, BlockedExpression):
        matrix = matrix.stored if first is None else first[1]
    if sparse.issparse(matrix):
        # a new object, because the check sets flags
        matrix = type(matrix)((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape)
        if not matrix.has_canonical_format:
            matrix = _summed(matrix)
        values = matrix.data[:: max(1, len(matrix.data) // _N_VALUES)]
    else:
        n_rows = min(len(matrix), max(1, _N_VALUES // max(1, matrix.shape[1])))
        values = np.asarray(matrix[_evenly_spaced(len(matrix), n_rows)]).ravel()
    values = _as_numbers(values)
    return values[np.isfinite(values) & (values != 0)]


def some_cells(matrix, cells: np.ndarray, first: tuple | None = None):
    """Return the expression of a sample of the given cells, evenly spaced if the matrix is in memory.

    matrix : `(n_obs, n_genes)` array, CSR or CSC matrix, or BlockedExpression.
    cells : Positions `(n_cells,)` in the matrix.
    first : Output of :func:`first_part`; only its cells are sampled.
    returns chosen : ndarray. Positions in `cells`.
    returns block : array or CSR matrix of shape (n_chosen, n_some_genes). All genes, or a sample of them if the matrix
        is in CSC format.

    >>> chosen, block = some_cells(np.arange(8.0).reshape(4, 2), np.array([3, 1]))
    >>> chosen.tolist(), block.tolist()
    ([0, 1], [[6.0, 7.0], [2.0, 3.0]])
    """
    if first is not None:
        where, block = first
        place = np.full(matrix.shape[0], -1)
        place[where] = np.arange(block.shape[0])
        chosen = np.flatnonzero(place[cells] >= 0)
        return chosen, _by_rows(block)[place[cells[chosen]]]
    if isinstance(matrix, BlockedExpression):
        matrix = matrix.stored
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
    block = block.tocsr()
    if not block.has_canonical_format:
        block = block.copy()
        block.sum_duplicates()
    return block


def _summed(matrix):
    """Return some rows, or columns, of a CSR or CSC matrix that stores values in parts, such as 3 as 1.5 and 1.5, as sums."""
    axis = 0 if matrix.format == "csr" else 1
    some = _evenly_spaced(matrix.shape[axis], _N_CELLS)
    part = (matrix[some] if axis == 0 else matrix[:, some]).copy()
    part.sum_duplicates()
    return part
