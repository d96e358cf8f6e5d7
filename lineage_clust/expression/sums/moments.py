"""Weighted products of expression with few columns, and correlations, in one pass over its blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse, stats

from ...errors import quoted, warn
from ...utils.matrices import chunks
from ..storage.blocks import BlockedExpression
from .bands import make_bands
from .sums import cell_sums, column_moments

_BLOCK_VALUES = 2**21  # values of an array in double precision at a time (16 MB)


def blocks(Y) -> Iterator[tuple[slice, slice, np.ndarray | sparse.spmatrix]]:
    """Yield `(rows, columns, block)` of an array, CSR or CSC matrix, or expression in a file, as float64, one at a time.

    Blocks of arrays are contiguous in memory, others follow the storage; rows and columns may then be arrays of positions.
    """
    if sparse.issparse(Y):
        Y = BlockedExpression(Y)
    if isinstance(Y, BlockedExpression):
        yield from Y.blocks()
        return
    for columns in chunks(Y.shape[1], max(1, _BLOCK_VALUES // max(Y.shape[0], 1))):
        yield slice(0, Y.shape[0]), columns, np.asarray(Y[:, columns], dtype=np.float64)


def weighted_products(
    Z: np.ndarray, Y, weights: np.ndarray, shift: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return `Z' W Y` `(n_columns, n_genes)` and the diagonal of `Y' W Y` `(n_genes,)`, accumulated over blocks of cells.

    `Y` is an array, CSR or CSC matrix, or expression in a file, of which `shift` `(n_genes,)` is subtracted.
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


def correlator(
    matrix: Any, weights: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return standardised weights, and a function that correlates such columns with all genes in one pass."""
    ones = np.ones(matrix.shape[0])
    with np.errstate(invalid="ignore", over="ignore"):
        length_of = np.sqrt(column_moments(matrix)[1])
    centred = weights - weights.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    if np.any(length == 0):
        constant = quoted(name for name, one in zip(names, length, strict=True) if one == 0)
        warn(
            f"The fate probabilities of {constant} are constant over all cells, so that correlations with them are undefined."
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        standard = centred / length

    def correlate(columns: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            products, _ = weighted_products(columns, matrix, ones)
            return np.clip(np.where(length_of > 0, products / length_of, np.nan), -1.0, 1.0)

    return standard, correlate


def ranks(matrix) -> np.ndarray | sparse.csc_array:
    """Return the ranks of each column minus the rank of its zeros, which a sparse matrix need not store."""
    if not sparse.issparse(matrix):
        return np.column_stack([stats.rankdata(block, axis=0) for _, _, block in blocks(matrix)])
    matrix = matrix.tocsc()
    ranks = np.zeros(len(matrix.data))
    for first, last in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        values = matrix.data[first:last].astype(float)
        n_zeros = matrix.shape[0] - np.count_nonzero(values)
        of_zero = np.sum(values < 0) + (n_zeros + 1) / 2 if n_zeros else 0.0
        own = stats.rankdata(values) + np.where(values > 0, n_zeros - np.sum(values == 0), 0)
        ranks[first:last] = np.where(values == 0, 0.0, own - of_zero)
    return sparse.csc_array((ranks, matrix.indices, matrix.indptr), shape=matrix.shape)
