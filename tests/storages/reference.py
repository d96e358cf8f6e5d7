"""A slow reference for penalised fits: a mixed model of all cells with dense `(n_cells, n_cells)` covariances, in SciPy.

Only the model is the same as in the package: a B-spline is `X b + Z u` with free straight lines `X` and `u ~ N(0, s2 /
lambda)`, and a cell is `y ~ N(X b + Z u, s2 / w)`. The smoothing parameter maximises the restricted likelihood of the cells
(Patterson & Thompson 1971), found by a fine grid and SciPy's minimiser; trends are best linear unbiased predictions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize
from scipy.interpolate import BSpline

SCAN = np.linspace(-14.0, 20.0, 103)  # of log lambda


@dataclass
class Reference:
    """What a fit of one gene says: log lambda, degrees of freedom, the trend and its standard error on the grid."""

    log_lambda: float
    edf: float
    trend: np.ndarray
    se: np.ndarray


def bases(times, grid, n_splines):
    """Return `X` and `Z` of the cells and of the grid: free straight lines, and what the penalty shrinks."""
    step = (grid[-1] - grid[0]) / (n_splines - 3)
    knots = grid[0] + step * np.arange(-3, n_splines + 1)
    values, vectors = linalg.eigh(np.diff(np.eye(n_splines), 2, axis=0).T @ np.diff(np.eye(n_splines), 2, axis=0))
    free, shrunk = vectors[:, :2], vectors[:, 2:] / np.sqrt(values[2:])
    designs = [BSpline(knots, np.eye(n_splines), 3)(at) for at in (times, grid)]
    return [(design @ free, design @ shrunk) for design in designs]


class MixedModel:
    """The restricted likelihood of cells at one smoothing parameter, and its predictions."""

    def __init__(self, cells, y, weights, log_lambda):
        (self.X, self.Z), self.y = cells, y
        self.noise = 1 / weights
        self.between = np.exp(-log_lambda)
        self.V = np.diag(self.noise) + self.between * (self.Z @ self.Z.T)
        self.inverse = np.linalg.inv(self.V)
        self.inside = self.X.T @ self.inverse @ self.X
        self.beta = np.linalg.solve(self.inside, self.X.T @ self.inverse @ y)
        self.left = self.inverse @ (y - self.X @ self.beta)
        self.log_determinants = np.linalg.slogdet(self.V)[1] + np.linalg.slogdet(self.inside)[1]

    def likelihood(self, scale=None):
        """Return the restricted likelihood, with the scale profiled out if it is `None`."""
        squares = (self.y - self.X @ self.beta) @ self.left
        if scale is not None:
            return -0.5 * (squares / scale + self.log_determinants)
        return -0.5 * ((len(self.y) - self.X.shape[1]) * np.log(squares) + self.log_determinants)

    def predicted(self, at, scale=None):
        """Return the trend on a grid, its standard error and the degrees of freedom."""
        (X, Z), across = at, self.between * (at[1] @ self.Z.T)
        trend = X @ self.beta + across @ self.left
        projection = self.inverse - self.inverse @ self.X @ np.linalg.solve(self.inside, self.X.T @ self.inverse)
        edf = len(self.y) - self.noise @ np.diag(projection)
        if scale is None:  # residuals are W^-1 V^-1 (y - X b)
            scale = np.sum(self.noise * self.left**2) / (len(self.y) - edf)
        unexplained = X - across @ self.inverse @ self.X
        variance = self.between * np.sum(Z**2, axis=1) - np.sum(across @ self.inverse * across, axis=1)
        variance += np.sum(unexplained * np.linalg.solve(self.inside, unexplained.T).T, axis=1)
        return trend, np.sqrt(np.maximum(scale * variance, 0)), edf


def most_likely(cells, y, weights, scale=None, scan=SCAN):
    """Return the log lambda of the highest restricted likelihood."""

    def loss(log_lambda):
        return -MixedModel(cells, y, weights, log_lambda).likelihood(scale)

    best = scan[np.argmin([loss(point) for point in scan])]
    step = scan[1] - scan[0]
    found = optimize.minimize_scalar(loss, bounds=(best - step, best + step), method="bounded", options={"xatol": 1e-8})
    return float(np.clip(found.x, SCAN[0], SCAN[-1]))


def gaussian(times, y, weights, grid, covariate=None, n_splines=20):
    """Return the Reference of a gene with a Gaussian family; its trend is at the weighted mean of the covariate."""
    cells, at = bases(times, grid, n_splines)
    if covariate is not None:
        centred = covariate - np.average(covariate, weights=weights)
        cells, at = ((np.column_stack([X, x]), Z) for (X, Z), x in ((cells, centred), (at, np.zeros(len(grid)))))
    log_lambda = most_likely(cells, y, weights)
    trend, se, edf = MixedModel(cells, y, weights, log_lambda).predicted(at)
    return Reference(log_lambda, edf, trend, se)


def poisson(times, y, weights, grid, n_splines=20):
    """Return the Reference of a gene with a Poisson family and log link, on the response scale.

    Penalised quasi-likelihood (Breslow & Clayton 1993): the working linear mixed model is fitted until nothing moves, with
    the smoothing parameter that maximises its restricted likelihood.
    """
    cells, at = bases(times, grid, n_splines)
    eta, log_lambda, scan = np.log(y + 0.5), 0.0, SCAN
    for step in range(200):
        mean = np.exp(eta)
        working = eta + (y - mean) / mean
        new = most_likely(cells, working, weights * mean, 1.0, scan)
        model = MixedModel(cells, working, weights * mean, new)
        fitted = model.predicted(cells, scale=1.0)[0]
        moved = max(np.abs(fitted - eta).max(), abs(np.exp(-new) - np.exp(-log_lambda)))
        eta, log_lambda = fitted, new
        scan = SCAN if step < 3 else new + np.array([-0.5, 0.0, 0.5])
        if moved < 1e-9:
            break
    trend, se, edf = model.predicted(at, scale=1.0)
    return Reference(log_lambda, edf, np.exp(trend), se * np.exp(trend))
