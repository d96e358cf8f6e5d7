"""Prediction of new rows by GraphClusterer."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from .graphs import WEIGHTS, Fixed, blobs, curves


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("settings", [{}, {"n_components": 3}, {"metric": "cosine"}, {"min_cluster_size": 25}])
@pytest.mark.first(4)
def test_predict_of_the_fitted_rows_is_labels(weights, settings):
    X = np.vstack([curves(), 2 * curves(), np.repeat(curves(5, seed=1), 20, axis=0)])
    clusterer = Fixed(weights=weights, random_state=0, **settings).fit(X)
    assert np.array_equal(clusterer.predict(X), clusterer.labels_)
    assert np.array_equal(clusterer.predict(X[::-3]), clusterer.labels_[::-3])


@pytest.mark.parametrize("weights", WEIGHTS)
def test_copies_share_a_cluster_where_the_graph_would_part_them(weights):
    X = np.repeat(curves(10), 8, axis=0)
    clusterer = Fixed(weights=weights, resolution=1000.0, random_state=0).fit(X)
    assert np.array_equal(np.bincount(clusterer.labels_), np.full(10, 8))
    assert np.array_equal(clusterer.labels_, np.repeat(clusterer.labels_[::8], 8))
    assert np.array_equal(clusterer.predict(X), clusterer.labels_)


def test_predict_knows_a_fitted_row_from_another_at_distance_zero():
    X = np.vstack([curves(20), 2 * curves(20)])
    clusterer = Fixed(metric="cosine", resolution=1000.0, random_state=0).fit(X)
    assert clusterer.n_clusters_ == 40
    assert np.array_equal(clusterer.predict(X), clusterer.labels_)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_predict_of_a_row_at_distance_zero_asks_nobody_else(weights):
    X = curves(20)
    clusterer = Fixed(weights=weights, metric="cosine", resolution=1000.0, random_state=0).fit(X)
    assert clusterer.n_clusters_ == 20
    labels, share = clusterer._vote(3 * X)
    assert np.array_equal(labels, clusterer.labels_)
    assert np.array_equal(share, np.ones(20))


@pytest.mark.parametrize("weights", WEIGHTS)
def test_predict_of_new_rows_finds_their_group(weights):
    X, truth = blobs(240)
    clusterer = Fixed(weights=weights, random_state=0).fit(X[:120])
    labels, share = clusterer._vote(X[120:])
    assert adjusted_rand_score(truth[120:], labels) == 1
    assert np.array_equal(share, np.ones(120))


def test_share_of_the_vote_falls_between_groups():
    X = np.r_[np.linspace(0, 1, 30), np.linspace(3, 4, 30)][:, None]
    clusterer = Fixed(weights="gaussian", resolution=0.1, random_state=0).fit(X)
    assert clusterer.n_clusters_ == 2
    labels, share = clusterer._vote(np.array([[0.501], [2.0], [1.7]]))
    assert share[0] == 1
    assert 0.5 <= share[1] < 0.6
    assert share[1] < share[2]
    assert labels[2] == clusterer.labels_[29]


def test_binary_vote_is_a_plain_majority_of_the_nearest():
    X = curves()
    clusterer = Fixed(n_neighbors=6, weights="binary", random_state=0).fit(X)
    new = curves(40, seed=9)
    nearest = np.linalg.norm(new[:, None] - X, axis=2).argsort(axis=1)[:, :5]
    counts = np.array([np.bincount(row, minlength=clusterer.n_clusters_) for row in clusterer.labels_[nearest]])
    labels, share = clusterer._vote(new)
    assert np.array_equal(labels, counts.argmax(axis=1))
    np.testing.assert_allclose(share, counts.max(axis=1) / 5)


def test_rows_near_unassigned_ones_are_not_assigned():
    X = np.r_[np.linspace(0, 1, 30), np.linspace(9, 9.1, 4)][:, None]
    clusterer = Fixed(n_neighbors=4, resolution=0.1, min_cluster_size=5, random_state=0).fit(X)
    assert set(clusterer.labels_[30:]) == {-1}
    assert clusterer.predict([[9.05], [0.51]]).tolist() == [-1, clusterer.predict([[0.51]])[0]]
    assert clusterer.predict([[0.51]])[0] >= 0


def test_all_rows_may_end_unassigned():
    clusterer = Fixed(min_cluster_size=1000, random_state=0).fit(curves(40))
    assert set(clusterer.labels_) == {-1}
    assert clusterer.n_clusters_ == 0
    assert set(clusterer.predict(curves(5, seed=1))) == {-1}
