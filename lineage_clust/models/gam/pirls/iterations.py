"""Penalised iteratively reweighted least squares for non-Gaussian families, batched over genes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import ModuleType
from typing import NamedTuple

import numpy as np

from ....expression.counts.bins import values_of_bins
from ....utils.compiling import compiled_module
from ..smoothing.criteria import (
    CRITERIA,
    least_deviance,
    load_compiled,
    log_lambda_range,
    minimise,
    on_grid,
    reml,
    with_floor,
)
from ..smoothing.spectral import diagonalise_each, without_information
from .problem import Problem
from .size import LEAST, MOST, DistinctCounts, Histogram, moment_size, size_step

_N_STARTS = 20  # values of lambda
_FITTED = (
    "mu", "eta", "coefficients", "log_lambda", "theta", "scale", "information", "converged", "n_iter",
)  # fmt: skip
_VANISHED = 30.0  # decrease of the log mean below its level


@dataclass
class Values:
    """Expression of some genes: `(n_genes,)`, or `(n_nodes, n_genes)` in the order of the grouped design.

    sums, squares : Weighted sums at the nodes; those of squares are `None` where nodes are cells or the scale is known.
    total_squares : Weighted sum of squares over all cells.
    least : Sum of the losses of a saturated model, unless it is computed from `counts`.
    most, spread, level : Largest value, and weighted standard deviation and mean, of values rescaled to offset 0.
    quasi : Whether the gene has values without a likelihood.
    followed : `(n_followed, n_genes)` values of :attr:`lineage_clust.models.gam.pirls.problem.Cells.followed`.
    counts : Distinct values for the negative binomial, else `None`.
    """

    genes: np.ndarray
    sums: np.ndarray
    squares: np.ndarray | None
    total_squares: np.ndarray
    least: np.ndarray
    most: np.ndarray
    spread: np.ndarray
    quasi: np.ndarray
    level: np.ndarray
    followed: np.ndarray
    counts: Histogram | DistinctCounts | None


@dataclass
class State(Values):
    """Current state of the fits: arrays `(n_nodes, n_genes)`, `(n_modes, n_genes)` or `(n_genes,)`."""

    mu: np.ndarray
    eta: np.ndarray
    coefficients: np.ndarray
    log_lambda: np.ndarray
    theta: np.ndarray
    scale: np.ndarray
    information: np.ndarray  # about log theta
    converged: np.ndarray
    n_iter: np.ndarray

    def take(self, chosen: np.ndarray) -> State:
        """Return the state of some genes, by mask."""
        if chosen.all():
            return self
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, own in parts.items():
            if own is not None:
                parts[name] = own.take(chosen) if name == "counts" else own[..., chosen]
        return State(**parts)

    def put(self, genes: np.ndarray, state: State) -> None:
        """Replace the fits of some genes, by position."""
        for name in _FITTED:
            getattr(self, name)[..., genes] = getattr(state, name)


def begin(problem: Problem, values: Values, theta: np.ndarray | None) -> State:
    """Return the initial state; `theta` `(n_genes,)` are sizes of the negative binomial, if known.

    Means start from a Gaussian fit; the first step is halved, if it overshoots, towards the constant fit.
    """
    likelihood, weights, sums = problem.cells.likelihood, problem.weights, values.sums
    family, link, n_genes, total = likelihood.family, likelihood.link, sums.shape[1], weights.sum()
    exposure = weights[:, 0] @ link.mean(problem.offset[:, 0]) / total if link.name == "log" else 1.0
    level = sums.sum(axis=0) / total / exposure
    loadings, spectrum = problem.cross(sums), problem.cells.spectrum
    lambda_ = np.zeros(n_genes)
    if spectrum.n_penalized:
        steps = np.linspace(*log_lambda_range(spectrum), _N_STARTS)
        criterion = reml(spectrum, loadings, values.total_squares, problem.n_cells)
        lambda_ = np.exp(steps[np.argmin(on_grid(criterion, steps, n_genes)[0], axis=0), 0])
    gaussian = problem.predict(loadings / (spectrum.gram + spectrum.penalty * lambda_)) * (
        problem.total / total / exposure
    )
    intercept, offset = link.predictor(level), problem.offset
    outside = likelihood.impossible(intercept + offset, link.mean(intercept + offset))
    intercept = intercept - np.where(outside, offset.max() if link.name == "log" else offset.min(), 0.0)
    eta = link.predictor(family.bounded(gaussian, level, link.name)) + (
        offset if link.name in ("log", "logit") else 0.0
    )
    eta = np.where(likelihood.impossible(eta, link.mean(eta)), intercept + offset, eta)
    mu = link.mean(eta)
    constant = np.zeros(len(problem.penalty)) if problem.constant is None else problem.constant
    if theta is None and likelihood.estimates_size:
        theta = moment_size(values.total_squares, sums, mu, weights)
    elif theta is None:
        known = 0.0 if isinstance(likelihood.dispersion, str) else likelihood.dispersion
        theta = np.full(n_genes, 1.0 / known if known > 0 else MOST)  # not used by other families
    scale = np.ones(n_genes)
    if problem.scale_equation is not None:
        scale = problem.scale_equation.of_working_model(pearson_of(problem, values, mu, theta))
    smoothing = problem.cells.spectrum.bounded(problem.cells.choices.smoothing)
    if not isinstance(smoothing, str):
        lambda_ = np.full(n_genes, float(smoothing))
    return State(
        **vars(values), mu=mu, eta=eta, coefficients=np.outer(constant, intercept), log_lambda=np.log(lambda_),
        theta=theta, scale=scale, information=np.zeros(n_genes), converged=np.zeros(n_genes, dtype=bool),
        n_iter=np.zeros(n_genes, dtype=int),
    )  # fmt: skip


def pearson_of(problem: Problem, values: Values, mu: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return Pearson statistics `(n_genes,)`."""
    likelihood, weights, fitted = problem.cells.likelihood, problem.weights, problem.weights * mu
    if values.squares is None:  # nodes are cells
        squared = (values.sums - fitted) ** 2 / weights * likelihood.asymmetry(values.sums, fitted)
    else:
        squared = values.squares - 2 * values.sums * mu + fitted * mu
    return np.sum(squared / likelihood.family.variance(mu, theta), axis=0)


