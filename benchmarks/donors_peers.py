"""Other tests of trends with donors: pseudobulk and lines with limma's moderated variances, and a line with CR2."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from lineage_clust.models.gam.donors.cluster_robust import hotelling_test

_N_BINS, _FEWEST = 5, 5


def pseudobulk(time: np.ndarray, donor: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return p-values of cubic trends of means by donor and time bin, with a level for every donor."""
    n_donors = donor.max() + 1
    key = donor * _N_BINS + np.minimum((time * _N_BINS).astype(int), _N_BINS - 1)
    counts = np.bincount(key, minlength=n_donors * _N_BINS)
    means = np.zeros((len(counts), Y.shape[1]))
    np.add.at(means, key, Y)
    kept = np.flatnonzero(counts >= _FEWEST)
    means = means[kept] / counts[kept, None]
    middle = (kept % _N_BINS + 0.5) / _N_BINS - 0.5
    levels = np.eye(n_donors)[kept // _N_BINS]
    small = _residual_squares(levels, means)
    whole = np.column_stack([levels, middle, middle**2, middle**3])
    large = _residual_squares(whole, means)
    df = len(means) - np.linalg.matrix_rank(whole)
    variance, prior_df = moderated(large / df, df)
    return stats.f.sf((small - large) / 3 / variance, 3, df + prior_df)


def moderated_lines(time: np.ndarray, donor: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return p-values of moderated t-tests of the slopes of lines fitted per donor."""
    slopes = []
    for number in range(donor.max() + 1):
        own = donor == number
        slopes.append(np.linalg.lstsq(np.column_stack([np.ones(own.sum()), time[own]]), Y[own], rcond=None)[0][1])
    slopes = np.stack(slopes)
    variance, prior_df = moderated(slopes.var(axis=0, ddof=1), len(slopes) - 1)
    return 2 * stats.t.sf(np.abs(slopes.mean(axis=0)) / np.sqrt(variance / len(slopes)), len(slopes) - 1 + prior_df)


def cr2_line(time: np.ndarray, donor: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return p-values of the slope of one line through all cells: CR2, t-test with Satterthwaite's degrees of freedom."""
    Z = np.column_stack([np.ones(len(time)), time])
    rows = [donor == number for number in range(donor.max() + 1)]
    grams, products = np.stack([Z[own].T @ Z[own] for own in rows]), np.stack([Z[own].T @ Y[own] for own in rows])
    return hotelling_test(grams[None], products[None], 1)[1]


def moderated(variance: np.ndarray, df: float) -> tuple[np.ndarray, float]:
    """Return variances moderated over genes and the added degrees of freedom (Smyth 2004, section 6.2)."""
    logs = np.log(variance) - digamma(df / 2) + np.log(df / 2)
    excess = logs.var(ddof=1) - polygamma(1, df / 2)
    if excess <= polygamma(1, 5e5):
        return np.full_like(variance, np.exp(logs.mean())), 1e6
    prior_df = 2 * brentq(lambda half: polygamma(1, half) - excess, 1e-4, 1e6)
    prior = np.exp(logs.mean() + digamma(prior_df / 2) - np.log(prior_df / 2))
    return (prior_df * prior + df * variance) / (prior_df + df), prior_df


def _residual_squares(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    residuals = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
    return np.sum(residuals**2, axis=0)
