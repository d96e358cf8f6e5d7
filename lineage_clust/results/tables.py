"""Tables of the results: one row a gene, one row a cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..trends.shapes import DIRECTIONS, direction, peak_time, shapes
from ..trends.trends import Trends, adjust

_LEADING = [
    "edf", "deviance_explained", "pvalue", "qvalue", "peak", "onset", "half_max", "direction", "amplitude", "converged",
    "lambda", "note",
]  # fmt: skip
_N_TOP = 5
_ALIVE = 0.2  # a mean trend whose range in a lineage is less than this share of its whole range stays level there
_MAJORITY = 0.5


def gene_table(trends: Trends, uncertain: Sequence[pd.DataFrame] | None = None) -> pd.DataFrame:
    """Return one row a gene: what the model gave, the q-value, and the shape of the trend.

    Parameters
    ----------
    trends
        Of one or several lineages. Of several, columns of one lineage end in its name; the plain ones hold the highest
        peak of all, the movement in the first lineage, the largest amplitude, and the direction, if all lineages share
        it (else "differs").
    uncertain
        For each lineage, how well the shapes are known, see `shapes.uncertainty`; `None` = unknown.
    """
    table = pd.concat([_of_models(trends), _shapes(trends, uncertain)], axis=1)
    leading = [name for name in _LEADING if name in table]
    return table[leading + [name for name in table if name not in leading]]


def deciding_table(trends: Trends) -> pd.DataFrame:
    """Return the columns of the gene table that decide which genes are clustered, and what the models gave."""
    parts = [np.ptp(trends.values[:, columns], axis=1) for _, columns in _by_lineage(trends.grid_lineage)]
    return _of_models(trends).assign(amplitude=np.max(parts, axis=0))


def _of_models(trends: Trends) -> pd.DataFrame:
    """Return what the models gave, with the q-value."""
    table = pd.DataFrame(index=pd.Index(trends.genes, name="gene")) if trends.table is None else trends.table.copy()
    if "pvalue" not in table:
        table["pvalue"] = np.nan
    for column, suffixes in (("edf", "edf_"), ("deviance_explained", "deviance_explained_")):
        if column not in table:  # several lineages: the whole of what they use, the best of what they explain
            parts = table[[name for name in table if name.startswith(suffixes)]]
            table[column] = parts.sum(axis=1) if column == "edf" else parts.max(axis=1)
    table["qvalue"] = adjust(table["pvalue"].to_numpy(dtype=float))
    return table


def _shapes(trends: Trends, uncertain: Sequence[pd.DataFrame] | None) -> pd.DataFrame:
    names, parts = _lineages(trends.grid_lineage), []
    for number, (_, columns) in enumerate(_by_lineage(trends.grid_lineage)):
        part = shapes(trends.values[:, columns], trends.grid[columns])
        if uncertain is not None:
            part = pd.concat([part, uncertain[number]], axis=1)
        parts.append(part.set_axis(pd.Index(trends.genes, name="gene"), axis=0))
    if len(parts) == 1:
        return parts[0]
    whole = parts[0][["onset", "half_max"]].copy()
    whole["peak"] = peak_time(trends.values, trends.grid)
    ways = pd.concat([part["direction"] for part in parts], axis=1)
    whole["direction"] = np.where(ways.nunique(axis=1) == 1, ways.iloc[:, 0], "differs")
    whole["amplitude"] = np.max([part["amplitude"] for part in parts], axis=0)
    return pd.concat([whole, *(part.add_suffix(f"_{name}") for name, part in zip(names, parts, strict=True))], axis=1)


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
    order = old[time_order(means, grid)]
    new = np.full(len(labels), -1)
    for number, label in enumerate(order):
        new[labels == label] = number
    return new, order


def time_order(means: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the order of mean trends `(n_clusters, n_points)` by the time of their peak; ties by their centre of mass."""
    raised = means - means.min(axis=1, keepdims=True)
    mass = raised.sum(axis=1)
    centre = np.where(mass > 0, raised @ grid / np.where(mass > 0, mass, 1), grid.mean())
    return np.lexsort((centre, grid[np.argmax(means, axis=1)]))


