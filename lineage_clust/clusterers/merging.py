"""After the cut: clusters that the draws do not tell apart become one, and rows go where most draws put them."""

from __future__ import annotations

import numpy as np

from .stability import contingency

_MIXED = 0.5  # of the rate at which rows of the looser one of two clusters meet each other


def merge_duplicates(labels: np.ndarray, rows: np.ndarray, draws: np.ndarray, correlation: float) -> np.ndarray:
    """Merge clusters whose mean rows go together and that the draws do not separate.

    Two clusters are not separated if a row of one and a row of the other are put together, over the draws, at least half
    as often as two rows of the looser one of both. The pair that is mixed most is merged first, until none is left.

    Parameters
    ----------
    labels
        `(n_rows,)` from 0 on without gaps.
    rows
        `(n_rows, n_columns)` trends.
    draws
        `(n_draws, n_rows)` labels of the draws; -1 = a row that was not drawn.
    correlation
        Pearson correlation that the mean rows must exceed.

    Returns
    -------
    ndarray of int, shape (n_rows,)
        From 0 on without gaps.

    Examples
    --------
    >>> rows = np.array([[0.0, 1, 2], [0, 1, 2], [0, 1, 3], [0, 1, 3]])
    >>> merge_duplicates(np.array([0, 0, 1, 1]), rows, np.array([[0, 1, 0, 1], [0, 0, 0, 0]]), 0.9).tolist()
    [0, 0, 0, 0]
    """
    labels = labels.copy()
    while labels.max() > 0:
        centres = np.array([rows[labels == cluster].mean(axis=0) for cluster in range(labels.max() + 1)])
        together = _meetings(labels, draws)
        own = np.diag(together)
        mixed = together / np.maximum(np.minimum(own[:, None], own[None, :]), 1e-12)
        mixed[np.eye(len(own), dtype=bool) | (_correlations(centres) <= correlation)] = 0.0
        first, second = sorted(np.unravel_index(np.argmax(mixed), mixed.shape))
        if mixed[first, second] < _MIXED:
            break
        labels[labels == second] = first
        labels[labels > second] -= 1
    return labels


def consensus(labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the cluster that each row is in most often over the draws.

    A cluster of a draw stands for the cluster most of its rows come from. Rows that are as often elsewhere, or were
    never drawn, stay.

    Parameters
    ----------
    labels
        `(n_rows,)` from 0 on without gaps.
    draws
        `(n_draws, n_rows)`, -1 = not drawn.

    Returns
    -------
    ndarray of int, shape (n_rows,)
        From 0 on without gaps; there may be fewer clusters.

    Examples
    --------
    >>> consensus(np.array([0, 0, 1, 1, 1]), np.array([[0, 1, 1, 1, 1], [1, 0, 0, 0, 0]])).tolist()
    [0, 1, 1, 1, 1]
    """
    every = np.arange(len(labels))
    votes = np.zeros((len(labels), labels.max() + 1))
    for drawn in draws:
        there = drawn >= 0
        votes[every[there], contingency(labels, drawn).argmax(axis=0)[drawn[there]]] += 1
    votes[every, labels] += 0.5
    return np.unique(votes.argmax(axis=1), return_inverse=True)[1].reshape(-1)


def _meetings(labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return how often two rows of each pair of clusters are put together, `(n_clusters, n_clusters)`."""
    n_clusters = labels.max() + 1
    together, possible = np.zeros((n_clusters, n_clusters)), np.zeros((n_clusters, n_clusters))
    for drawn in draws:
        table = contingency(labels, drawn)
        sizes = table.sum(axis=1)
        together += table @ table.T - np.diag(sizes)
        possible += np.outer(sizes, sizes) - np.diag(sizes)
    rate = np.divide(together, possible, out=np.zeros_like(together), where=possible > 0)
    alone = np.diag(possible) == 0  # a cluster of one row is as tight as can be
    rate[alone, alone] = 1.0
    return rate


def _correlations(centres: np.ndarray) -> np.ndarray:
    centred = centres - centres.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1))
    scaled = centred / np.where(length > 0, length, 1.0)[:, None]
    return scaled @ scaled.T
