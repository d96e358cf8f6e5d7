"""Cells x lineages matrices of weights or pseudotimes, in obsm or as columns of obs, as written by R."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from ...utils.checking import as_numbers
from .cellrank_states import lost_names, state_names
from .source import LineageSource

TIME_MATRIX_KEYS = ("slingshot_pseudotime", "pseudotime")  # cells x lineages in obsm
SLINGSHOT_TIMES = "slingPseudotime"  # slingshot's columns of colData: slingPseudotime_1, slingPseudotime_2, ...
_NUMBERED = re.compile(r"(?:Lineage|curve|V)(\d+)")  # lineage names of slingshot, of its old versions, and of R


def lineage_names(adata: AnnData, key: str) -> list[str]:
    """Return the names of the lineages in `adata.obsm[key]`, in the order of its columns.

    They are taken from the columns of a DataFrame, from the `names` of CellRank's Lineage object, from `uns`
    (`{key}_names`, `{key}_columns`) or from CellRank's terminal states in obs; otherwise they are "0", "1", ...
    """
    values = adata.obsm[key]
    if isinstance(values, pd.DataFrame):
        return [str(name) for name in values.columns]
    n_lineages = 1 if values.ndim == 1 else values.shape[1]
    candidates = [getattr(values, "names", None)]
    in_uns = (f"{key}_names", f"{key}_columns", f"{key}_colnames")
    candidates += [adata.uns[name] for name in in_uns if name in adata.uns]
    for names in candidates:
        if names is not None and len(names) == n_lineages:
            return [str(name) for name in names]
    return state_names(adata, key, n_lineages, partial(matrix_column, adata, key)) or [
        str(index) for index in range(n_lineages)
    ]


def matrix_source(adata: AnnData, key: str) -> LineageSource | None:
    """Return the lineages of a matrix of weights in obsm, or stored as columns of obs; `None` if there is none."""
    if key not in adata.obsm:
        columns = columns_of_matrix(adata, key)
        in_obs = list(columns.values())
        return (
            None
            if not columns
            else LineageSource(
                key, list(columns), lambda index: as_numbers(f"adata.obs[{in_obs[index]!r}]", adata.obs[in_obs[index]])
            )
        )
    names = lineage_names(adata, key)
    numbered = names == [str(index) for index in range(len(names))]
    note = lost_names(adata, key, len(names)) if numbered else ""
    return LineageSource(key, names, partial(matrix_column, adata, key), note)


def matrix_column(adata: AnnData, key: str, column: int) -> np.ndarray:
    """Return one column of `adata.obsm[key]` as a float array `(n_obs,)`."""
    values = adata.obsm[key]
    if isinstance(values, pd.DataFrame):
        chosen = values.iloc[:, column]
        missing_as_nan = pd.api.types.is_numeric_dtype(chosen) and pd.api.types.is_extension_array_dtype(chosen)
        chosen = chosen.to_numpy(dtype=float, na_value=np.nan) if missing_as_nan else chosen.to_numpy()
    elif sparse.issparse(values):
        chosen = values.toarray()[:, column]
    else:
        values = np.asarray(values)
        if values.ndim > 2:
            raise ValueError(f"adata.obsm[{key!r}] must have one or two dimensions; its shape is {values.shape}.")
        chosen = values if values.ndim == 1 else values[:, column]
    return as_numbers(f"adata.obsm[{key!r}], column {column},", chosen)


def columns_of_matrix(adata: AnnData, key: str) -> dict[str, str]:
    """Return the columns of obs that contain the matrix of this key, as {name of the lineage: name of the column}.

    R's `data.frame` (and with it zellkonverter) names the columns of a matrix `cellWeights.Lineage1`; slingshot writes
    its pseudotimes to `slingPseudotime_1`, which belongs to `Lineage1`.

    >>> import anndata
    >>> obs = pd.DataFrame({"slingPseudotime_1": [0.0], "cellWeights.Lineage1": [1.0]}, index=["cell"])
    >>> adata = anndata.AnnData(np.zeros((1, 1)), obs=obs)
    >>> columns_of_matrix(adata, "slingPseudotime"), columns_of_matrix(adata, "cellWeights")
    ({'Lineage1': 'slingPseudotime_1'}, {'Lineage1': 'cellWeights.Lineage1'})
    """
    columns = [column for column in adata.obs.columns if isinstance(column, str)]
    if key == SLINGSHOT_TIMES:
        found = [(re.fullmatch(rf"{key}_(\d+)", column), column) for column in columns]
        return {f"Lineage{match[1]}": column for match, column in found if match}
    return {column[len(key) + 1 :]: column for column in columns if column.startswith(f"{key}.")}


def column_of_lineage(columns: dict[str, str], lineage: str) -> list[str]:
    """Return the columns that may belong to a lineage: the matching one, or all if the lineage is not numbered.

    >>> columns = {"Lineage1": "slingPseudotime_1", "Lineage2": "slingPseudotime_2"}
    >>> column_of_lineage(columns, "curve2"), column_of_lineage(columns, "Lineage3"), len(column_of_lineage(columns, "Ery"))
    (['slingPseudotime_2'], [], 2)
    """
    if lineage in columns:
        return [columns[lineage]]
    number = _NUMBERED.fullmatch(lineage)
    if number is None:
        return list(columns.values())
    numbers = {name: _NUMBERED.fullmatch(name) for name in columns}
    return [columns[name] for name, match in numbers.items() if match and match[1] == number[1]]
