"""Variance of the test statistics of Gaussian smooths if expression has heavy tails."""

from __future__ import annotations

import numpy as np

from ....expression.sums.bands import Bands
from ....utils.matrices import chunks
from .posterior import SharedPosterior
from .significance import usable_rank

_ROWS = 2**14  # rows of the design at a time
_LEAST, _MOST = 1e-300, 1e300  # of smoothing parameters, so that their logarithms are finite


def higher_moments(
    squares: np.ndarray, cubes: np.ndarray, fourths: np.ndarray, total: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return skewness and excess kurtosis, 0 where unknown or negative, from weighted sums of powers of the deviations."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        found = np.sqrt(total / squares) * (cubes / squares), total * (fourths / squares) / squares - 3
    skewness, kurtosis = (np.where(np.isfinite(moment), moment, 0.0) for moment in found)
    return skewness, np.maximum(kurtosis, 0.0)


def variance_factors(
    posterior: SharedPosterior, kurtosis: np.ndarray, to_effects: np.ndarray, n_others: int, rows: Bands,
    weights: np.ndarray, penalised: bool,
) -> np.ndarray:  # fmt: skip
    """Return the factor `(n_genes,)` by which kurtosis increases the variance of the statistic of each gene's smooth.

    The posterior has the robust covariance, and `n_others` degrees of freedom are not part of the smooth. The statistic is a
    quadratic form ``e'Ke / s2`` in deviations `e` from the mean with variance `s2`. For a given `s2`, its variance is ``2r +
    k sum_i K_ii^2`` (Seber & Lee 2003, Linear Regression Analysis, theorem 1.6), with rank `r` and excess kurtosis `k`:
    ``2r`` times the factor ``c``. A chi-square with ``r / c`` degrees of freedom, times `c`, has the same mean and variance.
    If smooths are `penalised` as a whole, ``2 sum v^2`` with the eigenvalues `v` of `K` takes the place of ``2r``.
    `K` depends on a gene through the smoothing parameter only; sums over the cells are computed at powers of ten and
    interpolated.
    """
    if len(to_effects) == 0 or not kurtosis.any():
        return np.ones(len(kurtosis))
    unit = weights.max()
    place = np.log10(np.clip(posterior.lambda_ / unit, _LEAST, _MOST))
    below = np.floor(place)
    exponents = np.union1d(below, below + 1)
    at = _excess_variances(posterior, unit * 10.0**exponents, to_effects, n_others, rows, weights, penalised)
    before = np.searchsorted(exponents, below)
    share = place - below
    return 1 + kurtosis * ((1 - share) * at[before] + share * at[before + 1])


def _excess_variances(posterior, lambda_, to_effects, n_others, rows: Bands, weights, penalised: bool) -> np.ndarray:
    """Return `sum_i K_ii^2 / 2r` for some smoothing parameters."""
    spectrum, squared_gram = posterior.spectrum, posterior.squared_weight_gram
    precision = spectrum.gram + spectrum.penalty * lambda_
    shares, lost = spectrum.gram / precision, np.diag(squared_gram) @ (1 / precision)
    scale = np.maximum(weights.sum() - lost, 1e-2 * weights.sum()) / np.maximum(len(weights) - shares.sum(axis=0), 1.0)
    of_lambda = SharedPosterior(spectrum, lambda_, scale, np.ones(len(lambda_)), squared_gram)
    metric = np.ones((len(lambda_), len(to_effects)))
    if penalised:
        of_lambda, metric = of_lambda.of_sampling, np.sqrt(precision.T[:, -len(to_effects) :])
    covariances = of_lambda.covariances(to_effects, np.arange(len(lambda_)))
    values, vectors = np.linalg.eigh(covariances * (metric[:, :, None] * metric[:, None, :]))
    values, vectors = values[:, ::-1], vectors[:, :, ::-1]
    usable, rank = usable_rank(values, (shares * (2 - shares)).sum(axis=0) - n_others)
    included = np.clip(rank[:, None] - np.arange(values.shape[1]), 0.0, 1.0) * usable
    if penalised:  # the statistic is a weighted sum of squares along all modes
        included = np.where(usable, values / values[:, :1], 0.0)
        rank = (included**2).sum(axis=1)
    roots = metric[:, :, None] * vectors * np.sqrt(included / np.where(usable, values, 1.0))[:, None, :]
    to_roots = spectrum.basis / precision.T[:, None, :] @ (to_effects @ spectrum.basis).T @ roots
    parameter, mode = np.nonzero(included)
    to_roots, of_parameter = to_roots[parameter, :, mode].T, np.equal.outer(parameter, np.arange(len(lambda_)))
    found = np.zeros(len(lambda_))
    for some in chunks(len(rows), _ROWS):
        forms = np.square(rows[some].dense() @ to_roots) @ of_parameter
        found += weights[some] ** 4 @ forms**2
    return found / (2 * np.maximum(rank, 1.0))
