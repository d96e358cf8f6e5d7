"""Read an offset: the known part of each cell's linear predictor."""

from __future__ import annotations

from typing import Any

import numpy as np
from anndata import AnnData

from ...expression.storage.blocks import BlockedExpression, row_sums
from ...utils.checking import as_vector
from ..columns import by_name, column_of, numbers_in

SIZE_FACTORS = "size_factors"
AUTOMATIC = "auto"  # size factors, where counts are modelled


def read_offset(adata: AnnData, offset: Any, matrix) -> np.ndarray | None:
    """Return the offset of all cells `(n_obs,)`, or `None` if there is none.

    `offset` is `None`, an obs key, an array, or "size_factors": the logs of the sums over all genes of `matrix`.
    """
    if offset is None:
        return None
    if isinstance(offset, str):
        return log_totals(matrix) if offset == SIZE_FACTORS else _from_obs(adata, offset)
    offset = by_name("offset", offset, adata.obs_names, "cells")
    values = as_vector("offset", offset) if np.ndim(offset) == 1 else np.asarray(offset)
    if values.shape != (adata.n_obs,):
        raise ValueError(
            f"offset has shape {values.shape}, but adata has {adata.n_obs} cells. Put it in adata.obs and pass its "
            "key: a column of obs is split together with the cells, e.g. in cross-validation."
        )
    return values


def log_totals(matrix) -> np.ndarray:
    """Return the log of the total over all genes of each cell, `(n_obs,)`; values that are not finite are left out."""
    totals = matrix.cell_totals() if isinstance(matrix, BlockedExpression) else row_sums(matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(totals)


def _from_obs(adata: AnnData, key: str) -> np.ndarray:
    values = column_of(adata, key, "offset", " Pass an obs key, 'size_factors', an array, or None for none.")
    numbers = numbers_in(values, booleans=True)
    if numbers is None:
        raise TypeError(
            f"The offset adata.obs[{key!r}] must be numeric; its dtype is {values.dtype}. Convert it, e.g. with "
            ".astype(float)."
        )
    return numbers
