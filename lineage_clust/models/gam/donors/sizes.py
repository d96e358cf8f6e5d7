"""Grids of variances between donors: their likelihoods and the fits at each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .covariance import at_covariance
from .curves import AtCovariance, DonorSums, TurnedSums
from .each import EachSums, turned
from .paired import PairedSums
from .pairs import Pairs


@dataclass(frozen=True)
class Sizes:
    """Grid of variances of levels and of curves, in units of the residual variance.

    shape : `(n_modes, n_modes)` covariance of the curves' modes, with trace 1.
    values : `(n_sizes, 3)`: variances of levels and of curves, and the correlation between samples of the same donor.
    pairs : Assignment of samples to donors if donors have several samples.
    """

    shape: np.ndarray
    values: np.ndarray
    pairs: Pairs | None = None

    @cached_property
    def covariances(self) -> np.ndarray:
        """`(n_sizes, n_random, n_random)` covariances of a replicate's coefficients."""
        found = np.zeros((len(self.values), *(len(self.shape) + 1,) * 2))
        found[:, 0, 0] = self.values[:, 0]
        found[:, 1:, 1:] = self.values[:, 1, None, None] * self.shape
        if self.pairs is None:
            return found
        return np.stack([
            self.pairs.covariance(one, share) for one, share in zip(found, self.values[:, 2], strict=True)
        ])  # fmt: skip

    def turned(self, sums: DonorSums) -> EachSums | TurnedSums | None:
        """Return the sums in independent modes; `None` for correlated samples."""
        return turned(sums, self.shape) if self.pairs is None else None

    def likelihoods(self, sums: DonorSums, of_genes: EachSums | TurnedSums | None = None) -> np.ndarray:
        """Return the log restricted likelihood `(n_sizes, n_genes)`; `of_genes` are the turned sums, if known."""
        if self.pairs is not None:
            return PairedSums(sums, self.shape, self.pairs, sums.n_determined).likelihoods(self.values)
        of_genes = turned(sums, self.shape) if of_genes is None else of_genes
        return of_genes.likelihoods(self.values[:, :2])

    def fits(self, sums: DonorSums, probable: np.ndarray) -> Iterator[tuple[int, np.ndarray, AtCovariance]]:
        """Yield the number of each grid point, the genes with `probable` `(n_sizes, n_genes)`, and their fits."""
        if self.pairs is not None:
            paired = PairedSums(sums, self.shape, self.pairs, sums.gram.shape[-1])
            for place, fit in paired.fits(self.values, np.flatnonzero(probable.any(axis=1))):
                genes = np.flatnonzero(probable[place])
                yield place, genes, fit.take(genes)
            return
        of_genes = sums.turned(self.shape)
        for curve in np.unique(self.values[:, 1]):
            places = np.flatnonzero(self.values[:, 1] == curve)
            own = np.flatnonzero(probable[places].any(axis=0))
            if len(own) == 0:
                continue
            inner = of_genes.take(own).with_curves(curve)
            for place in places.tolist():
                some = np.flatnonzero(probable[place, own])
                if len(some) == 0:
                    continue
                yield place, own[some], inner.take(some).with_shift(self.values[place, 0])

    def fit_of_mean(
        self, sums: DonorSums, share: np.ndarray, of_genes: EachSums | TurnedSums | None = None
    ) -> AtCovariance:
        """Return fits at mean variances, weighted by `share` `(n_genes, n_sizes)`, for genes with matrices of their own."""
        if self.pairs is not None:
            return at_covariance(self.pairs.joined(sums), self.mean_covariance(share)[:, None])
        of_genes = turned(sums, self.shape) if of_genes is None else of_genes
        values = share @ self.values[:, :2]
        if isinstance(of_genes, EachSums):
            return of_genes.at(values)
        return of_genes.with_curves(values[:, 1, None, None]).with_shift(values[:, :1])

    def mean_covariance(self, share: np.ndarray) -> np.ndarray:
        """Return weighted mean covariances `(n_genes, n_random, n_random)`."""
        return np.einsum("gs,sij->gij", share, self.covariances, optimize=True)
