"""Writing of h5ad files in blocks of cells, so that their expression is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData
from scipy import sparse

_CHUNK = 2**16  # values


@contextmanager
def written_in_blocks(path: Path, tables: AnnData) -> Iterator[Callable[[Any], None]]:
    """Write an h5ad file with the contents of an AnnData without `X`, and provide a function that appends cells to `X`.

    Blocks of cells are arrays, or CSR with sorted columns.
    """
    import h5py
    from anndata.io import write_elem

    tables.strings_to_categoricals()  # as AnnData.write_h5ad does: strings with missing values cannot be written otherwise
    with h5py.File(path, "w") as file:
        write_elem(file, "/", tables)
        for name in ("raw", "X"):
            file.pop(name, None)
        yield _Rows(file, tables.shape).append


class _Rows:
    """The matrix `X` of a file, to which rows are appended; in the format of anndata's files."""

    def __init__(self, file: Any, shape: tuple[int, int]):
        self.file, self.shape, self.n_written = file, shape, 0

    def append(self, block: Any) -> None:
        if self.n_written == 0:
            (self._create_sparse if sparse.issparse(block) else self._create_dense)(block.dtype)
        stored = self.file["X"]
        if sparse.issparse(block):
            start = len(stored["data"])
            values = {"data": block.data, "indices": block.indices, "indptr": block.indptr[1:].astype(np.int64) + start}
            for name, own in values.items():
                size = len(stored[name])
                stored[name].resize((size + len(own),))
                stored[name][size:] = own
        else:
            stored[self.n_written : self.n_written + len(block)] = block
        self.n_written += block.shape[0]

    def _create_sparse(self, dtype: np.dtype) -> None:
        group = self.file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": np.array(self.shape)})
        for name, kind in (("data", dtype), ("indices", np.int32), ("indptr", np.int64)):
            first = np.zeros(int(name == "indptr"), dtype=kind)
            group.create_dataset(name, data=first, maxshape=(None,), chunks=(_CHUNK,))

    def _create_dense(self, dtype: np.dtype) -> None:
        array = self.file.create_dataset("X", self.shape, dtype)
        array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
