"""The tree of clusters as a table with one row per node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..contracts.capabilities import fitted_value
from .cluster_table import cluster_table
from .naming import node_names, nodes_of

if TYPE_CHECKING:
    from ..clusterers.tree import ClusterTree
    from .result import FitResult


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
    `support` and `height` are those of the split of the node, NaN for the finest groups. The other columns are those of the
    cluster table.
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
