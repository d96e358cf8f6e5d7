"""Find pseudotime under the keys used by common tools."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import UnknownNameError, did_you_mean, quoted
from ...utils.checking import check_key
from ..columns import kind_of_values, numbers_in
from ..weights.matrices import SLINGSHOT_TIMES, TIME_MATRIX_KEYS, columns_of_matrix, like, matrix_source

_log = logging.getLogger(__name__)

# Palantir, scanpy, scVelo, CellRank, slingshot, monocle, scFates
TIME_KEYS = (
    "palantir_pseudotime", "dpt_pseudotime", "latent_time", "velocity_pseudotime", "ct_pseudotime", "slingshot_pseudotime",
    "monocle3_pseudotime", "pseudotime", "Pseudotime", "t",
)  # fmt: skip


def find_pseudotime(adata: AnnData, time_key: str | None, lineage: str | None) -> np.ndarray:
    """Return pseudotime `(n_obs,)` from obs, or from a matrix that has a column for the lineage.

    The matrix is in obsm, or in columns of obs as written by R: `slingPseudotime_1`, `pseudotime.Lineage1`.
    """
    check_key("time_key", time_key)
    key = _only_key(adata, lineage) if time_key is None else time_key
    _log.debug("Pseudotime of lineage %r is read from %r.", lineage, key)
    if key in adata.obs:
        return _from_obs(adata, key)
    source = matrix_source(adata, key)
    if source is None:
        raise UnknownNameError(
            f"time_key {key!r} is neither in adata.obs nor in adata.obsm."
            f"{did_you_mean(key, [*adata.obs.columns, *adata.obsm])}"
        )
    columns = {} if key in adata.obsm else columns_of_matrix(adata, key)
    of_one = source.names if lineage is None and len(source.names) == 1 else [lineage]
    found = like(lineage or "", source.names) if columns else [name for name in source.names if name in of_one]
    if len(found) == 1:
        return _from_obs(adata, columns[found[0]]) if columns else source.column(source.names.index(found[0]))
    in_obs = f" (in adata.obs {quoted(columns.values())})" if columns else ""
    raise UnknownNameError(
        f"{key!r} has no pseudotime for lineage {lineage!r}; its columns are {quoted(source.names)}{in_obs}. Pass one of "
        "them as lineage, or a pseudotime in obs as time_key=..."
    )


def _only_key(adata: AnnData, lineage: str | None) -> str:
    in_obs = [key for key in TIME_KEYS if key in adata.obs]
    present = set(adata.obsm)  # looked up once, because anndata compares the names of all cells each time
    in_obsm = [
        key
        for key in TIME_MATRIX_KEYS
        if key in present and (source := matrix_source(adata, key)) is not None and lineage in source.names
    ]
    matrices = [columns_of_matrix(adata, key) for key in (*TIME_MATRIX_KEYS, SLINGSHOT_TIMES)]
    in_columns = [columns[name] for columns in matrices for name in like(lineage or "", list(columns))]
    found = list(dict.fromkeys([*in_obs, *in_obsm, *in_columns]))
    if not found:
        raise UnknownNameError(
            f"No pseudotime was found: none of {quoted(TIME_KEYS, len(TIME_KEYS))} is in adata.obs. Pass its key as "
            f"time_key=...; {_columns_of_numbers(adata)}."
        )
    if len(found) > 1:
        raise ValueError(f"adata contains several pseudotimes: {quoted(found)}. Choose one with time_key=...")
    return found[0]


def _from_obs(adata: AnnData, key: str) -> np.ndarray:
    values = adata.obs[key]
    numbers = numbers_in(values)
    if numbers is not None:
        return numbers
    if _can_be_numbers(values):
        advice = f"Convert it: adata.obs[{key!r}] = adata.obs[{key!r}].astype(float)."
    else:
        advice = f"It cannot be converted by .astype(float); pass another time_key=...; {_columns_of_numbers(adata)}."
    raise TypeError(f"Pseudotime adata.obs[{key!r}] must be numeric; its dtype is {values.dtype}. {advice}")


def _can_be_numbers(values: pd.Series) -> bool:
    if kind_of_values(values) in ("boolean", "complex"):
        return False
    try:
        values.astype(float)
    except (TypeError, ValueError):
        return False
    return True


def _columns_of_numbers(adata: AnnData) -> str:
    numeric = [key for key in adata.obs if numbers_in(adata.obs[key]) is not None]
    return f"numeric columns of obs: {quoted(numeric) or 'none'}"
