"""Duplicates are merged if, and only if, the draws mix them and their means go together."""

import numpy as np
import pytest

from lineage_clust.clusterers.merging import consensus, merge_duplicates

TIME = np.linspace(0, 1, 30)
LABELS = np.repeat([0, 1, 2], 10)


def rows(*centres, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([centre + noise * rng.normal(size=(10, len(TIME))) for centre in centres])


def mixed_draws(pair, share, n_draws=8, seed=0):
    """Labels in which a share of the rows of two clusters swap places."""
    rng = np.random.default_rng(seed)
    draws = np.tile(LABELS, (n_draws, 1))
    for drawn in draws:
        members = np.flatnonzero(np.isin(LABELS, pair))
        moved = rng.permutation(members)[: round(share * len(members))]
        drawn[moved] = rng.choice(pair, size=len(moved))
    return draws


def test_two_halves_of_a_module_become_one():
    X = rows(TIME, TIME, 1 - TIME)
    merged = merge_duplicates(LABELS, X, mixed_draws([0, 1], 1.0), 0.95)
    np.testing.assert_array_equal(merged, np.repeat([0, 1], [20, 10]))


def test_what_the_draws_separate_stays():
    X = rows(TIME, TIME**1.3, 1 - TIME)
    assert np.corrcoef(TIME, TIME**1.3)[0, 1] > 0.95
    np.testing.assert_array_equal(merge_duplicates(LABELS, X, mixed_draws([0, 1], 0.1), 0.95), LABELS)


def test_what_does_not_go_together_stays():
    X = rows(TIME, np.sin(6 * TIME), 1 - TIME)
    np.testing.assert_array_equal(merge_duplicates(LABELS, X, mixed_draws([0, 1], 1.0), 0.95), LABELS)
    assert merge_duplicates(LABELS, X, mixed_draws([0, 1], 1.0), -1.0).max() == 1


def test_neither_labels_nor_draws_are_changed():
    labels, draws, X = LABELS.copy(), mixed_draws([0, 1], 1.0), rows(TIME, TIME, 1 - TIME)
    before = draws.copy()
    merge_duplicates(labels, X, draws, 0.9)
    consensus(labels, draws)
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_array_equal(draws, before)


@pytest.mark.parametrize("cluster", [0, 2])
def test_a_single_row_can_be_merged_and_left(cluster):
    labels = np.r_[np.zeros(5, dtype=int), 1, np.full(4, 2)]
    X = np.concatenate([np.tile(TIME, (6, 1)), np.tile(1 - TIME, (4, 1))])
    drawn = labels.copy()
    drawn[5] = cluster
    merged = merge_duplicates(labels, X, np.tile(drawn, (4, 1)), 0.95)
    assert (merged[5] == merged[0]) == (cluster == 0)


def test_consensus_is_the_vote_of_the_draws():
    draws = np.tile(LABELS, (5, 1))
    draws[:3, 0] = 1  # in three of five draws the first row is with the second cluster
    draws[:2, 10] = 0
    draws[:, 29] = -1
    expected = LABELS.copy()
    expected[0] = 1
    np.testing.assert_array_equal(consensus(LABELS, draws), expected)
    swapped = np.array([2, 0, 1, -1])[draws]  # names of the draws' clusters do not matter
    np.testing.assert_array_equal(consensus(LABELS, swapped), expected)
