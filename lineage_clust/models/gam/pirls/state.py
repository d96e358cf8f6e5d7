"""Expression of some genes at the nodes, and the current state of their fits."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..smoothing.criteria import log_lambda_range, on_grid, reml
from .problem import Problem
from .size import DistinctCounts, Histogram, moment_size

_N_STARTS = 20  # values of lambda
_FITTED = (
    "mu", "eta", "coefficients", "log_lambda", "theta", "scale", "information", "converged", "n_iter",
)  # fmt: skip


@dataclass
class Values:
    """Expression of some genes: `(n_genes,)`, or `(n_nodes, n_genes)` in the order of the grouped design.

    genes : Positions of the genes.
    sums : Weighted sums of values at the nodes.
    squares : The same for squared values, or `None` where nodes are cells or the scale is known.
    total_squares : Weighted sum of squares over all cells.
    least : Sum of the losses of a saturated model, unless it is computed from `counts`.
    most : Largest value, rescaled to offset 0.
    spread : Weighted standard deviation of values rescaled to offset 0.
    quasi : Whether the gene has values without a likelihood.
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

    Means start from a Gaussian fit. The constant fit is the reference of the first
    step, to which it is halved if it overshoots.
    """
    likelihood, weights, sums = problem.likelihood, problem.weights, values.sums
    family, link, n_genes, total = likelihood.family, likelihood.link, sums.shape[1], weights.sum()
    exposure = weights[:, 0] @ link.mean(problem.offset[:, 0]) / total if link.name == "log" else 1.0
    level = sums.sum(axis=0) / total / exposure
    loadings, spectrum = problem.cross(sums), problem.spectrum
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
        theta = np.full(n_genes, likelihood.fixed_size())
    scale = np.ones(n_genes)
    if problem.scale_equation is not None:
        scale = problem.scale_equation.of_working_model(pearson_of(problem, values, mu, theta))
    if not isinstance(problem.smoothing, str):
        lambda_ = np.full(n_genes, float(problem.smoothing))
    return State(
        **vars(values), mu=mu, eta=eta, coefficients=np.outer(constant, intercept), log_lambda=np.log(lambda_),
        theta=theta, scale=scale, information=np.zeros(n_genes), converged=np.zeros(n_genes, dtype=bool),
        n_iter=np.zeros(n_genes, dtype=int),
    )  # fmt: skip


def pearson_of(problem: Problem, values: Values, mu: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return Pearson statistics `(n_genes,)`."""
    likelihood, weights, fitted = problem.likelihood, problem.weights, problem.weights * mu
    if values.squares is None:  # nodes are cells
        squared = (values.sums - fitted) ** 2 / weights * likelihood.asymmetry(values.sums, fitted)
    else:
        squared = values.squares - 2 * values.sums * mu + fitted * mu
    return np.sum(squared / likelihood.family.variance(mu, theta), axis=0)
