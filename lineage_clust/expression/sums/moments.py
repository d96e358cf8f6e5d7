"""Weighted sums over cells for Gaussian fits, in one pass over the blocks of the expression matrix."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from ..storage.blocks import BlockedExpression
from .bands import make_bands
from .sums import cell_sums

_BLOCK_VALUES = 2**21  # values of an array in double precision at a time (16 MB)


def blocks(Y) -> Iterator[tuple[slice, slice, np.ndarray | sparse.spmatrix]]:
    """Yield `(rows, columns, block)` with the blocks of Y as float64, without copying Y as a whole.

    Blocks of arrays are contiguous in memory, others follow the storage; rows and columns may then be arrays of positions.

    Y : `(n_cells, n_genes)` array, CSR or CSC matrix, or expression in a file.
    """
    if sparse.issparse(Y):
        Y = BlockedExpression(Y)
    if isinstance(Y, BlockedExpression):
        yield from Y.blocks()
        return
    n_cells, n_genes = Y.shape
    step = max(1, _BLOCK_VALUES // max(n_cells, 1))
    for first in range(0, n_genes, step):
        columns = slice(first, min(first + step, n_genes))
        yield slice(0, n_cells), columns, np.asarray(Y[:, columns], dtype=np.float64)


def weighted_products(
    Z: np.ndarray, Y, weights: np.ndarray, shift: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return `Z' W Y` `(n_columns, n_genes)` and the diagonal of `Y' W Y` `(n_genes,)`, accumulated over blocks of cells.

    Z : Dense `(n_cells, n_columns)`.
    Y : `(n_cells, n_genes)` array, CSR or CSC matrix, or expression in a file.
    shift : `(n_genes,)` values subtracted from the columns of Y.

    >>> Z, Y, w = np.ones((3, 1)), np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]), np.array([1.0, 0.5, 1.0])
    >>> products, squares = weighted_products(Z, sparse.csr_matrix(Y), w)
    >>> products.tolist(), squares.tolist()
    ([[2.0, 3.0]], [3.0, 9.0])
    """
    if sparse.issparse(Y):
        Y = BlockedExpression(Y)
    if isinstance(Y, BlockedExpression):
        sums = cell_sums(Y, make_bands(Z, Z.shape[1]), weights, all_cells=False)
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
