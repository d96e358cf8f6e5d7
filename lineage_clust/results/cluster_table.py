"""The cluster table, with one row per cluster."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..trends.shapes import shapes
from ..trends.side_by_side import columns_of_each, names_along
from .leading import MOST, top_genes
from .moving import TIMES, changes_in, moving_in, significant_in, specificity

MIXED = "mixed"  # direction of a cluster whose genes share none


def cluster_table(
    genes: pd.DataFrame, centers: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None = None
) -> pd.DataFrame:
    """Return the cluster table, see :class:`lineage_clust.TrendClusterer`, from a gene table with clusters.

    `centers` `(n_clusters, n_points)` are mean scaled trends. `direction` is that of the mean trend, or "mixed" if less than
    two thirds of the genes have it; `peak_lower` and `peak_upper` are quantiles of the peaks of the genes. With several
    lineages, `relative_amplitude` is the range of the mean trend divided by its largest range, in `moves_most_in`;
    `changes_in` names the lineages in which the range is at least a third of that, and most genes have p < 0.05, if known.
    """
    table = pd.DataFrame(index=pd.RangeIndex(len(centers), name="cluster"))
    members = [genes[genes["cluster"] == cluster] for cluster in table.index]
    names = names_along(grid_lineage)
    table["size"] = [len(rows) for rows in members]
    of_each = pd.DataFrame(index=table.index)
    if len(names) == 1:
        found = _of_lineage(members, centers, grid, "")
        peaks_of = [rows["peak"] for rows in members]
    else:
        found, of_each = _of_lineages(members, centers, grid, np.asarray(grid_lineage))
        peaks_of = [rows[f"peak_{name}"] for rows, name in zip(members, found["moves_most_in"], strict=True)]
    at = list(found).index("peak")
    table = table.join(found.iloc[:, : at + 1])
    for name, share in (("peak_lower", 0.1), ("peak_upper", 0.9)):
        table[name] = [float(np.quantile(peaks, share)) for peaks in peaks_of]
    table = table.join(found.iloc[:, at + 1 :])
    table["amplitude"] = [float(rows["amplitude"].median()) for rows in members]
    table["confidence"] = [float(rows["confidence"].mean()) if "confidence" in rows else np.nan for rows in members]
    table["deviance_explained"] = [rows["deviance_explained"].mean() for rows in members]
    table["top_genes"] = [", ".join(top_genes(rows)) for rows in members]
    return table.join(of_each)


def _of_lineage(members: list[pd.DataFrame], centers: np.ndarray, grid: np.ndarray, suffix: str) -> pd.DataFrame:
    """Return the shape of the mean trends in one lineage, with the proportion of genes of the same direction."""
    found = shapes(centers, grid) if len(centers) else shapes(np.zeros((1, len(grid))), grid).iloc[:0]
    shares = [
        float((rows[f"direction{suffix}"] == way).mean()) for rows, way in zip(members, found["direction"], strict=True)
    ]
    words = [way if share >= MOST else MIXED for way, share in zip(found["direction"], shares, strict=True)]
    found = found.drop(columns=["amplitude", "direction"])
    found.insert(0, "direction", pd.Series(words, index=found.index, dtype=object))
    found.insert(1, "direction_share", np.array(shares, dtype=float))
    return found


def _of_lineages(
    members: list[pd.DataFrame], centers: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the columns for all lineages together, and those of each lineage."""
    every, given = columns_of_each(grid_lineage), names_along(grid_lineage)
    names = list(every)
    parts = {name: _of_lineage(members, centers[:, every[name]], grid[every[name]], f"_{name}") for name in given}
    ranges = np.array([np.ptp(centers[:, every[name]], axis=1) for name in names])
    significant = np.array([[significant_in(rows, name) for rows in members] for name in names], dtype=bool)
    moves = moving_in(ranges) & significant.reshape(ranges.shape)
    most, clusters = ranges.argmax(axis=0), np.arange(len(centers))

    whole = pd.DataFrame({f"direction_{name}": parts[name]["direction"] for name in given})
    whole["changes_in"], whole["specificity"] = changes_in(names, moves), specificity(names, moves)
    whole["moves_most_in"] = np.array(list(map(str, names)), dtype=object)[most]
    for column in TIMES:
        whole[column] = np.array([parts[name][column].to_numpy() for name in names])[most, clusters]
    of_each = []
    for name in given:
        part = parts[name].drop(columns="direction")
        largest = ranges.max(axis=0)
        own = ranges[names.index(name)]
        part["relative_amplitude"] = np.divide(own, largest, out=np.zeros(len(own)), where=largest > 0)
        part["amplitude"] = np.array([rows[f"amplitude_{name}"].median() for rows in members], dtype=float)
        of_each.append(part.add_suffix(f"_{name}"))
    return whole, pd.concat(of_each, axis=1)
