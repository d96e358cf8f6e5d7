"""Expression with lazy selection of cells and genes, which is read block by block within a memory budget."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import copy
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse

from ...utils.matrices import dense
from .sources import is_sparse, nbytes, parts
from .tasks import MOST_THREADS, Where, in_order, merged

_BYTES_A_VALUE = 32  # stored value, double-precision copy and index
MOST_VALUES = 2**21  # larger blocks would not fit into the cache
_LEAST_VALUES = 2**14  # of a sample: few would not tell counts from other values
DEFAULT_BUDGET = 256 * 10**6
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}


class BlockedExpression:
    """Cells x genes with a lazy selection of cells and genes; data are read or copied only when needed.

    `expression[cells]`, `expression[:, genes]` and `expression[cells, genes]` select subsets by positions, masks or
    slices without reading data.

    stored : Sparse dataset of anndata, HDF5 or zarr array, or dask array; or a CSR or CSC matrix in memory.
    keeps_totals : Whether passes also compute and cache the sums of each gene over all cells.

    >>> import zarr
    >>> some = BlockedExpression(zarr.array(np.arange(12.0).reshape(4, 3)))[[0, 3]][:, [2]]
    >>> some.shape, some.to_memory().tolist()
    ((2, 1), [[2.0], [11.0]])
    """

    ndim = 2

    def __init__(self, stored, memory_budget=None, keeps_totals: bool = True):
        self.stored = stored
        self._stored_shape = (int(stored.shape[0]), int(stored.shape[1]))
        self.memory_budget = parse_budget(memory_budget)
        self._cells: np.ndarray | None = None
        self._genes: np.ndarray | None = None
        self.keeps_totals = keeps_totals
        self._facts: dict = {}  # shared by all selections of the same matrix
        self._cached_genes: tuple[range, Any] = (range(0), None)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of selected cells and genes."""
        n_cells, n_genes = self._stored_shape
        return (
            n_cells if self._cells is None else len(self._cells),
            n_genes if self._genes is None else len(self._genes),
        )

    @property
    def dtype(self) -> np.dtype:
        """Data type of the stored values."""
        return np.dtype(self.stored.dtype)

    @property
    def in_memory(self) -> bool:
        """Whether the stored matrix is in memory."""
        return sparse.issparse(self.stored)

    @property
    def chosen(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Positions of the selected cells and genes in the stored matrix; `None` = all, in order."""
        return self._cells, self._genes

    def __getitem__(self, key) -> BlockedExpression:
        keys = key if isinstance(key, tuple) else (key, slice(None))
        other = copy(self)
        other._cached_genes = (range(0), None)
        other._cells = choose(self._stored_shape[0], self._cells, keys[0])
        other._genes = choose(self._stored_shape[1], self._genes, keys[1])
        return other

    def of_cells(self, cells: np.ndarray) -> BlockedExpression:
        """Return the selected genes of other cells, by their positions in the stored matrix, in ascending order."""
        other = self[:0]
        other._cells = cells
        return other

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        product = np.zeros((self.shape[0], other.shape[1]))
        for where, part in in_order(self._plan(), _product, lambda where: (other[where.genes],)):
            product[where.cells] += part
        return product

    def head(self, n_values: int) -> tuple:
        """Return `(cells, block)` of the first part of the selection, with at most about `n_values` values, as stored."""
        step = next(self._steps(min(n_values, max(self._values_a_block(), _LEAST_VALUES))))
        ((where, block),) = in_order([step], _as_stored)
        return where.cells, block

    def cell_totals(self) -> np.ndarray:
        """Return the total of the finite values of each cell over genes, `(n_cells,)`, in one pass."""
        totals = np.zeros(self.shape[0])
        for where, part in in_order(self._plan(), _row_sums):
            totals[where.cells] += part
        return totals

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        matrix = dense(self.to_memory())
        return matrix if dtype is None else matrix.astype(dtype, copy=False)

    def blocks(self) -> Iterator[tuple]:
        """Yield `(cells, genes, block)` of the selection as float64 in one pass, with positions within the selection."""
        for where, block in in_order(self._plan(), _in_double):
            yield where.cells, where.genes, block

    def reduce(self, function: Callable, arguments: Callable, all_cells: bool = True) -> list[tuple]:
        """Return the sums of the results of a function over blocks, in one pass.

        function : `function(block, kept, *arguments, into=None) -> result`, of the selected genes of a block of cells and
            the indices of its selected rows (`None` = all). The result is added to `into`, possibly in place. It must be
            picklable if dask uses other processes.
        arguments : `arguments(cells) -> tuple`, of the positions of the block's cells within the selection.
        all_cells : Whether to read blocks without selected cells as well.
        returns : `(genes, result)` for each range of columns that are stored together, added by `result.merge(other)`.
        """
        return merged(self._plan(all_cells), function, lambda where: arguments(where.cells))

    def to_memory(self):
        """Load the selection as an array, CSR or CSC matrix, as stored.

        A MemoryError is raised as soon as a file exceeds the memory budget; matrices in memory are not limited.
        """
        return self._loaded(self.memory_budget)

    def gene_parts(self, counts: np.ndarray) -> Iterator[tuple[slice, object]]:
        """Yield `(genes, matrix)` of consecutive genes, with `counts` of nonzero values, that fit into the memory budget."""
        # the blocks, the matrix assembled from them and its CSC form are in memory at the same time
        sizes = 40.0 * counts if is_sparse(self.stored) else np.full(self.shape[1], 24.0 * self.shape[0])
        first, held = 0, 0.0
        for gene, size in enumerate(sizes):
            if gene > first and held + size > self.memory_budget:
                yield slice(first, gene), _by_columns(self[:, first:gene]._loaded())
                first, held = gene, 0.0
            held += size
        yield slice(first, len(sizes)), _by_columns(self[:, first:]._loaded())

    def column(self, gene: int) -> np.ndarray:
        """Return one gene `(n_cells,)` as float64; adjacent genes are cached, so that they need no further pass."""
        held, matrix = self._cached_genes
        if gene not in held:
            n_genes = max(1, int(self.memory_budget // (24 * max(self.shape[0], 1))))
            held = range(gene, min(gene + n_genes, self.shape[1]))
            matrix = _by_columns(self[:, held.start : held.stop]._loaded())
            self._cached_genes = (held, matrix)
        return dense(matrix[:, [gene - held.start]]).ravel().astype(float)

    def remember(self, **facts: np.ndarray) -> None:
        """Cache per-gene statistics of a pass over all cells, `(n_genes,)` each."""
        genes = slice(None) if self._genes is None else self._genes
        n_genes = self._stored_shape[1]
        for name, values in facts.items():
            known, found = self._facts.setdefault(name, (np.zeros(n_genes, dtype=bool), np.zeros(n_genes)))
            known[genes], found[genes] = True, values

    def recall(self, name: str) -> np.ndarray | None:
        """Return a cached statistic of each selected gene, or `None` if it is not cached for all of them."""
        genes = slice(None) if self._genes is None else self._genes
        if name not in self._facts or not self._facts[name][0][genes].all():
            return None
        return self._facts[name][1][genes]

    def check_fits_dense(self) -> None:
        """Raise a MemoryError if the selection as a double-precision array would exceed the memory budget."""
        if not self.in_memory and 8 * self.shape[0] * self.shape[1] > self.memory_budget:
            raise MemoryError(self._too_large())

    def _too_large(self) -> str:
        return (
            f"The expression of {self.shape[1]:,} genes in {self.shape[0]:,} cells must be loaded into memory, but "
            f"exceeds memory_budget={readable(self.memory_budget)!r}. Raise memory_budget, select fewer genes, or use "
            "GAM without callback and filter_cells, which reads the file block by block."
        )

    def _plan(self, unchosen: bool = False) -> list[tuple]:
        """Return the parts with selected genes and cells, optionally also those without selected cells."""
        return list(self._steps(self._values_a_block(), unchosen))

    def _values_a_block(self) -> int:
        return int(np.clip(self.memory_budget // (_BYTES_A_VALUE * (MOST_THREADS + 2)), 1, MOST_VALUES))

    def _steps(self, n_values: int, unchosen: bool = False) -> Iterator[tuple]:
        chosen = zip(self.chosen, self._stored_shape, strict=True)
        cell_positions, gene_positions = (None if lines is None else inverse(lines, size) for lines, size in chosen)
        for part in parts(self.stored, n_values):
            kept, cells = inside(cell_positions, part.rows)
            columns, genes = inside(gene_positions, part.columns)
            if (columns is None or len(columns)) and (unchosen or kept is None or len(kept)):
                yield part, Where(kept, columns, cells, genes)

    def _loaded(self, limit: float = np.inf):
        if self.in_memory:
            # rows first, because they are contiguous
            matrix = self.stored if self._cells is None else self.stored[self._cells]
            return matrix if self._genes is None else matrix[:, self._genes]
        pieces, held = [], 0
        for where, block in in_order(self._plan(), _as_stored):
            held += nbytes(block)
            if held > limit:
                raise MemoryError(self._too_large())
            pieces.append((where, block))
        return assembled(pieces, self.shape, self.dtype)

    def __repr__(self) -> str:
        return f"BlockedExpression[{self.shape[0]} cells x {self.shape[1]} genes, {type(self.stored).__name__}]"


def _as_stored(block, kept):
    return block if kept is None else block[kept]


def _in_double(block, kept):
    block = _as_stored(block, kept).astype(np.float64)
    if sparse.issparse(block):
        block.sum_duplicates()
    return block


def _product(block, kept, other):
    return dense(_as_stored(block, kept) @ other)


def _row_sums(block, kept):
    return row_sums(_as_stored(block, kept))


def cell_totals(Y) -> np.ndarray:
    """Return the total of the finite values of each cell of an array, sparse matrix or BlockedExpression, `(n_cells,)`."""
    return Y.cell_totals() if isinstance(Y, BlockedExpression) else row_sums(Y)


def row_sums(matrix) -> np.ndarray:
    """Return the sums of the finite values of each row of an array or a sparse matrix, `(n_rows,)`."""
    with np.errstate(invalid="ignore"):  # of infinities of both signs
        # not .sum(), which adds values of sparse matrices in their own precision
        sums = matrix @ np.ones(matrix.shape[1]) if sparse.issparse(matrix) else matrix.sum(axis=1, dtype=float)
    damaged = np.flatnonzero(~np.isfinite(sums))
    if len(damaged):
        rows = dense(matrix[damaged])
        sums[damaged] = np.where(np.isfinite(rows), rows, 0).sum(axis=1, dtype=float)
    return sums


def _by_columns(matrix):
    return matrix.tocsc() if sparse.issparse(matrix) else matrix


def choose(size: int, lines: np.ndarray | None, wanted) -> np.ndarray | None:
    """Return the positions of a selection within an earlier selection; `None` = all."""
    if isinstance(wanted, slice) and wanted == slice(None):
        return lines
    if np.ndim(wanted) != 1 and not isinstance(wanted, slice):
        raise IndexError(
            f"Cells and genes are selected by arrays, masks or slices; got {wanted!r}. For one, use [[i]]."
        )
    chosen = (np.arange(size) if lines is None else lines)[wanted if isinstance(wanted, slice) else np.asarray(wanted)]
    return None if len(chosen) == size and np.array_equal(chosen, np.arange(size)) else chosen


def inverse(lines: np.ndarray, size: int) -> np.ndarray:
    """Return the position of each row within the selection, `(size,)`; -1 for rows that are not selected."""
    positions = np.full(size, -1)
    positions[lines] = np.arange(len(lines))
    if np.count_nonzero(positions >= 0) < len(lines):
        raise IndexError("A cell or gene is selected more than once, which expression in a file does not allow.")
    return positions


def inside(positions: np.ndarray | None, lines: slice) -> tuple:
    """Return which rows of a part are selected (`None` = all), and their positions within the selection."""
    if positions is None:
        return None, lines
    own = positions[lines]
    kept = np.flatnonzero(own >= 0)
    own, which = own[kept], None if len(kept) == lines.stop - lines.start else kept
    if len(own) and np.all(np.diff(own) == 1):
        return which, slice(int(own[0]), int(own[-1]) + 1)
    return which, own


def assembled(pieces: list[tuple[Where, Any]], shape: tuple[int, int], dtype):
    """Assemble blocks to a matrix with one row per selected cell and one column per selected gene."""
    if not all(sparse.issparse(block) for _, block in pieces) or not pieces:
        matrix = np.zeros(shape, dtype=dtype)
        for where, block in pieces:
            rows, columns = (np.arange(n)[lines] for n, lines in zip(shape, (where.cells, where.genes), strict=True))
            matrix[np.ix_(rows, columns)] = dense(block)
        return matrix
    by_rows = pieces[0][1].format == "csr"
    if sum(block.shape[0 if by_rows else 1] for _, block in pieces) != shape[0 if by_rows else 1]:
        return _scattered(pieces, shape)  # split along both axes
    stack, kind = (sparse.vstack, "csr") if by_rows else (sparse.hstack, "csc")
    matrix = stack([block for _, block in pieces], format=kind)
    rows, columns = (
        np.concatenate([np.arange(n)[getattr(where, name)] for where, _ in (pieces if along else pieces[:1])])
        for n, name, along in zip(shape, ("cells", "genes"), (by_rows, not by_rows), strict=True)
    )
    if not np.array_equal(rows, np.arange(shape[0])):
        matrix = matrix[np.argsort(rows)]
    return matrix if np.array_equal(columns, np.arange(shape[1])) else matrix[:, np.argsort(columns)]


def _scattered(pieces: list[tuple[Where, Any]], shape: tuple[int, int]):
    rows, columns, values = [], [], []
    for where, block in pieces:
        block = block.tocoo()
        rows.append(np.arange(shape[0])[where.cells][block.row])
        columns.append(np.arange(shape[1])[where.genes][block.col])
        values.append(block.data)
    positions = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array((np.concatenate(values), positions), shape=shape)


def parse_budget(budget: object, name: str = "memory_budget") -> int:
    """Return a memory budget in bytes, given as bytes, a string such as "500MB" or "2GiB", or `None` = 256 MB."""
    if budget is None:
        return DEFAULT_BUDGET
    number = budget
    if isinstance(budget, str):
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([KMGT]I?)?B?\s*", budget, flags=re.IGNORECASE)
        number = float(match[1]) * _UNITS[(match[2] or "").upper()] if match else None
    if isinstance(number, (bool, np.bool_)) or not isinstance(number, Real) or not 1 <= number < np.inf:
        raise ValueError(f"{name} must be bytes, a string such as '500MB', or None; got {budget!r}.")
    return int(number)


def readable(n_bytes: float) -> str:
    """Return a number of bytes with its unit."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:.0f} bytes"
