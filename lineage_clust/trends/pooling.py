"""Fits to draws of an uncertain pseudotime, and by how much its scatter flattens trends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from ..expression.blocks import BlockedExpression
from .calling import readable_by

_SAME = 1e-12  # of the range: draws that differ less are the same
_MOST_CELLS = 100_000  # in which draws are compared
_BYTES_A_CELL = 128  # of a design and its weights


def are_same(draws: np.ndarray) -> bool:
    """Return whether all draws `(n_cells, n_draws)` are the same, up to rounding.

    >>> are_same(np.array([[0.1, 0.1], [0.7, 0.7]])), are_same(np.array([[0.1, 0.1], [0.7, np.nan]]))
    (True, False)
    """
    return bool(np.ptp(draws, axis=1).max() < _SAME)


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
        Further arguments of the model's `fit`.

    Returns
    -------
    model
        Pooled, see :func:`lineage_clust.models.gam.pooled.pool`.
    scatter : ndarray of shape (n_columns, n_columns)
        See :class:`Scatter`.
    """
    models, sizes, scatter = [], [], Scatter()
    step = _at_a_time(Y)
    for first in range(0, draws.shape[1], step):
        some = draws[:, first : first + step].T
        inside = np.isfinite(some)
        weights = np.where(inside, w, 0.0)
        designs = [design_of(np.where(own, times, times[own][0])) for times, own in zip(some, inside, strict=True)]
        fitted = [clone(model) for _ in designs]
        model.fit_each(fitted, [readable_by(model, design) for design in designs], Y, weights, **known)
        models += fitted
        for design, own in zip(designs, weights, strict=True):
            sizes.append(own.sum() ** 2 / np.sum(own**2))
            scatter.add(design, own)
    return model.pool(models, float(np.mean(sizes))), scatter.coefficients()


def _at_a_time(Y: Any) -> int:
    """Return how many draws are fitted in one pass over expression: one, if that is in memory."""
    if not isinstance(Y, BlockedExpression) or Y.in_memory:
        return 1
    return max(1, int(Y.memory_budget // (_BYTES_A_CELL * Y.shape[0])))


class Scatter:
    """How coefficients of a curve change if it is read off at one draw of pseudotime and seen along another.

    Draws are compared with the one before, and the first with the last, so that two designs are held at a time; of more
    than 100,000 cells, every second, third and so on is looked at.
    """

    def __init__(self) -> None:
        self._ends: list[tuple[Any, np.ndarray]] = []  # the first draw, and the last so far
        self._total = self._crossed = np.zeros(())

    def add(self, design: Any, weights: np.ndarray) -> None:
        """Add a draw.

        Parameters
        ----------
        design
            `(n_cells, n_columns)` array or sparse matrix.
        weights
            `(n_cells,)`, 0 where a cell is not in the draw.
        """
        some = slice(None, None, 1 + len(weights) // _MOST_CELLS)
        design, weights = design[some], weights[some]
        if self._ends:
            self._compare(self._ends[-1], (design, weights))
        self._ends = [*self._ends[:1], (design, weights)]

    def coefficients(self) -> np.ndarray:
        """Return the coefficients `(n_columns, n_columns)` of the regression of one draw's design on another's."""
        self._compare(self._ends[-1], self._ends[0])
        if not np.any(self._total):  # no two neighbouring draws have a cell in common: it is not known
            return np.full(self._total.shape, np.nan)
        ridge = 1e-8 * np.trace(self._total) / len(self._total)
        return np.linalg.solve(self._total + ridge * np.eye(len(self._total)), self._crossed)

    def _compare(self, one: tuple[Any, np.ndarray], other: tuple[Any, np.ndarray]) -> None:
        weights = np.where((one[1] > 0) & (other[1] > 0), one[1], 0.0)
        weighted = _scaled(other[0], weights).T
        self._total = self._total + _dense(weighted @ other[0])
        self._crossed = self._crossed + _dense(weighted @ one[0])


def attenuation(values: np.ndarray, rows: Any, scatter: np.ndarray) -> np.ndarray:
    """Return by which share the scatter of pseudotime flattens trends, `(n_genes,)`.

    Parameters
    ----------
    values
        `(n_genes, n_points)` trends along draws of pseudotime.
    rows
        `(n_points, n_columns)` design of the grid.
    scatter
        From :meth:`Scatter.coefficients`.

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
