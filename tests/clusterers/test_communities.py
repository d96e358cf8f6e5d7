import importlib.util
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import igraph
import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from lineage_clust.clusterers.communities import as_igraph, check_algorithm, find_communities, modularity, seeded_igraph

ALGORITHMS = [("leiden", "igraph"), ("louvain", "igraph"), ("leiden", "leidenalg")]


@pytest.fixture(scope="module")
def noise_graph():
    """A graph without clear communities: another seed gives another partition."""
    upper = sparse.random(150, 150, density=0.05, random_state=0)
    return as_igraph(upper + upper.T)


@pytest.fixture(scope="module")
def cliques():
    """Five cliques of ten vertices in a ring of single edges (Fortunato & Barthelemy 2007)."""
    graph = igraph.Graph(n=50)
    for first in range(0, 50, 10):
        graph.add_edges([(a, b) for a in range(first, first + 10) for b in range(first, a)])
        graph.add_edge(first, (first + 19) % 50)
    graph.es["weight"] = 1.0
    return graph


def test_graph_has_the_matrix_as_weights():
    matrix = np.array([[0, 0.5, 0, 0], [0.5, 0, 0.25, 0], [0, 0.25, 0, 0], [0, 0, 0, 0]])
    graph = as_igraph(sparse.csr_matrix(matrix))
    assert not graph.is_directed()
    assert graph.vcount() == 4
    assert dict(zip(graph.get_edgelist(), graph.es["weight"], strict=True)) == {(0, 1): 0.5, (1, 2): 0.25}


@pytest.mark.parametrize("method, backend", ALGORITHMS)
def test_cliques_are_found(cliques, method, backend):
    found = find_communities(cliques, method=method, backend=backend, seed=3)
    assert adjusted_rand_score(np.repeat(range(5), 10), found) == 1


@pytest.mark.parametrize(
    "objective, resolution",
    [
        ("modularity", 1.0),
        ("CPM", 0.5),
        ("cpm", 0.5),
        ("RBER", 1.0),
        ("RBConfiguration", 1.0),
        ("Surprise", 1.0),
        ("Significance", 1.0),
        ("ModularityVertexPartition", 1.0),
        ("RBERVertexPartition", 1.0),
        ("CPMVertexPartition", 0.5),
    ],
)
def test_objectives_of_leidenalg_find_cliques(cliques, objective, resolution):
    check_algorithm("leiden", "leidenalg", objective)
    found = find_communities(cliques, backend="leidenalg", objective=objective, resolution=resolution, n_iterations=-1)
    assert adjusted_rand_score(np.repeat(range(5), 10), found) == 1


@pytest.mark.parametrize("backend", ["igraph", "leidenalg"])
@pytest.mark.parametrize("objective, low, high", [("modularity", 0.01, 20.0), ("CPM", 1e-4, 2.0)])
def test_resolution_goes_from_one_community_to_single_vertices(cliques, backend, objective, low, high):
    def count(resolution):
        return find_communities(cliques, backend=backend, objective=objective, resolution=resolution).max() + 1

    assert count(low) == 1
    assert count(high) == 50


def test_objectives_without_resolution_ignore_it(cliques):
    found = [
        find_communities(cliques, backend="leidenalg", objective=objective, resolution=100.0).max() + 1
        for objective in ("Surprise", "Significance", "ModularityVertexPartition")
    ]
    assert found == [5, 5, 5]


@pytest.mark.parametrize("backend", ["igraph", "leidenalg"])
def test_iterating_until_nothing_improves_is_not_worse_than_once(noise_graph, backend):
    once, converged = (
        modularity(noise_graph, find_communities(noise_graph, backend=backend, n_iterations=n)) for n in (1, -1)
    )
    assert converged >= once


