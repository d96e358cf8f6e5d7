"""Arrays in an AnnData that cannot be written to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import warn

if TYPE_CHECKING:
    from anndata import AnnData


def warn_of_unwritable(adata: AnnData) -> None:
    """Warn of arrays in obsm that `write_h5ad` does not support, such as a Lineage object of a CellRank session.

    They are instances of an array subclass with column `names`; the warning explains how to keep both.
    """
    for key, values in adata.obsm.items():
        if type(values) is not np.ndarray and isinstance(values, np.ndarray) and not _can_be_written(values):
            names = f", adata.obsm[{key!r}].names" if getattr(values, "names", None) is not None else ""
            warn(
                f"adata.obsm[{key!r}] is a live {type(values).__name__} object, which AnnData files do not support: "
                f"adata.write_h5ad will fail. Replace it before you write the file, for instance by adata.obsm[{key!r}] "
                f"= pd.DataFrame(np.asarray(adata.obsm[{key!r}]), adata.obs_names{names})."
            )


def _can_be_written(values: np.ndarray) -> bool:
    """Try to write one row of an array to a file in memory."""
    import h5py
    from anndata.io import write_elem

    with h5py.File("probe.h5", "w", driver="core", backing_store=False) as file:
        try:
            write_elem(file, "values", values[:1])
        except Exception:  # the error depends on the version of anndata
            return False
    return True
