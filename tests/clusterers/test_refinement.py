"""Refinement of partitions by the means of clusters."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from lineage_clust.clusterers.refinement import (
    cluster_means,
    compact_partition,
    refine,
    scores,
    two_halves,
    without_gaps,
)

from .shapes import bumps, noisy

SEEDS = st.integers(0, 10**6)


def rows_and_labels(seed, n_rows=40, n_clusters=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, 3)), without_gaps(rng.integers(0, n_clusters, n_rows))


def within_variance(X, labels):
    """Return the mean squared distance of the rows from their cluster's mean."""
    return ((X - cluster_means(X, labels)[labels]) ** 2).sum(axis=1).mean()


@given(SEEDS)
def test_after_refinement_every_row_is_nearest_to_its_own_mean(seed):
    X, labels = rows_and_labels(seed)
    found = refine(X, labels)
    distances = ((X[:, None] - cluster_means(X, found)) ** 2).sum(axis=2)
    np.testing.assert_allclose(distances[np.arange(40), found], distances.min(axis=1), atol=1e-12)
    np.testing.assert_array_equal(refine(X, found), found)
    np.testing.assert_array_equal(np.unique(found), np.arange(found.max() + 1))


@given(SEEDS, st.integers(0, 6))
def test_no_step_adds_variance_within_clusters(seed, n_steps):
    X, labels = rows_and_labels(seed)
    before, after = refine(X, labels, n_steps), refine(X, labels, n_steps + 1)
    if before.max() == after.max():
        assert within_variance(X, after) <= within_variance(X, before) + 1e-12
    if n_steps == 0:
        np.testing.assert_array_equal(before, labels)


@given(SEEDS)
def test_refinement_is_lloyds_algorithm(seed):
    X, labels = rows_and_labels(seed)
    found = refine(X, labels)
    if found.max() == labels.max():  # scikit-learn refills clusters that lose all their rows
        theirs = KMeans(labels.max() + 1, init=cluster_means(X, labels), n_init=1, tol=0).fit(X).labels_
        np.testing.assert_array_equal(found, theirs)


@given(SEEDS)
def test_scores_rank_means_by_their_distance(seed):
    rng = np.random.default_rng(seed)
    X, means = rng.normal(size=(10, 3)), rng.normal(size=(4, 3))
    distances = ((X[:, None] - means) ** 2).sum(axis=2)
    np.testing.assert_array_equal(scores(X, means).argmax(axis=1), distances.argmin(axis=1))


def test_ragged_borders_are_straightened():
    X, _, truth = noisy(bumps(3), [30, 30, 30], 0.2)
    ragged = truth.copy()
    ragged[::7] = (ragged[::7] + 1) % 3
    np.testing.assert_array_equal(refine(X, ragged), truth)


@given(SEEDS, st.integers(1, 8))
def test_a_compact_partition_has_its_number_and_is_about_as_good_as_the_best_of_many(seed, n_clusters):
    X, _ = rows_and_labels(seed)
    labels = compact_partition(X, n_clusters)
    assert labels.max() + 1 == n_clusters
    best = KMeans(n_clusters, n_init=40, random_state=1).fit(X)
    assert within_variance(X, labels) <= 1.05 * best.inertia_ / len(X) + 1e-9


def test_of_many_rows_some_choose_among_the_starts(monkeypatch):
    X, _, truth = noisy(bumps(6), [100, 80, 60, 60, 40, 20], 0.5)
    whole = compact_partition(X, 6)
    monkeypatch.setattr("lineage_clust.clusterers.refinement._MOST_STARTING", 60)
    found = compact_partition(X, 6)
    assert adjusted_rand_score(found, whole) > 0.95
    assert adjusted_rand_score(found, truth) > 0.9
    assert within_variance(X, found) < 1.01 * within_variance(X, whole)
    np.testing.assert_array_equal(refine(X, found), found)


@given(SEEDS)
def test_two_halves_do_not_depend_on_order_or_place_and_are_about_the_best(seed):
    X, _ = rows_and_labels(seed)
    order = np.random.default_rng(seed).permutation(len(X))
    halves, moved = two_halves(X), two_halves(X[order] + 7)
    assert adjusted_rand_score(halves[order], moved) == 1
    best = within_variance(X, compact_partition(X, 2))
    assert within_variance(X, halves.astype(int)) <= 1.3 * best
    np.testing.assert_array_equal(refine(X, without_gaps(halves.astype(int))), halves)


def test_identical_rows_have_no_halves():
    assert two_halves(np.ones((5, 3))) is None
    assert two_halves(np.ones((1, 3))) is None
    for differing in (1.0, 1e-12):
        rows = np.ones((5, 3))
        rows[2] += differing
        halves = two_halves(rows)
        assert (halves == halves[2]).tolist() == [False, False, True, False, False]
