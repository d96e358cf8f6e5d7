"""Other levels of the hierarchy of clusters."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

from ..contracts.capabilities import has_method
from .result import Fitted, result_of

Estimator = TypeVar("Estimator", bound=Fitted)


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
