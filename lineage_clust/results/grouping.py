"""Select the genes to cluster and cluster them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context

from ..contracts.asking import confidence_can_wait, fitted_value, needs_draws, uses_draws
from ..errors import LineageClustWarning
from ..lineage.lineage import Lineage
from ..trends import drawing
from ..trends.fitter import TrendFitter
from ..trends.lineage_fit import FittedLineage
from ..trends.side_by_side import arranged_by_name
from ..trends.trends import Trends
from ..utils.progress import progress_bars
from ..utils.threads import few_threads
from .gating import Gate
from .own_labels import one_per_row, own_labels
from .tables import order_clusters

Draws = Iterable[np.ndarray] | None


def genes_to_group(scaled: np.ndarray, table: pd.DataFrame, gate: Gate) -> np.ndarray:
    """Return the positions of the genes that pass the thresholds and are not constant; warn if there are none.

    Constant trends are excluded: scaled, they are at the origin, close to all noise.
    """
    passed = gate.passes(table)
    grouped = np.flatnonzero(passed & (np.ptp(scaled, axis=1) > 0))
    if len(grouped) == 0:
        constant = f"the {int(passed.sum())} selected trends are constant. See gene_table_."
        reason = constant if passed.any() else gate.why_none(table)
        warnings.warn(f"No gene is clustered: {reason}", LineageClustWarning, stacklevel=5)
    return grouped


@dataclass(frozen=True)
class DrawSource:
    """Source of draws of the trends: the posterior of the models, or fits to halves of the cells.

    Attributes
    ----------
    fits, lineages
        One fit per lineage, and the fitted cells.
    fitter
        Fits the halves.
    trends, scale
        Fitted trends and their scaling.
    seed
        Seed of the draws.
    """

    fits: Sequence[FittedLineage]
    lineages: Sequence[Lineage]
    fitter: TrendFitter
    trends: Trends
    scale: Any
    seed: int

    def draws(self, clusterer: Any, genes: Sequence[str]) -> Draws:
        """Return scaled draws of the trends of some genes for a clusterer, or `None` if it does not need them in `fit`."""
        if not uses_draws(clusterer):
            return None
        if drawing.can_draw(self.fits):  # sampled lazily
            if confidence_can_wait(clusterer):
                return None
            return drawing.scaled_posterior_draws(self.fits, self.trends, genes, self.scale, self.seed)
        if needs_draws(clusterer):
            drawn = drawing.half_sample_draws(self.fits, self.lineages, self.fitter.fit, genes, random_state=self.seed)
            halves = list(drawing.scaled(drawn, self.trends, genes, self.scale))
            return halves if len(halves) > 1 else None
        return None  # refits would be needed


def group(
    clusterer: Any, scaled: np.ndarray, grouped: np.ndarray, trends: Trends, draws: Callable[..., Draws], progress: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a clusterer to the genes at some positions, with lineages sorted by name.

    Parameters
    ----------
    clusterer
        Fitted in place.
    scaled
        `(n_genes, n_points)` scaled trends.
    grouped
        Positions of the genes.
    trends
        Their names and grid.
    draws
        Function of the clusterer and the names that returns draws, or `None`.
    progress
        Whether to show progress bars.

    Returns
    -------
    labels : ndarray of int, shape (n_genes,)
        Clusters numbered by the time of the peak; -1 = unassigned.
    order : ndarray of shape (n_clusters,)
        The label of each cluster in the clusterer.
    """
    labels = np.full(len(scaled), -1)
    if len(grouped) == 0:
        return labels, np.zeros(0, dtype=int)
    drawn = draws(clusterer, [trends.genes[gene] for gene in grouped])
    quietly = config_context(transform_output="default"), progress_bars(progress)
    with quietly[0], quietly[1], few_threads(len(grouped) * scaled.shape[1]):
        rows = arranged_by_name(scaled[grouped], trends.grid_lineage)
        clusterer.fit(rows, **({} if drawn is None else {"draws": drawn}))
        codes, names = own_labels(clusterer, rows)
    confidence = fitted_value(clusterer, "confidence_")
    if confidence is not None:
        one_per_row(f"confidence_ of {type(clusterer).__name__}", confidence, len(grouped))
    labels[grouped], order = order_clusters(codes, scaled[grouped], trends.grid, trends.grid_lineage)
    return labels, names[order]
