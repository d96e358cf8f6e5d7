"""Numbering of communities, and majority votes."""

from __future__ import annotations

import numpy as np

from .refinement import without_gaps


def numbered_by_size(communities: np.ndarray, min_size: int = 1) -> np.ndarray:
    """Renumber communities by decreasing size, equal ones by their first row; rows of those below `min_size` get -1.

    >>> numbered_by_size(np.array([0, 1, 2, 1]), min_size=1), numbered_by_size(np.array([0, 1, 2, 1]), min_size=2)
    (array([1, 0, 2, 0]), array([-1,  0, -1,  0]))
    """
    _, first, sizes = np.unique(communities, return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    labels = np.empty(len(order), dtype=int)
    labels[order] = np.where(sizes[order] >= min_size, np.arange(len(order)), -1)
    return labels[communities]


def majority(labels: np.ndarray, votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the label with the largest weight of votes in each row `(n_rows, n_votes)`, and its share of the weight.

    Ties are broken in favour of the smallest label other than -1. Rows without votes get -1 and 0.

    >>> majority(np.array([[1, 0, 1]]), np.array([[1.0, 1.0, 2.0]]))
    (array([1]), array([0.75]))
    """
    winners, share = np.full(len(labels), -1), np.zeros(len(labels))
    row, place = np.nonzero(votes > 0)
    voters, chosen, won = _heaviest(row, labels[row, place], votes[row, place])
    winners[voters], share[voters] = chosen, won
    return winners, share


def agree(communities: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Assign all rows of a group to the community of the majority, in a tie the smallest; groups have no gaps, as the result.

    >>> agree(np.array([0, 1, 1, 2]), group=np.array([0, 0, 0, 1]))
    array([0, 0, 0, 1])
    """
    return without_gaps(_heaviest(group, communities, np.ones(len(group)))[1][group])


def _heaviest(owner: np.ndarray, label: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the owners in order, the label with the largest total weight of each, and its share of the weight."""
    pairs, pair = np.unique(np.column_stack([owner, label]), axis=0, return_inverse=True)
    total = np.bincount(pair.reshape(-1), weights=weight, minlength=len(pairs))
    share = total / np.bincount(pairs[:, 0], weights=total)[pairs[:, 0]]
    missing = pairs[:, 1] < 0
    # Rounded, so that the order of summation does not matter.
    order = np.lexsort((pairs[:, 1], missing, -np.round(share, 9), pairs[:, 0]))
    owners, first = np.unique(pairs[order, 0], return_index=True)
    return owners, pairs[order[first], 1], share[order[first]]
