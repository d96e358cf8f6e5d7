"""scanpy's keywords, one by one, as parameters of GraphClusterer."""

import numpy as np
import pytest

from lineage_clust import GraphClusterer
from lineage_clust.cellrank import graph_parameters

DEFAULTS = {
    "n_neighbors": 15,
    "metric": "euclidean",
    "neighbors": None,
    "weights": "umap",
    "n_components": None,
    "method": "leiden",
    "resolution": 1.0,
    "n_iterations": 2,
    "min_cluster_size": 1,
}


def parameters(pca=None, neighbors=None, clustering=None, n_genes=100, use_leiden=True):
    return graph_parameters(pca or {}, neighbors or {}, clustering or {}, n_genes, use_leiden)


class ModularityVertexPartition:
    """A class of leidenalg, as scanpy takes it for `partition_type`."""


@pytest.mark.parametrize(
    ("keywords", "changed"),
    [
        ({}, {}),
        ({"use_leiden": False}, {"method": "louvain"}),
        ({"neighbors": {"n_neighbors": 30, "metric": "cosine"}}, {"n_neighbors": 30, "metric": "cosine"}),
        ({"neighbors": {"method": "gauss"}}, {"weights": "gaussian"}),
        ({"neighbors": {"transformer": "a searcher"}}, {"neighbors": "a searcher"}),
        ({"neighbors": {"knn": True}}, {}),
        ({"clustering": {"use_weights": False}}, {"weights": "binary"}),
        ({"clustering": {"use_weights": True, "directed": False}}, {}),
        ({"clustering": {"resolution": 0.5, "n_iterations": -1}}, {"resolution": 0.5, "n_iterations": -1}),
        ({"clustering": {"min_cluster_size": 3}}, {"min_cluster_size": 3}),
        ({"clustering": {"flavor": "igraph"}}, {}),
        ({"clustering": {"flavor": "leidenalg"}}, {"backend": "leidenalg"}),
        ({"clustering": {"flavor": "vtraag"}, "use_leiden": False}, {"method": "louvain"}),
        ({"clustering": {"flavor": "leidenalg"}, "use_leiden": False}, {"method": "louvain"}),
        ({"clustering": {"objective_function": "CPM"}}, {"objective": "CPM"}),
        (
            {"clustering": {"partition_type": ModularityVertexPartition}},
            {"objective": "ModularityVertexPartition", "backend": "leidenalg"},
        ),
        # components: none of the rows as they are, else scanpy's 50, or as many as there are genes
        ({"neighbors": {"use_rep": "X", "n_pcs": 0}}, {}),
        ({"neighbors": {"use_rep": "X_pca", "n_pcs": 0}}, {}),
        ({"neighbors": {"use_rep": "X_pca"}}, {"n_components": 50}),
        ({"neighbors": {"use_rep": None}, "n_genes": 20}, {"n_components": 20}),
        ({"neighbors": {"use_rep": "X", "n_pcs": 7}}, {"n_components": 7}),
        ({"neighbors": {"use_rep": "X_pca"}, "pca": {"n_comps": 9}}, {"n_components": 9}),
        ({"neighbors": {"use_rep": "X_pca"}, "pca": {"n_components": 8}}, {"n_components": 8}),
        ({"pca": {"n_comps": 9, "zero_center": True}}, {}),
        # the last of several seeds is that of the clustering
        ({"pca": {"random_state": 1}}, {"random_state": 1}),
        ({"pca": {"random_state": 1}, "neighbors": {"random_state": 2}}, {"random_state": 2}),
        ({"neighbors": {"random_state": 2}, "clustering": {"random_state": 3}}, {"random_state": 3}),
    ],
)
def test_keywords(keywords, changed):
    assert parameters(**keywords) == {**DEFAULTS, **changed}


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"pca": ["n_comps"]}, TypeError, r"pca_kwargs must be a mapping; got \['n_comps'\]"),
        ({"pca": {"ncomps": 3}}, TypeError, "pca_kwargs got an unknown key 'ncomps'. Did you mean 'n_comps'"),
        (
            {"neighbors": {"neighbours": 3}},
            TypeError,
            "neighbors_kwargs got an unknown key 'neighbours'.*'n_neighbors'",
        ),
        ({"clustering": {"res": 1}}, TypeError, "clustering_kwargs got an unknown key 'res'. .*'resolution'"),
        ({"neighbors": {"knn": False}}, ValueError, "knn=False .* is not supported. Raise n_neighbors"),
        ({"neighbors": {"use_rep": "X_umap"}}, ValueError, "use_rep must be 'X' or 'X_pca'; got 'X_umap'"),
        ({"neighbors": {"method": "rapids"}}, ValueError, "method must be one of 'umap', 'gauss'.*; got 'rapids'"),
        ({"clustering": {"directed": True}}, ValueError, "directed=True is not supported: .* undirected"),
        ({"clustering": {"flavor": "cugraph"}}, ValueError, "flavor must be 'igraph' or 'leidenalg'; got 'cugraph'"),
    ],
)
def test_keywords_without_a_counterpart(keywords, error, message):
    with pytest.raises(error, match=message):
        parameters(**keywords)


def test_given_mappings_are_left_alone():
    given = {"n_neighbors": 5}
    parameters(neighbors=given)
    assert given == {"n_neighbors": 5}


def test_the_result_are_parameters_of_the_clusterer():
    rows = np.random.default_rng(0).normal(size=(40, 8))
    found = parameters({"n_comps": 4}, {"use_rep": "X_pca", "method": "jaccard"}, {"random_state": 0}, n_genes=40)
    assert len(GraphClusterer(**found).fit(rows).labels_) == 40
