"""Report of a comparison of conditions, with differences instead of trends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..errors import counted
from ..plotting.parts.colors import lineage_colors
from ..utils.atomic import write_whole
from .columns import Vocabulary
from .gene_data import at_times, coded, columns_of, page_data, rounded, sparklines, zeros
from .page import drawn, page_of, table_of
from .pictures import Picture

_N_POINTS = 40
_MOST_SAMPLES = 24  # thin lines in the figure of a gene
_NARROW = 3.6  # inches
_PARAMETERS = ("condition_key", "sample_key", "lineage", "conditions", "family", "link", "alpha", "level")
_CAUTION = (
    "Pseudotime is treated as known: if conditions were ordered separately, or the treatment changes the order of the "
    "cells, differences also reflect the ordering."
)
_METHODS = (
    "Expression of {n:,} genes along {along} was compared between {conditions} with lineage_clust {version}. Each condition "
    "has a penalised B-spline trend{family}{donors}. Differences in level (the mean along the lineage) and shape (the rest) "
    "were tested, and the two tests combined (Liu and Xie 2020); p-values were adjusted for the number of genes "
    "(Benjamini-Hochberg)."
)
_CITED = (
    "Laird NM, Ware JH (1982). Random-effects models for longitudinal data. Biometrics 38, 963-974.",
    "Liu Y, Xie J (2020). Cauchy combination test: a powerful test with analytic p-value calculation under arbitrary "
    "dependency structures. Journal of the American Statistical Association 115, 393-402.",
)
_WORDS = {
    "qvalue_level": "q (level)", "qvalue_shape": "q (shape)", "qvalue_both": "q (both)", "pvalue_level": "p (level)",
    "pvalue_shape": "p (shape)", "pvalue_both": "p (both)", "largest_difference": "largest difference",
    "largest_at": "largest at", "log_fold_change_end": "difference at the end", "half_max_shift": "half-way later by",
    "differs_most": "differs most",
}  # fmt: skip
_MEANINGS = {
    "gene": "Name of the gene.",
    "trend": "Its difference from the reference over pseudotime; the thin line is no difference.",
    "cluster": "Cluster of the difference, 0 = the one that is largest earliest; none = not significant.",
    "pvalue_level": "Of the test that the difference has mean zero.",
    "qvalue_level": "P-value of the level, adjusted for the number of genes: is it higher or lower on average?",
    "pvalue_shape": "Of the test that the difference is constant.",
    "qvalue_shape": "P-value of the shape, adjusted for the number of genes: is it another shape?",
    "pvalue_both": "Of the test that there is no difference: level and shape combined.",
    "qvalue_both": "P-value of level and shape together, adjusted for the number of genes.",
    "direction": "Where the simultaneous band of the difference excludes zero; this is not a test.",
    "level": "Mean difference.",
    "largest_difference": "The largest difference, with its sign.",
    "largest_at": "Pseudotime of the largest difference.",
    "log_fold_change_end": "Difference at the end of the common range.",
    "half_max_shift": "Time at which the trend has changed by half of its range, minus that in the reference.",
    "differs_most": "The condition with the largest difference.",
    "note": "Remarks on the fit.",
}


def write_comparison(found: Any, path: str | Path, title: str | None = None) -> None:
    """Write the report of a ConditionComparison; see :meth:`lineage_clust.ConditionComparison.report`."""
    text = render_comparison(found, title)
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8", newline="\n"))


def render_comparison(found: Any, title: str | None = None) -> str:
    """Return the page as reproducible text."""
    others = ", ".join(found.conditions[1:])
    named = found.conditions[1:] if len(found.conditions) > 2 else []  # the columns of these have their names as suffix
    vocabulary = Vocabulary(named, _WORDS, _MEANINGS, f"bound of the {found.level:.0%} interval")
    return page_of(
        f"{others} compared with {found.reference}" if title is None else str(title),
        drawn(_pictures(found), found.genes, settle=True),
        vocabulary,
        _data(found, vocabulary),
        lead=found.replicates_note,
        summary=_facts(found),
        caution=_CAUTION,
        concerns=_concerns(found),
        table="table</code> of the comparison",
        how="Open a row to see the trends in each condition and their difference.",
        methods=_methods(found),
        cited=_CITED,
        samples=_samples(found),
        failed=found.failed,
        parameters={"Comparison": [(name, json.dumps(getattr(found, name)), False) for name in _PARAMETERS]},
    )


def _facts(found: Any) -> list[tuple[str, str, str]]:
    q = found.table[["qvalue_both", "qvalue_level", "qvalue_shape"]].to_numpy() < found.alpha
    first, last = found.common_range
    return [
        ("Genes compared", f"{len(found.genes):,}", ""),
        ("Genes that differ", f"{q[:, 0].sum():,}", f"q < {found.alpha:g} in level and shape together"),
        ("in level", f"{q[:, 1].sum():,}", "higher or lower on average"),
        ("in shape", f"{q[:, 2].sum():,}", "another shape"),
        ("Clusters of differences", f"{found.n_clusters}", ""),
        ("Replicates", found.replicates, f"{len(found.samples)} samples"),
        ("Pseudotime", f"{first:.3g} to {last:.3g}", "where all conditions have cells"),
    ]


def _concerns(found: Any) -> list[str]:
    said = []
    if found.sample_key is None:
        said.append(
            "Cells were taken as replicates: p-values say nothing about other donors, and are far too small if donors differ."
        )
    said += [
        f"{name} has hardly any cells from {start:.3g} to {end:.3g}: trends are interpolated there."
        for name, start, end in found.gaps.itertuples(index=False)
    ]
    poor = int((~np.isfinite(found.table["pvalue_both"].to_numpy(dtype=float))).sum())
    return (
        [*said, f"{counted(poor, 'gene', 'has', 'have')} no p-value, because the fit did not converge."]
        if poor
        else said
    )


def _methods(found: Any) -> str:
    donors = ""
    if found.sample_key is not None:
        donors = ", and each sample has a random level and a random curve (Laird and Ware 1982)"
    family = (
        "" if found.family == "gaussian" else f" on the {found.link} scale ({found.family.replace('_', ' ')} family)"
    )
    return _METHODS.format(
        n=len(found.genes), along="pseudotime" if found.lineage is None else f"lineage {found.lineage}",
        conditions=" and ".join(found.conditions), version=__version__, family=family, donors=donors,
    )  # fmt: skip


def _pictures(found: Any) -> Iterator[Picture]:
    for condition in found.conditions[1:]:
        of = "" if len(found.conditions) == 2 else f": {condition}"
        place = "" if len(found.conditions) == 2 else f"-{found.conditions.index(condition)}"
        yield Picture(
            f"volcano{place}", f"Volcano{of}",
            "One point per gene: its largest difference, and the evidence for any difference. Colours are clusters of "
            "differences.",
            f"Volcano plot of the differences between {condition} and {found.reference}.",
            partial(found.plot_volcano, condition), partial(found.plot_volcano, condition, figsize=(_NARROW, 3.6), n_names=6),
        )  # fmt: skip
        if found.n_clusters:
            yield Picture(
                f"heatmap{place}", f"Heatmap of differences{of}",
                "One row per gene that differs, by cluster: red where it is higher, blue where it is lower, relative to its "
                f"largest difference{' in any condition' if len(found.conditions) > 2 else ''}.",
                f"Heatmap of the differences between {condition} and {found.reference} over pseudotime.",
                partial(found.plot_heatmap, condition), partial(found.plot_heatmap, condition, figsize=(_NARROW, 5.5)),
            )  # fmt: skip
    top = found.top_genes(6)
    yield Picture(
        "leading", "Leading genes",
        "Trends in each condition with 95 % intervals, donors as thin lines, and the difference below with a simultaneous "
        "band; dotted where a condition has no cells.",
        f"Trends of {', '.join(top)} in each condition.",
        partial(found.plot_genes, top), partial(found.plot_genes, top[:3], ncols=1, figsize=(_NARROW, 9.6)),
    )  # fmt: skip


def _data(found: Any, vocabulary: Vocabulary) -> dict[str, Any]:
    inside = found.is_common
    others = [f"minus {found.reference}: {name}" for name in found.conditions[1:]]
    values = np.nan_to_num(np.hstack(list(found.differences[:, :, inside])))
    of = np.repeat(others, inside.sum())
    p, q = (found.table[name].to_numpy(dtype=float) for name in ("pvalue_both", "qvalue_both"))
    return page_data(
        columns_of(found.table, vocabulary),
        first=np.lexsort((p, np.nan_to_num(q, nan=2.0))).tolist(),
        paths=sparklines(values, of, with_zero=True),
        zeros=zeros(values),
        line="difference",
        firstWord="p (both)",
        of=of,
        scaled=[],
        curves=_curves(found),
        prefix="differences" if found.lineage is None else f"{found.lineage}_differences",
        names=[str(cluster) for cluster in range(found.n_clusters)],
    )


def _curves(found: Any) -> dict[str, Any]:
    """Return trends, intervals and donors' trends, and differences with their bands, encoded per gene."""
    grid = found.pseudotime
    times = np.linspace(*found.common_range, _N_POINTS)
    samples = found.samples.iloc[: _MOST_SAMPLES if found.sample_key is not None else 0]
    of_sample = [found.conditions.index(name) for name in samples["condition"]]
    own = np.einsum("smg,pm->sgp", found.details["own"][: len(samples)], found.details["modes"], optimize=True)
    trends = [
        at_times(times, grid, part)
        for trend, half in zip(found.trends, 1.96 * found.trend_se, strict=True)
        for part in (trend, trend - half, trend + half)
    ] + [at_times(times, grid, found.trends[c] + one) for c, one in zip(of_sample, own, strict=True)]
    differences = []
    for other, condition in enumerate(found.conditions[1:]):
        bands = found.difference_band(condition=condition)
        differences += [at_times(times, grid, part) for part in (found.differences[other], *bands)]
    return {
        "conditions": list(found.conditions),
        "tints": lineage_colors(len(found.conditions)),
        "time": rounded(times),
        "common": [bool(value) for value in found.is_common[np.abs(grid[:, None] - times).argmin(axis=0)]],
        "samples": of_sample,
        "trends": coded(np.hstack(trends)),
        "differences": coded(np.hstack(differences)),
        "axis": {"log": "log expression", "logit": "log odds"}.get(found.link, "expression"),
    }


def _samples(found: Any) -> str:
    rows = [
        [escape(str(condition)), escape(str(donor)), f"{count:,}"]
        for condition, donor, count in found.samples[["condition", "donor", "n_cells"]].itertuples(index=False)
    ]
    body = table_of(["condition", "donor", "cells"], rows, numeric=[False, False, True])
    return f'<section id="samples"><h2>Samples</h2><div class="scrolls">{body}</div></section>\n'
