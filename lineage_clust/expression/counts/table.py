"""Sums of expression over the nodes of a grid of pseudotime and offset, for count models, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from scipy import sparse

from ...utils.compiling import compiled_module
from ...utils.matrices import summed
from ..passes import SumRequest
from ..storage.blocks import BlockedExpression
from . import bins

load_compiled = compiled_module(".count_loops", __package__)

_KINDS = {np.dtype(kind) for kind in ("f4", "f8", "i4")}  # compiled; others are converted to double precision
_LOOKED_UP = 2**12


@dataclass(frozen=True)
class Shares:
    """Proportions in which the values of each cell are distributed over the nodes of a grid.

    starts, values : First node `(n_cells,)` of each cell, and proportions `(n_cells, width)` of the nodes from there on;
        they add up to 1, and may be negative.
    offsets : `(n_cells,)` log of the mean of each cell relative to that of a cell with offset 0; 0 if offsets are not
        logarithms of exposures.
    across : `(n_cells, n_across)` proportions in which each part is distributed over consecutive nodes; `None` = one node.
    numbers : `(n_cells,)` number among the cells whose values are wanted one by one, -1 for others; `None` = none.
    """

    starts: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    n_nodes: int
    across: np.ndarray | None = None
    numbers: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, cells) -> Shares:
        across, numbers = (None if own is None else own[cells] for own in (self.across, self.numbers))
        return Shares(
            self.starts[cells], self.values[cells], self.weights[cells], self.offsets[cells], self.n_nodes, across, numbers
        )  # fmt: skip

    @property
    def twice(self) -> np.ndarray:
        """Proportions `(n_cells, n_across)` in which each part is distributed further."""
        return np.ones((len(self), 1)) if self.across is None else self.across

    def matrix(self) -> sparse.csr_array:
        """Return the proportions of all nodes `(n_cells, n_nodes)`."""
        across = self.twice
        width = self.values.shape[1] * across.shape[1]
        proportions = self.values[:, :, None] * across[:, None, :]
        nodes = self.starts[:, None] + np.arange(width)
        shape = len(self), self.n_nodes
        return sparse.csr_array((proportions.ravel(), nodes.ravel(), width * np.arange(len(self) + 1)), shape=shape)

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of values `(n_cells,)` at the nodes `(n_nodes,)`."""
        sums, across, ends = np.zeros(self.n_nodes), self.twice, np.arange(len(self) + 1)
        n_across, shape = across.shape[1], (len(self), self.n_nodes)
        for part in range(self.values.shape[1]):
            placed = sparse.csr_array((values * self.values[:, part], self.starts, ends), shape=shape)
            for step, own in enumerate((placed.T @ across).T, part * n_across):
                sums[step:] += own[: self.n_nodes - step]
        return sums

    def order(self) -> np.ndarray:
        """Return the cells in the order of their first nodes, `(n_cells,)`."""
        kind = np.uint16 if self.n_nodes <= 2**16 else np.int64  # sorted faster
        return np.argsort(self.starts.astype(kind), kind="stable")

    def of_weights(self, power: int = 1) -> np.ndarray:
        """Return the sums of the cells' weights, or of a power of them, at the nodes `(n_nodes,)`."""
        return self.of(self.weights**power)


@dataclass(frozen=True)
class Wanted:
    """Which statistics of the genes to compute in addition to their sums: sums of squares, a histogram of values.

    least_loss : Function that returns the minimum loss of each value, or `None`; picklable, for dask in other processes.
    compiled : Whether to use compiled loops if numba is installed, which need not be loaded for few values.
    n_picked : Number of cells whose values are wanted one by one, see `Shares.numbers`.
    """

    squares: bool = False
    histogram: bool = False
    least_loss: Callable[[np.ndarray], np.ndarray] | None = None
    compiled: bool = False
    n_picked: int = 0


