"""Tables of the results: one row a gene, one row a cluster."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .trends import Trends, adjust

_LEADING = ["edf", "deviance_explained", "pvalue", "qvalue", "peak", "onset", "converged", "lambda", "note"]
_N_TOP = 5


def gene_table(trends: Trends) -> pd.DataFrame:
    """Return one row a gene: what the model gave, the q-value, and where the trend peaks and starts to move."""
    table = pd.DataFrame(index=pd.Index(trends.genes, name="gene")) if trends.table is None else trends.table.copy()
    if "pvalue" not in table:
        table["pvalue"] = np.nan
    for column, suffixes in (("edf", "edf_"), ("deviance_explained", "deviance_explained_")):
        if column not in table:  # several lineages: the whole of what they use, the best of what they explain
            parts = table[[name for name in table if name.startswith(suffixes)]]
            table[column] = parts.sum(axis=1) if column == "edf" else parts.max(axis=1)
    table["qvalue"] = adjust(table["pvalue"].to_numpy(dtype=float))
    table["peak"], table["onset"] = trends.peak(), trends.onset()
    leading = [name for name in _LEADING if name in table]
    return table[leading + [name for name in table if name not in leading]]


def order_clusters(labels: np.ndarray, scaled: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Renumber clusters by the time at which their mean trend peaks.

    Parameters
    ----------
    labels
        `(n_genes,)` integers, negative = not assigned.
    scaled
        `(n_genes, n_points)` scaled trends.
    grid
        `(n_points,)` pseudotime.

    Returns
    -------
    labels : ndarray of int, shape (n_genes,)
        0 for the earliest peak; ties by the mean trend's centre of mass.
    order : ndarray of shape (n_clusters,)
        The old label of each new one.
    """
    old = np.unique(labels[labels >= 0])
    if len(old) == 0:
        return np.full(len(labels), -1), old
    means = np.array([scaled[labels == label].mean(axis=0) for label in old])
    raised = means - means.min(axis=1, keepdims=True)
    mass = raised.sum(axis=1)
    centre = np.where(mass > 0, raised @ grid / np.where(mass > 0, mass, 1), grid.mean())
    order = old[np.lexsort((centre, grid[np.argmax(means, axis=1)]))]
    new = np.full(len(labels), -1)
    for number, label in enumerate(order):
        new[labels == label] = number
    return new, order


def cluster_table(genes: pd.DataFrame, centers: np.ndarray, grid: np.ndarray) -> pd.DataFrame:
    """Return one row a cluster: its size, where its mean trend peaks and starts to move, and its leading genes."""
    shape = Trends(centers, grid, [str(index) for index in range(len(centers))])
    table = pd.DataFrame(index=pd.RangeIndex(len(centers), name="cluster"))
    members = [genes[genes["cluster"] == cluster] for cluster in table.index]
    table["size"] = [len(rows) for rows in members]
    table["peak"] = shape.peak() if len(centers) else np.zeros(0)
    table["onset"] = shape.onset() if len(centers) else np.zeros(0)
    table["deviance_explained"] = [rows["deviance_explained"].mean() for rows in members]
    table["top_genes"] = [", ".join(top_genes(rows)) for rows in members]
    return table


def top_order(genes: pd.DataFrame) -> np.ndarray:
    """Return by what genes are named first: deviance explained, 0 where a model has none."""
    return np.nan_to_num(genes["deviance_explained"].to_numpy(dtype=float))


def top_genes(rows: pd.DataFrame, n: int = _N_TOP) -> list[str]:
    """Return the `n` genes of which the trend explains most."""
    return [str(gene) for gene in rows["deviance_explained"].sort_values(ascending=False, kind="stable").index[:n]]
