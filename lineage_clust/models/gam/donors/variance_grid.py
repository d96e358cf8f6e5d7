"""Grids of variances between donors: their likelihoods and the fits at each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ....utils.cached import cached_property
from .curves import AtCovariance, DonorSums, TurnedSums, at_covariance
from .each import EachSums, turn
from .samples import PairedSums, Samples
from .variances import Variances, covariance


@dataclass(frozen=True)
class VarianceGrid:
    """Grid of variances of the donors' levels and curves.

    shape : `(n_modes, n_modes)` covariance of the curves' modes, with trace 1, shared by all genes.
    variances : Points of the grid.
    samples : Assignment of samples to donors if donors have several samples.
    """

    shape: np.ndarray
    variances: Variances
    samples: Samples | None = None

    def at(self, variances: Variances) -> VarianceGrid:
        """Return the grid with other points."""
        return replace(self, variances=variances)

    @cached_property
    def covariances(self) -> np.ndarray:
        """`(n_points, n_random, n_random)` covariances of a replicate's coefficients."""
        if self.samples is None:
            return np.stack([covariance(self.shape, shift, curve) for shift, curve, _ in self.variances])
        return np.stack([
            self.samples.covariance(covariance(self.shape, shift, curve), shared) for shift, curve, shared in self.variances
        ])  # fmt: skip

    def turn(self, sums: DonorSums) -> EachSums | TurnedSums | None:
        """Return the sums in independent modes; `None` for correlated samples."""
        return turn(sums, self.shape) if self.samples is None else None

    def likelihoods(self, sums: DonorSums, turned: EachSums | TurnedSums | None = None) -> np.ndarray:
        """Return the log restricted likelihood `(n_points, n_genes)`; `turned` are the turned sums, if known."""
        if self.samples is not None:
            return PairedSums(sums, self.shape, self.samples, sums.n_determined).likelihoods(self.variances)
        return (turn(sums, self.shape) if turned is None else turned).likelihoods(self.variances)

    def fits(self, sums: DonorSums, probable: np.ndarray) -> Iterator[tuple[int, np.ndarray, AtCovariance]]:
        """Yield the number of each grid point, the genes with `probable` `(n_points, n_genes)`, and their fits."""
        if self.samples is not None:
            paired = PairedSums(sums, self.shape, self.samples, sums.gram.shape[-1])
            for point, fit in paired.fits(self.variances, np.flatnonzero(probable.any(axis=1))):
                genes = np.flatnonzero(probable[point])
                yield point, genes, fit.take(genes)
            return
        turned = sums.turn(self.shape)
        for curve in np.unique(self.variances.curve):
            points = np.flatnonzero(self.variances.curve == curve)
            at_curve = np.flatnonzero(probable[points].any(axis=0))
            if len(at_curve) == 0:
                continue
            inner = turned.take(at_curve).with_curves(curve)
            for point in points.tolist():
                some = np.flatnonzero(probable[point, at_curve])
                if len(some):
                    yield point, at_curve[some], inner.take(some).with_shift(self.variances.shift[point])

    def fit_of_mean(
        self, sums: DonorSums, share: np.ndarray, turned: EachSums | TurnedSums | None = None
    ) -> AtCovariance:
        """Return fits at mean variances, weighted by `share` `(n_genes, n_points)`, for genes with matrices of their own."""
        if self.samples is not None:
            return at_covariance(self.samples.joined(sums), self.mean_covariance(share)[:, None])
        turned = turn(sums, self.shape) if turned is None else turned
        shift, curve = np.ascontiguousarray((share @ np.column_stack([self.variances.shift, self.variances.curve])).T)
        if isinstance(turned, EachSums):
            return turned.at(shift, curve)
        return turned.with_curves(curve[:, None, None]).with_shift(shift[:, None])

    def mean_covariance(self, share: np.ndarray) -> np.ndarray:
        """Return weighted mean covariances `(n_genes, n_random, n_random)`."""
        return np.einsum("gs,sij->gij", share, self.covariances, optimize=True)