@dataclass(frozen=True)
class Table:
    """Sums over some of the cells, to which sums over other cells can be added.

    sums, squares : `(n_genes, n_nodes)` weighted sums of values, and of their squares, each distributed over the nodes.
    histogram : `(n_genes, N_BINS)` weights of the cells with each value, see `bins.values_of_bins`.
    statistics, extremes : `(n_genes, N_STATISTICS)` and `(n_genes, N_EXTREMES)`, with the columns that `bins` names.

    picked : `(n_genes, n_picked)` values of single cells, 0 for cells outside these sums.

    `squares` and `histogram` have no rows if not requested.
    """

    sums: np.ndarray
    squares: np.ndarray
    histogram: np.ndarray
    statistics: np.ndarray
    extremes: np.ndarray
    picked: np.ndarray

    @classmethod
    def empty(cls, n_genes: int, n_nodes: int, wanted: Wanted) -> Table:
        """Return the Table of no cells."""
        extremes = np.full((n_genes, bins.N_EXTREMES), -np.inf)
        extremes[:, bins.LEAST] = np.inf
        return cls(
            np.zeros((n_genes, n_nodes)),
            np.zeros((n_genes if wanted.squares else 0, n_nodes)),
            np.zeros((n_genes if wanted.histogram else 0, bins.N_BINS)),
            np.zeros((n_genes, bins.N_STATISTICS)),
            extremes,
            np.zeros((n_genes, wanted.n_picked)),
        )

    def merge(self, other: Table, genes: Any = slice(None), nodes: slice = slice(None)) -> Table:
        """Add the sums over other cells to those of some genes at some nodes, in place, and return all."""
        for name in ("sums", "squares", "histogram", "statistics", "picked"):
            if len(getattr(other, name)):
                getattr(self, name)[(genes, nodes) if name in ("sums", "squares") else genes] += getattr(other, name)
        for bound, column in ((np.minimum, bins.LEAST), (np.maximum, bins.MOST), (np.maximum, bins.MOST_SCALED)):
            self.extremes[genes, column] = bound(self.extremes[genes, column], other.extremes[:, column])
        return self


def count_table(Y, shares: Shares, wanted: Wanted) -> SumRequest:
    """Request the Table of expression with the shares of its selected cells; `Y` caches the totals over all cells."""
    if not isinstance(Y, BlockedExpression):
        Y = BlockedExpression(Y if sparse.issparse(Y) else sparse.csc_array(np.asarray(Y)), keeps_totals=False)
    of_all = Y.keeps_totals

    def finish(parts: list[tuple]) -> Table:
        table = parts[0][1]
        if len(parts) > 1 or not isinstance(parts[0][0], slice):
            table = Table.empty(Y.shape[1], shares.n_nodes, wanted)
            for genes, part in parts:
                table.merge(part, genes)
        if of_all:
            Y.remember(totals=table.statistics[:, bins.TOTAL], total_squares=table.statistics[:, bins.TOTAL_SQUARES])
        return table

    function = partial(block_table, wanted=wanted, of_all=of_all)
    size = 8 * Y.shape[1] * (shares.n_nodes * (1 + wanted.squares) + bins.N_BINS * wanted.histogram + wanted.n_picked)
    return SumRequest(Y, function, lambda cells: (shares[cells],), of_all, size, finish)


def block_table(
    block, kept: np.ndarray | None, shares: Shares, wanted: Wanted, of_all: bool = True, into: Table | None = None
) -> Table:
    """Return the Table of a block of cells `(n_cells, n_genes)`, added to `into`.

    kept : Rows that are cells of the grid; `None` = all.
    of_all : Whether to compute sums over all rows as well.
    """
    block = block if sparse.issparse(block) else sparse.csr_array(block)
    if block.dtype not in _KINDS:
        block = block.astype(np.float64)
    block = summed(block)  # before squaring
    n_cells, n_genes = block.shape
    lines = np.full(n_cells, -1, dtype=np.int32)
    lines[slice(None) if kept is None else kept] = np.arange(len(shares))
    table = Table.empty(n_genes, shares.n_nodes, wanted) if into is None else into
    if wanted.n_picked and shares.numbers is not None:
        here = np.flatnonzero(shares.numbers >= 0)
        table.picked[:, shares.numbers[here]] += (
            block[here if kept is None else np.arange(n_cells)[kept][here]].toarray().T
        )
    functions = load_compiled() if wanted.compiled else None
    if functions is not None:
        least = np.zeros(0) if wanted.least_loss is None else _least_losses(functions, block.data, wanted.least_loss)
        if block.format == "csr":
            begins = np.zeros(n_cells, dtype=np.int32)
            begins[lines >= 0] = shares.starts
            kind = np.uint16 if shares.n_nodes <= 2**16 else np.int32  # sorted faster
            function, order = functions.tabulate_rows, np.argsort(begins.astype(kind), kind="stable")
        else:
            function, order = functions.tabulate_columns, np.arange(n_genes)
        function(
            block.data, least, block.indices, block.indptr, order, lines, shares.starts.astype(np.int32), shares.values,
            shares.twice, shares.weights, np.exp(-shares.offsets), shares.offsets, of_all, table.sums, table.squares,
            table.histogram, table.statistics, table.extremes,
        )  # fmt: skip
        return table
    _add(block.tocoo(), lines, shares, wanted, of_all, table)
    return table


