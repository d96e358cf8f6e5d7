"""Maximum likelihood estimates of the size (inverse dispersion) of the negative binomial, per gene."""

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


LEAST, MOST = 1e-3, 1e6
LARGEST_STEP = 1.5  # in log theta


class DistinctCounts:
    """Weighted histograms of counts per gene, for the gamma functions of the likelihood.

    Counts of single cells have few distinct values, so that sums over cells reduce to short sums over values.

    y : `(n_cells, n_genes)` counts.
    weights : `(n_cells,)`.
    """

    def __init__(self, y: np.ndarray, weights: np.ndarray):
        values, genes, counts = [], [], []
        for gene in range(y.shape[1]):
            expressed = np.flatnonzero(y[:, gene])
            unique, inverse = np.unique(y[expressed, gene], return_inverse=True)
            values.append(unique)
            counts.append(np.bincount(inverse, weights=weights[expressed], minlength=len(unique)))
            genes.append(np.full(len(unique), gene))
        self.values, self.counts = np.concatenate(values), np.concatenate(counts)
        self.genes, self.n_genes = np.concatenate(genes), y.shape[1]

    def sums(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `sum w [psi(y + theta) - psi(theta)]` and its derivative with respect to theta, per gene."""
        own = theta[self.genes]
        first = (digamma(self.values + own) - digamma(theta)[self.genes]) * self.counts
        second = (polygamma(1, self.values + own) - polygamma(1, theta)[self.genes]) * self.counts
        return (
            np.bincount(self.genes, weights=first, minlength=self.n_genes),
            np.bincount(self.genes, weights=second, minlength=self.n_genes),
        )

    def least_loss(self, theta: np.ndarray, total: float) -> np.ndarray:
        """Return the same as :meth:`lineage_clust.models.gam.pirls.size.Histogram.least_loss`."""
        own = theta[self.genes]
        losses = 2 * ((self.values + own) * np.log(self.values + own) - self.values * np.log(self.values))
        zeros = total - np.bincount(self.genes, self.counts, self.n_genes)
        return np.bincount(self.genes, losses * self.counts, self.n_genes) + zeros * 2 * theta * np.log(theta)

    def take(self, chosen: np.ndarray) -> DistinctCounts:
        """Return the table of some genes, by mask or position."""
        genes = np.arange(self.n_genes)[chosen]
        position = np.full(self.n_genes, -1)
        position[genes] = np.arange(len(genes))
        kept = position[self.genes] >= 0
        table = object.__new__(DistinctCounts)
        table.values, table.counts = self.values[kept], self.counts[kept]
        table.genes, table.n_genes = position[self.genes[kept]], len(genes)
        return table


def moment_size(squares: np.ndarray, sums: np.ndarray, mu: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return moment estimates of theta, `sum w mu^2 / sum w [(y - mu)^2 - mu]`, `(n_genes,)`.

    squares : `(n_genes,)` weighted sums of squares.
    sums, weights : `(n_nodes, n_genes)` weighted sums of values, `(n_nodes, 1)` sums of weights.
    """
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
    """Return two derivatives of the weighted log-likelihood with respect to theta, `(n_genes,)` each.

    sums, weights : As in :func:`moment_size`.

    ``dl/dtheta = sum w [psi(y + theta) - psi(theta) + log theta + 1 - log(theta + mu) - (y + theta) / (mu + theta)]``.

    References
    ----------
    Venables & Ripley (2002). Modern Applied Statistics with S, 4th ed., section 7.4 (theta.ml).
    """
    first, second = counts.sums(theta)
    inverse = 1.0 / (mu + theta)
    ratio = (sums + weights * theta) * inverse
    total = weights.sum()
    first = first + total * (np.log(theta) + 1) - ratio.sum(axis=0) + weights[:, 0] @ np.log(inverse)
    return first, second + total / theta + np.sum((ratio - 2 * weights) * inverse, axis=0)


def newton_size(theta: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return theta after one bounded Newton step in log theta, and the information about log theta, `(n_genes,)` each.

    first, second : Derivatives of the log-likelihood with respect to theta.
    """
    slope = theta * first  # with respect to log theta
    curvature = theta**2 * second + slope
    step = np.where(curvature < 0, -slope / np.minimum(curvature, -1e-12), np.sign(slope) * LARGEST_STEP)
    step = np.clip(step, -LARGEST_STEP, LARGEST_STEP)
    return np.clip(theta * np.exp(step), LEAST, MOST), np.maximum(-curvature, 0.0)


def shrink(theta: np.ndarray, information: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return theta shrunk towards its trend over mean expression; less informative genes are shrunk more.

    theta, information, means : `(n_genes,)`: size, information about its logarithm, mean expression.

    Log dispersions are modelled as a quadratic in log mean plus normal deviations, whose variance is estimated as the
    excess of the squared residuals over the sampling variance. The result is the posterior mean under this prior.

    References
    ----------
    Love, Huber & Anders (2014). Moderated estimation of fold change and dispersion for RNA-seq data with DESeq2.
    Genome Biology 15, 550, section "Estimation of dispersions".
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
