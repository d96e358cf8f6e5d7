"""Data of the script of a page as JSON: gene table, sparklines, and compactly encoded trends, intervals and binned cells."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import compress

import numpy as np
import pandas as pd

from ..plotting.parts.colors import UNASSIGNED_COLOR, cluster_colors
from ..results.cells import binned_cells
from ..results.result import FitResult
from ..results.tabulating import set_name
from ..trends.trends import names_along
from .columns import Vocabulary
from .facts import names_of

_DIGITS = 6  # of the table
WIDTH, HEIGHT = 192, 48  # units of a sparkline; displayed at half this number of pixels
_MARGIN, _GAP = 3, 8  # margin above and below a sparkline, and gap between lineages
_N_STEPS = 32  # of a sparkline
_N_POINTS, _N_BINS = 48, 24  # of a curve, for all lineages together
_LEAST_POINTS, _LEAST_BINS = 16, 10
_TOP, _NOTHING = 250, 255  # a byte is a level from 0 to 250, or missing
_FEW_DIGITS = 5  # of a curve
_FIRST_LETTER = 40


def gene_data(result: FitResult, adata: Any = None) -> dict[str, Any]:
    """Return :func:`page_data` of a fit, with the cells in bins if they are given."""
    lineages = names_of(result)
    return page_data(
        columns_of(result.gene_table, Vocabulary(lineages)),
        first=_leading_first(result),
        paths=sparklines(result.scaled, result.grid_lineage),
        of=result.grid_lineage,
        scaled=[[float(f"{value:.4g}") for value in ends] for ends in (result.scaled.min(1), result.scaled.max(1))],
        curves=curve_data(result, adata),
        prefix="_".join(lineages),
        names=result.cluster_names,
    )


def page_data(
    columns: list[dict], *, of: np.ndarray, prefix: str, names: Sequence[str], **parts: Any
) -> dict[str, Any]:
    """Return the data of the script of a page.

    of : `(n_points,)` lineage, or condition, of each point of a sparkline.
    prefix, names : Beginning of the names of gene sets, and names of the clusters.
    parts : `first`: default order of the genes; `paths`; `scaled`: minimum and maximum of each gene; `curves`; others as the
        script reads them.
    """
    return {
        "columns": columns,
        "boundaries": boundaries(of),
        "size": [WIDTH, HEIGHT],
        "margin": _MARGIN,
        "gap": _GAP,
        "sets": [set_name(cluster, prefix, names) for cluster in range(len(names))],
        "unassignedSet": set_name(-1, prefix),
        "colors": cluster_colors(len(names)),
        "unassigned": UNASSIGNED_COLOR,
        **parts,
    }


def columns_of(table: pd.DataFrame, said: Vocabulary) -> list[dict]:
    """Return the columns of a table, the gene first, as :func:`column_of` with what is said of them."""
    columns = [column_of("gene", table.index.to_series()), *(column_of(str(name), table[name]) for name in table)]
    return [one | said.described(one["name"]) for one in columns]


def packed(data: dict[str, Any]) -> str:
    """Return data as JSON for HTML, most of it taken out into `packed`: base64 of JSON compressed by zlib."""
    hidden: dict[str, Any] = {name: data.pop(name) for name in ("paths", "scaled", "curves", "spots")}
    hidden["values"] = [None if one["name"] == "gene" else one.pop("values") for one in data["columns"]]
    squeezed = compress(json.dumps(hidden, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode(), 9)
    text = json.dumps({**data, "packed": b64encode(squeezed).decode()}, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _leading_first(result: FitResult) -> list[int]:
    """Return the positions of the genes by cluster, ordered by how well the mean trend of the cluster explains them."""
    leading = np.argsort(-result.importance)
    clusters = result.labels[leading]
    return leading[np.argsort(np.where(clusters < 0, result.n_clusters, clusters), kind="stable")].tolist()


def column_of(name: str, values: pd.Series) -> dict:
    """Return name, kind ("integer", "number", "truth" or "text") and values of a table column."""
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


def curve_data(result: FitResult, adata: Any = None) -> dict[str, Any]:
    """Return the trend and 95 % interval of each gene, and the cells' means in bins if they are given, as :func:`coded`.

    `lineages`: name, pseudotimes of the points, centres of the bins and fraction of the cells in each.
    """
    names = names_along(result.grid_lineage)
    lower, upper = result.interval(0.95)
    n_points = max(_N_POINTS // len(names), _LEAST_POINTS)
    n_bins = max(_N_BINS // len(names), _LEAST_BINS)
    every = [] if adata is None else binned_cells(result, adata, result.genes, n_bins)
    binned = {bins.name or "": bins for bins in every}
    lineages, parts, widths = [], [], []
    for name in names:
        columns = np.flatnonzero(result.grid_lineage == name)
        grid = result.pseudotime[columns]
        times = np.linspace(grid[0], grid[-1], n_points)
        widths.append((sum(part.shape[1] for part in parts), n_points))
        parts += [at_times(times, grid, values[:, columns]) for values in (result.values, lower, upper)]
        one: dict[str, Any] = {"name": str(name), "time": rounded(times)}
        if (bins := binned.get(name)) is not None:
            parts.append(bins.means)
            one["bins"] = rounded((bins.edges[:-1] + bins.edges[1:]) / 2)
            one["cells"] = rounded(bins.weight / max(float(bins.weight.max()), 1e-300), 3)
        lineages.append(one)
    return {"lineages": lineages, **coded(np.hstack(parts), widths)}


def coded(values: np.ndarray, widths: Iterable[tuple[int, int]] = ()) -> dict[str, Any]:
    """Return rows of values as text, with the values of levels 0 and 250: `low`, `high`, `coded`.

    Bounds that follow a curve, of which `widths` has first column and number of points, are stored as distances from it.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    low, high = np.nanmin(values, axis=1, initial=np.inf), np.nanmax(values, axis=1, initial=-np.inf)
    span = np.where(high > low, high - low, 1.0)
    levels = np.rint((values - low[:, None]) / span[:, None] * _TOP)
    found = np.where(np.isnan(levels), _NOTHING, np.clip(np.nan_to_num(levels), 0, _TOP)).astype(int)
    for first, width in widths:
        middle, below, above = (found[:, first + k * width : first + (k + 1) * width] for k in range(3))
        below[:], above[:] = (middle - below) % 256, (above - middle) % 256
    return {"low": rounded(low), "high": rounded(low + span), "coded": [as_text(row) for row in found]}


