"""Table of a comparison: tests, and size, direction and time of differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..models.gam.conditions.fit import ConditionFit
from ..models.gam.conditions.significance import TESTS, level_row
from ..trends.trends import adjust
from .draws import DifferenceDraws, half_maxima

DIRECTIONS = ("unclear", "higher", "lower", "higher and lower")


def table_of_tests(pvalues: dict[str, np.ndarray], genes: list[str]) -> pd.DataFrame:
    """Return p- and q-values of level, shape and both, one row per gene."""
    columns: dict[str, np.ndarray] = {}
    for name in TESTS:
        columns |= {f"pvalue_{name}": pvalues[name], f"qvalue_{name}": adjust(pvalues[name])}
    return pd.DataFrame(columns, index=pd.Index(genes, name="gene"))


def effects(
    fit: ConditionFit, draws: DifferenceDraws, basis: np.ndarray, grid: np.ndarray, common: np.ndarray, condition: int,
    level: float,
) -> pd.DataFrame:  # fmt: skip
    """Return how a condition differs from the reference, one row per gene.

    basis, grid : `(n_points, n_splines)` and `(n_points,)`.
    common : Positions of the grid points at which all conditions have cells; the others are extrapolated.
    condition : Index of the condition, from 1.
    """
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

    Curves of samples are rougher than the estimates, so that times differ from the estimates in one direction. Percentiles
    would not cover a true time in the other; intervals are therefore symmetric around the estimates.
    """
    half = np.quantile(np.abs(drawn - estimate), level, axis=0)
    return np.stack([estimate, np.maximum(estimate - half, least), np.minimum(estimate + half, most)])
