"""Covariances, tests and deviances after the iterations."""

from __future__ import annotations

import numpy as np

from ..design import Design, effect_map
from ..inference.gene_posterior import WorkingModels
from ..inference.significance import run_smooth_tests
from ..smoothing.criteria import load_compiled, minimise, reml
from ..smoothing.spectral import diagonalise_each, without_information
from .chunks import ChunkResult
from .overdispersion import dispersion_at_nodes
from .problem import Choices, Problem
from .state import State, pearson_of

_STRAIGHT = 1.0  # effective degrees of freedom beyond the unpenalised modes


def summarise(design: Design, choices: Choices, problem: Problem, state: State) -> ChunkResult:
    """Compute the results of genes whose iterations have ended.

    Estimates to which donors are added need no errors and tests, which take longer than the iterations.
    """
    likelihood, weights = problem.likelihood, problem.weights
    least = state.least if state.counts is None else state.counts.least_loss(state.theta, problem.total)
    losses = likelihood.loss(state.sums, weights, state.mu, state.theta, state.eta), _null_loss(problem, state)
    deviances = [np.maximum(loss - least, 0.0) for loss in losses]
    if likelihood.link.name == "log" or not problem.offset.any():
        deviances[1][state.spread == 0] = 0.0  # but for rounding
    unknown = np.full(len(state.genes), np.nan)
    found = ChunkResult(
        state.genes, problem.basis @ state.coefficients, np.exp(state.log_lambda), state.theta, state.information,
        state.sums.sum(axis=0) / problem.total, state.converged, state.n_iter, unknown, np.ones(len(unknown)),
        deviances[0], deviances[1], unknown, unknown, None, state.quasi, state.spread, unknown,
        _dispersion(problem, state), losses[0] > losses[1] + 1e-9 * (np.abs(losses[1]) + problem.total), None,
    )  # fmt: skip
    if choices.infers or not likelihood.family.known_scale:
        _infer(design, choices.covariance, problem, state, found)
    return found


def _infer(design: Design, covariance: str, problem: Problem, state: State, found: ChunkResult) -> None:
    """Add effective degrees of freedom, scale, covariances and tests to the estimates."""
    likelihood, weights, basis = problem.likelihood, problem.weights, problem.basis
    family, mu, expectile = likelihood.family, state.mu, likelihood.expectile is not None
    precision = likelihood.precision(state.sums, weights, mu, state.theta)
    unit, residual = precision * likelihood.link.slope(mu), precision * (state.sums - weights * mu)
    plain = problem.grouped.grams(weights * unit)
    plain[without_information(plain)] = np.eye(len(basis))  # genes that failed
    grams, lambda_ = basis.T @ plain @ basis, found.lambda_
    pulls = problem.penalty * lambda_[:, None]
    inverse = _inverses(grams, pulls)
    kept = inverse @ grams  # fraction of each coefficient that is determined by the data
    edf = np.trace(kept, axis1=1, axis2=2)
    rank = 2 * edf - np.einsum("gij,gji->g", kept, kept)

    scale, residual_df, pearson = np.ones(len(edf)), problem.n_cells - edf, None
    if not family.known_scale:
        pearson = pearson_of(problem, state, mu, state.theta)
        scale = pearson / np.maximum(residual_df, 1.0)
    variance, squared, inflation = scale, None, np.ones(len(edf))
    coefficients = basis @ np.nan_to_num(state.coefficients)
    normal = np.einsum("gij,jg->ig", plain, coefficients) + np.nan_to_num(problem.grouped.cross(residual))
    if covariance == "bayes":
        covariances = for_test = scale[:, None, None] * inverse
    else:
        # heteroscedastic residuals of an expectile: their squares
        squared = problem.grouped.grams(residual**2 if expectile else problem.squared_weights * unit)
        in_modes = basis.T @ squared @ basis
        if expectile:
            variance = np.ones(len(edf))
        elif pearson is not None:
            lost_weight = np.einsum("gij,gji->g", in_modes, inverse)
            variance = pearson / np.maximum(problem.total - lost_weight, 1e-2 * problem.total)
        sampling = inverse @ in_modes @ inverse
        bias = scale[:, None, None] * ((inverse * pulls[:, None, :]) @ inverse)
        for_test = variance[:, None, None] * sampling + bias
        inflation = _prior_inflation(problem, state, grams, (basis.T @ normal).T, edf)
        covariances = for_test + (inflation - 1)[:, None, None] * bias
        residual_df = problem.total**2 / problem.total_squared - edf
    found.statistic, found.pvalue = run_smooth_tests(
        design, effect_map(plain, *design.centring) @ basis, state.coefficients, for_test, rank,
        None if family.known_scale else residual_df, found.null_deviance > 0, problem.compiled,
    )  # fmt: skip
    if not expectile and problem.most == 1 and problem.total == problem.n_cells:
        squared = None
    n_unpenalized = problem.spectrum.n_unpenalized + len(basis) - basis.shape[1]
    working = WorkingModels(
        design.penalty, n_unpenalized, plain, normal, squared, lambda_, scale * inflation, variance,
        state.scale if problem.scale_equation is not None else scale,
    )  # fmt: skip
    found.edf, found.residual_df, found.covariances = edf, residual_df, basis @ covariances @ basis.T
    found.scale = scale if covariance == "bayes" or expectile else variance
    if problem.smoothing == "reml" and np.any(problem.penalty > 0):
        found.working = working


