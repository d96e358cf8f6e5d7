"""Fits of selected genes on a grid, with a check of the interpolation error, or from the cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse

from ....expression.counts import bins
from ....expression.counts.table import Table
from ....expression.storage.blocks import BlockedExpression
from ....expression.storage.tasks import MOST_THREADS
from ....utils.cached import cached_property
from ....utils.compiling import is_worthwhile
from ....utils.matrices import chunks, dense
from ....utils.progress import bar
from ....utils.threads import in_threads
from ...notes import spread_of
from .grid import Grid, grid_of_cells
from .grouped_design import dense_columns
from .iterations import Values, begin, compiled_loops, iterate, stop_runaways
from .problem import Cells, Likelihood, Problem, make_problem
from .results import ChunkResult, summarise
from .size import DistinctCounts, Histogram

_CHECKED = 200  # cells
_READ = 8  # times that sums are read, about
_SPLIT = 128  # number of genes from which threads share them equally
_CELL_VALUES, _NODE_VALUES = 400_000, 100_000  # per chunk, so that working arrays fit into the processor's cache


class GridFits:
    """Fits of genes, with ascending positions among all, from sums of expression over the nodes of a grid, in chunks."""

    def __init__(self, cells: Cells, table: Table, genes: np.ndarray, grid: Grid):
        self.cells, self.table, self.genes = cells, table, genes
        exposures = cells.offset if cells.adds_exposures else None
        self.problem = make_problem(cells, grid, exposures, is_worthwhile(_READ * table.sums.size))
        self.check = Check(self.problem)

    def __call__(self, genes: np.ndarray, theta: np.ndarray | None) -> tuple[list[ChunkResult], np.ndarray]:
        """Return the results of genes, and the genes that miss the tolerance; `theta` are known sizes of all genes."""
        positions = np.searchsorted(self.genes, genes)
        step = int(np.clip(_NODE_VALUES // len(self.problem.weights), 16, 512))
        n_pieces = -(-len(genes) // step)
        if len(genes) >= _SPLIT:
            n_pieces = -(-n_pieces // MOST_THREADS) * MOST_THREADS  # so that all threads end at the same time
        pieces = np.array_split(positions, n_pieces) if n_pieces else []
        n_jobs, ours = self.cells.choices.n_jobs, compiled_loops(self.problem) is not None

        @np.errstate(all="ignore")
        def fit(positions: np.ndarray) -> tuple[ChunkResult | None, np.ndarray]:
            values = self._values(self.genes[positions], positions)
            return _fitted(self.problem, values, theta, self.check)

        found = each_piece(fit, pieces, n_jobs, ours)
        missed = [some for _, some in found]
        return [part for part, _ in found if part is not None], np.concatenate([genes[:0], *missed])

    def _values(self, genes: np.ndarray, positions: np.ndarray) -> Values:
        table, total, at = self.table, self.problem.total, self.problem.order
        statistics = table.statistics[positions]
        mean, square = statistics[:, bins.SCALED_SUM] / total, statistics[:, bins.SCALED_SQUARES] / total
        varies = square - mean**2
        return Values(
            genes, np.ascontiguousarray(table.sums[positions].T[at]),
            np.ascontiguousarray(table.squares[positions].T[at]) if len(table.squares) else None,
            statistics[:, bins.SQUARES],
            statistics[:, bins.LEAST_LOSS] + 2 * statistics[:, bins.OFFSET_SUM] * self.cells.adds_exposures,
            table.extremes[positions, bins.MOST_SCALED], np.sqrt(np.where(varies > 1e-13 * square, varies, 0.0)),
            np.zeros(len(genes), dtype=bool), mean, table.picked[positions].T,
            Histogram.of(table.histogram[positions]) if len(table.histogram) else None,
        )  # fmt: skip


class ExactFits:
    """Fits of genes from the cells, in chunks; `counts` `(n_genes,)` are numbers of nonzero values."""

    def __init__(self, cells: Cells, Y, counts: np.ndarray):
        self.cells, self.Y, self.counts = cells, Y, counts
        self.failed: dict[int, str] = {}

    def __call__(self, genes: np.ndarray, theta: np.ndarray | None) -> tuple[list[ChunkResult], np.ndarray]:
        """Return the results of genes, and no genes, like :class:`GridFits`; reasons of failures are added to `failed`."""
        likelihood, parts = self.cells.likelihood, []
        step = int(np.clip(_CELL_VALUES // self.Y.shape[0], 1, 64))
        for own, matrix in self._in_memory(genes):
            failed = refused(likelihood, *_extremes(matrix))
            self.failed.update({int(own[column]): reason for column, reason in failed.items()})
            columns = np.setdiff1d(np.arange(len(own)), list(failed))
            pieces = [columns[some] for some in chunks(len(columns), step)]
            fit = partial(self._fit, matrix, own, theta)
            parts += [part for part, _ in each_piece(fit, pieces, self.cells.choices.n_jobs, False)]
        return parts, genes[:0]

    def _in_memory(self, genes: np.ndarray) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield genes with their expression: all of them at once or, from a file, parts that fit into the memory budget."""
        if len(genes) == 0:
            return
        Y = self.Y if len(genes) == self.Y.shape[1] else self.Y[:, genes]
        if isinstance(Y, BlockedExpression):
            for part, matrix in Y.gene_parts(self.counts[genes]):
                yield genes[part], matrix
        else:
            yield genes, Y.tocsc() if sparse.issparse(Y) else Y

    @cached_property
    def problem(self) -> Problem:
        """Problem whose nodes are the cells."""
        cells = self.cells
        return make_problem(cells, grid_of_cells(cells.design, cells.weights, cells.offset), None, False)

    @cached_property
    def lines(self) -> np.ndarray:
        """Nodes of the cells that trends can follow, in the order of the problem."""
        return np.argsort(self.problem.order)[self.cells.followed]

    @np.errstate(all="ignore")
    def _fit(self, matrix, genes: np.ndarray, theta: np.ndarray | None, columns: np.ndarray):
        values = self._values(genes[columns], dense_columns(matrix, columns, self.problem.order))
        return _fitted(self.problem, values, theta)

    def _values(self, genes: np.ndarray, y: np.ndarray) -> Values:
        family, link, weights = self.cells.likelihood.family, self.cells.likelihood.link, self.problem.weights[:, 0]
        scaled = y / link.mean(self.problem.offset) if link.name == "log" else y
        counts = DistinctCounts.of(y, weights) if family.name == "negative_binomial" else None
        level = weights @ y / weights.sum()
        least = np.zeros(len(genes)) if counts is not None else weights @ family.best_loss(y, level)
        return Values(
            genes, weights[:, None] * y, None, weights @ y**2, least, scaled.max(axis=0), spread_of(scaled, weights),
            family.without_likelihood(y), weights @ scaled / weights.sum(), y[self.lines], counts,
        )  # fmt: skip


