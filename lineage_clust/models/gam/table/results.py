"""Covariances, tests and deviances of fits from sums over a grid."""

from __future__ import annotations

import numpy as np

from ..design import Design
from ..inference.gene_posterior import WorkingModels
from ..inference.significance import run_smooth_tests
from ..pirls.chunks import ChunkResult
from ..pirls.overdispersion import dispersion_at_nodes
from ..smoothing.criteria import load_compiled, minimise, reml_known_scale
from ..smoothing.spectral import diagonalise_each
from .iterations import GridState, loss_of, pearson_of
from .problem import GridProblem

_STRAIGHT = 1.0  # effective degrees of freedom beyond the unpenalised modes


def summarise_on_grid(
    design: Design, covariance: str, statistics: np.ndarray, problem: GridProblem, state: GridState
) -> ChunkResult:
    """Compute the results of genes whose iterations have ended.

    statistics : Statistics of all genes, see :class:`lineage_clust.expression.counts.table.Table`.
    """
    likelihood, weights, basis = problem.likelihood, problem.weights, problem.basis
    family, mu = likelihood.family, state.mu
    unit = likelihood.link.slope(mu) ** 2 / family.variance(mu, state.theta)
    plain = problem.grouped.grams(weights * unit)
    grams = basis.T @ plain @ basis
    lost = ~(np.isfinite(plain).all(axis=(1, 2)) & (np.trace(plain, axis1=1, axis2=2) > 0))
    plain[lost], grams[lost] = np.eye(len(basis)), np.eye(len(problem.penalty))
    lambda_ = np.exp(state.log_lambda)
    pulls = problem.penalty * lambda_[:, None]
    inverse = _inverses(grams, pulls)
    kept = inverse @ grams  # fraction of each coefficient that is determined by the data
    edf = np.trace(kept, axis1=1, axis2=2)
    rank = 2 * edf - np.einsum("gij,gji->g", kept, kept)

    scale, residual_df = np.ones(len(edf)), problem.n_cells - edf
    pearson = None
    if not family.known_scale:
        pearson = pearson_of(problem, state)
        scale = pearson / np.maximum(residual_df, 1.0)
    variance, squared, inflation = scale, None, np.ones(len(edf))
    residual = likelihood.link.slope(mu) / family.variance(mu, state.theta) * (state.sums - weights * mu)
    coefficients = basis @ np.nan_to_num(state.coefficients)
    normal = np.einsum("gij,jg->ig", plain, coefficients) + np.nan_to_num(problem.grouped.cross(residual))
    if covariance == "bayes":
        covariances = for_test = scale[:, None, None] * inverse
    else:
        squared = problem.grouped.grams(problem.squared_weights * unit)
        in_modes = basis.T @ squared @ basis
        if pearson is not None:
            lost_weight = np.einsum("gij,gji->g", in_modes, inverse)
            variance = pearson / np.maximum(problem.total - lost_weight, 1e-2 * problem.total)
        sampling = inverse @ in_modes @ inverse
        bias = scale[:, None, None] * ((inverse * pulls[:, None, :]) @ inverse)
        for_test = variance[:, None, None] * sampling + bias
        inflation = _prior_inflation(problem, state, grams, (basis.T @ normal).T, edf)
        covariances = for_test + (inflation - 1)[:, None, None] * bias
        residual_df = problem.total**2 / problem.total_squared - edf
    least = state.least
    if state.histogram is not None:
        least = state.histogram.least_loss(state.theta, problem.total)
    losses = [loss_of(problem, state, means) for means in (mu, _null_means(problem, state))]
    deviances = [np.maximum(loss - least, 0.0) for loss in losses]
    to_effects = _effect_map(plain, design, basis)
    statistic, pvalue = run_smooth_tests(
        design,
        to_effects,
        state.coefficients,
        for_test,
        rank,
        None if family.known_scale else residual_df,
        deviances[1] > 0,
        problem.compiled,
    )
    if problem.most == 1 and problem.total == problem.n_cells:
        squared = None
    n_unpenalized = problem.n_unpenalized + len(basis) - basis.shape[1]
    working = WorkingModels(
        design.penalty, n_unpenalized, plain, normal, squared, lambda_, scale * inflation, variance,
        state.scale if problem.scale_equation is not None else scale,
    )  # fmt: skip
    return ChunkResult(
        state.genes,
        basis @ state.coefficients,
        lambda_,
        state.theta,
        state.information,
        statistics[state.genes, 0] / problem.total,
        state.converged,
        state.n_iter,
        edf,
        scale if covariance == "bayes" else variance,
        deviances[0],
        deviances[1],
        statistic,
        pvalue,
        basis @ covariances @ basis.T,
        np.zeros(len(edf), dtype=bool),
        _spread(statistics[state.genes], problem.total),
        residual_df,
        _dispersion(problem, state, statistics[state.genes, 1]),
        losses[0] > losses[1] + 1e-9 * (np.abs(losses[1]) + problem.total),
        working if problem.smoothing == "reml" and np.any(problem.penalty > 0) else None,
    )


