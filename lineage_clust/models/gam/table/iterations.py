"""Penalised iteratively reweighted least squares from sums over the nodes of a grid, for non-Gaussian families."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import ModuleType
from typing import Any

import numpy as np

from ....expression.counts.bins import values_of_bins
from ....utils.compiling import compiled_module
from ..pirls.histogram import Histogram
from ..pirls.size import LEAST, MOST, newton_size
from ..smoothing.criteria import gcv, load_compiled, minimise, reml_known_scale, ubre
from ..smoothing.spectral import diagonalise_each
from .problem import GridProblem

load_loops = compiled_module(".compiled", __package__)

_CHUNK_VALUES = 100_000  # values at the nodes per chunk, so that working arrays fit into the processor's cache
_TOLERANCE = 1e-11
_SEARCHED = 1  # iteration with a grid search of lambda
_STEPS = (3, 4, 1)  # numbers of Newton steps for lambda, in the first two iterations and the others
_FREEZE = 30  # iterations after which lambda is fixed, as it may cycle
_HALVINGS = 12


@dataclass
class GridState:
    """Current state of the fits of some genes: arrays `(n_nodes, n_genes)`, `(n_modes, n_genes)` or `(n_genes,)`."""

    genes: np.ndarray
    sums: np.ndarray
    squares: np.ndarray | None  # if the scale is estimated
    least: np.ndarray  # sum of the losses of a saturated model
    mu: np.ndarray
    eta: np.ndarray
    coefficients: np.ndarray
    log_lambda: np.ndarray
    theta: np.ndarray
    scale: np.ndarray
    information: np.ndarray  # about log theta
    converged: np.ndarray
    n_iter: np.ndarray
    histogram: Histogram | None

    def take(self, chosen: np.ndarray) -> GridState:
        """Return the state of some genes, by mask."""
        if chosen.all():
            return self
        parts = {}
        for field in fields(self):
            own = getattr(self, field.name)
            if own is None:
                parts[field.name] = None
            else:
                parts[field.name] = own.take(chosen) if field.name == "histogram" else own[..., chosen]
        return GridState(**parts)


def fit_chunk(problem: GridProblem, state: GridState, finish: Callable, fixed_theta: bool) -> list:
    """Iterate until all genes have ended; return the results of `finish`."""
    parts, functions = [], compiled_loops(problem)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
        if functions is not None:
            _fit_compiled(functions, problem, state, fixed_theta)
            return [finish(problem, state)]
        for iteration in range(problem.likelihood.max_iter):
            ended = _advance(problem, state, iteration, fixed_theta)
            if iteration == problem.likelihood.max_iter - 1:
                ended[:] = True
            if ended.any():
                parts.append(state.take(ended))
                state = state.take(~ended)
            if len(state.genes) == 0:
                break
        return [finish(problem, part) for part in merged(parts)]


def compiled_loops(problem: GridProblem) -> ModuleType | None:
    """Return the compiled iterations, or `None` for other likelihoods or criteria, few genes, or without numba."""
    likelihood = problem.likelihood
    ours = likelihood.link.name == "log" and likelihood.family.name in ("poisson", "negative_binomial")
    if not (problem.compiled and ours) or problem.smoothing == "gcv":
        return None
    return load_loops()


def _fit_compiled(functions: ModuleType, problem: GridProblem, state: GridState, fixed_theta: bool) -> None:
    """Iterate until every gene has ended, in place."""
    likelihood, histogram, n_genes = problem.likelihood, state.histogram, len(state.genes)
    rows, n_offsets = problem.places, problem.n_offsets
    sized = likelihood.estimates_size and not fixed_theta
    known = likelihood.family.name == "poisson"
    coefficients = np.ascontiguousarray(state.coefficients.T)
    tails = bins = np.zeros((n_genes, 0))
    if sized and histogram is not None:
        tails, bins = np.ascontiguousarray(histogram.tails.T), histogram.bins
    if not isinstance(problem.smoothing, str):
        state.log_lambda[:] = np.log(float(problem.smoothing))
    functions.fit_each(
        rows.indptr, rows.indices, rows.data, problem.offset[:n_offsets, 0], problem.weights[:, 0],
        np.ascontiguousarray(problem.basis), problem.penalty, problem.total, np.ascontiguousarray(state.sums.T),
        tails, bins,
        values_of_bins(), isinstance(problem.smoothing, str), sized, likelihood.max_iter,
        np.ascontiguousarray((state.eta - problem.offset)[::n_offsets].T), state.log_lambda,
        np.full(n_genes, np.inf) if known else state.theta, coefficients, state.information, state.converged, state.n_iter,
    )  # fmt: skip
    state.coefficients = np.ascontiguousarray(coefficients.T)
    state.eta = problem.rows @ state.coefficients + problem.offset
    state.mu = likelihood.link.mean(state.eta)


def merged(states: list[GridState]) -> list[GridState]:
    """Return one concatenated state of genes that ended in different iterations."""
    if len(states) < 2:
        return states
    parts: dict[str, Any] = {}
    for field in fields(GridState):
        own = [getattr(state, field.name) for state in states]
        if own[0] is None:
            parts[field.name] = None
        else:
            parts[field.name] = (
                Histogram.concatenate(own) if field.name == "histogram" else np.concatenate(own, axis=-1)
            )
    return [GridState(**parts)]


def chunk_size(n_nodes: int) -> int:
    """Return the number of genes per chunk."""
    return int(np.clip(_CHUNK_VALUES // n_nodes, 16, 512))


def begin(problem: GridProblem, genes, sums, squares, least, histogram, total_squares, theta) -> GridState:
    """Return the initial state.

    sums, squares : `(n_nodes, n_genes)` in the order of the grouped design.
    least : `(n_genes,)` sums of the losses of a saturated model.
    histogram : For the negative binomial, else `None`.
    total_squares : `(n_genes,)` weighted sums of squares.
    theta : `(n_genes,)` known sizes, or `None`.
    """
    likelihood, weights = problem.likelihood, problem.weights
    link, n_genes = likelihood.link, sums.shape[1]
    # start from a Gaussian fit to the rates with fixed smoothness
    exposure = weights[:, 0] @ link.mean(problem.offset[:, 0]) / weights.sum() if link.name == "log" else 1.0
    level = sums.sum(axis=0) / weights.sum() / exposure
    rough = problem.start_lambda
    loadings = problem.rows.T @ sums / (problem.gram + rough * problem.penalty)[:, None]
    scale = problem.total / weights.sum() / exposure
    mu = likelihood.family.bounded(problem.rows @ loadings * scale, level)
    if link.name == "log":
        mu = mu * link.mean(problem.offset)
        eta = link.predictor(mu)
    else:
        eta = link.predictor(mu) + problem.offset
        mu = link.mean(eta)
    constant = np.zeros(len(problem.penalty)) if problem.constant is None else problem.constant
    if theta is None:
        theta = np.full(n_genes, likelihood.fixed_size())
        if likelihood.estimates_size:
            excess = total_squares - 2 * np.sum(sums * mu, axis=0) + weights[:, 0] @ mu**2 - weights[:, 0] @ mu
            theta = np.clip(weights[:, 0] @ mu**2 / np.maximum(excess, 1e-12), 0.05, 1e3)
    return GridState(
        genes,
        sums,
        squares,
        least,
        mu,
        eta,
        coefficients=np.outer(constant, link.predictor(level)),
        log_lambda=np.full(n_genes, np.log(max(rough, 1e-300))),
        theta=theta,
        scale=np.ones(n_genes),
        information=np.zeros(n_genes),
        converged=np.zeros(n_genes, dtype=bool),
        n_iter=np.zeros(n_genes, dtype=int),
        histogram=histogram,
    )


def _advance(problem: GridProblem, state: GridState, iteration: int, fixed_theta: bool) -> np.ndarray:
    """Perform one iteration in place; return which genes have ended, by convergence or without a finite step."""
    state.n_iter[:] = iteration + 1
    likelihood, weights = problem.likelihood, problem.weights
    mu = state.mu
    slope = likelihood.link.slope(mu)
    precision = slope / likelihood.family.variance(mu, state.theta)
    residual = precision * (state.sums - weights * mu)
    working = weights * precision * slope
    grams = problem.grams(working)
    fitted = working * (state.eta - problem.offset) + residual
    cross = np.ascontiguousarray((problem.rows.T @ fitted).T)
    lost = ~(np.isfinite(grams).all(axis=(1, 2)) & np.isfinite(cross).all(axis=1))
    lost |= ~(np.trace(grams, axis1=1, axis2=2) > 0)
    grams[lost], cross[lost] = np.eye(len(problem.penalty)), 0.0
    before = state.log_lambda.copy()
    proposal = _smoothed(problem, state, grams, cross, working, fitted, iteration)
    change = _descend(problem, state, proposal, first=iteration == 0)
    settled = (np.abs(state.log_lambda - before) < 1e-2) | (change < 1e-15) | (iteration >= _FREEZE)
    if problem.scale_equation is not None:
        scale = problem.scale_equation.solve(_deviance(problem, state) + _roughness(problem, state))
        settled &= np.abs(np.log(scale / state.scale)) < 1e-6
        state.scale = scale
    if state.histogram is not None and likelihood.estimates_size and not fixed_theta:
        theta, state.information = _size_step(problem, state)
        settled &= (np.abs(np.log(theta / state.theta)) < 1e-5) | (theta >= MOST) | (theta <= LEAST)
        state.theta = theta
    state.converged = (change < _TOLERANCE) & settled & ~lost & (iteration > 0)
    state.coefficients[:, lost] = np.nan
    return state.converged | lost


def _smoothed(problem: GridProblem, state: GridState, grams, cross, working, fitted, iteration: int) -> np.ndarray:
    """Return the proposed coefficients `(n_modes, n_genes)`; smoothing parameters are updated in place."""
    chosen = isinstance(problem.smoothing, str)
    if not chosen:
        with np.errstate(divide="ignore"):
            state.log_lambda[:] = np.log(float(problem.smoothing))
    functions = load_compiled() if problem.compiled and problem.smoothing != "gcv" else None
    if functions is not None:
        proposal = np.empty_like(cross)
        functions.smooth_each(
            grams, cross, problem.penalty, state.scale, chosen and iteration < _FREEZE, iteration == _SEARCHED,
            _STEPS[min(iteration, 2)],
            state.log_lambda, proposal,
        )  # fmt: skip
        return np.ascontiguousarray(proposal.T)
    spectrum = diagonalise_each(grams, np.diag(problem.penalty), problem.n_unpenalized)
    loadings = np.einsum("gcm,gc->mg", spectrum.basis, cross)
    if chosen and iteration < _FREEZE:
        state.log_lambda = np.log(_least_criterion(problem, state, spectrum, loadings, working, fitted))
    scores = loadings / (spectrum.gram + spectrum.penalty * np.exp(state.log_lambda))
    return np.einsum("gcm,mg->cg", spectrum.basis, scores)


def _least_criterion(problem: GridProblem, state: GridState, spectrum, loadings, working, fitted) -> np.ndarray:
    n_genes = loadings.shape[1]
    if problem.smoothing == "gcv":
        score, squares = ubre, np.zeros(n_genes)
        if not problem.likelihood.family.known_scale:
            score = gcv
            pearson = pearson_of(problem, state)
            at_nodes = (fitted - working * (state.eta - problem.offset)) ** 2 / working
            linear = np.sum(np.where(working != 0, fitted**2 / working - at_nodes, 0.0), axis=0)
            squares = linear + pearson
        return minimise(score(spectrum, loadings, squares, problem.n_cells), spectrum, n_genes)[0]
    criterion = reml_known_scale(spectrum, loadings / np.sqrt(state.scale), np.zeros(n_genes), problem.n_cells)
    return minimise(criterion, spectrum, n_genes)[0]


def _roughness(problem: GridProblem, state: GridState, columns=slice(None), coefficients=None) -> np.ndarray:
    coefficients = state.coefficients if coefficients is None else coefficients
    return np.exp(state.log_lambda[columns]) * (problem.penalty @ coefficients**2)


def loss_of(problem: GridProblem, state: GridState, mu: np.ndarray, columns=slice(None), eta=None) -> np.ndarray:
    """Return the loss of means at the nodes, summed over the cells, `(n_genes,)`."""
    family = problem.likelihood.family
    log_mu = eta if problem.likelihood.link.name == "log" else None
    return family.loss(state.sums[:, columns], mu, state.theta[columns], problem.weights, log_mu).sum(axis=0)


def _deviance(problem: GridProblem, state: GridState) -> np.ndarray:
    return np.maximum(loss_of(problem, state, state.mu) - state.least, 0.0)


def pearson_of(problem: GridProblem, state: GridState) -> np.ndarray:
    """Return Pearson statistics `(n_genes,)`; requires tabulated squares."""
    mu = state.mu
    squared = state.squares - 2 * state.sums * mu + problem.weights * mu**2
    return np.sum(squared / problem.likelihood.family.variance(mu, state.theta), axis=0)


def _descend(problem: GridProblem, state: GridState, proposal: np.ndarray, first: bool) -> np.ndarray:
    """Update the state by a step towards the proposal, halved if needed; return the relative change of the objective."""
    likelihood = problem.likelihood

    def place(coefficients, columns):
        eta = problem.rows @ coefficients + problem.offset
        mu = likelihood.link.mean(eta)
        loss = loss_of(problem, state, mu, columns, eta)
        loss = np.where(likelihood.impossible(eta, mu), np.inf, loss)
        return eta, mu, loss + _roughness(problem, state, columns, coefficients)

    every = slice(None)
    if first:
        before = place(state.coefficients, every)[2]
    else:
        before = loss_of(problem, state, state.mu, eta=state.eta) + _roughness(problem, state)
    size = np.abs(before) + problem.total
    eta, mu, after = place(proposal, every)
    for _ in range(_HALVINGS):
        worse = np.flatnonzero(~(after <= before + 1e-9 * size))
        if len(worse) == 0:
            break
        proposal[:, worse] = 0.5 * (proposal[:, worse] + state.coefficients[:, worse])
        eta[:, worse], mu[:, worse], after[worse] = place(proposal[:, worse], worse)
    state.coefficients, state.eta, state.mu = proposal, eta, mu
    change = np.abs(after - before) / size
    return np.where(np.isfinite(change), change, np.inf)


def _size_step(problem: GridProblem, state: GridState) -> tuple[np.ndarray, np.ndarray]:
    """Return theta after one Newton step of its likelihood, and the information about log theta."""
    assert state.histogram is not None
    gamma_first, gamma_second = state.histogram.sums(state.theta)
    theta, weights = state.theta, problem.weights[:, 0]
    inverse = 1.0 / (state.mu + theta)
    ratio = (state.sums + problem.weights * theta) * inverse
    first = gamma_first + problem.total * (np.log(theta) + 1) - ratio.sum(axis=0) + weights @ np.log(inverse)
    second = gamma_second + problem.total / theta + np.sum((ratio - 2 * problem.weights) * inverse, axis=0)
    return newton_size(theta, first, second)
