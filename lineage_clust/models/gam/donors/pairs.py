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

    def joined(self, sums: DonorSums) -> DonorSums:
        """Return sums per donor, with the coefficients of its samples concatenated in the order of the conditions.

        The sums are zero where a donor has no sample in a condition.
        """
        n_matrices, _, width, n_fixed = sums.cross.shape
        n_donors, wide = int(self.donor.max()) + 1, self.n_conditions * width
        cross = np.zeros((n_matrices, n_donors, wide, n_fixed))
        own = np.zeros((n_matrices, n_donors, wide, wide))
        products = np.zeros((n_matrices, n_donors, wide, sums.donor_products.shape[-1]))
        for sample, (condition, donor) in enumerate(zip(self.condition, self.donor, strict=True)):
            place = slice(condition * width, (condition + 1) * width)
            cross[:, donor, place] = sums.cross[:, sample]
            own[:, donor, place, place] = sums.own[:, sample]
            products[:, donor, place] = sums.donor_products[:, sample]
        return replace(sums, cross=cross, own=own, donor_products=products)

    def parted(self, own: np.ndarray) -> np.ndarray:
        """Return the coefficients `(n_matrices, n_samples, n_random, ...)` of samples, given those of the donors."""
        n = self.n_conditions
        blocks = own.reshape(*own.shape[:2], n, own.shape[2] // n, *own.shape[3:])
        return blocks[:, self.donor, self.condition]

    def covariance(self, of_sample: np.ndarray, shared: float) -> np.ndarray:
        """Return the covariance of a donor's coefficients, with correlation `shared` between its samples."""
        n = self.n_conditions
        return np.kron((1 - shared) * np.eye(n) + shared, of_sample)
