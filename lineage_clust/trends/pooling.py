"""Fits to draws of an uncertain pseudotime, and the attenuation of trends by its uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

from ..expression.storage.blocks import BlockedExpression
from ..utils.matrices import chunks, dense
from .pairing import readable_by

_SAME = 1e-12  # relative to the range; draws that differ less are equal
_MOST_CELLS = 100_000  # maximum number of cells on which draws are compared
_BYTES_A_CELL = 128  # of a design and its weights


def are_same(draws: np.ndarray) -> bool:
    """Return whether all draws `(n_cells, n_draws)` are equal up to rounding."""
    return bool(np.ptp(draws, axis=1).max() < _SAME)


def fit_time_draws(
    model: Any, design_of: Callable, draws: np.ndarray, w: np.ndarray, Y, known: dict
) -> tuple[Any, np.ndarray]:
    """Fit clones of a model to every draw `(n_cells, n_draws)` of pseudotime on the same basis, and pool the fits.

    `design_of` returns the design of times, and `known` are further arguments of the model's `fit`. The coefficients of
    :class:`Scatter` are returned as well.
    """
    models, sizes, scatter = [], [], Scatter(np.isfinite(draws).sum(axis=1))
    in_file = isinstance(Y, BlockedExpression) and not Y.in_memory
    step = max(1, int(Y.memory_budget // (_BYTES_A_CELL * Y.shape[0]))) if in_file else 1  # draws per pass
    for columns in chunks(draws.shape[1], step):
        some = draws[:, columns].T
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


class Scatter:
    """Regression of the design of one draw of pseudotime on that of another, over all pairs of draws in either order.

    With more than 100,000 cells, a regular subset is used. Only the sum of the designs is kept in memory.

    n_draws : `(n_cells,)` number of draws in which each cell is.
    """

    def __init__(self, n_draws: np.ndarray) -> None:
        self._some = slice(None, None, 1 + len(n_draws) // _MOST_CELLS)
        self._n_others = n_draws[self._some] - 1.0
        self._sum: Any = 0.0  # of the designs, times the roots of the weights
        self._total = self._same = np.zeros(())

    def add(self, design: Any, weights: np.ndarray) -> None:
        """Add a draw: its design, and weights `(n_cells,)` that are 0 for cells that are not in it."""
        rows = sparse.diags_array(np.sqrt(weights[self._some])) @ sparse.csr_array(design[self._some])
        self._sum = self._sum + rows
        self._total = self._total + dense(rows.T @ (sparse.diags_array(self._n_others) @ rows))
        self._same = self._same + dense(rows.T @ rows)

    def coefficients(self) -> np.ndarray:
        """Return the coefficients `(n_columns, n_columns)` of the regression of one draw's design on another's."""
        if not np.any(self._total):  # unknown: no two draws have a cell in common
            return np.full(self._total.shape, np.nan)
        ridge = 1e-8 * np.trace(self._total) / len(self._total)
        return np.linalg.solve(
            self._total + ridge * np.eye(len(self._total)), dense(self._sum.T @ self._sum) - self._same
        )


def attenuation(values: np.ndarray, rows: Any, scatter: np.ndarray) -> np.ndarray:
    """Return the fraction of the range of trends that is lost by the uncertainty of pseudotime, `(n_genes,)`.

    `rows` is the design of the grid, `scatter` are the coefficients of :class:`Scatter`.

    A trend along a draw is the mean expression of cells at a drawn time, E[f(true time) | drawn time], which is flatter than
    the curve f. If the true time relates to a draw as one draw relates to another, projecting the trend from one draw
    to another attenuates it once more by about the same fraction of its range, which is returned. SIMEX extrapolates
    from such a step [1]_; here other draws provide the noise, and nothing is simulated. The fraction is underestimated
    for narrow peaks, of which little is left to attenuate.

    References
    ----------
    .. [1] Cook & Stefanski (1994). Simulation-extrapolation estimation in parametric measurement error models. JASA 89,
       1314-1328.
    """
    rows = dense(rows)
    coefficients = np.linalg.lstsq(rows, values.T, rcond=None)[0]
    again = np.ptp(rows @ (scatter @ coefficients), axis=0)
    ranges = np.ptp(rows @ coefficients, axis=0)
    changes = ranges > 1e-9 * np.abs(values).max(axis=1, initial=0.0)
    return np.clip(1 - np.divide(again, ranges, out=np.ones(len(values)), where=changes), 0.0, 1.0)
