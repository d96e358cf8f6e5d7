"""Fits of genes that have matrices of their own, averaged over how much their donors may differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .donors_curves import TurnedSums
from .donors_prior import DonorPrior
from .donors_tests import Contrast, tested_at
from .donors_working import WorkingProblem, WorkingState, linearised, pull
from .overdispersion import dispersion_at_nodes
from .smoothing import gcv, minimise, reml_known_scale, ubre
from .spectral import diagonalise_each
from .tabled import compiled

# Sizes less probable than that for a gene are left out: of its trend, and of its test.
_IMPROBABLE, _IMPOSSIBLE = 1e-2, 1e-6


@dataclass(frozen=True)
class Averages:
    """Results of some genes, `(n_genes,)` unless said otherwise; see :class:`lineage_clust.models.gam.donors.DonorFit`.

    Attributes
    ----------
    coefficients
        `(n_columns, n_genes)`.
    covariances
        `(n_genes, n_columns, n_columns)`.
    dispersion
        Of counts, relative to a Poisson distribution's, where that is clear.
    explained
        Share of the deviance around the mean of the trend that the trend explains.
    """

    coefficients: np.ndarray
    covariances: np.ndarray
    lambda_: np.ndarray
    edf: np.ndarray
    scale: np.ndarray
    shift_variance: np.ndarray
    curve_variance: np.ndarray
    statistic: np.ndarray
    pvalue: np.ndarray
    explained: np.ndarray
    dispersion: np.ndarray


def averaged(
    problem: WorkingProblem, contrast: Contrast, state: WorkingState, prior: DonorPrior, posterior: np.ndarray,
    smoothing: str | float, least: np.ndarray, squares: np.ndarray,
) -> Averages:  # fmt: skip
    """Return fits averaged over the sizes of the donors' deviations.

    Parameters
    ----------
    problem, state
        Where the iterations ended.
    contrast
        The centred smooth.
    prior
        Sizes, and the shape of curves.
    posterior
        `(n_sizes, n_genes)` how probable each is for each gene.
    smoothing
        `"reml"`, `"gcv"` or a number.
    least
        `(n_genes,)` losses of a perfect fit.
    squares
        `(n_genes,)` weighted sums of squared values.

    Notes
    -----
    The smoothing parameter is that of the linear model with the gene's mean sizes. Means and covariances of the coefficients
    are those of the mixture over the sizes.
    """
    sums = linearised(problem, state)
    turned, n_genes, n_fixed = sums.turned(prior.shape), sums.n_genes, sums.gram.shape[1]
    kept = np.where(posterior > _IMPROBABLE, posterior, 0.0)
    kept /= kept.sum(axis=0)
    lambda_ = smoothing_at(problem, turned, kept.T @ prior.sizes, state.lambda_, smoothing)
    pulls = pull(problem, sums, lambda_)
    statistic, pvalue, edf, scale, shift, curve = np.zeros((6, n_genes))
    mean, second = np.zeros((n_genes, n_fixed)), np.zeros((n_genes, n_fixed, n_fixed))
    in_level = sums.level_share(prior.shape)
    for curve_size in np.unique(prior.sizes[:, 1]):
        places = np.flatnonzero(prior.sizes[:, 1] == curve_size)
        own = np.flatnonzero((posterior[places] > _IMPOSSIBLE).any(axis=0))
        if len(own) == 0:
            continue
        inner = turned.take(own).with_curves(curve_size)
        for place in places:
            shift_size = prior.sizes[place, 0]
            some = np.flatnonzero(posterior[place, own] > _IMPOSSIBLE)
            if len(some) == 0:
                continue
            fit, genes = inner.take(some).with_shift(shift_size), own[some]
            share = posterior[place, genes]
            of_fit, tail = tested_at(contrast, fit)
            statistic[genes] += share * of_fit
            pvalue[genes] += share * tail
            some = np.flatnonzero(kept[place, genes])
            if len(some) == 0:
                continue
            fit, genes = fit.take(some), genes[some]
            share = kept[place, genes]
            inverse = np.linalg.inv(fit.gram + pulls[genes])
            coefficients = (inverse @ fit.products)[..., 0]
            variance = fit.scale()[:, 0]
            mean[genes] += share[:, None] * coefficients
            second[genes] += share[:, None, None] * (
                variance[:, None, None] * inverse + coefficients[:, :, None] * coefficients[:, None, :]
            )
            edf[genes] += share * np.einsum("gij,gji->g", inverse, fit.gram)
            scale[genes] += share * variance
            shift[genes] += share * variance * (shift_size + in_level * curve_size)
            curve[genes] += share * variance * (1 - in_level) * curve_size
    covariances = second - mean[:, :, None] * mean[:, None, :]
    fixed = problem.fixed
    return Averages(
        fixed @ mean.T, fixed @ covariances @ fixed.T, lambda_ * problem.unit, edf, scale, shift, curve, statistic,
        np.minimum(pvalue, 1.0), _explained(problem, state, mean, least),
        _dispersion(problem, state, squares),
    )  # fmt: skip


def smoothing_at(
    problem: WorkingProblem, turned: TurnedSums, sizes: np.ndarray, start: np.ndarray, smoothing: str | float
) -> np.ndarray:
    """Return smoothing parameters `(n_genes,)`, in units of weights that add up to `n_cells`, given sizes `(n_genes, 2)`."""
    sums = turned.sums
    if not isinstance(smoothing, str):
        return np.full(sums.n_genes, float(smoothing) / problem.unit)
    if not np.any(problem.penalty > 0):
        return start
    fits = turned.with_curves(sizes[:, 1, None, None]).with_shift(sizes[:, :1])
    gram = fits.gram + pull(problem, sums, np.zeros(sums.n_genes))
    cross, scale = np.ascontiguousarray(fits.products[..., 0]), fits.scale()[:, 0]
    functions = compiled() if smoothing == "reml" else None
    if functions is not None:
        log_lambda = np.log(np.maximum(start, 1e-300))
        functions.smooth_each(
            np.ascontiguousarray(gram), cross, problem.penalty, scale, True, True, 12, log_lambda, np.empty_like(cross)
        )
        return np.exp(log_lambda)
    spectrum = diagonalise_each(gram, np.diag(problem.penalty), int(np.sum(problem.penalty == 0)))
    loadings = np.einsum("gcm,gc->mg", spectrum.basis, cross)
    nothing = np.zeros(len(scale))
    if smoothing == "gcv":
        known = problem.likelihood.family.known_scale
        squares = nothing if known else fits.squares[:, 0]
        criterion = (ubre if known else gcv)(spectrum, loadings, squares, problem.n_cells)
    else:
        criterion = reml_known_scale(spectrum, loadings / np.sqrt(scale), nothing, problem.n_cells)
    return minimise(criterion, spectrum, len(scale))[0]


def _dispersion(problem: WorkingProblem, state: WorkingState, squares: np.ndarray) -> np.ndarray:
    nodes, likelihood = problem.nodes, problem.likelihood
    if likelihood.family.name != "poisson":
        return np.zeros(len(squares))
    mu = likelihood.link.mean(state.eta + nodes.offset)
    return dispersion_at_nodes(state.sums, squares, mu, nodes.weights, nodes.exposed, nodes.most)


def _explained(problem: WorkingProblem, state: WorkingState, coefficients: np.ndarray, least) -> np.ndarray:
    """Return the share of the deviance around the mean of the trend that the trend explains, 0 where it does nothing."""
    nodes, likelihood = problem.nodes, problem.likelihood
    eta = problem.rows @ coefficients.T
    level = nodes.weights[:, 0] @ eta / nodes.weights.sum()
    losses = []
    for predictor in (eta + nodes.offset, level + nodes.offset):
        mu = likelihood.link.mean(predictor)
        losses.append(likelihood.family.loss(state.sums, mu, state.theta, nodes.weights).sum(axis=0))
    deviance = losses[1] - least
    explained = np.divide(losses[1] - losses[0], deviance, out=np.zeros_like(deviance), where=deviance > 0)
    return np.maximum(explained, 0.0)