load_loops = compiled_module(".compiled", __package__)


class Schedule(NamedTuple):
    """What happens in which iteration, and when the iterations end; handed to compiled loops, which cache constants."""

    tolerance: float = 1e-12  # change of the penalised deviance, relative to its size and the weights
    still_lambda: float = 1e-2  # change of its logarithm
    still_scale: float = 1e-6  # the same of scale and size
    searched: int = 1  # iteration with a grid search of lambda
    n_steps: tuple[int, int, int] = (3, 4, 1)  # of Newton for lambda, in the first two iterations and the others
    freeze: int = 30  # iterations after which lambda is fixed: it may alternate between two minima
    n_halvings: int = 12


_SCHEDULE = Schedule()


def iterate(problem: Problem, state: State, fixed_theta: bool) -> None:
    """Iterate until all genes have ended, in place.

    In each iteration, the smoothing parameter of each gene minimises the criterion of its working linear model, with the
    same fixed point as the generalised Fellner-Schall method (Wood & Fasiolo 2017, Biometrics 73, 1071-1081). Sizes of the
    negative binomial are updated by one Newton step. Steps that increase the penalised deviance are halved (Wood 2017,
    sections 3.4.1, 6.1.1 and 6.5).

    Genes with zeros have no gamma or inverse Gaussian likelihood. Their score depends only on mean and variance, so
    that they are fitted by quasi-likelihood with Pearson's estimate of the scale; a likelihood with zeros replaced by
    small values would treat these as precise and not smooth at all. If no cell in an interval expresses the gene, the
    quasi-likelihood may have no maximum: the mean tends to 0, and the gene does not converge.
    """
    functions = compiled_loops(problem)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
        if functions is not None:
            _iterate_compiled(functions, problem, state, fixed_theta)
            return
        active, left = state, np.arange(len(state.genes))
        for iteration in range(problem.cells.likelihood.max_iter):
            ended = _advance(problem, active, iteration, fixed_theta) | _vanished(problem, active)
            if ended.any() or iteration == problem.cells.likelihood.max_iter - 1:
                if active is not state:
                    state.put(left, active)
                active, left = active.take(~ended), left[~ended]
                if len(left) == 0:
                    break


def compiled_loops(problem: Problem) -> ModuleType | None:
    """Return the compiled iterations, or `None` for other likelihoods or criteria, few genes, or without numba."""
    likelihood = problem.cells.likelihood
    counts = likelihood.link.name == "log" and likelihood.family.name in ("poisson", "negative_binomial")
    return load_loops() if problem.compiled and counts and problem.cells.choices.smoothing != "gcv" else None


