"""Sums of expression over the nodes of a grid with many levels, such as donors, of which a block of cells has only a few."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from ....expression.counts.table import Shares, Table, Wanted, block_table, count_table
from ....expression.storage.blocks import BlockedExpression
from ..pirls.grid import Grid

_MOST_LEVELS = 64


def table_of_levels(Y, grid: Grid, shares: Shares, wanted: Wanted) -> Table:
    """Return the same as :func:`lineage_clust.expression.counts.table.count_table`.

    A whole table takes tens of MB, and each of the threads would fill and add one for a few blocks of cells at a time. Here
    these are tables of the levels that occur.
    """
    stored = Y.stored if isinstance(Y, BlockedExpression) else Y
    n_levels = int(grid.levels.max()) + 1
    if not 1 < n_levels <= _MOST_LEVELS or getattr(stored, "format", "") != "csr":
        return count_table(Y, shares, wanted).answer()
    if not isinstance(Y, BlockedExpression):
        Y = BlockedExpression(Y, keeps_totals=False)
    size = shares.n_nodes // n_levels

    def arguments(cells) -> tuple:
        return shares[cells], size, wanted

    table = Table.empty(Y.shape[1], shares.n_nodes, wanted)
    for genes, found in Y.reduce(_block_of_levels, arguments, all_cells=False):
        for level, part in found.tables.items():
            table.merge(part, genes, slice(level * size, (level + 1) * size))
    return table


@dataclass
class _OfLevels:
    """Tables by level."""

    tables: dict[int, Table]

    def merge(self, other: _OfLevels) -> _OfLevels:
        for level, table in other.tables.items():
            self.tables[level] = self.tables[level].merge(table) if level in self.tables else table
        return self


def _block_of_levels(
    block: sparse.csr_array,
    kept: np.ndarray | None,
    shares: Shares,
    size: int,
    wanted: Wanted,
    into: _OfLevels | None = None,
) -> _OfLevels:
    """Add a block of cells to the tables of their levels, each with `size` nodes."""
    found, kept = _OfLevels({}) if into is None else into, np.arange(block.shape[0]) if kept is None else kept
    levels = shares.starts // size
    for level in np.unique(levels).tolist():
        own = np.flatnonzero(levels == level)
        some = replace(shares[own], n_nodes=size)
        some = replace(some, starts=some.starts - level * size)
        found.tables[level] = block_table(block, kept[own], some, wanted, False, found.tables.get(level))
    return found
