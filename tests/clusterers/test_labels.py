import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.clusterers.labels import agree, majority, numbered_by_size


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 8))
def test_numbering_is_by_size_then_by_first_row(found, min_size):
    communities = np.unique(found, return_inverse=True)[1]
    labels = numbered_by_size(communities, min_size)
    sizes = np.bincount(communities)
    kept = sorted(
        (label for label in range(len(sizes)) if sizes[label] >= min_size),
        key=lambda label: (-sizes[label], communities.tolist().index(label)),
    )
    expected = [kept.index(community) if community in kept else -1 for community in communities]
    assert labels.tolist() == expected


def test_majority_weighs_votes_and_prefers_the_lowest_cluster_in_a_tie():
    labels = np.array([[2, 1, 1], [2, 1, 0], [-1, 3, -1], [-1, 0, 3], [0, 1, 2]])
    votes = np.array([[5.0, 2.0, 2.0], [0.3, 0.1, 0.3], [0.4, 0.5, 0.4], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    winners, share = majority(labels, votes)
    assert winners.tolist() == [2, 0, -1, 0, -1]
    np.testing.assert_allclose(share, [5 / 9, 3 / 7, 8 / 13, 1 / 2, 0])


def test_majority_ties_survive_the_order_of_summation():
    labels = np.array([[1, 1, 0], [0, 0, 1]])
    votes = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    assert majority(labels, votes)[0].tolist() == [0, 0]


def test_majority_without_votes():
    winners, share = majority(np.empty((2, 0), dtype=int), np.empty((2, 0)))
    assert winners.tolist() == [-1, -1]
    assert share.tolist() == [0, 0]


def test_groups_agree_on_the_community_of_most():
    communities = np.array([0, 1, 1, 2, 3, 3, 4])
    group = np.array([0, 0, 0, 1, 2, 3, 3])
    # Group 3 is split evenly between 3 and 4 and takes 3; communities 0 and 4 vanish and leave no gap.
    assert agree(communities, group).tolist() == [0, 0, 0, 1, 2, 2, 2]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_rows_of_their_own_keep_their_communities(found):
    communities = np.unique(found, return_inverse=True)[1]
    assert np.array_equal(agree(communities, np.arange(len(found))), communities)
