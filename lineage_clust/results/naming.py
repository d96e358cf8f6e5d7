"""Names of clusters that stay the same at every level of the tree: "2", its parts "2.1" and "2.2", its union "1+2"."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from .tables import time_order

if TYPE_CHECKING:
    from ..clusterers.tree import ClusterTree

UNASSIGNED = "unassigned"
_RUN = 3  # numbers in a row that are written as a range


def cluster_names(
    clusterer: Any, labels: np.ndarray, scaled: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None = None
) -> list[str]:
    """Return the name of each cluster of fitted rows: its own in the tree, or its number if the clusterer has no tree."""
    n_clusters = int(labels.max(initial=-1)) + 1
    tree = getattr(clusterer, "tree_", None)
    if tree is None or len(tree.leaves) != len(labels):
        return [str(cluster) for cluster in range(n_clusters)]
    least = getattr(clusterer, "min_cluster_size", 1)
    names, nodes = node_names(tree, scaled, grid, least, grid_lineage), nodes_of(tree, labels)
    return [names[node] for node in nodes]


def nodes_of(tree: ClusterTree, labels: np.ndarray) -> np.ndarray:
    """Return the node of each cluster of a cut, `(n_clusters,)`."""
    label_of = np.full(2 * tree.n_leaves - 1, -1)
    label_of[tree.leaves] = labels
    found = np.full(int(labels.max(initial=-1)) + 1, -1)
    leaves = np.flatnonzero(label_of >= 0)
    found[label_of[leaves]] = leaves
    for row, (first, second) in enumerate(tree.linkage[:, :2].astype(int)):
        if label_of[first] == label_of[second] >= 0:
            label_of[tree.n_leaves + row] = label_of[first]
            found[label_of[first]] = tree.n_leaves + row
    return found


def node_names(
    tree: ClusterTree, scaled: np.ndarray, grid: np.ndarray, least_size: int = 1, grid_lineage: np.ndarray | None = None
) -> list[str]:
    """Return the name of each node of a tree with trends `scaled` as rows, `2 * n_leaves - 1` of them.

    Clusters of the selected partition are numbered by time; those smaller than `least_size` come last. The parts of
    cluster 2 are 2.1 and 2.2, the earlier one first; the parts of 2.1 are 2.1.1 and 2.1.2. A union of clusters is named
    by their numbers, "0+1"; three or more consecutive numbers are a range, "0-3+7". A name therefore refers to the same
    genes at every level.
    """
    rank = time_ranks(tree.means(scaled), grid, grid_lineage)
    children = tree.linkage[:, :2].astype(int)
    own = nodes_of(tree, tree.cut(n_clusters=tree.n_clusters))
    own = own[np.lexsort((rank[own], tree.sizes[own] < least_size))]
    numbers: list[list[int]] = [[] for _ in rank]
    names = [""] * len(rank)
    for number, node in enumerate(own):
        numbers[node], names[node] = [number], str(number)
    for row, pair in enumerate(children):  # unions, from below
        node = tree.n_leaves + row
        if not names[node] and all(numbers[child] for child in pair):
            numbers[node] = sorted(numbers[pair[0]] + numbers[pair[1]])
            names[node] = union_name(numbers[node])
    for row in range(len(children) - 1, -1, -1):  # parts, from above
        parent = names[tree.n_leaves + row]
        for place, child in enumerate(sorted(children[row], key=lambda node: rank[node]), 1):
            names[child] = names[child] or f"{parent}.{place}"
    return names


def time_ranks(means: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None = None) -> np.ndarray:
    """Return the rank of each mean trend `(n_nodes, n_points)` in the order of time, by which parts are named."""
    return np.argsort(time_order(means, grid, grid_lineage))


def union_name(numbers: Sequence[int]) -> str:
    """Return the name of a union of clusters.

    >>> union_name([0, 1]), union_name([0, 1, 2, 3, 7])
    ('0+1', '0-3+7')
    """
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    parts = [[f"{run[0]}-{run[-1]}"] if len(run) >= _RUN else map(str, run) for run in runs]
    return "+".join(name for part in parts for name in part)


def names_of_genes(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return the name of each gene's cluster, `(n_genes,)`, "unassigned" for -1."""
    return np.array([*names, UNASSIGNED], dtype=object)[labels]


def set_name(cluster: int, prefix: str = "", names: Sequence[str] | None = None) -> str:
    """Return the name of a cluster's gene set, such as "Ery_cluster_1.1"."""
    name = UNASSIGNED if cluster < 0 else f"cluster_{cluster if names is None else names[cluster]}"
    return f"{prefix}_{name}" if prefix else name
