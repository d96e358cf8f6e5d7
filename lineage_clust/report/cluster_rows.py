"""HTML table of clusters."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from ..plotting.parts.captions import captions_of
from ..plotting.parts.colors import cluster_colors
from ..results.result import FitResult
from ..results.tables import MOST, named_in
from .columns import Vocabulary
from .gene_data import HEIGHT, WIDTH, sparklines

_LEFT_OUT = {"half_max_flank", "direction", "direction_share", "relative_amplitude"}


def cluster_table(result: FitResult, lineages: list[str]) -> str:
    """Return the section with the table, or an empty string without clusters."""
    table = result.cluster_table
    if len(table) == 0:
        return ""
    said = Vocabulary(lineages)
    shares = [_shares(row, lineages) for _, row in table.iterrows()]
    if {"half_max", "half_back"} <= set(table):  # a peak that begins above its half is first half-way on the way back
        table = table.assign(half_max=table["half_max"].mask(table["half_back"] < table["half_max"]))
    table = table.assign(words=[caption.words for caption in captions_of(result)])
    bounded = [name for name in table if f"{name}_lower" in table and f"{name}_upper" in table]
    same_name = "name" in table and table["name"].astype(str).tolist() == [str(cluster) for cluster in table.index]
    left_out = _LEFT_OUT | ({"name"} if same_name else set())
    if "specificity" in table:  # redundant with specificity
        left_out |= {"changes_in"}
    details = {name for name in table if said.is_detail(str(name)) and name != "half_back"} | left_out
    empty = {name for name in table if table[name].isna().all() or (table[name] == "").all()}
    leading = ["size", "top_genes", "words"]
    columns = [*leading, *(name for name in table if name not in [*details, *leading, *empty])]
    colors = cluster_colors(result.n_clusters)
    lines = sparklines(result.centers, result.grid_lineage)
    numeric = [name for name in columns if is_numeric_dtype(table[name]) and not is_bool_dtype(table[name])]
    heads = "".join(
        f'<th scope="col" data-column="{escape(name)}" data-help="{escape(said.meaning(name))}"'
        f' class="{"number" if name in numeric else ""}">{escape(said.heading(name))}</th>'
        for name in ["cluster", "trend", *map(str, columns)]
    )
    rows = []
    for position, (cluster, row) in enumerate(table.iterrows()):
        number = int(cluster)
        cells = [
            f'<th scope="row" data-value="{number}"><span class="swatch" style="--c:{colors[number]}"></span>{number}'
            f'<button type="button" class="quiet" data-cluster="{number}" aria-label="Genes of cluster {number}">'
            "genes</button>"
            f"</th><td>{_sparkline(lines[position], colors[number], f'Mean trend of cluster {number}')}</td>"
        ]
        for column in columns:
            bounds = _bounds(row[f"{column}_lower"], row[f"{column}_upper"]) if column in bounded else ""
            bounds = shares[position] if column == "words" else bounds
            text = _text(row[column], 3)
            kind = "number" if column in numeric else "long" if len(text) > 24 else ""
            cells.append(
                f'<td class="{kind}" data-label="{escape(said.heading(str(column)))}" '
                f'data-value="{_text(row[column], 12)}">{text}{bounds}</td>'
            )
        rows.append(f"<tr>{''.join(cells)}</tr>\n")
    return (
        '<section id="cluster-table"><h2>Cluster table</h2><div class="scrolls"><table class="cards" aria-label="Clusters">'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>\n"
    )


def _sparkline(path: str, color: str, label: str) -> str:
    return (
        f'<svg class="line" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}" '
        f'style="--c:{color}"><path d="{path}"/></svg>'
    )


def _text(value: object, digits: int) -> str:
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.{digits}g}"
    return escape(str(value))


def _bounds(lower: float, upper: float) -> str:
    return "" if np.isnan(lower) or np.isnan(upper) else _small(f"{lower:.2g} to {upper:.2g}")


def _shares(row: pd.Series, lineages: list[str]) -> str:
    """Return the shares of the genes that have the direction of the mean trend, where they are less than two thirds."""
    if len(lineages) < 2:
        share = row["direction_share"]
        return f"<br>{_small(f'{100 * share:.0f} % of genes')}" if share < MOST else ""
    changing = named_in(row["changes_in"], lineages) or lineages
    shares = {name: row[f"direction_share_{name}"] for name in changing}
    few = [f"{100 * share:.0f} % in {name}" for name, share in shares.items() if share < MOST]
    return f"<br>{_small(', '.join(few))}" if few else ""


def _small(text: str) -> str:
    """Return a remark that is broken into lines only after commas."""
    return f" <small>{escape(text).replace(' ', '&nbsp;').replace(',&nbsp;', ', ')}</small>"
