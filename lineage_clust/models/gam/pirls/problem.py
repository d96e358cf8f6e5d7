"""Likelihoods and options of fits of non-Gaussian families, and what all genes share in fits from sums over nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from ....utils.cached import cached_property
from ...families import Family
from ...links import Link
from ..design import Design
from ..inference.significance import is_penalised
from ..influence import closely_followed
from ..smoothing.spectral import Spectrum, diagonalise, unpenalised_exactly
from .grid import POWERS, Grid, make_grid
from .grouped_design import GroupedDesign
from .scale import ScaleEquation


@dataclass(frozen=True)
class Likelihood:
    """Likelihood to be maximised, and its options: see the parameters of the same names of :class:`lineage_clust.GAM`."""

    family: Family
    link: Link
    expectile: float | None = None
    dispersion: str | float = "gene"
    max_iter: int = 100

    @property
    def closed_form(self) -> bool:
        """Whether the fit has a closed form."""
        return self.family.name == "gaussian" and self.link.name == "identity" and self.expectile is None

    @property
    def estimates_size(self) -> bool:
        """Whether sizes of the negative binomial are estimated."""
        return self.family.name == "negative_binomial" and isinstance(self.dispersion, str)

    def impossible(self, eta: np.ndarray, mu: np.ndarray) -> Any:
        """Return which genes `(n_genes,)` have a predictor or mean that link or family cannot have, `False` for none."""
        if self.link.name in ("log", "logit"):
            return False if self.family.highest == np.inf or self.link.name == "logit" else (mu >= 1).any(axis=0)
        outside = (eta < self.link.lower) | (eta > self.link.upper)
        if self.family.name != "gaussian":
            outside |= (mu <= self.family.lowest) | (mu >= self.family.highest)
        return outside.any(axis=0)

    def asymmetry(self, sums: np.ndarray, fitted: np.ndarray) -> Any:
        """Return the weight of each residual in expectile regression (Newey & Powell 1987, Econometrica 55), 1 otherwise."""
        return 1.0 if self.expectile is None else np.where(sums > fitted, self.expectile, 1.0 - self.expectile)

    def precision(self, sums: np.ndarray, weights: np.ndarray, mu: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Return the score of the linear predictor per residual `sums - weights * mu`, `(n_nodes, n_genes)`."""
        found = self.link.slope(mu) / self.family.variance(mu, theta)
        return found if self.expectile is None else found * self.asymmetry(sums, weights * mu)

    def loss(self, sums, weights, mu, theta, eta=None) -> np.ndarray:
        """Return the deviance of each gene up to a constant, from sums over nodes; `eta` is the predictor, if known."""
        losses = self.family.loss(sums, mu, theta, weights, eta if self.link.name == "log" else None)
        return (losses if self.expectile is None else losses * self.asymmetry(sums, weights * mu)).sum(axis=0)


@dataclass(frozen=True)
class Choices:
    """Options of the fit; see the parameters of the same names of :class:`lineage_clust.GAM`.

    infers : Whether errors and tests are needed, besides estimates.
    """

    smoothing: str | float
    covariance: str
    discretize: bool | str
    tolerance: float
    n_jobs: int | None
    infers: bool = True


@dataclass(frozen=True)
class Cells:
    """Cells, and how the genes are fitted to them; passed through all stages of a fit. Weights `(n_cells,)` are positive."""

    design: Design
    weights: np.ndarray
    offset: np.ndarray | None
    likelihood: Likelihood
    choices: Choices

    @cached_property
    def spectrum(self) -> Spectrum:
        """Spectrum of the cells' gram matrix."""
        penalty = self.design.penalty
        return unpenalised_exactly(diagonalise(self.gram, penalty), penalty)

    @cached_property
    def gram(self) -> np.ndarray:
        """Weighted gram matrix of the design, `(n_columns, n_columns)`."""
        return self.design.bands.gram(self.weights)

    @cached_property
    def penalises_smooth(self) -> bool:
        """Whether smooths are penalised as a whole, see :func:`.is_penalised`."""
        return is_penalised(self.design, self.gram)

    @cached_property
    def followed(self) -> np.ndarray:
        """Sorted positions of the cells that a trend can follow if it is hardly smooth; none without robust tests."""
        if not self.choices.infers or self.choices.covariance != "robust":
            return np.zeros(0, dtype=int)
        return closely_followed(self.design, self.weights, self.spectrum)[0]

    @property
    def unit(self) -> float:
        """Divisor of the weights, after which they sum to the effective number of cells."""
        return 1.0 if self.choices.covariance == "bayes" else np.sum(self.weights**2) / self.weights.sum()

    @property
    def adds_exposures(self) -> bool:
        """Whether exposures add up, so that the grid needs no offset: Poisson family with a log link."""
        poisson = self.likelihood.family.name == "poisson" and self.likelihood.link.name == "log"
        return poisson and self.offset is not None

    def grid(self, tolerance: float, steep: float = 0.5, groups: np.ndarray | None = None) -> Grid | None:
        """Return a Grid of the cells or `None`, see :func:`.grid.make_grid`; exposures that add up are part of its shares."""
        offset, log_link = None if self.adds_exposures else self.offset, self.likelihood.link.name == "log"
        powers = POWERS.get(self.likelihood.family.name, (1.0,))
        grid = make_grid(self.design, self.weights, offset, tolerance, groups, log_link, powers, steep)
        if grid is None:
            return None
        numbers = np.full(len(self.weights), -1, dtype=np.int32)
        numbers[self.followed] = np.arange(len(self.followed))
        shares = replace(grid.shares, numbers=numbers)
        if self.adds_exposures and self.offset is not None:
            shares = replace(shares, offsets=self.offset)
        return replace(grid, shares=shares)


