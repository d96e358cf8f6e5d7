"""The tables of a fit, made when they are first looked at: what draws say of trends takes longer than the fit itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context

from ..trends import drawing
from ..trends.lineage_fit import FittedLineage
from ..trends.trends import Trends
from ..utils.threads import few_threads
from .own_labels import one_a_row
from .tables import cluster_table, gene_table


@dataclass(frozen=True)
class Tables:
    """What the tables are made of.

    Attributes
    ----------
    fits
        One a lineage.
    trends
        Of all lineages, side by side.
    labels
        `(n_genes,)` clusters.
    centers
        `(n_clusters, n_points)` mean scaled trends.
    clusterer
        As fitted to the `grouped` genes, of which there may be none.
    grouped
        Their positions.
    scale
        How trends were scaled.
    seed
        Of the draws.
    ids
        `(n_genes,)` identifiers of genes that go by another name, or `None`.
    """

    fits: Sequence[FittedLineage]
    trends: Trends
    labels: np.ndarray
    centers: np.ndarray
    clusterer: Any
    grouped: np.ndarray
    scale: Any
    seed: int
    ids: Sequence[str] | None = None

    def make(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the gene table and the cluster table."""
        trends = self.trends
        with few_threads(trends.values.size):
            can_draw = drawing.can_draw(self.fits)
            uncertain = drawing.shape_uncertainty(self.fits, trends.genes) if can_draw else None
        genes = gene_table(trends, uncertain)
        genes.insert(0, "cluster", self.labels)
        genes.insert(1, "confidence", self._confidence())
        several = trends.grid_lineage if len(self.fits) > 1 else None
        clusters = cluster_table(genes, self.centers, trends.grid, several)
        if self.ids is not None:
            genes["gene_ids"] = list(self.ids)
        return genes, clusters

    def _confidence(self) -> np.ndarray:
        confidence = np.full(len(self.labels), np.nan)
        if len(self.grouped) == 0:
            return confidence
        if getattr(self.clusterer, "confidence_", None) is not None:
            confidence[self.grouped] = self.clusterer.confidence_
        elif can_wait(self.clusterer) and drawing.can_draw(self.fits):
            names = [self.trends.genes[gene] for gene in self.grouped]
            default = config_context(transform_output="default")  # whatever is set when the table is looked at
            with default, few_threads(len(names) * self.trends.values.shape[1]):
                draws = drawing.scaled_posterior_draws(self.fits, self.trends, names, self.scale, self.seed)
                found = self.clusterer.confidence(draws)
            confidence[self.grouped] = one_a_row(f"confidence of {type(self.clusterer).__name__}", found, len(names))
        return confidence


def can_wait(clusterer) -> bool:
    """Return whether draws decide on nothing but the confidence, which the clusterer can be asked for later."""
    return hasattr(clusterer, "confidence") and not getattr(clusterer, "needs_draws", True)
