"""Common work of the subcommands: fitting, a summary, and writing all files or none: figure, tables, results, report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..clusterer import TrendClusterer
from ..io.keys import default_key, file_key
from ..io.results import h5ad_bytes
from ..io.spreadsheets import write_csv
from ..plotting.parts.captions import captions_of
from ..report.facts import spans_of
from ..results.gating import left_out
from ..results.result import FitResult, result_of
from ..utils.atomic import Writer, folder_for, naming, replace_all, write_draft
from .messages import say, without_reading
from .processes import each

_N_FAILED_SHOWN = 5


def analyse(clusterers: Sequence[TrendClusterer], adata, folder: Path, report: bool, n_at_once: int = 1) -> str:
    """Fit each clusterer, in several processes at once, write the files of all or none, and return the summaries."""
    with folder_for(folder), TemporaryDirectory(prefix=".", dir=folder) as drafts:
        tasks = [partial(_analyse_one, one, adata, folder, Path(drafts), report) for one in clusterers]
        summaries, files = zip(*each(tasks, n_at_once), strict=True)
        replace_all({path: draft and partial(os.replace, draft) for one in files for path, draft in one.items()})
    return "\n".join(summaries)


def _analyse_one(
    clusterer: TrendClusterer, adata, folder: Path, drafts: Path, report: bool
) -> tuple[str, dict[Path, Path | None]]:
    """Fit, and return the summary and the path of the draft of each file, or `None` for a file to remove."""
    fitted = clusterer.fit(adata)
    files = result_files(fitted, folder, adata if report else None)
    made = {path: writer and drafts / path.name for path, writer in files.items()}
    with without_reading():
        for path, writer in files.items():
            if writer is not None:
                with naming(path):
                    write_draft(drafts / path.name, partial(_announced, path, writer))
    names = ", ".join(path.name for path, draft in made.items() if draft is not None)
    return f"{summary(fitted)}\n  files in {folder}: {names}\n", made


def write_all(files: Mapping[Path, Writer | None], folder: Path) -> list[Path]:
    """Write all files or none to a folder with messages, and return their paths; files without a writer are removed."""
    with without_reading(), folder_for(folder):
        replace_all({path: writer and partial(_announced, path, writer) for path, writer in files.items()})
    return [path for path, writer in files.items() if writer is not None]


def _announced(path: Path, writer: Writer, draft: Path) -> object:
    say(f"Writing {path}.")
    return writer(draft)


def result_files(fitted: TrendClusterer, folder: Path, cells=None) -> dict[Path, Writer | None]:
    """Return the writer of each file by path; `None` for the figure without clusters, and for the report without cells."""
    kinds = (("trends", "png"), ("genes", "csv"), ("clusters", "csv"), ("results", "h5ad"), ("report", "html"))
    picture, genes, clusters, results, page = (
        folder / f"{default_key(fitted.lineage_, prefix, file_key)}.{suffix}" for prefix, suffix in kinds
    )
    return {
        picture: partial(write_png, fitted.plot) if fitted.n_clusters_ else None,
        genes: lambda path: write_csv(fitted.gene_table_, path),
        clusters: lambda path: write_csv(fitted.cluster_table_, path),
        results: lambda path: path.write_bytes(h5ad_bytes(fitted.to_anndata())),
        page: (lambda path: fitted.report(path, cells)) if cells is not None else None,
    }


def write_png(plot: Callable[[], Any], path: Path) -> None:
    """Write the figure or axes returned by a function to a file."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with plt.rc_context({"figure.dpi": 150}):  # the layout measures texts as they are drawn
        drawn = plot()
    figure = getattr(drawn, "figure", drawn)
    try:
        FigureCanvasAgg(figure).print_png(path)  # savefig would draw it twice
    finally:
        plt.close(figure)


def summary(fitted: TrendClusterer) -> str:
    """Summarise the results of a fitted TrendClusterer in a few lines, one per cluster."""
    result, n_clustered = result_of(fitted), int((fitted.labels_ >= 0).sum())
    lines = [
        *_ranges(result),
        f"  genes: {len(fitted.genes_):,} fitted, {n_clustered:,} clustered, {len(fitted.failed_):,} failed",
    ]
    if fitted.alpha is not None:
        replicates = "cells (not donors)" if fitted.sample_key is None else f"donors ({fitted.sample_key})"
        n_flat = int((~(fitted.gene_table_["qvalue"] < fitted.alpha)).sum())
        lines.append(f"  {n_flat:,} not clustered: q >= {fitted.alpha:g}, {replicates} being the replicates")
    gate, table = result.gate, fitted.gene_table_
    if asked := [f"{name.replace('_', ' ')} {value:g}" for name, value in gate.bounds.items()]:
        by_test = replace(gate, min_deviance_explained=None, min_range=None).passes(table)
        n_small = int((by_test & ~gate.large_enough(table)).sum())
        lines.append(f"  {n_small:,} more not clustered: below {' or '.join(asked)}")
    if n_left := int(left_out(result).sum()):
        lines.append(f"  {n_left:,} more not clustered: in clusters that may be false discoveries")
    lines += [f"    {gene}: {reason}" for gene, reason in list(fitted.failed_.items())[:_N_FAILED_SHOWN]]
    if len(fitted.failed_) > _N_FAILED_SHOWN:
        lines.append(f"    and {len(fitted.failed_) - _N_FAILED_SHOWN:,} more")
    if fitted.n_clusters_:
        lines += _clusters(result)
    return "\n".join(lines)


def _ranges(result: FitResult) -> list[str]:
    spans = spans_of(result)
    if not isinstance(result.lineage, list):
        head = "All cells" if result.lineage is None else f"Lineage {result.lineage}"
        return [head, f"  pseudotime {next(iter(spans.values()))}"]
    head = f"Lineages {' and '.join(result.lineage)} together"
    return [head, *(f"  pseudotime of {name} {span}" for name, span in spans.items())]


def _clusters(result: FitResult) -> list[str]:
    table, head = result.cluster_table, "mean trend"
    said = [caption.words for caption in captions_of(result)]
    width = max(map(len, [*said, head]))
    lines = [f"  cluster  genes  peak  {head.ljust(width)}  top genes"]
    for words, (cluster, row) in zip(said, table.iterrows(), strict=True):
        lines.append(f"  {cluster:7d}  {row['size']:5d}  {row['peak']:4.2f}  {words.ljust(width)}  {row['top_genes']}")
    return lines
