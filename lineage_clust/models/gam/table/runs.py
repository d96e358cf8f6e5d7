"""Fits of selected genes on a grid, with a check of the interpolation error, or from the cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse

from ....expression.counts.table import Table, tabulating
from ....expression.passes import SumRequests
from ....expression.storage.tasks import MOST_THREADS
from ....utils.compiling import is_worthwhile
from ....utils.progress import bar
from ....utils.threads import in_threads
from ...links import Link
from ..design import Design
from ..pirls.chunks import ChunkResult
from ..pirls.histogram import Histogram
from ..pirls.iterations import Likelihood, fit_genes, make_problem
from ..pirls.results import summarise
from ..smoothing.spectral import Spectrum
from .grid import Grid, wanted_for
from .iterations import GridState, begin, chunk_size, compiled_loops, fit_chunk
from .problem import GridProblem, make_grid_problem
from .results import summarise_on_grid

_CHECKED = 200  # cells
_READ = 4  # times that sums are read, at least
_SPLIT = 128  # number of genes from which threads share them equally


@dataclass(frozen=True)
class Cells:
    """Quantities shared by all fits, see :func:`lineage_clust.models.gam.table.fit.fit_on_grid`."""

    design: Design
    weights: np.ndarray
    offset: np.ndarray | None
    smoothing: str | float
    covariance: str
    likelihood: Likelihood
    n_jobs: int | None
    tolerance: float
    spectrum: Spectrum  # of the cells' gram matrix

    @property
    def adds_exposures(self) -> bool:
        """Whether exposures add up, so that the grid needs no offset: Poisson family with a log link."""
        poisson = self.likelihood.family.name == "poisson" and self.likelihood.link.name == "log"
        return poisson and self.offset is not None


def grid_fits(
    cells: Cells, Y, positions: np.ndarray, grid: Grid, of_groups: Callable[[Any, Grid], Table | None] | None = None
) -> SumRequests:
    """Return the GridFits of some genes after one pass over their expression.

    Y : `(n_cells, len(positions))` expression.
    positions : Positions of these genes among all genes.
    of_groups : See :func:`lineage_clust.models.gam.table.fit.fit_on_grid`.
    """
    if cells.adds_exposures and cells.offset is not None:
        grid = replace(grid, shares=replace(grid.shares, offsets=cells.offset))
    wanted = wanted_for(cells.likelihood.family, Y.shape)
    table = None if of_groups is None else of_groups(Y, grid)
    if table is None:
        table = yield from tabulating(Y, grid.shares, wanted)
    return GridFits(cells, table, positions, grid)


class GridFits:
    """Fits of genes on a grid, in chunks; see :func:`grid_fits`."""

    def __init__(self, cells: Cells, table: Table, positions: np.ndarray, grid: Grid):
        likelihood, self.positions, self.n_jobs = cells.likelihood, positions, cells.n_jobs
        exposures = cells.offset if cells.adds_exposures else None
        self.table = table
        constant = cells.design.constant
        self.problem = make_grid_problem(
            grid,
            cells.spectrum,
            constant,
            cells.weights,
            exposures,
            likelihood,
            cells.smoothing,
            compiled=is_worthwhile(_READ * table.sums.size),
        )
        self.exposures = exposures is not None
        self.check = Check(cells.design, grid, self.problem.basis, likelihood.link, cells.tolerance)
        self.finish = partial(summarise_on_grid, cells.design, cells.covariance, self.table.statistics)

    def __call__(self, genes: np.ndarray, theta: np.ndarray | None) -> tuple[list[ChunkResult], np.ndarray]:
        """Return the results of genes, and the genes that miss the tolerance; `theta` are known sizes of all genes."""
        places = np.full(int(self.positions.max(initial=0)) + 1, -1)
        places[self.positions] = np.arange(len(self.positions))
        genes = places[genes]
        n_pieces = -(-len(genes) // chunk_size(len(self.problem.weights)))
        if len(genes) >= _SPLIT:
            n_pieces = -(-n_pieces // MOST_THREADS) * MOST_THREADS  # so that all threads end at the same time
        pieces = np.array_split(genes, n_pieces) if n_pieces else []
        if self.n_jobs is None and compiled_loops(self.problem) is not None:
            fits = in_threads(partial(self._fit, theta=theta), pieces)
        else:
            jobs = (delayed(self._fit)(piece, theta) for piece in pieces)
            fits = Parallel(n_jobs=self.n_jobs, prefer="threads", return_as="generator")(jobs)
        found = list(bar(fits, "models of genes", "batch", len(pieces)))
        parts = [replace(part, genes=self.positions[part.genes]) for parts, _ in found for part in parts]
        missed = np.concatenate([some for _, some in found]) if found else np.zeros(0, dtype=int)
        return parts, self.positions[missed]

    def _fit(self, genes: np.ndarray, theta: np.ndarray | None) -> tuple[list[ChunkResult], np.ndarray]:
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
            None if theta is None else theta[self.positions[genes]],
        )
        missed: list[np.ndarray] = []

        def finish(problem: GridProblem, state: GridState) -> ChunkResult | None:
            missed.append(state.genes[self.check.misses(state)] if theta is None else state.genes[:0])
            state = state.take(~np.isin(state.genes, missed[-1]))
            self._stop_runaways(state)
            return self.finish(problem, state) if len(state.genes) else None

        parts = fit_chunk(problem, state, finish, fixed_theta=theta is not None)
        return [part for part in parts if part is not None], np.concatenate(missed)

    def _stop_runaways(self, state: GridState) -> None:
        """Mark genes as failed whose mean exceeds twice their largest value at offset 0, as happens between cells."""
        if self.problem.likelihood.link.name == "log":
            with np.errstate(over="ignore", invalid="ignore"):
                most = np.exp(state.eta - self.problem.offset).max(axis=0)
                state.coefficients[:, most > 2 * self.table.extremes[state.genes, 2]] = np.nan


class ExactFits:
    """Fits of genes from the cells."""

    def __init__(self, cells: Cells, Y, counts: np.ndarray):
        self.cells, self.Y, self.counts = cells, Y, counts
        self.failed: dict[int, str] = {}

    def __call__(self, genes: np.ndarray, theta: np.ndarray | None) -> list[ChunkResult]:
        """Return the results of genes; reasons of failures are added to `failed`."""
        if len(genes) == 0:
            return []
        cells, design, likelihood = self.cells, self.cells.design, self.cells.likelihood
        if theta is None and likelihood.estimates_size:
            likelihood = replace(likelihood, dispersion="gene")  # shrunk together with all others
        design = replace(design, matrix=design.dense_matrix())
        problem = make_problem(design, cells.weights, cells.offset, likelihood, cells.smoothing)
        known = None if theta is None else theta[genes]
        finish = partial(summarise, design, cells.covariance)
        parts, failed = fit_genes(problem, design, self.Y[:, genes], finish, cells.n_jobs, self.counts[genes], known)
        self.failed.update({int(genes[place]): reason for place, reason in failed.items()})
        return [replace(part, genes=genes[part.genes]) for part in parts]


class Check:
    """Comparison of trends with their interpolation from the nodes, at a sample of the cells."""

    def __init__(self, design: Design, grid: Grid, basis: np.ndarray, link: Link, tolerance: float):
        shares, n_offsets = grid.shares, grid.n_offsets
        order = shares.order()
        cells = order[np.linspace(0, len(order) - 1, min(_CHECKED, len(order))).astype(int)]
        matrix = design.matrix[cells]
        self.at_cells = (matrix.toarray() if sparse.issparse(matrix) else matrix) @ basis
        self.at_nodes = grid.rows[::n_offsets] @ basis
        along = shares.values[cells] * shares.twice[cells].sum(axis=1, keepdims=True)
        places = (shares.starts[cells] // n_offsets)[:, None] + np.arange(along.shape[1])
        ends = along.shape[1] * np.arange(len(cells) + 1)
        self.shares = sparse.csr_array((along.ravel(), places.ravel(), ends), shape=(len(cells), len(self.at_nodes)))
        found, piece, count = np.unique(places[:, 0], return_inverse=True, return_counts=True)
        parts = (1.0 / count[piece.ravel()], (piece.ravel(), np.arange(len(cells))))
        self.averages = sparse.csr_array(parts, shape=(len(found), len(cells)))
        self.link, self.tolerance = link, tolerance

    def misses(self, state: GridState) -> np.ndarray:
        """Return which genes `(n_genes,)` miss the tolerance between any two knots."""
        coefficients = np.nan_to_num(state.coefficients)
        trend, nodes = self.link.mean(self.at_cells @ coefficients), self.link.mean(self.at_nodes @ coefficients)
        error = np.abs(self.averages @ (self.shares @ nodes - trend))
        return (error > self.tolerance * np.maximum(np.ptp(trend, axis=0), trend.max(axis=0))).any(axis=0)