def _dispersion(problem: GridProblem, state: GridState, squares: np.ndarray) -> np.ndarray:
    """Return ratios of the variance to that of a Poisson distribution, given sums of squares `(n_genes,)`."""
    if problem.likelihood.family.name != "poisson":
        return np.zeros(len(squares))
    return dispersion_at_nodes(state.sums, squares, state.mu, problem.weights, problem.exposed, problem.most)


def _inverses(grams: np.ndarray, pulls: np.ndarray) -> np.ndarray:
    """Return the inverses of gram matrices plus diagonals `(n_genes, n_modes)`."""
    n_modes = pulls.shape[1]
    precision = grams.copy()
    every = np.arange(n_modes)
    precision[:, every, every] += pulls
    scale = 1 / np.sqrt(np.maximum(precision[:, every, every], 1e-290))
    precision *= scale[:, :, None] * scale[:, None, :]
    precision[:, every, every] += 1e-13
    return np.linalg.inv(precision) * (scale[:, :, None] * scale[:, None, :])


def _effect_map(plain: np.ndarray, design: Design, basis: np.ndarray) -> np.ndarray:
    """Return the same as :func:`lineage_clust.models.gam.design.effect_map` up to a rotation, for coefficients of modes."""
    centred, to_centred = design.centring
    if centred.shape[1] == 0:
        return np.zeros((len(plain), 0, basis.shape[1]))
    squares = centred.T @ plain @ centred
    size = np.trace(squares, axis1=1, axis2=2) / squares.shape[1]
    squares += 1e-12 * size[:, None, None] * np.eye(squares.shape[1])
    try:
        root = np.swapaxes(np.linalg.cholesky(squares), 1, 2)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(squares)
        root = np.sqrt(np.maximum(values, 0.0))[..., None] * np.swapaxes(vectors, -1, -2)
    return root @ (to_centred @ basis)


def _prior_inflation(
    problem: GridProblem, state: GridState, grams: np.ndarray, cross: np.ndarray, edf: np.ndarray
) -> np.ndarray:
    """Return the ratio of the prior variance to `1 / lambda` for a known scale, as in fits of cells."""
    information = problem.total / problem.total_squared
    plain = not problem.likelihood.family.known_scale or problem.smoothing != "reml" or abs(information - 1) < 1e-12
    if plain or not np.any(problem.penalty > 0):
        return np.ones(len(state.genes))
    cross = np.ascontiguousarray(cross)
    functions, log_lambda = load_compiled() if problem.compiled else None, state.log_lambda.copy()
    if functions is not None:
        straight = (
            edf < problem.n_unpenalized + _STRAIGHT
        )  # a flat criterion, for which Newton steps need a grid search
        for genes, search, n_steps in ((np.flatnonzero(straight), True, 6), (np.flatnonzero(~straight), False, 3)):
            own = log_lambda[genes]
            functions.smooth_each(
                information * grams[genes], information * cross[genes], problem.penalty, np.ones(len(genes)), True, search,
                n_steps, own, np.empty((len(genes), cross.shape[1])),
            )  # fmt: skip
            log_lambda[genes] = own
    else:
        spectrum = diagonalise_each(information * grams, np.diag(problem.penalty), problem.n_unpenalized)
        loadings = information * np.einsum("gcm,gc->mg", spectrum.basis, cross)
        criterion = reml_known_scale(spectrum, loadings, np.zeros(len(cross)), problem.n_cells)
        log_lambda = np.log(minimise(criterion, spectrum, len(cross))[0])
    return np.maximum(np.exp(state.log_lambda - log_lambda), 1.0)


def _null_means(problem: GridProblem, state: GridState) -> np.ndarray:
    """Return the means of the model with only intercept and offset: `(n_nodes, n_genes)`, or one per gene."""
    likelihood, link = problem.likelihood, problem.likelihood.link
    offsets, place = np.unique(problem.offset, return_inverse=True)
    belongs = (place.ravel() == np.arange(len(offsets))[:, None]).astype(float)
    sums, weights, offsets = belongs @ state.sums, belongs @ problem.weights, offsets[:, None]
    intercept = link.predictor(sums.sum(axis=0) / weights.sum())
    for _ in range(25 if len(offsets) > 1 else 0):
        mu = link.mean(intercept + offsets)
        slope = link.slope(mu)
        precision = slope / likelihood.family.variance(mu, state.theta)
        step = np.sum(precision * (sums - weights * mu), axis=0) / np.sum(weights * precision * slope, axis=0)
        intercept = intercept + np.clip(step, -2.0, 2.0)
        if np.all(np.abs(step) < 1e-8):
            break
    return link.mean(intercept + problem.offset)


def _spread(statistics: np.ndarray, total: float) -> np.ndarray:
    """Return weighted standard deviations of expression at offset 0."""
    square, mean = statistics[:, 3] / total, statistics[:, 2] / total
    varies = square - mean**2
    return np.sqrt(np.where(varies > 1e-13 * square, varies, 0.0))
