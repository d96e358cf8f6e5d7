"""Community detection with Leiden and Louvain, reproducible for a given seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import sparse

from ..errors import did_you_mean
from ..utils.forking import ProcessLock
from .refinement import without_gaps

METHODS = ("leiden", "louvain")
BACKENDS = ("igraph", "leidenalg")
_IGRAPH_OBJECTIVES = {"modularity": "modularity", "cpm": "CPM"}
# Modularity with a resolution parameter is leidenalg's RBConfiguration (Reichardt & Bornholdt 2006); its class named
# ModularityVertexPartition has none.
_LEIDENALG_OBJECTIVES = {
    "modularity": "RBConfigurationVertexPartition",
    "cpm": "CPMVertexPartition",
    "rbconfiguration": "RBConfigurationVertexPartition",
    "rber": "RBERVertexPartition",
    "surprise": "SurpriseVertexPartition",
    "significance": "SignificanceVertexPartition",
}
_LEIDENALG_OBJECTIVES |= {name.lower(): name for name in _LEIDENALG_OBJECTIVES.values()}
_LEIDENALG_OBJECTIVES["modularityvertexpartition"] = "ModularityVertexPartition"
_WITH_RESOLUTION = ("RBConfigurationVertexPartition", "RBERVertexPartition", "CPMVertexPartition")


def _reset_igraph() -> None:
    """Restore igraph's default random generator, Python's `random`."""
    import igraph

    igraph.set_random_number_generator(random)


_igraph_generator = ProcessLock(_reset_igraph)


@contextmanager
def seeded_igraph(seed: int) -> Iterator[None]:
    """Let igraph use a separate random generator, seeded with `seed`.

    igraph has one generator per process, so the context waits for other threads that use it. On exit, igraph's default
    generator, Python's `random`, is restored; its state does not change.

    >>> import igraph
    >>> with seeded_igraph(0):
    ...     first = igraph.Graph.Erdos_Renyi(n=20, p=0.2).get_edgelist()
    >>> with seeded_igraph(0):
    ...     first == igraph.Graph.Erdos_Renyi(n=20, p=0.2).get_edgelist()
    True
    """
    import igraph  # it loads matplotlib, which takes as long as all other imports

    with _igraph_generator:
        igraph.set_random_number_generator(random.Random(seed))
        try:
            yield
        finally:
            _reset_igraph()


def as_igraph(connectivities: sparse.csr_matrix) -> Any:
    """Return the undirected graph with the symmetric weights `(n_rows, n_rows)` as edge attribute "weight".

    >>> as_igraph(sparse.csr_matrix([[0.0, 0.5], [0.5, 0.0]])).es["weight"]
    [0.5]
    """
    import igraph

    ordered = sparse.csr_array(connectivities)
    if not ordered.has_sorted_indices:
        ordered = ordered.sorted_indices()
    upper = sparse.triu(ordered, k=1, format="coo")
    edges = list(zip(upper.row.tolist(), upper.col.tolist(), strict=True))  # the fastest input for igraph
    graph = igraph.Graph(n=connectivities.shape[0], edges=edges)
    graph.es["weight"] = upper.data.tolist()
    return graph


def check_algorithm(method: object, backend: object, objective: object) -> None:
    """Raise a ValueError if one of them is unknown, or they cannot be combined."""
    for name, value, choices in (("method", method, METHODS), ("backend", backend, BACKENDS)):
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
    if method == "louvain" and backend == "leidenalg":
        raise ValueError("leidenalg has no Louvain algorithm. Use backend='igraph' with it, or method='leiden'.")
    if not isinstance(objective, str):
        raise ValueError(f"objective must be a string such as 'modularity' or 'CPM'; got {objective!r}.")
    known = _LEIDENALG_OBJECTIVES if backend == "leidenalg" else _IGRAPH_OBJECTIVES
    if objective.lower() not in known:
        hint = did_you_mean(objective, known)
        if backend == "igraph" and objective.lower() in _LEIDENALG_OBJECTIVES:
            hint = " Use backend='leidenalg' with it."
        raise ValueError(f"objective {objective!r} is not known to {backend}, which has {', '.join(known)}.{hint}")
    if method == "louvain" and objective.lower() != "modularity":
        raise ValueError(
            f"Louvain optimises modularity only; got objective={objective!r}. Use method='leiden' with it."
        )


def find_communities(
    graph: Any, *, method: str = "leiden", backend: str = "igraph", objective: str = "modularity",
    resolution: float = 1.0, n_iterations: int = 2, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """Return the community of each vertex of a graph from :func:`as_igraph`, from 0; each vertex is one without edges.

    Arguments are parameters of :class:`GraphClusterer`; case is ignored in `objective`, of which "Significance" does not
    use the weights. See Traag, Waltman & van Eck (2019), Scientific Reports 9, 5233, and, for Louvain, Blondel et al. (2008),
    Journal of Statistical Mechanics, P10008.

    >>> import igraph
    >>> graph = igraph.Graph(n=4, edges=[(0, 1), (2, 3)], edge_attrs={"weight": [1.0, 1.0]})
    >>> find_communities(graph)
    array([0, 0, 1, 1])
    """
    if graph.ecount() == 0:
        return np.arange(graph.vcount())
    if backend == "leidenalg":
        membership = _leiden_leidenalg(graph, objective, resolution, n_iterations, seed)
    else:
        with seeded_igraph(seed):
            if method == "louvain":
                found = graph.community_multilevel(weights="weight", resolution=resolution)
            else:
                found = graph.community_leiden(
                    objective_function=_IGRAPH_OBJECTIVES[objective.lower()],
                    weights="weight",
                    resolution=resolution,
                    n_iterations=n_iterations,
                )
        membership = found.membership
    return without_gaps(np.asarray(membership))


def _leiden_leidenalg(graph: Any, objective: str, resolution: float, n_iterations: int, seed: int) -> list[int]:
    import leidenalg  # imported here because few users need it and the import is slow

    name = _LEIDENALG_OBJECTIVES[objective.lower()]
    settings: dict[str, Any] = {"resolution_parameter": resolution} if name in _WITH_RESOLUTION else {}
    if name != "SignificanceVertexPartition":
        settings["weights"] = "weight"
    kind = getattr(leidenalg, name)
    return leidenalg.find_partition(graph, kind, n_iterations=n_iterations, seed=seed, **settings).membership


def modularity(graph: Any, membership: np.ndarray) -> float:
    """Return the weighted modularity, for any objective: 0 for a single community and, by convention, without edges.

    ``sum_c (in_c / W - (degree_c / 2W)^2)``, where ``in_c`` is the weight within community c, ``degree_c`` the weighted
    degree of its vertices and ``W`` the weight of all edges (Newman 2004, Physical Review E 70, 056131).
    """
    return float(graph.modularity(list(membership), weights="weight")) if graph.ecount() else 0.0
