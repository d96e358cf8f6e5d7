"""Selected cells and genes of a stored matrix: their positions in its parts, and assembly of the parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from .tasks import Where


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


def nbytes(block) -> int:
    """Return the size of a block in bytes."""
    return block.data.nbytes + block.indices.nbytes + block.indptr.nbytes if sparse.issparse(block) else block.nbytes


def assembled(pieces: list[tuple[Where, Any]], shape: tuple[int, int], dtype):
    """Assemble blocks to a matrix with one row per selected cell and one column per selected gene."""
    if not pieces or not sparse.issparse(pieces[0][1]):
        matrix = np.zeros(shape, dtype=dtype)
        for where, block in pieces:
            rows, columns = (np.arange(n)[lines] for n, lines in zip(shape, (where.cells, where.genes), strict=True))
            matrix[np.ix_(rows, columns)] = block
        return matrix
    by_rows = pieces[0][1].format == "csr"
    if sum(block.shape[0 if by_rows else 1] for _, block in pieces) != shape[0 if by_rows else 1]:
        return _scattered(pieces, shape, dtype)  # split along both axes
    stack, kind = (sparse.vstack, "csr") if by_rows else (sparse.hstack, "csc")
    matrix = stack([block for _, block in pieces], format=kind, dtype=dtype)
    rows, columns = (
        np.concatenate([np.arange(n)[getattr(where, name)] for where, _ in (pieces if along else pieces[:1])])
        for n, name, along in zip(shape, ("cells", "genes"), (by_rows, not by_rows), strict=True)
    )
    if not np.array_equal(rows, np.arange(shape[0])):
        matrix = matrix[np.argsort(rows)]
    return matrix if np.array_equal(columns, np.arange(shape[1])) else matrix[:, np.argsort(columns)]


def _scattered(pieces: list[tuple[Where, Any]], shape: tuple[int, int], dtype):
    rows, columns, values = [], [], []
    for where, block in pieces:
        block = block.tocoo()
        rows.append(np.arange(shape[0])[where.cells][block.row])
        columns.append(np.arange(shape[1])[where.genes][block.col])
        values.append(block.data)
    positions = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csr_array((np.concatenate(values), positions), shape=shape, dtype=dtype)
