"""Fits of all genes from one pass over their expression: the grid, the table, the iterations, and what they leave over."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse

from ...expression.count_table import Table, Wanted, count_table
from ...utils.progress import bar
from ..links import Link
from .counted import Histogram
from .design import Design
from .gaussian import FitResult
from .glm import summarise
from .grid import Grid, bands_of, make_grid
from .parts import Part, collected
from .pirls import Likelihood, fit_genes, shrunk_sizes
from .pirls import make_problem as make_exact_problem
from .spectral import diagonalise
from .tabled import TabledProblem, TabledState, begin, chunk_size, fit_chunk, make_problem
from .tabled_results import summarise as summarise_table

_LINKS = ("log", "logit")
_POWERS = {"gamma": (-1.0, -2.0), "inverse_gaussian": (-1.0, -2.0, -3.0)}  # of the mean, in loss and scale
_WORTHWHILE = 5  # cells a node
_LEAST_CELLS = 2_000
_CHECKED = 200  # cells


def can_be_tabled(likelihood: Likelihood) -> bool:
    """Return whether sums over cells are all that a likelihood needs, and are smooth functions of pseudotime and offset."""
    return likelihood.family.name != "gaussian" and likelihood.link.name in _LINKS and likelihood.expectile is None


def fit_tabled(
    design: Design, Y, weights: np.ndarray, offset, smoothing, covariance: str, likelihood: Likelihood, *,
    tolerance: float, always: bool, n_jobs=None,
) -> FitResult | None:  # fmt: skip
    """Fit all genes from sums over a grid; arguments as of :func:`lineage_clust.models.gam.glm.fit_glm`.

    Parameters
    ----------
    tolerance
        Error of a trend that is allowed, as a share of its range (or of its level, if that is more).
    always
        Whether the grid is used although it has hardly fewer nodes than there are cells.

    Returns
    -------
    FitResult or None
        `None` if there is no grid that is worth it.

    Notes
    -----
    With `T_n` and `W_n` the sums of weighted values and of weights at node `n`, see
    :class:`lineage_clust.models.gam.grid.Grid`, deviance and score of an exponential family are those of `T_n / W_n` with
    weight `W_n`, for both are linear in the values; Fisher's information depends on the means alone. A Poisson family with
    a log link needs no nodes for the offset: exposures `exp(offset)` add up.

    Genes are fitted cell by cell where sums do not suffice: values that are no counts under "negative_binomial", zeros under
    "gamma" and "inverse_gaussian" (quasi-likelihood), and trends that are so steep that the nodes miss the tolerance, which
    is checked in a sample of cells.

    References
    ----------
    Wood, Li, Shaddick & Augustin (2017). Generalized additive models for gigadata. JASA 112, 1199-1210.
    """
    if not can_be_tabled(likelihood):
        return None
    if not always and len(weights) < _LEAST_CELLS:
        return None
    family, log_link = likelihood.family, likelihood.link.name == "log"
    add_exposures = family.name == "poisson" and log_link and offset is not None
    grid = make_grid(
        design,
        weights,
        None if add_exposures else offset,
        tolerance,
        log_link=log_link,
        powers=_POWERS.get(family.name, (1.0,)),
    )
    if grid is None or not (always or len(weights) >= _WORTHWHILE * grid.n_nodes):
        return None
    if add_exposures:
        grid = replace(grid, shares=replace(grid.shares, offsets=offset))
    wanted = Wanted(
        squares=not family.known_scale,
        histogram=family.name == "negative_binomial",
        least_loss=None if family.name == "negative_binomial" else family.least_loss,
    )
    table = count_table(Y, grid.shares, wanted)
    gram = bands_of(design).gram(weights)
    spectrum = diagonalise(gram, design.penalty)
    problem = make_problem(
        grid, spectrum, design.constant, weights, offset if add_exposures else None, likelihood, smoothing
    )
    failed = _refused(table, likelihood, len(weights))
    suited = np.setdiff1d(np.flatnonzero(_suits(table, likelihood, len(weights))), list(failed))
    check = _Check(design, grid, problem.basis, likelihood.link, tolerance)
    run = _Run(design, problem, table, covariance, n_jobs, check, add_exposures)
    left = np.setdiff1d(np.arange(Y.shape[1]), np.union1d(suited, list(failed)).astype(int))
    exact = _Exact(design, Y, weights, offset, smoothing, covariance, likelihood, n_jobs, table)

    parts, missed = run(suited, None)
    left = np.union1d(left, missed)
    parts += exact(left, None)
    if parts and likelihood.estimates_size and likelihood.dispersion == "shrunk":
        theta = shrunk_sizes(parts, Y.shape[1])
        parts = run(np.setdiff1d(suited, missed), theta)[0] + exact(left, theta)
    failed.update(exact.failed)
    found = (
        table.statistics[:, 4].astype(np.int64),
        table.statistics[:, 5] / weights.max(),
        table.extremes[:, 1] >= 2**31 - 1,
    )
    return collected(parts, failed, Y, design, weights, likelihood, found)


class _Run:
    """Fits genes on the grid, a few at a time."""

    def __init__(self, design: Design, problem: TabledProblem, table: Table, covariance: str, n_jobs, check, exposures):
        self.problem, self.table, self.n_jobs, self.check = problem, table, n_jobs, check
        self.exposures = exposures
        self.finish = partial(summarise_table, design, covariance, table.statistics)

    def __call__(self, genes: np.ndarray, theta: np.ndarray | None) -> tuple[list[Part], np.ndarray]:
        """Return the results of genes, and which of them miss the tolerance; sizes `(n_all_genes,)` may be known."""
        step = chunk_size(len(self.problem.weights))
        pieces = [genes[first : first + step] for first in range(0, len(genes), step)]
        jobs = (delayed(self._fit)(piece, theta) for piece in bar(pieces, "models of genes", "batch"))
        found = Parallel(n_jobs=self.n_jobs, prefer="threads")(jobs)
        missed = [some for _, some in found]
        return [part for parts, _ in found for part in parts], np.concatenate(missed) if missed else np.zeros(
            0, dtype=int
        )

    def _fit(self, genes: np.ndarray, theta: np.ndarray | None) -> tuple[list[Part], np.ndarray]:
        problem, table, order = self.problem, self.table, self.problem.grouped.order
        statistics = table.statistics[genes]
        histogram = Histogram.of(table.histogram[genes]) if len(table.histogram) else None
        state = begin(
            problem,
            genes,
            np.ascontiguousarray(table.sums[genes].T[order]),
            np.ascontiguousarray(table.squares[genes].T[order]) if len(table.squares) else None,
            statistics[:, 6] + 2 * statistics[:, 10] * self.exposures,
            histogram,
            statistics[:, 1],
            None if theta is None else theta[genes],
        )
        missed: list[np.ndarray] = []

        def finish(problem: TabledProblem, state: TabledState) -> Part | None:
            missed.append(state.genes[self.check.misses(state)] if theta is None else state.genes[:0])
            state = state.take(~np.isin(state.genes, missed[-1]))
            self._stop_runaways(state)
            return self.finish(problem, state) if len(state.genes) else None

        parts = fit_chunk(problem, state, finish, fixed_theta=theta is not None)
        return [part for part in parts if part is not None], np.concatenate(missed)

    def _stop_runaways(self, state: TabledState) -> None:
        """Give up genes with a mean of more than twice their largest value, at offset 0: it is the mean of no cells."""
        if self.problem.likelihood.link.name == "log":
            with np.errstate(over="ignore", invalid="ignore"):
                most = np.exp(state.eta - self.problem.offset).max(axis=0)
                state.coefficients[:, most > 2 * self.table.extremes[state.genes, 2]] = np.nan


class _Exact:
    """Fits genes cell by cell."""

    def __init__(self, design, Y, weights, offset, smoothing, covariance, likelihood, n_jobs, table: Table):
        self.arguments = design, Y, weights, offset, smoothing, covariance, likelihood, n_jobs
        self.counts, self.failed = table.statistics[:, 4], {}

    def __call__(self, genes: np.ndarray, theta: np.ndarray | None) -> list[Part]:
        """Return the results of genes; reasons of those that fail are kept."""
        design, Y, weights, offset, smoothing, covariance, likelihood, n_jobs = self.arguments
        if len(genes) == 0:
            return []
        likelihood = (
            replace(likelihood, dispersion="gene") if theta is None and likelihood.estimates_size else likelihood
        )
        design = replace(design, matrix=design.matrix.toarray()) if sparse.issparse(design.matrix) else design
        problem = make_exact_problem(design, weights, offset, likelihood, smoothing)
        parts, failed = fit_genes(
            problem, design, Y[:, genes], partial(summarise, design, covariance), n_jobs, self.counts[genes],
            None if theta is None else theta[genes],
        )  # fmt: skip
        self.failed.update({int(genes[place]): reason for place, reason in failed.items()})
        return [replace(part, genes=genes[part.genes]) for part in parts]


class _Check:
    """Compares trends with what is interpolated from the nodes, at a sample of the cells."""

    def __init__(self, design: Design, grid: Grid, basis: np.ndarray, link: Link, tolerance: float):
        shares, n_offsets = grid.shares, grid.n_offsets
        order = np.argsort(shares.starts, kind="stable")
        cells = order[np.linspace(0, len(order) - 1, min(_CHECKED, len(order))).astype(int)]
        matrix = design.matrix[cells]
        self.at_cells = (matrix.toarray() if sparse.issparse(matrix) else matrix) @ basis
        self.at_nodes = grid.rows[::n_offsets] @ basis
        along = shares.values[cells].reshape(len(cells), -1, n_offsets).sum(axis=2)
        places = (shares.starts[cells] // n_offsets)[:, None] + np.arange(along.shape[1])
        ends = along.shape[1] * np.arange(len(cells) + 1)
        self.shares = sparse.csr_array((along.ravel(), places.ravel(), ends), shape=(len(cells), len(self.at_nodes)))
        found, piece, count = np.unique(places[:, 0], return_inverse=True, return_counts=True)
        parts = (1.0 / count[piece.ravel()], (piece.ravel(), np.arange(len(cells))))
        self.averages = sparse.csr_array(parts, shape=(len(found), len(cells)))
        self.link, self.tolerance = link, tolerance

    def misses(self, state: TabledState) -> np.ndarray:
        """Return which genes `(n_genes,)` miss the tolerance between some two knots."""
        coefficients = np.nan_to_num(state.coefficients)
        trend, nodes = self.link.mean(self.at_cells @ coefficients), self.link.mean(self.at_nodes @ coefficients)
        error = np.abs(self.averages @ (self.shares @ nodes - trend))
        return (error > self.tolerance * np.maximum(np.ptp(trend, axis=0), trend.max(axis=0))).any(axis=0)


def _refused(table: Table, likelihood: Likelihood, n_cells: int) -> dict[int, str]:
    """Return the reason of each gene whose values the family cannot have."""
    family, (least, most, _) = likelihood.family, table.extremes.T
    some_zeros = table.statistics[:, 4] < n_cells
    least, most = (
        np.where(some_zeros, bound(values, 0.0), values) for bound, values in ((np.minimum, least), (np.maximum, most))
    )
    least = np.where(np.isfinite(table.statistics[:, 0]), least, np.nan)
    usual = (least >= family.lowest) & (most <= min(family.highest, 1e100)) & (most > 0) & (least < 1)
    failed = {}
    for gene in np.flatnonzero(~usual):
        reason = family.refuse(float(least[gene]), float(most[gene]), likelihood.link.name)
        if reason is not None:
            failed[int(gene)] = reason
    return failed


def _suits(table: Table, likelihood: Likelihood, n_cells: int) -> np.ndarray:
    """Return which genes `(n_genes,)` their sums suffice for."""
    if likelihood.family.name == "negative_binomial":
        return table.statistics[:, 7] == 0
    if likelihood.family.positive:
        return (table.statistics[:, 4] == n_cells) & (table.extremes[:, 0] > 0)
    return np.ones(len(table.statistics), dtype=bool)
