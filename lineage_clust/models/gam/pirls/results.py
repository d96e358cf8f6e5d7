"""Results of genes that were fitted in chunks: covariances, tests and deviances after the iterations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ...notes import SATURATED, explains_nothing, joined, noted, notes_on
from ..design import Design
from ..estimates import GeneEstimates
from ..inference.posterior import GenePosterior, WorkingModels
from ..smoothing.criteria import load_compiled, minimise, reml
from ..smoothing.spectral import diagonalise_each, without_information
from .iterations import State, pearson_of
from .overdispersion import dispersion_at_nodes
from .problem import Cells, Likelihood, Problem
from .wald import WorkingFits, bounded

_STRAIGHT = 1.0  # effective degrees of freedom beyond the unpenalised modes
_LARGEST_EFFECT = 12.0  # on the scale of the link: 160,000-fold
_UNBOUNDED = "effect of a covariate is infinite, e.g. not expressed at some of its values: level of the trend arbitrary"


def summarise(problem: Problem, state: State) -> ChunkResult:
    """Compute the results of genes whose iterations have ended.

    Estimates to which donors are added need no errors and tests, which take longer than the iterations.
    """
    likelihood, weights = problem.cells.likelihood, problem.weights
    least = state.least if state.counts is None else state.counts.least_loss(state.theta, problem.total)
    losses = likelihood.loss(state.sums, weights, state.mu, state.theta, state.eta), _null_loss(problem, state)
    deviances = [np.maximum(loss - least, 0.0) for loss in losses]
    if likelihood.link.name == "log" or not problem.offset.any():
        deviances[1][state.spread == 0] = 0.0  # but for rounding
    unknown, dispersion = np.full(len(state.genes), np.nan), np.zeros(len(state.genes))
    if likelihood.family.name == "poisson":
        dispersion = dispersion_at_nodes(
            state.sums, state.total_squares, state.mu, weights, problem.exposed, float(problem.cells.weights.max())
        )
    found = ChunkResult(
        state.genes, (problem.basis @ state.coefficients).T, np.exp(state.log_lambda), state.theta, state.information,
        state.sums.sum(axis=0) / problem.total, state.converged, state.n_iter, unknown, np.ones(len(unknown)),
        deviances[0], deviances[1], unknown, unknown, None, state.quasi, state.spread, unknown,
        dispersion, losses[0] > losses[1] + 1e-9 * (np.abs(losses[1]) + problem.total), None,
    )  # fmt: skip
    if problem.cells.choices.infers or not likelihood.family.known_scale:
        _infer(problem, state, found)
    return found


def _infer(problem: Problem, state: State, found: ChunkResult) -> None:
    """Add effective degrees of freedom, scale, covariances and tests to the estimates."""
    design, covariance = problem.cells.design, problem.cells.choices.covariance
    likelihood, weights, basis = problem.cells.likelihood, problem.weights, problem.basis
    family, mu, expectile = likelihood.family, state.mu, likelihood.expectile is not None
    precision = likelihood.precision(state.sums, weights, mu, state.theta)
    unit, residual = precision * likelihood.link.slope(mu), precision * (state.sums - weights * mu)
    plain = problem.grouped.grams(weights * unit)
    plain[without_information(plain)] = np.eye(len(basis))  # genes that failed
    squared, inflation = None, np.ones(len(plain))
    if covariance != "bayes":
        # heteroscedastic residuals of an expectile: their squares
        squared = problem.grouped.grams(residual**2 if expectile else problem.squared_weights * unit)
    fits = WorkingFits(
        problem, np.nan_to_num(state.coefficients).T, problem.penalty * found.lambda_[:, None], plain, squared,
        None if family.known_scale else pearson_of(problem, state, mu, state.theta),
    )  # fmt: skip
    edf, covariances = fits.freedom[0], fits.covariances
    normal = np.einsum("gij,jg->ig", plain, basis @ fits.coefficients.T)
    normal += np.nan_to_num(problem.grouped.cross(residual))
    found.statistic, found.pvalue = fits.test(found.null_deviance > 0)
    if len(problem.cells.followed):
        found.pvalue = bounded(found.pvalue, state, fits)
    if covariance != "bayes":
        inflation = _prior_inflation(problem, state, fits.grams, (basis.T @ normal).T, edf)
        covariances = covariances + (inflation - 1)[:, None, None] * fits.bias
    if not expectile and np.all(problem.cells.weights == 1):
        squared = None
    n_unpenalized = problem.cells.spectrum.n_unpenalized + len(basis) - basis.shape[1]
    working = WorkingModels(
        design.penalty, n_unpenalized, plain, normal, squared, found.lambda_, fits.scale * inflation, fits.variance,
        state.scale if problem.scale_equation is not None else fits.scale,
    )  # fmt: skip
    found.edf, found.residual_df, found.covariances = edf, fits.residual_df, basis @ covariances @ basis.T
    found.scale = fits.scale if covariance == "bayes" or expectile else fits.variance
    if problem.cells.choices.smoothing == "reml" and np.any(problem.penalty > 0):
        found.working = working


def _prior_inflation(
    problem: Problem, state: State, grams: np.ndarray, cross: np.ndarray, edf: np.ndarray
) -> np.ndarray:
    """Return the ratio of the prior variance to `1 / lambda` for a known scale, per gene.

    Weights below 1 reduce the information of a likelihood with a fixed scale, so that REML oversmooths. With weights
    rescaled to their effective information, by the factor `sum w / sum w^2`, the REML estimate of `lambda` corresponds
    to the prior variance of the curve. The fit itself is not changed.
    """
    information = problem.total / problem.total_squared
    plain = (
        not problem.cells.likelihood.family.known_scale
        or problem.cells.choices.smoothing != "reml"
        or abs(information - 1) < 1e-12
    )
    if plain or not np.any(problem.penalty > 0):
        return np.ones(len(state.genes))
    grams, cross = information * grams, information * cross
    functions, log_lambda = load_compiled() if problem.compiled else None, state.log_lambda.copy()
    if functions is not None:
        # a flat criterion, whose minimum may be anywhere
        straight = edf < problem.cells.spectrum.n_unpenalized + _STRAIGHT
        for search, n_steps, genes in ((False, 3, np.flatnonzero(~straight)), (True, 50, np.flatnonzero(straight))):
            own, found = log_lambda[genes], np.empty((len(genes), cross.shape[1]))
            functions.smooth_each(
                grams[genes], cross[genes], problem.penalty, np.ones(len(genes)), True, search, n_steps, own, found
            )
            log_lambda[genes] = own
    else:
        spectrum = diagonalise_each(grams, np.diag(problem.penalty), problem.cells.spectrum.n_unpenalized)
        loadings = np.einsum("gcm,gc->mg", spectrum.basis, cross)
        criterion = reml(spectrum, loadings, np.zeros(len(edf)), problem.n_cells, known_scale=True)
        log_lambda = np.log(minimise(criterion, spectrum, len(edf))[0])
    return np.maximum(np.exp(state.log_lambda - log_lambda), 1.0)


def _null_loss(problem: Problem, state: State) -> np.ndarray:
    """Return the loss `(n_genes,)` of the model with only intercept and offset."""
    likelihood, link = problem.cells.likelihood, problem.cells.likelihood.link
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


@dataclass
class ChunkResult:
    """Results of some genes, `(n_genes,)` unless stated otherwise."""

    genes: np.ndarray
    coefficients: np.ndarray  # (n_genes, n_columns)
    lambda_: np.ndarray
    theta: np.ndarray
    information: np.ndarray
    means: np.ndarray
    converged: np.ndarray
    n_iter: np.ndarray
    edf: np.ndarray
    scale: np.ndarray
    deviance: np.ndarray
    null_deviance: np.ndarray
    statistic: np.ndarray
    pvalue: np.ndarray
    covariances: np.ndarray | None  # (n_genes, n_columns, n_columns)
    quasi: np.ndarray
    spread: np.ndarray
    residual_df: np.ndarray
    dispersion: np.ndarray  # variance of counts relative to a Poisson distribution, where clearly larger
    worse: np.ndarray  # loss higher than that of a constant, beyond rounding error
    working: WorkingModels | None  # for smoothing parameters estimated by REML


def collected(parts: list[ChunkResult], failed: dict[int, str], cells: Cells, found: tuple) -> GeneEstimates:
    """Return the results of all genes, given those whose iterations have ended, and reasons of those that were not fitted."""
    design, likelihood = cells.design, cells.likelihood
    n_genes, n_columns = len(found[0]), len(design.penalty)
    every = np.concatenate([part.genes for part in parts]) if parts else np.zeros(0, dtype=int)

    def gather(name, fill=np.nan, shape=()):
        values = np.full((n_genes, *shape), fill)
        if parts:
            values[every] = np.concatenate([getattr(part, name) for part in parts])
        return values

    coefficients = np.ascontiguousarray(gather("coefficients", shape=(n_columns,)).T)
    matrices = np.zeros((0, n_columns, n_columns))
    if any(part.covariances is not None for part in parts):
        matrices = gather("covariances", shape=(n_columns, n_columns))
    deviance, null_deviance = gather("deviance"), gather("null_deviance")
    converged = gather("converged", 0.0).astype(bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = np.where(null_deviance > 0, 1 - deviance / null_deviance, 0.0)
    if design.constant is not None:  # the constant is a submodel
        worse = gather("worse", 0.0).astype(bool) & explains_nothing(explained)
        coefficients[:, worse] = np.nan
        explained[~worse] = np.maximum(explained[~worse], 0.0)
    for gene in every[~np.isfinite(coefficients[:, every]).all(axis=0)]:
        failed[int(gene)] = f"the iterations diverged ({likelihood.family.name}, {likelihood.link.name} link)"
    quasi = gather("quasi", 0.0).astype(bool)
    failed.update(
        {gene: f"{failed[gene]}: {_zeros(likelihood)}" for gene in np.flatnonzero(quasi).tolist() if gene in failed}
    )
    explained[list(failed)] = np.nan
    notes = _notes(null_deviance, deviance, converged, quasi, failed, cells, found)
    statistic, pvalue = gather("statistic"), gather("pvalue")
    saturated = np.zeros(n_genes, dtype=bool) if likelihood.family.known_scale else gather("residual_df", 1.0) < 1
    notes = noted(notes, np.setdiff1d(np.flatnonzero(saturated), list(failed)), SATURATED)
    notes = noted(notes, np.setdiff1d(_unbounded(design, coefficients, likelihood), list(failed)), _UNBOUNDED)
    statistic[~converged | saturated] = pvalue[~converged | saturated] = np.nan
    return GeneEstimates(
        coefficients, gather("lambda_"), gather("edf"), gather("scale"), explained, converged,
        GenePosterior(matrices, _together(parts, n_genes)), (statistic, pvalue), note=notes,
        failed=dict(sorted(failed.items())), n_iter=gather("n_iter", 1.0).astype(int),
        theta=gather("theta") if likelihood.family.name == "negative_binomial" else None, spread=gather("spread"),
        n_quasi=int(quasi.sum()),
        dispersion=np.nan_to_num(gather("dispersion")) if likelihood.family.name == "poisson" else None,
    )  # fmt: skip


def _unbounded(design: Design, coefficients: np.ndarray, likelihood: Likelihood) -> np.ndarray:
    """Return the genes, by position, on which a covariate has an effect that only the end of the iterations limits.

    A gene that is not expressed in one batch has such an effect, for instance.
    """
    columns = slice(design.n_smooth, -1 if design.has_intercept else None)
    covariates = design.matrix[:, columns]
    if covariates.shape[1] == 0 or likelihood.link.name not in ("log", "logit"):
        return np.zeros(0, dtype=int)
    covariates = covariates.toarray() if sparse.issparse(covariates) else covariates
    effects = np.abs(np.nan_to_num(coefficients[columns])) * np.ptp(covariates, axis=0)[:, None]
    return np.flatnonzero(effects.max(axis=0) > _LARGEST_EFFECT)


def _together(parts: list[ChunkResult], n_genes: int) -> WorkingModels | None:
    """Return the working models of all genes, with placeholders for failed genes."""
    if not parts or parts[0].working is None:
        return None
    every = np.concatenate([part.genes for part in parts])
    models = [part.working for part in parts if part.working is not None]
    first = models[0]

    def gather(name: str) -> np.ndarray:
        own = np.concatenate([getattr(model, name) for model in models])
        values = np.ones((n_genes, *own.shape[1:])) if own.ndim == 1 else np.tile(np.eye(own.shape[1]), (n_genes, 1, 1))
        values[every] = np.nan_to_num(own, posinf=0.0, neginf=0.0)
        return values

    scores = np.zeros((len(first.scores), n_genes))
    scores[:, every] = np.nan_to_num(np.concatenate([model.scores for model in models], axis=1), posinf=0.0, neginf=0.0)
    squared = None if first.squared_weight_grams is None else gather("squared_weight_grams")
    return WorkingModels(
        first.penalty, first.n_unpenalized, gather("grams"), scores, squared,
        *(gather(name) for name in ("lambda_", "scale", "variance", "known_scale")),
    )  # fmt: skip


def _notes(null_deviance, deviance, converged, quasi, failed, cells: Cells, found) -> list[str]:
    likelihood, remarks = cells.likelihood, notes_on(np.nan_to_num(null_deviance), found)
    for gene in range(len(remarks)):
        if gene in failed:
            continue
        if not converged[gene]:
            why = f"no convergence in {likelihood.max_iter} iterations"
            if quasi[gene]:
                why = f"no convergence: {_zeros(likelihood)}"
            remarks[gene] = joined(remarks[gene], why)
        elif not remarks[gene] and likelihood.family.name == "binomial" and deviance[gene] < 1e-3 * cells.weights.sum():
            remarks[gene] = "perfectly separated: fitted probabilities of 0 and 1"
    return remarks


def _zeros(likelihood: Likelihood) -> str:
    return (
        f"its zeros have no {likelihood.family.name} likelihood; use 'negative_binomial' for counts, 'gaussian' for "
        "log-normalised expression"
    )
