"""Empirical Bayes prior of the variation between donors, estimated from all genes."""

from __future__ import annotations

import numpy as np

from .curves import DonorSums, without_deviations
from .each import EachSums, turn
from .variance_grid import VarianceGrid
from .variances import Variances, covariance, grid

_N_LEARNING = 300  # number of genes from which the shape of the donors' curves is estimated
_N_STEPS, _N_SETTLING, _N_ROUGH = 6, 1, 50  # with 12 or 60 steps, rates of false positives and power are the same
_STRETCH = 1.5  # over-relaxation of the steps; the plain fixed point is slow, and twice this value may diverge
_N_COARSE = 6  # number of variances besides 0, with which the shape is estimated
_N_FINE = 9  # number of variances in that range
LARGEST = 30.0  # times the residual variance, unless more genes than `_FEW_BEYOND` have larger ones
_FEW_BEYOND, _MOST_COARSE = 0.01, 12
_CELLS_PER_DONOR = 10  # with fewer, a large variance of levels may be noise between cells
_LARGEST_LOG = 10.0  # if the residual variance is known, and these are variances on the link scale
_NOTABLE = 0.02  # minimum probability of a variance for a gene
_SELDOM = 1e-3
_UNIFORM_GENES = 10.0  # weight, in genes, of a uniform prior distribution of the variances
_GENES_PER_KNOT, _MOST_KNOTS = 200, 8  # of the priors along abundance
_DISTINCT = 1e-3  # minimum difference in abundance of two knots
_PRIOR_GENES = 10.0  # weight, in genes, of the default shape
_LEAST_INFORMATIVE = 1e-6  # donor-gene pairs; fewer are rounding errors


def learn(sums: DonorSums) -> VarianceGrid:
    """Return the shape of the donors' curves and a grid of the variances that occur.

    The shape maximises the restricted likelihood of all genes, given the probability of each variance for each gene
    (Harville 1977, JASA 72, 320-338). At the maximum, the scores of the donors' curves have the covariance implied by the
    model. Each step multiplies the shape by a power of the ratio of the two (MacKay's fixed point, for matrices: 1992,
    Neural Computation 4).
    """
    usual = usual_shape(sums.n_modes)
    if sums.n_genes == 0:
        return VarianceGrid(usual, grid(*2 * [coarse_axis(sums)]))
    some = sums.take(spread(_N_LEARNING, sums.squares.ravel(), sums.products.sum(axis=1).ravel()))
    axis = coarse_axis(some)
    shape, variances, n_informative = usual, grid(axis, axis), 0.0
    for step in range(_N_STEPS):
        shape, n_informative, share = _improved(some, shape, variances)
        if step >= _N_SETTLING:
            variances = variances.take(share > _SELDOM)  # the others only cost time
    trust = n_informative / (n_informative + _PRIOR_GENES * (sums.n_donors - 1))
    shape = trust * shape + (1 - trust) * usual
    wider = np.sqrt(axis[1] / axis[0])
    fine = np.geomspace(axis[0] / wider, axis[-1] * wider, round(_N_FINE * len(axis) / _N_COARSE))
    return VarianceGrid(shape, grid(fine, fine))


def spread(n_most: int, *statistics: np.ndarray) -> np.ndarray:
    """Return the positions, in increasing order, of at most `n_most` genes at equal steps along a statistic.

    Genes taken by position would depend on their order. Ties are broken by the next statistic.

    >>> spread(3, np.array([5.0, 1.0, 9.0, 3.0, 7.0])).tolist()
    [0, 1, 2]
    """
    order = np.lexsort(statistics[::-1])
    steps = np.linspace(0, len(order) - 1, min(len(order), n_most)).round().astype(int)
    return np.sort(order[np.unique(steps)])


def coarse_axis(sums: DonorSums) -> np.ndarray:
    """Return variances `(n,)` from hardly detectable to larger than any that occurs."""
    if not sums.known_scale:
        axis = np.geomspace(0.3 * sums.n_donors / sums.n_cells, LARGEST, _N_COARSE)
        many = sums.n_cells >= _CELLS_PER_DONOR * sums.n_donors
        while many and len(axis) < _MOST_COARSE and _share_at_the_end(sums, axis) > _FEW_BEYOND:
            axis = np.append(axis, axis[-1] ** 2 / axis[-2])
        return axis
    has_level = np.any(sums.random[:, 0])
    information = sums.donor_grams[:, :, 0, 0] if has_level else sums.information / sums.n_modes
    return np.geomspace(np.clip(0.3 / max(np.median(information), 1e-300), 1e-3, 0.03), _LARGEST_LOG, _N_COARSE)


def _share_at_the_end(sums: DonorSums, axis: np.ndarray) -> float:
    """Return the fraction of the genes for which the largest variance of levels is the most likely.

    That of curves is no evidence: if donors have few cells, they may pass through all of them.
    """
    if sums.n_genes == 0:
        return 0.0
    variances = grid(axis, axis)
    best = turn(sums, usual_shape(sums.n_modes)).likelihoods(variances).argmax(axis=0)
    return float(np.mean(variances.shift[best] == axis[-1]))


def usual_shape(n_modes: int) -> np.ndarray:
    """Return the default shape of smooth curves, used if there are too few genes to estimate another one."""
    falling = 1.0 / (1.0 + (np.arange(1, n_modes + 1) / 3.0) ** 4)
    return np.diag(falling / falling.sum())


