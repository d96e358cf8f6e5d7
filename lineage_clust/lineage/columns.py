"""Convert columns of a table to numbers or categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ..errors import UnknownNameError, did_you_mean, quoted

_NUMBERS = ("integer", "floating", "mixed-integer-float", "decimal")


def kind_of_values(values: pd.Series) -> str:
    """Return the kind of the values of a column of any dtype, in pandas' words; "categorical" for categories but booleans.

    >>> kind_of_values(pd.Series([1, 2.5, None], dtype=object)), kind_of_values(pd.Series(pd.Categorical([True, None])))
    ('mixed-integer-float', 'boolean')
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        return "boolean" if values.cat.categories.inferred_type == "boolean" else "categorical"
    return pd.api.types.infer_dtype(values, skipna=True)


def numbers_in(values: pd.Series, booleans: bool = False) -> np.ndarray | None:
    """Return a column as floats `(n,)` with missing values as NaN; `None` if it does not contain real numbers.

    Numbers in a column of dtype `object` are accepted, categories are not numbers, and booleans only if asked for.
    """
    kind = kind_of_values(values)
    if kind not in _NUMBERS and not (booleans and kind == "boolean"):
        return None
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=float, na_value=np.nan)
    return np.array([np.nan if missing else float(value) for missing, value in zip(values.isna(), values, strict=True)])


def numbers_or_levels(values: pd.Series) -> pd.Series:
    """Return a column as floats if it contains numbers, else as a categorical with the levels that occur."""
    if pd.api.types.is_complex_dtype(values):
        raise TypeError(f"Column {values.name!r} contains complex numbers. Pass e.g. their absolute values.")
    numbers = numbers_in(values)
    if numbers is not None:
        return pd.Series(numbers, index=values.index, name=values.name)
    return values.astype("category").cat.remove_unused_categories()


def column_of(adata: AnnData, key: str, what: str, advice: str = "") -> pd.Series:
    """Return a column of obs; `what` names the argument in the error if it is not there, and `advice` ends it."""
    if key not in adata.obs:
        raise UnknownNameError(
            f"{what} {key!r} is not in adata.obs, which has {quoted(adata.obs.columns) or 'no column'}."
            f"{did_you_mean(key, adata.obs.columns)}{advice}"
        )
    values = adata.obs[key]
    if isinstance(values, pd.DataFrame):
        raise ValueError(
            f"adata.obs has {values.shape[1]} columns named {key!r}. Keep the first of each name with adata.obs = "
            "adata.obs.loc[:, ~adata.obs.columns.duplicated()]."
        )
    return values


def names_of_cells(adata: AnnData, key: str, what: str, advice: str) -> pd.Series:
    """Return a column of obs that names something of each cell; raise a TypeError if it contains fractions.

    `what` is the argument, and `advice` ends the sentence "`what` must name ...".
    """
    if not isinstance(key, str):
        raise TypeError(f"{what} must be a key of adata.obs; got {key!r}.")
    column = column_of(adata, key, what)
    numbers = numbers_in(column)
    if numbers is not None and np.any(numbers[np.isfinite(numbers)] % 1):
        raise TypeError(f"adata.obs[{key!r}] holds numbers with fractions. {what} must name {advice}")
    return column


def by_name(name: str, values: Any, names: pd.Index, of: str) -> Any:
    """Return a Series in the order of the names of cells or genes (`of`); one numbered by position, and others, unchanged."""
    if not isinstance(values, pd.Series) or isinstance(values.index, pd.RangeIndex) or values.index.equals(names):
        return values
    if not values.index.is_unique or not names.is_unique:
        raise ValueError(f"{name} is a Series, but names of {of} are repeated. Pass its values in the order of adata.")
    missing = names.difference(values.index)
    if len(missing):
        raise UnknownNameError(
            f"{name} is a Series without {len(missing)} of the {len(names)} {of} ({quoted(list(missing), 3)}). Its index "
            f"must be the names of the {of}."
        )
    return values.reindex(names)


def check_levels(values: pd.Series, what: str) -> None:
    """Raise a ValueError if a column, the argument `what`, has over two levels, and more than one per ten cells."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return
    n_levels, n_cells = values.nunique(), int(values.notna().sum())
    if n_levels > 2 and 10 * (n_levels - 1) > n_cells:
        column = f"adata.obs[{values.name!r}]"
        advice = (
            f"Convert dates to days, ({column} - {column}.min()).dt.days, or"
            if pd.api.types.is_datetime64_any_dtype(values.cat.categories)
            else f"If it contains numbers, convert it ({column}.astype(float)); otherwise"
        )
        raise ValueError(
            f"{what} {values.name!r} has {n_levels} levels in {n_cells} cells; that is more than one level per ten "
            f"cells. {advice} merge levels or omit it."
        )
