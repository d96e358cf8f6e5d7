"""Tails of weighted sums of squared normals, and of skewed variables."""

from __future__ import annotations

import numpy as np
from scipy import special

_N_STEPS = 60
_NEGLIGIBLE = 1e-6  # relative to the largest weight
_NEAR_MEAN = 1e-3
_NOT_SKEWED = 1e-12  # squared skewness, smaller values of which make no difference


def weighted_tail(statistic: np.ndarray, weights: np.ndarray, df: float | np.ndarray = np.inf) -> np.ndarray:
    """Return `P(sum_j weights_j z_j^2 > statistic * x / df)` for independent standard normals `z_j` and a chi-square `x`.

    The weights are `(n,)` or `(n, n_genes)`, and `df`, one or `(n_genes,)`, the degrees of freedom of the estimated
    variance by which the sum is divided, infinite if the variance is known. Kuonen's (1999, Biometrika 86, 929-935)
    saddlepoint approximation has relative errors of one to three per cent in any part of the tail, and of up to 9 % with ten
    degrees of freedom; it is exact for one weight. The saddlepoint equation is solved by Newton's method for a concave
    function, starting below the root.
    """
    weights = np.asarray(weights, dtype=float)
    most = weights.max(axis=0, initial=0.0)
    if not np.any(most > 0):
        return np.ones_like(statistic)
    weights = weights / most
    kept = weights.reshape(len(weights), -1).max(axis=1) > _NEGLIGIBLE
    size = np.clip(np.asarray(statistic, dtype=float) / most, 1e-100, 1e100)
    if kept.sum() == 1:
        return special.chdtrc(1, size) if np.isinf(df).all() else special.fdtrc(1, df, size)
    return _at_root(size, weights[kept], df)


def _at_root(size: np.ndarray, weights: np.ndarray, df: float | np.ndarray) -> np.ndarray:
    weights, ratio = weights.reshape(len(weights), -1), size / df
    # as a function of `1 - 2 s`, with saddlepoint `s`, the reciprocal of the slope is concave, and its root is at least this
    place = (1 + ratio) / (size + ratio)
    for _ in range(_N_STEPS):
        terms = weights / (1 - weights + weights * place)
        slope = terms.sum(axis=0)
        step = ((1 + ratio * (1 - place)) / size - 1 / slope) / (np.sum(terms**2, axis=0) / slope**2 + ratio / size)
        place = place + np.maximum(step, 0.0)
        if np.all(step < 1e-12 * place):
            break
    root, shrunk = 0.5 * (1 - place), 1 - weights + weights * place
    drawn = ratio * (1 - place)
    per_size = np.where(np.abs(drawn) > 1e-9, np.log1p(drawn) / np.where(drawn == 0, 1.0, drawn), 1 - drawn / 2)
    cumulant = -0.5 * np.log(shrunk).sum(axis=0) - root * size * per_size
    second = 2 * np.sum((weights / shrunk) ** 2, axis=0) + 2 * size * ratio / (1 + drawn) ** 2
    w = np.sign(root) * np.sqrt(np.maximum(-2 * cumulant, 0.0))
    v = root * np.sqrt(second)
    near = np.abs(w) < _NEAR_MEAN
    w, v = np.where(near, 1.0, w), np.where(near, 1.0, v)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = special.ndtr(-(w + np.log(v / w) / w))
    # the formula is 0 / 0 at the mean; its limit depends on the third cumulant
    third = np.sum(8 * weights**3, axis=0) - 8 * size * ratio**2
    third = third / (np.sum(2 * weights**2, axis=0) + 2 * size * ratio) ** 1.5
    return np.where(near, 0.5 - third / (6 * np.sqrt(2 * np.pi)), tail)


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
