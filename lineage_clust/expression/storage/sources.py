"""Storage backends of expression and the parts in which they are read: HDF5, zarr, dask, or sparse in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np
from scipy import sparse

from ...utils.matrices import as_supported, chunks

_CLOSED = (
    "The file of the expression was closed. Keep it open until the fit has finished; reopen it with "
    'anndata.read_h5ad(path, backed="r").'
)


@dataclass(frozen=True)
class Part:
    """A part of a stored matrix, its position, and the function that reads it, or the dask task that computes it."""

    rows: slice
    columns: slice
    load: Callable[[], object] | None = None
    task: object = None


def is_stored(matrix: object) -> bool:
    """Return whether a matrix is in a file or in dask, and can be read in parts."""
    return _in_sparse_file(matrix) or _root(matrix) in ("h5py", "zarr") or in_dask(matrix)


def in_dask(matrix: object) -> bool:
    """Return whether a matrix is a dask array, without importing dask."""
    return any(kind.__module__.partition(".")[0] == "dask" for kind in type(matrix).__mro__)  # also views by anndata


def is_sparse(matrix: object) -> bool:
    """Return whether a stored matrix is sparse."""
    return _in_sparse_file(matrix) or sparse.issparse(matrix) or sparse.issparse(getattr(matrix, "_meta", None))


def nbytes(matrix: Any) -> int:
    """Return the size in bytes of a matrix, when it is loaded as it is stored."""
    if sparse.issparse(matrix):
        return matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
    if _in_sparse_file(matrix):
        data, indices = matrix.group["data"], matrix.group["indices"]
        return data.shape[0] * (data.dtype.itemsize + indices.dtype.itemsize)
    return int(np.prod(matrix.shape)) * matrix.dtype.itemsize


def parts(matrix: Any, n_values: int) -> Iterator[Part]:
    """Yield the parts of a matrix, stored or CSR or CSC in memory, in order, with at most about `n_values` values each.

    CSR and dense matrices are split along the cells, CSC matrices along the genes, and dask arrays at their chunks.
    """
    if _is_closed(matrix):
        raise ValueError(_CLOSED)
    if sparse.issparse(matrix):
        return _sparse_parts(matrix, matrix.indptr, n_values, lambda *part: partial(_view, matrix, *part))
    if in_dask(matrix):
        return _dask_parts(matrix)
    if _in_sparse_file(matrix):
        data, indices = matrix.group["data"], matrix.group["indices"]
        indptr = np.asarray(matrix.group["indptr"][...], dtype=np.int64)
        return _sparse_parts(
            matrix, indptr, n_values, lambda *part: _Load(data, partial(_from_file, data, indices, *part))
        )
    return _dense_parts(matrix, n_values)


def _sparse_parts(matrix, indptr: np.ndarray, n_values: int, load: Callable) -> Iterator[Part]:
    """Yield the parts of a CSR or CSC matrix; `load(kind, inside, indptr, shape)` returns how one is read."""
    n_cells, n_genes = matrix.shape
    by_rows = matrix.format == "csr"
    kind = sparse.csr_array if by_rows else sparse.csc_array
    for first, last in cuts(indptr, n_values):
        inside, own = slice(int(indptr[first]), int(indptr[last])), indptr[first : last + 1] - indptr[first]
        shape = (last - first, n_genes) if by_rows else (n_cells, last - first)
        lines = slice(first, last)
        rows, columns = (lines, slice(0, n_genes)) if by_rows else (slice(0, n_cells), lines)
        yield Part(rows, columns, load(kind, inside, own, shape))


def _view(matrix, kind: type, inside: slice, indptr: np.ndarray, shape: tuple[int, int]):
    part = kind(shape, dtype=matrix.dtype)
    # assigned, because the constructor would copy them
    part.data, part.indices, part.indptr = matrix.data[inside], matrix.indices[inside], indptr
    return part


def _from_file(data, indices, kind: type, inside: slice, indptr: np.ndarray, shape: tuple[int, int]):
    own = indices[inside].astype(np.int32, copy=False)  # a part has fewer than 2^31 rows and columns
    return kind((as_supported(data[inside]), own, indptr.astype(np.int32)), shape=shape)


def _dense_parts(matrix, n_values: int) -> Iterator[Part]:
    n_cells, n_genes = matrix.shape
    # a chunk of the file that is split would be read and decompressed twice
    tall, wide = getattr(matrix, "chunks", None) or (1, n_genes)
    height = max(n_values // max(n_genes, 1) // tall, 1) * tall
    width = n_genes if height * n_genes <= n_values else max(n_values // height // wide, 1) * wide
    for rows, columns in product(chunks(n_cells, height), list(chunks(n_genes, width))):
        yield Part(rows, columns, _Load(matrix, partial(matrix.__getitem__, (rows, columns))))


def _dask_parts(matrix) -> Iterator[Part]:
    blocks = matrix.to_delayed()
    row_ends, column_ends = (np.cumsum([0, *sizes]).tolist() for sizes in matrix.chunks)
    for i, rows in enumerate(pairwise(row_ends)):
        for j, columns in enumerate(pairwise(column_ends)):
            yield Part(slice(*rows), slice(*columns), task=blocks[i, j])


def cuts(indptr: np.ndarray, n_values: int) -> Iterator[tuple[int, int]]:
    """Yield `(first, last)` of consecutive rows (CSC: columns) with at most about `n_values` values, at least one row."""
    first, n_lines = 0, len(indptr) - 1
    while first < n_lines:
        last = int(np.searchsorted(indptr, indptr[first] + n_values, side="right")) - 1
        last = min(max(last, first + 1), n_lines)
        yield first, last
        first = last


@dataclass(frozen=True)
class _Load:
    """Read a part; raise an informative error if its file was closed."""

    stored: object
    read: Callable[[], object]

    def __call__(self):
        try:
            return self.read()
        except Exception as error:
            if _is_closed(self.stored):
                raise ValueError(_CLOSED) from error
            raise


def _in_sparse_file(matrix: object) -> bool:
    """Return whether a matrix is anndata's sparse dataset in a file, without importing anndata."""
    return _root(matrix) == "anndata" and type(matrix).__name__.endswith(("CSRDataset", "CSCDataset"))


def _is_closed(matrix: object) -> bool:
    stored = getattr(matrix, "group", matrix)  # HDF5 objects are falsy once their file is closed
    return _root(stored) == "h5py" and not stored


def _root(matrix: object) -> str:
    return type(matrix).__module__.partition(".")[0]
