"""Maximum likelihood estimates of the size (inverse dispersion) of the negative binomial, per gene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import digamma, polygamma

from ....expression.counts.bins import N_SMALL, values_of_bins

LEAST, MOST = 1e-3, 1e6
LARGEST_STEP = 1.5  # in log theta


@dataclass(frozen=True)
class Histogram:
    """Total weight of the cells by gene and value.

    tails : `(N_SMALL, n_genes)` weights of the cells with counts greater than 0, 1, ...
    bins : `(n_genes, n_values)` weights of the values 0 to 63 and of the `N_BINS - N_SMALL` nodes above.
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


@dataclass(frozen=True)
class DistinctCounts:
    """Total weight of the cells by gene and value, for any values; `weights` is `(n_genes, n_values)`, without zeros."""

    values: np.ndarray
    weights: sparse.csr_array

    @classmethod
    def of(cls, y: np.ndarray, weights: np.ndarray) -> DistinctCounts:
        """Return the table of counts `(n_cells, n_genes)`, with weights `(n_cells,)`."""
        genes, cells = np.nonzero(y.T)
        values, value = np.unique(y[cells, genes], return_inverse=True)
        return cls(values, sparse.csr_array((weights[cells], (genes, value)), shape=(y.shape[1], len(values))))

    def take(self, chosen: np.ndarray) -> DistinctCounts:
        """Return the table of some genes, by mask or position."""
        return DistinctCounts(self.values, self.weights[chosen])

    def sums(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the same as :meth:`Histogram.sums`."""
        values, own = self._values_and(theta)
        of_theta = self._values_and(digamma(theta))[1], self._values_and(polygamma(1, theta))[1]
        return self._total(digamma(values + own) - of_theta[0]), self._total(polygamma(1, values + own) - of_theta[1])

    def least_loss(self, theta: np.ndarray, total: float) -> np.ndarray:
        """Return the same as :meth:`Histogram.least_loss`."""
        values, own = self._values_and(theta)
        losses = self._total(2 * ((values + own) * np.log(values + own) - values * np.log(values)))
        return losses + (total - self.weights.sum(axis=1)) * 2 * theta * np.log(theta)

    def _values_and(self, of_genes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the value of each entry of the table, and that of its gene."""
        return self.values[self.weights.indices], np.repeat(of_genes, np.diff(self.weights.indptr))

    def _total(self, of_entries: np.ndarray) -> np.ndarray:
        table = self.weights
        return sparse.csr_array((of_entries * table.data, table.indices, table.indptr), table.shape).sum(axis=1)


def moment_size(squares: np.ndarray, sums: np.ndarray, mu: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return moment estimates of theta, `sum w mu^2 / sum w [(y - mu)^2 - mu]`, from weighted sums."""
    second = weights[:, 0] @ mu**2
    excess = squares - 2 * np.einsum("ij,ij->j", sums, mu) + second - weights[:, 0] @ mu
    return np.clip(second / np.maximum(excess, 1e-12), 0.05, 1e3)


def size_step(
    counts: DistinctCounts | Histogram, sums: np.ndarray, mu: np.ndarray, weights: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return theta after one Newton step of the weighted log-likelihood, and the information about log theta."""
    return newton_size(theta, *size_derivatives(counts, sums, mu, weights, theta))


def size_derivatives(
    counts: DistinctCounts | Histogram, sums: np.ndarray, mu: np.ndarray, weights: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return two derivatives of the weighted log-likelihood with respect to theta, `(n_genes,)` each; see `moment_size`.

    ``dl/dtheta = sum w [psi(y + theta) - psi(theta) + log theta + 1 - log(theta + mu) - (y + theta) / (mu + theta)]``
    (Venables & Ripley 2002, Modern Applied Statistics with S, section 7.4).
    """
    first, second = counts.sums(theta)
    inverse = 1.0 / (mu + theta)
    ratio = (sums + weights * theta) * inverse
    total = weights.sum()
    first = first + total * (np.log(theta) + 1) - ratio.sum(axis=0) + weights[:, 0] @ np.log(inverse)
    return first, second + total / theta + np.sum((ratio - 2 * weights) * inverse, axis=0)


def newton_size(theta: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return theta after one bounded Newton step in log theta, and the information about it, given `size_derivatives`."""
    slope = theta * first  # with respect to log theta
    curvature = theta**2 * second + slope
    step = np.where(curvature < 0, -slope / np.minimum(curvature, -1e-12), np.sign(slope) * LARGEST_STEP)
    step = np.clip(step, -LARGEST_STEP, LARGEST_STEP)
    return np.clip(theta * np.exp(step), LEAST, MOST), np.maximum(-curvature, 0.0)


def shrink(theta: np.ndarray, information: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return theta shrunk towards its trend over mean expression, given the information about its logarithm.

    Log dispersions are modelled as a quadratic in log mean plus normal deviations, whose variance is estimated as the
    excess of the squared residuals over the sampling variance. The result is the posterior mean under this prior (Love,
    Huber & Anders 2014, Genome Biology 15, 550: DESeq2).
    """
    usable = (theta > 10 * LEAST) & (theta < 0.1 * MOST) & (information > 0) & (means > 0)
    if usable.sum() < 10:
        return theta
    x, z = np.log(means[usable]), np.log(theta[usable])
    sampling = 1.0 / np.maximum(information[usable], 1e-6)
    trend = np.polynomial.Polynomial.fit(x, z, 2, w=1 / np.sqrt(sampling + np.var(z)))
    residual = z - trend(x)
    spread = (np.median(np.abs(residual)) / 0.6745) ** 2
    prior = max(spread - np.median(sampling), 0.01)
    everywhere = np.clip(np.log(np.maximum(means, 1e-300)), x.min(), x.max())
    centre = trend(everywhere)
    weight = prior / (prior + 1.0 / np.maximum(information, 1e-6))
    return np.clip(np.exp(centre + weight * (np.log(theta) - centre)), LEAST, MOST)
