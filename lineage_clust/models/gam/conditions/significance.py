"""Contrasts for tests of the level and the shape of differences between conditions."""

from __future__ import annotations

import numpy as np
from scipy import linalg, special

from ....expression.sums.bands import Bands
from ....utils.combining import cauchy_combination
from ....utils.matrices import chunks
from ..donors.significance import Contrast, modes_of
from ..inference.significance import with_variance
from ..inference.weighted_tails import skewed_tails
from .sums import ConditionSums, widened

TESTS = ("level", "shape", "both")
_ROUGHNESS = 10.0  # as for trends
# Minimum of the root of the information about a mode, relative to the best known one. Where a condition has hardly any cells,
# its curve is a continuation, whose distance from the others is no difference.
_INFORMED = 1e-2
_SMALLEST = 1e-300  # tail that can be inverted
# Statistics are scaled to the mean and variance of chi-square, with which few p-values of rare genes are too small. Far in
# the tail, where the largest weight decides, p-values would increase with the statistic.
_MOST_APART = 8.0
_ROWS = 2**14  # rows of the design at a time


def level_row(sums: ConditionSums) -> np.ndarray:
    """Return the row `(n_smooth,)` that maps coefficients to the mean difference over the cells that inform it."""
    weights = sums.inner @ sums.constant
    return weights / (sums.constant @ weights)


def contrasts(sums: ConditionSums, n_modes: int | None = None) -> dict[str, Contrast]:
    """Return the Contrasts of level and shape; the test of the shape uses the `n_modes` smoothest modes, or all.

    The squared norm of a difference `d` is ``d'Hd``, its sum of squares over the cells that inform it. Its level is its
    mean under this norm and its shape is the remainder; their squared norms add up to the total.
    """
    root = _root(sums.inner)
    centred = np.eye(len(root)) - np.outer(sums.constant, level_row(sums))
    length = np.sqrt(sums.constant @ sums.inner @ sums.constant)
    maps = {"level": length * level_row(sums)[None], "shape": root @ centred}
    return {name: _contrast(effects, sums, n_modes) for name, effects in maps.items()}


def allow_for_moments(
    statistics: dict[str, np.ndarray], pvalues: dict[str, np.ndarray], of: dict[str, Contrast], sums: ConditionSums,
    rows: Bands, conditions: np.ndarray, weights: np.ndarray, moments: tuple[np.ndarray, np.ndarray],
) -> None:  # fmt: skip
    """Replace p-values with cells as replicates by those that allow for the skewness and kurtosis of expression.

    rows, conditions, weights : Design of one curve and covariates, codes, and weights that sum to the number of cells.
    moments : `(n_genes,)` skewness and excess kurtosis.

    Kurtosis increases the variance of a statistic as in :func:`lineage_clust.models.gam.inference.kurtosis.variance_factors`;
    all genes have the same matrix `K`. A statistic of one degree of freedom is the square of a weighted sum of expression,
    which is skewed if the conditions differ in size. Its tails are those of a shifted gamma variable with this skewness; only
    the kurtosis beyond that of this variable is then left.
    """
    by_sample, samples, (skewness, kurtosis) = sums.by_sample, sums.samples, moments
    free, codes = slice(by_sample.n_determined), range(samples.n_conditions)
    curves = np.stack([widened(samples.curve(code), len(sums.constant), sums.n_covariates) for code in codes])
    for name, contrast in of.items():
        if len(contrast.rows) == 0:
            continue
        inverse, modes, (shares,) = modes_of(contrast, by_sample.gram[:, free, free])
        to_scores, cubes, fourths = curves @ by_sample.fixed[:, free] @ (inverse @ modes)[0] * np.sqrt(shares), 0.0, 0.0
        for some in chunks(len(rows), _ROWS):
            scores = (rows[some].dense() @ to_scores)[conditions[some], np.arange(len(weights[some]))]
            scores *= weights[some, None]
            squared = scores**2
            cubes += np.sum(squared * scores)
            fourths += np.sum(squared.sum(axis=1) ** 2)
        squares = np.sum(shares**2)
        rank, df, excess = shares.sum() ** 2 / squares, by_sample.df, kurtosis * fourths / squares
        # the statistic of an F test with this rank that is as significant
        share = special.betaincinv(df / 2, rank / 2, pvalues[name])
        with np.errstate(divide="ignore"):
            size = df * (1 - share) / share
        if len(shares) == 1:
            skewed = skewness**2 * cubes**2 / squares**1.5
            tails, excess = skewed_tails(statistics[name], skewed), np.maximum(excess - 1.5 * skewed, 0.0)
            size = np.where(tails > _SMALLEST, special.chdtri(1, np.maximum(tails, _SMALLEST)), statistics[name])
            pvalues[name] = special.fdtrc(1, df, size)
        else:
            as_wide = statistics[name] * shares.max() * shares.sum() / squares
            size = np.clip(as_wide, size, size + _MOST_APART)
        pvalues[name] = with_variance(pvalues[name], size, rank, 1 + excess / 2, df)


def combine(statistics: dict[str, np.ndarray], pvalues: dict[str, np.ndarray], of: dict[str, Contrast]) -> None:
    """Add the combined test of level and shape; curves that are constants have no shape that could differ."""
    tested = [pvalues[name] for name, contrast in of.items() if len(contrast.rows)]
    statistics["both"], pvalues["both"] = cauchy_combination(np.stack(tested))


def _contrast(effects: np.ndarray, sums: ConditionSums, n_modes: int | None) -> Contrast:
    """Return the Contrast of `effects`, a map from the coefficients of a difference, for all differences jointly."""
    many, one = sums.samples.n_conditions - 1, len(sums.constant)
    effects = np.kron(np.eye(many), effects)
    fixed = sums.by_sample.fixed[one : (many + 1) * one, : sums.by_sample.n_determined]
    _, values, right = np.linalg.svd(effects @ fixed, full_matrices=False)
    kept = values > _INFORMED * values.max(initial=0.0)
    back = fixed @ (right[kept].T / values[kept])
    rough, modes = linalg.eigh(back.T @ np.kron(np.eye(many), sums.penalty) @ back)
    rough, modes = np.maximum(rough[:n_modes], 0.0), modes[:, :n_modes]
    # Unpenalised modes are counted, because roughness, relative to which they would be small, is not bounded where a
    # condition has no cells. One of them is constant; the smoothest penalised mode is a bend.
    n_free = len(sums.penalty) - np.linalg.matrix_rank(sums.penalty)
    n_free = many * max(n_free - 1, 0)
    positive, rough[:n_free] = rough[n_free:], 0.0
    typical = positive[min(many, len(positive) - 1)] if len(positive) else 0.0
    factor = _ROUGHNESS / typical if typical > 0 else 0.0
    return Contrast(modes.T @ (values[kept, None] * right[kept]), np.diag(1 / (1 + factor * rough)))


def _root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