def probabilities(
    likelihood: np.ndarray, n_iter: int = 200, abundance: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the prior over a grid of variances and the posterior of each gene, given likelihoods `(n_points, n_genes)`.

    The mixing distribution is estimated by EM (Laird 1978, JASA 73, 805-811), starting from a uniform one. A uniform prior
    with the weight of a few genes keeps the estimate from collapsing to points if there are few genes.

    The prior varies along `abundance`, if given. Noise between cells hides differences between donors in rare genes, and
    their prior would make tests of abundant genes reject too often. The prior of a gene is interpolated between those at
    quantiles of abundance, like the prior variance of limma-trend (Law, Chen, Shi & Smyth 2014, Genome Biology 15, R29).
    """
    density = np.exp(likelihood - likelihood.max(axis=0))
    n_points, n_genes = density.shape
    shares = np.ones((1, n_genes)) if abundance is None else _shares_of_knots(abundance)
    priors = np.full((len(shares), n_points), 1.0 / n_points)
    for _ in range(n_iter):
        of_knots = shares / np.sum(shares * (priors @ density), axis=0)
        priors = priors * (of_knots @ density.T) + _UNIFORM_GENES / n_points
        priors /= priors.sum(axis=1, keepdims=True)
    posterior = (priors.T @ shares) * density
    return shares.sum(axis=1) @ priors / max(n_genes, 1), posterior / posterior.sum(axis=0)


def _shares_of_knots(abundance: np.ndarray) -> np.ndarray:
    """Return the shares `(n_knots, n_genes)` of the priors at quantiles of abundance in the prior of each gene."""
    n_knots = int(np.clip(len(abundance) // _GENES_PER_KNOT, 1, _MOST_KNOTS))
    knots = np.quantile(abundance, (np.arange(n_knots) + 0.5) / n_knots) if len(abundance) else np.zeros(1)
    kept = [knots[0]]
    for knot in knots[1:]:
        if knot - kept[-1] > _DISTINCT:
            kept.append(knot)
    return np.stack([np.interp(abundance, kept, one) for one in np.eye(len(kept))])


def _improved(sums: DonorSums, shape: np.ndarray, variances: Variances) -> tuple[np.ndarray, float, np.ndarray]:
    """Return a shape of higher likelihood, the number of informative donor-gene pairs, and the prior of the variances."""
    turned = turn(sums, shape, for_scores=True)
    prior, posterior = probabilities(turned.likelihoods(variances), _N_ROUGH)
    notable = np.where(posterior > _NOTABLE, posterior, 0.0)
    seen, expected = (
        turned.scores(variances, notable)
        if isinstance(turned, EachSums)
        else _summed_scores(sums, shape, variances, notable)
    )
    informative = float(np.sum(expected * shape))  # the part of the curves' variance that the cells determine
    if informative < _LEAST_INFORMATIVE:
        return shape, 0.0, prior
    expected = 0.5 * (expected + expected.T)
    negative = max(-np.linalg.eigvalsh(expected)[0], 0.0)  # by rounding, where the cells hardly determine the curves
    expected += (1e-9 * np.trace(expected) / len(expected) + 2 * negative) * np.eye(len(expected))
    lower = np.linalg.cholesky(expected)
    ratio = np.linalg.solve(lower, np.linalg.solve(lower, seen).T)
    values, vectors = np.linalg.eigh(lower.T @ shape @ lower)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    inverse = np.linalg.inv(lower)
    factors, vectors = np.linalg.eigh(0.5 * (ratio + ratio.T))
    stretched = (vectors * np.maximum(factors, 0.0) ** _STRETCH) @ vectors.T
    new = inverse.T @ (root @ stretched @ root) @ inverse
    new = 0.5 * (new + new.T)
    return new / np.trace(new), informative, prior


def _summed_scores(
    sums: DonorSums, shape: np.ndarray, variances: Variances, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same as :meth:`.EachSums.scores`."""
    seen, expected = np.zeros_like(shape), np.zeros_like(shape)
    for (shift, curve, _), probability in zip(variances, share, strict=True):
        genes = np.flatnonzero(probability)
        if curve == 0 or len(genes) == 0:
            continue
        some, weights = sums.take(genes), probability[genes] * curve
        scores, information = curve_scores(some, covariance(shape, shift, curve))
        totals = weights if sums.each else np.array([weights.sum()])
        weighted, flat = scores * weights.reshape(scores.shape[0], 1, 1, -1), (len(shape), -1)
        seen += np.moveaxis(weighted, 2, 0).reshape(flat) @ np.moveaxis(scores, 2, 0).reshape(flat).T
        expected += np.einsum("b,bij->ij", totals, information)
    return seen, expected


def curve_scores(sums: DonorSums, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of the donors' curves and the sum of their covariances over the donors, under the model.

    These are ``U'Z_d'V_d^-1 (y - X beta)`` without the constant, in units of the residual standard deviation, `(n_matrices,
    n_donors, n_modes, n)`, and `(n_matrices, n_modes, n_modes)`.
    """
    whitened = np.linalg.inv(np.eye(len(covariances)) + sums.donor_grams @ covariances)
    fit = without_deviations(sums, covariances @ whitened, sums.n_determined)
    cross, coefficients = sums.cross[..., : sums.n_determined], fit.coefficients
    scores = whitened @ (sums.donor_products - cross @ coefficients[:, None])
    across = whitened @ cross
    information = (whitened @ sums.donor_grams).sum(axis=1)
    inverse = np.linalg.inv(fit.determined)
    information = information - (across @ inverse[:, None] @ np.swapaxes(across, -1, -2)).sum(axis=1)
    scale = np.sqrt(fit.scale(coefficients))[:, None, None, :]
    return scores[..., 1:, :] / scale, information[:, 1:, 1:]
