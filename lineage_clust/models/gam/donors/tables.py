"""Sums of expression over the nodes of a grid with many strata, such as donors, of which a block of cells has only a few."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import sparse

from ....expression.counts.table import Shares, Table, Wanted, block_table, count_table
from ....expression.storage.blocks import MOST_VALUES, BlockedExpression
from ....expression.storage.sources import cuts
from ....utils.threads import in_threads
from ..pirls.grid import Grid

_MOST_STRATA = 64


def table_of_strata(Y, grid: Grid, wanted: Wanted) -> Table:
    """Return the Table of expression, as :func:`lineage_clust.expression.counts.table.count_table` requests it.

    A whole table takes tens of MB, and each of the threads would fill and add one for a few blocks of cells at a time. Here
    these are tables of a stratum: its cells are read together from memory, in any order, or as they occur in a file.
    """
    shares, stored = grid.shares, Y.stored if isinstance(Y, BlockedExpression) else Y
    n_strata = int(grid.strata.max()) + 1
    if not 1 < n_strata <= _MOST_STRATA or getattr(stored, "format", "") != "csr":
        return count_table(Y, shares, wanted).answer()
    if not isinstance(Y, BlockedExpression):
        Y = BlockedExpression(Y, keeps_totals=False)
    n_nodes = shares.n_nodes // n_strata

    def arguments(cells) -> tuple:
        return shares[cells], n_nodes, wanted

    table = Table.empty(Y.shape[1], shares.n_nodes, wanted)
    if Y.in_memory:
        of_memory = in_threads(partial(_table_of_stratum, Y, shares, n_nodes, wanted), range(n_strata))
        parts = ((slice(None), {stratum: part}) for stratum, part in enumerate(of_memory))
    else:
        of_file = Y.reduce(_block_of_strata, arguments, all_cells=False)
        parts = ((genes, found.tables) for genes, found in of_file)
    for genes, tables in parts:
        for stratum, part in tables.items():
            table.merge(part, genes, slice(stratum * n_nodes, (stratum + 1) * n_nodes))
    return table


def _table_of_stratum(Y: BlockedExpression, shares: Shares, n_nodes: int, wanted: Wanted, stratum: int) -> Table:
    """Return the table of a stratum of expression in memory, of which adjacent cells are not copied."""
    table, (cells, genes) = Table.empty(Y.shape[1], n_nodes, wanted), Y.chosen
    own = np.flatnonzero(shares.starts // n_nodes == stratum)
    rows = own if cells is None else cells[own]
    for first, last in cuts(np.append(0, np.cumsum(np.diff(Y.stored.indptr)[rows])), MOST_VALUES):
        some = rows[first:last]
        adjacent = some[-1] - some[0] == len(some) - 1
        block = Y.stored[some[0] : some[-1] + 1] if adjacent else Y.stored[some]
        block = block if genes is None else block[:, genes]
        block_table(block, None, _within(shares[own[first:last]], n_nodes), wanted, False, table)
    return table


def _within(shares: Shares, n_nodes: int) -> Shares:
    """Return the shares of cells of one stratum in its own nodes."""
    return replace(shares, n_nodes=n_nodes, starts=shares.starts % n_nodes)


@dataclass
class _OfStrata:
    """Tables by stratum."""

    tables: dict[int, Table]

    def merge(self, other: _OfStrata) -> _OfStrata:
        for stratum, table in other.tables.items():
            self.tables[stratum] = self.tables[stratum].merge(table) if stratum in self.tables else table
        return self


def _block_of_strata(
    block: sparse.csr_array,
    kept: np.ndarray | None,
    shares: Shares,
    n_nodes: int,
    wanted: Wanted,
    into: _OfStrata | None = None,
) -> _OfStrata:
    """Add a block of cells to the tables of their strata, each with `n_nodes` nodes."""
    found, kept = _OfStrata({}) if into is None else into, np.arange(block.shape[0]) if kept is None else kept
    strata = shares.starts // n_nodes
    for stratum in np.unique(strata).tolist():
        own = np.flatnonzero(strata == stratum)
        some = _within(shares[own], n_nodes)
        found.tables[stratum] = block_table(block, kept[own], some, wanted, False, found.tables.get(stratum))
    return found
