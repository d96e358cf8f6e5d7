"""Leading genes of a cluster: those that its mean trend explains best."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..trends.trends import arranged_by_name

MOST = 2 / 3  # proportion of genes that must share the direction of their cluster
_N_TOP = 5


def agreement(
    scaled: np.ndarray, labels: np.ndarray, centers: np.ndarray, grid_lineage: np.ndarray | None = None
) -> np.ndarray:
    """Return the Pearson correlation of each trend with the mean trend of its cluster, `(n_genes,)`.

    It is NaN for genes without a cluster (negative label), and 0 if either trend is constant. The order of several
    lineages (`grid_lineage`) does not matter.
    """
    found, there = np.full(len(labels), np.nan), labels >= 0
    if not there.any():
        return found
    rows, means = (arranged_by_name(values, grid_lineage) for values in (scaled[there], centers[labels[there]]))
    rows, means = (values - values.mean(axis=1, keepdims=True) for values in (rows, means))
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(means, axis=1)
    products = np.einsum("ij,ij->i", rows, means)
    found[there] = np.divide(products, lengths, out=np.zeros(len(rows)), where=lengths > 0)
    return found


def top_order(genes: pd.DataFrame) -> np.ndarray:
    """Return distinct scores `(n_genes,)` by which the genes of a cluster are ranked; the largest is first.

    Genes with the direction of their cluster come first, if two thirds of its genes share one. Genes are then ranked by
    the proportion of their deviance that the mean trend of their cluster explains: the proportion explained by their
    own trend times the squared correlation of the two trends (`agreement`, if it is known). Ties are broken by name.
    """
    strength = genes["deviance_explained"].to_numpy(dtype=float)
    strength = np.nan_to_num(strength) if np.isfinite(strength).any() else np.ones(len(genes))
    if "agreement" in genes:
        fit = genes["agreement"].to_numpy(dtype=float)
        strength = strength * np.where(np.isnan(fit), 1.0, np.maximum(fit, 0.0) ** 2)
    first = np.lexsort((genes.index.astype(str).to_numpy(dtype=str), -strength.round(12), _astray(genes)))
    found = np.empty(len(genes))
    found[first] = np.arange(len(genes), 0, -1)
    return found


def _astray(genes: pd.DataFrame) -> np.ndarray:
    """Return which genes differ in direction from most of their cluster."""
    astray = np.zeros(len(genes), dtype=bool)
    if "cluster" not in genes or "direction" not in genes:
        return astray
    ways = genes["direction"].to_numpy(dtype=object)
    for rows in genes.groupby("cluster").indices.values():
        share = pd.Series(ways[rows]).value_counts(normalize=True)
        if share.iloc[0] >= MOST:
            astray[rows] = ways[rows] != share.index[0]
    return astray


def top_genes(rows: pd.DataFrame, n: int = _N_TOP) -> list[str]:
    """Return the first `n` genes of a cluster, see `top_order`."""
    return [str(gene) for gene in rows.index[np.argsort(-top_order(rows))][:n]]
