"""Scorers for parameter searches: `scoring=lineage_clust.scoring.prediction_strength` and others.

Each scorer has the arguments `(estimator, adata, y=None)`, a fitted TrendClusterer, or a pipeline that ends in one, and
held-out cells, and returns a number; larger is better. `trend_deviance` ranks models and smoothers; it increases with the
number of clusters. To select their number, use `prediction_strength` or `cluster_stability`, with
:func:`one_standard_error`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .clusterer import TrendClusterer
from .contracts.capabilities import fitted_value
from .errors import LineageClustWarning, NoTrendError, quoted
from .results.cells import held_out_deviance
from .results.result import result_of
from .utils.checking import check_key
from .utils.documenting import parameters_as

if TYPE_CHECKING:
    from anndata import AnnData


def trend_deviance(estimator: Any, adata: AnnData, y: Any = None) -> float:
    """Return the proportion of held-out deviance explained by cluster mean trends, averaged over genes.

    Each gene is predicted by the mean trend of its cluster, with the location and scale of the gene. Genes without a
    cluster contribute 0.

    Parameters
    ----------
    estimator : TrendClusterer or Pipeline
        Fitted; the last step of a pipeline is a TrendClusterer.
    adata : AnnData
        Cells that were not fitted.
    y : None
        Ignored.

    Returns
    -------
    float
        At most 1; 0 corresponds to predicting each gene by its mean.

    Notes
    -----
    ``1 - sum w (y - f)^2 / sum w (y - mean)^2`` per gene, over the cells inside the fitted time range, without those
    that `filter_cells` or a callback excludes. With an offset, ``f`` and the mean are those of a cell with its offset
    (under an identity or log link).

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> tc = lc.TrendClusterer(lineage="Ery", random_state=0).fit(adata[::2])
    >>> 0 < lc.scoring.trend_deviance(tc, adata[1::2]) < 1
    True
    """
    estimator, adata = _last_step(estimator, adata)
    return held_out_deviance(result_of(estimator), adata)


@parameters_as(trend_deviance)
def prediction_strength(estimator: Any, adata: AnnData, y: Any = None) -> float:
    """Return the prediction strength: how well clusters predict which genes cluster together in held-out cells.

    Trends are fitted to the held-out cells and clustered. For each of these clusters, the proportion of pairs of genes
    that are also in the same cluster of the estimator is computed; the score is the smallest of these proportions, or 0
    if there are fewer than two clusters.

    Returns
    -------
    float
        Between 0 and 1. Values above 0.8 to 0.9 indicate predictable clusters [1]_.

    References
    ----------
    .. [1] Tibshirani & Walther (2005). Cluster validation by prediction strength. Journal of Computational and
       Graphical Statistics 14, 511-528, eq. (2.1).

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> tc = lc.TrendClusterer(lineage="Ery", random_state=0).fit(adata[::2])
    >>> 0 <= lc.scoring.prediction_strength(tc, adata[1::2]) <= 1
    True
    """
    ours, theirs = _two_labellings(estimator, adata)
    if ours is None:
        return 0.0
    shares = []
    for cluster in np.unique(theirs):
        sizes = np.bincount(ours[theirs == cluster])
        n = sizes.sum()
        if n > 1:
            shares.append(float((sizes * (sizes - 1)).sum() / (n * (n - 1))))
    return min(shares, default=0.0)


@parameters_as(trend_deviance)
def cluster_stability(estimator: Any, adata: AnnData, y: Any = None) -> float:
    """Return the adjusted Rand index between the fitted clusters and those of held-out cells.

    The score is 0 if there are fewer than two clusters.

    Returns
    -------
    float
        At most 1; 0 is the expected value for independent partitions.

    References
    ----------
    Hubert & Arabie (1985). Comparing partitions. Journal of Classification 2, 193-218.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> tc = lc.TrendClusterer(lineage="Ery", random_state=0).fit(adata[::2])
    >>> lc.scoring.cluster_stability(tc, adata[1::2]) <= 1
    True
    """
    ours, theirs = _two_labellings(estimator, adata)
    return 0.0 if ours is None else float(adjusted_rand_score(ours, theirs))


@parameters_as(trend_deviance)
def silhouette(estimator: Any, adata: AnnData | None = None, y: Any = None) -> float:
    """Return the mean silhouette of the clustered genes, for their scaled trends; -1 for fewer than two clusters.

    Parameters
    ----------
    adata : AnnData
        Ignored.

    Returns
    -------
    float
        Between -1 and 1.

    References
    ----------
    Rousseeuw (1987). Silhouettes. Journal of Computational and Applied Mathematics 20, 53-65.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> tc = lc.TrendClusterer(lineage="Ery", random_state=0).fit(adata[::2])
    >>> -1 <= lc.scoring.silhouette(tc) <= 1
    True
    """
    estimator, _ = _last_step(estimator)
    chosen = estimator.labels_ >= 0
    n_clusters = len(np.unique(estimator.labels_[chosen]))
    if not 2 <= n_clusters < chosen.sum():
        return -1.0
    return float(silhouette_score(estimator.scaled_trends_[chosen], estimator.labels_[chosen]))


@parameters_as(silhouette)
def modularity(estimator: Any, adata: AnnData | None = None, y: Any = None) -> float:
    """Return the modularity of the clusters in the graph of genes of a GraphClusterer.

    Returns
    -------
    float
        At most 1; 0 without clusters.

    Raises
    ------
    ValueError
        If the clusterer has no graph.

    References
    ----------
    Newman (2004). Analysis of weighted networks. Physical Review E 70, 056131.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> tc = lc.TrendClusterer(lineage="Ery", random_state=0).fit(adata[::2])
    >>> 0 < lc.scoring.modularity(tc) < 1
    True
    """
    estimator, _ = _last_step(estimator)
    value = fitted_value(estimator.clusterer_, "modularity_")
    if value is None and estimator.n_clusters_ > 0:
        raise ValueError(
            f"{type(estimator.clusterer_).__name__} has no modularity. Use GraphClusterer, or another scorer."
        )
    return 0.0 if value is None else float(value)


SCORERS: Mapping[str, Callable] = {
    scorer.__name__: scorer
    for scorer in (trend_deviance, prediction_strength, cluster_stability, silhouette, modularity)
}


def one_standard_error(complexity: str | Callable | Mapping | None = None, metric: str = "score") -> Any:
    """Return a function for `refit` that selects the simplest candidate within one standard error of the best.

    `GridSearchCV(refit=one_standard_error)` is the same as `GridSearchCV(refit=one_standard_error())`.

    Parameters
    ----------
    complexity : str, callable or None
        Name of a parameter of the search with which clusterings become finer, or a function of the parameters of a
        candidate; `None` = `clusterer__n_clusters` or, if it is not searched, `clusterer__resolution`, also of a step of
        a pipeline. Of equally simple candidates, the one with the best score is selected.
    metric : str
        Name of the score, if the search has several (`scoring=` a dictionary).

    Returns
    -------
    function
        `cv_results_ -> index`, for `GridSearchCV(refit=...)`.

    References
    ----------
    Hastie, Tibshirani & Friedman (2009). The Elements of Statistical Learning, 2nd ed., section 7.10.1.

    Examples
    --------
    >>> choose = one_standard_error("clusterer__resolution")
    >>> choose({
    ...     "mean_test_score": [0.50, 0.52, 0.53], "std_test_score": [0.1, 0.02, 0.02],
    ...     "split0_test_score": 0, "split1_test_score": 0,
    ...     "params": [{"clusterer__resolution": r} for r in (0.1, 0.5, 1.0)],
    ... })
    1
    """
    if isinstance(complexity, Mapping):  # the results of a search: the function itself is `refit`
        return one_standard_error()(complexity)
    if complexity is not None and not callable(complexity):
        check_key("complexity", complexity)

    def choose(cv_results: Mapping) -> int:
        if not isinstance(cv_results, Mapping):
            raise TypeError(f"cv_results must be those of a search, a mapping; got {type(cv_results).__name__}.")
        if f"mean_test_{metric}" not in cv_results:
            scores = [key.removeprefix("mean_test_") for key in cv_results if key.startswith("mean_test_")]
            raise ValueError(f"The search has no score {metric!r}; it has {quoted(scores) or 'none'}. Pass metric=.")
        mean = np.asarray(cv_results[f"mean_test_{metric}"], dtype=float)
        if np.isnan(mean).all():
            raise ValueError("Every candidate failed. Search with error_score='raise' to see why.")
        n_splits = sum(key.startswith("split") and key.endswith(f"_test_{metric}") for key in cv_results)
        spread = np.asarray(cv_results[f"std_test_{metric}"], dtype=float)  # of these splits, not of a population
        error = spread / np.sqrt(max(n_splits - 1, 1))
        best = int(np.nanargmax(mean))
        good = np.flatnonzero(mean >= mean[best] - error[best])
        params = cv_results["params"]
        name = _finer_with(params) if complexity is None else complexity
        cost = np.array([_complexity(params[candidate], name) for candidate in good])
        return int(good[np.lexsort((-mean[good], cost))[0]])

    return choose


def _last_step(estimator, adata=None) -> tuple[TrendClusterer, Any]:
    """Return a fitted TrendClusterer, or the one at the end of a pipeline, and cells as its `fit` receives them."""
    if isinstance(estimator, Pipeline):
        if adata is not None and len(estimator.steps) > 1:
            adata = estimator[:-1].transform(adata)
        estimator = estimator[-1]
    if not isinstance(estimator, TrendClusterer):
        raise TypeError(f"Scorers require a fitted TrendClusterer; got {type(estimator).__name__}.")
    check_is_fitted(estimator)
    return estimator, adata


def _finer_with(candidates: Sequence[Mapping]) -> str:
    """Return the searched parameter with which clusterings become finer."""
    known = ("clusterer__n_clusters", "clusterer__resolution")
    searched = dict.fromkeys(name for params in candidates for name in params)
    return next((name for end in known for name in searched if name.endswith(end)), known[-1])


def _complexity(params: Mapping, name: str | Callable) -> float:
    if not callable(name) and name not in params:
        raise ValueError(
            f"The search has no parameter {name!r}, only {quoted(params)}. Pass one of them, or a function of the "
            "parameters, to one_standard_error."
        )
    value = name(params) if callable(name) else params[name]
    if isinstance(value, str) or value is None:
        raise ValueError(
            f"{name!r} must be a number in every candidate; got {value!r}. Leave that one out of the search."
        )
    return float(value)


def _two_labellings(estimator, adata):
    """Return the clusters of the genes assigned both in the fit and in held-out cells, or `None` if there are too few."""
    estimator, adata = _last_step(estimator, adata)
    if estimator.n_clusters_ < 2:
        return None, None
    grid = estimator.pseudotime_
    span = estimator.time_range if isinstance(estimator.lineage_, list) else (float(grid[0]), float(grid[-1]))
    other = clone(estimator).set_params(time_range=span)  # several lineages have ranges of their own
    ours = pd.Series(estimator.labels_, estimator.genes_)
    ours = ours[ours >= 0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LineageClustWarning)
            other.fit(adata, genes=list(ours.index), lineage=estimator.lineage_)
    except NoTrendError:
        return None, None
    theirs = pd.Series(other.labels_, other.genes_).reindex(ours.index, fill_value=-1)
    in_both = theirs >= 0
    if theirs[in_both].nunique() < 2:
        return None, None
    return ours[in_both].to_numpy(), theirs[in_both].to_numpy()
