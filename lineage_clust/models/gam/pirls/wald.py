"""Errors and tests of genes after the iterations, and bounds of p-values of trends that follow a single cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....utils.cached import cached_property
from ..design import effect_map
from ..inference.significance import run_smooth_tests
from ..influence import FOLLOWED
from .iterations import State
from .problem import Problem


@dataclass(frozen=True)
class WorkingFits:
    """Working linear models of some genes, given their smoothing parameters.

    coefficients, pulls : `(n_genes, n_modes)` each; the latter are the penalties.
    plain, squared : Gram matrices `(n_genes, n_columns, n_columns)` of the design with working weights, and variances of the
        scores; the latter `None` for the Bayesian covariance.
    pearson : Pearson statistics `(n_genes,)`, `None` for a known scale.
    """

    problem: Problem
    coefficients: np.ndarray
    pulls: np.ndarray
    plain: np.ndarray
    squared: np.ndarray | None
    pearson: np.ndarray | None

    @cached_property
    def grams(self) -> np.ndarray:
        """Gram matrices of the modes, `(n_genes, n_modes, n_modes)`."""
        return self.problem.basis.T @ self.plain @ self.problem.basis

    @cached_property
    def middle(self) -> np.ndarray:
        """Variances of the scores of the modes; only for the robust covariance."""
        return self.problem.basis.T @ self.squared @ self.problem.basis

    @cached_property
    def inverse(self) -> np.ndarray:
        """Inverses of the gram matrices plus penalties."""
        every, precision = np.arange(self.pulls.shape[1]), self.grams.copy()
        precision[:, every, every] += self.pulls
        scale = 1 / np.sqrt(np.maximum(precision[:, every, every], 1e-290))
        precision *= scale[:, :, None] * scale[:, None, :]
        precision[:, every, every] += 1e-13
        return np.linalg.inv(precision) * (scale[:, :, None] * scale[:, None, :])

    @cached_property
    def freedom(self) -> tuple[np.ndarray, np.ndarray]:
        """Effective degrees of freedom `tr F` and `2 tr F - tr FF` of all columns, `(n_genes,)` each."""
        kept = self.inverse @ self.grams  # fraction of each coefficient that is determined by the data
        edf = np.trace(kept, axis1=1, axis2=2)
        return edf, 2 * edf - np.einsum("gij,gji->g", kept, kept)

    @cached_property
    def scale(self) -> np.ndarray:
        """Scale of the likelihood `(n_genes,)`."""
        left = np.maximum(self.problem.n_cells - self.freedom[0], 1.0)
        return np.ones(len(left)) if self.pearson is None else self.pearson / left

    @cached_property
    def variance(self) -> np.ndarray:
        """Residual variance relative to that of the scores `(n_genes,)`."""
        if self.squared is None or self.pearson is None or self.problem.cells.likelihood.expectile is not None:
            return self.scale if self.squared is None else np.ones(len(self.scale))
        total = self.problem.total
        lost = np.einsum("gij,gji->g", self.middle, self.inverse)
        return self.pearson / np.maximum(total - lost, 1e-2 * total)

    @cached_property
    def bias(self) -> np.ndarray:
        """Covariances that are due to smoothing, `(n_genes, n_modes, n_modes)`; only for the robust covariance."""
        return self.scale[:, None, None] * ((self.inverse * self.pulls[:, None, :]) @ self.inverse)

    @cached_property
    def sampling(self) -> np.ndarray:
        """Covariances of the estimates around their expectation, without smoothing bias."""
        middle = self.grams if self.squared is None else self.middle
        return self.variance[:, None, None] * (self.inverse @ middle @ self.inverse)

    @cached_property
    def covariances(self) -> np.ndarray:
        """Covariances of the coefficients, `(n_genes, n_modes, n_modes)`."""
        return self.scale[:, None, None] * self.inverse if self.squared is None else self.sampling + self.bias

    @property
    def residual_df(self) -> np.ndarray:
        """Residual degrees of freedom `(n_genes,)`."""
        n_cells, total = self.problem.n_cells, self.problem.total
        return (n_cells if self.squared is None else total**2 / self.problem.total_squared) - self.freedom[0]

    def test(self, varies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Test the smooths; return statistics and p-values `(n_genes,)`, 0 and 1 for genes that do not vary."""
        design, penalised = self.problem.cells.design, self.problem.cells.penalises_smooth
        if penalised:
            of_smooth = self.problem.penalty > 0
            precision = np.linalg.inv(self.inverse[:, of_smooth][:, :, of_smooth])
            to_effects = np.swapaxes(np.linalg.cholesky(precision), 1, 2) @ np.eye(len(of_smooth))[of_smooth]
        else:
            to_effects = effect_map(self.plain, *design.centring) @ self.problem.basis
        return run_smooth_tests(
            design, to_effects, self.coefficients.T, self.sampling if penalised else self.covariances, self.freedom[1],
            None if self.pearson is None else self.residual_df, varies, self.problem.compiled, penalised,
        )  # fmt: skip

    def without(self, genes, rows: np.ndarray, score, information, squared_score) -> WorkingFits:
        """Return the models of some genes without a cell each, after one step (Pregibon 1981, Ann. Statist. 9, 705-724).

        rows : Rows of the design `(n, n_columns)` of the cells.
        score, information, squared_score : The cells' terms `(n,)` of the scores, of `plain` and of `squared`.
        """
        information = (1 - 1e-9) * information  # leverages may be 1 without smoothing
        outer, modes = rows[:, :, None] * rows[:, None, :], rows @ self.problem.basis
        moved = np.einsum("gij,gj->gi", self.inverse[genes], modes)
        left = 1 - information * np.einsum("gi,gi->g", moved, modes)
        squared, pearson = self.squared, self.pearson
        if squared is not None:
            squared = squared[genes] - squared_score[:, None, None] * outer
        if pearson is not None:
            pearson = np.maximum(pearson[genes] - score**2 / (information * left), 1e-9 * pearson[genes])
        return WorkingFits(
            self.problem, self.coefficients[genes] - moved * (score / left)[:, None], self.pulls[genes],
            self.plain[genes] - information[:, None, None] * outer, squared, pearson,
        )  # fmt: skip


