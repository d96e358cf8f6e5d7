"""The tables of a fit: genes, clusters and nodes of the tree. Posterior samples for them take longer than the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn import config_context

from ..contracts.capabilities import confidence_can_wait, fitted_value
from ..models.notes import noted
from ..trends import drawing
from ..utils.threads import few_threads
from .gating import NOTE, left_out
from .grouping import one_per_row
from .naming import names_of_genes, node_names, nodes_of
from .tables import cluster_table, gene_table

if TYPE_CHECKING:
    from ..clusterers.tree import ClusterTree
    from .result import FitResult

OF_CLUSTERS = ["cluster", "cluster_name", "confidence", "agreement", "gene_ids"]


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
