"""Summary of the results of a fit in a few lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..report.facts import spans_of
from ..results.chance import left_out
from ..results.gating import Gate
from ..results.result import result_of

if TYPE_CHECKING:
    from ..clusterer import TrendClusterer

_N_FAILED_SHOWN = 5


def summary(fitted: TrendClusterer) -> str:
    """Summarise the results of a fitted TrendClusterer in a few lines, one per cluster."""
    n_clustered = int((fitted.labels_ >= 0).sum())
    lines = [
        *_ranges(fitted),
        f"  genes: {len(fitted.genes_):,} fitted, {n_clustered:,} clustered, {len(fitted.failed_):,} failed",
    ]
    if fitted.alpha is not None:
        n_flat = int((~(fitted.gene_table_["qvalue"] < fitted.alpha)).sum())
        lines.append(f"  {n_flat:,} not clustered: q >= {fitted.alpha:g}, {_replicates(fitted)} being the replicates")
    gate, table = result_of(fitted).gate, fitted.gene_table_
    if asked := [f"{name.replace('_', ' ')} {value:g}" for name, value in gate.bounds.items()]:
        n_small = int((Gate(gate.alpha).calibrated(table).passes(table) & ~gate.large_enough(table)).sum())
        lines.append(f"  {n_small:,} more not clustered: below {' or '.join(asked)}")
    if n_left := int(left_out(result_of(fitted)).sum()):
        lines.append(f"  {n_left:,} more not clustered: in clusters that may be false discoveries")
    lines += [f"    {gene}: {reason}" for gene, reason in list(fitted.failed_.items())[:_N_FAILED_SHOWN]]
    if len(fitted.failed_) > _N_FAILED_SHOWN:
        lines.append(f"    and {len(fitted.failed_) - _N_FAILED_SHOWN:,} more")
    if fitted.n_clusters_:
        lines += _clusters(fitted)
    return "\n".join(lines)


def _ranges(fitted: TrendClusterer) -> list[str]:
    spans = spans_of(result_of(fitted))
    if not isinstance(fitted.lineage_, list):
        head = "All cells" if fitted.lineage_ is None else f"Lineage {fitted.lineage_}"
        return [head, f"  pseudotime {next(iter(spans.values()))}"]
    head = f"Lineages {' and '.join(fitted.lineage_)} together"
    return [head, *(f"  pseudotime of {name} {span}" for name, span in spans.items())]


def _replicates(fitted: TrendClusterer) -> str:
    return "cells (not donors)" if fitted.sample_key is None else f"donors ({fitted.sample_key})"


def _clusters(fitted: TrendClusterer) -> list[str]:
    from ..plotting.parts.captions import captions_of

    table, head = fitted.cluster_table_, "mean trend"
    said = [caption.words for caption in captions_of(result_of(fitted))]
    width = max(map(len, [*said, head]))
    lines = [f"  cluster  genes  peak  {head.ljust(width)}  top genes"]
    for words, (cluster, row) in zip(said, table.iterrows(), strict=True):
        lines.append(f"  {cluster:7d}  {row['size']:5d}  {row['peak']:4.2f}  {words.ljust(width)}  {row['top_genes']}")
    return lines
