import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import KNeighborsTransformer

from lineage_clust.clusterers.neighbors import Neighbors, nearest_neighbors, neighbors_from_graph


def brute_force(rows, n_listed, metric="euclidean", queries=None):
    """Rank all pairs; equal distances by row number."""
    distances = np.round(cdist(rows if queries is None else queries, rows, metric), 9)
    if queries is None:
        np.fill_diagonal(distances, np.inf)
    indices = np.argsort(distances, axis=1, kind="stable")[:, : min(n_listed, len(rows) - (queries is None))]
    return Neighbors(indices, np.take_along_axis(distances, indices, axis=1))


@pytest.mark.parametrize("n_columns", [2, 40])  # scikit-learn searches a tree, then by brute force
@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "cosine"])
@pytest.mark.parametrize("n_listed", [1, 14, 500])
def test_lists_are_those_of_brute_force(n_columns, metric, n_listed):
    rows = np.random.default_rng(0).normal(size=(60, n_columns))
    expected = brute_force(rows, n_listed, metric)
    found = nearest_neighbors(rows, n_listed, metric)
    assert np.array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 80), st.integers(1, 20), st.sampled_from([2, 30]))
def test_ties_are_settled_by_row_number(seed, n_rows, n_listed, n_columns):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 2, size=(n_rows, 2)).astype(float)
    rows = np.repeat(rows, n_columns // 2, axis=1)
    rows = rows[np.lexsort(rows.T)]
    expected = brute_force(rows, n_listed)
    found = nearest_neighbors(rows, n_listed)
    assert np.array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, atol=1e-7)


def test_ties_are_settled_where_identical_rows_are_not_adjacent():
    rows = np.tile(np.eye(3), (20, 1))
    assert np.array_equal(nearest_neighbors(rows, 25).indices, brute_force(rows, 25).indices)


def test_identical_rows_are_at_distance_zero_despite_many_columns():
    rows = np.repeat(np.random.default_rng(0).normal(size=(30, 200)) + 50, 2, axis=0)
    assert np.array_equal(nearest_neighbors(rows, 1).distances, np.zeros((60, 1)))


def test_queries_are_searched_among_the_rows():
    rng = np.random.default_rng(3)
    rows, queries = rng.normal(size=(40, 6)), rng.normal(size=(9, 6))
    found = nearest_neighbors(rows, 5, queries=queries)
    assert np.array_equal(found.indices, brute_force(rows, 5, queries=queries).indices)
    assert np.array_equal(nearest_neighbors(rows, 1, queries=rows).indices.ravel(), np.arange(40))


@pytest.mark.parametrize("n_rows", [1, 2, 3])
def test_few_rows_list_all_others(n_rows):
    found = nearest_neighbors(np.arange(n_rows, dtype=float)[:, None], 14)
    assert found.indices.shape == (n_rows, n_rows - 1)
    assert all(set(row) == set(range(n_rows)) - {number} for number, row in enumerate(found.indices.tolist()))


def test_distances_that_are_not_finite_are_refused():
    rows = np.vstack([np.random.default_rng(0).normal(size=(6, 5)), np.ones((1, 5))])
    with pytest.raises(ValueError, match=r"metric='correlation' gives distances that are not finite"):
        nearest_neighbors(rows, 3, metric="correlation")
    with pytest.raises(ValueError, match="neighbors graph gives distances that are not finite for 1 row"):
        neighbors_from_graph(sparse.csr_matrix([[0.0, np.inf], [1.0, 0.0]]), without_self=True)


def test_graph_of_a_transformer_gives_the_same_lists():
    rows = np.random.default_rng(5).normal(size=(50, 4))
    graph = KNeighborsTransformer(n_neighbors=7).fit_transform(rows)
    found, expected = neighbors_from_graph(graph, without_self=True), nearest_neighbors(rows, 7)
    assert np.array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-7)


def test_graph_with_zeros_and_rows_of_unequal_length():
    row, col = [0, 0, 0, 1, 1, 3], [0, 2, 1, 1, 0, 0]
    graph = sparse.csr_matrix(([0.0, 0.0, 2.0, 0.0, 2.0, 5.0], (row, col)), shape=(4, 4))
    found = neighbors_from_graph(graph, without_self=True)
    assert found.indices.tolist() == [[2, 1], [0, -1], [-1, -1], [0, -1]]
    assert found.distances.tolist() == [[0, 2], [2, np.inf], [np.inf, np.inf], [5, np.inf]]
    assert found.listed.sum(axis=1).tolist() == [2, 1, 0, 1]
    assert neighbors_from_graph(graph, without_self=False).indices[0].tolist() == [0, 2, 1]


def test_empty_graph_gives_empty_lists():
    assert neighbors_from_graph(sparse.csr_matrix((3, 3)), without_self=True).indices.shape == (3, 0)
