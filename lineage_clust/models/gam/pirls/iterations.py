"""Penalised iteratively reweighted least squares for non-Gaussian families, batched over genes."""

from __future__ import annotations

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse

from ....expression.storage.blocks import BlockedExpression
from ....utils.progress import bar
from ..design import Design
from ..smoothing.criteria import gcv, minimise, reml, reml_known_scale, ubre
from ..smoothing.spectral import diagonalise, diagonalise_each, without_information
from . import size
from .grouped_design import GroupedDesign, dense_columns
from .problem import Likelihood, Problem, State
from .scale import ScaleEquation
from .starting_values import gaussian_coefficients

_CHUNK_VALUES = 400_000  # values of the response per chunk, so that working arrays fit into the processor's cache
_TOLERANCE = 1e-12
_FREEZE = 15  # iterations after which smoothing parameters are fixed, as they may cycle
_HALVINGS = 12
_VANISHED = 30.0  # decrease of the log mean below its level


def make_problem(design: Design, weights, offset, likelihood: Likelihood, smoothing) -> Problem:
    """Return the Problem of a design, with sorted rows."""
    grouped = GroupedDesign(design.matrix)
    gram = design.matrix.T @ (design.matrix * weights[:, None])
    spectrum = diagonalise(gram, design.penalty)
    n_redundant = len(gram) - len(spectrum.gram)  # collinear columns, which appear as modes in each iteration
    family = likelihood.family
    needs_scale = not family.known_scale and likelihood.expectile is None and smoothing == "reml"
    return Problem(
        grouped,
        design.penalty,
        _root(design.penalty),
        design.constant,
        spectrum.n_unpenalized + n_redundant,
        weights[grouped.order],
        np.zeros((len(weights), 1)) if offset is None else offset[grouped.order][:, None],
        likelihood,
        smoothing,
        ScaleEquation(family, weights, spectrum.n_unpenalized) if needs_scale else None,
    )


