"""Cluster-robust covariances with small-sample corrections, from sums over each cluster of cells, such as a donor."""

from __future__ import annotations

import numpy as np
from scipy import stats

_NONE = 1e-10  # relative, of eigenvalues that are zero but for rounding
_KNOWN = 0.999  # fraction of a variance that is estimated


def half_of(grams: np.ndarray) -> np.ndarray:
    """Return `L` with `LL'` the inverse of gram matrices, or a pseudo-inverse for collinear columns."""
    scale = np.sqrt(np.maximum(np.einsum("gii->gi", grams), 1e-300))
    return _inverse_root(grams / (scale[:, :, None] * scale[:, None])) / scale[:, :, None]


def steps_of_donors(
    grams: np.ndarray, scores: np.ndarray, half: np.ndarray, power: float = -0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `L'G_dL`, `F_d = (I - L'G_dL)^power` and `F_d L's_d`.

    half : `L`, `(n_matrices, n_columns, n_modes)`.
    power : -1/2 for CR2, 0 without a correction, -1 for the jackknife.

    With `LL'` the inverse of the gram matrix, the last are `L'u_d` with CR2's ``u_d = Z_d'W^(1/2) (I - H_dd)^(-1/2) W^(1/2)
    e_d``. With the block `H_dd` of the hat matrix, it is ``(I - G_d LL')^(-1/2) s_d``, which requires only sums over cells.
    """
    turned = np.swapaxes(half, -1, -2)[:, None]
    inner = turned @ grams @ half[:, None]
    values, vectors = np.linalg.eigh(np.eye(inner.shape[-1]) - inner)
    # a donor that determines its own fit has no residual
    powers = np.where(values > _NONE, np.maximum(values, _NONE) ** power, 0.0)
    factors = (vectors * powers[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return inner, factors, factors @ (turned @ scores)


def degrees_of_freedom(inner: np.ndarray, factors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the degrees of freedom of a Wishart distribution with the moments of CR2's estimate, `(n_matrices,)`.

    inner, factors : As returned by :func:`steps_of_donors`.
    rows : `(n_matrices, n, n_modes)`, applied to the steps `F_d L's_d`.

    The mean of the estimate and the sum of the variances of its elements are matched, for independent cells with their
    weights as precisions: Satterthwaite's approximation for one row. They are 0 if the rows depend on a cluster that
    determines its own fit, so that it has no residuals.
    """
    weighted, turned = rows[:, None] @ factors @ inner, np.swapaxes(rows, -1, -2)
    n_matrices, n_donors, n, _ = weighted.shape
    flat = weighted.reshape(n_matrices, n_donors * n, -1)
    between = -(flat @ np.swapaxes(flat, -1, -2)).reshape(n_matrices, n_donors, n, n_donors, n)
    every = np.arange(n_donors)
    between[:, every, :, every] += np.moveaxis(weighted @ factors @ turned[:, None], 1, 0)
    mean = between[:, every, :, every].sum(axis=0)
    known = np.einsum("...ss->...", mean) > _KNOWN * np.einsum("...ss->...", rows @ inner.sum(axis=1) @ turned)

    def size(of: np.ndarray) -> np.ndarray:
        return np.einsum("...ss->...", of) ** 2 + np.sum(of * np.swapaxes(of, -1, -2), axis=(-1, -2))

    variances = size(np.swapaxes(between, 2, 3)).sum(axis=(1, 2))
    return np.divide(size(mean), variances, out=np.zeros(n_matrices), where=known)


def hotelling_test(grams: np.ndarray, products: np.ndarray, n_tested: int) -> tuple[np.ndarray, np.ndarray]:
    """Return statistics and p-values of the approximate Hotelling test that the last coefficients are zero.

    grams, products : `Z_d'WZ_d` `(n_matrices, n_donors, n_columns, n_columns)`, `Z_d'Wy` `(n_matrices, n_donors, n_columns,
        n)`, where either `n_matrices` or `n` may be the number of genes.

    References
    ----------
    Pustejovsky & Tipton (2018). Small-sample methods for cluster-robust variance estimation and hypothesis testing in fixed
    effects models. Journal of Business & Economic Statistics 36, 672-683, section 3.2.

    >>> means = np.array([1.0, 3.0, 2.0, 2.5])[:, None, None]  # four donors with one cell each: the t-test of a mean
    >>> hotelling_test(np.ones((1, 4, 1, 1)), means[None], 1)[1].round(4).tolist()
    [0.0156]
    """
    half = half_of(grams.sum(axis=1))
    coefficients = half @ (np.swapaxes(half, -1, -2) @ products.sum(axis=1))
    inner, factors, steps = steps_of_donors(grams, products - grams @ coefficients[:, None], half)
    last = half[:, half.shape[1] - n_tested :]
    whiten = np.swapaxes(_inverse_root(last @ np.swapaxes(last, -1, -2)), -1, -2)
    rows, effects = whiten @ last, np.swapaxes(whiten @ coefficients[:, half.shape[1] - n_tested :], 1, 2)
    steps = np.moveaxis(rows[:, None] @ steps, -1, 1)
    variance = np.swapaxes(steps, -1, -2) @ steps
    ridge = (_NONE * np.einsum("mnss->mn", variance) + 1e-300)[..., None, None] * np.eye(n_tested)
    statistic = np.sum(effects * np.linalg.solve(variance + ridge, effects[..., None])[..., 0], axis=-1)
    df = degrees_of_freedom(inner, factors, rows)[:, None]
    left = df - n_tested + 1
    with np.errstate(invalid="ignore", divide="ignore"):
        pvalue = np.where(left > 0, stats.f.sf(statistic * left / (df * n_tested), n_tested, left), 1.0)
    return statistic.ravel() / n_tested, np.nan_to_num(pvalue, nan=1.0).ravel()


def _inverse_root(matrices: np.ndarray) -> np.ndarray:
    """Return `R` with `RR'` the inverse of symmetric matrices on their range."""
    values, vectors = np.linalg.eigh(matrices)
    sizes = np.where(values > _NONE * values[:, -1:], 1 / np.sqrt(np.maximum(values, 1e-300)), 0.0)
    return vectors * sizes[:, None]
