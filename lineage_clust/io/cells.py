"""Reading cells from a file."""

from __future__ import annotations

from pathlib import Path

from anndata import AnnData


def read_cells(path: Path, backed: bool = False) -> AnnData:
    """Return the AnnData of an h5ad file.

    backed : Whether the expression is left in the file.
    raises ValueError : If the file does not exist, or has another format.
    """
    from anndata import read_h5ad

    if not path.exists():
        raise ValueError(f"There is no file {str(path)!r}.")
    if path.is_dir():
        raise ValueError(f"{str(path)!r} is a folder. Name an h5ad file; a zarr store can be converted by anndata.")
    try:
        return read_h5ad(path, backed="r" if backed else None)
    except Exception as error:  # h5py and anndata raise various errors for other formats
        raise ValueError(f"{str(path)!r} cannot be read as h5ad: {' '.join(str(error).split())}") from error
