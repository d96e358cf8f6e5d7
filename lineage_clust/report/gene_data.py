"""Gene table as JSON, for the script of the page."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any
from zlib import compress

import numpy as np
import pandas as pd

from ..plotting.parts.colors import UNASSIGNED_COLOR, cluster_colors
from ..results.naming import set_name
from ..results.result import FitResult, Fitted, result_of
from . import sparklines
from .columns import heading, is_detail, meaning
from .curves import curve_data
from .facts import names_of

_DIGITS = 6


def gene_data(fitted: Fitted | FitResult, adata: Any = None, spots: dict[str, Any] | None = None) -> str:
    """Return the gene table and sparklines of the trends as JSON that can be embedded in HTML.

    adata : The cells, to include their mean expression in bins, or `None`.
    spots : Positions of clusters and genes by figure, see :func:`lineage_clust.report.spots.spots`.
    """
    result, lineages = result_of(fitted), names_of(fitted)
    return page_data(
        columns_of(
            result.gene_table,
            word=lambda name: heading(name, lineages),
            help=lambda name: meaning(name, lineages),
            detail=lambda name: is_detail(name, lineages),
        ),
        first=_leading_first(result),
        paths=sparklines.paths(result.scaled, result.grid_lineage),
        of=result.grid_lineage,
        scaled=[[float(f"{value:.4g}") for value in ends] for ends in (result.scaled.min(1), result.scaled.max(1))],
        curves=curve_data(result, adata),
        spots=spots or {},
        prefix="_".join(lineages),
        names=result.cluster_names,
    )


def page_data(columns: list[dict], *, of: np.ndarray, prefix: str, names: Sequence[str], **parts: Any) -> str:
    """Return the data of the script of a page as JSON that can be embedded in HTML.

    columns : As returned by :func:`columns_of`.
    of : `(n_points,)` lineage, or condition, of each point of a sparkline.
    prefix, names : Beginning of the names of gene sets, and names of the clusters.
    parts : `first`: default order of the genes; `paths`: one SVG path per gene; `scaled`: minimum and maximum scaled value
        of each gene; `curves`: see :func:`lineage_clust.report.curves.curve_data`; `spots`; others as the script reads
        them.
    """
    data = {
        "columns": columns,
        "boundaries": sparklines.boundaries(of),
        "size": [sparklines.WIDTH, sparklines.HEIGHT],
        "margin": sparklines.MARGIN,
        "gap": sparklines.GAP,
        "sets": [set_name(cluster, prefix, names) for cluster in range(len(names))],
        "unassignedSet": set_name(-1, prefix),
        "colors": cluster_colors(len(names)),
        "unassigned": UNASSIGNED_COLOR,
    }
    return inside_html(data | parts)


def columns_of(table: pd.DataFrame, **described: Callable[[str], Any]) -> list[dict]:
    """Return the columns of a table, the gene first, each with what functions of its name say about it.

    Each has a name, a kind ("integer", "number", "truth" or "text") and values, numbers with six significant digits.
    """
    columns: list[dict[str, Any]] = [{"name": "gene", "kind": "text", "values": [str(gene) for gene in table.index]}]
    columns += [column_of(str(name), table[name]) for name in table]
    return [one | {key: say(one["name"]) for key, say in described.items()} for one in columns]


def packed(text: str) -> str:
    """Compress most of the output of `page_data`, to a third of its size.

    `packed` replaces `paths`, `scaled`, `curves`, `spots` and the `values` of all columns except the gene: base64 of JSON
    compressed by zlib, in which `values` is a list by column.
    """
    data = json.loads(text)
    hidden: dict[str, Any] = {name: data.pop(name) for name in ("paths", "scaled", "curves", "spots")}
    hidden["values"] = [None if one["name"] == "gene" else one.pop("values") for one in data["columns"]]
    squeezed = compress(json.dumps(hidden, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode(), 9)
    return inside_html({**data, "packed": b64encode(squeezed).decode()})


def inside_html(data: dict) -> str:
    """Return JSON that can be embedded in HTML."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _leading_first(result: FitResult) -> list[int]:
    """Return the positions of the genes by cluster, ordered by how well the mean trend of the cluster explains them."""
    leading = np.argsort(-result.importance)
    clusters = result.labels[leading]
    return leading[np.argsort(np.where(clusters < 0, result.n_clusters, clusters), kind="stable")].tolist()


def column_of(name: str, values: pd.Series) -> dict:
    """Return name, kind and values of a table column."""
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
    """Return a number as JSON type; JSON has no NaN and no infinity."""
    if np.isfinite(value):
        return float(f"{value:.{_DIGITS}g}")
    return None if np.isnan(value) else str(value)
