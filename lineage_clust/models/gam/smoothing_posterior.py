"""How well the data determine the smoothing parameter of each gene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .smoothing import log_lambda_range, reml
from .spectral import Spectrum

_N_GRID = 60


@dataclass(frozen=True)
class SmoothingPosterior:
    """Posterior of the smoothing parameters of Gaussian fits that share a design.

    Attributes
    ----------
    spectrum
        The shared Demmler-Reinsch basis.
    loadings
        `T'Z'Wy`, `(n_modes, n_genes)`.
    squares
        `y'Wy`, `(n_genes,)`.
    n_cells
        Number of cells with positive weight.

    Notes
    -----
    The likelihood of lambda is the restricted one. Its prior makes all effective degrees of freedom between those of a
    straight line and those of the whole basis equally likely: the uniform shrinkage prior [1]_, which has no parameter and
    keeps the posterior proper where the likelihood does not fall towards complete smoothing.

    References
    ----------
    .. [1] Daniels (1999). A prior for the variance in hierarchical models. Canadian Journal of Statistics 27, 567-578.
    """

    spectrum: Spectrum
    loadings: np.ndarray
    squares: np.ndarray
    n_cells: int

    def quantile_function(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function that takes probabilities `(n_genes,)` to smoothing parameters: of uniform ones it makes draws."""
        grid, cumulative = self.distribution()
        genes, last = np.arange(cumulative.shape[1]), len(grid) - 2

        def quantile(at: np.ndarray) -> np.ndarray:
            below = np.clip((cumulative <= at).sum(axis=0) - 1, 0, last)
            low, high = cumulative[below, genes], cumulative[below + 1, genes]
            share = np.divide(at - low, high - low, out=np.zeros_like(at), where=high > low)
            return np.exp(grid[below] + share * (grid[1] - grid[0]))

        return quantile

    def distribution(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a grid of log lambda `(n_points,)` and the cumulative posterior there, `(n_points, n_genes)`."""
        lowest, highest = log_lambda_range(self.spectrum)
        grid = np.linspace(lowest[0], highest[0], _N_GRID)
        criterion = reml(self.spectrum, self.loadings, self.squares, self.n_cells)
        values, _, _ = criterion(grid[:, None], np.arange(len(self.squares)))
        kept = self.spectrum.gram / (self.spectrum.gram + self.spectrum.penalty * np.exp(grid))
        prior = (kept * (1 - kept)).sum(axis=0)  # the change of the degrees of freedom with log lambda
        density = np.exp(values.min(axis=0) - values) * prior[:, None]
        cumulative = np.zeros_like(density)
        np.cumsum(0.5 * (density[1:] + density[:-1]), axis=0, out=cumulative[1:])
        return grid, cumulative / cumulative[-1]

    def take(self, genes: np.ndarray) -> SmoothingPosterior:
        """Return the posterior of some genes."""
        return SmoothingPosterior(self.spectrum, self.loadings[:, genes], self.squares[genes], self.n_cells)
