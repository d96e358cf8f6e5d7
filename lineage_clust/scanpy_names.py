"""Translation of scanpy's keywords for PCA, neighbours and clustering to parameters of GraphClusterer."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import did_you_mean, quoted

_PCA = ("n_comps", "n_components", "svd_solver", "zero_center", "random_state")
_NEIGHBORS = ("n_neighbors", "n_pcs", "use_rep", "knn", "metric", "method", "transformer", "random_state")
_CLUSTERING = (
    "resolution", "n_iterations", "flavor", "directed", "use_weights", "partition_type", "objective_function",
    "random_state", "min_cluster_size",
)  # fmt: skip
_WEIGHTS = {"umap": "umap", "gauss": "gaussian", "gaussian": "gaussian", "jaccard": "jaccard", "binary": "binary"}
_DEFAULT_COMPONENTS = 50


def graph_parameters(pca: Mapping, neighbors: Mapping, clustering: Mapping, n_genes: int, use_leiden: bool) -> dict:
    """Return parameters of GraphClusterer from scanpy's keywords, which override CellRank's defaults.

    pca, neighbors, clustering : Keywords of `scanpy.pp.pca`, `scanpy.pp.neighbors`, `scanpy.tl.leiden` / `louvain`.
    n_genes : Number of rows, the maximum number of components.
    """
    pca = _merged("pca_kwargs", {"svd_solver": "arpack"}, pca, _PCA)
    neighbors = _merged("neighbors_kwargs", {"use_rep": "X"}, neighbors, _NEIGHBORS)
    clustering = _merged("clustering_kwargs", {}, clustering, _CLUSTERING)
    parameters: dict = {
        "n_neighbors": neighbors.get("n_neighbors", 15),
        "metric": neighbors.get("metric", "euclidean"),
        "neighbors": neighbors.get("transformer"),
        "weights": _weights(neighbors, clustering),
        "n_components": _components(pca, neighbors, n_genes),
        "method": "leiden" if use_leiden else "louvain",
        "resolution": clustering.get("resolution", 1.0),
        "n_iterations": clustering.get("n_iterations", 2),
        "min_cluster_size": clustering.get("min_cluster_size", 1),
    }
    if neighbors.get("knn", True) is not True:
        raise ValueError(
            "neighbors_kwargs knn=False (a full kernel matrix) is not supported. Raise n_neighbors instead."
        )
    if clustering.get("directed"):
        raise ValueError("clustering_kwargs directed=True is not supported: the graph of neighbours is undirected.")
    flavor = clustering.get("flavor", "igraph")
    if flavor not in ("igraph", "leidenalg", "vtraag"):
        raise ValueError(f"clustering_kwargs flavor must be 'igraph' or 'leidenalg'; got {flavor!r}.")
    if flavor == "leidenalg" and use_leiden:
        parameters["backend"] = "leidenalg"
    objective = clustering.get("objective_function", clustering.get("partition_type"))
    if objective is not None:
        name = objective if isinstance(objective, str) else getattr(objective, "__name__", str(objective))
        parameters["objective"] = name
        if not isinstance(objective, str):
            parameters["backend"] = "leidenalg"
    for source in (pca, neighbors, clustering):
        if "random_state" in source:
            parameters["random_state"] = source["random_state"]
    return parameters


def _merged(name: str, defaults: Mapping, given: Mapping, known: tuple[str, ...]) -> dict:
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a mapping; got {given!r}.")
    unknown = [key for key in given if key not in known]
    if unknown:
        raise TypeError(
            f"{name} got an unknown key {unknown[0]!r}.{did_you_mean(unknown[0], known)} Known are "
            f"{quoted(known, len(known))}."
        )
    return {**defaults, **given}


def _components(pca: dict, neighbors: dict, n_genes: int) -> int | None:
    use_rep = neighbors.get("use_rep")
    if use_rep not in (None, "X", "X_pca"):
        raise ValueError(f"neighbors_kwargs use_rep must be 'X' or 'X_pca'; got {use_rep!r}.")
    n_pcs = neighbors.get("n_pcs")
    if n_pcs == 0 or (use_rep == "X" and not n_pcs):
        return None
    wanted = n_pcs or pca.get("n_comps", pca.get("n_components")) or _DEFAULT_COMPONENTS
    return max(1, min(int(wanted), n_genes))


def _weights(neighbors: dict, clustering: dict) -> str:
    if clustering.get("use_weights", True) is False:
        return "binary"
    method = neighbors.get("method", "umap")
    if method not in _WEIGHTS:
        raise ValueError(f"neighbors_kwargs method must be one of {quoted(_WEIGHTS)}; got {method!r}.")
    return _WEIGHTS[method]
