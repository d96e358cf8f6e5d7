"""Correlations of all genes with weights of the cells in one pass over the expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse, stats

from ..errors import warn
from .sums.moments import blocks, weighted_products
from .sums.sums import column_moments


def correlator(matrix: Any, weights: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return standardised weights, and a function that correlates such columns with all genes in one pass."""
    ones = np.ones(matrix.shape[0])
    with np.errstate(invalid="ignore", over="ignore"):
        length_of = np.sqrt(column_moments(matrix)[1])
    centred = weights - weights.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    if np.any(length == 0):
        warn(
            "Fate probabilities of a lineage are constant over all cells, so that correlations with them are undefined."
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        standard = centred / length

    def correlate(columns: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            products, _ = weighted_products(columns, matrix, ones)
            return np.clip(np.where(length_of > 0, products / length_of, np.nan), -1.0, 1.0)

    return standard, correlate


def ranks(matrix) -> np.ndarray | sparse.csc_array:
    """Return the ranks of each column minus the rank of its zeros, so that a sparse matrix stays sparse.

    Shifting a column does not change correlations.
    """
    if not sparse.issparse(matrix):
        return np.column_stack([stats.rankdata(block, axis=0) for _, _, block in blocks(matrix)])
    matrix = matrix.tocsc()
    ranks = np.zeros(len(matrix.data))
    for first, last in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        values = matrix.data[first:last].astype(float)
        n_zeros = matrix.shape[0] - np.count_nonzero(values)
        below = int(np.sum(values < 0))
        of_zero = below + (n_zeros + 1) / 2 if n_zeros else 0.0
        own = stats.rankdata(values)
        stored_zeros = int(np.sum(values == 0))
        own = own + np.where(values > 0, n_zeros - stored_zeros, 0)
        ranks[first:last] = np.where(values == 0, 0.0, own - of_zero)
    return sparse.csc_array((ranks, matrix.indices, matrix.indptr), shape=matrix.shape)
