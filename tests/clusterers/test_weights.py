from pathlib import Path

import numpy as np
import pytest

from lineage_clust.clusterers.neighbors import Neighbors, nearest_neighbors
from lineage_clust.clusterers.weights import STRENGTHS, connectivities, umap_strengths

GOLDEN = Path(__file__).parents[1] / "golden" / "graph" / "umap_weights.npz"
WEIGHTS = sorted(STRENGTHS)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as stored:
        return dict(stored)


@pytest.mark.parametrize("n_neighbors", [3, 5, 15])
def test_umap_weights_are_those_of_umap_learn(golden, n_neighbors):
    weights = connectivities(nearest_neighbors(golden["X"], n_neighbors - 1), "umap").toarray()
    expected = golden[f"weights_{n_neighbors}"]
    assert np.array_equal(weights > 0, expected > 0)
    # umap-learn ends its bisection where the sum of strengths is within 1e-5 of log2(k).
    np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_umap_strengths_sum_to_log2_of_the_neighbours(golden):
    lists = nearest_neighbors(golden["X"], 14)
    np.testing.assert_allclose(umap_strengths(lists, lists).sum(axis=1), np.log2(15), rtol=1e-12)


def test_umap_strengths_of_unequal_lists_sum_to_log2_of_their_own_length():
    distances = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, np.inf], [5.0, np.inf, np.inf, np.inf], [np.inf] * 4])
    lists = Neighbors(np.where(np.isfinite(distances), 0, -1), distances)
    strengths = umap_strengths(lists, lists)
    np.testing.assert_allclose(strengths.sum(axis=1), np.log2([5, 4, 2, 1]), atol=1e-12)
    assert np.array_equal(strengths > 0, np.isfinite(distances))


def test_umap_kernel_is_never_narrower_than_a_thousandth_of_the_mean_distance():
    # Six neighbours at the smallest distance already sum to more than log2(8): the width would shrink to 0.
    lists = Neighbors(np.arange(7)[None], np.array([[1.0] * 6 + [1.005]]))
    mean = (6 + 1.005) / 8
    expected = np.exp(-0.005 / (1e-3 * mean))
    np.testing.assert_allclose(umap_strengths(lists, lists)[0], [1] * 6 + [expected], rtol=1e-9)


@pytest.mark.parametrize("n_neighbors", [3, 5, 15])
def test_jaccard_weights_are_those_of_sets(golden, n_neighbors):
    lists = nearest_neighbors(golden["X"], n_neighbors - 1)
    sets = [set(row) for row in lists.indices.tolist()]
    directed = np.zeros((len(sets), len(sets)))
    for row, listed in enumerate(sets):
        for other in listed:
            directed[row, other] = len(listed & sets[other]) / len(listed | sets[other])
    np.testing.assert_allclose(connectivities(lists, "jaccard").toarray(), (directed + directed.T) / 2, rtol=1e-14)


def test_jaccard_of_unequal_lists():
    lists = Neighbors(np.array([[1, 2, 3], [0, 2, -1], [0, 1, -1], [-1, -1, -1]]), np.ones((4, 3)))
    strengths = STRENGTHS["jaccard"](lists, lists)
    np.testing.assert_allclose(strengths, [[1 / 4, 1 / 4, 0], [1 / 4, 1 / 3, 0], [1 / 4, 1 / 3, 0], [0, 0, 0]])


def test_gaussian_weights_are_the_self_tuning_kernel(golden):
    lists = nearest_neighbors(golden["X"], 14)
    weights = connectivities(lists, "gaussian").toarray()
    expected = np.zeros_like(weights)
    for row in range(len(weights)):
        for other, distance in zip(lists.indices[row], lists.distances[row], strict=True):
            scales = lists.distances[row, -1] * lists.distances[other, -1]
            expected[row, other] = expected[other, row] = np.exp(-(distance**2) / scales)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_gaussian_scale_of_copies_is_the_smallest_positive_one():
    rows = np.array([[0.0], [0.0], [0.0], [1.0], [3.0]])
    weights = connectivities(nearest_neighbors(rows, 2), "gaussian").toarray()
    assert weights[0, 1] == weights[0, 2] == weights[1, 2] == 1
    np.testing.assert_allclose(weights[0, 3], np.exp(-1))  # rows 0 and 3: scales 0 -> 1 and 1
    np.testing.assert_allclose(weights[0, 4], np.exp(-(3**2) / 3))  # rows 0 and 4: scales 0 -> 1 and 3


def test_binary_weights_are_the_union_of_the_lists(golden):
    lists = nearest_neighbors(golden["X"], 4)
    listed = np.zeros((60, 60), dtype=bool)
    listed[np.arange(60)[:, None], lists.indices] = True
    assert np.array_equal(connectivities(lists, "binary").toarray(), (listed | listed.T).astype(float))


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("rows", [np.zeros((20, 3)), np.arange(20.0)[:, None] ** 9, np.zeros((1, 2)), np.eye(2)])
def test_weights_are_symmetric_between_0_and_1_with_zero_diagonal(weights, rows):
    graph = connectivities(nearest_neighbors(rows, 4), weights)
    assert graph.format == "csr"
    assert graph.shape == (len(rows), len(rows))
    assert abs(graph - graph.T).max() == 0
    assert not graph.diagonal().any()
    assert ((graph.data > 0) & (graph.data <= 1)).all()


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights_do_not_depend_on_the_unit(golden, weights):
    first = connectivities(nearest_neighbors(golden["X"], 14), weights)
    for scale in (1e-150, 1e-6, 3.7, 1e150):
        second = connectivities(nearest_neighbors(golden["X"] * scale, 14), weights)
        np.testing.assert_allclose(second.toarray(), first.toarray(), atol=1e-6)


def test_rows_without_neighbours_have_no_edges():
    lists = Neighbors(np.full((4, 2), -1), np.full((4, 2), np.inf))
    assert [connectivities(lists, weights).nnz for weights in WEIGHTS] == [0, 0, 0, 0]


@pytest.mark.parametrize("weights", STRENGTHS)
def test_far_neighbours_underflow_in_silence(weights):
    equidistant, far = np.eye(7), np.full((2, 7), 1e6)
    lists = nearest_neighbors(np.vstack([equidistant, far]), 7)
    with np.errstate(all="raise"):
        assert np.isfinite(connectivities(lists, weights).data).all()
