"""Weighted sums over cells for Gaussian fits, in one pass over the blocks of the expression matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from ..storage.blocks import BlockedExpression
from ..storage.sources import cuts
from .bands import make_bands
from .sums import cell_sums

_BLOCK_VALUES = 2**21  # values of Y in double precision at a time (16 MB)


def blocks(Y) -> Iterator[tuple[slice, slice, np.ndarray | sparse.spmatrix]]:
    """Yield `(rows, columns, block)` with the blocks of Y as float64, without copying Y as a whole.

    CSR matrices are split along the rows, CSC matrices and arrays along the columns, so that every block is contiguous
    in memory. Blocks of expression in a file follow its storage layout; rows and columns may then be arrays of
    positions.

    Y : `(n_cells, n_genes)` array, CSR or CSC matrix, or expression in a file.
    """
    if isinstance(Y, BlockedExpression):
        yield from Y.blocks()
        return
    n_cells, n_genes = Y.shape
    if not sparse.issparse(Y):
        step = max(1, _BLOCK_VALUES // max(n_cells, 1))
        for first in range(0, n_genes, step):
            columns = slice(first, min(first + step, n_genes))
            yield slice(0, n_cells), columns, np.asarray(Y[:, columns], dtype=np.float64)
        return
    by_rows = Y.format == "csr"
    kind = sparse.csr_array if by_rows else sparse.csc_array
    for first, last in cuts(Y.indptr, _BLOCK_VALUES):
        inside = slice(Y.indptr[first], Y.indptr[last])
        indptr = Y.indptr[first : last + 1] - Y.indptr[first]
        shape = (last - first, n_genes) if by_rows else (n_cells, last - first)
        block = kind((Y.data[inside].astype(np.float64), Y.indices[inside], indptr), shape=shape)
        if not block.has_canonical_format:  # squares need values that are stored in parts to be summed first
            block = block.copy()
            block.sum_duplicates()
        lines = slice(first, last)
        yield (lines, slice(0, n_genes), block) if by_rows else (slice(0, n_cells), lines, block)


def weighted_products(
    Z: np.ndarray, Y, weights: np.ndarray, shift: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return `Z' W Y` and the diagonal of `Y' W Y`.

    Both are sums over cells and are accumulated over blocks. Sparse Y stays sparse.

    Z : Dense `(n_cells, n_columns)`.
    Y : `(n_cells, n_genes)` array, CSR or CSC matrix, or expression in a file.
    shift : `(n_genes,)` values subtracted from the columns of a dense Y.
    returns products : ndarray of shape (n_columns, n_genes). `Z' W Y`.
    returns squares : ndarray of shape (n_genes,). Diagonal of `Y' W Y`.

    >>> import numpy as np
    >>> from scipy import sparse
    >>> Z, Y, w = np.ones((3, 1)), np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]), np.array([1.0, 0.5, 1.0])
    >>> products, squares = weighted_products(Z, sparse.csr_matrix(Y), w)
    >>> products.tolist(), squares.tolist()
    ([[2.0, 3.0]], [3.0, 9.0])
    """
    if sparse.issparse(Y):
        Y = BlockedExpression(Y)
    if isinstance(Y, BlockedExpression):
        sums = cell_sums(Y, make_bands(Z, Z.shape[1]), weights, enough=0.0, all_cells=False)
        sums = sums.around(np.zeros(Y.shape[1]) if shift is None else shift)
        return sums.products, sums.squares
    weighted = np.ascontiguousarray(Z * weights[:, None])
    products = np.zeros((Y.shape[1], Z.shape[1]))
    squares = np.zeros(Y.shape[1])
    for rows, columns, block in blocks(Y):
        if shift is not None:
            block = block - shift[columns]
        products[columns] += block.T @ weighted[rows]
        squares[columns] += np.einsum("ij,ij,i->j", block, block, weights[rows])
    return products.T, squares


def nonzero_counts(Y, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the number of nonzero values of each column `(n_genes,)`, or the sum of the weights of their cells."""
    own = np.ones(Y.shape[0]) if weights is None else weights
    counts = np.zeros(Y.shape[1])
    for rows, columns, block in blocks(Y):
        if sparse.issparse(block):
            present: Any = block
            present.data = (present.data != 0).astype(np.float64)
            counts[columns] += present.T @ own[rows]
        elif weights is None:
            counts[columns] += (block != 0).sum(axis=0, dtype=np.int32)  # np.count_nonzero takes twice as long
        else:
            counts[columns] += own[rows] @ (block != 0).astype(np.float64)
    return counts.astype(np.int64) if weights is None else counts


def beyond(Y, bound: float) -> np.ndarray:
    """Return which columns `(n_genes,)` have an absolute value of at least `bound`."""
    found = np.zeros(Y.shape[1], dtype=bool)
    for _, columns, block in blocks(Y):
        values = block.data if sparse.issparse(block) else block
        if np.any(values >= bound) or np.any(values <= -bound):  # most blocks have none
            large = abs(block) >= bound
            found[columns] |= np.asarray(large.sum(axis=0)).ravel() > 0
    return found
