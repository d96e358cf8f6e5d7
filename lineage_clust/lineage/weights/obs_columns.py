"""Lineages in columns of obs: weights, boolean membership, or the name of each cell's branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from ..columns import column_of, kind_of_values, numbers_in
from .source import LineageSource

_LABELS = ("string", "categorical")


def column_source(adata: AnnData, key: str, lineage: str | None = None) -> LineageSource:
    """Return the lineages of one column of obs: one lineage per branch, or a single lineage with these weights.

    The single lineage may have any name; `None` names it after the column. Integers and booleans are names of branches
    if the lineage is one of them.
    """
    values = adata.obs[key]
    kind = kind_of_values(values)
    if kind in _LABELS or (lineage is not None and _is_named(values, lineage)):
        return label_source(adata, key)
    if kind == "integer" and not values.dropna().isin([0, 1]).all():
        raise ValueError(
            f"adata.obs[{key!r}] contains integers, which may be names of branches or weights. Convert it with "
            f"adata.obs[{key!r}] = adata.obs[{key!r}].astype('category'), or .astype(float)."
        )
    return LineageSource(key, [str(key) if lineage is None else lineage], lambda _: _weights(adata, key))


def is_one_lineage(adata: AnnData, key: str, lineages: Sequence) -> bool:
    """Return whether a column of obs contains the weights of a single lineage, so that several names would share it."""
    if key in adata.obsm or key not in adata.obs:
        return False
    values = adata.obs[key]
    are_weights = numbers_in(values, booleans=True) is not None
    return are_weights and not all(_is_named(values, str(lineage)) for lineage in lineages)


def _is_named(values: pd.Series, lineage: str) -> bool:
    """Return whether a lineage is one of the values of an integer or boolean column."""
    return kind_of_values(values) in ("integer", "boolean") and lineage in set(values.dropna().astype(str))


def label_source(adata: AnnData, key: str) -> LineageSource:
    """Return one lineage per branch named in a column, with weight 1 for its cells and 0 for all others."""
    labels = adata.obs[key].astype("category").cat.remove_unused_categories()
    codes = labels.cat.codes.to_numpy()
    return LineageSource(key, [str(name) for name in labels.cat.categories], lambda code: (codes == code).astype(float))


def columns_source(adata: AnnData, key: object, columns: Mapping[str, str]) -> LineageSource:
    """Return one lineage per column of obs; the columns are given by the names of the lineages."""
    in_obs = list(columns.values())
    for column in in_obs:
        column_of(adata, column, "lineage_key")
    return LineageSource(key, list(columns), lambda index: _weights(adata, in_obs[index]))


def _weights(adata: AnnData, key: str) -> np.ndarray:
    values = adata.obs[key]
    numbers = numbers_in(values, booleans=True)
    if numbers is None:
        several = " Pass one such column as lineage_key, not a list." if kind_of_values(values) in _LABELS else ""
        raise TypeError(
            f"Lineage weights adata.obs[{key!r}] must be numbers or booleans, or a single column with the names of "
            f"branches; the dtype is {values.dtype}.{several}"
        )
    return numbers