def _iterate_compiled(functions: ModuleType, problem: Problem, state: State, fixed_theta: bool) -> None:
    likelihood, n_genes, n_offsets = problem.cells.likelihood, len(state.genes), problem.grid.n_offsets
    rows, chosen = problem.places, isinstance(problem.cells.choices.smoothing, str)
    sized = likelihood.estimates_size and not fixed_theta
    known = likelihood.family.name == "poisson"
    coefficients = np.ascontiguousarray(state.coefficients.T)
    tails = bins = np.zeros((n_genes, 0))
    if sized and isinstance(state.counts, Histogram):
        tails, bins = np.ascontiguousarray(state.counts.tails.T), state.counts.bins
    functions.fit_each(
        rows.indptr, rows.indices, rows.data, problem.offset[:n_offsets, 0], problem.weights[:, 0],
        np.ascontiguousarray(problem.basis), problem.penalty, problem.total, np.ascontiguousarray(state.sums.T),
        tails, bins, values_of_bins(), chosen, sized, likelihood.max_iter,
        _SCHEDULE, np.ascontiguousarray((state.eta - problem.offset)[::n_offsets].T), state.log_lambda,
        np.full(n_genes, np.inf) if known else state.theta, coefficients, state.information, state.converged, state.n_iter,
    )  # fmt: skip
    state.coefficients = np.ascontiguousarray(coefficients.T)
    state.eta = problem.predict(state.coefficients) + problem.offset
    state.mu = likelihood.link.mean(state.eta)


def stop_runaways(problem: Problem, state: State) -> None:
    """Mark genes as failed whose mean exceeds twice their largest value at offset 0, as happens between cells."""
    link = problem.cells.likelihood.link
    if link.name in ("log", "inverse", "inv_squared"):
        most = link.mean(state.eta - problem.offset).max(axis=0)
        state.coefficients[:, most > 2 * state.most] = np.nan


def _vanished(problem: Problem, state: State) -> np.ndarray:
    """Return which genes have a mean that tends to 0 because there is no likelihood."""
    if not state.quasi.any() or problem.cells.likelihood.link.name != "log":
        return np.zeros(len(state.genes), dtype=bool)
    level = np.log(state.sums.sum(axis=0) / problem.total)
    return state.quasi & ((state.eta - problem.offset).min(axis=0) < level - _VANISHED)


def _advance(problem: Problem, state: State, iteration: int, fixed_theta: bool) -> np.ndarray:
    """Perform one iteration in place; return which genes have ended, by convergence or without a finite step."""
    state.n_iter[:] = iteration + 1
    likelihood, weights, mu = problem.cells.likelihood, problem.weights, state.mu
    precision = likelihood.precision(state.sums, weights, mu, state.theta)
    residual = precision * (state.sums - weights * mu)
    working = weights * precision * likelihood.link.slope(mu)
    fitted = working * (state.eta - problem.offset) + residual
    grams, cross = problem.grams(working), np.ascontiguousarray(problem.cross(fitted).T)
    lost = without_information(grams) | ~np.isfinite(cross).all(axis=1)
    grams[lost], cross[lost] = np.eye(len(problem.penalty)), 0.0
    before = state.log_lambda
    proposal = _smoothed(problem, state, grams, cross, fitted + residual, iteration)
    change = _descend(problem, state, proposal, first=iteration == 0)
    lost |= np.isnan(change)
    settled = (np.abs(state.log_lambda - before) < _SCHEDULE.still_lambda) | (change < 1e-15)
    settled |= iteration >= _SCHEDULE.freeze
    if problem.scale_equation is not None:
        scale = _scale(problem, state)
        settled &= np.abs(np.log(scale / state.scale)) < _SCHEDULE.still_scale
        state.scale = scale
    if state.counts is not None and likelihood.estimates_size and not fixed_theta:
        theta, state.information = size_step(state.counts, state.sums, state.mu, weights, state.theta)
        settled &= (np.abs(np.log(theta / state.theta)) < _SCHEDULE.still_scale) | (theta >= MOST) | (theta <= LEAST)
        state.theta = theta
    state.converged = (change < _SCHEDULE.tolerance) & settled & ~lost & (iteration > 0)
    state.coefficients[:, lost] = np.nan
    return state.converged | lost


