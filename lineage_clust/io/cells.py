"""AnnData for modules that do not import anndata: read from a file, made, or written to one in blocks of cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from scipy import sparse


def read_cells(path: Path, backed: bool = False) -> AnnData:
    """Return the AnnData of an h5ad file; if `backed`, its expression is left in the file."""
    if not path.exists():
        raise ValueError(f"There is no file {str(path)!r}.")
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder. Name an h5ad file; a zarr store can be converted by anndata.")
    try:
        return read_h5ad(path, backed="r" if backed else None)
    except Exception as error:  # h5py and anndata raise various errors for other formats
        raise ValueError(f"{str(path)!r} cannot be read as h5ad: {' '.join(str(error).split())}") from error


def make_anndata(
    X: Any,
    obs: pd.DataFrame | None,
    var: pd.DataFrame | None,
    layers: Mapping[str, Any] | None = None,
    uns: Mapping[str, Any] | None = None,
) -> AnnData:
    """Return an AnnData with copies of the given tables."""
    tables = [None if table is None else table.copy() for table in (obs, var)]
    return AnnData(X, obs=tables[0], var=tables[1], layers=layers, uns=None if uns is None else dict(uns))


@contextmanager
def written_in_blocks(path: Path, tables: AnnData) -> Iterator[Callable[[Any], None]]:
    """Write an h5ad file without `X`, and provide a function that appends cells, an array or sorted CSR, to `X`."""
    import h5py
    from anndata.io import sparse_dataset, write_elem

    tables.strings_to_categoricals()  # as AnnData.write_h5ad does: strings with missing values cannot be written otherwise
    with h5py.File(path, "w") as file:
        write_elem(file, "/", tables)
        for name in ("raw", "X"):
            file.pop(name, None)
        n_written = 0

        def append(block: Any) -> None:
            nonlocal n_written
            if sparse.issparse(block) and n_written:
                sparse_dataset(file["X"]).append(block)
            elif sparse.issparse(block):
                write_elem(file, "X", block, dataset_kwargs={"indptr_dtype": np.int64})
            else:
                if not n_written:
                    array = file.create_dataset("X", tables.shape, block.dtype)
                    array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
                file["X"][n_written : n_written + len(block)] = block
            n_written += block.shape[0]

        yield append
