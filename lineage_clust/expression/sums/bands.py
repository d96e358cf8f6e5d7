"""Banded design matrices, whose rows have a few adjacent nonzero columns, such as those of B-splines."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from ...utils.matrices import chunks, summed

_ROWS = 2**15  # rows converted to dense at a time


@dataclass(frozen=True)
class Bands:
    """A design whose row `i` is `values[i]` starting at column `starts[i]`, zero elsewhere, plus dense columns.

    starts, values : `(n_cells,)` and `(n_cells, width)`.
    extra : `(n_cells, n_extra)` additional dense columns: covariates, intercept, offset.
    """

    starts: np.ndarray
    values: np.ndarray
    extra: np.ndarray
    n_banded: int

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, rows) -> Bands:
        return Bands(self.starts[rows], self.values[rows], self.extra[rows], self.n_banded)

    @property
    def n_columns(self) -> int:
        """Total number of columns."""
        return self.n_banded + self.extra.shape[1]

    def gram(self, weights: np.ndarray) -> np.ndarray:
        """Return `Z'WZ`, `(n_columns, n_columns)`."""
        gram = np.zeros((self.n_columns, self.n_columns))
        banded, width = self.n_banded, self.values.shape[1]
        if width == banded:  # not banded
            gram[:banded, :banded] = self.values.T @ (self.values * weights[:, None])
        for one in range(width if width < banded else 0):
            weighted = weights * self.values[:, one]
            for other in range(one, width):
                first = np.arange(banded - width + 1)
                sums = np.bincount(self.starts, weighted * self.values[:, other], minlength=len(first))
                gram[first + one, first + other] += sums
                gram[first + other, first + one] += sums if other > one else 0.0
        for column in range(self.extra.shape[1]):
            weighted = weights * self.extra[:, column]
            gram[:, banded + column] = self.weighted_sums(weighted)
            gram[banded + column, :banded] = gram[:banded, banded + column]
        return gram

    def weighted_sums(self, weights: np.ndarray) -> np.ndarray:
        """Return `Z'w`, `(n_columns,)`."""
        sums = np.zeros(self.n_banded)
        for band in range(self.values.shape[1]):
            sums += np.bincount(self.starts + band, weights * self.values[:, band], minlength=self.n_banded)
        return np.concatenate([sums, self.extra.T @ weights])

    def lengths(self, matrix: np.ndarray) -> np.ndarray:
        """Return the squared lengths `(n_cells,)` of the rows of the product with an array `(n_columns, k)`."""
        rows = chunks(len(self), _ROWS)
        return np.concatenate([np.square(self[some].dense() @ matrix).sum(axis=1) for some in rows])

    def with_column(self, column: np.ndarray) -> Bands:
        """Return the design with one more dense column at its end."""
        return replace(self, extra=np.column_stack([self.extra, column]))

    def dense(self) -> np.ndarray:
        """Return the design as an array `(n_cells, n_columns)`."""
        matrix = np.zeros((len(self), self.n_columns))
        for band in range(self.values.shape[1]):
            matrix[np.arange(len(self)), self.starts + band] = self.values[:, band]
        matrix[:, self.n_banded :] = self.extra
        return matrix


def make_bands(matrix, n_banded: int) -> Bands:
    """Convert a dense or sparse design to Bands, of which the first `n_banded` columns are banded if possible."""
    n_cells = matrix.shape[0]
    if not sparse.issparse(matrix):
        rest = matrix[:, n_banded:]
        return Bands(np.zeros(n_cells, dtype=np.int32), matrix[:, :n_banded], rest, n_banded)
    whole = n_banded == matrix.shape[1]
    rest = np.zeros((n_cells, 0)) if whole else matrix[:, n_banded:].toarray()
    banded = summed(sparse.csr_array(matrix if whole else matrix[:, :n_banded]))
    used = np.diff(banded.indptr) > 0
    lowest, highest = np.zeros(n_cells, dtype=np.int32), np.zeros(n_cells, dtype=np.int32)
    lowest[used] = banded.indices[banded.indptr[:-1][used]]
    highest[used] = banded.indices[banded.indptr[1:][used] - 1]
    width = int((highest - lowest).max(initial=0)) + 1
    width = width if 2 * width <= n_banded else n_banded
    starts = np.minimum(lowest, n_banded - width).astype(np.int32)
    if np.all(np.diff(banded.indptr) == width):  # rows without gaps, as for splines
        return Bands(starts, np.asarray(banded.data, dtype=np.float64).reshape(n_cells, width), rest, n_banded)
    values = np.zeros((n_cells, width))
    for some in chunks(n_cells, _ROWS):
        inside = slice(banded.indptr[some.start], banded.indptr[some.stop])
        rows = np.repeat(np.arange(some.start, some.stop), np.diff(banded.indptr[some.start : some.stop + 1]))
        values[rows, banded.indices[inside] - starts[rows]] = banded.data[inside]
    return Bands(starts, values, rest, n_banded)


def no_design(n_cells: int) -> Bands:
    """Return Bands without columns."""
    return Bands(np.zeros(n_cells, dtype=np.int32), np.zeros((n_cells, 0)), np.zeros((n_cells, 0)), 0)


@dataclass(frozen=True)
class DonorBands:
    """A design with one block of columns per donor, and the mapping of its columns to those of the original design.

    wide : `(n_cells, n_donors * n_own + n_shared)`: the row of a cell has its values in the block of its donor.

    Functions that sum a design over cells need not know of donors: one pass with the wide design gives the sums of all.
    """

    wide: Bands
    n_donors: int
    n_own: int

    def of_donors(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums `(n_columns, ...)` over all cells, and of each donor `(n_donors, n_columns, ...)`, 0 if shared."""
        end = self.n_donors * self.n_own
        blocks, shared = sums[:end].reshape(self.n_donors, self.n_own, *sums.shape[1:]), sums[end:]
        none = np.zeros((self.n_donors, *shared.shape))
        return np.concatenate([blocks.sum(axis=0), shared]), np.concatenate([blocks, none], axis=1)


