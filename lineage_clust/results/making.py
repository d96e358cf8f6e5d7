"""Compute the result of a fit: read lineages, fit trends, select genes and cluster them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from ..clusterers import GraphClusterer
from ..contracts.capabilities import fitted_value
from ..contracts.slots import component_for, with_defaults
from ..errors import counted
from ..lineage.cells.covariates import AUTOMATIC, SIZE_FACTORS
from ..lineage.genes.expression import gene_ids
from ..lineage.genes.value_checks import check_values
from ..lineage.lineage import Reader, resolve_genes
from ..lineage.mappings import by_gene_name
from ..lineage.time.pseudotime import check_time_draws
from ..lineage.weights.keys import as_names, check_distinct, distinct_names
from ..models import GAM
from ..models.mapping import check_entries
from ..smoothers import BSplineSmoother
from ..trends.lineage_fit import GeneTrends, TrendFitter
from ..trends.pairing import are_of_counts, families, resolve_pair
from ..trends.preparing import check_callback
from ..trends.trends import concatenate
from ..utils.memory import check_points
from ..utils.types import Names
from .cells import moments
from .gating import Gate, by_chance, warn_of_unsuccessful
from .grouping import draws_for, genes_to_group, group
from .result import FitResult
from .tables import cluster_means, deciding_table

if TYPE_CHECKING:
    from anndata import AnnData

DEFAULTS: dict[str, type] = {"smoother": BSplineSmoother, "model": GAM, "clusterer": GraphClusterer}

_log = logging.getLogger(__name__)


def make_result(settings: Any, adata: AnnData, genes: Sequence[str] | None, lineage: Names) -> FitResult:
    """Fit trends to lineages and cluster them; `settings` has the parameters of :class:`.TrendClusterer` as attributes."""
    chosen = as_names(settings.lineage if lineage is None else lineage)
    is_joint = isinstance(chosen, (list, tuple))
    names: list[Any] = distinct_names(chosen) if is_joint else [chosen]
    check_distinct(adata, names, settings.lineage_key)
    reader, symbols, use_raw = Reader.of(settings), settings.gene_symbols, settings.use_raw
    check_time_draws(reader.time_key, names)
    reader = replace(reader, offset=_offset(settings))
    smoother, model = resolve_pair(settings.smoother, settings.model, reader)
    clusterer = with_defaults(
        component_for("clusterer", settings.clusterer, GraphClusterer), random_state=settings.random_state
    )
    model = with_defaults(model, random_state=settings.random_state)
    if settings.sample_key is not None and settings.filter_cells is not None:
        raise ValueError(
            "filter_cells and sample_key cannot be combined: with filter_cells every gene is fitted separately, but how much "
            "donors differ is estimated from all genes. Leave one of them out."
        )
    check_callback(settings.callback, reader)
    genes = settings.genes if genes is None else genes
    genes = resolve_genes(adata, genes, use_raw=use_raw, gene_symbols=symbols)
    ids = None if symbols is None else gene_ids(adata, genes, use_raw, symbols)
    check_points(settings.n_points, len(genes) * len(names))
    lineages = [reader.read(adata, name, genes) for name in names]
    read: list[Any] = [one.name for one in lineages]
    model = by_gene_name(model, adata, reader, read, "model")
    callback = by_gene_name(settings.callback, adata, reader, read, "callback")
    if callback:  # that a mapping is empty is found later
        check_entries(callback, lineages[0].genes, "callback", enough=1)
    reader = reader.with_draw_ranges(lineages)
    check_values(
        adata, lineages, families(settings.model), layer=settings.layer, use_raw=use_raw, offset=reader.offset,
        tested=settings.alpha is not None,
    )  # fmt: skip

    fitter = TrendFitter(
        smoother, model, settings.n_points, callback, settings.filter_cells,
        reader.for_callbacks(settings.filter_cells), settings.n_jobs, settings.backend, settings.show_progress_bar,
    )  # fmt: skip
    fits = []
    for one in lineages:
        along = "pseudotime" if one.name is None else one.name
        _log.info("Fitting %s along %s (%s).", counted(len(one.genes), "gene"), along, counted(len(one.cells), "cell"))
        fits.append(fitter.fit(one))
    trends = concatenate([fit.trends for fit in fits], read) if is_joint else fits[0].trends
    scaled, decisions = trends.scaled(settings.scale), deciding_table(trends)
    gate = Gate(settings.alpha, settings.min_deviance_explained, settings.min_range).calibrated(
        decisions, all(fit.has_test for fit in fits)
    )
    warn_of_unsuccessful(decisions)
    grouped = genes_to_group(scaled, decisions, gate)
    _log.info("Clustering %s, whose trends pass the thresholds.", counted(len(grouped), "gene"))
    seed = check_random_state(settings.random_state).randint(2**31 - 1)
    while True:
        chosen_genes = [trends.genes[gene] for gene in grouped]
        draws = draws_for(clusterer, fits, lineages, fitter.fit, trends, chosen_genes, settings.scale, seed)
        labels, order = group(clusterer, scaled, grouped, trends, draws, settings.show_progress_bar)
        doubtful = by_chance(clusterer, labels, decisions, gate)[grouped]
        if doubtful[labels[grouped] >= 0].all() or not doubtful.any():
            break
        grouped = grouped[~doubtful]
    location, spread = trends.location_and_scale(settings.scale)
    means, stds = moments(lineages[0], trends.genes)
    n_cells = [len(one.cells) for one in lineages]
    result = FitResult(
        lineage=read if is_joint else read[0],
        reader=reader.with_symbols(ids),
        fitter=fitter,
        fits=fits,
        models=GeneTrends(fits),
        trends=trends,
        scale=settings.scale,
        scaled=scaled,
        location=location,
        spread=spread,
        decisions=decisions,
        gate=gate,
        grouped=grouped,
        clusterer=clusterer,
        labels=labels,
        order=order,
        centers=cluster_means(scaled, labels),
        n_cells=dict(zip(read, n_cells, strict=True)) if is_joint else n_cells[0],
        gene_means=means,
        gene_stds=stds,
        seed=seed,
        arranged_by_name=True,
        cell_density=np.concatenate([one.cells_on_grid(settings.n_points) for one in lineages]),
    )
    resolution = fitted_value(clusterer, "resolution_")
    _log.info(
        "%s genes have a trend, %s failed; %s are in %s clusters (%s%s).", len(result.genes), len(result.failed),
        int((labels >= 0).sum()), result.n_clusters, type(clusterer).__name__,
        "" if resolution is None else f", resolution {resolution:.3g}",
    )  # fmt: skip
    return result


def _offset(settings: Any) -> Any:
    """Return the offset, in which "auto" means size factors where counts of a layer are modelled."""
    if not isinstance(settings.offset, str) or settings.offset != AUTOMATIC:
        return settings.offset
    counted = settings.layer is not None and settings.callback is None and are_of_counts(settings.model)
    return SIZE_FACTORS if counted else None
