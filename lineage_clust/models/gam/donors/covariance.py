"""Generalised least squares for any covariance of the donors' coefficients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .curves import AtCovariance, DonorSums


def at_covariance(sums: DonorSums, covariance: np.ndarray) -> AtCovariance:
    """Return generalised least squares for a covariance `R` `(..., n_random, n_random)` of a donor's coefficients.

    For many variances of levels and of curves with the same shape,
    :meth:`lineage_clust.models.gam.donors.curves.DonorSums.turned` is faster.
    """
    inner = np.eye(covariance.shape[-1]) + sums.donor_grams @ covariance
    fit = without_deviations(sums, covariance @ np.linalg.inv(inner), sums.gram.shape[-1])
    return replace(fit, log_determinant=np.linalg.slogdet(inner)[1].sum(axis=1))


def without_deviations(sums: DonorSums, middle: np.ndarray, n_columns: int) -> AtCovariance:
    """Return the same for the leading columns of `T`, without the determinant; `middle` is ``R (I + U'Z_d'WZ_dU R)^-1``."""
    middle = 0.5 * (middle + np.swapaxes(middle, -1, -2))
    n_matrices, n_donors, n_random = sums.cross.shape[:3]
    cross = sums.cross[..., :n_columns]
    flat = (n_matrices, n_donors * n_random)
    turned = np.swapaxes((middle @ cross).reshape(*flat, cross.shape[-1]), 1, 2)
    of_donors = sums.donor_products.reshape(*flat, sums.donor_products.shape[-1])
    products = sums.products[:, :n_columns] - turned @ of_donors
    gram = sums.gram[:, :n_columns, :n_columns] - turned @ cross.reshape(*flat, cross.shape[-1])
    squares = sums.squares - np.sum(sums.donor_products * (middle @ sums.donor_products), axis=(1, 2))
    return AtCovariance(sums, gram, products, squares, np.zeros(len(gram)))


def deviations(sums: DonorSums, covariance: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return the best linear unbiased predictions `(n_matrices, n_donors, n_random, n)` of the donors' coefficients.

    sums : Sums of some genes.
    covariance : Covariance `R`.
    coefficients : `(n_matrices, n_fixed, n)` of the population curve, on the columns of `T`.
    """
    residuals = sums.donor_products - sums.cross @ coefficients[:, None]
    return covariance @ np.linalg.solve(np.eye(len(covariance)) + sums.donor_grams @ covariance, residuals)
