"""Samples of donors in several conditions, which are correlated if they are of the same donor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

from ....utils.cached import cached_property
from ....utils.matrices import dense
from .curves import AtCovariance, DonorSums
from .variances import Variances


@dataclass(frozen=True)
class Samples:
    """Assignment of samples, which consist of the cells of one donor in one condition, to conditions and donors.

    condition, donor : `(n_samples,)` codes from 0.
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
        """Orthonormal columns with sum zero; the curve of condition `c` is the mean plus ``sum_k contrasts[c, k] d_k``."""
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
        """Return sums per donor, with the coefficients of its samples concatenated by condition, 0 without a sample."""
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


class PairedSums:
    """Sums per sample, of genes with matrices of their own, in modes that are independent both a priori and a posteriori.

    The deviation of a sample is the sum of one of its own and one that the samples of a donor share. The former are
    eliminated first, in coordinates in which they are independent; for the latter there is one small system per donor
    instead of one of all its samples. Fits use the leading `n_columns` columns of `T`.
    """

    def __init__(self, sums: DonorSums, shape: np.ndarray, samples: Samples, n_columns: int):
        self.sums, self.n_columns = sums, n_columns
        values, vectors = np.linalg.eigh(shape)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        grams = samples.by_donor(sums.donor_grams)
        beside = samples.by_donor(np.concatenate([sums.cross[..., :n_columns], sums.donor_products], axis=-1))
        information, self.turn = np.linalg.eigh(root.T @ grams[..., 1:, 1:] @ root)
        self.information = np.maximum(information, 0.0)
        self.level, self.of_level = grams[..., :1, 0], beside[..., :1, :]
        together = np.concatenate([grams[..., 1:, :1], beside[..., 1:, :]], axis=-1)
        self.beside = np.swapaxes(root @ self.turn, -1, -2) @ together
        cross = np.concatenate([sums.gram[:, :n_columns, :n_columns], sums.products[:, :n_columns]], axis=-1)
        last = np.concatenate([np.swapaxes(sums.products[:, :n_columns], 1, 2), sums.squares[:, :, None]], axis=-1)
        self.gram = np.concatenate([cross, last], axis=1)

    def without_curves(self, curve: float) -> SharedSums:
        """Return the sums after eliminating the samples' own curves, given their variance."""
        shrunk = 1 / (1 + curve * self.information)
        root = np.sqrt(curve * shrunk)[..., None] * self.beside
        flat = root[..., 1:].reshape(len(root), -1, root.shape[-1] - 1)
        of_level = np.swapaxes(root[..., :1], -1, -2)
        return SharedSums(
            self, self.gram - np.swapaxes(flat, 1, 2) @ flat, self.level - (of_level @ root[..., :1])[..., 0],
            self.of_level - of_level @ root[..., 1:],
            self.turn * (self.information * shrunk)[..., None, :] @ np.swapaxes(self.turn, -1, -2),
            self.turn @ (shrunk[..., None] * self.beside), np.log1p(curve * self.information).sum(axis=(1, 2, 3)),
        )  # fmt: skip

    def fits(self, variances: Variances, points: np.ndarray) -> Iterator[tuple[int, AtCovariance]]:
        """Yield points of a grid and the fits at them."""
        of_samples = (1 - variances.shared) * variances.curve
        for curve in np.unique(of_samples[points]):
            inner = self.without_curves(curve)
            for point in points[of_samples[points] == curve].tolist():
                yield point, inner.at(variances.shift[point], variances.curve[point], variances.shared[point])

    def likelihoods(self, variances: Variances) -> np.ndarray:
        """Return the log restricted likelihood `(n_points, n_genes)`."""
        found = np.empty((len(variances), self.sums.n_genes))
        for point, fit in self.fits(variances, np.arange(len(variances))):
            found[point] = fit.likelihood()
        return found


@dataclass(frozen=True)
class SharedSums:
    """Sums after eliminating the samples' own curves; axes are genes, donors and conditions unless stated otherwise.

    gram : `(n_genes, n + 1, n + 1)` of the columns of `T` and the response, which is last.
    level, of_level : Products of the constant with itself `(..., 1)`, and with columns and response `(..., 1, n + 1)`.
    modes, beside : Products of the modes with themselves, and with the constant, the columns and the response.
    log_determinant : `(n_genes,)`.
    """

    paired: PairedSums
    gram: np.ndarray
    level: np.ndarray
    of_level: np.ndarray
    modes: np.ndarray
    beside: np.ndarray
    log_determinant: np.ndarray

    def at(self, shift: float, curve: float, shared: float) -> AtCovariance:
        """Return the fits at variances of levels and curves, of which the samples of a donor share a fraction."""
        inside = 1 + (1 - shared) * shift * self.level
        root = np.sqrt((1 - shared) * shift / inside)
        of_level = root[..., None] * self.of_level
        flat = of_level.reshape(len(of_level), -1, of_level.shape[-1])
        gram = self.gram - np.swapaxes(flat, 1, 2) @ flat
        logs = self.log_determinant + np.log(inside).sum(axis=(1, 2, 3))
        if shared * (shift + curve) > 0:
            scales = np.sqrt(shared * np.r_[shift, np.full(self.modes.shape[-1], curve)])
            # of the constant with all random columns
            between = np.concatenate([self.level, self.beside[..., 0]], axis=-1)
            grams, beside = self._summed
            lost = np.swapaxes(root * between, -1, -2)
            inner = scales[:, None] * scales * (grams - lost @ np.swapaxes(lost, -1, -2)) + np.eye(len(scales))
            lower = np.linalg.cholesky(inner)
            beside = scales[:, None] * (beside - lost @ of_level[..., 0, :])
            rows = (np.linalg.inv(lower) @ beside).reshape(len(gram), -1, gram.shape[-1])
            gram = gram - np.swapaxes(rows, 1, 2) @ rows
            logs = logs + 2 * np.log(np.einsum("gdii->gdi", lower)).sum(axis=(1, 2))
        return AtCovariance(self.paired.sums, gram[:, :-1, :-1], gram[:, :-1, -1:], gram[:, -1, -1:], logs)

    @cached_property
    def _summed(self) -> tuple[np.ndarray, np.ndarray]:
        """Products of constant and modes with themselves and with columns and response, summed over a donor's samples."""
        level, beside = self.level.sum(axis=2), self.beside.sum(axis=2)
        grams = np.concatenate([
            np.concatenate([level[..., None], np.swapaxes(beside[..., :1], -1, -2)], axis=-1),
            np.concatenate([beside[..., :1], self.modes.sum(axis=2)], axis=-1),
        ], axis=-2)  # fmt: skip
        return grams, np.concatenate([self.of_level.sum(axis=2), beside[..., 1:]], axis=-2)
