"""Numbering of communities, and majority votes."""

from __future__ import annotations

import numpy as np


def numbered_by_size(communities, min_size=1):
    """Renumber communities by decreasing size; communities of equal size are ordered by their first row.

    communities : ndarray of int, shape (n_rows,). Community of each row, from 0 without gaps.
    min_size : int, default=1. Rows of smaller communities get -1.

    >>> import numpy as np
    >>> numbered_by_size(np.array([0, 1, 2, 1]), min_size=1)
    array([1, 0, 2, 0])
    >>> numbered_by_size(np.array([0, 1, 2, 1]), min_size=2)
    array([-1,  0, -1,  0])
    """
    _, first, sizes = np.unique(communities, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    labels = np.empty(len(order), dtype=int)
    labels[order] = np.where(sizes[order] >= min_size, np.arange(len(order)), -1)
    return labels[communities]


def majority(labels, votes):
    """Return the label with the largest weight of votes in each row, and its share.

    labels : ndarray of int, shape (n_rows, n_votes). Label of each vote.
    votes : ndarray of shape (n_rows, n_votes). Weight of each vote, not negative.
    returns winners : ndarray of int, shape (n_rows,). Winning label. Ties are broken in favour of the smallest label
        other than -1; -1 in rows without votes.
    returns share : ndarray of shape (n_rows,). Share of the winner; 0 in rows without votes.

    >>> import numpy as np
    >>> majority(np.array([[1, 0, 1]]), np.array([[1.0, 1.0, 2.0]]))
    (array([1]), array([0.75]))
    """
    winners, share = np.full(len(labels), -1), np.zeros(len(labels))
    row, place = np.nonzero(votes > 0)
    voters, chosen, won = _heaviest(row, labels[row, place], votes[row, place])
    winners[voters], share[voters] = chosen, won
    return winners, share


def agree(communities, group):
    """Assign all rows of a group to the community of the majority; ties go to the smallest community.

    communities : ndarray of int, shape (n_rows,). Community of each row.
    group : ndarray of int, shape (n_rows,). Group of each row, from 0 without gaps.
    returns : ndarray of int, shape (n_rows,). Communities, numbered from 0 without gaps.

    >>> import numpy as np
    >>> agree(np.array([0, 1, 1, 2]), group=np.array([0, 0, 0, 1]))
    array([0, 0, 0, 1])
    """
    _, chosen, _ = _heaviest(group, communities, np.ones(len(group)))
    return np.unique(chosen[group], return_inverse=True)[1].reshape(-1)


def _heaviest(owner, label, weight):
    """Return the owners in order, the label with the largest total weight of each, and its share of the weight."""
    pairs, pair = np.unique(np.column_stack([owner, label]), axis=0, return_inverse=True)
    total = np.bincount(pair.reshape(-1), weights=weight, minlength=len(pairs))
    share = total / np.bincount(pairs[:, 0], weights=total)[pairs[:, 0]]
    missing = pairs[:, 1] < 0
    # Rounded, so that the order of summation does not matter.
    order = np.lexsort((pairs[:, 1], missing, -np.round(share, 9), pairs[:, 0]))
    owners, first = np.unique(pairs[order, 0], return_index=True)
    return owners, pairs[order[first], 1], share[order[first]]
