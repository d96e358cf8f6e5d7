"""Summaries of posterior samples of differences: simultaneous bands, and times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..models.gam.conditions.fit import ConditionFit
from ..trends.shapes import moved_times

N_DRAWS = 400
_N_SHIFT_DRAWS = 200
_MOST_POINTS = 60  # of the grid, as trends are smooth


@dataclass(frozen=True)
class DifferenceDraws:
    """Summaries of posterior samples.

    farthest : `(n_draws, n_comparisons, n_genes)` largest deviation from a difference along the grid, in standard
        errors.
    shifts : `(n_draws, n_comparisons, n_genes)` half-maximum time minus that in the reference.
    largest_at : `(n_draws, n_comparisons, n_genes)` time of the largest difference.
    kept : `(n_draws, n_comparisons, n_kept, n_points)` samples of the differences of some genes.
    """

    farthest: np.ndarray
    shifts: np.ndarray
    largest_at: np.ndarray
    kept: np.ndarray


def draw_differences(
    fit: ConditionFit, basis: np.ndarray, grid: np.ndarray, common: np.ndarray, kept: np.ndarray, n_kept: int, seed: int,
    order: np.ndarray,
) -> DifferenceDraws:  # fmt: skip
    """Sample from the posterior of all curves, and return summaries.

    fit : Fitted curves; the first condition is the reference.
    basis : `(n_points, n_splines)`.
    grid : `(n_points,)` pseudotime.
    common : Positions of the grid points at which all conditions have cells.
    kept : Positions of the genes whose samples are returned.
    n_kept : Number of returned samples.
    order : Order in which genes are sampled, independent of that of the input (for example by name).
    """
    n_comparisons, n_genes = fit.samples.n_conditions - 1, fit.curves.coefficients.shape[1]
    some = np.unique(np.linspace(0, len(grid) - 1, min(len(grid), _MOST_POINTS)).round().astype(int))
    fine = np.stack([fit.rows(basis, c, 0) for c in range(1, n_comparisons + 1)])
    rows = fine[:, some]
    errors = np.stack([fit.curves.posterior.std(one) for one in rows])
    errors[errors == 0] = np.inf
    times = common[np.unique(np.linspace(0, len(common) - 1, min(len(common), _MOST_POINTS)).round().astype(int))]
    curves = np.stack([fit.rows(basis[times], c) for c in range(n_comparisons + 1)])
    farthest = np.zeros((N_DRAWS, n_comparisons, n_genes))
    shifts, largest_at = np.zeros((2, _N_SHIFT_DRAWS, n_comparisons, n_genes))
    differences = np.zeros((n_kept, n_comparisons, len(kept), len(grid)))
    generator = np.random.default_rng(seed)
    back = np.argsort(order)
    for number, drawn in enumerate(fit.curves.posterior.take(order).draws(generator, N_DRAWS, True)):
        deviation = drawn[:, back]
        farthest[number] = np.max(np.abs(rows @ deviation) / errors, axis=1)
        values = fit.curves.coefficients + deviation if number < max(_N_SHIFT_DRAWS, n_kept) else None
        if values is not None and number < _N_SHIFT_DRAWS:
            drawn_curves = curves @ values
            halves = half_maxima(drawn_curves, grid[times])
            shifts[number] = halves[1:] - halves[0]
            largest_at[number] = grid[times][np.abs(drawn_curves[1:] - drawn_curves[0]).argmax(axis=1)]
        if values is not None and number < n_kept:
            differences[number] = np.swapaxes(fine @ values[:, kept], 1, 2)
    return DifferenceDraws(farthest, shifts, largest_at, differences)


def half_maxima(curves: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the times `(n_conditions, n_genes)` at which curves `(n_conditions, n_points, n_genes)` have changed by half."""
    return np.stack([moved_times(np.nan_to_num(curve.T), grid, [0.5])[0] for curve in curves])
