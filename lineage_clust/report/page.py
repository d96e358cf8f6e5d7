"""Assembly of the report from facts, figures and tables, written as one file."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from .._version import __version__
from ..lineage.lineage import check_anndata
from ..results.result import FitResult, Fitted, result_of
from ..utils.atomic import write_whole
from ..utils.progress import bar, progress_bars
from . import facts
from .cluster_rows import cluster_table
from .columns import Vocabulary
from .gene_data import gene_data, packed
from .methods import methods
from .pictures import SIZE, Image, Picture, embedded, pictures

_CELLS = (
    "P-values and intervals treat cells as replicates, not donors or animals. They do not show that a trend would "
    "replicate in another donor, and"
)
_DONORS = "P-values and intervals treat donors as replicates. They"
_CAUTION = "do not account for a pseudotime that was estimated from the same expression."
_TICKS = "tick rows to mark them in the pictures above; click a cluster in a picture to list its genes."
_GENES_NAMED = 20  # per reason of failure


def write_report(fitted: Fitted, path: str | Path, adata: Any = None, title: str | None = None) -> None:
    """Write a report as one HTML file with figures, tables, parameters and versions.

    The file opens in any browser without network access. The table of genes can be searched, filtered, sorted, and
    copied or saved as names, CSV or GMT; a row opens the gene's trend, selected rows are marked in the figures, and
    clicking on a cluster lists its genes. The report contains a methods paragraph for a paper, and warnings about the
    fit and, with `adata`, about the cells.

    Parameters
    ----------
    path : str or path
        Path of the file; an existing one is replaced once the new one is complete.
    adata : AnnData, default=None
        The fitted cells, to show them in the report.
    title : str, default=None
        Heading; `None` = from the lineage.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import lineage_clust as lc
    >>> tc = lc.TrendClusterer(random_state=0).fit(lc.datasets.bone_marrow()[:, :40], lineage="Ery")
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
    """Return the page as reproducible text, see :func:`write_report`."""
    result = result_of(fitted)
    lineages = facts.names_of(result)
    with progress_bars(result.fitter.show_progress_bar):
        shown = drawn(bar(list(pictures(result, adata)), "pictures", "picture"), result.genes)
    paragraph, cited = methods(result)
    return page_of(
        facts.default_title(result) if title is None else str(title),
        shown,
        Vocabulary(lineages),
        gene_data(result, adata),
        lead=facts.lead(result),
        summary=facts.summary(result, adata),
        caution=f"{_CELLS if result.reader.sample_key is None else _DONORS} {_CAUTION}",
        concerns=facts.concerns(result, adata),
        clusters=cluster_table(result, lineages),
        no_pictures=_no_pictures(result),
        table="gene_table_</code> of the fitted clusterer",
        how=f"Open a row to see its trend with the interval{' and the cells' if adata is not None else ''}"
        + (f"; {_TICKS}" if shown else "."),
        methods=paragraph,
        cited=cited,
        failed=result.failed,
        parameters=facts.parameters(fitted),
    )


def page_of(
    title: str, shown: list[tuple[Picture, dict[str, Image]]], vocabulary: Vocabulary, data: dict[str, Any], *, lead: str,
    summary: Iterable[tuple[str, str, str]], concerns: list[str], methods: str, cited: Iterable[str], failed: dict[str, str],
    parameters: dict[str, list[tuple[str, str, bool]]], clusters: str = "", samples: str = "", no_pictures: str = "",
    **parts: str,
) -> str:  # fmt: skip
    """Return a page with links to its sections; `parts` are inserted into the template as they are."""
    script, failures = resource("page.js"), failures_of(failed)
    columns = [one["name"] for one in data["columns"]]
    sections = [
        ("summary", "Summary"),
        *([("cluster-table", "Cluster table")] if clusters else []),
        *((picture.anchor, picture.title) for picture, _ in shown),
        ("genes", "Gene table"),
        *([("samples", "Samples")] if samples else []),
        *([("failed", "Genes without a trend")] if failures else []),
        ("methods", "Methods"),
        ("parameters", "Parameters and versions"),
    ]
    spots = {name: image.spots for _, images in shown for name, image in images.items() if image.spots}
    return Template(resource("page.html")).substitute(
        title=escape(title),
        version=escape(__version__),
        style=resource("page.css"),
        script=script,
        script_hash=f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}",
        links="".join(f'<li><a href="#{anchor}">{escape(name)}</a></li>' for anchor, name in sections),
        lead=escape(lead),
        concerns=_concerns(concerns),
        summary=_definitions(summary),
        clusters=clusters,
        pictures="".join(_picture(picture, images) for picture, images in shown) or no_pictures,
        meanings=_meanings([columns[0], "trend", *columns[1:]], vocabulary),
        failures=samples + failures,
        methods=escape(methods),
        references=_listed(cited),
        parameters=_parameters(parameters),
        versions=table_of(["package", "version"], [[escape(part) for part in row] for row in facts.versions()]),
        data=packed(data | {"spots": spots}),
        **parts,
    )


