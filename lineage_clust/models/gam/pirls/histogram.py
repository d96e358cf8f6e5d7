"""Histograms of counts per gene, from which the gamma functions of the negative binomial likelihood are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

from ....expression.counts.bins import N_SMALL, values_of_bins


@dataclass(frozen=True)
class Histogram:
    """Total weight of the cells by gene and value.

    tails : `(N_SMALL, n_genes)` weights of the cells with counts greater than 0, 1, ...
    bins : `(n_genes, n_values)` weights of the values 0 to 63 and of the `N_BINS - N_SMALL` nodes above.

    >>> from lineage_clust.expression.counts.bins import N_BINS
    >>> bins = np.zeros((1, N_BINS))
    >>> bins[0, [1, 3]] = 2.0, 1.0  # two cells with a count of one, one with three
    >>> first, second = Histogram.of(bins).sums(np.array([0.5]))  # 3 / 0.5 + 1 / 1.5 + 1 / 2.5
    >>> round(float(first[0]), 6)
    7.066667
    """

    tails: np.ndarray
    bins: np.ndarray

    @classmethod
    def of(cls, bins: np.ndarray) -> Histogram:
        """Return the Histogram of weights `(n_genes, N_BINS)`; the weight of 0 is not used."""
        above = bins.sum(axis=1, keepdims=True) - np.cumsum(bins[:, :N_SMALL], axis=1)
        return cls(np.ascontiguousarray(above.T), bins)

    def take(self, chosen: np.ndarray) -> Histogram:
        """Return the Histogram of some genes, by mask or position."""
        return Histogram(self.tails[:, chosen], self.bins[chosen])

    def sums(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `sum w [psi(y + theta) - psi(theta)]` and its derivative with respect to theta, `(n_genes,)` each.

        `psi(y + theta) - psi(theta)` is the sum of `1 / (theta + j)` over `j < y`; values below 64 need no digamma.
        """
        inverse = 1.0 / (theta + np.arange(N_SMALL)[:, None])
        first, second = np.sum(self.tails * inverse, axis=0), -np.sum(self.tails * inverse**2, axis=0)
        large = np.flatnonzero(self.bins[:, N_SMALL:].any(axis=1))
        if len(large):
            used = N_SMALL + np.flatnonzero(self.bins[large, N_SMALL:].any(axis=0))
            values, own = values_of_bins()[used], theta[large, None]
            weights = self.bins[np.ix_(large, used)]
            first[large] += np.sum(weights * (digamma(values + own) - digamma(N_SMALL + own)), axis=1)
            second[large] += np.sum(weights * (polygamma(1, values + own) - polygamma(1, N_SMALL + own)), axis=1)
        return first, second

    def least_loss(self, theta: np.ndarray, total: float) -> np.ndarray:
        """Return `sum w 2 [(y + theta) log(y + theta) - y log y]` per gene, including zeros up to the total weight."""
        used = np.flatnonzero(self.bins[:, 1:].any(axis=0)) + 1
        values, own = values_of_bins()[used], theta[:, None]
        losses = 2 * ((values + own) * np.log(values + own) - values * np.log(values))
        weights = self.bins[:, used]
        return np.sum(weights * losses, axis=1) + (total - weights.sum(axis=1)) * 2 * theta * np.log(theta)
