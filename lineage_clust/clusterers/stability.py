"""How finely to cut: partitions that come back when the trends are drawn anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

RESOLUTIONS = np.geomspace(0.02, 2.5, 16)
_TOLERANCE = 0.05  # of the best stability, within which finer cuts are looked at
_LEAST_JACCARD = 0.85  # Hennig: from there on, a cluster is highly stable
_JACCARD_OF_MIXED = 0.95  # that is asked of clusters whose rows do not go together
_CLEAR = 0.8  # a stability that needs no comparison with a reference, and no more draws
_BEST_FEW = 3  # cuts that are looked at further
_LEAST = 0.4  # below, a partition does not come back, whatever the reference
_CORRELATION, _NINE_OF_TEN = 0.8, 0.9  # a cut is coherent if so many rows correlate so much with their cluster's mean
_LEAST_OF_COHERENT = 0.3  # less stability is too little even to cut a continuum by


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
    coherence : ndarray of shape (n_resolutions,) or None
        Share of the rows that correlate with the mean of their cluster by at least 0.8.
    coherence_of_one : float
        The same with all rows in one cluster.
    typical : ndarray of shape (n_resolutions,) or None
        Median of what `stability` is the mean of. Where a small cluster is found in every other draw, the mean hangs on
        which draws there are.
    rule : str
        What decided: "reproducible", "coherent", "most reproducible" or "one cluster"; see `choose`.
    """

    resolutions: np.ndarray
    n_clusters: np.ndarray
    stability: np.ndarray
    least_jaccard: np.ndarray
    reference: float = np.nan
    coherence: np.ndarray | None = None
    coherence_of_one: float = np.nan
    typical: np.ndarray | None = None
    rule: str = ""


def measure(
    resolutions: np.ndarray, base: np.ndarray, draws: Sequence[np.ndarray], rows: np.ndarray | None = None
) -> StabilityCurve:
    """Return the stability curve of partitions.

    Parameters
    ----------
    resolutions
        `(n_resolutions,)`.
    base
        `(n_resolutions, n_rows)` labels of the trends themselves.
    draws
        Labels `(n_draws, n_rows)` of the draws for each resolution; -1 = a row that was not drawn.
    rows
        `(n_rows, n_columns)`, for the coherence; `None` = not asked for.

    References
    ----------
    Hubert & Arabie (1985). Comparing partitions. Journal of Classification 2, 193-218.
    Hennig (2007). Cluster-wise assessment of cluster stability. Comput. Stat. Data Anal. 52, 258-271.
    """
    draws = list(draws)
    known: dict[int, tuple[float, float, float]] = {}  # resolutions that cut alike share their draws
    for labels, drawn in zip(base, draws, strict=True):
        if id(drawn) not in known:
            every = agreements(drawn) if len(drawn) > 1 else np.zeros(1)
            known[id(drawn)] = float(every.mean()), float(np.median(every)), float(jaccards(labels, drawn).min())
    stability, typical, least = (
        np.array(values) for values in zip(*(known[id(drawn)] for drawn in draws), strict=True)
    )
    n_clusters = np.array([len(np.unique(labels)) for labels in base])
    curve = StabilityCurve(np.asarray(resolutions), n_clusters, stability, least, typical=typical)
    if rows is None:
        return curve
    shares = np.array([coherence(labels, rows) for labels in base])
    return replace(curve, coherence=shares, coherence_of_one=coherence(np.zeros(len(rows), dtype=int), rows))


def coherence(labels: np.ndarray, rows: np.ndarray) -> float:
    """Return the share of rows that correlate with the mean of their cluster by at least 0.8.

    Examples
    --------
    >>> rows = np.array([[0.0, 1, 2], [0, 2, 3], [2, 1, 0]])
    >>> coherence(np.array([0, 0, 1]), rows), round(coherence(np.array([0, 0, 0]), rows), 2)
    (1.0, 0.67)
    """
    centred = rows - rows.mean(axis=1, keepdims=True)
    sums = np.zeros((labels.max() + 1, rows.shape[1]))
    np.add.at(sums, labels, centred)
    length = np.sqrt((centred**2).sum(axis=1) * (sums**2).sum(axis=1)[labels])
    along = np.einsum("ij,ij->i", centred, sums[labels])
    return float(np.mean((along >= _CORRELATION * length) & (length > 0)))


def agreements(draws: np.ndarray) -> np.ndarray:
    """Return the agreement of every pair of draws `(n_draws, n_rows)`."""
    return np.array([agreement(draws[i], draws[j]) for i in range(len(draws)) for j in range(i)])


def mean_agreement(draws: np.ndarray) -> float:
    """Return the mean agreement of all pairs of draws `(n_draws, n_rows)`."""
    return float(np.mean(agreements(draws)))


