"""AnnData for modules that do not import anndata: read from a file, or made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData, read_h5ad


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
