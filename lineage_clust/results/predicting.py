"""Trends and clusters of genes that were not fitted, or in other cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..lineage.lineage import check_anndata
from ..trends.trends import Trends, concatenate
from .assigning import assign
from .result import FitResult
from .tables import deciding_table

if TYPE_CHECKING:
    from anndata import AnnData


def fit_others(result: FitResult, adata: AnnData, genes: Sequence[str] | None = None) -> Trends:
    """Return the trends of genes in some cells, under the fitted smoother and a copy of the model, on the fitted grid.

    Parameters
    ----------
    result
        Of a fit.
    adata
        These or other cells of the same lineage.
    genes
        Genes; `None` = those that were fitted.
    """
    check_anndata(adata)
    parts = []
    for fit, name in zip(result.fits, result.names, strict=True):
        lineage = result.held_out(adata, name, genes, to_fit=True)
        parts.append(result.fitter.with_basis(fit.smoother).fit(lineage).trends)
    return concatenate(parts, result.names) if len(parts) > 1 else parts[0]


def predict_clusters(
    result: FitResult, adata: AnnData, genes: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cluster of each gene, -1 = not assigned, and the share of votes for it, `(n_genes,)` each.

    Parameters
    ----------
    result
        Of a fit.
    adata
        Cells, in which trends of the genes are fitted.
    genes
        Genes; `None` = those that were fitted.
    """
    genes = result.resolve_genes(adata, genes)
    trends = fit_others(result, adata, genes)
    labels, confidence = np.full(len(genes), -1), np.full(len(genes), np.nan)
    if result.n_clusters == 0 or len(trends.genes) == 0:
        return labels, confidence
    scaled = trends.scaled(result.scale)
    passed = (np.ptp(scaled, axis=1) > 0) & result.gate.passes(deciding_table(trends))
    if passed.any():
        place = {gene: row for row, gene in enumerate(genes)}
        rows = np.array([place[gene] for gene in trends.genes])[passed]
        labels[rows], confidence[rows] = assign(
            result.clusterer, scaled[passed], result.scaled[result.grouped], result.labels[result.grouped], result.order
        )
    return labels, confidence