def _dispersion(problem: Problem, state: State) -> np.ndarray:
    """Return ratios of the variance to that of a Poisson distribution, `(n_genes,)`."""
    if problem.likelihood.family.name != "poisson":
        return np.zeros(len(state.genes))
    return dispersion_at_nodes(
        state.sums, state.total_squares, state.mu, problem.weights, problem.exposed, problem.most
    )


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


def _prior_inflation(
    problem: Problem, state: State, grams: np.ndarray, cross: np.ndarray, edf: np.ndarray
) -> np.ndarray:
    """Return the ratio of the prior variance to `1 / lambda` for a known scale, per gene.

    Weights below 1 reduce the information of a likelihood with a fixed scale, so that REML oversmooths. With weights
    rescaled to their effective information, by the factor `sum w / sum w^2`, the REML estimate of `lambda` corresponds
    to the prior variance of the curve. The fit itself is not changed.
    """
    information = problem.total / problem.total_squared
    plain = not problem.likelihood.family.known_scale or problem.smoothing != "reml" or abs(information - 1) < 1e-12
    if plain or not np.any(problem.penalty > 0):
        return np.ones(len(state.genes))
    grams, cross = information * grams, information * cross
    functions, log_lambda = load_compiled() if problem.compiled else None, state.log_lambda.copy()
    if functions is not None:
        # a flat criterion, whose minimum may be anywhere
        straight = edf < problem.spectrum.n_unpenalized + _STRAIGHT
        for search, n_steps, genes in ((False, 3, np.flatnonzero(~straight)), (True, 50, np.flatnonzero(straight))):
            own, found = log_lambda[genes], np.empty((len(genes), cross.shape[1]))
            functions.smooth_each(
                grams[genes], cross[genes], problem.penalty, np.ones(len(genes)), True, search, n_steps, own, found
            )
            log_lambda[genes] = own
    else:
        spectrum = diagonalise_each(grams, np.diag(problem.penalty), problem.spectrum.n_unpenalized)
        loadings = np.einsum("gcm,gc->mg", spectrum.basis, cross)
        criterion = reml(spectrum, loadings, np.zeros(len(edf)), problem.n_cells, known_scale=True)
        log_lambda = np.log(minimise(criterion, spectrum, len(edf))[0])
    return np.maximum(np.exp(state.log_lambda - log_lambda), 1.0)


def _null_loss(problem: Problem, state: State) -> np.ndarray:
    """Return the loss `(n_genes,)` of the model with only intercept and offset."""
    likelihood, link = problem.likelihood, problem.likelihood.link
    offsets, place, belongs = problem.offset_levels
    sums, weights = belongs @ state.sums, belongs @ problem.weights
    intercept = link.predictor(sums.sum(axis=0) / weights.sum())
    for _ in range(25 if len(offsets) > 1 else 0):
        mu = link.mean(intercept + offsets)
        precision = likelihood.precision(sums, weights, mu, state.theta)
        step = np.sum(precision * (sums - weights * mu), axis=0)
        step /= np.sum(weights * precision * link.slope(mu), axis=0)
        intercept = intercept + np.clip(step, -2.0, 2.0)
        if np.all(np.abs(step) < 1e-8):
            break
    eta = intercept + offsets
    if likelihood.family.name == "gaussian":  # its loss is not linear in sums
        return likelihood.loss(state.sums, problem.weights, link.mean(eta)[place], state.theta)
    return likelihood.loss(sums, weights, link.mean(eta), state.theta, eta)
