"""Arrays and sparse matrices treated alike, and their division into chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse


def chunks(number: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` rows, the last of which may be shorter; none of 0 rows, in contrast to `gen_batches`.

    >>> list(chunks(5, 3)), list(chunks(0, 3))
    ([slice(0, 3, None), slice(3, 5, None)], [])
    """
    return (slice(first, min(first + size, number)) for first in range(0, number, size))


def dense(matrix: Any) -> np.ndarray:
    """Return a sparse matrix as an array, and an array as it is."""
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def as_supported(values: np.ndarray) -> np.ndarray:
    """Return values in a data type that sparse matrices support: half precision as single, other byte orders as native.

    >>> as_supported(np.zeros(1, np.float16)).dtype, as_supported(np.zeros(1, ">i4")).dtype.isnative
    (dtype('float32'), True)
    """
    kind = np.dtype(np.float32) if values.dtype == np.float16 else values.dtype.newbyteorder("=")
    return values.astype(kind, copy=False)


def column_of(matrix: Any, number: int) -> np.ndarray:
    """Return one column of an array or a sparse matrix as floats `(n_rows,)`."""
    if sparse.issparse(matrix):
        return matrix[:, [number]].toarray().ravel().astype(float)
    return np.asarray(matrix[:, number], dtype=float)


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
