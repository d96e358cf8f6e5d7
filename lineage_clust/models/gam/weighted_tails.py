"""Upper tail of a weighted sum of squared normals, by the saddlepoint approximation."""

from __future__ import annotations

import numpy as np
from scipy import special

_N_STEPS = 60
_NEAR_MEAN = 1e-3


def weighted_tail(statistic: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return `P(sum_j weights_j z_j^2 > statistic)` for independent standard normals `z_j`.

    Parameters
    ----------
    statistic
        `(n_genes,)`, not negative.
    weights
        `(n,)`, not negative.

    Notes
    -----
    Kuonen's (1999) saddlepoint approximation; relative errors of a per cent or so, down to any tail. The root of the
    saddlepoint equation is found by bisection, which no start can lead astray.

    References
    ----------
    Kuonen (1999). Saddlepoint approximations for distributions of quadratic forms in normal variables. Biometrika 86,
    929-935.

    Examples
    --------
    >>> weighted_tail(np.array([3.84, 6.63]), np.array([1.0])).round(2).tolist()
    [0.05, 0.01]
    """
    weights = np.asarray(weights, dtype=float)
    weights = weights[weights > weights.max(initial=0.0) * 1e-6]
    if len(weights) == 0:
        return np.ones_like(statistic)
    size = np.maximum(np.asarray(statistic, dtype=float) / weights.max(), 1e-300)
    weights = weights / weights.max()
    low = np.minimum(-len(weights) / size, -1.0)
    high = np.full_like(size, 0.5 * (1 - 1e-14))
    return _at_root(size, weights, low, high)


def _at_root(size, weights, low, high):
    for _ in range(_N_STEPS):
        middle = 0.5 * (low + high)
        too_low = np.sum(weights[:, None] / (1 - 2 * np.outer(weights, middle)), axis=0) < size
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    root = 0.5 * (low + high)
    shrunk = 1 - 2 * np.outer(weights, root)
    cumulant = -0.5 * np.log(shrunk).sum(axis=0)
    second = 2 * np.sum((weights[:, None] / shrunk) ** 2, axis=0)
    w = np.sign(root) * np.sqrt(np.maximum(2 * (root * size - cumulant), 0.0))
    v = root * np.sqrt(second)
    near = np.abs(w) < _NEAR_MEAN
    w, v = np.where(near, 1.0, w), np.where(near, 1.0, v)
    with np.errstate(divide="ignore", invalid="ignore"):
        tail = special.ndtr(-(w + np.log(v / w) / w))
    # at the mean the formula is 0 / 0; its limit has the third cumulant
    third = np.sum(8 * weights**3) / np.sum(2 * weights**2) ** 1.5
    return np.where(near, 0.5 - third / (6 * np.sqrt(2 * np.pi)), tail)
