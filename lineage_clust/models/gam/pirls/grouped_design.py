"""Products with a sparse design by small dense blocks of rows that use the same columns.

All cells within one knot interval use the same few B-splines. With cells sorted by interval, `B' W_g B` of many genes
is computed by a few small dense matrix products, tens of times faster than by sparse ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....utils.matrices import dense

_MAX_GROUPS = 256
_MAX_ROWS = 512  # per block, so that its part of the response fits into the processor's cache


@dataclass(frozen=True)
class RowGroup:
    """Rows of the sorted design that use the same columns."""

    rows: slice
    columns: np.ndarray
    values: np.ndarray  # (n_rows, n_used)
    pairs: np.ndarray  # (n_rows, n_used * (n_used + 1) / 2) products of two columns
    one: np.ndarray  # of the two columns of a pair
    other: np.ndarray


class GroupedDesign:
    """A design `(n_nodes, n_columns)`, with many exact zeros if it consists of B-splines, sorted by the columns rows use.

    `order` `(n_nodes,)` is the position of the node in each row; responses must be sorted likewise.
    """

    def __init__(self, matrix: np.ndarray):
        self.shape = matrix.shape
        pattern = np.packbits(matrix != 0, axis=1)
        _, group = np.unique(pattern, axis=0, return_inverse=True)
        group = group.ravel()
        if group.max(initial=0) >= _MAX_GROUPS:
            group = np.zeros(len(matrix), dtype=int)
        self.order = np.argsort(group, kind="stable")
        ends = np.flatnonzero(np.diff(group[self.order], append=-1)) + 1
        self.groups = []
        start = 0
        for end in ends.tolist():
            rows = matrix[self.order[start:end]]
            columns = np.flatnonzero((rows != 0).any(axis=0))
            upper = np.triu_indices(len(columns))
            for first in range(start, end, _MAX_ROWS):
                last = min(first + _MAX_ROWS, end)
                values = np.ascontiguousarray(rows[first - start : last - start][:, columns])
                pairs = values[:, upper[0]] * values[:, upper[1]]
                self.groups.append(
                    RowGroup(slice(first, last), columns, values, pairs, *(columns[pair] for pair in upper))
                )
            start = end

    def predict(self, coefficients: np.ndarray) -> np.ndarray:
        """Return `X @ coefficients`, `(n_nodes, n_genes)`, in the sorted order."""
        result = np.empty((self.shape[0], coefficients.shape[1]))
        for group in self.groups:
            np.matmul(group.values, coefficients[group.columns], out=result[group.rows])
        return result

    def cross(self, response: np.ndarray) -> np.ndarray:
        """Return `X' @ response`, `(n_columns, n_genes)`, for a response in the sorted order."""
        result = np.zeros((self.shape[1], response.shape[1]))
        for group in self.groups:
            result[group.columns] += group.values.T @ response[group.rows]
        return result

    def grams(self, weights: np.ndarray) -> np.ndarray:
        """Return `X' diag(w_g) X` of each gene, `(n_genes, n_columns, n_columns)`, for weights in the sorted order."""
        n_columns = self.shape[1]
        result = np.zeros((n_columns, n_columns, weights.shape[1]))
        for group in self.groups:
            result[group.one, group.other] += group.pairs.T @ weights[group.rows]
        lower = np.tril_indices(n_columns, -1)
        result[lower] = result[lower[::-1]]
        return np.ascontiguousarray(result.transpose(2, 0, 1))


def dense_columns(Y, columns: slice | np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return some columns of Y as float64 `(n_cells, n_columns)`, rows in the given order; Y is CSC or an array."""
    return dense(Y[:, columns])[order].astype(np.float64, copy=False)
