"""How much donors differ, and in which way: what all genes together say of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .donors_curves import DonorSums

_N_LEARNING = 400  # genes that the shape of the donors' curves is learned from
_N_STEPS, _N_SETTLING = 12, 3
_STRETCH = 1.5  # of the steps: the fixed point's own go too short a way, and twice that need not converge
_N_COARSE, _N_FINE = 6, 9  # sizes of shifts, and of curves, beside none
_LARGEST = 30.0  # times the variance of an observation
_SELDOM = 1e-3
_UNIFORM_GENES = 10.0  # what a uniform distribution of sizes weighs against the one that genes show
_PRIOR_GENES = 10.0  # what the usual shape weighs against the one that genes show


@dataclass(frozen=True)
class DonorPrior:
    """Distribution, over the genes, of the variances of donors' shifts and curves.

    Attributes
    ----------
    shape
        `(n_modes, n_modes)` covariance of the curves' modes, of trace 1: the same for all genes.
    sizes
        `(n_points, 2)`: variances of shifts and of curves, in units of the variance of an observation.
    """

    shape: np.ndarray
    sizes: np.ndarray


def learn(sums: DonorSums) -> DonorPrior:
    """Return the shape of the donors' curves, and the sizes that occur.

    The shape maximises the restricted likelihood of all genes, given how probable each size is for each gene. Its score
    equation is that the scores of the donors' curves have the covariance that the model says; each step multiplies by the
    ratio of the two, to a power (MacKay's fixed point, for matrices).

    References
    ----------
    MacKay (1992). Bayesian interpolation. Neural Computation 4, 415-447.
    Harville (1977). Maximum likelihood approaches to variance component estimation. JASA 72, 320-338.
    """
    usual = usual_shape(sums)
    n_genes = len(sums.squares)
    chosen = np.unique(np.linspace(0, n_genes - 1, min(n_genes, _N_LEARNING)).round().astype(int))
    some = sums.take(chosen)
    floor = 0.3 * sums.n_donors / sums.n_cells
    shape, coarse = usual, grid(np.geomspace(floor, _LARGEST, _N_COARSE), np.geomspace(floor, _LARGEST, _N_COARSE))
    n_informative = 0.0
    sizes = coarse
    for step in range(_N_STEPS):
        shape, n_informative, share = _improved(some, shape, sizes)
        if step >= _N_SETTLING:
            sizes = sizes[share > _SELDOM]  # the others cost time only
    trust = n_informative / (n_informative + _PRIOR_GENES * (sums.n_donors - 1))
    shape = trust * shape + (1 - trust) * usual
    share, _ = probabilities(np.stack([some.at(some.covariance(shape, *size)).likelihood for size in coarse]))
    axes = [_occurring(coarse[:, part], share) for part in (0, 1)]
    return DonorPrior(shape, grid(*axes))


def usual_shape(sums: DonorSums) -> np.ndarray:
    """Return a shape of smooth curves, of a few modes, for where genes are too few to show another."""
    falling = 1.0 / (1.0 + (np.arange(1, sums.n_modes + 1) / 3.0) ** 4)
    return np.diag(falling / falling.sum())


def grid(shifts: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Return all pairs of two lists of sizes and zero, `(n_points, 2)`."""
    first, second = np.meshgrid(np.r_[0.0, shifts], np.r_[0.0, curves], indexing="ij")
    return np.column_stack([first.ravel(), second.ravel()])


def probabilities(likelihood: np.ndarray, n_iter: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return how often each size occurs, and how probable it is for each gene.

    Parameters
    ----------
    likelihood
        `(n_points, n_genes)` logarithms.
    n_iter
        Steps of the EM algorithm for the mixing distribution, which starts from a uniform one; a few genes' worth of that
        keep it from points, which matters where genes are few.

    Returns
    -------
    prior : ndarray of shape (n_points,)
    posterior : ndarray of shape (n_points, n_genes)

    References
    ----------
    Laird (1978). Nonparametric maximum likelihood estimation of a mixing distribution. JASA 73, 805-811.
    """
    density = np.exp(likelihood - likelihood.max(axis=0))
    n_points, n_genes = density.shape
    prior = np.full(n_points, 1.0 / n_points)
    for _ in range(n_iter):
        total = prior @ density
        prior = (prior * (density @ (1.0 / total)) + _UNIFORM_GENES / n_points) / (n_genes + _UNIFORM_GENES)
    posterior = prior[:, None] * density
    return prior, posterior / posterior.sum(axis=0)


def _improved(sums: DonorSums, shape: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Return a shape that is more likely, how many donors of genes inform of it, and how often each size occurs."""
    found = [sums.at(sums.covariance(shape, *size)) for size in sizes]
    prior, posterior = probabilities(np.stack([fit.likelihood for fit in found]))
    seen, expected = np.zeros_like(shape), np.zeros_like(shape)
    informative, free = 0.0, slice(sums.n_determined)
    cross = sums.cross[..., free]
    for (_, curve), fit, share in zip(sizes, found, posterior, strict=True):
        if curve == 0:
            continue
        genes = np.flatnonzero(share > 0.02)
        if len(genes) == 0:
            continue
        residual = sums.donor_products[..., genes] - cross @ fit.coefficients[:, genes]
        scores = (fit.whitened @ residual)[:, 1:] * np.sqrt(share[genes] * curve / fit.scale[genes])
        seen += (scores @ np.swapaxes(scores, 1, 2)).sum(axis=0)
        across = fit.whitened @ cross
        own = fit.whitened @ sums.own - across @ np.linalg.solve(fit.gram[free, free], np.swapaxes(across, 1, 2))
        per_gene = curve * own[:, 1:, 1:].sum(axis=0)
        expected += share[genes].sum() * per_gene
        # of the curves' information, what the cells do not blur
        informative += share[genes].sum() * float(np.sum(per_gene * shape))
    if informative == 0:
        return shape, 0.0, prior
    expected += 1e-9 * np.trace(expected) / len(expected) * np.eye(len(expected))
    lower = np.linalg.cholesky(0.5 * (expected + expected.T))
    ratio = np.linalg.solve(lower, np.linalg.solve(lower, seen).T)
    values, vectors = np.linalg.eigh(lower.T @ shape @ lower)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    inverse = np.linalg.inv(lower)
    factors, turned = np.linalg.eigh(0.5 * (ratio + ratio.T))
    stretched = (turned * np.maximum(factors, 0.0) ** _STRETCH) @ turned.T
    new = inverse.T @ (root @ stretched @ root) @ inverse
    new = 0.5 * (new + new.T)
    return new / np.trace(new), informative, prior


def _occurring(sizes: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return sizes on a finer grid, over those that occur."""
    levels = np.unique(sizes)
    mass = np.array([share[sizes == level].sum() for level in levels])
    positive = np.flatnonzero((mass > _SELDOM) & (levels > 0))
    if len(positive) == 0:
        return levels[1:3]
    step = levels[2] / levels[1]
    low, high = levels[positive[0]] / np.sqrt(step), levels[positive[-1]] * np.sqrt(step)
    return np.geomspace(low, high, _N_FINE)
