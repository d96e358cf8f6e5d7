"""From lineages to the result of a fit: trends, which of them are clustered, and clusters."""

from __future__ import annotations

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
    """Fit trends to lineages, and group them.

    Parameters
    ----------
    lineages
        As read by `reader`.
    is_joint
        Whether they are to be clustered together, as a list of lineages, which may have one entry only.
    reader, fitter
        How they were read, and how trends are fitted.
    clusterer
        Fitted in place, if any gene passes the gate.
    gate
        Bounds that trends must pass to be clustered.
    scale
        How trends are made comparable.
    random_state
        Of draws of the trends.
    ids
        Identifiers of genes that go by symbols, or `None`.
    moments
        Function of the names of genes that returns mean and standard deviation of their expression.
    """
    fits = [fitter.fit(one) for one in lineages]
    names: list[Any] = [one.name for one in lineages]
    trends = concatenate([fit.trends for fit in fits], names) if is_joint else fits[0].trends
    scaled, decisions = trends.scaled(scale), deciding_table(trends)
    gate = gate.calibrated(decisions)
    warn_of_unsuccessful(decisions, stacklevel=5)
    grouped = genes_to_group(scaled, decisions, gate)
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
