"""Text as arrays of dtype object, which every release of anndata can write.

pandas 3 has a separate string type, which releases of anndata before 0.12.7 cannot write.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd


def text_index(names: Iterable[object], name: object = None) -> pd.Index:
    """Return an index of names of dtype object."""
    return pd.Index([str(one) for one in names], dtype=object, name=name)


def text_categories(values: pd.Series | pd.Categorical) -> pd.Categorical:
    """Return a categorical with categories of dtype object."""
    found = pd.Categorical(values)
    dtype = pd.CategoricalDtype(text_index(found.categories), ordered=found.ordered)
    return pd.Categorical.from_codes(found.codes, dtype=dtype)


def plain_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with string indices, columns and categories converted to dtype object."""
    table = table.copy(deep=False)
    for name in table.columns:
        column = table[name]
        if isinstance(column.dtype, pd.CategoricalDtype) and pd.api.types.is_string_dtype(column.cat.categories):
            table[name] = text_categories(column.array)
        elif pd.api.types.is_string_dtype(column.dtype):
            table[name] = column.astype(object)
    table.index = text_index(table.index, table.index.name)
    return table