@dataclass(frozen=True)
class Problem:
    """What the fits of all genes share: cells, and nodes, which are the cells themselves or those over which they are summed.

    Nodes are in the order of the grouped design, and coefficients are those of the modes of the cells' spectrum.

    grid : The nodes in their own order.
    weights, squared_weights, offset : `(n_nodes, 1)`; the first two are sums of the cells' weights, and of their squares.
    exposed : `(n_nodes, 1)` sums of weights times squared exposures if offsets are not part of the grid; else
        `weights`.
    constant : `(n_modes,)` coefficients of a constant, or `None`.
    total, total_squared : Sums of the cells' weights and of their squares.
    scale_equation : For families with unknown scale, under REML.
    compiled : Whether to use compiled loops if numba is installed, which need not be loaded for few genes.
    """

    cells: Cells
    grid: Grid
    grouped: GroupedDesign
    weights: np.ndarray
    squared_weights: np.ndarray
    offset: np.ndarray
    exposed: np.ndarray
    constant: np.ndarray | None
    total: float
    total_squared: float
    scale_equation: ScaleEquation | None
    compiled: bool

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells.weights)

    @property
    def basis(self) -> np.ndarray:
        """Coefficients of the modes, `(n_columns, n_modes)`."""
        return self.cells.spectrum.basis

    @cached_property
    def penalty(self) -> np.ndarray:
        """Diagonal of the penalty in the modes, `(n_modes,)`."""
        return np.ascontiguousarray(self.cells.spectrum.penalty[:, 0])

    @property
    def order(self) -> np.ndarray:
        """Position in the grid of each node."""
        return self.grouped.order

    @cached_property
    def places(self) -> sparse.csr_array:
        """Design `(n_nodes / n_offsets, n_columns)` at the places, each of which has nodes that differ in the offset only."""
        return sparse.csr_array(self.grid.rows[self.order[:: self.grid.n_offsets]])

    @cached_property
    def offset_levels(self) -> tuple[np.ndarray, np.ndarray, sparse.csr_array]:
        """Distinct offsets `(n_levels, 1)`, the level of each node, and the map from nodes to sums per level.

        In expectile regression, whose residuals are weighted node by node, every node is a level.
        """
        every = np.arange(len(self.offset))
        offsets, level = np.unique(self.offset, return_inverse=True)
        if self.cells.likelihood.expectile is not None:
            offsets, level = self.offset, every
        level = level.ravel()
        belongs = sparse.csr_array((np.ones(len(every)), (level, every)), shape=(len(offsets), len(every)))
        return offsets.reshape(-1, 1), level, belongs

    def predict(self, coefficients: np.ndarray) -> np.ndarray:
        """Return the linear predictor at the nodes `(n_nodes, n_genes)`, without the offset."""
        return self.grouped.predict(self.basis @ coefficients)

    def cross(self, response: np.ndarray) -> np.ndarray:
        """Return products of the design with responses `(n_nodes, n_genes)`, `(n_modes, n_genes)`."""
        return self.basis.T @ self.grouped.cross(response)

    def grams(self, working: np.ndarray) -> np.ndarray:
        """Return the gram matrices `(n_genes, n_modes, n_modes)` for weights `(n_nodes, n_genes)` at the nodes."""
        return self.basis.T @ self.grouped.grams(working) @ self.basis

    def roughness(self, coefficients: np.ndarray, log_lambda: np.ndarray) -> np.ndarray:
        """Return the penalties `(n_genes,)`."""
        return np.exp(log_lambda) * (self.penalty @ coefficients**2)


def make_problem(cells: Cells, grid: Grid, exposures: np.ndarray | None, compiled: bool) -> Problem:
    """Return the Problem of a grid; `exposures` are logarithms that are not part of the grid (Poisson), or `None`."""
    grouped, shares, weights = GroupedDesign(grid.rows), grid.shares, cells.weights
    order, family, spectrum, constant = grouped.order, cells.likelihood.family, cells.spectrum, cells.design.constant
    sums = shares.of_weights()
    squared, exposed = shares.of_weights(2), sums
    if exposures is not None:
        exposure = np.exp(exposures)
        sums, squared = shares.of(weights * exposure), shares.of(weights**2 * exposure)
        exposed = shares.of(weights * exposure**2)
    needs_scale = not family.known_scale and cells.likelihood.expectile is None and cells.choices.smoothing == "reml"
    if constant is not None:
        constant = np.linalg.lstsq(spectrum.basis, constant, rcond=None)[0]
    return Problem(
        cells, grid, grouped, sums[order][:, None], squared[order][:, None], grid.offset[order][:, None],
        exposed[order][:, None], constant, float(weights.sum()), float(np.sum(weights**2)),
        ScaleEquation(family, weights, spectrum.n_unpenalized) if needs_scale else None, compiled,
    )  # fmt: skip
