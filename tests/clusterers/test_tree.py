"""Hierarchy of clusters: nested partitions, linkage in SciPy's format, heights that identify the chosen partition."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import dendrogram, fcluster, is_monotonic, is_valid_linkage
from sklearn.metrics import adjusted_rand_score

from lineage_clust import GraphClusterer
from lineage_clust.clusterers.tree import ClusterTree

from .shapes import bumps, noisy

NESTED = ClusterTree(
    leaves=np.array([0, 1, 2, 3, 3]),
    linkage=np.array([[0, 1, 0.3, 2], [2, 3, 0.9, 2], [4, 5, 4.0, 4]]),
    support=np.array([0.7, 0.2, 0.9]),
    n_clusters=2,
)


@st.composite
def fits(draw):
    seed = draw(st.integers(0, 10**6))
    n_shapes = draw(st.integers(1, 5))
    sizes = draw(st.lists(st.integers(3, 40), min_size=n_shapes, max_size=n_shapes))
    X, draws, _ = noisy(bumps(n_shapes), sizes, draw(st.sampled_from([0.1, 0.4, 1.0])), seed=seed, n_draws=4)
    parameters = draw(
        st.sampled_from([{}, {"n_clusters": 3}, {"resolution": 1.0}, {"resolution": 1.0, "refine": False}])
    )
    return GraphClusterer(8, random_state=0, **parameters).fit(X, draws=draw(st.sampled_from([draws, None])))


def nested(fine, coarse):
    """Return whether every fine cluster is within one coarse cluster."""
    return len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == len(set(fine.tolist()))


@pytest.mark.slow
@settings(max_examples=15)
@given(fits())
def test_the_linkage_is_one_of_scipy(clusterer):
    tree = clusterer.tree_
    np.testing.assert_array_equal(np.unique(tree.leaves), np.arange(tree.n_leaves))
    assert tree.n_clusters == clusterer.n_clusters_
    if tree.n_leaves == 1:
        return
    assert is_valid_linkage(tree.linkage)
    assert is_monotonic(tree.linkage)
    assert tree.linkage[-1, 3] == tree.n_leaves
    assert tree.sizes[-1] == len(tree.leaves)
    np.testing.assert_array_equal(tree.sizes[tree.n_leaves :], tree.sizes[tree.linkage[:, :2].astype(int)].sum(axis=1))
    assert len(dendrogram(tree.linkage, no_plot=True)["leaves"]) == tree.n_leaves
    chosen = np.arange(len(tree.linkage)) >= len(tree.linkage) - (tree.n_clusters - 1)
    np.testing.assert_array_equal(tree.linkage[:, 2] >= 1, chosen)


@pytest.mark.slow
@settings(max_examples=15)
@given(fits())
def test_every_coarser_cut_is_a_union_of_clusters_of_the_finer_one(clusterer):
    tree = clusterer.tree_
    cuts = [tree.cut(n_clusters=k) for k in range(1, tree.n_leaves + 1)]
    for k, labels in enumerate(cuts, 1):
        np.testing.assert_array_equal(np.unique(labels), np.arange(k))
        if len(tree.linkage) and k > 1:
            scipys = fcluster(tree.linkage, k, "maxclust")[tree.leaves]
            heights = tree.linkage[:, 2]
            if len(np.unique(heights)) == len(heights):
                assert adjusted_rand_score(scipys, labels) == 1
    for coarse, fine in pairwise(cuts):
        assert nested(fine, coarse)
    assert adjusted_rand_score(cuts[clusterer.n_clusters_ - 1], clusterer.labels_) == 1


@settings(max_examples=10)
@given(fits(), st.data())
def test_cut_gives_exactly_the_number_that_was_asked_for(clusterer, data):
    k = data.draw(st.integers(1, clusterer.tree_.n_leaves))
    before = dict(vars(clusterer))
    other = clusterer.cut(n_clusters=k)
    assert other.n_clusters_ == k
    assert (np.diff(np.bincount(other.labels_)) <= 0).all()
    assert nested(clusterer.labels_, other.labels_) or nested(other.labels_, clusterer.labels_)
    np.testing.assert_array_equal(other.predict(clusterer._rows), other._row_labels)
    assert (other.confidence_ is None) == (clusterer.confidence_ is None)
    assert vars(clusterer).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(clusterer).items())
    again = other.cut(n_clusters=clusterer.n_clusters_)
    np.testing.assert_array_equal(again.labels_, clusterer.labels_)


@settings(max_examples=5)
@given(fits(), st.data())
def test_cuts_below_the_leaves_divide_those_above(clusterer, data):
    n_rows, n_leaves = len(clusterer.labels_), clusterer.tree_.n_leaves
    if n_rows == n_leaves:
        return
    k = data.draw(st.integers(n_leaves + 1, min(n_leaves + 12, n_rows)))
    other = clusterer.cut(n_clusters=k)
    assert other.n_clusters_ == other.tree_.n_leaves == k
    assert is_valid_linkage(other.tree_.linkage)
    assert is_monotonic(other.tree_.linkage)
    assert other.tree_.sizes[-1] == n_rows
    assert other.tree_.n_clusters == clusterer.n_clusters_
    np.testing.assert_array_equal(other.cut(n_clusters=n_leaves).labels_, clusterer.cut(n_clusters=n_leaves).labels_)
    np.testing.assert_array_equal(other.tree_.linkage[:, 2] >= 1, np.arange(k - 1) >= k - clusterer.n_clusters_)
    coarser = data.draw(st.integers(1, k))
    assert nested(other.labels_, clusterer.cut(n_clusters=coarser).labels_)
    np.testing.assert_array_equal(clusterer.cut(n_clusters=coarser).labels_, other.cut(n_clusters=coarser).labels_)


def test_identical_rows_are_not_divided():
    rows = np.repeat([[0.0, 1, 2], [2, 1, 0], [0, 2, 0]], 20, axis=0)
    clusterer = GraphClusterer(n_clusters=2, random_state=0).fit(rows)
    assert clusterer.cut(n_clusters=3).n_clusters_ == 3
    for number in (0, 2.5, 4):
        with pytest.raises(
            ValueError, match=f"n_clusters must be an integer from 1 to 3, the number of distinct rows; got {number}"
        ):
            clusterer.cut(n_clusters=number)


@given(st.floats(0, 1), st.floats(0, 1))
def test_less_support_gives_more_clusters(first, second):
    low, high = sorted([first, second])
    assert nested(NESTED.cut(min_support=low), NESTED.cut(min_support=high))


@pytest.mark.parametrize(
    "support, expected", [(1.0, [0, 0, 0, 0, 0]), (0.8, [0, 0, 1, 1, 1]), (0.5, [0, 1, 2, 2, 2]), (0, [0, 1, 2, 3, 3])]
)
def test_nodes_are_divided_as_far_down_as_support_goes(support, expected):
    np.testing.assert_array_equal(NESTED.cut(min_support=support), expected)


def test_a_division_below_one_without_support_is_reached():
    deep = ClusterTree(np.array([0, 1, 2]), np.array([[1, 2, 0.5, 2], [0, 3, 0.8, 3]]), np.array([0.9, 0.1]), 1)
    np.testing.assert_array_equal(deep.cut(min_support=0.5), [0, 1, 2])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "Pass one of n_clusters and min_support."),
        ({"n_clusters": 2, "min_support": 0.5}, "Pass one of n_clusters and min_support."),
        ({"n_clusters": 0}, "n_clusters must be an integer from 1 to 4, the number of leaves; got 0"),
        ({"n_clusters": 5}, "n_clusters must be an integer from 1 to 4, the number of leaves; got 5"),
        ({"n_clusters": 2.5}, "n_clusters must be an integer from 1 to 4"),
        ({"n_clusters": True}, "n_clusters must be an integer from 1 to 4"),
        ({"n_clusters": "2"}, "n_clusters must be an integer from 1 to 4"),
        ({"n_clusters": np.nan}, "n_clusters must be an integer from 1 to 4"),
        ({"min_support": 1.5}, "min_support must be a number from 0 to 1; got 1.5"),
        ({"min_support": "x"}, "min_support must be a number from 0 to 1; got 'x'"),
        ({"min_support": np.nan}, "min_support must be a number from 0 to 1; got nan"),
    ],
)
def test_wrong_levels_are_named(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        NESTED.cut(**arguments)


def test_without_draws_there_is_no_support_to_cut_by():
    X, _, _ = noisy(bumps(2), [20, 20], 0.1)
    clusterer = GraphClusterer(5, random_state=0).fit(X)
    with pytest.raises(ValueError, match="min_support needs draws"):
        clusterer.cut(min_support=0.5)


def test_a_fit_of_an_older_release_has_no_hierarchy():
    X, _, _ = noisy(bumps(2), [20, 20], 0.1)
    clusterer = GraphClusterer(5, random_state=0).fit(X)
    del clusterer.tree_
    with pytest.raises(ValueError, match=r"did not store the hierarchy\. Fit it again"):
        clusterer.cut(n_clusters=2)


def test_support_of_the_chosen_divisions_is_high_and_below_it_is_low():
    X, draws, _ = noisy(bumps(3), [40, 40, 40], 0.3)
    tree = GraphClusterer(random_state=0).fit(X, draws=draws).tree_
    assert tree.n_clusters == 3
    chosen = tree.linkage[:, 2] >= 1
    assert tree.support[chosen].min() > 0.9
    assert tree.support[~chosen].max() < 0.5
