"""What is tested of the differences between conditions: their level, their shape, and both."""

from __future__ import annotations

import numpy as np
from scipy import linalg, stats

from .conditions_sums import ConditionSums
from .donors_tests import Contrast

TESTS = ("level", "shape", "both")
_ROUGHNESS = 10.0  # as for trends
_LARGEST = 0.9  # p-value, in combinations


def level_row(sums: ConditionSums) -> np.ndarray:
    """Return the row `(n_smooth,)` that gives the mean of a difference over the cells that inform of it."""
    weights = sums.inner @ sums.constant
    return weights / (sums.constant @ weights)


def contrasts(sums: ConditionSums, n_modes: int | None = None) -> dict[str, Contrast]:
    """Return the Contrasts of the level and of the shape, of which the test takes the `n_modes` smoothest, or all.

    Notes
    -----
    A difference `d` has the squared size ``d'Hd``, its sum of squares over the cells that inform of it. Its level is its
    mean in that sense, its shape what is left without it: the two add up to the whole.
    """
    root = _root(sums.inner)
    centred = np.eye(len(root)) - np.outer(sums.constant, level_row(sums))
    length = np.sqrt(sums.constant @ sums.inner @ sums.constant)
    maps = {"level": length * level_row(sums)[None], "shape": root @ centred}
    return {name: _contrast(effects, sums, n_modes) for name, effects in maps.items()}


def combined(*pvalues: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Cauchy combination of p-values `(n_genes,)`, statistic and p-value, whatever their correlation.

    One quadratic form in level and shape at once sees little of the level: donors differ in that more than in shapes. A
    p-value near 1, as tests of discrete data have, would undo the other one however small: it counts as 0.9, at which the
    combination of uniform p-values is below 0.05 in 0.0513.

    References
    ----------
    Liu & Xie (2020). Cauchy combination test: a powerful test with analytic p-value calculation under arbitrary dependency
    structures. Journal of the American Statistical Association 115, 393-402.

    Examples
    --------
    >>> _, pvalue = combined(np.array([0.02, 1e-30]), np.array([0.02, 0.5]))
    >>> [f"{value:.2g}" for value in pvalue]
    ['0.02', '2e-30']
    """
    small = np.clip(np.stack(pvalues), 1e-300, _LARGEST)
    statistic = np.mean(1 / np.tan(np.pi * small), axis=0)
    return statistic, np.where(statistic > 1e3, 1 / (np.pi * np.maximum(statistic, 1.0)), stats.cauchy.sf(statistic))


def _contrast(effects: np.ndarray, sums: ConditionSums, n_modes: int | None) -> Contrast:
    """Return the Contrast of `effects`, a map from a difference's coefficients, of all differences at once."""
    many, one = sums.arms.n_conditions - 1, len(sums.constant)
    effects = np.kron(np.eye(many), effects)
    fixed = sums.by_sample.fixed[one : (many + 1) * one, : sums.by_sample.n_determined]
    left, values, right = np.linalg.svd(effects @ fixed, full_matrices=False)
    kept = values > 1e-8 * values.max(initial=0.0)
    back = np.linalg.pinv(left[:, kept].T @ effects)
    rough, modes = linalg.eigh(back.T @ np.kron(np.eye(many), sums.penalty) @ back)
    rough, modes = np.maximum(rough[:n_modes], 0.0), modes[:, :n_modes]
    positive = rough[rough > 1e-8 * rough.max(initial=0.0)]
    # the smoothest of what is penalised is a bend; before it comes what is not, a line
    factor = _ROUGHNESS / positive[min(many, len(positive) - 1)] if len(positive) else 0.0
    return Contrast(modes.T @ (values[kept, None] * right[kept]), np.diag(1 / (1 + factor * rough)))


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
