"""Compute the result of a fit: trends, selected genes and clusters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ..lineage.density import cells_on_grid
from ..lineage.lineage import Lineage
from ..lineage.reader import Reader
from ..trends.fitter import TrendFitter
from ..trends.gene_trends import GeneTrends
from ..trends.trends import concatenate
from .centers import cluster_means
from .gating import Gate, warn_of_unsuccessful
from .grouping import DrawSource, genes_to_group, group
from .result import FitResult
from .tables import deciding_table

_log = logging.getLogger(__name__)


def make_result(
    lineages: Sequence[Lineage],
    is_joint: bool,
    reader: Reader,
    fitter: TrendFitter,
    clusterer: Any,
    gate: Gate,
    *,
    scale: Any,
    random_state: Any,
    ids: Mapping[str, str] | None,
    moments: Callable[[list[str]], tuple[np.ndarray, np.ndarray]],
) -> FitResult:
    """Fit trends to lineages and cluster them.

    Parameters
    ----------
    lineages
        Lineages read by `reader`.
    is_joint
        Whether a list of lineages was passed, to be clustered jointly; it may have one entry.
    reader, fitter
        Settings for reading lineages and for fitting trends.
    clusterer
        Clusterer, fitted in place if any gene passes `gate`.
    gate
        Thresholds for the genes to cluster.
    scale
        Scaling of the trends.
    random_state
        Seed of posterior samples.
    ids
        Identifiers of genes that are named by symbols, or `None`.
    moments
        Function of the names of genes that returns mean and standard deviation of their expression.
    """
    fits = []
    for one in lineages:
        along = "pseudotime" if one.name is None else one.name
        _log.info("Fitting %s genes along %s (%s cells).", f"{len(one.genes):,}", along, f"{len(one.cells):,}")
        fits.append(fitter.fit(one))
    names: list[Any] = [one.name for one in lineages]
    trends = concatenate([fit.trends for fit in fits], names) if is_joint else fits[0].trends
    scaled, decisions = trends.scaled(scale), deciding_table(trends)
    gate = gate.calibrated(decisions)
    warn_of_unsuccessful(decisions, stacklevel=5)
    grouped = genes_to_group(scaled, decisions, gate)
    _log.info("Clustering the %s genes whose trends pass the thresholds.", f"{len(grouped):,}")
    seed = check_random_state(random_state).randint(2**31 - 1)
    source = DrawSource(fits, lineages, fitter, trends, scale, seed)
    labels, order = group(clusterer, scaled, grouped, trends, source.draws, fitter.show_progress_bar)
    location, spread = trends.location_and_scale(scale)
    means, stds = moments(trends.genes)
    n_cells = [len(one.cells) for one in lineages]
    return FitResult(
        lineage=names if is_joint else names[0],
        reader=reader.with_symbols(ids),
        fitter=fitter,
        fits=fits,
        models=GeneTrends(fits),
        trends=trends,
        scale=scale,
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
        n_cells=dict(zip(names, n_cells, strict=True)) if is_joint else n_cells[0],
        gene_means=means,
        gene_stds=stds,
        seed=seed,
        arranged_by_name=True,
        cell_density=np.concatenate([cells_on_grid(one, fitter.n_points) for one in lineages]),
    )
