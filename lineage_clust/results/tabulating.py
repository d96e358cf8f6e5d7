"""The names of clusters, and the tables of a fit. Posterior samples for tables take longer than the fit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import config_context

from ..contracts.capabilities import confidence_can_wait, fitted_value
from ..models.notes import noted
from ..trends import drawing
from ..utils.threads import few_threads
from .gating import NOTE, left_out
from .grouping import one_per_row
from .tables import cluster_table, gene_table, time_order

if TYPE_CHECKING:
    from ..clusterers.tree import ClusterTree
    from .result import FitResult

UNASSIGNED = "unassigned"
_RUN = 3  # numbers in a row that are written as a range
OF_CLUSTERS = ["cluster", "cluster_name", "confidence", "agreement", "gene_ids"]


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


def tabulate(result: FitResult, shapes: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the gene table; `shapes` are its columns that do not depend on the clusters, if they are already known."""
    genes = _shapes(result) if shapes is None else shapes.copy()
    genes.insert(0, "cluster", result.labels)
    genes.insert(1, "cluster_name", names_of_genes(result.labels, result.cluster_names))
    genes.insert(2, "confidence", result.confidence)
    genes.insert(3, "agreement", result.agreement)
    if result.ids is not None:
        genes["gene_ids"] = result.gene_ids
    if "note" in genes:
        known = genes["note"].str.contains(NOTE, regex=False).to_numpy(dtype=bool)  # from another cut
        genes["note"] = noted(list(genes["note"]), np.flatnonzero(left_out(result) & ~known), NOTE)
    return genes


def tabulate_clusters(result: FitResult) -> pd.DataFrame:
    """Return the cluster table."""
    several = result.trends.grid_lineage if len(result.fits) > 1 else None
    clusters = cluster_table(result.ranked, result.centers, result.trends.grid, several)
    clusters.insert(0, "name", result.cluster_names)
    return clusters


def _shapes(result: FitResult) -> pd.DataFrame:
    with few_threads(result.values.size):
        can_draw = drawing.can_draw(result.fits)
        uncertain = drawing.shape_uncertainty(result.fits, result.genes) if can_draw else None
    return gene_table(result.trends, uncertain)


def confidence_of(result: FitResult) -> np.ndarray:
    """Return the confidence of each gene, `(n_genes,)`, from posterior samples if the clusterer needs them."""
    confidence, grouped = np.full(len(result.labels), np.nan), result.grouped
    if len(grouped) == 0:
        return confidence
    known = fitted_value(result.clusterer, "confidence_")
    if known is not None:
        confidence[grouped] = known
    elif confidence_can_wait(result.clusterer) and drawing.can_draw(result.fits):
        names = [result.genes[gene] for gene in grouped]
        default = config_context(transform_output="default")  # independent of the setting at the time of access
        with default, few_threads(len(names) * result.values.shape[1]):
            drawn = drawing.posterior_draws(result.fits, names, random_state=result.seed)
            draws = drawing.scaled(drawn, result.trends, names, result.scale, by_name=result.arranged_by_name)
            found = result.clusterer.confidence(draws)
        confidence[grouped] = one_per_row(f"confidence of {type(result.clusterer).__name__}", found, len(names))
    return confidence


def clustered_tree(result: FitResult) -> ClusterTree:
    """Return the tree of a result, or raise an AttributeError."""
    tree = fitted_value(result.clusterer, "tree_")
    if tree is None or len(result.grouped) == 0:
        raise AttributeError(
            f"There is no tree of clusters: {type(result.clusterer).__name__} does not compute one, or no gene was "
            "clustered. Fit with clusterer=GraphClusterer()."
        )
    return tree


def table_of_tree(result: FitResult) -> pd.DataFrame:
    """Return a table with one row per node of the tree by name, the finest groups first, as in its linkage.

    `parent` names the node above, "" at the top; `cluster` is the number at the current level, -1 above and below it;
    `support` and `height` are of the split of the node, NaN for the finest groups; others are as in the cluster table.
    """
    tree, chosen, grid = clustered_tree(result), result.grouped, result.pseudotime
    scaled, least = result.scaled[chosen], getattr(result.clusterer, "min_cluster_size", 1)
    several = result.grid_lineage if result.is_joint and len(result.names) > 1 else None
    names = node_names(tree, scaled, grid, least, result.grid_lineage)
    n_nodes = len(names)
    rows = tree.rows()
    repeated = result.ranked.iloc[chosen[np.concatenate(rows)]].assign(
        cluster=np.repeat(np.arange(n_nodes), [len(own) for own in rows])
    )
    table = cluster_table(repeated, tree.means(scaled), grid, several).drop(columns="name", errors="ignore")
    parent = np.full(n_nodes, "", dtype=object)
    for row, children in enumerate(tree.linkage[:, :2].astype(int)):
        parent[children] = names[tree.n_leaves + row]
    cluster = np.full(n_nodes, -1)
    nodes = nodes_of(tree, result.labels[chosen])
    cluster[nodes] = np.arange(len(nodes))
    none = np.full(tree.n_leaves, np.nan)
    for place, (name, values) in enumerate({
        "parent": parent, "cluster": cluster, "support": np.append(none, tree.support),
        "height": np.append(none, tree.linkage[:, 2]),
    }.items()):  # fmt: skip
        table.insert(place, name, values)
    return table.set_axis(pd.Index(names, name="name"), axis=0)
