"""Cells x lineages matrices of weights or pseudotimes, in obsm or as columns of obs, as written by R."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pandas as pd
from anndata import AnnData

from ...utils.checking import as_numbers
from ...utils.matrices import dense
from ..columns import numbers_in
from .cellrank_states import lost_names, state_names
from .obs_columns import columns_source
from .source import LineageSource

TIME_MATRIX_KEYS = ("slingshot_pseudotime", "pseudotime")  # cells x lineages in obsm
SLINGSHOT_TIMES = "slingPseudotime"  # slingshot's columns of colData: slingPseudotime_1, slingPseudotime_2, ...
_NUMBERED = re.compile(r"(?:Lineage|curve|V)(\d+)")  # lineage names of slingshot, of its old versions, and of R


def matrix_source(adata: AnnData, key: str) -> LineageSource | None:
    """Return the lineages of a matrix in obsm, or stored as columns of obs; `None` if there is none.

    Names of a matrix in obsm are taken from the columns of a DataFrame, from the `names` of CellRank's Lineage object,
    from `uns` (`{key}_names`, `{key}_columns`) or from CellRank's terminal states in obs; otherwise they are "0", "1", ...
    """
    if key in adata.obsm:
        names = _names(adata, key)
        numbered = names == [str(index) for index in range(len(names))]
        note = lost_names(adata, key, len(names)) if numbered else ""
        return LineageSource(key, names, partial(_column, adata, key), note)
    columns = columns_of_matrix(adata, key)
    return columns_source(adata, key, columns) if columns else None


def _names(adata: AnnData, key: str) -> list[str]:
    values = adata.obsm[key]
    if isinstance(values, pd.DataFrame):
        return [str(name) for name in values.columns]
    n_lineages = 1 if values.ndim == 1 else values.shape[1]
    candidates = [getattr(values, "names", None)]
    in_uns = (f"{key}_names", f"{key}_columns", f"{key}_colnames")
    candidates += [adata.uns[name] for name in in_uns if name in adata.uns]
    candidates = [names for names in candidates if names is not None and len(names) == n_lineages]
    names = candidates[0] if candidates else state_names(adata, key, n_lineages, partial(_column, adata, key))
    return [str(name) for name in (range(n_lineages) if names is None else names)]


def _column(adata: AnnData, key: str, column: int) -> np.ndarray:
    """Return one column of `adata.obsm[key]` as a float array `(n_obs,)`."""
    values = adata.obsm[key]
    if not isinstance(values, pd.DataFrame):
        values = dense(values)
        if values.ndim > 2:
            raise ValueError(f"adata.obsm[{key!r}] must have one or two dimensions; its shape is {values.shape}.")
        values = pd.DataFrame(values)
    numbers = numbers_in(values.iloc[:, column], booleans=True)
    return as_numbers(f"adata.obsm[{key!r}], column {column},", values.iloc[:, column]) if numbers is None else numbers


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


def like(lineage: str, names: list[str]) -> list[str]:
    """Return the names that may mean a lineage: the same or the one with its number; all if it has neither.

    >>> like("curve2", ["Lineage1", "Lineage2"]), like("Lineage3", ["Lineage1"]), like("Ery", ["Lineage1", "Lineage2"])
    (['Lineage2'], [], ['Lineage1', 'Lineage2'])
    """
    number = _NUMBERED.fullmatch(lineage)
    if lineage in names or number is None:
        return [lineage] if lineage in names else names
    return [name for name in names if (match := _NUMBERED.fullmatch(name)) and match[1] == number[1]]
