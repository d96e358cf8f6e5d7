"""Arrays and sparse matrices treated alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse


def dense(matrix: Any) -> np.ndarray:
    """Return a sparse matrix as an array, and an array as it is."""
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def summed(matrix: Any) -> Any:
    """Return a CSR or CSC matrix in which no value is stored in parts, such as 3 as 1 and 2; copied only if one was.

    >>> summed(sparse.csr_array(([1.0, 2.0], [0, 0], [0, 2]), shape=(1, 1))).data.tolist()
    [3.0]
    """
    if matrix.has_canonical_format:
        return matrix
    matrix = matrix.copy()
    matrix.sum_duplicates()
    return matrix
