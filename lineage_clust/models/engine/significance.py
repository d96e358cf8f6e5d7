"""Wood's test of a smooth: whether expression changes along the lineage at all."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import special

_N_RADIAL, _N_ANGULAR = 5, 8  # relative error below 1e-3 down to p = 1e-12


def smooth_test(
    effects: np.ndarray, covariances: np.ndarray, rank: np.ndarray, residual_df: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Test that a centred smooth is zero, for many genes.

    Parameters
    ----------
    effects
        `(n_genes, n)`: the smooth in coordinates in which its weighted sum of squares over the cells is plain.
    covariances
        `(n_genes, n, n)` covariance of the effects.
    rank
        `(n_genes,)` effective degrees of freedom of the smooth, `2 tr F - tr FF`, without the intercept.
    residual_df
        `(n_genes,)` residual degrees of freedom for an estimated scale (F), or `None` for a known one (chi-square).

    Returns
    -------
    statistic, pvalue : ndarray of shape (n_genes,)

    Notes
    -----
    The statistic is `u' V^(r-) u`, with a pseudo-inverse of `V` of fractional rank `r`: its leading `k - 1` modes count
    fully, and modes `k` and `k + 1` through the 2 x 2 matrix `[[1, b], [b, nu]]`, `nu = r - k`, `b^2 = nu (1 - nu) / 2`;
    the two signs of `b` are averaged [1]_. Under the null hypothesis it is a weighted sum of squared normals with
    weights 1 (`k - 1` times) and the eigenvalues of that matrix. Its tail is computed by quadrature over the direction
    of those normals, given which it is an F or chi-square tail: positive terms only, so that small p-values keep their
    relative accuracy.

    References
    ----------
    .. [1] Wood (2013). On p-values for smooth components of an extended generalized additive model. Biometrika 100(1),
       221-228, section 2.

    Examples
    --------
    >>> effects, covariance = np.array([[2.0, 0.1]]), np.diag([1.0, 0.5])[None]
    >>> _, p = smooth_test(effects, covariance, np.array([1.0]), None)  # one full mode: P(chi2_1 > 4)
    >>> round(float(p[0]), 4)
    0.0455
    """
    values, vectors = np.linalg.eigh(covariances)
    values, vectors = values[:, ::-1], vectors[:, :, ::-1]
    usable = values > values[:, :1] * np.finfo(float).eps ** 0.9
    scores = np.einsum("gij,gi->gj", vectors, effects)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.where(usable, scores / np.sqrt(values), 0.0)
    n_usable = usable.sum(axis=1)
    rank = np.minimum(np.maximum(rank, 1.0), n_usable)
    rank = np.where(np.abs(rank - np.round(rank)) < 1e-4, np.round(rank), rank)
    whole = np.maximum(np.floor(rank).astype(int), 1)
    part = np.maximum(rank - whole, 0.0)
    square = np.cumsum(scores**2, axis=1)
    index = np.arange(len(rank))
    last, following = whole - 1, np.minimum(whole, scores.shape[1] - 1)
    base = square[index, last] + part * scores[index, following] ** 2
    cross = 2 * np.sqrt(0.5 * part * (1 - part)) * scores[index, last] * scores[index, following]
    statistic = base + cross
    pvalue = np.ones(len(rank))
    for k in np.unique(whole):
        group = whole == k
        df = None if residual_df is None else residual_df[group]
        tails = [_tail(d[group], k, part[group], df) for d in (base + cross, base - cross)]
        pvalue[group] = 0.5 * (tails[0] + tails[1])
    pvalue = np.where(n_usable == 0, 1.0, np.minimum(pvalue, 1.0))
    return statistic, pvalue


def _tail(statistic: np.ndarray, whole: int, part: np.ndarray, residual_df: np.ndarray | None) -> np.ndarray:
    """Return `P(sum of weighted squared normals > statistic)` for `whole - 1` weights of 1 and two others."""
    if not np.any(part > 0):
        return _upper(statistic, whole, residual_df)
    trace = 1 + part
    spread = np.sqrt((1 + part) * (1 - part))
    larger, smaller = (trace + spread) / 2, (trace - spread) / 2
    cosines = np.cos(np.pi * (np.arange(_N_ANGULAR) + 0.5) / _N_ANGULAR)  # Gauss-Chebyshev: uniform angles
    ones = whole - 1
    if ones:  # share of the squared length in the plane of the two other weights: Beta(1, ones / 2)
        shares, node_weights = _radial_nodes(ones)
    else:
        shares, node_weights = np.ones(1), np.ones(1)
    plane = 0.5 * (larger + smaller) + 0.5 * cosines[:, None] * (larger - smaller)
    length = 1 - shares[:, None, None] * (1 - plane)  # (radial, angular, gene)
    tails = _upper(statistic / length, whole + 1, residual_df)
    total = np.einsum("rag,r->g", tails, node_weights) / _N_ANGULAR
    return np.where(part > 0, total, _upper(statistic, whole, residual_df))


@cache
def _radial_nodes(ones: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of the quadrature over Beta(1, ones / 2)."""
    nodes, weights = special.roots_jacobi(_N_RADIAL, ones / 2 - 1, 0.0)
    return (1 + nodes) / 2, weights / weights.sum()


def _upper(statistic: np.ndarray, df: int, residual_df: np.ndarray | None) -> np.ndarray:
    """Return the upper tail of chi-square, or of `df` times F."""
    if residual_df is None:
        return special.chdtrc(df, statistic)
    return special.fdtrc(df, residual_df, statistic / df)
