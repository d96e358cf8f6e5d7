"""Fits to draws of an uncertain pseudotime, and by how much its scatter flattens trends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from .calling import fit_model


def fit_draws(
    model: Any, design_of: Callable, draws: np.ndarray, w: np.ndarray, Y, known: dict
) -> tuple[Any, np.ndarray]:
    """Fit every draw of pseudotime on the same basis, and pool the fits.

    Parameters
    ----------
    model
        Unfitted; it is cloned.
    design_of
        Function of the times `(n_cells,)` of a draw that returns the design.
    draws
        `(n_cells, n_draws)`, NaN where a cell is not in a draw.
    w, Y
        Weights and expression.
    known
        Further arguments of :func:`lineage_clust.trends.calling.fit_model`.

    Returns
    -------
    model
        Pooled, see :func:`lineage_clust.models.gam.pooled.pool`.
    scatter : ndarray of shape (n_columns, n_columns)
        See :func:`scatter_of`.
    """
    models, designs, sizes = [], [], []
    for times in draws.T:
        inside = np.isfinite(times)
        weights = np.where(inside, w, 0.0)
        designs.append((design_of(np.where(inside, times, times[inside][0])), weights))
        one = clone(model)
        fit_model(one, designs[-1][0], Y, weights, **known)
        models.append(one)
        sizes.append(weights.sum() ** 2 / np.sum(weights**2))
    return model.pool(models, float(np.mean(sizes))), scatter_of(designs)


def scatter_of(designs: list[tuple[Any, np.ndarray]]) -> np.ndarray:
    """Return how coefficients of a curve change if it is read off at one draw of pseudotime and seen along another.

    Parameters
    ----------
    designs
        Design `(n_cells, n_columns)` and weights `(n_cells,)` of each draw.

    Returns
    -------
    ndarray of shape (n_columns, n_columns)
        With B and C the designs of two draws, coefficients of the regression of B on C, from the sums over pairs of draws.
    """
    total = crossed = np.zeros((designs[0][0].shape[1],) * 2)
    for (one, one_weights), (other, other_weights) in zip(designs, designs[1:] + designs[:1], strict=True):
        weights = np.where((one_weights > 0) & (other_weights > 0), one_weights, 0.0)
        weighted = _scaled(other, weights).T
        total = total + _dense(weighted @ other)
        crossed = crossed + _dense(weighted @ one)
    ridge = 1e-8 * np.trace(total) / len(total)
    return np.linalg.solve(total + ridge * np.eye(len(total)), crossed)


def attenuation(values: np.ndarray, rows: Any, scatter: np.ndarray) -> np.ndarray:
    """Return by which share the scatter of pseudotime flattens trends, `(n_genes,)`.

    Parameters
    ----------
    values
        `(n_genes, n_points)` trends along draws of pseudotime.
    rows
        `(n_points, n_columns)` design of the grid.
    scatter
        From :func:`scatter_of`.

    Notes
    -----
    A trend along a draw is the mean expression of cells at a drawn time, E[f(true time) | drawn time], which is flatter than
    the curve f. If the true time is to a draw as one draw is to another, seeing the trend itself at one draw along another
    flattens it by about the same share once more; that share of the range of the trend is returned. SIMEX extrapolates from
    such a step [1]_; here other draws are the noise, and nothing is simulated. Of a narrow peak less is left to flatten, so
    that the share is too small where much has been lost.

    References
    ----------
    .. [1] Cook & Stefanski (1994). Simulation-extrapolation estimation in parametric measurement error models. JASA 89,
       1314-1328.
    """
    rows = _dense(rows)
    coefficients = np.linalg.lstsq(rows, values.T, rcond=None)[0]
    again = np.ptp(rows @ (scatter @ coefficients), axis=0)
    ranges = np.ptp(rows @ coefficients, axis=0)
    changes = ranges > 1e-9 * np.abs(values).max(axis=1, initial=0.0)
    return np.clip(1 - np.divide(again, ranges, out=np.ones(len(values)), where=changes), 0.0, 1.0)


def _scaled(design: Any, weights: np.ndarray) -> Any:
    return design.multiply(weights[:, None]).tocsr() if sparse.issparse(design) else design * weights[:, None]


def _dense(matrix: Any) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
