"""How finely to cut: partitions that come back when the trends are drawn anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import adjusted_rand_score

RESOLUTIONS = np.geomspace(0.02, 2.5, 16)
_TOLERANCE = 0.05  # of the best stability, within which finer cuts are looked at
_LEAST_JACCARD = 0.85  # Hennig: from there on, a cluster is highly stable
_CLEAR = 0.8  # a stability that needs no comparison with a reference
_LEAST = 0.4  # below, a partition does not come back, whatever the reference


@dataclass(frozen=True)
class StabilityCurve:
    """Reproducibility of the partition along a grid of resolutions.

    Attributes
    ----------
    resolutions : ndarray of shape (n_resolutions,)
    n_clusters : ndarray of shape (n_resolutions,)
        Of the trends themselves.
    stability : ndarray of shape (n_resolutions,)
        Mean adjusted Rand index of all pairs of draws.
    least_jaccard : ndarray of shape (n_resolutions,)
        Of the cluster that comes back least: mean over draws of its Jaccard index with the best match there.
    reference : float
        Best stability of data without clusters, or NaN if no comparison was needed.
    """

    resolutions: np.ndarray
    n_clusters: np.ndarray
    stability: np.ndarray
    least_jaccard: np.ndarray
    reference: float = np.nan


def measure(resolutions: np.ndarray, base: np.ndarray, draws: np.ndarray) -> StabilityCurve:
    """Return the stability curve of partitions.

    Parameters
    ----------
    resolutions
        `(n_resolutions,)`.
    base
        `(n_resolutions, n_rows)` labels of the trends themselves.
    draws
        `(n_draws, n_resolutions, n_rows)` labels of the draws; -1 = a row that was not drawn.

    References
    ----------
    Hubert & Arabie (1985). Comparing partitions. Journal of Classification 2, 193-218.
    Hennig (2007). Cluster-wise assessment of cluster stability. Comput. Stat. Data Anal. 52, 258-271.
    """
    stability = [
        np.mean([_agreement(part[i], part[j]) for i in range(len(part)) for j in range(i)])
        for part in draws.transpose(1, 0, 2)
    ]
    least = [float(jaccards(labels, draws[:, index]).min()) for index, labels in enumerate(base)]
    n_clusters = np.array([len(np.unique(labels)) for labels in base])
    return StabilityCurve(np.asarray(resolutions), n_clusters, np.array(stability), np.array(least))


def choose(curve: StabilityCurve, finest: bool = True) -> int | None:
    """Return the index of the resolution to cut at, or `None` if no partition into two or more clusters comes back.

    Among the cuts into at least two clusters whose stability is close to the best, it is the finest of which every
    cluster comes back; if there is none, the coarsest. The best must reach that of the reference, and 0.4.

    Parameters
    ----------
    curve
        As measured.
    finest
        False takes the coarsest instead: rows that are left out at random, and not drawn anew, leave also the accidents
        of their positions as they are, so that finer cuts come back too well.
    """
    several = curve.n_clusters >= 2
    if not several.any():
        return None
    best = curve.stability[several].max()
    if best < _LEAST or best < min(np.nan_to_num(curve.reference), _CLEAR):
        return None
    close = np.flatnonzero(several & (curve.stability >= best - _TOLERANCE))
    whole = close[curve.least_jaccard[close] >= _LEAST_JACCARD]
    if len(whole) == 0:
        return int(close[0])
    if not finest:
        return int(whole[0])
    chosen = whole[curve.n_clusters[whole] == curve.n_clusters[whole].max()]
    return int(chosen[np.argmax(curve.stability[chosen])])


def needs_reference(curve: StabilityCurve) -> bool:
    """Return whether the best cut is so little stable that data without clusters might do as well."""
    several = curve.n_clusters >= 2
    return bool(several.any()) and curve.stability[several].max() < _CLEAR


def structureless(X: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return rows like those of X but without clusters: a Gaussian with the same mean and covariance."""
    centred = X - X.mean(axis=0)
    mixing = generator.standard_normal((len(X), len(X))) / np.sqrt(max(len(X) - 1, 1)) if len(X) <= 64 else None
    if mixing is not None:
        return X.mean(axis=0) + mixing @ centred
    values, vectors = np.linalg.eigh(centred.T @ centred / (len(X) - 1))
    return X.mean(axis=0) + (generator.standard_normal(X.shape) * np.sqrt(np.maximum(values, 0))) @ vectors.T


def jaccards(labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return, for each cluster, the mean over draws of the Jaccard index with its best match there.

    Parameters
    ----------
    labels
        `(n_rows,)` from 0 on without gaps.
    draws
        `(n_draws, n_rows)`, -1 = not drawn.
    """
    found = []
    for drawn in draws:
        table = contingency(labels, drawn)
        union = table.sum(axis=1)[:, None] + table.sum(axis=0)[None, :] - table
        found.append((table / np.maximum(union, 1)).max(axis=1))
    return np.mean(found, axis=0)


def confidence(labels: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return how often each row stays with its cluster over the draws, `(n_rows,)` from 0 to 1.

    A cluster of a draw stands for the cluster most of its rows come from; rows that were never drawn get NaN.

    Parameters
    ----------
    labels
        `(n_rows,)` from 0 on without gaps.
    draws
        `(n_draws, n_rows)`, -1 = not drawn.
    """
    stays, counted = np.zeros(len(labels)), np.zeros(len(labels))
    for drawn in draws:
        stands_for = contingency(labels, drawn).argmax(axis=0)
        there = drawn >= 0
        stays[there] += stands_for[drawn[there]] == labels[there]
        counted += there
    return np.divide(stays, counted, out=np.full(len(labels), np.nan), where=counted > 0)


def contingency(labels: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return how many rows each pair of clusters shares, `(n_clusters, n_drawn_clusters)`."""
    there = drawn >= 0
    table = np.zeros((labels.max() + 1, drawn.max() + 1))
    np.add.at(table, (labels[there], drawn[there]), 1)
    return table


def _agreement(first: np.ndarray, second: np.ndarray) -> float:
    both = (first >= 0) & (second >= 0)
    if np.ptp(first[both]) == 0 or np.ptp(second[both]) == 0:
        return 0.0  # that there is one cluster is always reproducible
    return adjusted_rand_score(first[both], second[both])