def _fitted(
    problem: Problem, values: Values, theta: np.ndarray | None, check: Check | None = None
) -> tuple[ChunkResult | None, np.ndarray]:
    """Return the results of genes, and those that miss the tolerance; `theta` are known sizes of all genes."""
    genes, known = values.genes, theta is not None
    state = begin(problem, values, None if theta is None else theta[genes])
    iterate(problem, state, fixed_theta=known)
    missed = np.zeros(len(genes), dtype=bool) if check is None or known else check.misses(state.coefficients)
    state = state.take(~missed)
    stop_runaways(problem, state)
    return None if missed.all() else summarise(problem, state), genes[missed]


def each_piece(fit: Callable, pieces: Sequence, n_jobs: int | None, release_gil: bool) -> list:
    """Return the results of all pieces, fitted in threads: by default all of them if most of the time needs no GIL."""
    if n_jobs is None and release_gil:
        fits = in_threads(fit, pieces)
    else:
        fits = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(delayed(fit)(one) for one in pieces)
    return list(bar(fits, "models of genes", "batch", len(pieces)))


def _extremes(Y) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and largest value of each gene."""
    least, most = Y.min(axis=0), Y.max(axis=0)
    if sparse.issparse(Y):
        least, most = least.toarray().ravel(), most.toarray().ravel()
    return least.astype(float), most.astype(float)


def refused(likelihood: Likelihood, least: np.ndarray, most: np.ndarray) -> dict[int, str]:
    """Return the reason for each gene whose values are outside the support of the family."""
    family = likelihood.family
    usual = (least >= family.lowest) & (most <= min(family.highest, 1e100)) & (most > 0) & (least < 1)
    reasons = {
        gene: family.refuse(float(least[gene]), float(most[gene]), likelihood.link.name)
        for gene in np.flatnonzero(~usual).tolist()
    }
    return {gene: reason for gene, reason in reasons.items() if reason is not None}


class Check:
    """Comparison of trends with their interpolation from the nodes, at a sample of the cells."""

    def __init__(self, problem: Problem):
        own, grid, basis = problem.cells, problem.grid, problem.basis
        shares, n_offsets = grid.shares, grid.n_offsets
        order = shares.order()
        cells = order[np.linspace(0, len(order) - 1, min(_CHECKED, len(order))).astype(int)]
        self.at_cells = dense(own.design.matrix[cells]) @ basis
        self.at_nodes = grid.rows[::n_offsets] @ basis
        along = shares.values[cells] * shares.twice[cells].sum(axis=1, keepdims=True)
        places = (shares.starts[cells] // n_offsets)[:, None] + np.arange(along.shape[1])
        ends = along.shape[1] * np.arange(len(cells) + 1)
        self.shares = sparse.csr_array((along.ravel(), places.ravel(), ends), shape=(len(cells), len(self.at_nodes)))
        found, piece, count = np.unique(places[:, 0], return_inverse=True, return_counts=True)
        parts = (1.0 / count[piece.ravel()], (piece.ravel(), np.arange(len(cells))))
        self.averages = sparse.csr_array(parts, shape=(len(found), len(cells)))
        self.link, self.tolerance = own.likelihood.link, own.choices.tolerance

    def misses(self, coefficients: np.ndarray) -> np.ndarray:
        """Return which genes `(n_genes,)` miss the tolerance between any two knots."""
        coefficients = np.nan_to_num(coefficients)
        trend, nodes = self.link.mean(self.at_cells @ coefficients), self.link.mean(self.at_nodes @ coefficients)
        error = np.abs(self.averages @ (self.shares @ nodes - trend))
        return (error > self.tolerance * np.maximum(np.ptp(trend, axis=0), trend.max(axis=0))).any(axis=0)
