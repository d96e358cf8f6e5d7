"""The page: sections put together from facts, pictures and tables, and written as one file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd

from .._version import __version__
from ..lineage.lineage import check_anndata
from ..plotting.colors import cluster_colors
from ..results.result import FitResult, Fitted, result_of
from ..utils.atomic import write_whole
from ..utils.progress import bar, progress_bars
from . import facts, sparklines
from .columns import is_detail, meaning
from .gene_data import gene_data
from .pictures import embedded, pictures

_CAUTION = (
    "P-values and intervals treat cells as replicates, not donors or animals: that a trend would look the same in "
    "another donor, they do not tell. Nor do they know that pseudotime was estimated from the same expression."
)
_GENES_NAMED = 20  # of those that failed for one reason


def write_report(fitted: Fitted, path: str | Path, adata: Any = None, title: str | None = None) -> None:
    """Write a report: one HTML file with pictures, tables, parameters and versions.

    It opens in any browser and needs no network: pictures, style and script are inside. The table of genes can be
    searched, sorted and saved as CSV.

    Parameters
    ----------
    path : str or path
        Of the file; an existing one is replaced, once the new one is complete.
    adata : AnnData, default=None
        The cells that were fitted, if the report is to show them too.
    title : str, default=None
        Heading; `None` = by the lineage.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import lineage_clust as lc
    >>> tc = lc.TrendClusterer(random_state=0).fit(lc.datasets.bone_marrow(), lineage="Ery")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tc.report(f"{folder}/ery.html")
    ...     Path(folder, "ery.html").read_text(encoding="utf-8")[:15]
    '<!doctype html>'
    """
    result_of(fitted)
    if adata is not None:
        check_anndata(adata)
    text = render(fitted, adata, title)
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8", newline="\n"))


def render(fitted: Fitted, adata: Any = None, title: str | None = None) -> str:
    """Return the page as text; the same fit gives the same text.

    Parameters
    ----------
    fitted
        TrendClusterer.
    adata
        The cells, or `None`.
    title
        Heading; `None` = by the lineage.
    """
    result = result_of(fitted)
    title = facts.default_title(fitted) if title is None else str(title)
    lineages = facts.names_of(fitted)
    script = _resource("page.js")
    shown = _drawn(fitted, adata)
    clusters, failures = _cluster_table(fitted, lineages), _failures(fitted)
    sections = [
        ("summary", "Summary"),
        *([("cluster-table", "Cluster table")] if clusters else []),
        *((picture.anchor, picture.title) for picture, _ in shown),
        ("genes", "Gene table"),
        *([("failed", "Genes without a trend")] if failures else []),
        ("parameters", "Parameters and versions"),
    ]
    return Template(_resource("page.html")).substitute(
        title=escape(title),
        lead=escape(facts.lead(fitted)),
        version=escape(__version__),
        style=_resource("page.css"),
        script=script,
        script_hash=f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}",
        links="".join(f'<li><a href="#{anchor}">{escape(name)}</a></li>' for anchor, name in sections),
        summary=_definitions(facts.summary(fitted, adata)),
        caution=escape(_CAUTION),
        pictures="".join(_picture(picture, image) for picture, image in shown) or _no_pictures(fitted),
        clusters=clusters,
        meanings=_meanings(["gene", "trend", *map(str, result.gene_table)], lineages),
        failures=failures,
        parameters=_parameters(fitted),
        versions=_table(["package", "version"], [[escape(part) for part in row] for row in facts.versions()]),
        data=gene_data(fitted),
    )


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _drawn(fitted: Fitted | FitResult, adata) -> list[tuple]:
    """Return each picture and its image."""
    result = result_of(fitted)
    with progress_bars(result.fitter.show_progress_bar):
        return [(picture, embedded(picture)) for picture in bar(list(pictures(fitted, adata)), "pictures", "picture")]


def _picture(picture, image: tuple[str, int, int]) -> str:
    uri, width, height = image
    return (
        f'<section id="{picture.anchor}"><h2>{escape(picture.title)}</h2><figure>'
        f'<div class="scroll" role="region" aria-label="{escape(picture.title)}" tabindex="0">'
        f'<img src="{uri}" width="{width}" height="{height}" style="--natural:{width}px" alt="{escape(picture.alt)}"></div>'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure></section>\n"
    )


def _no_pictures(fitted: Fitted | FitResult) -> str:
    result = result_of(fitted)
    advice = "" if result.gate.alpha is None else " Fit with alpha=None to cluster all genes, or choose other genes."
    return f'<section id="panels"><h2>Clusters</h2><p>No gene is in a cluster.{advice}</p></section>\n'


def _definitions(rows: Iterable[tuple[str, str, str]]) -> str:
    return "".join(
        f"<div><dt>{escape(term)}</dt><dd>{escape(value)}{f' <small>{escape(remark)}</small>' if remark else ''}</dd></div>"
        for term, value, remark in rows
    )


def _cluster_table(fitted: Fitted | FitResult, lineages: list[str]) -> str:
    result = result_of(fitted)
    table = result.cluster_table
    if len(table) == 0:
        return ""
    bounded = [name for name in table if f"{name}_lower" in table and f"{name}_upper" in table]
    shown = {"half_max_flank", "half_back", *(f"direction_{name}" for name in lineages)}
    details = {name for name in table if is_detail(str(name), lineages)} - shown
    leading = [name for name in ("size", "top_genes") if name in table]
    columns = [*leading, *(name for name in table if name not in [*details, *leading])]
    colors = cluster_colors(result.n_clusters)
    lines = sparklines.paths(result.centers, result.grid_lineage)
    rows = []
    for position, (cluster, row) in enumerate(table.iterrows()):
        number = int(cluster)
        name = (
            f'<span class="swatch" style="--c:{colors[number]}"></span>{number}'
            f'<button type="button" class="quiet" data-cluster="{number}">genes</button>'
        )
        line = _sparkline(lines[position], colors[number], f"Mean trend of cluster {number}")
        cells = [
            _cell(row[column]) + (_bounds(row[f"{column}_lower"], row[f"{column}_upper"]) if column in bounded else "")
            for column in columns
        ]
        rows.append([name, line, *cells])
    names = ["cluster", "trend", *map(str, columns)]
    heads = [f'<abbr title="{escape(meaning(name, lineages))}">{escape(name)}</abbr>' for name in names]
    body = _table(heads, rows, numeric=[False, False, *(_is_number(table[column]) for column in columns)])
    return (
        '<section id="cluster-table"><h2>Cluster table</h2><div class="scroll" role="region" aria-label="Cluster table" '
        f'tabindex="0">{body}</div></section>\n'
    )


def _sparkline(path: str, color: str, label: str) -> str:
    return (
        f'<svg class="line" viewBox="0 0 {sparklines.WIDTH} {sparklines.HEIGHT}" role="img" aria-label="{escape(label)}" '
        f'style="--c:{color}"><path d="{path}"/></svg>'
    )


def _cell(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.3g}"
    return escape(str(value))


def _bounds(lower: float, upper: float) -> str:
    return "" if np.isnan(lower) or np.isnan(upper) else f" <small>{lower:.2g} to {upper:.2g}</small>"


def _is_number(values: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _meanings(columns: list[str], lineages: list[str]) -> str:
    known = [(name, meaning(name, lineages)) for name in columns]
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in known if text)


def _failures(fitted: Fitted | FitResult) -> str:
    found = facts.failures(fitted)
    if not found:
        return ""
    rows = []
    for reason, genes in found:
        more = len(genes) - _GENES_NAMED
        named = ", ".join(genes[:_GENES_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        rows.append([escape(reason), f"{len(genes):,}", escape(named)])
    body = _table(["reason", "genes", "names"], rows, numeric=[False, True, False])
    return (
        '<section id="failed"><h2>Genes without a trend</h2><div class="scroll" role="region" '
        f'aria-label="Genes without a trend" tabindex="0">{body}</div></section>\n'
    )


def _parameters(fitted: Fitted) -> str:
    tables = []
    for owner, rows in facts.parameters(fitted).items():
        marked = [
            [f"<strong>{escape(name)}</strong>" if changed else escape(name), f"<code>{escape(value)}</code>"]
            for name, value, changed in rows
        ]
        tables.append(f"<div><h3>{escape(owner)}</h3>{_table(['parameter', 'value'], marked)}</div>")
    return "".join(tables)


def _table(heads: list[str], rows: list[list[str]], numeric: list[bool] | None = None) -> str:
    """Return a table of cells that are HTML already."""
    numeric = [False] * len(heads) if numeric is None else numeric
    kinds = [' class="number"' if right else "" for right in numeric]
    head = "".join(f'<th scope="col"{kind}>{name}</th>' for name, kind in zip(heads, kinds, strict=True))
    body = "".join(
        "<tr>"
        + f'<th scope="row"{kinds[0]}>{row[0]}</th>'
        + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True))
        + "</tr>\n"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
