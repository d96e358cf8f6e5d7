"""Posterior of the smoothing parameter of each gene."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .criteria import log_lambda_range, on_grid, reml
from .spectral import Spectrum

_N_GRID = 60


@dataclass(frozen=True)
class SmoothingPosterior:
    """Posterior of the smoothing parameters of Gaussian fits that share a design, or of working linear models.

    spectrum : The shared Demmler-Reinsch basis, or one per gene.
    loadings, squares : `T'Z'Wy`, `(n_modes, n_genes)`, and `y'Wy`, `(n_genes,)`.
    n_cells : Number of cells with positive weight.
    known_scale : `(n_genes,)` scale of working models; `None` = profile over the scale, by `squares` and `n_cells`.

    The likelihood of lambda is the restricted likelihood. The prior is uniform on the effective degrees of freedom,
    between those of a straight line and of the whole basis. This uniform shrinkage prior (Daniels 1999, Canadian Journal of
    Statistics 27, 567-578) has no parameter and makes the posterior proper even if the likelihood does not decrease towards
    complete smoothing.
    """

    spectrum: Spectrum
    loadings: np.ndarray
    squares: np.ndarray
    n_cells: int
    known_scale: np.ndarray | None = None

    def quantile_function(self) -> Callable[..., np.ndarray]:
        """Return the quantile function of the posterior, from probabilities `(n_genes,)` to smoothing parameters.

        Its second argument are the positions of the genes, if these are not all.
        """
        grid, cumulative = self.distribution()
        every, last = np.arange(cumulative.shape[1]), len(grid) - 2
        lowest, step = (np.broadcast_to(one, len(every)) for one in (grid[0], grid[1] - grid[0]))

        def quantile(at: np.ndarray, some: np.ndarray | slice = slice(None)) -> np.ndarray:
            genes = every[some]
            below = np.clip((cumulative[:, genes] <= at).sum(axis=0) - 1, 0, last)
            low, high = cumulative[below, genes], cumulative[below + 1, genes]
            share = np.divide(at - low, high - low, out=np.zeros_like(at), where=high > low)
            return np.exp(lowest[genes] + (below + share) * step[genes])

        return quantile

    def curvature(self, lambda_: np.ndarray) -> np.ndarray:
        """Return the second derivative of minus the log likelihood with respect to log lambda, `(n_genes,)`, at least 0."""
        _, _, second = self._criterion()(np.log(np.maximum(lambda_, 1e-300)), np.arange(len(lambda_)))
        return np.maximum(second, 0.0)

    def _criterion(self):
        known = self.known_scale is not None
        scaled = self.loadings / np.sqrt(self.known_scale) if known else self.loadings
        return reml(self.spectrum, scaled, self.squares, self.n_cells, known_scale=known)

    def distribution(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a grid of log lambda `(n_points, 1 or n_genes)` and the cumulative posterior `(n_points, n_genes)`."""
        spectrum, n_genes = self.spectrum, len(self.squares)
        grid = np.linspace(*log_lambda_range(spectrum), _N_GRID)
        values, _ = on_grid(self._criterion(), grid, n_genes)
        kept = (spectrum.gram / (spectrum.gram + spectrum.penalty * np.exp(points)) for points in grid)
        # derivative of the edf with respect to log lambda
        prior = np.stack([(share * (1 - share)).sum(axis=0) for share in kept])
        density = np.exp(values.min(axis=0) - values) * prior
        cumulative = np.zeros_like(density)
        np.cumsum(0.5 * (density[1:] + density[:-1]), axis=0, out=cumulative[1:])
        return grid, cumulative / cumulative[-1]

    def take(self, genes: np.ndarray) -> SmoothingPosterior:
        """Return the posterior of some genes."""
        scale = None if self.known_scale is None else self.known_scale[genes]
        return SmoothingPosterior(self.spectrum, self.loadings[:, genes], self.squares[genes], self.n_cells, scale)
