"""Sums over each donor's cells at the nodes of a grid, or per cell, for non-Gaussian families."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....expression.counts.table import Shares, Table, Wanted, count_table
from ..design import Design
from ..pirls.grouped_design import GroupedDesign
from ..pirls.iterations import Likelihood
from ..table.grid import Grid, make_grid

_WORTHWHILE = 2  # cells per node
_POWERS = {"gamma": (-1.0, -2.0), "inverse_gaussian": (-1.0, -2.0, -3.0)}
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
    exposed, most : As in :class:`lineage_clust.models.gam.table.problem.GridProblem`.
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
    adds_exposures: bool


def tabulated(
    design: Design, Y, weights: np.ndarray, offset, groups: np.ndarray, likelihood: Likelihood, tolerance: float
) -> tuple[DonorNodes, Table]:
    """Return the nodes of all donors, and the sums of expression over them, computed in one pass.

    For the arguments see :func:`lineage_clust.models.gam.donors.glm.add_donors`; `tolerance` is the largest error
    of the grid relative to the range of a trend.

    If there are hardly more cells than nodes, each cell is a node.
    """
    family, log_link = likelihood.family, likelihood.link.name == "log"
    adds = family.name == "poisson" and log_link and offset is not None
    grid = make_grid(
        design, weights, None if adds else offset, max(tolerance, _TOLERANCE), groups, log_link=log_link,
        powers=_POWERS.get(family.name, (1.0,)),
    )  # fmt: skip
    if grid is None or len(weights) < _WORTHWHILE * grid.n_nodes:
        grid, adds = _of_cells(design, weights, offset, groups, log_link), False
    shares, at_nodes = grid.shares, grid.shares.of_weights()
    exposed = at_nodes
    if adds:
        exposure = np.exp(offset)
        shares, at_nodes = replace(shares, offsets=offset), shares.of(weights * exposure)
        exposed = shares.of(weights * exposure**2)
    by_histogram = family.name == "negative_binomial"
    table = count_table(
        Y, shares, Wanted(not family.known_scale, by_histogram, None if by_histogram else family.least_loss)
    )
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
        float(weights.sum()), exposed[order][:, None], float(weights.max()), adds,
    )  # fmt: skip
    return nodes, table


def _of_cells(design: Design, weights: np.ndarray, offset, groups: np.ndarray, log_link: bool) -> Grid:
    """Return a Grid with one node per cell."""
    n_cells = len(weights)
    offset = np.zeros(n_cells) if offset is None else offset
    every = np.arange(n_cells)
    shares = Shares(every, np.ones((n_cells, 1)), weights, offset if log_link else np.zeros(n_cells), n_cells)
    return Grid(design.dense_matrix(), offset, every, 1, shares, groups)