def cluster_table(
    genes: pd.DataFrame, centers: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None = None
) -> pd.DataFrame:
    """Return one row a cluster: its size, the shape of its mean trend, how alike its genes are, and the leading ones.

    Parameters
    ----------
    genes
        Gene table with clusters.
    centers
        `(n_clusters, n_points)` mean scaled trends.
    grid, grid_lineage
        `(n_points,)` pseudotime, and the lineage of each point.

    Returns
    -------
    DataFrame
        `direction_share` is the share of genes that go the way of the mean trend, `peak_lower` and `peak_upper` hold the
        peaks of the middle 80 % of them. With several lineages, `direction` is given for each, `changes_in` names those in
        which the mean trend and most of the genes change, and `specificity` says "shared" if that is all of them.
    """
    table = pd.DataFrame(index=pd.RangeIndex(len(centers), name="cluster"))
    members = [genes[genes["cluster"] == cluster] for cluster in table.index]
    names = _lineages(grid_lineage)
    first = slice(None) if len(names) == 1 else np.asarray(grid_lineage) == names[0]
    table["size"] = [len(rows) for rows in members]
    if len(names) == 1:
        ways = np.asarray(DIRECTIONS, dtype=object)[direction(centers)] if len(centers) else []
        table["direction"] = pd.Series(ways, index=table.index, dtype=object)
        table["direction_share"] = [
            float((rows["direction"] == way).mean()) for rows, way in zip(members, ways, strict=True)
        ]
    else:
        table = table.join(_changes(members, centers, names, grid_lineage))
    table["peak"] = peak_time(centers, grid) if len(centers) else np.zeros(0)
    for name, share in (("peak_lower", 0.1), ("peak_upper", 0.9)):
        table[name] = [float(np.quantile(rows["peak"], share)) for rows in members]
    moved = shapes(centers[:, first], grid[first])
    table["onset"], table["half_max"] = moved["onset"].to_numpy(), moved["half_max"].to_numpy()
    table["amplitude"] = [float(rows["amplitude"].median()) for rows in members]
    table["confidence"] = [float(rows["confidence"].mean()) if "confidence" in rows else np.nan for rows in members]
    table["deviance_explained"] = [rows["deviance_explained"].mean() for rows in members]
    table["top_genes"] = [", ".join(top_genes(rows)) for rows in members]
    return table


def _changes(members: list[pd.DataFrame], centers: np.ndarray, names: list, grid_lineage: np.ndarray) -> pd.DataFrame:
    """Return which way each cluster goes in each lineage, and in which ones it changes at all.

    A cluster changes in a lineage if its mean trend covers a fifth of its range there, and most of its genes have a
    p-value below 0.05 there (where there are p-values).
    """
    table, changes = pd.DataFrame(index=pd.RangeIndex(len(centers), name="cluster")), []
    whole = np.ptp(centers, axis=1) if len(centers) else np.zeros(0)
    for name in names:
        part = centers[:, np.asarray(grid_lineage) == name]
        ways = np.asarray(DIRECTIONS, dtype=object)[direction(part)] if len(part) else []
        table[f"direction_{name}"] = pd.Series(ways, index=table.index, dtype=object)
        moves = np.ptp(part, axis=1) >= _ALIVE * whole if len(part) else np.zeros(0, dtype=bool)
        for cluster, rows in enumerate(members):
            pvalue = rows[f"pvalue_{name}"].dropna() if f"pvalue_{name}" in rows else []
            moves[cluster] &= len(pvalue) == 0 or (pvalue < 0.05).mean() > _MAJORITY
        changes.append(moves)
    named = [[name for name, moves in zip(names, changes, strict=True) if moves[cluster]] for cluster in table.index]
    table["changes_in"] = [", ".join(map(str, found)) for found in named]
    table["specificity"] = [
        "shared" if len(found) == len(names) else f"only {', '.join(map(str, found))}" for found in named
    ]
    return table


def _lineages(grid_lineage: np.ndarray | None) -> list:
    """Return the names of the lineages along the grid in their order; `[None]` for one without a name."""
    return [None] if grid_lineage is None else list(dict.fromkeys(np.asarray(grid_lineage).tolist()))


def _by_lineage(grid_lineage: np.ndarray | None) -> list[tuple]:
    """Return the names of the lineages and where each is along the grid; all of it for one without a name."""
    every = np.asarray(grid_lineage)
    return [(name, slice(None) if name is None else every == name) for name in _lineages(grid_lineage)]


def top_order(genes: pd.DataFrame) -> np.ndarray:
    """Return by what genes are named first: deviance explained, 0 where a model has none."""
    return np.nan_to_num(genes["deviance_explained"].to_numpy(dtype=float))


def top_genes(rows: pd.DataFrame, n: int = _N_TOP) -> list[str]:
    """Return the `n` genes of which the trend explains most."""
    return [str(gene) for gene in rows["deviance_explained"].sort_values(ascending=False, kind="stable").index[:n]]
