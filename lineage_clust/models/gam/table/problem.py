"""Quantities shared by all genes in fits from sums over a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from ..pirls.grouped_design import GroupedDesign
from ..pirls.iterations import Likelihood
from ..pirls.scale import ScaleEquation
from ..smoothing.spectral import Spectrum
from .grid import Grid

_START_EDF = 6.0


@dataclass(frozen=True)
class GridProblem:
    """Quantities shared by all genes, with nodes in the order of the grouped design.

    grouped : Design at the nodes.
    basis, penalty : Demmler-Reinsch basis `(n_columns, n_modes)` of the cells' gram matrix, and the diagonal penalty
        `(n_modes,)` in it.
    gram : `(n_modes,)` diagonal of the cells' gram matrix in this basis.
    rows : `(n_nodes, n_modes)` design at the nodes in this basis.
    places, n_offsets : CSR `(n_nodes / n_offsets, n_columns)` design at the places, each of which has nodes that differ
        in the offset only.
    weights, squared_weights : `(n_nodes, 1)` sums of the cells' weights, and of their squares.
    offset : `(n_nodes, 1)`.
    exposed : `(n_nodes, 1)` sums of weights times squared exposures if offsets are not part of the grid; else
        `weights`.
    most : Largest weight.
    constant : `(n_modes,)` coefficients of a constant, or `None`.
    n_cells, total, total_squared : Number of cells, sum of their weights and of the squared weights.
    likelihood, smoothing, scale_equation : As in :class:`lineage_clust.models.gam.pirls.problem.Problem`.
    compiled : Whether to use compiled loops if numba is installed, which need not be loaded for few genes.
    """

    grouped: GroupedDesign
    basis: np.ndarray
    penalty: np.ndarray
    gram: np.ndarray
    rows: np.ndarray
    places: sparse.csr_array
    n_offsets: int
    weights: np.ndarray
    squared_weights: np.ndarray
    offset: np.ndarray
    exposed: np.ndarray
    most: float
    constant: np.ndarray | None
    n_cells: int
    total: float
    total_squared: float
    likelihood: Likelihood
    smoothing: str | float
    scale_equation: ScaleEquation | None
    compiled: bool

    @property
    def n_unpenalized(self) -> int:
        """Dimension of the penalty's null space."""
        return int(np.sum(self.penalty == 0))

    @cached_property
    def start_lambda(self) -> float:
        """Lambda of the Gaussian fits from which iterations start, for a few effective degrees of freedom."""
        if not np.any(self.penalty > 0):
            return 0.0
        low, high = -40.0, 60.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            edf = np.sum(self.gram / (self.gram + np.exp(middle) * self.penalty))
            low, high = (middle, high) if edf > _START_EDF else (low, middle)
        return float(np.exp(low))

    def grams(self, working: np.ndarray) -> np.ndarray:
        """Return the gram matrices `(n_genes, n_modes, n_modes)` for weights `(n_nodes, n_genes)` at the nodes."""
        return self.basis.T @ self.grouped.grams(working) @ self.basis


def make_grid_problem(
    grid: Grid, spectrum: Spectrum, constant, weights, offset, likelihood: Likelihood, smoothing, compiled: bool
) -> GridProblem:
    """Return the GridProblem of a grid.

    constant : `(n_columns,)` coefficients of a constant, or `None`.
    offset : `(n_cells,)` log exposures that are not part of the grid (Poisson), or `None`.
    likelihood, smoothing : As in :class:`lineage_clust.models.gam.pirls.problem.Problem`.
    compiled : See :class:`GridProblem`.
    """
    grouped, shares = GroupedDesign(grid.rows), grid.shares
    order, family = grouped.order, likelihood.family
    sums = shares.of_weights()
    squared, exposed = shares.of_weights(2), sums
    if offset is not None:
        exposure = np.exp(offset)
        sums, squared = shares.of(weights * exposure), shares.of(weights**2 * exposure)
        exposed = shares.of(weights * exposure**2)
    needs_scale = not family.known_scale and smoothing == "reml"
    if constant is not None:
        constant = np.linalg.lstsq(spectrum.basis, constant, rcond=None)[0]
    return GridProblem(
        grouped,
        spectrum.basis,
        spectrum.penalty[:, 0],
        spectrum.gram[:, 0],
        grid.rows[order] @ spectrum.basis,
        sparse.csr_array(grid.rows[order[:: grid.n_offsets]]),
        grid.n_offsets,
        sums[order][:, None],
        squared[order][:, None],
        grid.offset[order][:, None],
        exposed[order][:, None],
        float(weights.max()),
        constant,
        len(weights),
        float(weights.sum()),
        float(np.sum(weights**2)),
        likelihood,
        smoothing,
        ScaleEquation(family, weights, spectrum.n_unpenalized) if needs_scale else None,
        compiled,
    )
