"""Table of a comparison: tests, and size, direction and time of differences, with posterior samples of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..models.gam.conditions.fit import ConditionFit
from ..models.gam.conditions.significance import TESTS, level_row
from ..trends.shapes import moved_times
from ..trends.trends import adjust

DIRECTIONS = ("unclear", "higher", "lower", "higher and lower")
N_DRAWS = 400
_N_SHIFT_DRAWS = 200
_MOST_POINTS = 60  # of the grid, as trends are smooth


def table_of_tests(pvalues: dict[str, np.ndarray], genes: list[str]) -> pd.DataFrame:
    """Return p- and q-values of level, shape and both, one row per gene."""
    columns: dict[str, np.ndarray] = {}
    for name in TESTS:
        columns |= {f"pvalue_{name}": pvalues[name], f"qvalue_{name}": adjust(pvalues[name])}
    return pd.DataFrame(columns, index=pd.Index(genes, name="gene"))


@dataclass(frozen=True)
class DifferenceDraws:
    """Summaries of posterior samples, arrays that begin with `(n_draws, n_comparisons, n_genes)`.

    farthest : Largest deviation from a difference along the grid, in standard errors.
    shifts : Half-maximum time minus that in the reference.
    largest_at : Time of the largest difference.
    kept : Samples of the differences of some genes, `(..., n_points)`.
    """

    farthest: np.ndarray
    shifts: np.ndarray
    largest_at: np.ndarray
    kept: np.ndarray


def draw_differences(
    fit: ConditionFit, basis: np.ndarray, grid: np.ndarray, common: np.ndarray, kept: np.ndarray, n_kept: int, seed: int,
    order: np.ndarray,
) -> DifferenceDraws:  # fmt: skip
    """Sample from the posterior of all curves, the first of which is the reference, and return summaries.

    common : Positions of the grid points at which all conditions have cells.
    kept, n_kept : Positions of the genes whose samples are returned, and their number.
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
    return moved_times(np.nan_to_num(np.swapaxes(curves, 1, 2)), grid, [0.5])[0]


def effects(
    fit: ConditionFit, draws: DifferenceDraws, basis: np.ndarray, grid: np.ndarray, common: np.ndarray, condition: int,
    level: float,
) -> pd.DataFrame:  # fmt: skip
    """Return how a condition (from 1) differs from the reference at the grid points `common` to all, one row per gene."""
    z = norm.ppf(0.5 + level / 2)
    difference, error = fit.difference(basis[common], condition)
    mean, mean_error = (part[:, 0] for part in fit.difference(level_row(fit.sums)[None], condition))
    half = np.quantile(draws.farthest[:, condition - 1], level, axis=0)[:, None] * error  # of a simultaneous band
    unknown = ~fit.curves.converged
    unknown[list(fit.failed)] = True
    above, below = (~unknown & part.any(axis=1) for part in (difference - half > 0, difference + half < 0))
    largest = np.nan_to_num(np.abs(difference)).argmax(axis=1)
    genes = np.arange(len(difference))
    curves = np.stack([fit.curve(basis[common], c).T for c in (0, condition)])
    halves = half_maxima(curves, grid[common])
    varies = np.all(np.ptp(curves, axis=1) > 1e-9 * np.abs(curves).max(axis=1), axis=0)
    start, end = grid[common[0]], grid[common[-1]]
    shifts = _interval(halves[1] - halves[0], draws.shifts[:, condition - 1], level, start - end, end - start)
    shift = np.where(varies, shifts, np.nan)
    at = _interval(grid[common][largest], draws.largest_at[:, condition - 1], level, start, end)
    last = difference[:, -1], z * error[:, -1]
    table = pd.DataFrame({
        "direction": np.asarray(DIRECTIONS, dtype=object)[above + 2 * below],
        "level": mean, "level_lower": mean - z * mean_error, "level_upper": mean + z * mean_error,
        "largest_difference": difference[genes, largest],
        "largest_difference_lower": (difference - half)[genes, largest],
        "largest_difference_upper": (difference + half)[genes, largest],
        "largest_at": at[0], "largest_at_lower": at[1], "largest_at_upper": at[2],
        "log_fold_change_end": last[0], "log_fold_change_end_lower": last[0] - last[1],
        "log_fold_change_end_upper": last[0] + last[1],
        "half_max_shift": shift[0], "half_max_shift_lower": shift[1], "half_max_shift_upper": shift[2],
    })  # fmt: skip
    table.loc[unknown, table.columns != "direction"] = np.nan
    return table


def _interval(estimate: np.ndarray, drawn: np.ndarray, level: float, least: float, most: float) -> np.ndarray:
    """Return estimates and limits of their intervals `(3, n_genes)` within bounds, from samples `(n_draws, n_genes)`.

    They are symmetric around the estimates: curves of samples are rougher, so that percentiles are off to one side.
    """
    half = np.quantile(np.abs(drawn - estimate), level, axis=0)
    return np.stack([estimate, np.maximum(estimate - half, least), np.minimum(estimate + half, most)])
