"""Designs with one block of columns per donor, so that sums over all cells contain those over each donor's cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bands import Bands


@dataclass(frozen=True)
class DonorBands:
    """A design with one block of columns per donor, and the mapping of its columns to those of the original design.

    wide : `(n_cells, n_donors * n_own + n_shared)`: the row of a cell has its values in the block of its donor.
    n_donors, n_own : Number of blocks, and of columns in each.

    Functions that sum a design over cells, from memory, files or dask, need not know of donors: a single pass with the
    wide design gives the sums of all donors.
    """

    wide: Bands
    n_donors: int
    n_own: int

    def of_donors(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums `(n_columns, ...)` over all cells, and over those of each donor `(n_donors, n_columns, ...)`.

        The latter are 0 for shared columns.
        """
        end = self.n_donors * self.n_own
        blocks, shared = sums[:end].reshape(self.n_donors, self.n_own, *sums.shape[1:]), sums[end:]
        none = np.zeros((self.n_donors, *shared.shape))
        return np.concatenate([blocks.sum(axis=0), shared]), np.concatenate([blocks, none], axis=1)


def donor_bands(bands: Bands, donors: np.ndarray, n_donors: int, all_columns: bool) -> DonorBands:
    """Return the design with one block per donor.

    donors : `(n_cells,)` numbers of the donors, from 0.
    all_columns : Whether the columns after the banded ones have a block per donor as well. Otherwise they are shared.

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
    """Return the positions of the cells of each donor.

    >>> [cells.tolist() for cells in cells_of_donors(np.array([1, 0, 1]))]
    [[1], [0, 2]]
    """
    order = np.argsort(donors, kind="stable")
    return np.split(order, np.cumsum(np.bincount(donors))[:-1])


def design_by_donor(design: Bands, weights: np.ndarray, donors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `Z_d'WZ_d` `(n_donors, n_columns, n_columns)` and `Z_d'w` `(n_donors, n_columns)`."""
    parts = [(design[cells], weights[cells]) for cells in cells_of_donors(donors)]
    return np.stack([rows.gram(own) for rows, own in parts]), np.stack([rows.weighted_sums(own) for rows, own in parts])
