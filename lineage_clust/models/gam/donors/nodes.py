"""Sums over each donor's cells at the nodes of a grid, or per cell, for non-Gaussian families."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....expression.counts.table import Table
from ....utils.cached import cached_property
from ..pirls.grid import POWERS, Grid, grid_of_cells, wanted_for
from ..pirls.grouped_design import GroupedDesign
from ..pirls.problem import Cells
from .tables import table_of_strata

_WORTHWHILE = 2  # cells per node
# The same at nodes of negative weight, where the losses of these families have no minimum
_WORTHWHILE_UNBOUNDED, _UNBOUNDED = 10, (*POWERS, "poisson")
FEWEST_DONORS, IN_FEW_DONORS = 3, "expressed in fewer than three donors"  # which are not tested
_TOLERANCE = 3e-3  # minimum error relative to the range of a trend; donors' trends are not known more precisely


@dataclass(frozen=True)
class DonorNodes:
    """Nodes at which means are evaluated, ordered by donor.

    order : `(n_nodes,)` position of each node in the grid.
    of_donors, grouped : The nodes of each donor, which are consecutive, and the design at them.
    weights, offset : `(n_nodes, 1)`; the weights are sums over cells, with the total `total`.
    exposed, most : As in :class:`lineage_clust.models.gam.pirls.problem.Problem`.
    adds_exposures : Whether offsets are included in the weights instead of the linear predictor, as in a Poisson
        family.
    """

    order: np.ndarray
    of_donors: list[slice]
    grouped: list[GroupedDesign]
    rows: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    total: float
    exposed: np.ndarray
    most: float
    n_offsets: int
    adds_exposures: bool


class DonorTable:
    """Grid of all donors, and the sums of expression over its nodes, computed in one pass.

    If there are hardly more cells than nodes, each cell is a node. `groups` are codes of the donors, each with cells.
    """

    def __init__(self, cells: Cells, Y, groups: np.ndarray):
        self.cells, self.Y, self.groups, self.family = cells, Y, groups, cells.likelihood.family
        self.adds_exposures = cells.adds_exposures
        grid = cells.grid(max(cells.choices.tolerance, _TOLERANCE), groups=groups)
        enough = _WORTHWHILE
        if grid is not None and self.family.name in _UNBOUNDED and np.any(grid.shares.of_weights() < 0):
            enough = max(enough, _WORTHWHILE_UNBOUNDED)
        if grid is None or len(cells.weights) < enough * grid.n_nodes:
            self.adds_exposures, log_link = False, cells.likelihood.link.name == "log"
            grid = grid_of_cells(cells.design, cells.weights, cells.offset, groups, log_link)
        self.grid = grid

    @cached_property
    def of_nodes(self) -> Table:
        """The sums, and other statistics of each gene."""
        return table_of_strata(self.Y, self.grid, wanted_for(self.family, self.Y.shape))

    def of_all_donors(self, grid: Grid) -> Table | None:
        """Return the sums over the nodes of a grid of all cells, or `None` if its nodes are others or a pass does more.

        A pass over stored expression also caches totals, which this one does not.
        """
        by_donor, of_all = self.grid.shares, grid.shares
        if getattr(self.Y, "keeps_totals", False) or not (
            np.array_equal(by_donor.values, of_all.values) and np.array_equal(by_donor.twice, of_all.twice)
        ):
            return None
        table, width = self.of_nodes, by_donor.values.shape[1] * by_donor.twice.shape[1]
        starts, cells = np.unique(by_donor.starts, return_index=True)
        parts = {name: np.zeros((len(getattr(table, name)), grid.n_nodes)) for name in ("sums", "squares")}
        for start, into in zip(starts.tolist(), of_all.starts[cells].tolist(), strict=True):
            for name, part in parts.items():
                part[:, into : into + width] += getattr(table, name)[:, start : start + width]
        return replace(table, **parts)

    @cached_property
    def nodes(self) -> DonorNodes:
        """The nodes of all donors."""
        grid, weights, shares = self.grid, self.cells.weights, self.grid.shares
        at_nodes = exposed = shares.of_weights()
        if self.adds_exposures:
            exposure = np.exp(shares.offsets)
            at_nodes, exposed = shares.of(weights * exposure), shares.of(weights * exposure**2)
        orders, of_donors, grouped, first = [], [], [], 0
        for donor in range(int(self.groups.max()) + 1):
            nodes = np.flatnonzero(grid.groups == donor)
            grouped.append(GroupedDesign(grid.rows[nodes]))
            orders.append(nodes[grouped[-1].order])
            of_donors.append(slice(first, first + len(nodes)))
            first += len(nodes)
        order = np.concatenate(orders)
        return DonorNodes(
            order, of_donors, grouped, grid.rows[order], at_nodes[order][:, None], grid.offset[order][:, None],
            float(weights.sum()), exposed[order][:, None], float(weights.max()), grid.n_offsets, self.adds_exposures,
        )  # fmt: skip

    @property
    def expressing(self) -> np.ndarray:
        """Which donors express each gene, `(n_donors, n_genes)`."""
        sums, nodes = self.of_nodes.sums, self.nodes
        return np.array([sums[:, nodes.order[of_donor]].sum(axis=1) > 0 for of_donor in nodes.of_donors])