def donor_bands(bands: Bands, donors: np.ndarray, n_donors: int, all_columns: bool) -> DonorBands:
    """Return the design with one block of columns per donor, numbered from 0.

    The columns after the banded ones have a block per donor as well if `all_columns`, else they are shared.

    >>> bands = Bands(np.array([0, 1]), np.ones((2, 1)), np.full((2, 1), 5.0), 2)
    >>> design = donor_bands(bands, np.array([0, 1]), 2, all_columns=False)
    >>> design.wide.dense().tolist()
    [[1.0, 0.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 1.0, 5.0]]
    >>> sums = design.wide.weighted_sums(np.ones(2))
    >>> [part.tolist() for part in design.of_donors(sums)]
    [[1.0, 1.0, 10.0], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    if all_columns and bands.extra.shape[1]:
        bands = Bands(np.zeros_like(bands.starts), bands.dense(), np.zeros((len(bands), 0)), bands.n_columns)
    starts = bands.starts + (donors * bands.n_banded).astype(bands.starts.dtype)
    wide = Bands(starts, bands.values, bands.extra, n_donors * bands.n_banded)
    return DonorBands(wide, n_donors, bands.n_banded)


def cells_of_donors(donors: np.ndarray) -> list[np.ndarray]:
    """Return the positions of the cells of each donor."""
    order = np.argsort(donors, kind="stable")
    return np.split(order, np.cumsum(np.bincount(donors))[:-1])


def design_by_donor(design: Bands, weights: np.ndarray, donors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `Z_d'WZ_d` `(n_donors, n_columns, n_columns)` and `Z_d'w` `(n_donors, n_columns)`."""
    parts = [(design[cells], weights[cells]) for cells in cells_of_donors(donors)]
    return np.stack([rows.gram(own) for rows, own in parts]), np.stack([rows.weighted_sums(own) for rows, own in parts])