def fit_genes(
    problem: Problem, design: Design, Y, finish, n_jobs=None, counts=None, theta=None
) -> tuple[list, dict[int, str]]:
    """Fit all genes in chunks.

    Y : `(n_cells, n_genes)` array, CSR or CSC matrix.
    finish : Called with the State of genes whose iterations have ended; its return values are collected.
    counts : `(n_genes,)` numbers of nonzero values; required for expression in a file.
    theta : `(n_genes,)` sizes of the negative binomial, if known.
    returns : list. Return values of `finish`.
    returns : dict of int to str. Reasons by position, for genes that cannot be fitted.

    In each iteration, the smoothing parameter of each gene minimises the criterion of its working linear model, with
    the same fixed point as the generalised Fellner-Schall method [1]_. Sizes of the negative binomial are updated by
    one Newton step. Steps that increase the penalised deviance are halved [2]_.

    Genes with zeros have no gamma or inverse Gaussian likelihood. Their score depends only on mean and variance, so
    that they are fitted by quasi-likelihood with Pearson's estimate of the scale; a likelihood with zeros replaced by
    small values would treat these as precise and not smooth at all. If no cell in an interval expresses the gene, the
    quasi-likelihood may have no maximum: the mean tends to 0, and the gene does not converge.

    References
    ----------
    .. [1] Wood & Fasiolo (2017). A generalized Fellner-Schall method for smoothing parameter optimization. Biometrics
       73, 1071-1081.
    .. [2] Wood (2017). Generalized Additive Models, 2nd ed., sections 3.4.1, 6.1.1 and 6.5.
    """
    likelihood = problem.likelihood
    weights = problem.weights[np.argsort(problem.grouped.order)]
    failed: dict[int, str] = {}
    begun: dict[int, tuple] = {}  # by first gene in memory: the genes that are fitted, and their starting values

    def run(theta):
        parts = []
        for genes, matrix in _genes_in_memory(Y, counts):
            if genes.start not in begun:
                refused = refused_genes(matrix, likelihood)
                failed.update({genes.start + gene: reason for gene, reason in refused.items()})
                kept = np.setdiff1d(np.arange(matrix.shape[1]), list(refused))
                start = gaussian_coefficients(design, matrix[:, kept], weights) if len(kept) else None
                begun[genes.start] = kept, start
            kept, start = begun[genes.start]
            step = int(np.clip(_CHUNK_VALUES // matrix.shape[0], 1, 64))
            pieces = [slice(first, first + step) for first in range(0, len(kept), step)]
            jobs = (
                delayed(_fit_chunk)(
                    problem, matrix, kept[piece], genes.start, start[:, piece],
                    None if theta is None else theta[genes.start + kept[piece]], finish,
                )
                for piece in bar(pieces, "models of genes", "batch")
            )  # fmt: skip
            parts += [part for some in Parallel(n_jobs=n_jobs, prefer="threads")(jobs) for part in some]
        return parts

    parts = run(theta)
    if theta is None and parts and likelihood.estimates_size and likelihood.dispersion == "shrunk":
        parts = run(shrunk_sizes(parts, Y.shape[1]))
    return parts, failed


def shrunk_sizes(parts: list, n_genes: int) -> np.ndarray:
    """Return the sizes `(n_genes,)` of the given parts, shrunk towards their trend over mean expression."""
    position = np.concatenate([part.genes for part in parts])
    chosen = np.sort(position)
    theta, information, means = np.ones(n_genes), np.zeros(n_genes), np.zeros(n_genes)
    theta[position] = np.concatenate([part.theta for part in parts])
    information[position] = np.concatenate([part.information for part in parts])
    means[position] = np.concatenate([part.means for part in parts])
    theta[chosen] = size.shrink(theta[chosen], information[chosen], means[chosen])
    return theta


def _genes_in_memory(Y, counts):
    """Yield `(genes, matrix)`: all genes at once or, from a file, parts that fit into the memory budget."""
    if isinstance(Y, BlockedExpression):
        yield from Y.gene_parts(counts)
    else:
        yield slice(0, Y.shape[1]), Y.tocsc() if sparse.issparse(Y) else Y


def refused_genes(Y, likelihood: Likelihood) -> dict[int, str]:
    """Return the reason for each gene whose values are outside the support of the family."""
    if sparse.issparse(Y):
        least, most = (getattr(Y, name)(axis=0).toarray().ravel() for name in ("min", "max"))
    else:
        least, most = Y.min(axis=0), Y.max(axis=0)
    failed = {}
    for gene, (low, high) in enumerate(zip(least, most, strict=True)):
        reason = likelihood.family.refuse(float(low), float(high), likelihood.link.name)
        if reason is not None:
            failed[gene] = reason
    return failed


def _fit_chunk(problem: Problem, Y, genes: np.ndarray, first: int, start: np.ndarray, theta, finish) -> list:
    with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
        state = _begin(problem, dense_columns(Y, genes, problem.grouped.order), first + genes, start, theta)
        parts = []
        for iteration in range(problem.likelihood.max_iter):
            ended = _advance(problem, state, iteration, fixed_theta=theta is not None)
            ended |= _vanished(problem, state)
            if iteration == problem.likelihood.max_iter - 1:
                ended[:] = True
            if ended.any():
                done = state.take(ended)
                done.coefficients[:, _ran_away(problem, done)] = np.nan
                parts.append(finish(problem, done))
                state = state.take(~ended)
            if len(state.genes) == 0:
                break
    return parts


def _ran_away(problem: Problem, state: State) -> np.ndarray:
    """Return which genes have a mean above twice their largest value at offset 0, as happens between cells."""
    link = problem.likelihood.link
    if link.name not in ("log", "inverse", "inv_squared"):
        return np.zeros(len(state.genes), dtype=bool)
    exposure = link.mean(problem.offset) if link.name == "log" else 1.0
    values, means = state.y / exposure, link.mean(state.eta - problem.offset)
    return means.max(axis=0) > 2 * values.max(axis=0)


def _vanished(problem: Problem, state: State) -> np.ndarray:
    """Return which genes have a mean that tends to 0 because there is no likelihood."""
    if not state.quasi.any() or problem.likelihood.link.name != "log":
        return np.zeros(len(state.genes), dtype=bool)
    level = np.log(problem.weights @ state.y / problem.weights.sum())
    return state.quasi & ((state.eta - problem.offset).min(axis=0) < level - _VANISHED)


def _begin(problem: Problem, y: np.ndarray, genes, start: np.ndarray, theta) -> State:
    likelihood, weights = problem.likelihood, problem.weights
    family, n_genes = likelihood.family, y.shape[1]
    level = weights @ y / weights.sum()
    mu = family.bounded(problem.grouped.predict(start), level)
    negative_binomial = family.name == "negative_binomial"
    if theta is None:
        estimated = likelihood.estimates_size
        theta = size.moment_size(y, mu, weights) if estimated else np.full(n_genes, likelihood.fixed_size())
    # the constant fit is the reference of the first step, to which it is halved if it overshoots
    constant = np.zeros(len(problem.penalty)) if problem.constant is None else problem.constant
    exposure = weights @ likelihood.link.mean(problem.offset) / weights.sum() if likelihood.link.name == "log" else 1.0
    coefficients = np.outer(constant, likelihood.link.predictor(level / exposure))
    return State(
        genes,
        y,
        mu,
        likelihood.link.predictor(mu),
        coefficients,
        np.ones(n_genes),
        theta,
        np.full(n_genes, np.nan),
        family.without_likelihood(y),
        np.zeros(n_genes),
        np.zeros(n_genes, dtype=bool),
        0,
        size.DistinctCounts(y, weights) if negative_binomial and likelihood.estimates_size else None,
    )


def _advance(problem: Problem, state: State, iteration: int, fixed_theta: bool) -> np.ndarray:
    """Perform one iteration in place; return which genes have ended, by convergence or without a finite step."""
    state.n_iter = iteration + 1
    likelihood, weights = problem.likelihood, problem.weights[:, None]
    y, mu, theta = state.y, state.mu, state.theta
    slope = likelihood.link.slope(mu)
    precision = weights * likelihood.asymmetry(y, mu) / likelihood.family.variance(mu, theta)
    working = precision * slope**2
    residual = precision * slope * (y - mu)
    response = working * (state.eta - problem.offset) + residual
    grams, cross = problem.grouped.grams(working), problem.grouped.cross(response)
    lost = without_information(grams) | ~np.isfinite(cross).all(axis=0)
    grams[lost], cross[:, lost] = np.eye(len(cross)), 0.0
    spectrum = diagonalise_each(grams, problem.penalty, problem.n_unpenalized)
    loadings = np.einsum("gcm,cg->mg", spectrum.basis, cross)
    if iteration < _FREEZE:
        squares = np.einsum("ij,ij->j", response, response / np.maximum(working, 1e-300))
        state.lambda_ = _smoothing_parameters(problem, spectrum, loadings, squares, state.scale)
    scores = loadings / (spectrum.gram + spectrum.penalty * state.lambda_)
    change = _descend(problem, state, np.einsum("gcm,mg->cg", spectrum.basis, scores), first=iteration == 0)
    settled = np.ones(len(change), dtype=bool)
    if problem.scale_equation is not None:
        scale = _scale(problem, state)
        settled = np.abs(np.log(scale / state.scale)) < 1e-6
        state.scale = scale
    if state.table is not None and not fixed_theta:
        theta, state.information = size.size_step(state.table, y, state.mu, problem.weights, state.theta)
        settled = (np.abs(np.log(theta / state.theta)) < 1e-5) | (theta >= size.MOST) | (theta <= size.LEAST)
        state.theta = theta
    state.converged = (change < _TOLERANCE) & settled & ~lost & (iteration > 0)
    state.coefficients[:, lost] = np.nan
    return state.converged | lost


def _scale(problem: Problem, state: State) -> np.ndarray:
    """Return the scale at which REML is stationary, with `D_p = deviance + lambda b'Sb`."""
    family, weights, equation = problem.likelihood.family, problem.weights, problem.scale_equation
    assert equation is not None
    penalty = state.lambda_ * np.square(problem.penalty_root @ state.coefficients).sum(axis=0)
    scale, y, mu = np.empty(len(state.genes)), state.y, state.mu
    for quasi in (False, True):
        genes = np.flatnonzero(state.quasi == quasi)
        if len(genes) == 0:
            continue
        of_genes: slice | np.ndarray = slice(None) if len(genes) == len(scale) else genes
        own, means = y[:, of_genes], mu[:, of_genes]
        if quasi:
            pearson = weights @ ((own - means) ** 2 / family.variance(means))
            scale[genes] = equation.of_working_model(pearson + penalty[genes])
        else:
            deviance = weights @ (family.loss(own, means) - family.least_loss(own))
            scale[genes] = equation.solve(deviance + penalty[genes])
    return scale


def _smoothing_parameters(problem: Problem, spectrum, loadings, squares, scale) -> np.ndarray:
    n_genes = loadings.shape[1]
    if not isinstance(problem.smoothing, str):
        return np.full(n_genes, float(problem.smoothing))
    known = problem.likelihood.family.known_scale
    if np.all(np.isfinite(scale)):  # the scale is estimated by its own equation, so it is known here
        known, loadings = True, loadings / np.sqrt(scale)
    criteria = {("reml", True): reml_known_scale, ("reml", False): reml, ("gcv", True): ubre, ("gcv", False): gcv}
    criterion = criteria[problem.smoothing, known](spectrum, loadings, squares, len(problem.weights))
    return minimise(criterion, spectrum, n_genes)[0]


def _descend(problem: Problem, state: State, proposal: np.ndarray, first: bool) -> np.ndarray:
    """Update the state by a step towards the proposal, halved if needed; return the relative change of the objective."""
    likelihood, weights = problem.likelihood, problem.weights

    def place(coefficients, columns):
        eta = problem.grouped.predict(coefficients) + problem.offset
        mu = likelihood.link.mean(eta)
        loss = likelihood.loss(state.y[:, columns], mu, state.theta[columns], weights)
        loss = np.where(likelihood.impossible(eta, mu), np.inf, loss)
        return eta, mu, loss + penalty(coefficients, columns)

    def penalty(coefficients, columns):
        return state.lambda_[columns] * np.square(problem.penalty_root @ coefficients).sum(axis=0)

    every = slice(None)
    if first:
        _, _, before = place(state.coefficients, every)
    else:
        before = likelihood.loss(state.y, state.mu, state.theta, weights) + penalty(state.coefficients, every)
    size_of = np.abs(before) + weights.sum()
    eta, mu, after = place(proposal, every)
    for _ in range(_HALVINGS):
        worse = np.flatnonzero(~(after <= before + 1e-9 * size_of))
        if len(worse) == 0:
            break
        proposal[:, worse] = 0.5 * (proposal[:, worse] + state.coefficients[:, worse])
        eta[:, worse], mu[:, worse], after[worse] = place(proposal[:, worse], worse)
    state.coefficients, state.eta, state.mu = proposal, eta, mu
    change = np.abs(after - before) / size_of
    return np.where(np.isfinite(change), change, np.inf)


def _root(penalty: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(penalty)
    kept = values > 1e-12 * max(values[-1], 0.0)
    return np.sqrt(values[kept])[:, None] * vectors[:, kept].T
