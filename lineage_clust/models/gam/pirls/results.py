"""Covariances, tests and deviances of non-Gaussian families after the iterations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...notes import spread_of
from ..design import Design, effect_map
from ..inference.gene_posterior import WorkingModels
from ..inference.significance import run_smooth_tests
from ..smoothing.criteria import minimise, reml_known_scale
from ..smoothing.spectral import Spectrum, diagonalise_each, without_information
from .chunks import ChunkResult
from .iterations import Problem, State
from .overdispersion import dispersion_of


def summarise(design: Design, covariance: str, problem: Problem, state: State) -> ChunkResult:
    """Compute the results of genes whose iterations have ended."""
    likelihood, weights = problem.likelihood, problem.weights[:, None]
    family, y, mu = likelihood.family, state.y, state.mu
    inverse_variance = likelihood.asymmetry(y, mu) / family.variance(mu, state.theta)
    unit = inverse_variance * likelihood.link.slope(mu) ** 2
    grams = problem.grouped.grams(weights * unit)
    grams[without_information(grams)] = np.eye(len(problem.penalty))  # genes that failed
    spectrum = diagonalise_each(grams, problem.penalty, problem.n_unpenalized)
    shrinkage = spectrum.penalty * state.lambda_
    precision = spectrum.gram + shrinkage
    shares = spectrum.gram / precision
    edf, rank = shares.sum(axis=0), (shares * (2 - shares)).sum(axis=0)

    n_cells, total = len(problem.weights), problem.weights.sum()
    pearson = np.einsum("ij,ij->j", weights * inverse_variance, (y - mu) ** 2)
    scale = np.ones(len(edf)) if family.known_scale else pearson / np.maximum(n_cells - edf, 1.0)
    residual_df = n_cells - edf
    variance, squared, inflation = scale, None, np.ones(len(edf))
    residual = weights * inverse_variance * likelihood.link.slope(mu) * (y - mu)
    normal = np.einsum("gij,jg->ig", grams, state.coefficients) + problem.grouped.cross(residual)
    if covariance == "bayes":
        covariances = for_test = _from_modes(spectrum, scale / precision)
    else:
        squared = problem.grouped.grams(weights**2 * unit)
        if likelihood.expectile is not None:  # heteroscedastic residuals: use their squares
            squared = problem.grouped.grams(residual**2)
            variance = np.ones(len(edf))
        shrunk = spectrum.basis / precision.T[:, None, :]
        in_modes = np.swapaxes(spectrum.basis, 1, 2) @ squared @ spectrum.basis
        if not family.known_scale and likelihood.expectile is None:
            lost = np.einsum("gmm,mg->g", in_modes, 1 / precision)
            variance = pearson / np.maximum(total - lost, 1e-2 * total)
        sampling = shrunk @ in_modes @ np.swapaxes(shrunk, 1, 2)
        bias = _from_modes(spectrum, scale * shrinkage / precision**2)
        for_test = variance[:, None, None] * sampling + bias
        inflation = _prior_inflation(problem, state, normal, spectrum)
        covariances = for_test + (inflation - 1)[:, None, None] * bias
        residual_df = total**2 / np.sum(problem.weights**2) - edf
    least = problem.weights @ family.best_loss(y, problem.weights @ y / total, state.theta)
    losses = [likelihood.loss(y, means, state.theta, problem.weights) for means in (mu, _null_means(problem, state))]
    deviances = [np.maximum(loss - least, 0.0) for loss in losses]
    to_effects = effect_map(grams, *design.centring)
    statistic, pvalue = run_smooth_tests(
        design,
        to_effects,
        state.coefficients,
        for_test,
        rank,
        None if family.known_scale else residual_df,
        deviances[1] > 0,
    )
    if likelihood.expectile is None and np.all(weights == 1):
        squared = None
    known_scale = np.where(np.isfinite(state.scale), state.scale, scale)
    working = WorkingModels(
        problem.penalty, problem.n_unpenalized, grams, normal, squared, state.lambda_, scale * inflation, variance,
        known_scale,
    )  # fmt: skip
    return ChunkResult(
        state.genes,
        state.coefficients,
        state.lambda_,
        state.theta,
        state.information,
        problem.weights @ y / total,
        state.converged,
        np.full(len(edf), state.n_iter),
        edf,
        scale if covariance == "bayes" or likelihood.expectile is not None else variance,
        deviances[0],
        deviances[1],
        statistic,
        pvalue,
        covariances,
        state.quasi,
        spread_of(y / likelihood.link.mean(problem.offset) if likelihood.link.name == "log" else y, problem.weights),
        residual_df,
        _dispersion(problem, state),
        losses[0] > losses[1] + 1e-9 * (np.abs(losses[1]) + total),
        working if problem.smoothing == "reml" and problem.n_unpenalized < len(problem.penalty) else None,
    )


def _dispersion(problem: Problem, state: State) -> np.ndarray:
    if problem.likelihood.family.name != "poisson":
        return np.zeros(state.y.shape[1])
    weights, y, mu = problem.weights, state.y, state.mu
    return dispersion_of(weights @ y**2, weights @ (y * mu), weights @ mu**2, weights @ mu, weights.max())


def _from_modes(spectrum: Spectrum, diagonal: np.ndarray) -> np.ndarray:
    """Return `T diag T'` of each gene, `(n_genes, n_columns, n_columns)`, for a diagonal `(n_modes, n_genes)`."""
    return (spectrum.basis * diagonal.T[:, None, :]) @ np.swapaxes(spectrum.basis, 1, 2)


def _prior_inflation(problem: Problem, state: State, normal: np.ndarray, spectrum: Spectrum) -> np.ndarray:
    """Return the ratio of the prior variance to `1 / lambda` for a known scale, per gene.

    Weights below 1 reduce the information of a likelihood with a fixed scale, so that REML oversmooths. With weights
    rescaled to their effective information, by the factor `sum w / sum w^2`, the REML estimate of `lambda` corresponds
    to the prior variance of the curve. The fit itself is not changed.
    """
    information = problem.weights.sum() / np.sum(problem.weights**2)
    plain = not problem.likelihood.family.known_scale or problem.smoothing != "reml" or abs(information - 1) < 1e-12
    if plain or problem.n_unpenalized == len(problem.penalty):
        return np.ones(len(state.genes))
    loadings = information * np.einsum("gcm,cg->mg", spectrum.basis, normal)
    spectrum = replace(spectrum, gram=information * spectrum.gram)
    n_genes = loadings.shape[1]
    criterion = reml_known_scale(spectrum, loadings, np.zeros(n_genes), len(problem.weights))
    return np.maximum(state.lambda_ / minimise(criterion, spectrum, n_genes)[0], 1.0)


def _null_means(problem: Problem, state: State) -> np.ndarray:
    """Return the means of the model with only intercept and offset: `(n_cells, n_genes)`, or one per gene."""
    likelihood, weights = problem.likelihood, problem.weights[:, None]
    family, link, y = likelihood.family, likelihood.link, state.y
    intercept = link.predictor(problem.weights @ y / weights.sum())
    with_offset = bool(np.any(problem.offset))
    offset = problem.offset if with_offset else 0.0
    for _ in range(25 if with_offset or likelihood.expectile is not None else 0):
        mu = link.mean(intercept + offset)
        precision = weights * likelihood.asymmetry(y, mu) / family.variance(mu, state.theta)
        slope = link.slope(mu) * np.ones_like(y)
        step = np.sum(precision * slope * (y - mu), axis=0) / np.sum(precision * slope**2, axis=0)
        intercept = intercept + np.clip(step, -2.0, 2.0)
        if np.all(np.abs(step) < 1e-8):
            break
    return link.mean(intercept + offset)
