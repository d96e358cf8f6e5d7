"""Tests of smooths with donors as replicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from .donors_curves import AtCovariance, DonorSums
from .weighted_tails import weighted_tail

# Chosen by power against lines, steps and bumps, on other seeds than those of the benchmark; they do not bear on calibration.
_STRENGTH, _ROUGHNESS = 10.0, 10.0


@dataclass(frozen=True)
class Contrast:
    """The centred smooth, in coordinates in which its sum of squares over the cells is plain, and what trends look like.

    Attributes
    ----------
    rows
        `(n, n_determined)`: from coefficients on the determined columns of `T`.
    expected
        `(n, n)` covariance of trends, up to a factor.
    """

    rows: np.ndarray
    expected: np.ndarray


def contrast_of(to_effects: np.ndarray, sums: DonorSums, penalty: np.ndarray) -> Contrast:
    """Return the Contrast of a centred smooth `to_effects @ coefficients`."""
    fixed = sums.fixed[:, : sums.n_determined]
    _, values, right = np.linalg.svd(to_effects @ fixed, full_matrices=False)
    kept = values > 1e-8 * values.max(initial=0.0)
    rows = values[kept, None] * right[kept]
    back = np.linalg.pinv(rows)
    rough = back.T @ (fixed.T @ penalty @ fixed) @ back
    eigenvalues = np.linalg.eigvalsh(rough) if len(rough) else np.zeros(0)
    positive = eigenvalues[eigenvalues > 1e-8 * eigenvalues.max(initial=0.0)]
    factor = _ROUGHNESS / positive[min(1, len(positive) - 1)] if len(positive) else 0.0
    return Contrast(rows, np.linalg.inv(np.eye(len(rough)) + factor * rough))


def tested_at(contrast: Contrast, fit: AtCovariance) -> tuple[np.ndarray, np.ndarray]:
    """Return statistics and p-values of all genes, given the covariance of the donors' coefficients.

    Notes
    -----
    With `V` the covariance of the effects `u` and `C` that of trends as they may be, the statistic is
    ``u' (V^-1 - (V + C)^-1) u``, by which `N(0, V)` is told from `N(0, V + C)` best [1]_. Without a trend it is a weighted
    sum of squared normals.

    References
    ----------
    .. [1] King (1987). Towards a theory of point optimal testing. Econometric Reviews 6, 169-218.
    """
    free = slice(len(fit.coefficients))
    covariance = contrast.rows @ np.linalg.solve(fit.gram[free, free], contrast.rows.T)
    effects = contrast.rows @ fit.coefficients / np.sqrt(fit.scale)
    signal, modes = linalg.eigh(contrast.expected, 0.5 * (covariance + covariance.T))
    scores = modes.T @ effects
    ratio = _STRENGTH * np.maximum(signal, 0.0) / signal[-1]
    weights = ratio / (1 + ratio)
    statistic = weights @ scores**2
    return statistic / weights.max(), weighted_tail(statistic, weights)
