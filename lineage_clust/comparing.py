"""Compare two fits of different conditions, lineages or parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from .clusterer import TrendClusterer
from .errors import counted
from .results.result import result_of
from .trends.trends import arranged_by_name


@dataclass(frozen=True)
class Comparison:
    """Agreement of two clusterings of genes.

    Attributes
    ----------
    contingency : DataFrame of shape (n_clusters_a, n_clusters_b)
        Number of genes by cluster of `a` (rows) and of `b` (columns); -1 = unassigned.
    ari, ami : float
        Adjusted Rand index [1]_ and adjusted mutual information of the genes assigned in both; NaN if there are fewer
        than two.
    n_genes : int
        Number of shared genes.
    matched : DataFrame
        One row per pair of matched clusters, by the assignment that maximises the number of shared genes [2]_:
        `cluster_a`, `cluster_b`, `n_shared`, `jaccard`.
    genes : DataFrame
        One row per shared gene: `cluster_a`, `cluster_b`; `moves`, whether it is not in the matched cluster; for two
        fits also `confidence_a`, `confidence_b`, and the `correlation` of its two trends over the shared range of
        pseudotime.
    only_a, only_b : list of str
        Genes in only one of the two.

    References
    ----------
    .. [1] Hubert & Arabie (1985). Comparing partitions. Journal of Classification 2, 193-218.
    .. [2] Kuhn (1955). The Hungarian method for the assignment problem. Naval Research Logistics Quarterly 2, 83-97.

    Examples
    --------
    >>> found = compare({"a": 0, "b": 0, "c": 1, "d": 1}, {"a": 1, "b": 1, "c": 0, "e": 0})
    >>> found.matched
       cluster_a  cluster_b  n_shared  jaccard
    0          0          1         2      1.0
    1          1          0         1      1.0
    >>> found.n_genes, found.ari, found.only_a, found.only_b
    (3, 1.0, ['d'], ['e'])
    """

    contingency: pd.DataFrame
    ari: float
    ami: float
    n_genes: int
    matched: pd.DataFrame
    genes: pd.DataFrame
    only_a: list[str]
    only_b: list[str]

    def __str__(self) -> str:
        moved = int(self.genes["moves"].sum())
        return (
            f"{counted(self.n_genes, 'gene')} in both, {len(self.only_a)} only in a, {len(self.only_b)} only in b; "
            f"{moved} {'moves' if moved == 1 else 'move'}; ARI {self.ari:.3f}, AMI {self.ami:.3f}"
        )


def compare(a: Any, b: Any) -> Comparison:
    """Compare the clusters of two fits: contingency table, agreement, and the genes that change clusters.

    Parameters
    ----------
    a, b : TrendClusterer, Series or mapping
        Fitted estimators, or the cluster of each gene (-1 = unassigned).

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError
        If one has another type.
    ValueError
        If no gene is shared.

    Examples
    --------
    >>> found = compare({"a": 0, "b": 0, "c": 1, "d": 1}, {"a": 5, "b": 5, "c": 2, "d": 5})
    >>> print(found)
    4 genes in both, 0 only in a, 0 only in b; 1 moves; ARI 0.000, AMI 0.000
    >>> found.genes.query("moves").index.tolist()
    ['d']
    """
    first, second = _labels(a, "a"), _labels(b, "b")
    shared = first.index[first.index.isin(second.index)]
    if len(shared) == 0:
        raise ValueError(
            f"a and b have no gene in common: a has {len(first)}, e.g. {first.index[0]!r}, "
            f"and b has {len(second)}, e.g. {second.index[0]!r}."
        )
    genes = pd.DataFrame({"cluster_a": first[shared], "cluster_b": second[shared]}, index=shared)
    table = pd.crosstab(genes["cluster_a"], genes["cluster_b"])
    matched = _match(table)
    partner = dict(zip(matched["cluster_a"], matched["cluster_b"], strict=True)) | {-1: -1}
    genes["moves"] = genes["cluster_a"].map(partner) != genes["cluster_b"]
    for name, fit in (("a", a), ("b", b)):
        if isinstance(fit, TrendClusterer):
            found = result_of(fit)
            genes[f"confidence_{name}"] = pd.Series(found.confidence, index=found.genes).loc[shared]
    if isinstance(a, TrendClusterer) and isinstance(b, TrendClusterer):
        genes["correlation"] = _correlations(a, b, shared)
    both = genes[(genes["cluster_a"] >= 0) & (genes["cluster_b"] >= 0)]
    labels = both["cluster_a"], both["cluster_b"]
    return Comparison(
        table,
        float(adjusted_rand_score(*labels)) if len(both) > 1 else np.nan,
        float(adjusted_mutual_info_score(*labels)) if len(both) > 1 else np.nan,
        len(shared),
        matched,
        genes,
        [str(gene) for gene in first.index.difference(shared, sort=False)],
        [str(gene) for gene in second.index.difference(shared, sort=False)],
    )


def _labels(fit: Any, name: str) -> pd.Series:
    if isinstance(fit, TrendClusterer) and fit.__sklearn_is_fitted__():
        return pd.Series(fit.labels_, index=pd.Index(fit.genes_, name="gene"))
    if not isinstance(fit, (pd.Series, Mapping)):
        raise TypeError(
            f"{name} must be a fitted TrendClusterer, or the cluster of each gene as a Series or mapping; "
            f"got {type(fit).__name__}{' that is not fitted' if isinstance(fit, BaseEstimator) else ''}."
        )
    labels = pd.Series(fit if isinstance(fit, pd.Series) else dict(fit))
    if len(labels) == 0:
        raise ValueError(f"{name} contains no gene.")
    if labels.index.has_duplicates:
        raise ValueError(f"{name} contains a gene more than once: {labels.index[labels.index.duplicated()][0]!r}.")
    numbers = pd.to_numeric(labels.astype(object), errors="coerce").fillna(-1)
    if (numbers % 1 != 0).any():
        raise ValueError(f"Clusters must be integers; {name} contains {numbers[numbers % 1 != 0].iloc[0]!r}.")
    return numbers.astype(int).rename_axis("gene")


def _match(table: pd.DataFrame) -> pd.DataFrame:
    counts = table.loc[table.index >= 0, table.columns >= 0]
    rows, columns = linear_sum_assignment(-counts.to_numpy())
    a, b, shared = counts.index[rows], counts.columns[columns], counts.to_numpy()[rows, columns]
    union = table.sum(axis=1)[a].to_numpy() + table.sum()[b].to_numpy() - shared
    pairs = pd.DataFrame({"cluster_a": a, "cluster_b": b, "n_shared": shared, "jaccard": shared / union})
    return pairs[pairs["n_shared"] > 0].reset_index(drop=True)


def _correlations(a: Any, b: Any, genes: pd.Index) -> np.ndarray:
    """Return the correlation of the trends of each gene over the shared range of pseudotime; NaN if there is none.

    Fits of several lineages, in the order of their names, are compared point by point if their grids have the same length.
    """
    first, second = (
        arranged_by_name(fit.trends_[pd.Index(fit.genes_).get_indexer(genes)], fit.grid_lineage_) for fit in (a, b)
    )
    if not isinstance(a.lineage_, list) and not isinstance(b.lineage_, list):
        low = max(a.pseudotime_[0], b.pseudotime_[0])
        high = min(a.pseudotime_[-1], b.pseudotime_[-1])
        if low >= high:
            return np.full(len(genes), np.nan)
        grid = np.linspace(low, high, max(len(a.pseudotime_), len(b.pseudotime_)))
        first = np.array([np.interp(grid, a.pseudotime_, row) for row in first])
        second = np.array([np.interp(grid, b.pseudotime_, row) for row in second])
    if first.shape != second.shape:
        return np.full(len(genes), np.nan)
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    length = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide((first * second).sum(axis=1), length, out=np.full(len(genes), np.nan), where=length > 0)
