"""The gene table as JSON: what the page's script shows, searches and sorts."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from ..plotting.colors import UNASSIGNED, cluster_colors
from ..results.result import FitResult, Fitted, result_of
from . import sparklines
from .columns import is_detail
from .facts import names_of

_DIGITS = 6


def gene_data(fitted: Fitted | FitResult) -> str:
    """Return the gene table and small drawings of the trends, as JSON that can stand inside HTML.

    Parameters
    ----------
    fitted
        TrendClusterer.

    Returns
    -------
    str
        `columns`: name, kind ("integer", "number", "truth" or "text"), values, and whether it is a detail, of each column
        of `gene_table_`, the gene first, numbers with six significant digits; `paths`: an SVG path a gene; `colors`: one
        a cluster.
    """
    result = result_of(fitted)
    table = result.gene_table
    columns: list[dict] = [{"name": "gene", "kind": "text", "values": [str(gene) for gene in table.index]}]
    lineages = names_of(fitted)
    columns += [{**_column(str(name), table[name]), "detail": is_detail(str(name), lineages)} for name in table]
    data = {
        "columns": columns,
        "paths": sparklines.paths(result.scaled, result.grid_lineage),
        "boundaries": sparklines.boundaries(result.grid_lineage),
        "size": [sparklines.WIDTH, sparklines.HEIGHT],
        "colors": cluster_colors(result.n_clusters),
        "unassigned": UNASSIGNED,
    }
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _column(name: str, values: pd.Series) -> dict:
    listed: list
    if pd.api.types.is_bool_dtype(values):
        kind, listed = "truth", [None if pd.isna(value) else bool(value) for value in values]
    elif pd.api.types.is_integer_dtype(values):
        kind, listed = "integer", [None if pd.isna(value) else int(value) for value in values]
    elif pd.api.types.is_numeric_dtype(values):
        kind, listed = "number", [_number(value) for value in values.to_numpy(dtype=float, na_value=np.nan)]
    else:
        kind, listed = "text", ["" if pd.isna(value) else str(value) for value in values]
    return {"name": name, "kind": kind, "values": listed}


def _number(value: float) -> float | str | None:
    """Return a number in JSON's types, which know no NaN and no infinity."""
    if np.isfinite(value):
        return float(f"{value:.{_DIGITS}g}")
    return None if np.isnan(value) else str(value)