def _smoothed(problem: Problem, state: State, grams, cross, doubled, iteration: int) -> np.ndarray:
    """Return the proposed coefficients `(n_modes, n_genes)`; smoothing parameters are updated.

    doubled : `(n_nodes, n_genes)` working responses times working weights, plus the residuals.
    """
    chosen = isinstance(problem.cells.choices.smoothing, str) and iteration < _SCHEDULE.freeze
    known = problem.cells.likelihood.family.known_scale or problem.scale_equation is not None
    compiles = (
        problem.compiled
        and problem.cells.choices.smoothing != "gcv"
        and (known or problem.cells.choices.smoothing != "reml")
    )
    functions = load_compiled() if compiles else None
    if functions is not None:
        proposal, state.log_lambda = np.empty_like(cross), state.log_lambda.copy()
        functions.smooth_each(
            grams, cross, problem.penalty, state.scale, chosen, iteration == _SCHEDULE.searched,
            _SCHEDULE.n_steps[min(iteration, 2)], state.log_lambda, proposal,
        )  # fmt: skip
        return np.ascontiguousarray(proposal.T)
    spectrum = diagonalise_each(grams, np.diag(problem.penalty), problem.cells.spectrum.n_unpenalized)
    spectrum.basis[:, problem.penalty > 0, : spectrum.n_unpenalized] = 0.0  # a huge lambda would magnify rounding
    loadings = np.einsum("gcm,gc->mg", spectrum.basis, cross)
    if chosen:
        squares, floor = np.zeros(len(cross)), None
        if not known:  # working responses' sums of squares
            squares = np.einsum("ij,ij->j", state.eta - problem.offset, doubled)
            squares += pearson_of(problem, state, state.mu, state.theta)
            floor = _rounding(problem, state)
        make, scaled = CRITERIA[problem.cells.choices.smoothing], loadings / np.sqrt(state.scale)
        criterion = make(spectrum, scaled, squares, problem.n_cells, floor, known)
        found = np.log(minimise(criterion, spectrum, len(cross))[0])
        last = iteration == _SCHEDULE.freeze - 1
        state.log_lambda = np.maximum(found, state.log_lambda) if last else found  # of two minima, the smoother
    scores = loadings / (spectrum.gram + spectrum.penalty * np.exp(state.log_lambda))
    return np.einsum("gcm,mg->cg", spectrum.basis, scores)


def _scale(problem: Problem, state: State) -> np.ndarray:
    """Return the scale at which REML is stationary, with `D_p = deviance + lambda b'Sb`."""
    equation = problem.scale_equation
    assert equation is not None
    rough = problem.roughness(state.coefficients, state.log_lambda)
    loss = problem.cells.likelihood.loss(state.sums, problem.weights, state.mu, state.theta, state.eta)
    deviance, _ = with_floor(loss - state.least, _rounding(problem, state))
    scale = equation.solve(deviance + rough)
    if state.quasi.any():
        pearson = pearson_of(problem, state, state.mu, state.theta)
        scale = np.where(state.quasi, equation.of_working_model(pearson + rough), scale)
    return scale


def _rounding(problem: Problem, state: State) -> np.ndarray:
    """Return the deviance `(n_genes,)` below which rounding would determine scale and lambda of a constant gene."""
    variance = problem.cells.likelihood.family.variance(state.mu, state.theta)
    return least_deviance(np.sum(problem.weights * state.mu**2 / variance, axis=0))


def _descend(problem: Problem, state: State, proposal: np.ndarray, first: bool) -> np.ndarray:
    """Update the state by a step towards the proposal, halved if needed; return the relative change of the objective."""
    likelihood, weights = problem.cells.likelihood, problem.weights

    def evaluated(coefficients, genes):
        eta = problem.predict(coefficients) + problem.offset
        mu = likelihood.link.mean(eta)
        loss = likelihood.loss(state.sums[:, genes], weights, mu, state.theta[genes], eta)
        loss = np.where(likelihood.impossible(eta, mu), np.inf, loss)
        return eta, mu, loss + problem.roughness(coefficients, state.log_lambda[genes])

    every = slice(None)
    if first:
        before = evaluated(state.coefficients, every)[2]
    else:
        before = likelihood.loss(state.sums, weights, state.mu, state.theta, state.eta)
        before += problem.roughness(state.coefficients, state.log_lambda)
    magnitude = np.abs(before) + problem.total
    eta, mu, after = evaluated(proposal, every)
    for _ in range(_SCHEDULE.n_halvings):
        worse = np.flatnonzero(~(after <= before + 1e-9 * magnitude))
        if len(worse) == 0:
            break
        proposal[:, worse] = 0.5 * (proposal[:, worse] + state.coefficients[:, worse])
        eta[:, worse], mu[:, worse], after[worse] = evaluated(proposal[:, worse], worse)
    state.coefficients, state.eta, state.mu = proposal, eta, mu
    change = np.abs(after - before) / magnitude
    return np.where(np.isfinite(after), np.where(np.isfinite(change), change, np.inf), np.nan)