@pytest.mark.parametrize("method, backend", ALGORITHMS)
def test_seed_decides(noise_graph, method, backend):
    def partition(seed):
        return find_communities(noise_graph, method=method, backend=backend, seed=seed).tolist()

    assert partition(1) == partition(1)
    assert any(partition(seed) != partition(1) for seed in range(2, 6))


def test_threads_do_not_disturb_each_other(noise_graph):
    alone = [find_communities(noise_graph, seed=seed).tolist() for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: find_communities(noise_graph, seed=seed).tolist(), range(16)))
    assert together == alone


def test_a_seeded_run_waits_for_another(cliques):
    other = threading.Thread(target=find_communities, args=(cliques,))
    with seeded_igraph(0):
        other.start()
        other.join(timeout=0.1)
        assert other.is_alive()
    other.join(timeout=10)
    assert not other.is_alive()


@pytest.mark.parametrize("method, backend", ALGORITHMS)
def test_global_generators_are_left_alone(noise_graph, method, backend):
    random.seed(1)
    python_state, numpy_state = random.getstate(), np.random.get_state()[1].tolist()
    find_communities(noise_graph, method=method, backend=backend)
    assert random.getstate() == python_state
    assert np.random.get_state()[1].tolist() == numpy_state


def test_igraph_draws_from_random_again_afterwards():
    def draw():
        random.seed(7)
        return igraph.Graph.Erdos_Renyi(n=30, p=0.3).get_edgelist()

    before = draw()
    with pytest.raises(RuntimeError, match="inside"), seeded_igraph(0):
        raise RuntimeError("inside")
    assert draw() == before


@pytest.mark.parametrize("method, backend", ALGORITHMS)
def test_without_edges_every_vertex_is_a_community(method, backend):
    graph = igraph.Graph(n=4, edge_attrs={"weight": []})
    assert find_communities(graph, method=method, backend=backend).tolist() == [0, 1, 2, 3]
    assert modularity(graph, [0, 1, 2, 3]) == 0


def test_modularity_is_newmans_formula(noise_graph):
    membership = np.random.default_rng(0).integers(0, 4, noise_graph.vcount())
    weights = np.array(noise_graph.get_adjacency_sparse(attribute="weight").todense())
    degree, total = weights.sum(axis=0), weights.sum()
    same = membership[:, None] == membership
    expected = ((weights - np.outer(degree, degree) / total) * same).sum() / total
    assert modularity(noise_graph, membership) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "method, backend, objective, message",
    [
        ("infomap", "igraph", "modularity", "method must be one of 'leiden', 'louvain'; got 'infomap'"),
        ("leiden", "networkx", "modularity", "backend must be one of 'igraph', 'leidenalg'; got 'networkx'"),
        ("louvain", "leidenalg", "modularity", "leidenalg has no Louvain algorithm. Use backend='igraph'"),
        ("louvain", "igraph", "CPM", "Louvain optimises modularity only; got objective='CPM'"),
        ("leiden", "igraph", "Surprise", "not known to igraph.* Use backend='leidenalg' with it"),
        ("leiden", "leidenalg", "Suprise", "not known to leidenalg.* Did you mean 'surprise'"),
        ("leiden", "igraph", None, "objective must be a string"),
    ],
)
def test_impossible_combinations_are_refused(method, backend, objective, message):
    with pytest.raises(ValueError, match=message):
        check_algorithm(method, backend, objective)


def test_leidenalg_is_imported_only_when_used(cliques, monkeypatch):
    monkeypatch.setitem(sys.modules, "leidenalg", None)  # any import of it now fails
    fresh = importlib.util.module_from_spec(importlib.util.find_spec("lineage_clust.clusterers.communities"))
    fresh.__spec__.loader.exec_module(fresh)
    assert fresh.find_communities(cliques, method="louvain").max() == 4
    assert fresh.find_communities(cliques, method="leiden").max() == 4
    with pytest.raises(ImportError, match="leidenalg"):
        fresh.find_communities(cliques, backend="leidenalg")
