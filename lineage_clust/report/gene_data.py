"""Gene table as JSON, for the script of the page."""

from __future__ import annotations

import json
from base64 import b64encode
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
    returns : str. `columns`: name, heading, meaning, kind ("integer", "number", "truth" or "text"), values, and whether
        it is hidden by default, for each column of `gene_table_`, the gene first, numbers with six significant digits;
        `first`: default order of the genes; `paths`: one SVG path per gene; `scaled`: minimum and maximum scaled value
        of each gene; `curves`: see :func:`lineage_clust.report.curves.curve_data`; `colors`, `sets`: colour and gene
        set name of each cluster; `spots`.
    """
    result = result_of(fitted)
    table = result.gene_table
    columns: list[dict] = [{"name": "gene", "kind": "text", "values": [str(gene) for gene in table.index]}]
    lineages = names_of(fitted)
    columns += [{**column_of(str(name), table[name]), "detail": is_detail(str(name), lineages)} for name in table]
    for one in columns:
        one |= {"word": heading(one["name"], lineages), "help": meaning(one["name"], lineages)}
    prefix = "_".join(lineages)
    data = {
        "columns": columns,
        "first": _leading_first(result),
        "paths": sparklines.paths(result.scaled, result.grid_lineage),
        "boundaries": sparklines.boundaries(result.grid_lineage),
        "size": [sparklines.WIDTH, sparklines.HEIGHT],
        "margin": sparklines.MARGIN,
        "gap": sparklines.GAP,
        "scaled": [[float(f"{value:.4g}") for value in ends] for ends in (result.scaled.min(1), result.scaled.max(1))],
        "curves": curve_data(result, adata),
        "spots": spots or {},
        "sets": [set_name(cluster, prefix, result.cluster_names) for cluster in range(result.n_clusters)],
        "unassignedSet": set_name(-1, prefix),
        "colors": cluster_colors(result.n_clusters),
        "unassigned": UNASSIGNED_COLOR,
    }
    return inside_html(data)


def packed(text: str) -> str:
    """Compress most of the output of `gene_data`, to a third of its size.

    returns : str. JSON with `packed` instead of `paths`, `scaled`, `curves`, `spots` and the `values` of all columns
        except the gene: base64 of JSON compressed by zlib, in which `values` is a list by column.
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