@np.errstate(invalid="ignore", divide="ignore")
def _least_losses(functions: ModuleType, values: np.ndarray, function: Callable) -> np.ndarray:
    """Return a function of values; for integers, which have few distinct values, it is looked up in a table."""
    found = np.empty(len(values))
    if functions.look_up(values, function(np.arange(float(_LOOKED_UP))), found):
        return found
    return function(values.astype(np.float64))


@np.errstate(invalid="ignore", over="ignore")
def _add(block, lines: np.ndarray, shares: Shares, wanted: Wanted, of_all: bool, table: Table) -> None:
    """Add a block of cells to a Table, by NumPy and SciPy."""
    n_genes = len(table.sums)
    rows, genes, values = block.row, block.col, block.data.astype(np.float64)

    def add(terms: dict[int, np.ndarray]) -> None:
        for column, own in terms.items():
            table.statistics[:, column] += np.bincount(genes, own, minlength=n_genes)

    if of_all:
        add({bins.TOTAL: values, bins.TOTAL_SQUARES: values**2})
    inside = lines[rows] >= 0
    cells, genes, values = lines[rows[inside]], genes[inside], values[inside]
    weights, offsets = shares.weights[cells], shares.offsets[cells]
    nodes_of_cells = shares.matrix()
    for into, own in ((table.sums, values), (table.squares, values**2))[: 1 + wanted.squares]:
        into += (
            sparse.csr_array((weights * own, (genes, cells)), shape=(n_genes, len(shares))) @ nodes_of_cells
        ).toarray()
    weighted, scaled = weights * values, values * np.exp(-offsets)
    add({
        bins.SUM: weighted, bins.SQUARES: weighted * values,
        bins.SCALED_SUM: weights * scaled, bins.SCALED_SQUARES: weights * scaled**2,
        bins.N_NONZERO: values != 0, bins.NONZERO_WEIGHT: weights * (values != 0), bins.OFFSET_SUM: weighted * offsets,
    })  # fmt: skip
    if wanted.least_loss is not None:
        add({bins.LEAST_LOSS: weights * wanted.least_loss(values)})
    np.minimum.at(table.extremes[:, bins.LEAST], genes, values)
    np.maximum.at(table.extremes[:, bins.MOST], genes, values)
    np.maximum.at(table.extremes[:, bins.MOST_SCALED], genes, scaled)
    if wanted.histogram:
        _count(values, weights, genes, table)


def _count(values: np.ndarray, weights: np.ndarray, genes: np.ndarray, table: Table) -> None:
    whole = (values > 0) & (values < bins.LARGEST) & (values == np.floor(values))
    table.statistics[:, bins.N_NOT_COUNTS] += np.bincount(genes[~whole & (values != 0)], minlength=len(table.sums))
    small = whole & (values < bins.N_SMALL)
    np.add.at(table.histogram, (genes[small], values[small].astype(np.int64)), weights[small])
    large = whole & ~small
    x = bins.PER_OCTAVE * np.log2(values[large] / bins.N_SMALL)
    first = np.maximum(x.astype(np.int64) - 1, 0)
    x, weights = x - first, weights[large]
    cubics = (
        (x - 1) * (x - 2) * (x - 3) / -6,
        x * (x - 2) * (x - 3) / 2,
        x * (x - 1) * (x - 3) / -2,
        x * (x - 1) * (x - 2) / 6,
    )
    for step, cubic in enumerate(cubics):
        np.add.at(table.histogram, (genes[large], bins.N_SMALL + first + step), weights * cubic)