def bounded(pvalue: np.ndarray, state: State, fits: WorkingFits) -> np.ndarray:
    """Return p-values `(n_genes,)` that depend on a single cell only as far as expression like its own is rare.

    Where a curve follows a cell (leverage of at least 0.3), the dispersion is that of the other cells, and the cell's count
    seems to be far from random: genes without a trend had p-values of 1e-6, and one of 1e-22, with three to six counts in an
    isolated last cell. But if expression does not depend on pseudotime, a given cell is among the `k` highest of `n` with
    probability `k / n`. The p-value is therefore at least the smaller of

    - the p-value without the cell, for the same smoothing parameter and dispersion; and
    - the fraction of cells that can be as far from the mean as this one, on the same side, by Cantelli's inequality:
      ``v / (v + d^2)`` with the variance `v` of values rescaled to offset 0, and the deviation `d` of the cell from their
      mean. With unit weights it is at least `1 / n`.

    Checked are the cells :attr:`lineage_clust.models.gam.pirls.problem.Cells.followed`, one by one.
    """
    problem, cells = fits.problem, fits.problem.cells
    likelihood, followed = cells.likelihood, cells.followed
    weights = cells.weights[followed][:, None]
    offset = np.zeros_like(weights) if cells.offset is None else cells.offset[followed][:, None]
    rows = cells.design.bands[followed].dense()
    modes, y = rows @ problem.basis, state.followed
    mu = likelihood.link.mean(modes @ fits.coefficients.T + offset)
    precision = likelihood.precision(weights * y, weights, mu, state.theta)
    score, information = weights * precision * (y - mu), weights * precision * likelihood.link.slope(mu)
    leverage = information * np.einsum("gci,ci->cg", modes @ fits.inverse, modes)
    away = (y / likelihood.link.mean(offset) if likelihood.link.name == "log" else y) - state.level
    share = state.spread**2 / (state.spread**2 + away**2)
    cell, gene = np.nonzero((leverage >= FOLLOWED) & (pvalue < share))
    if len(gene) == 0:
        return pvalue
    score, information, share = (of[cell, gene] for of in (score, information, share))
    squared = score**2 if likelihood.expectile is not None else weights[cell, 0] * information
    without = fits.without(gene, rows[cell], score, information, squared).test(np.ones(len(gene), dtype=bool))[1]
    pvalue = pvalue.copy()
    np.maximum.at(pvalue, gene, np.minimum(without, share))
    return pvalue
