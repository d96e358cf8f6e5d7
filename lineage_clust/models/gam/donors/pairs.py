"""Correlated samples of the same donor in several conditions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .curves import DonorSums


@dataclass(frozen=True)
class Pairs:
    """Assignment of samples to conditions and donors.

    condition, donor : `(n_samples,)` codes from 0.
    """

    condition: np.ndarray
    donor: np.ndarray
    n_conditions: int

    def by_donor(self, of_samples: np.ndarray) -> np.ndarray:
        """Return sums `(n_matrices, n_donors, n_conditions, ...)`; they are zero where a donor has no sample."""
        n_matrices, _, *shape = of_samples.shape
        found = np.zeros((n_matrices, int(self.donor.max()) + 1, self.n_conditions, *shape))
        found[:, self.donor, self.condition] = of_samples
        return found

    def joined(self, sums: DonorSums) -> DonorSums:
        """Return sums per donor, with the coefficients of its samples concatenated in the order of the conditions.

        The sums are zero where a donor has no sample in a condition.
        """
        cross, own, products = (self.by_donor(part) for part in (sums.cross, sums.own, sums.donor_products))
        n_matrices, n_donors, n, width = own.shape[:4]
        wide = np.zeros((n_matrices, n_donors, n, width, n, width))
        for condition in range(n):
            wide[:, :, condition, :, condition] = own[:, :, condition]
        shape = n_matrices, n_donors, n * width, -1
        return replace(
            sums, cross=cross.reshape(shape), own=wide.reshape(shape), donor_products=products.reshape(shape)
        )

    def whole(self, own: np.ndarray) -> np.ndarray:
        """Return the coefficients `(n_genes, n_donors, n)` of donors, given those of the samples; 0 where there is none."""
        found = self.by_donor(own)
        return found.reshape(*found.shape[:2], -1)

    def known(self, covariances: np.ndarray) -> np.ndarray:
        """Return covariances `(n_genes, n_donors, n, n)` of the coefficients of donors; 0 without a sample."""
        n_random = covariances.shape[-1] // self.n_conditions
        known = self.whole(np.ones((1, len(self.donor), n_random)))[0]
        return covariances[:, None] * (known[:, :, None] * known[:, None])

    def parted(self, own: np.ndarray) -> np.ndarray:
        """Return the coefficients `(n_matrices, n_samples, n_random, ...)` of samples, given those of the donors."""
        n = self.n_conditions
        blocks = own.reshape(*own.shape[:2], n, own.shape[2] // n, *own.shape[3:])
        return blocks[:, self.donor, self.condition]

    def covariance(self, of_sample: np.ndarray, shared: float) -> np.ndarray:
        """Return the covariance of a donor's coefficients, with correlation `shared` between its samples."""
        n = self.n_conditions
        return np.kron((1 - shared) * np.eye(n) + shared, of_sample)
