"""Labels of any clusterer, and assignment of trends to the clusters of an earlier fit."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans

import lineage_clust as lc
from lineage_clust.results.grouping import assign
from lineage_clust.results.tables import order_clusters

GRID = np.linspace(0, 1, 30)
CENTRES = np.array([np.sin(4 * GRID), np.cos(5 * GRID), GRID - 0.5])


@pytest.fixture(scope="module")
def trends():
    rng = np.random.default_rng(0)
    return np.repeat(CENTRES, 8, axis=0) + rng.normal(0, 0.05, (24, 30))


def fitted(clusterer, trends):
    clusterer.fit(trends)
    labels, order = order_clusters(np.asarray(clusterer.labels_), trends, GRID)
    return labels, order


@pytest.mark.parametrize(
    "clusterer",
    [
        lc.GraphClusterer(5, resolution=1.0, random_state=0),
        KMeans(3, n_init=2, random_state=0),
        AgglomerativeClustering(3),
        HDBSCAN(min_cluster_size=4, copy=True),
    ],
)
def test_fitted_trends_get_their_own_labels_and_near_ones_their_cluster_s(clusterer, trends):
    labels, order = fitted(clusterer, trends)
    found, _ = assign(clusterer, trends, trends, labels, order)
    np.testing.assert_array_equal(found, labels)
    near, confidence = assign(clusterer, CENTRES, trends, labels, order)
    np.testing.assert_array_equal(near, labels[[0, 8, 16]])
    assert len(confidence) == 3


def test_numbers_are_those_of_the_trend_clusterer(trends):
    """A clusterer numbers as it likes; the TrendClusterer numbers by peak time."""
    kmeans = KMeans(3, n_init=2, random_state=0)
    labels, order = fitted(kmeans, trends)
    reversed_order = order[::-1]
    found, _ = assign(kmeans, trends, trends, labels, reversed_order)
    np.testing.assert_array_equal(found, 2 - labels)


def test_a_graph_votes_and_others_have_no_confidence(trends):
    graph = lc.GraphClusterer(5, resolution=1.0, random_state=0)
    labels, order = fitted(graph, trends)
    between = 0.52 * CENTRES[:1] + 0.48 * CENTRES[1:2]
    _, sure = assign(graph, CENTRES, trends, labels, order)
    _, unsure = assign(graph, between, trends, labels, order)
    assert np.all((sure > 0) & (sure <= 1))
    assert unsure[0] <= sure.min()
    for other in (KMeans(3, n_init=1, random_state=0), AgglomerativeClustering(3)):
        labels, order = fitted(other, trends)
        assert np.isnan(assign(other, CENTRES, trends, labels, order)[1]).all()


def test_rows_that_are_in_no_cluster_pass_that_on(trends):
    """Of a clusterer that leaves outliers out, a trend near an outlier is not assigned either."""
    far = np.vstack([trends, 5 * np.sin(20 * GRID)[None]])
    hdbscan = HDBSCAN(min_cluster_size=4, copy=True)
    labels, order = fitted(hdbscan, far)
    assert labels[-1] == -1
    assert assign(hdbscan, far[-1:], far, labels, order)[0].tolist() == [-1]


def test_constant_or_missing_fitted_trends_are_nobody_s_neighbours(trends):
    agglomerative = AgglomerativeClustering(3)
    labels, order = fitted(agglomerative, trends)
    fitted_rows = np.vstack([trends, np.zeros((1, 30)), np.full((1, 30), np.nan)])
    found, _ = assign(agglomerative, 0.01 * CENTRES, fitted_rows, np.append(labels, [-1, -1]), order)
    assert (found >= 0).all()
