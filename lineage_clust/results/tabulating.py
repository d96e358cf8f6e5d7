"""The tables of a fit, computed on first access, because their posterior samples take longer than the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn import config_context

from ..contracts.capabilities import confidence_can_wait, fitted_value
from ..trends import drawing
from ..utils.threads import few_threads
from .assigning import one_per_row
from .cluster_table import cluster_table
from .naming import names_of_genes
from .tables import gene_table

if TYPE_CHECKING:
    from .result import FitResult

_OF_CLUSTERS = ["cluster", "cluster_name", "confidence", "agreement", "gene_ids"]


def tabulate(result: FitResult, shapes: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the gene table; `shapes` are its columns that do not depend on the clusters, if they are already known."""
    genes = _shapes(result) if shapes is None else shapes.copy()
    genes.insert(0, "cluster", result.labels)
    genes.insert(1, "cluster_name", names_of_genes(result.labels, result.cluster_names))
    genes.insert(2, "confidence", result.confidence)
    genes.insert(3, "agreement", result.agreement)
    if result.ids is not None:
        genes["gene_ids"] = result.gene_ids
    return genes


def tabulate_clusters(result: FitResult, genes: pd.DataFrame) -> pd.DataFrame:
    """Return the cluster table for a table of the genes."""
    several = result.trends.grid_lineage if len(result.fits) > 1 else None
    clusters = cluster_table(genes, result.centers, result.trends.grid, several)
    clusters.insert(0, "name", result.cluster_names)
    return clusters


def without_clusters(genes: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a gene table that do not depend on the clusters."""
    return genes.drop(columns=[name for name in _OF_CLUSTERS if name in genes])


def _shapes(result: FitResult) -> pd.DataFrame:
    with few_threads(result.values.size):
        can_draw = drawing.can_draw(result.fits)
        uncertain = drawing.shape_uncertainty(result.fits, result.genes) if can_draw else None
    return gene_table(result.trends, uncertain)


def confidence_of(result: FitResult) -> np.ndarray:
    """Return the confidence of each gene, `(n_genes,)`, from posterior samples if the clusterer needs them."""
    confidence, grouped = np.full(len(result.labels), np.nan), result.grouped
    if len(grouped) == 0:
        return confidence
    known = fitted_value(result.clusterer, "confidence_")
    if known is not None:
        confidence[grouped] = known
    elif confidence_can_wait(result.clusterer) and drawing.can_draw(result.fits):
        names = [result.genes[gene] for gene in grouped]
        default = config_context(transform_output="default")  # independent of the setting at the time of access
        with default, few_threads(len(names) * result.values.shape[1]):
            drawn = drawing.posterior_draws(result.fits, names, random_state=result.seed)
            draws = drawing.scaled(drawn, result.trends, names, result.scale, by_name=result.arranged_by_name)
            found = result.clusterer.confidence(draws)
        confidence[grouped] = one_per_row(f"confidence of {type(result.clusterer).__name__}", found, len(names))
    return confidence
