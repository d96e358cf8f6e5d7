"""The gene table, and the means and the order of clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..trends.shapes import peak_time, shapes
from ..trends.side_by_side import columns_of_each, names_along
from ..trends.trends import Trends, adjust
from .moving import TIMES, changes_in, each_significant_in, moving_in

_LEADING = [
    "edf", "deviance_explained", "pvalue", "qvalue", *TIMES, "direction", "amplitude", "moves_most_in", "changes_in",
    "converged", "lambda", "note",
]  # fmt: skip


def gene_table(trends: Trends, uncertain: Sequence[pd.DataFrame] | None = None) -> pd.DataFrame:
    """Return the gene table, see :class:`lineage_clust.TrendClusterer`, without clusters.

    With several lineages, `changes_in` names those in which the range is at least a third of the largest and the p-value,
    if known, is below 0.05; the direction without suffix is the common direction in these, or "differs". `uncertain` has
    intervals of the shapes for each lineage, see :func:`lineage_clust.trends.shape_intervals.uncertainty`.
    """
    models = _of_models(trends)
    table = pd.concat([models, _shapes(trends, uncertain, models)], axis=1)
    leading = [name for name in _LEADING if name in table]
    return table[leading + [name for name in table if name not in leading]]


def deciding_table(trends: Trends) -> pd.DataFrame:
    """Return the results of the models and the columns that determine which genes are clustered."""
    parts = [np.ptp(trends.values[:, columns], axis=1) for columns in columns_of_each(trends.grid_lineage).values()]
    return _of_models(trends).assign(amplitude=np.max(parts, axis=0))


def _of_models(trends: Trends) -> pd.DataFrame:
    """Return the results of the models with the q-value."""
    table = pd.DataFrame(index=pd.Index(trends.genes, name="gene")) if trends.table is None else trends.table.copy()
    if "pvalue" not in table:
        table["pvalue"] = np.nan
    for column, suffixes in (("edf", "edf_"), ("deviance_explained", "deviance_explained_")):
        if column not in table:  # several lineages: total edf, largest deviance explained
            parts = table[sorted(name for name in table if name.startswith(suffixes))]
            table[column] = parts.sum(axis=1) if column == "edf" else parts.max(axis=1)
    table["qvalue"] = adjust(table["pvalue"].to_numpy(dtype=float))
    return table


def _shapes(trends: Trends, uncertain: Sequence[pd.DataFrame] | None, models: pd.DataFrame) -> pd.DataFrame:
    every, parts = columns_of_each(trends.grid_lineage), {}
    for number, name in enumerate(names_along(trends.grid_lineage)):
        part = shapes(trends.values[:, every[name]], trends.grid[every[name]])
        if uncertain is not None:
            part = pd.concat([part, uncertain[number]], axis=1)
        parts[name] = part.set_axis(models.index, axis=0)
    if len(parts) == 1:
        return next(iter(parts.values()))
    return pd.concat(
        [_together(parts, list(every), models), *(part.add_suffix(f"_{name}") for name, part in parts.items())], axis=1
    )


def _together(parts: dict, names: list, models: pd.DataFrame) -> pd.DataFrame:
    """Return the remarks on a gene in all lineages, in the order of the lineages."""
    ranges = np.array([parts[name]["amplitude"] for name in names])
    most, genes = ranges.argmax(axis=0), np.arange(len(models))
    whole = pd.DataFrame(index=models.index)
    for column in (*TIMES, "direction", "amplitude"):
        whole[column] = np.array([parts[name][column].to_numpy() for name in names])[most, genes]
    moves = moving_in(ranges) & each_significant_in(models, names)
    ways = np.array([parts[name]["direction"].to_numpy() for name in names])
    differs = (moves & (ways != whole["direction"].to_numpy())).any(axis=0)
    whole["direction"] = np.where(differs, "differs", whole["direction"].to_numpy())
    whole["moves_most_in"] = np.array(list(map(str, names)), dtype=object)[most]
    whole["changes_in"] = changes_in(names, moves)
    return whole


def cluster_means(scaled: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean scaled trend of each cluster, `(n_clusters, n_points)`."""
    n_clusters = int(labels.max(initial=-1)) + 1
    means = [scaled[labels == cluster].mean(axis=0) for cluster in range(n_clusters)]
    return np.array(means).reshape(n_clusters, scaled.shape[1])


def order_clusters(
    labels: np.ndarray, scaled: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Renumber clusters by the time at which the mean of their scaled trends peaks; ties by its centre of mass.

    Return the new labels, `(n_genes,)`, 0 for the earliest, -1 = not assigned, and the old label of each new one. With
    several lineages, the one in which the mean trend has the largest range is used.
    """
    old = np.unique(labels[labels >= 0])
    if len(old) == 0:
        return np.full(len(labels), -1), old
    means = np.array([scaled[labels == label].mean(axis=0) for label in old])
    order = old[time_order(means, grid, grid_lineage)]
    new = np.full(len(labels), -1)
    for number, label in enumerate(order):
        new[labels == label] = number
    return new, order


def time_order(means: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None = None) -> np.ndarray:
    """Return the order of mean trends `(n_clusters, n_points)` by the time of their peak; ties by their centre of mass.

    With several lineages, the times are those of the lineage in which the trend has the largest range.
    """
    parts = [(means[:, columns], grid[columns]) for columns in columns_of_each(grid_lineage).values()]
    spans, clusters = np.array([np.ptp(part, axis=1) for part, _ in parts]), np.arange(len(means))
    most = np.argmax(spans >= spans.max(axis=0) * (1 - 1e-6), axis=0)  # the first of those that rounding tells apart
    centre = np.array([_centre_of_mass(*part) for part in parts])[most, clusters]
    peak = np.array([peak_time(*part) for part in parts])[most, clusters]
    step = 1e-9 * (np.ptp(grid) or 1.0)
    return np.lexsort((np.round(centre / step), np.round(peak / step)))


def _centre_of_mass(means: np.ndarray, grid: np.ndarray) -> np.ndarray:
    raised = means - means.min(axis=1, keepdims=True)
    mass = raised.sum(axis=1)
    return np.where(mass > 0, raised @ grid / np.where(mass > 0, mass, 1), grid.mean())
