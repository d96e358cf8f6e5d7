"""Samples of donors in several conditions, which are correlated if they are of the same donor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import linalg

from ....utils.matrices import dense
from .curves import DonorSums


@dataclass(frozen=True)
class Samples:
    """Assignment of samples, which consist of the cells of one donor in one condition, to conditions and donors.

    condition, donor : `(n_samples,)` codes from 0.

    >>> samples = Samples(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]))
    >>> samples.contrasts.round(3).tolist(), samples.are_paired
    ([[-0.707], [0.707]], False)
    """

    condition: np.ndarray
    donor: np.ndarray

    def __len__(self) -> int:
        return len(self.donor)

    @property
    def n_conditions(self) -> int:
        """Number of conditions."""
        return int(self.condition.max()) + 1

    @property
    def n_donors(self) -> int:
        """Number of donors."""
        return int(self.donor.max()) + 1

    @property
    def are_paired(self) -> bool:
        """Whether any donor is in more than one condition."""
        return len(np.unique(self.donor)) < len(self.donor)

    @cached_property
    def contrasts(self) -> np.ndarray:
        """Orthonormal columns with sum zero, `(n_conditions, n_conditions - 1)`.

        The curve of condition `c` is ``m + sum_k contrasts[c, k] d_k``, where `m` is the mean of the curves of all
        conditions.
        """
        return linalg.helmert(self.n_conditions).T * -1.0

    def curve(self, condition: int) -> np.ndarray:
        """Return the factors `(n_conditions,)` of the mean and of the differences in a condition's curve."""
        return np.r_[1.0, self.contrasts[condition]]

    def rows(self, basis, condition: int, n_covariates: int = 0) -> np.ndarray:
        """Return rows `(n_rows, n_columns)` that map coefficients to a condition's curve with covariates at 0."""
        basis = dense(basis)
        return np.hstack([np.kron(self.curve(condition)[None], basis), np.zeros((len(basis), n_covariates))])

    def by_donor(self, of_samples: np.ndarray) -> np.ndarray:
        """Return values `(n_matrices, n_donors, n_conditions, ...)`; they are zero where a donor has no sample."""
        n_matrices, _, *shape = of_samples.shape
        found = np.zeros((n_matrices, self.n_donors, self.n_conditions, *shape))
        found[:, self.donor, self.condition] = of_samples
        return found

    def joined(self, sums: DonorSums) -> DonorSums:
        """Return sums per donor, with the coefficients of its samples concatenated in the order of the conditions.

        The sums are zero where a donor has no sample in a condition.
        """
        cross, grams, products = (self.by_donor(part) for part in (sums.cross, sums.donor_grams, sums.donor_products))
        n_matrices, n_donors, n, width = grams.shape[:4]
        wide = np.zeros((n_matrices, n_donors, n, width, n, width))
        for condition in range(n):
            wide[:, :, condition, :, condition] = grams[:, :, condition]
        shape = n_matrices, n_donors, n * width, -1
        return replace(
            sums, cross=cross.reshape(shape), donor_grams=wide.reshape(shape), donor_products=products.reshape(shape)
        )

    def of_donors(self, deviations: np.ndarray) -> np.ndarray:
        """Return the coefficients `(n_genes, n_donors, n)` of donors, given those of the samples; 0 where there is none."""
        found = self.by_donor(deviations)
        return found.reshape(*found.shape[:2], -1)

    def of_samples(self, deviations: np.ndarray) -> np.ndarray:
        """Return the coefficients `(n_matrices, n_samples, n_random, ...)` of samples, given those of the donors."""
        n = self.n_conditions
        blocks = deviations.reshape(*deviations.shape[:2], n, deviations.shape[2] // n, *deviations.shape[3:])
        return blocks[:, self.donor, self.condition]

    def observed(self, covariances: np.ndarray) -> np.ndarray:
        """Return covariances `(n_genes, n_donors, n, n)` of the coefficients of donors; 0 without a sample."""
        n_random = covariances.shape[-1] // self.n_conditions
        known = self.of_donors(np.ones((1, len(self), n_random)))[0]
        return covariances[:, None] * (known[:, :, None] * known[:, None])

    def covariance(self, of_sample: np.ndarray, shared: float) -> np.ndarray:
        """Return the covariance of a donor's coefficients, with correlation `shared` between its samples."""
        n = self.n_conditions
        return np.kron((1 - shared) * np.eye(n) + shared, of_sample)
