"""Sums over sparse expression in a single compiled pass, by a few threads, where numba is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType

import numpy as np

from ...utils.compiling import can_compile
from ...utils.threads import in_threads
from .bands import Bands

LARGE = 2.0**31 - 1  # the largest of usual integers: counts end there by an error
_WORTHWHILE = 2**20  # stored values: for fewer, numba takes longer to load than it saves
_PART = 2**20  # stored values that are added up by themselves; not to depend on the number of threads
_MOST_PARTS = 16
_KINDS = {np.dtype(kind) for kind in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")}


@cache
def compiled() -> ModuleType | None:
    """Return the compiled functions, or `None` without numba."""
    if not can_compile():
        return None
    from . import compiled as functions

    return functions


def is_worthwhile(n_stored: int) -> bool:
    """Return whether so many stored values are worth loading numba for, so that it is there for other work as well."""
    return n_stored >= _WORTHWHILE


def fused_sums(
    matrix, kept: np.ndarray | None, columns: np.ndarray | None, bands: Bands, weights, enough: float, of_all: bool
):
    """Return sums over the cells of sparse expression: what :class:`lineage_clust.models.engine.sums.Sums` is made of.

    Parameters
    ----------
    matrix
        `(n_rows, n_stored)` CSR or CSC matrix.
    kept
        `(n_cells,)` rows that are cells of the design, each once; `None` = all.
    columns
        `(n_genes,)` columns that are genes, each once; `None` = all.
    bands, weights
        Design and weights of the cells.
    enough
        A gene's values are counted no further once the weights of their cells add up to this.
    of_all
        Whether sums over all rows are wanted as well.

    Returns
    -------
    tuple or None
        `products` `(n_columns, n_genes)`; and `(n_genes,)` each: weighted sums, weighted sums of squares, counts of values
        that are not zero, sums of their weights, whether one of them is large, sums and sums of squares over all rows.
        `None` if it is to be done without: no numba, few values, values of a kind that is not compiled for, or values
        stored in parts.
    """
    if not is_worthwhile(matrix.nnz) or matrix.data.dtype not in _KINDS or compiled() is None:
        return None
    n_rows, n_genes = matrix.shape[0], matrix.shape[1] if columns is None else len(columns)
    used = np.flatnonzero(weights > 0)
    lines = np.full(n_rows, -1, dtype=np.int32)
    lines[used if kept is None else kept[used]] = used
    in_parts_of_one = bands.values.shape[1] > 0 and np.all(np.abs(bands.values[used].sum(axis=1) - 1) < 1e-14)
    if not in_parts_of_one:
        bands = bands.with_column(np.ones(len(weights)))  # for the weighted sums
    values = np.hstack([bands.values, bands.extra])
    starts, weights = bands.starts.astype(np.int32), np.asarray(weights, dtype=np.float64)

    def add(function: Callable, part: np.ndarray, n_part_genes: int, *further) -> tuple:
        statistics, products = np.zeros((n_part_genes, 4)), np.zeros((bands.n_columns, n_part_genes))
        counts, large = np.zeros(n_part_genes, dtype=np.int64), np.zeros(n_part_genes, dtype=bool)
        ascending = function(
            matrix.data, matrix.indices, matrix.indptr, part, lines, *further, starts, values, bands.n_banded, weights,
            float(enough), of_all, LARGE, statistics, products, counts, large,
        )  # fmt: skip
        return ascending, products, statistics, counts, large

    if matrix.format == "csr":
        places = None
        if columns is not None:
            places = np.full(matrix.shape[1], -1, dtype=np.int32)
            places[columns] = np.arange(n_genes)
        begins = np.where(lines >= 0, starts[lines] if len(starts) else 0, 0)
        rows = np.argsort(begins, kind="stable")
        tasks = _parts(rows, np.diff(matrix.indptr))
        found = in_threads(lambda part: add(compiled().sum_rows, part, n_genes, places), tasks)
        ascending, products, statistics, counts, large = next(found)
        for other in found:
            ascending &= other[0]
            products += other[1]
            statistics += other[2]
            counts += other[3]
            large |= other[4]
    else:
        genes = np.arange(matrix.shape[1]) if columns is None else np.asarray(columns)
        tasks = _parts(genes, np.diff(matrix.indptr))
        found = list(in_threads(lambda part: add(compiled().sum_columns, part, len(part)), tasks))
        ascending = all(part[0] for part in found)
        products = np.concatenate([part[1] for part in found], axis=1)
        statistics, counts, large = (np.concatenate([part[place] for part in found]) for place in (2, 3, 4))
    if not ascending:
        return None
    if in_parts_of_one:
        sums = products[: bands.n_banded].sum(axis=0)
    else:
        products, sums = products[:-1], products[-1].copy()
    squares, carried, totals, total_squares = statistics.T.copy()
    return products, sums, squares, counts, carried, large, totals, total_squares


def _parts(lines: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Return consecutive lines that hold about as many stored values each, in a power of two of parts."""
    ends = np.cumsum(sizes[lines], dtype=np.int64)
    n_parts = 1
    while n_parts < _MOST_PARTS and len(ends) and n_parts * _PART < ends[-1]:
        n_parts *= 2
    return np.split(lines, np.searchsorted(ends, np.arange(1, n_parts) * (ends[-1] / n_parts)) if n_parts > 1 else [])
