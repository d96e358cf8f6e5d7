"""Refinement of partitions: every row is assigned to the nearest cluster mean."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans

_MOST_STEPS = 100
_N_STARTS = 10  # the same in every call: with enough of them the result does not depend on a seed
_MOST_STARTING = 5000  # rows that k-means starts from


def cluster_means(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean row of each cluster, `(n_clusters, n_columns)`; labels are from 0 without gaps.

    >>> cluster_means(np.array([[0.0, 2.0], [2.0, 2.0], [5.0, 5.0]]), np.array([0, 0, 1])).tolist()
    [[1.0, 2.0], [5.0, 5.0]]
    """
    members = membership(labels)
    return members @ rows / members.sum(axis=1, keepdims=True)


def membership(labels: np.ndarray) -> np.ndarray:
    """Return the indicator matrix `(n_clusters, n_rows)` of labels that start at 0 and have no gaps."""
    members = np.zeros((labels.max(initial=-1) + 1, len(labels)))
    members[labels, np.arange(len(labels))] = 1.0
    return members


def scores(rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return scores `(n_rows, n_means)`; the nearest mean of a row has the largest score."""
    return rows @ means.T - (means**2).sum(axis=1) / 2


def without_gaps(labels: np.ndarray) -> np.ndarray:
    """Return labels renumbered from 0 without gaps, in the same order."""
    return np.unique(labels, return_inverse=True)[1].reshape(-1)


def refine(rows: np.ndarray, labels: np.ndarray, n_steps: int = _MOST_STEPS) -> np.ndarray:
    """Move every row to the nearest cluster mean until nothing moves (Lloyd 1982), or for `n_steps` steps.

    Labels are from 0 without gaps; clusters that lose all their rows are dropped.

    >>> refine(np.array([[0.0], [1.0], [8.0], [9.0]]), np.array([0, 1, 1, 1])).tolist()
    [0, 0, 1, 1]
    """
    for _ in range(n_steps):
        moved = without_gaps(scores(rows, cluster_means(rows, labels)).argmax(axis=1))
        if np.array_equal(moved, labels):
            break
        labels = moved
    return labels


def two_halves(rows: np.ndarray) -> np.ndarray | None:
    """Return a mask of one of two groups of rows by k-means, or `None` if all rows are identical.

    It starts from the two sides of the mean along the first principal component and not from random rows, so that
    similar data are divided in the same way, also where several divisions explain nearly the same variance.

    >>> second = two_halves(np.array([[0.0], [1.0], [8.0], [9.0]]))
    >>> (second == second[-1]).tolist()
    [False, False, True, True]
    """
    if (rows == rows[0]).all():
        return None
    centred = rows - rows.mean(axis=0)
    along = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1]
    labels = refine(rows, without_gaps((along > 0).astype(int)))
    # where sums of nearly identical rows are rounded, all may be on one side
    return labels == 1 if labels.max() == 1 else (rows == rows[np.abs(along).argmax()]).all(axis=1)


def compact_partition(rows: np.ndarray, n_clusters: int, n_starts: int = _N_STARTS) -> np.ndarray:
    """Return the partition into `n_clusters` with the smallest within-cluster variance found by k-means.

    Labels `(n_rows,)` are numbered from 0 without gaps; there are fewer clusters if there are fewer distinct rows. With
    more than 5,000 rows, that many at equal steps select the best of the starts, which is then refined with all rows:
    their means are close to those of all, and the time of the starts is bounded.
    """
    if n_clusters == 1:
        return np.zeros(len(rows), dtype=int)
    k_means = KMeans(n_clusters, n_init=n_starts, random_state=0)
    if len(rows) <= _MOST_STARTING:
        return without_gaps(k_means.fit(rows).labels_)
    some = rows[np.linspace(0, len(rows) - 1, _MOST_STARTING).round().astype(int)]
    return refine(rows, without_gaps(scores(rows, k_means.fit(some).cluster_centers_).argmax(axis=1)))