def as_text(levels: np.ndarray) -> str:
    """Return integers from 0 to 255 as one character each, a common one (compressed to less) if close to the previous one.

    >>> as_text(np.array([1, 2, 3, 2, 3]))
    '***)*'
    """
    steps = (np.diff(levels, prepend=0) + 128) % 256 - 128
    return "".join(map(chr, np.where(steps < 0, -2 * steps - 1, 2 * steps) + _FIRST_LETTER))


def at_times(times: np.ndarray, grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return rows of values linearly interpolated at other times."""
    right = np.clip(np.searchsorted(grid, times), 1, len(grid) - 1)
    share = (times - grid[right - 1]) / (grid[right] - grid[right - 1])
    return values[:, right - 1] * (1 - share) + values[:, right] * share


def rounded(values: np.ndarray, digits: int = _FEW_DIGITS) -> list[float]:
    """Return numbers rounded to a few significant digits."""
    return [float(f"{value:.{digits}g}") for value in values]


def sparklines(values: np.ndarray, grid_lineage: np.ndarray, with_zero: bool = False) -> list[str]:
    """Return one SVG path per trend, stretched to the full height (`with_zero`: inside it), with lineages side by side.

    >>> sparklines(np.array([[0.0, 1.0, 0.0]]), np.array(["", "", ""]))[0][:20]
    'M0 45l6-3 6-2 6-3 6-'
    """
    if len(values) == 0:
        return []
    y = _heights(np.column_stack([values, np.zeros(len(values))]))[:, :-1] if with_zero else _heights(values)
    starts = np.flatnonzero(np.append(True, grid_lineage[1:] != grid_lineage[:-1]))
    ends = [*starts[1:], len(grid_lineage)]
    room = (WIDTH - _GAP * (len(starts) - 1)) / len(starts)
    n_steps = max(2, _N_STEPS // len(starts))
    drawn = [""] * len(values)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        at = np.linspace(start, end - 1, n_steps + 1)
        left = np.floor(at).astype(int)
        right = np.minimum(left + 1, end - 1)
        x = np.rint(number * (room + _GAP) + np.linspace(0, room, n_steps + 1)).astype(int)
        heights = np.rint(y[:, left] + (at - left) * (y[:, right] - y[:, left])).astype(int)
        dx, dy = np.diff(x), np.diff(heights, axis=1)
        for row, steps in enumerate(dy):
            line = "".join(
                f" {across}{up:+d}" if up < 0 else f" {across} {up}" for across, up in zip(dx, steps, strict=True)
            )
            drawn[row] += f"M{x[0]} {heights[row, 0]}l{line[1:]}"
    return drawn


def zeros(values: np.ndarray) -> list[int]:
    """Return the vertical position of zero in each drawing that includes it.

    >>> zeros(np.array([[1.0, 2.0], [-2.0, 2.0]]))
    [45, 24]
    """
    return np.rint(_heights(np.column_stack([values, np.zeros(len(values))]))[:, -1]).astype(int).tolist()


def _heights(values: np.ndarray) -> np.ndarray:
    low, span = values.min(axis=1, keepdims=True), np.ptp(values, axis=1, keepdims=True)
    share = np.where(span > 0, (values - low) / np.where(span > 0, span, 1), 0.5)
    return HEIGHT - _MARGIN - share * (HEIGHT - 2 * _MARGIN)


def boundaries(grid_lineage: np.ndarray) -> list[int]:
    """Return the boundaries between lineages, in units of the drawing."""
    n_lineages = 1 + int(np.sum(grid_lineage[1:] != grid_lineage[:-1]))
    room = (WIDTH - _GAP * (n_lineages - 1)) / n_lineages
    return [round(number * (room + _GAP) - _GAP / 2) for number in range(1, n_lineages)]
