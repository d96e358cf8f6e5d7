"""Variances between donors, in units of the residual variance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Variances of curves. Beside 60 of them, p-values of counts below .05 differ by a factor of 1.3 (root mean square), and
# with 9 by 2.8; then a third too many flat genes have p < .01.
_N_FOR_TESTS = 15


@dataclass(frozen=True)
class Variances:
    """Variances between donors at the points of a grid, `(n_points,)` each.

    shift, curve : Of the donors' levels, and of their curves, averaged over the cells.
    shared : Fraction that the samples of one donor have in common: the correlation between them.
    """

    shift: np.ndarray
    curve: np.ndarray
    shared: np.ndarray

    def __len__(self) -> int:
        return len(self.shift)

    def __iter__(self) -> Iterator[tuple[float, float, float]]:
        return zip(self.shift, self.curve, self.shared, strict=True)

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct variances of levels and of curves, without 0."""
        return np.unique(self.shift[self.shift > 0]), np.unique(self.curve[self.curve > 0])

    def take(self, points: np.ndarray) -> Variances:
        """Return some points."""
        return Variances(self.shift[points], self.curve[points], self.shared[points])

    def mean(self) -> Variances:
        """Return the means as one point."""
        return Variances(*np.column_stack([self.shift, self.curve, self.shared]).mean(axis=0)[:, None])

    def for_tests(self) -> Variances:
        """Return a grid over the same range, with more variances of curves."""
        shifts, curves = self.axes
        return grid(shifts, np.geomspace(curves[0], curves[-1], _N_FOR_TESTS))

    def every_second(self) -> Variances:
        """Return a coarser grid with half as many variances of levels and of curves, including 0."""
        return grid(*(axis[1::2] for axis in self.axes))

    def with_shares(self, shares: tuple[float, ...]) -> Variances:
        """Return every pair of variances with every share of the samples of a donor; both variances are 0 only once."""
        some = self.take((self.shift > 0) | (self.curve > 0))
        shift, curve = (np.repeat(of, len(shares)) for of in (some.shift, some.curve))
        return Variances(np.r_[0.0, shift], np.r_[0.0, curve], np.r_[0.0, np.tile(shares, len(some))])


def grid(shifts: np.ndarray, curves: np.ndarray) -> Variances:
    """Return all pairs of variances of levels and of curves, each with 0 added, for uncorrelated samples."""
    shift, curve = np.meshgrid(np.r_[0.0, shifts], np.r_[0.0, curves], indexing="ij")
    return Variances(shift.ravel(), curve.ravel(), np.zeros(shift.size))


def covariance(shape: np.ndarray, shift: float, curve: float) -> np.ndarray:
    """Return the covariance `R` of a donor's coefficients on `U`, in units of the residual variance."""
    matrix = np.zeros((len(shape) + 1,) * 2)
    matrix[0, 0] = shift
    matrix[1:, 1:] = curve * shape
    return matrix
