"""Mean expression in bins of pseudotime."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .sums.moments import weighted_products


def binned_means(
    pseudotime: np.ndarray, weights: np.ndarray, Y, edges: np.ndarray, exposure: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean of each gene in bins of pseudotime, and the weight of the cells in each bin.

    pseudotime, weights : `(n_cells,)`.
    Y : `(n_cells, n_genes)` array, CSR or CSC matrix, or expression in a file.
    edges : `(n_bins + 1,)` increasing; the last bin holds its right edge.
    exposure : `(n_cells,)` divisor of the expression, such as `exp(offset)` for counts: the mean is `sum(w y) /
        sum(w exposure)`.
    returns means : ndarray of shape (n_bins, n_genes). NaN in a bin without cells.
    returns weight : ndarray of shape (n_bins,). Total weight of the cells in each bin.

    >>> time, Y = np.array([0.0, 0.4, 1.0]), np.array([[1.0], [3.0], [5.0]])
    >>> binned_means(time, np.ones(3), Y, np.array([0.0, 0.5, 1.0]))[0].tolist()
    [[2.0], [5.0]]
    """
    inside = np.column_stack([(pseudotime >= low) & (pseudotime < high) for low, high in pairwise(edges)]).astype(float)
    inside[pseudotime == edges[-1], -1] = 1.0
    sums, _ = weighted_products(inside, Y, weights)
    weight = weights @ inside
    size = weight if exposure is None else (weights * exposure) @ inside
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(size[:, None] > 0, sums / size[:, None], np.nan), weight
