"""Tails of weighted sums of squared normals, and of skewed variables."""

from __future__ import annotations

import numpy as np
from scipy import special

_N_STEPS = 60
_NEGLIGIBLE = 1e-6  # relative to the largest weight
_NEAR_MEAN = 1e-3
_NOT_SKEWED = 1e-12  # squared skewness, smaller values of which make no difference


def weighted_tail(statistic: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return `P(sum_j weights_j z_j^2 > statistic)` for independent standard normals `z_j`.

    The weights are `(n,)` or `(n, n_genes)`. Kuonen's (1999, Biometrika 86, 929-935) saddlepoint approximation has relative
    errors of about one per cent in any part of the tail; exact for one weight. The saddlepoint equation is solved by Newton's
    method for a concave function, starting below the root.
    """
    weights = np.asarray(weights, dtype=float)
    most = weights.max(axis=0, initial=0.0)
    if not np.any(most > 0):
        return np.ones_like(statistic)
    weights = weights / most
    kept = weights.reshape(len(weights), -1).max(axis=1) > _NEGLIGIBLE
    size = np.clip(np.asarray(statistic, dtype=float) / most, 1e-100, 1e100)
    return special.chdtrc(1, size) if kept.sum() == 1 else _at_root(size, weights[kept])


def _at_root(size: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weights = weights.reshape(len(weights), -1)
    # as a function of `1 - 2 s`, with saddlepoint `s`, the reciprocal of the slope is concave, and its root is at least this
    place = 1 / size
    for _ in range(_N_STEPS):
        shrunk = 1 - weights + weights * place
        terms = weights / shrunk
        slope = terms.sum(axis=0)
        step = slope * (slope / size - 1) / np.sum(terms**2, axis=0)
        place = place + np.maximum(step, 0.0)
        if np.all(step < 1e-12 * place):
            break
    root, shrunk = 0.5 * (1 - place), 1 - weights + weights * place
    cumulant = -0.5 * np.log(shrunk).sum(axis=0)
    second = 2 * np.sum((weights / shrunk) ** 2, axis=0)
    w = np.sign(root) * np.sqrt(np.maximum(2 * (root * size - cumulant), 0.0))
    v = root * np.sqrt(second)
    near = np.abs(w) < _NEAR_MEAN
    w, v = np.where(near, 1.0, w), np.where(near, 1.0, v)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = special.ndtr(-(w + np.log(v / w) / w))
    # the formula is 0 / 0 at the mean; its limit depends on the third cumulant
    third = np.sum(8 * weights**3, axis=0) / np.sum(2 * weights**2, axis=0) ** 1.5
    return np.where(near, 0.5 - third / (6 * np.sqrt(2 * np.pi)), tail)


def with_estimated_variance(tails: np.ndarray, statistic: np.ndarray, weights: np.ndarray, df: float) -> np.ndarray:
    """Return the tails of a weighted sum of squared normals that is divided by an estimate of their variance.

    tails, statistic : `(n_genes,)`: tails of the sum for a known variance.
    weights : `(n, n_genes)` or `(n, 1)`.
    df : Degrees of freedom of the estimate.

    Tails are multiplied by the ratio of those of F and of chi-square with as many degrees of freedom as the sum has by its
    mean and variance; exact if all weights are equal.

    >>> with_estimated_variance(np.array([0.05]), np.array([3.841]), np.ones((1, 1)), 20.0).round(3).tolist()
    [0.064]
    """
    total, squares = weights.sum(axis=0), np.sum(weights**2, axis=0)
    rank, size = total**2 / squares, statistic * total / squares
    plain, wider = special.chdtrc(rank, size), special.fdtrc(rank, df, size / rank)
    return np.where(plain > 0, tails * (wider / np.where(plain > 0, plain, 1.0)), wider)


def skewed_tails(square: np.ndarray, squared_skewness: np.ndarray) -> np.ndarray:
    """Return `P(x^2 > square)` for `x` of Pearson's type III: a shifted gamma variable with mean 0 and variance 1.

    The saddlepoint approximation is in closed form, and accurate in the far tail with little skewness, in contrast to
    incomplete gamma functions.
    """
    shape = 4 / np.maximum(squared_skewness, _NOT_SKEWED)
    size, tails = np.sqrt(np.maximum(square, _NEAR_MEAN**2)), np.zeros(len(square))
    for sign in (1.0, -1.0):
        away = sign * size / np.sqrt(shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            w = np.sqrt(2 * shape * (away - np.log1p(away)))
            tail = special.ndtr(-(w + np.log(size / w) / w))
        tails += np.where(away > -1, tail, 0.0)
    return np.where(square < _NEAR_MEAN**2, 1.0, tails)
