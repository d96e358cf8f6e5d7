"""Three measures of the distinctness of two clusters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.clusterers.distinctness import (
    Bounds,
    Material,
    Pairs,
    compare_pairs,
    compare_two,
    connectivity_of,
    correlation_of,
    least_distinct,
    support_of,
    support_of_two,
)
from lineage_clust.clusterers.material import ranks_of_edges
from lineage_clust.clusterers.neighbors import nearest_neighbors
from lineage_clust.clusterers.weights import connectivities

from .shapes import TIME, bumps, noisy, smooth_noise, zscored

SEEDS = st.integers(0, 10**6)


def random_graph(rng, n_rows=30):
    weights = rng.uniform(size=(n_rows, n_rows)) * (rng.uniform(size=(n_rows, n_rows)) < 0.3)
    return sparse.csr_matrix(np.triu(weights, 1) + np.triu(weights, 1).T)


@given(SEEDS)
def test_connectivity_is_the_resolution_at_which_modularity_is_indifferent_to_a_merge(seed):
    rng = np.random.default_rng(seed)
    graph, labels = random_graph(rng), np.r_[0, 1, 2, rng.integers(0, 3, 27)]
    found = connectivity_of(graph, labels)
    dense, degree = graph.toarray(), np.asarray(graph.sum(axis=1)).reshape(-1)
    for gamma in (0.9, 1.1):
        excess = dense - gamma * found[0, 1] * np.outer(degree, degree) / degree.sum()
        gain = excess[np.ix_(labels == 0, labels == 1)].sum()  # of modularity, if both become one
        assert np.sign(gain) == (0 if found[0, 1] == 0 else np.sign(1 - gamma))
    np.testing.assert_allclose(found, found.T)


@given(SEEDS)
def test_connectivity_of_a_graph_without_structure_is_1(seed):
    degree = np.random.default_rng(seed).uniform(1, 2, 40)
    graph = sparse.csr_matrix(np.outer(degree, degree))
    found = connectivity_of(graph, np.arange(40) % 4)
    np.testing.assert_allclose(found[~np.eye(4, dtype=bool)], 1)


def test_connectivity_of_clusters_without_edges_is_0():
    assert not connectivity_of(sparse.csr_matrix((4, 4)), np.array([0, 0, 1, 1])).any()


@settings(max_examples=20)
@given(SEEDS, st.integers(3, 6), st.integers(10, 20))
def test_a_small_cluster_has_no_connectivity_by_edges_that_it_must_have(seed, size, n_listed):
    """Far from the others, with more neighbours than there are other rows in the cluster."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.normal(size=(40, 2)), rng.normal(size=(size, 2)) + 100])
    labels = np.repeat([0, 1], [40, size])
    lists = nearest_neighbors(rows, n_listed, "euclidean")
    graph = connectivities(lists, "umap")
    ranks = ranks_of_edges(graph, lists)
    assert connectivity_of(graph, labels)[0, 1] > 0
    assert connectivity_of(graph, labels, ranks)[0, 1] == 0
    for few in (1, 2):  # any two rows can be nearest to each other
        chosen = np.argsort(((rows[:40] - rows[0]) ** 2).sum(axis=1))[:few]
        apart = labels.copy()
        apart[chosen] = 2
        found = connectivity_of(graph, apart, ranks)[0, 2]
        assert found == pytest.approx(connectivity_of(graph, apart)[0, 2], rel=0.5)
        assert found > 0


