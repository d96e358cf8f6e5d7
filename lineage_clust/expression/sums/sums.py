"""Weighted sums over cells for Gaussian fits and further statistics of each gene, in one pass over blocks."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
from scipy import sparse

from ...utils.matrices import chunks, dense, summed
from ..passes import Fit, SumRequest, run_fits
from ..storage.blocks import BlockedExpression
from ..storage.sources import cuts
from .bands import Bands, no_design
from .fused import LARGE, adds_up_to_one, fused_sums

_VALUES = 2**18  # values in double precision at a time: fits into the cache
_CANCELLED = 1e-6  # minimal variation relative to the squares for eight significant digits
_CONSTANT = 1e-28  # variation relative to the squares that is due to rounding


@dataclass(frozen=True)
class Sums:
    """Sums over a set of cells, which can be added to those over other cells. Arrays are `(n_genes,)` by default.

    level : Value subtracted from the expression to avoid cancellation in squares; 0 for sparse expression.
    products : `Z'W(Y - level)`, `(n_columns, n_genes)`.
    sums, squares, cubes, fourths : Weighted sums of the powers of `Y - level` up to the fourth.
    weight : Sum of the weights.
    columns : `(n_columns,)` weighted sums of the design.
    n_nonzero, nonzero_weight : Number of nonzero values, and the sum of the weights of their cells.
    large : Whether a value reaches 2^31 - 1.
    totals, total_squares : Unweighted sums of expression and of its squares over all cells, including those of weight
        0; `None` if not requested.
    n_cells : Total number of cells.
    picked : `(n_picked, n_genes)` expression of selected cells, 0 for cells outside these sums; `None` if no cells are
        selected.
    """

    level: np.ndarray
    products: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    cubes: np.ndarray
    fourths: np.ndarray
    weight: float
    columns: np.ndarray
    n_nonzero: np.ndarray
    nonzero_weight: np.ndarray
    large: np.ndarray
    totals: np.ndarray | None
    total_squares: np.ndarray | None
    n_cells: int
    picked: np.ndarray | None = None

    @property
    def varies_little(self) -> np.ndarray:
        """Genes whose variation is so small relative to their mean that the squares suffer from cancellation."""
        if self.weight <= 0:
            return np.zeros(len(self.sums), dtype=bool)
        with np.errstate(invalid="ignore", over="ignore"):
            about = self.squares - self.sums**2 / self.weight
            return (about < _CANCELLED * self.squares) & (self.level == 0) & np.isfinite(self.squares)

    def replaced(self, genes: np.ndarray, other: Sums) -> Sums:
        """Return the sums with those of some genes replaced."""
        changed = {}
        for name in ("level", "products", "sums", "squares", "cubes", "fourths"):
            changed[name] = getattr(self, name).copy()
            changed[name][..., genes] = getattr(other, name)
        return replace(self, **changed)

    def around(self, level: np.ndarray) -> Sums:
        """Return the sums of the expression minus another level."""
        step = self.level - level
        if not np.any(step):
            return replace(self, level=level)
        one, two, three, weight = self.sums, self.squares, self.cubes, self.weight
        with np.errstate(invalid="ignore", over="ignore"):
            return replace(
                self,
                level=level,
                products=self.products + np.outer(self.columns, step),
                sums=one + step * weight,
                squares=two + step * (2 * one + step * weight),
                cubes=three + step * (3 * two + step * (3 * one + step * weight)),
                fourths=self.fourths + step * (4 * three + step * (6 * two + step * (4 * one + step * weight))),
            )

    def merge(self, other: Sums) -> Sums:
        """Return the sums over the cells of both.

        References
        ----------
        Chan, Golub & LeVeque (1983). Algorithms for computing the sample variance. The American Statistician 37, 242-247.
        """
        one = self if self.weight > 0 else self.around(other.level)
        other = other.around(one.level)
        names = (field.name for field in fields(Sums) if field.name not in ("level", "large", "picked"))
        with np.errstate(invalid="ignore", over="ignore"):
            added = {name: getattr(one, name) + getattr(other, name) for name in names}
            picked = None if one.picked is None or other.picked is None else one.picked + other.picked
        return Sums(level=one.level, large=one.large | other.large, picked=picked, **added)


def cell_sums(Y: BlockedExpression, bands: Bands, weights: np.ndarray, all_cells: bool = True) -> Sums:
    """Compute the Sums over the cells of `Y` in one pass; with `all_cells`, `Y` caches the totals over all stored cells."""
    return run_fits([requested_cell_sums(Y, bands, weights, all_cells)])[0]


def requested_cell_sums(
    Y: BlockedExpression, bands: Bands, weights: np.ndarray, all_cells: bool = True, picked: np.ndarray | None = None
) -> Fit:
    """Return the same by requests that can share a pass, see `passes.py`, with the expression of `picked` cells."""
    of_all = Y.keeps_totals and all_cells
    sums = _fused(Y.stored, *Y.chosen, bands, weights, of_all) if Y.in_memory else None
    if sums is None:
        sums = yield _in_blocks(Y, bands, weights, all_cells, picked=picked)
    elif picked is not None:
        sums = replace(sums, picked=Y[picked].to_memory().toarray().astype(float))
    if all_cells and sums.totals is not None and sums.total_squares is not None:
        Y.remember(totals=sums.totals, total_squares=sums.total_squares)
    cancelled = np.flatnonzero(sums.varies_little)
    if len(cancelled):  # hardly any value is 0, so these genes can be made dense
        precise = yield _in_blocks(Y[:, cancelled], bands, weights, False, as_array=True)
        sums = sums.replaced(cancelled, precise)
    return sums


def _in_blocks(Y: BlockedExpression, bands: Bands, weights, all_cells: bool, as_array=False, picked=None) -> SumRequest:
    numbers = np.full(len(weights), -1, dtype=np.int16)  # of the picked cells
    if picked is not None:
        numbers[picked] = np.arange(len(picked))
    function = partial(_block, as_array=as_array, n_picked=None if picked is None else len(picked))
    n_genes = Y.shape[1]
    return SumRequest(
        Y, function, lambda cells: (bands[cells], weights[cells], numbers[cells]), all_cells,
        8 * bands.n_columns * n_genes, partial(_of_all_genes, n_genes),
    )  # fmt: skip


def _of_all_genes(n_genes: int, parts: list[tuple]) -> Sums:
    """Return the Sums of all genes from those of some genes each."""
    whole: dict = {}
    for field in fields(Sums):
        first = getattr(parts[0][1], field.name)
        if field.name in ("weight", "columns", "n_cells"):
            whole[field.name] = first
            continue
        if first is None:
            continue
        whole[field.name] = np.zeros((*first.shape[:-1], n_genes), dtype=first.dtype)
        for genes, sums in parts:
            whole[field.name][..., genes] = getattr(sums, field.name)
    return Sums(**whole)


def column_totals(Y: BlockedExpression) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of expression and of its squares over the cells of `Y`, `(n_genes,)`: cached, or in one pass."""
    totals, squares = Y.recall("totals"), Y.recall("total_squares")
    has_all_cells = Y.chosen[0] is None
    if has_all_cells and totals is not None and squares is not None:
        return totals, squares
    n_cells = Y.shape[0]
    sums = cell_sums(Y, no_design(n_cells), np.ones(n_cells), has_all_cells)
    sums = sums.around(np.zeros_like(sums.level))
    return sums.sums, sums.squares


