"""Tests of smooths with donors as replicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..inference.weighted_tails import weighted_tail
from .curves import AtCovariance

# Chosen for power against lines, steps and bumps, with other seeds than the benchmark's; calibration does not depend on them.
STRENGTH, _ROUGHNESS = 10.0, 10.0
_N_MODES = 8  # of the centred smooth; expected trends have practically no variance in other modes


@dataclass(frozen=True)
class Contrast:
    """The centred smooth, in coordinates in which its sum of squares is Euclidean, and the covariance of expected trends.

    rows : `(n, n_determined)`, applied to coefficients on the determined columns of `T`.
    expected : `(n, n)` covariance of expected trends, up to a factor.
    """

    rows: np.ndarray
    expected: np.ndarray


def contrast_of(to_effects: np.ndarray, fixed: np.ndarray, penalty: np.ndarray) -> Contrast:
    """Return the Contrast of a centred smooth `to_effects @ coefficients`; `fixed` are the determined columns of `T`."""
    _, values, right = np.linalg.svd(to_effects @ fixed, full_matrices=False)
    kept = values > 1e-8 * values.max(initial=0.0)
    rows = values[kept, None] * right[kept]
    if len(rows) == 0:
        return Contrast(rows, np.zeros((0, 0)))
    back = np.linalg.pinv(rows)
    rough, modes = np.linalg.eigh(back.T @ (fixed.T @ penalty @ fixed) @ back)
    rough = np.maximum(rough[:_N_MODES], 0.0)
    positive = rough[rough > 1e-8 * rough.max(initial=0.0)]
    factor = _ROUGHNESS / positive[min(1, len(positive) - 1)] if len(positive) else 0.0
    return Contrast(modes[:, :_N_MODES].T @ rows, np.diag(1 / (1 + factor * rough)))


def tested_at(contrast: Contrast, fit: AtCovariance, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return statistics and p-values of all genes, given a covariance of the donors' coefficients and the scale of the fit.

    With the covariance `V` of the effects `u` and the covariance `C` of expected trends, the statistic is
    ``u' (V^-1 - (V + C)^-1) u``, the most powerful test of `N(0, V)` against `N(0, V + C)` (King 1987, Econometric Reviews 6,
    169-218). Under the null hypothesis it is a weighted sum of squared normals, divided by an estimate of their variance.
    """
    if len(contrast.rows) == 0:
        return np.zeros(fit.sums.n_genes), np.ones(fit.sums.n_genes)
    inverse, modes, weights = modes_of(contrast, fit.determined)
    products = fit.products[:, : fit.sums.n_determined]
    effects = np.swapaxes(inverse, 1, 2) @ products / np.sqrt(scale)[:, None, :]
    scores = np.swapaxes(modes, 1, 2) @ effects
    statistic = np.sum(weights[:, :, None] * scores**2, axis=1).ravel()
    weights = weights.T
    # the working models of other families are approximations with as many cells
    df = np.inf if fit.sums.each else fit.sums.df
    return statistic / weights.max(axis=0), weighted_tail(statistic, weights, df)


def modes_of(contrast: Contrast, gram: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the map from products to effects, independent modes of the effects, and the weights of their squares.

    The map is `(n_matrices, n_determined, n)`. The modes are columns of `(n_matrices, n, n)` and have variance 1.
    """
    inverse = np.linalg.solve(gram, contrast.rows.T[None])
    covariance = contrast.rows @ inverse
    whiten = np.linalg.inv(np.linalg.cholesky(0.5 * (covariance + np.swapaxes(covariance, 1, 2))))
    values, vectors = np.linalg.eigh(whiten @ contrast.expected @ np.swapaxes(whiten, 1, 2))
    signal = np.maximum(values, 0.0)
    ratio = STRENGTH * signal / np.maximum(signal.max(axis=1, keepdims=True), 1e-300)
    return inverse, np.swapaxes(whiten, 1, 2) @ vectors, ratio / (1 + ratio)