def test_a_small_cluster_is_not_divided_by_edges_that_only_its_parts_cannot_have():
    """With at most as many edges as a part has other rows, a cluster of five was divided in any way."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(60, 4)), rng.normal(size=(5, 4)) + 30])
    labels = np.repeat([0, 1, 2], [60, 3, 2])
    lists = nearest_neighbors(rows, 14, "euclidean")
    graph = connectivities(lists, "umap")
    material = Material(rows, np.zeros((0, *rows.shape)), rows, graph, ranks=ranks_of_edges(graph, lists))
    assert compare_two(material, labels, 1, 2).connectivity[0, 1] > 1


@given(SEEDS)
def test_ranks_change_nothing_for_clusters_larger_than_the_neighbourhood(seed):
    rng = np.random.default_rng(seed)
    rows, labels = rng.normal(size=(60, 3)), np.repeat([0, 1, 2], 20)
    lists = nearest_neighbors(rows, 10, "euclidean")
    graph = connectivities(lists, "umap")
    np.testing.assert_array_equal(
        connectivity_of(graph, labels, ranks_of_edges(graph, lists)), connectivity_of(graph, labels)
    )


@settings(max_examples=20)
@given(SEEDS, st.floats(0.05, 1.0))
def test_rows_that_differ_by_nothing_but_errors_have_no_support(seed, noise):
    """The two clusters are the best division of the noise, and yet halves of the data agree no better than chance."""
    X, draws, _ = noisy(bumps(1), [300], noise, seed=seed, n_draws=10)
    along = X @ np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[2][0]
    labels = (along > np.median(along)).astype(int)
    assert abs(support_of(X, np.array(draws), labels)[0, 1]) < 0.25


@settings(max_examples=20)
@given(SEEDS, st.floats(0.01, 0.3), st.integers(2, 60))
def test_groups_that_are_far_apart_have_support_1(seed, noise, size):
    X, draws, truth = noisy(np.array([TIME, -TIME]), [60, size], noise, seed=seed)
    assert support_of(X, np.array(draws), truth)[0, 1] > 0.95


@settings(max_examples=20)
@given(SEEDS)
def test_support_is_as_the_agreement_of_estimates_from_two_halves_of_the_data(seed):
    """Data thinning: a draw and its reflection are like two estimates, each from half of the observations."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([0, 1], 150)
    apart = np.array([TIME, 0.5 * TIME**2 + 0.5 * TIME])
    true = 3 * (apart - apart.mean(axis=1, keepdims=True))[truth]
    halves = [true + smooth_noise(rng, 300, 0.3 * np.sqrt(2)) for _ in range(2)]  # each has twice the variance
    X = (halves[0] + halves[1]) / 2
    draws = [X + smooth_noise(rng, 300, 0.3) for _ in range(10)]
    means = np.array([X[truth == 0].mean(axis=0), X[truth == 1].mean(axis=0)])
    first, second = (((half[:, None] - means) ** 2).sum(axis=2).argmin(axis=1) for half in halves)
    agreed, share = (first == second).mean(), (first.mean() + second.mean()) / 2
    chance = share**2 + (1 - share) ** 2
    assert support_of(X, np.array(draws), truth)[0, 1] == pytest.approx((agreed - chance) / (1 - chance), abs=0.2)


@given(SEEDS)
def test_support_is_symmetric_at_most_1_and_does_not_depend_on_names(seed):
    rng = np.random.default_rng(seed)
    X, labels = rng.normal(size=(25, 3)), np.r_[0, 1, 2, rng.integers(0, 3, 22)]
    draws = X + rng.normal(size=(4, 25, 3))
    found = support_of(X, draws, labels)
    np.testing.assert_allclose(found, found.T, atol=1e-12)
    assert found.max() <= 1
    assert (np.diag(found) == 1).all()
    other = np.array([2, 0, 1])
    np.testing.assert_allclose(support_of(X, draws, other[labels])[np.ix_(other, other)], found, atol=1e-12)
    alone = support_of_two(Material(X, draws, X, None), labels, 0, 2)
    assert alone == pytest.approx(found[0, 2])


def test_without_draws_the_support_is_1():
    X = np.random.default_rng(0).normal(size=(6, 3))
    labels = np.array([0, 1] * 3)
    assert (support_of(X, np.empty((0, 6, 3)), labels) == 1).all()
    assert np.isnan(support_of_two(Material(X, np.empty((0, 6, 3)), X, None), labels, 0, 1))


def test_correlation_is_that_of_the_means():
    rng = np.random.default_rng(0)
    X, labels = zscored(rng.normal(size=(20, 40))), np.arange(20) % 3
    means = np.array([X[labels == cluster].mean(axis=0) for cluster in range(3)])
    expected = np.corrcoef(means)
    np.fill_diagonal(expected, -1)
    np.testing.assert_allclose(correlation_of(X, labels), expected, atol=1e-12)
    assert correlation_of(np.vstack([np.zeros((2, 40)), X[:1]]), np.array([0, 0, 1]))[0, 1] == 0


@given(st.floats(0, 3), st.floats(-1, 1), st.floats(-1, 1))
def test_blur_is_at_most_1_exactly_for_distinct_clusters(connectivity, support, correlation):
    bounds = Bounds()

    def both(value, diagonal):
        return np.array([[diagonal, value], [value, diagonal]])

    blur = Pairs(both(connectivity, 0), both(support, 1), both(correlation, -1)).blur(bounds)
    distinct = connectivity <= bounds.connectivity and support >= bounds.support and correlation <= bounds.correlation
    if min(abs(connectivity - 0.5), abs(support - 0.5), abs(correlation - 0.9)) > 1e-9:
        assert (blur[0, 1] <= 1) == distinct
    assert blur[0, 0] == 0


def test_with_too_few_rows_for_a_graph_connectivity_is_not_looked_at():
    X, draws, truth = noisy(bumps(2), [4, 4], 0.1)
    pairs = compare_pairs(Material(X, np.array(draws), X, None), truth)
    assert not pairs.connectivity.any()
    assert pairs.support[0, 1] > 0.9


def test_support_is_looked_at_only_where_nothing_else_decides():
    X, draws, truth = noisy(bumps(2), [20, 20], 0.1)
    alike = np.r_[np.zeros(20), np.arange(20) % 2 + 1].astype(int)
    material = Material(X, np.array(draws), zscored(X), None)
    assert least_distinct(material, alike, Bounds())[1, 2] > 1  # by the correlation of their means
    assert least_distinct(material, truth, Bounds()).max() <= 1
    assert least_distinct(material, alike, Bounds(correlation=1.0))[1, 2] > 1  # now by the support
