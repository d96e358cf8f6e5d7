"""Sums over sparse expression in a single compiled, multi-threaded pass (requires numba)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...utils.compiling import compiled_module, is_worthwhile
from ...utils.threads import in_threads
from .bands import Bands

load_compiled = compiled_module(".sum_loops", __package__)

LARGE = 2.0**31 - 1  # largest 32-bit integer: larger counts result from overflow
_PART = 2**20  # stored values per part; fixed so that results do not depend on the number of threads
_MOST_PARTS = 16
_KINDS = {np.dtype(kind) for kind in ("f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")}


def fused_sums(matrix, kept: np.ndarray | None, columns: np.ndarray | None, bands: Bands, weights, of_all: bool):
    """Return the sums over cells of sparse expression that make up :class:`lineage_clust.expression.sums.sums.Sums`.

    kept, columns : Rows that are cells of the design, and columns that are genes, each once; `None` = all.
    of_all : Whether to compute sums over all rows as well.
    returns : tuple or None. `products` `(n_columns, n_genes)`; weighted sums of the first four powers, `(4, n_genes)`; and
        `(n_genes,)` each: numbers of nonzero values, sums of their weights, whether one of them is large, sums and sums
        of squares over all rows. `None` if the compiled functions cannot or should not be used: no numba, few values,
        an unsupported data type, or values stored in parts.
    """
    functions = load_compiled() if is_worthwhile(matrix.nnz) and matrix.data.dtype in _KINDS else None
    if functions is None:
        return None
    n_rows, n_genes = matrix.shape[0], matrix.shape[1] if columns is None else len(columns)
    used = np.flatnonzero(weights > 0)
    lines = np.full(n_rows, -1, dtype=np.int32)
    lines[used if kept is None else kept[used]] = used
    in_parts_of_one = adds_up_to_one(bands.values, used)
    if not in_parts_of_one:
        bands = bands.with_column(np.ones(len(weights)))  # for the weighted sums
    values = np.hstack([bands.values, bands.extra])
    starts, weights = bands.starts.astype(np.int32), np.asarray(weights, dtype=np.float64)
    n_first, n_statistics = functions.N_COLUMNS, functions.N_STATISTICS
    factors, rest = functions.factors_of(values, weights), weights[:, None] * values[:, n_first:]

    def add(function: Callable, part: np.ndarray, n_part_genes: int, *further) -> tuple:
        products, statistics, others = (np.zeros(shape) for shape in (
            (bands.n_columns, n_part_genes), (n_part_genes, n_statistics), (n_part_genes, 2)
        ))  # fmt: skip
        ascending = function(
            matrix.data, matrix.indices, matrix.indptr, part, lines, *further, starts, factors, rest,
            bands.values.shape[1], bands.n_banded, of_all, products, statistics, others,
        )  # fmt: skip
        return ascending, products, statistics, others

    if matrix.format == "csr":
        positions = None
        if columns is not None:
            positions = np.full(matrix.shape[1], -1, dtype=np.int32)
            positions[columns] = np.arange(n_genes)
        begins = np.zeros(n_rows, dtype=np.uint16 if bands.n_banded < 2**16 else np.int32)  # sorted faster
        begins[used if kept is None else kept[used]] = starts[used]
        rows = np.argsort(begins, kind="stable")
        tasks = _parts(rows, np.diff(matrix.indptr))
        found = in_threads(lambda part: add(functions.sum_rows, part, n_genes, positions), tasks)
        ascending, products, statistics, others = next(found)
        for other in found:
            ascending &= other[0]
            for sums, part in zip((products, statistics, others), other[1:], strict=True):
                sums += part
    else:
        genes = np.arange(matrix.shape[1]) if columns is None else np.asarray(columns)
        tasks = _parts(genes, np.diff(matrix.indptr))
        parts = list(in_threads(lambda part: add(functions.sum_columns, part, len(part)), tasks))
        ascending = all(part[0] for part in parts)
        products = np.concatenate([part[1] for part in parts], axis=1)
        statistics, others = (np.concatenate([part[which] for part in parts]) for which in (2, 3))
    if not ascending:
        return None
    if in_parts_of_one:
        sums = products[: bands.n_banded].sum(axis=0)
    else:
        products, sums = products[:-1], products[-1].copy()
    squares, nonzero_weight, n_nonzero, plain_squares, cubes, fourths = statistics.T.copy()
    large = ~(plain_squares < LARGE**2)  # if the sum of squares is smaller, so is every value
    if large.any():
        large &= _reaching(matrix, lines, columns, LARGE)
    totals, total_squares = others[:, 0].copy(), others[:, 1] + plain_squares
    powers = np.stack([sums, squares, cubes, fourths])
    return products, powers, n_nonzero.astype(np.int64), nonzero_weight, large, totals, total_squares


def adds_up_to_one(values: np.ndarray, used: np.ndarray) -> bool:
    """Return whether there are columns, and the values of each used row (by position or mask) add up to 1."""
    off = np.abs(values @ np.ones(values.shape[1]) - 1) >= 1e-14
    return values.shape[1] > 0 and (not off.any() or not off[used].any())


def _reaching(matrix, lines: np.ndarray, columns: np.ndarray | None, bound: float) -> np.ndarray:
    """Return which genes `(n_genes,)` have an absolute value of at least `bound` in a row of the design."""
    # np.abs would overflow for the smallest integer
    at = np.flatnonzero((matrix.data >= bound) | (matrix.data <= -bound))
    major, minor = np.searchsorted(matrix.indptr, at, side="right") - 1, matrix.indices[at]
    rows, genes = (major, minor) if matrix.format == "csr" else (minor, major)
    found = np.zeros(matrix.shape[1], dtype=bool)
    found[genes[lines[rows] >= 0]] = True
    return found if columns is None else found[columns]


def _parts(lines: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Split rows into parts with about the same number of stored values; the number of parts is a power of two."""
    ends = np.cumsum(sizes[lines], dtype=np.int64)
    n_parts = 1
    while n_parts < _MOST_PARTS and len(ends) and n_parts * _PART < ends[-1]:
        n_parts *= 2
    return np.split(lines, np.searchsorted(ends, np.arange(1, n_parts) * (ends[-1] / n_parts)) if n_parts > 1 else [])
