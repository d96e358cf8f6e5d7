"""Clusters that consist of so few significant genes that genes without a trend could form them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import binom

from ..contracts.capabilities import fitted_value

if TYPE_CHECKING:
    import pandas as pd

    from .gating import Gate
    from .result import FitResult

NOTE = "not clustered: by chance, as many genes without a trend are as significant as those of its cluster"


def in_clusters_by_chance(labels: np.ndarray, pvalues: np.ndarray, alpha: float) -> np.ndarray:
    """Return which genes are in clusters that genes without a trend could form, `(n_genes,)`.

    The false discovery rate bounds the proportion of genes without a trend among all that are selected. They may all have
    another shape than the others, and be a cluster of their own. If none of its genes, and of the tested genes in no cluster,
    had a trend, the number of these with a p-value of at most `p` would be binomial. A cluster is kept if, for any of its
    genes, as many would be as significant with a probability below `alpha`, divided by its number of genes (Bonferroni).

    labels : `(n_genes,)` clusters, -1 = in none.
    pvalues : `(n_genes,)`, NaN if not tested.

    >>> pvalues = np.array([1e-9, 1e-7, 2e-3, 0.5, 0.9])
    >>> in_clusters_by_chance(np.array([0, 0, 1, -1, -1]), pvalues, 0.01).tolist()
    [False, False, False, False, False]
    >>> in_clusters_by_chance(np.array([0, 0, 1, -1, -1]), pvalues, 0.005).tolist()
    [False, False, True, False, False]
    """
    n_without, found = int((np.isfinite(pvalues) & (labels < 0)).sum()), np.zeros(len(labels), dtype=bool)
    for cluster in range(labels.max(initial=-1) + 1):
        own = np.sort(pvalues[labels == cluster])
        chance = binom.sf(np.arange(len(own)), n_without + len(own), own).min(initial=1.0)
        found[labels == cluster] = len(own) * chance >= alpha
    return found


def by_chance(clusterer: Any, labels: np.ndarray, table: pd.DataFrame, gate: Gate) -> np.ndarray:
    """Return which genes are in clusters by chance `(n_genes,)`; none if their number is set or genes are not tested."""
    if gate.alpha is None or gate.pvalue_limit is None or fitted_value(clusterer, "stability_") is None:
        return np.zeros(len(labels), dtype=bool)
    return in_clusters_by_chance(labels, table["pvalue"].to_numpy(dtype=float), gate.alpha)


def left_out(result: FitResult) -> np.ndarray:
    """Return which genes change but were not clustered, because they formed clusters by chance, `(n_genes,)`."""
    passed = result.gate.passes(result.decisions) & (np.ptp(result.scaled, axis=1) > 0)
    passed[result.grouped] = False
    return passed
