"""The condition of each cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from anndata import AnnData

from ...errors import UnknownNameError, counted, did_you_mean, quoted
from ...utils.checking import MOST_CONDITIONS
from ..columns import names_of_cells


def read_conditions(
    adata: AnnData, condition_key: str, conditions: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Return the number of the condition of each cell, -1 for none of them, and the names of the conditions.

    `condition_key` is a column of obs; `conditions` are those to compare, the reference first, or `None` for all, in
    the order of the categories, or sorted. There must be two to ten.

    >>> import pandas as pd
    >>> adata = AnnData(np.ones((3, 1)), obs=pd.DataFrame({"drug": ["yes", "no", "yes"]}, index=list("abc")))
    >>> codes, names = read_conditions(adata, "drug")
    >>> codes.tolist(), names
    ([1, 0, 1], ['no', 'yes'])
    """
    advice = "each cell's condition; cut a dose or an age into groups (pandas.cut), or pass it as a covariate."
    column = names_of_cells(adata, condition_key, "condition_key", advice)
    labels = column.astype("category").cat.remove_unused_categories()
    known = _names(labels.cat.categories, condition_key)
    if conditions is not None and (isinstance(conditions, (str, bytes)) or not isinstance(conditions, Iterable)):
        kind = "the string " if isinstance(conditions, (str, bytes)) else ""
        raise TypeError(f"conditions must be a list of names, the reference first; got {kind}{conditions!r}.")
    names = list(known) if conditions is None else list(dict.fromkeys(map(_name, conditions)))
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"Condition {name!r} is not in adata.obs[{condition_key!r}], which has {quoted(list(known))}."
                f"{did_you_mean(name, known)}"
            )
    if not 2 <= len(names) <= MOST_CONDITIONS:
        where = f"adata.obs[{condition_key!r}] has" if conditions is None else "conditions names"
        listed = f" ({quoted(names)})" if names else ""
        raise ValueError(
            f"{where} {counted(len(names), 'condition')}{listed}; two to {MOST_CONDITIONS} can be "
            "compared. Name those with conditions=[reference, ...]."
        )
    place = np.full(len(known) + 1, -1)
    for number, name in enumerate(names):
        place[known[name]] = number
    return place[labels.cat.codes.to_numpy()], names


def _name(value: object) -> str:
    """Return the name of a condition: that of a whole number is the same whether NaN made it a float or not."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _names(categories: Iterable, key: str) -> dict[str, int]:
    known: dict[str, int] = {}
    for code, category in enumerate(categories):
        if _name(category) in known:
            raise ValueError(
                f"adata.obs[{key!r}] has different values that are written alike: {_name(category)!r}, such as a "
                f"number and a text. Make them one: adata.obs[{key!r}].astype(str)."
            )
        known[_name(category)] = code
    return known
