"""Trends and clusters of new genes or other cells, and clusters at other levels."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from ..contracts.capabilities import has_method
from ..lineage.lineage import check_anndata
from ..trends.group_fit import fixed_basis
from ..trends.trends import Trends, concatenate
from ..utils.documenting import parameters_as
from ..utils.types import Predicted
from .gating import left_out
from .grouping import assign
from .result import FitResult, Fitted, result_of
from .tables import deciding_table

if TYPE_CHECKING:
    from anndata import AnnData

Estimator = TypeVar("Estimator", bound=Fitted)


def trends_for(fitted: Fitted | FitResult, adata: AnnData, genes: Sequence[str] | None = None) -> Trends:
    """Fit the trends of genes with the fitted smoother and a copy of the fitted model, on the fitted grid.

    Parameters
    ----------
    adata : AnnData
        The same or other cells of the lineage.
    genes : sequence of str, default=None
        Genes; `None` = the fitted genes.

    Returns
    -------
    Trends
    """
    result = result_of(fitted)
    check_anndata(adata)
    parts = []
    for fit, name in zip(result.fits, result.names, strict=True):
        lineage = result.held_out(adata, name, genes, to_fit=True)
        fitter = replace(result.fitter, smoother=fixed_basis(fit.smoother, result.fitter.smoother))
        parts.append(fitter.fit(lineage).trends)
    return concatenate(parts, result.names) if len(parts) > 1 else parts[0]


@parameters_as(trends_for)
def predict(
    fitted: Fitted | FitResult, adata: AnnData, genes: Sequence[str] | None = None, return_confidence: bool = False
) -> Predicted:
    """Predict the cluster of each gene, including genes that were not fitted.

    Trends are fitted to `adata`, the same or other cells of the lineage, with the fitted smoother and a copy of the
    model. They are assigned by the fitted clusterer, or by the nearest fitted trend if it has no `predict`.

    Parameters
    ----------
    return_confidence : bool, default=False
        Whether to return the share of the neighbours' votes for the cluster of each gene (NaN if the clusterer has no
        votes).

    Returns
    -------
    labels : ndarray of int, shape (n_genes,)
        -1 = unassigned: no trend, or no significant change by the threshold of the fit.
    confidence : ndarray of shape (n_genes,)
        Only with `return_confidence=True`.
    """
    result = result_of(fitted)
    genes = result.resolve_genes(adata, genes)
    trends = trends_for(result, adata, genes)
    labels, confidence = np.full(len(genes), -1), np.full(len(genes), np.nan)
    scaled = trends.scaled(result.scale)
    passed = (np.ptp(scaled, axis=1) > 0) & result.gate.passes(deciding_table(trends))
    passed &= ~np.isin(trends.genes, np.array(result.genes, dtype=object)[left_out(result)])
    if passed.any() and result.n_clusters > 0:
        rows = pd.Index(genes).get_indexer(trends.genes)[passed]
        labels[rows], confidence[rows] = assign(
            result.clusterer, result.as_clustered(scaled[passed]), result.as_clustered(result.scaled[result.grouped]),
            result.labels[result.grouped], result.order,
        )  # fmt: skip
    return (labels, confidence) if return_confidence else labels


def cut(fitted: Estimator, n_clusters: int | None = None, min_support: float | None = None) -> Estimator:
    """Return a fitted copy with the clusters at another level of the hierarchy, without refitting.

    Every finer partition splits clusters of the coarser one. Trends, tests and the shapes of the genes are shared with
    this estimator.

    Parameters
    ----------
    n_clusters : int, default=None
        Number of clusters, at most that of clustered genes with distinct trends.
    min_support : float, default=None
        Clusters are split as long as there is a split further down with at least this support: the agreement of
        independent halves of the data beyond chance. `min_support` of `GraphClusterer`, set before `fit`, requires it of
        all clusters instead, together with its other bounds; the numbers of clusters differ.

    Returns
    -------
    TrendClusterer
        Clusters are numbered by the time of their peak, as after `fit`; `cluster_names_` refer to the nodes of the
        tree.

    Raises
    ------
    ValueError
        If not exactly one of the two is given or it is out of range, or the clusterer has no hierarchy.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> tc = lc.TrendClusterer(lineage="Myeloid", random_state=0).fit(lc.datasets.bone_marrow())
    >>> tc.cut(n_clusters=2).n_clusters_
    2
    """
    result = result_of(fitted)
    if not has_method(result.clusterer, "cut") or len(result.grouped) == 0:
        raise ValueError(
            f"There is no hierarchy to cut: {type(result.clusterer).__name__} does not compute one, or no gene was "
            "clustered. Fit with clusterer=GraphClusterer()."
        )
    other = copy(fitted)
    other._result = result.with_clusterer(result.clusterer.cut(n_clusters, min_support))
    return other