def resource(name: str) -> str:
    """Return the content of a file of this package."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def drawn(
    pictures: Iterable[Picture], genes: list[str], settle: bool = False
) -> list[tuple[Picture, dict[str, Image]]]:
    """Return each figure with its images by name, for wide screens and, if different, for narrow ones."""
    return [
        (one, {one.anchor + end: embedded(draw, genes, settle) for end, draw in one.draws.items()}) for one in pictures
    ]


def _picture(picture: Picture, images: dict[str, Image]) -> str:
    """Return the section of a figure."""
    blocks = []
    for name, image in images.items():
        kind = " narrow" if name.endswith("-narrow") else " wide-only" if len(images) > 1 else ""
        over = f'<svg class="over" data-picture="{name}" viewBox="0 0 {SIZE} {SIZE}" preserveAspectRatio="none"></svg>'
        over = over if image.spots else ""
        blocks.append(
            f'<div class="picture{kind}" style="--natural:{image.width}px"><img src="{image.uri}" width="{image.width}" '
            f'height="{image.height}" alt="{escape(picture.alt)}">{over}</div>'
        )
    return (
        f'<section id="{picture.anchor}"><h2>{escape(picture.title)}</h2><figure>{"".join(blocks)}'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure></section>\n"
    )


def _concerns(found: list[str]) -> str:
    """Return the section of concerns, or an empty string."""
    if not found:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in found)
    return f'<aside class="warning" id="warnings" aria-label="Warnings"><h2>Look at this first</h2><ul>{items}</ul></aside>\n'


def _no_pictures(result: FitResult) -> str:
    advice = (
        " No trend is significant, or none passes the other thresholds. Check with plot_lineage that pseudotime and weights "
        "belong to these cells. alpha=None clusters all genes, also those that only show noise."
    )
    advice = "" if result.gate.alpha is None else advice
    return f'<section id="panels"><h2>Clusters</h2><p>No gene is in a cluster.{advice}</p></section>\n'


def _definitions(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return a definition list of facts, each with term, value and note."""
    return "".join(
        f"<div><dt>{escape(term)}</dt><dd>{escape(value)}{f' <small>{escape(remark)}</small>' if remark else ''}</dd></div>"
        for term, value, remark in rows
    )


def _meanings(columns: Iterable[str], said: Vocabulary) -> str:
    """Return a definition list of the columns with a meaning."""
    return "".join(
        f"<dt>{escape(said.heading(name))}{f' <code>{escape(name)}</code>' if said.heading(name) != name else ''}</dt>"
        f"<dd>{escape(said.meaning(name))}</dd>"
        for name in columns
        if said.meaning(name)
    )


def _listed(works: Iterable[str]) -> str:
    """Return a numbered list of references, or an empty string."""
    items = "".join(f"<li>{escape(work)}</li>" for work in works)
    return items and f"<ol>{items}</ol>"


def failures_of(failed: dict[str, str]) -> str:
    """Return the section of the genes without a trend by reason, the most frequent first, or an empty string."""
    if not failed:
        return ""
    rows = []
    for reason, _ in Counter(failed.values()).most_common():
        genes = [str(gene) for gene, why in failed.items() if why == reason]
        more = len(genes) - _GENES_NAMED
        named = ", ".join(genes[:_GENES_NAMED]) + (f" and {more:,} more" if more > 0 else "")
        rows.append([escape(reason), f"{len(genes):,}", escape(named)])
    body = table_of(["reason", "genes", "names"], rows, numeric=[False, True, False])
    return f'<section id="failed"><h2>Genes without a trend</h2><div>{body}</div></section>\n'


def _parameters(groups: dict[str, list[tuple[str, str, bool]]]) -> str:
    """Return a table of parameters for each owner, with those in bold that differ from the default."""
    tables = []
    for owner, rows in groups.items():
        marked = [
            [f"<strong>{escape(name)}</strong>" if changed else escape(name), f"<code>{escape(value)}</code>"]
            for name, value, changed in rows
        ]
        tables.append(f"<div><h3>{escape(owner)}</h3>{table_of(['parameter', 'value'], marked)}</div>")
    return "".join(tables)


def table_of(heads: list[str], rows: list[list[str]], numeric: list[bool] | None = None) -> str:
    """Return a table of HTML cells."""
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