def promising(curve: StabilityCurve) -> np.ndarray:
    """Return which cuts `(n_resolutions,)` might be chosen if there were more draws: the best few, by either measure."""
    found = np.zeros(len(curve.n_clusters), dtype=bool)
    for cuts, value in ((curve.n_clusters >= 2, curve.stability), (is_coherent(curve), _typical(curve))):
        found |= cuts & np.isin(value, np.unique(value[cuts])[-_BEST_FEW:])  # those that cut alike count as one
    return found


def is_coherent(curve: StabilityCurve) -> np.ndarray:
    """Return which cuts `(n_resolutions,)` are into several clusters whose rows go together, and come back somewhat."""
    coherent = (curve.n_clusters >= 2) & (curve.coherence >= _NINE_OF_TEN)
    return coherent & (_typical(curve) >= _LEAST_OF_COHERENT)


def _typical(curve: StabilityCurve) -> np.ndarray:
    return curve.stability if curve.typical is None else curve.typical


def choose(curve: StabilityCurve, finest: bool = True) -> tuple[int | None, str]:
    """Return the index of the resolution to cut at (`None`: all rows are one cluster), and by which rule.

    "reproducible": among the cuts into at least two clusters whose stability is close to the best, the finest of which
    every cluster comes back: with a mean Jaccard index of 0.85, or of 0.95 if fewer than nine of ten rows correlate with the
    mean of their cluster by at least 0.8 (where there is no coherent cut either, 0.85 will do). The best stability must reach
    that of the reference, and 0.4.

    "coherent": where there is none, the rows lie on a continuum, or hardly apart, and no number of clusters is the right
    one. Of the cuts in which nine of ten rows do correlate so with the mean of their cluster, it is the one that
    comes back best in the typical pair of draws, if that reaches 0.3; if they do so all together, and no cut comes back,
    they are one cluster.

    "most reproducible": without a coherent cut, the coarsest of those close to the best, if that is good enough.

    Parameters
    ----------
    curve
        As measured.
    finest
        False takes the coarsest reproducible cut instead: rows that are left out at random, and not drawn anew, leave
        also the accidents of their positions as they are, so that finer cuts come back too well.
    """
    several = curve.n_clusters >= 2
    best = curve.stability[several].max(initial=0.0)
    good = several.any() and best >= _LEAST and best >= min(np.nan_to_num(curve.reference), _CLEAR)
    close = np.flatnonzero(several & (curve.stability >= best - _TOLERANCE)) if good else np.zeros(0, dtype=int)
    whole = close[curve.least_jaccard[close] >= _LEAST_JACCARD]
    mixed = np.zeros(len(whole), dtype=bool) if curve.coherence is None else curve.coherence[whole] < _NINE_OF_TEN
    sure = whole[~mixed | (curve.least_jaccard[whole] >= _JACCARD_OF_MIXED)]
    if len(sure):
        return _reproducible(curve, sure, finest), "reproducible"
    if curve.coherence is not None:
        if curve.coherence_of_one >= _NINE_OF_TEN and not good:
            return None, "one cluster"
        coherent = is_coherent(curve)
        if coherent.any():
            return int(np.argmax(np.where(coherent, _typical(curve), -1.0))), "coherent"
    if len(whole):
        return _reproducible(curve, whole, finest), "reproducible"
    return (int(close[0]), "most reproducible") if len(close) else (None, "one cluster")


def _reproducible(curve: StabilityCurve, cuts: np.ndarray, finest: bool) -> int:
    if not finest:
        return int(cuts[0])
    chosen = cuts[curve.n_clusters[cuts] == curve.n_clusters[cuts].max()]
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
    """Return how many rows each pair of clusters shares, `(n_clusters, n_drawn_clusters)`; -1 = a row without cluster."""
    there = (labels >= 0) & (drawn >= 0)
    n_clusters, n_drawn = labels.max(initial=-1) + 1, drawn.max(initial=-1) + 1
    pairs = labels[there] * n_drawn + drawn[there]
    return np.bincount(pairs, minlength=n_clusters * n_drawn).reshape(n_clusters, n_drawn).astype(float)


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Return the adjusted Rand index of two partitions over the rows that both have; 0 if one of them is one cluster.

    That there is one cluster is always reproducible, and no evidence of anything.

    References
    ----------
    Hubert & Arabie (1985). Comparing partitions. Journal of Classification 2, 193-218, equation 5.
    """
    table = contingency(first, second)
    pairs, rows, columns = (_pairs(counts) for counts in (table, table.sum(axis=1), table.sum(axis=0)))
    n_rows = table.sum()
    if max(table.sum(axis=1).max(initial=0), table.sum(axis=0).max(initial=0)) == n_rows:
        return 0.0
    expected = rows * columns / (n_rows * (n_rows - 1) / 2)
    most = (rows + columns) / 2
    return float((pairs - expected) / (most - expected)) if most > expected else 1.0


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1)).sum() / 2)
