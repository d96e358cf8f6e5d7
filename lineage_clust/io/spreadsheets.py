"""CSV files that are safe to open in spreadsheets: text that looks like a formula is escaped."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_text(value: object) -> object:
    """Return a text with a leading apostrophe if a spreadsheet would interpret it as a formula; else the value.

    Spreadsheets evaluate cells that begin with `=`, `+`, `-` or `@`, and a formula can call programs and send data. The
    apostrophe follows the advice of OWASP ("CSV Injection"). Numbers are not changed.

    >>> as_text("=cmd|' /C calc'!A0"), as_text("-1"), as_text(-1), as_text("Klf1")
    ("'=cmd|' /C calc'!A0", "'-1", -1, 'Klf1')
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULAS) else value


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, with its text, index and column names escaped by :func:`as_text`."""
    table = table.copy(deep=False)
    for place, dtype in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype):
            table.isetitem(place, table.iloc[:, place].astype(object).map(as_text, na_action="ignore"))
    table.index = table.index.map(as_text)
    table.columns = table.columns.map(as_text)
    table.to_csv(path)
