"""Sums over each donor's cells at the nodes of a grid, or per cell, for non-Gaussian families."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....expression.counts.table import Table
from ..design import Design
from ..pirls.grid import POWERS, Grid, grid_of_cells, make_grid, wanted_for
from ..pirls.grouped_design import GroupedDesign
from ..pirls.problem import Likelihood
from .tables import table_of_strata

_WORTHWHILE = 2  # cells per node
# The same at nodes of negative weight, where the losses of these families have no minimum
_WORTHWHILE_UNBOUNDED, _UNBOUNDED = 10, (*POWERS, "poisson")
FEWEST_DONORS, IN_FEW_DONORS = 3, "expressed in fewer than three donors"  # which are not tested
_TOLERANCE = 3e-3  # minimum error of a trend; donors' trends are not known more precisely


@dataclass(frozen=True)
class DonorNodes:
    """Nodes at which means are evaluated, ordered by donor.

    order : `(n_nodes,)` position of each node in the grid.
    donors : One slice of nodes per donor.
    grouped : Design at the nodes of each donor.
    rows : `(n_nodes, n_columns)` rows of the design.
    weights : `(n_nodes, 1)` sums of the cells' weights.
    offset : `(n_nodes, 1)`.
    total : Sum of the cells' weights.
    exposed, most : As in :class:`lineage_clust.models.gam.pirls.problem.Problem`.
    n_offsets : Number of consecutive nodes that differ only in their offset.
    adds_exposures : Whether offsets are included in the weights instead of the linear predictor, as in a Poisson
        family.
    """

    order: np.ndarray
    donors: list[slice]
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

    For the arguments see :func:`lineage_clust.models.gam.donors.glm.add_donors`; `tolerance` is the largest error
    of the grid relative to the range of a trend.

    If there are hardly more cells than nodes, each cell is a node.
    """

    def __init__(
        self, design: Design, weights: np.ndarray, offset, groups: np.ndarray, likelihood: Likelihood, tolerance: float
    ):
        family, log_link = likelihood.family, likelihood.link.name == "log"
        adds = family.name == "poisson" and log_link and offset is not None
        grid = make_grid(
            design, weights, None if adds else offset, max(tolerance, _TOLERANCE), groups, log_link=log_link,
            powers=POWERS.get(family.name, (1.0,)),
        )  # fmt: skip
        enough = _WORTHWHILE
        if grid is not None and family.name in _UNBOUNDED and np.any(grid.shares.of_weights() < 0):
            enough = max(enough, _WORTHWHILE_UNBOUNDED)
        if grid is None or len(weights) < enough * grid.n_nodes:
            grid, adds = grid_of_cells(design, weights, offset, groups, log_link), False
        self.grid, self.adds, self.weights, self.offset = grid, adds, weights, offset
        self.shares = replace(grid.shares, offsets=offset) if adds else grid.shares
        self.family = family
        self.table: Table | None = None

    def of(self, Y) -> Table:
        """Return the sums."""
        if self.table is None:
            self.table = table_of_strata(Y, self.grid, self.shares, wanted_for(self.family, Y.shape))
        return self.table

    def of_all_donors(self, Y, grid: Grid) -> Table | None:
        """Return the sums over the nodes of a grid of all cells, or `None` if its nodes are others or a pass does more.

        A pass over stored expression also caches totals, which this one does not.
        """
        own, other = self.shares, grid.shares
        if (
            getattr(Y, "keeps_totals", False)
            or own.values.shape != other.values.shape
            or own.twice.shape != other.twice.shape
        ):
            return None
        if not (np.array_equal(own.values, other.values) and np.array_equal(own.twice, other.twice)):
            return None
        table, width = self.of(Y), own.values.shape[1] * own.twice.shape[1]
        starts, cells = np.unique(own.starts, return_index=True)
        parts = {name: np.zeros((len(getattr(table, name)), grid.n_nodes)) for name in ("sums", "squares")}
        for start, into in zip(starts.tolist(), other.starts[cells].tolist(), strict=True):
            for name, part in parts.items():
                part[:, into : into + width] += getattr(table, name)[:, start : start + width]
        return replace(table, **parts)


def expressing(nodes: DonorNodes, table: Table) -> np.ndarray:
    """Return which donors express each gene, `(n_donors, n_genes)`."""
    return np.array([table.sums[:, nodes.order[places]].sum(axis=1) > 0 for places in nodes.donors])


def tabulated(
    design: Design, Y, weights: np.ndarray, offset, groups: np.ndarray, likelihood: Likelihood, tolerance: float,
    table: DonorTable | None = None,
) -> tuple[DonorNodes, Table]:  # fmt: skip
    """Return the nodes of all donors, and the sums of expression over them; `table` may be known already."""
    plan = DonorTable(design, weights, offset, groups, likelihood, tolerance) if table is None else table
    grid, adds = plan.grid, plan.adds
    shares, at_nodes = plan.shares, grid.shares.of_weights()
    exposed = at_nodes
    if adds:
        exposure = np.exp(offset)
        at_nodes, exposed = shares.of(weights * exposure), shares.of(weights * exposure**2)
    orders, donors, grouped = [], [], []
    for donor in range(groups.max() + 1):
        own = np.flatnonzero(grid.groups == donor)
        design_of_donor = GroupedDesign(grid.rows[own])
        first = donors[-1].stop if donors else 0
        donors.append(slice(first, first + len(own)))
        orders.append(own[design_of_donor.order])
        grouped.append(design_of_donor)
    order = np.concatenate(orders)
    nodes = DonorNodes(
        order, donors, grouped, grid.rows[order], at_nodes[order][:, None], grid.offset[order][:, None],
        float(weights.sum()), exposed[order][:, None], float(weights.max()), grid.n_offsets, adds,
    )  # fmt: skip
    return nodes, plan.of(Y)