def column_moments(Y) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each gene and the sum of its squared deviations from it, `(n_genes,)`; 0 if constant.

    Genes whose variation is small relative to their mean are read a second time, to subtract a level before squaring.
    """
    Y = Y if isinstance(Y, BlockedExpression) else BlockedExpression(Y, keeps_totals=False)
    n_cells = Y.shape[0]
    totals, squares = column_totals(Y)
    with np.errstate(invalid="ignore", over="ignore"):
        means = totals / n_cells
        about = squares - totals * means
        little = np.flatnonzero(about < _CANCELLED * squares)
        if len(little):  # hardly any value is 0, so these genes can be made dense
            sums = _in_blocks(Y[:, little], no_design(n_cells), np.ones(n_cells), False, as_array=True).answer()
            means[little] = sums.level + sums.sums / n_cells
            about[little] = sums.squares - sums.sums**2 / n_cells
            about[little[about[little] <= _CONSTANT * squares[little]]] = 0.0
        return means, about


def block_sums(block, kept: np.ndarray | None, bands: Bands, weights: np.ndarray, as_array: bool = False) -> Sums:
    """Return the Sums of a block of cells, of which the rows `kept` are cells of the design; `None` = all.

    With `as_array`, a sparse block is made dense, so that the mean of each gene can be subtracted.
    """
    if as_array and sparse.issparse(block):
        block = block.toarray()
    if sparse.issparse(block):
        fused = _fused(block, kept, None, bands, weights)
        if fused is not None:
            return fused
        block = block.tocsr()
    of_piece, total = (_sparse_sums if sparse.issparse(block) else _dense_sums), None
    for rows in _pieces(block):
        inside, lines = None, rows
        if kept is not None:
            lines = slice(*np.searchsorted(kept, [rows.start, rows.stop]).tolist())
            inside = kept[lines] - rows.start
        piece = _rows_of(block, rows)
        part = of_piece(piece, inside, bands[lines], weights[lines])
        total = part if total is None else total.merge(part)
    assert total is not None  # a block has at least one piece, which may be empty
    return total


def _block(block, kept, bands: Bands, weights, numbers, as_array, n_picked, into: Sums | None = None) -> Sums:
    """Return the Sums of a block with the expression of picked cells, added to `into`."""
    sums = block_sums(block, kept, bands, weights, as_array)
    if n_picked is not None:
        here = np.flatnonzero(numbers >= 0)
        rows = block[here if kept is None else kept[here]]
        picked = np.zeros((n_picked, block.shape[1]))
        picked[numbers[here]] = dense(rows)
        sums = replace(sums, picked=picked)
    return sums if into is None else into.merge(sums)


def _fused(matrix, kept, columns, bands: Bands, weights, of_all: bool = True) -> Sums | None:
    """Return the Sums of a matrix in memory in one compiled pass, or `None` if that is not possible."""
    found = fused_sums(matrix, kept, columns, bands, weights, of_all)
    if found is None:
        return None
    products, (sums, squares, cubes, fourths), n_nonzero, nonzero_weight, large, totals, total_squares = found
    if not of_all:
        totals = total_squares = None
    return Sums(
        np.zeros(len(sums)), products, sums, squares, cubes, fourths, weights.sum(), bands.weighted_sums(weights),
        n_nonzero, nonzero_weight, large, totals, total_squares, matrix.shape[0],
    )  # fmt: skip


def _rows_of(block, rows: slice):
    if not sparse.issparse(block):
        return block[rows]
    inside = slice(block.indptr[rows.start], block.indptr[rows.stop])
    indptr = block.indptr[rows.start : rows.stop + 1] - block.indptr[rows.start]
    shape = (rows.stop - rows.start, block.shape[1])
    return sparse.csr_array((block.data[inside], block.indices[inside], indptr), shape=shape)  # not a copy


def _pieces(block) -> list[slice]:
    n_cells, n_genes = block.shape
    if sparse.issparse(block):
        return [slice(*ends) for ends in cuts(block.indptr, _VALUES)] or [slice(0, 0)]
    return list(chunks(n_cells, max(1, _VALUES // max(n_genes, 1)))) or [slice(0, 0)]


@np.errstate(invalid="ignore", over="ignore")  # set here because the error state is thread-local
def _sparse_sums(block, kept, bands: Bands, weights) -> Sums:
    n_cells, n_genes = block.shape
    block = sparse.csr_array((block.data.astype(np.float64), block.indices, block.indptr), shape=block.shape)
    block = summed(block)  # before squaring
    ones = np.ones(n_cells)
    totals = block.T @ ones
    own = block if kept is None or len(kept) == n_cells else block[kept]
    products, sums = _sparse_products(own, bands, weights)
    there = sparse.csr_array(((own.data != 0).astype(np.float64), own.indices, own.indptr), shape=own.shape).T
    n_nonzero, nonzero_weight = (there @ (weights > 0)).astype(np.int64), there @ weights
    large = np.zeros(n_genes, dtype=bool)
    # most blocks have none; fmax and fmin ignore NaN
    if own.nnz and (np.fmax.reduce(own.data) >= LARGE or np.fmin.reduce(own.data) <= -LARGE):
        large[own.indices[np.abs(own.data) >= LARGE]] = True
    squared, cubed, fourth = (
        sparse.csr_array((own.data**power, own.indices, own.indptr), shape=own.shape).T for power in (2, 3, 4)
    )
    powers = squared @ weights, cubed @ weights, fourth @ weights
    if own is not block:
        squared = sparse.csr_array((np.square(block.data), block.indices, block.indptr), shape=block.shape).T
    return Sums(
        np.zeros(n_genes), products, sums, *powers, weights.sum(), bands.weighted_sums(weights), n_nonzero,
        nonzero_weight, large, totals, squared @ ones, n_cells,
    )  # fmt: skip


def _sparse_products(block, bands: Bands, weights) -> tuple[np.ndarray, np.ndarray]:
    """Return `Z'WY` and `sum wy`; bands with the same first column are combined in one product."""
    n_cells, n_genes = block.shape
    width = bands.values.shape[1]
    n_starts = bands.n_banded - width + 1
    products = np.zeros((bands.n_columns, n_genes))
    placed = block
    if n_starts > 1:
        kind = np.int32 if n_starts * n_genes < 2**31 else np.int64
        shift = np.repeat(bands.starts.astype(kind) * n_genes, np.diff(block.indptr))
        shape = (n_cells, n_starts * n_genes)
        placed = sparse.csr_array((block.data, block.indices + shift, block.indptr), shape=shape)
    placed = placed.T
    for band in range(width):  # column by column, which is several times faster than one product
        products[band : band + n_starts] += (placed @ (weights * bands.values[:, band])).reshape(n_starts, n_genes)
    for column in range(bands.extra.shape[1]):
        products[bands.n_banded + column] = block.T @ (weights * bands.extra[:, column])
    if adds_up_to_one(bands.values, weights > 0):
        return products, products[: bands.n_banded].sum(axis=0)
    return products, block.T @ weights


def _dense_sums(block, kept, bands: Bands, weights) -> Sums:
    block = np.asarray(block, dtype=np.float64)
    own = block if kept is None else block[kept]
    total = weights.sum()
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        totals, total_squares = block.sum(axis=0), np.einsum("ij,ij->j", block, block)
        level = weights @ own / total
        level = np.where(np.isfinite(level), level, 0.0)
        n_nonzero, nonzero_weight = np.stack([weights > 0, weights]) @ (own != 0).astype(np.float64)
        large = (np.abs(own) >= LARGE).any(axis=0)
        centred = own - level
        squared, weighted = centred**2, bands.dense() * weights[:, None]
        powers = weights @ squared, np.einsum("ij,ij,i->j", squared, centred, weights), weights @ squared**2
        return Sums(
            level, weighted.T @ centred, weights @ centred, *powers, total, weighted.sum(axis=0),
            n_nonzero.astype(np.int64), nonzero_weight, large, totals, total_squares, len(block),
        )  # fmt: skip
