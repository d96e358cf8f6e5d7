"""Trends of several conditions, their differences and tests, from arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from ....errors import counted
from ....expression.passes import run_fits
from ....expression.storage.blocks import BlockedExpression
from ....utils.cached import cached_property
from ...notes import FEW, notes_on
from ..design import Design, make_design
from ..donors.gaussian import DonorFit, relative_level
from ..donors.samples import Samples
from ..gaussian import centred_sums
from ..pirls.problem import Cells
from .curves import fit_curves
from .glm import fit_glm_conditions
from .significance import allow_for_moments
from .sums import ConditionSums, condition_sums

if TYPE_CHECKING:
    from ..gam import GAM

FEWEST_DONORS, FEWEST_IN_CONDITION = 4, 2
_CELLS_PER_COEFFICIENT = 2  # with fewer, p-values of cells as replicates are too small
_CONFOUNDED = 1e-8  # minimum fraction of a covariate's variance within conditions


@dataclass(frozen=True)
class ConditionFit:
    """Curves of all genes in every condition, with tests of their differences.

    level : `(n_genes,)` value subtracted from expression before fitting.
    table : One row per sample: `condition` and `donor` (codes) and `n_cells`.
    failed : Reasons by position, for genes without a finite fit.
    """

    sums: ConditionSums
    curves: DonorFit
    level: np.ndarray
    table: pd.DataFrame
    note: list[str]
    failed: dict[int, str]

    @property
    def samples(self) -> Samples:
        """Assignment of samples to conditions and donors."""
        return self.sums.samples

    @property
    def random(self) -> np.ndarray:
        """Basis `(n_smooth, n_modes)` of the samples' deviations."""
        return self.sums.by_sample.random[: len(self.sums.constant)]

    def rows(self, basis, condition: int, other: int | None = None) -> np.ndarray:
        """Return rows that map coefficients to the curve of a condition, or to its difference from `other`."""
        rows = self.samples.rows(basis, condition, self.sums.n_covariates)
        return rows if other is None else rows - self.samples.rows(basis, other, self.sums.n_covariates)

    @cached_property
    def of_conditions(self) -> np.ndarray:
        """Coefficients `(n_conditions, n_smooth, n_genes)` of the curves, with covariates at 0."""
        columns = np.eye(len(self.sums.constant))
        curves = [
            self.rows(columns, condition) @ self.curves.coefficients for condition in range(self.samples.n_conditions)
        ]
        return np.stack(curves) + np.outer(self.sums.constant, self.level)

    def curve(self, basis, condition: int) -> np.ndarray:
        """Return the trends `(n_genes, n_rows)` of a condition at rows of the basis."""
        return (basis @ self.of_conditions[condition]).T

    def error(self, basis, condition: int, other: int | None = None) -> np.ndarray:
        """Return the standard errors `(n_genes, n_rows)` of a trend, or of its difference from that of `other`."""
        std = self.curves.posterior.std(self.rows(basis, condition, other)).T
        std[list(self.failed)] = np.nan
        return std

    def difference(self, basis, condition: int, other: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the difference between two trends and its standard errors, `(n_genes, n_rows)` each."""
        found = self.rows(basis, condition, other) @ self.curves.coefficients
        return found.T, self.error(basis, condition, other)


def fit_conditions(
    basis, Y, conditions: ArrayLike, donors: ArrayLike | None = None, *, penalty: np.ndarray | None = None,
    weights: np.ndarray | None = None, covariates: np.ndarray | None = None, model: GAM | None = None, offset=None,
) -> ConditionFit:  # fmt: skip
    """Fit a curve for every gene and condition, and test the differences between conditions.

    basis : `(n_cells, n_splines)`; it includes the constant function.
    conditions, donors : Codes of the conditions from 0, and labels; without donors, cells are replicates.
    weights : As in :class:`lineage_clust.GAM` with `covariance="robust"`, positive.
    covariates : `(n_cells, n_covariates)` further terms with mean zero, which vary between cells or donors.
    model : Unfitted model; `None` = a Gaussian family. Curves of other families are on the link scale.
    """
    conditions = np.asarray(conditions)
    weights = np.ones(len(conditions)) if weights is None else np.asarray(weights, dtype=float)
    table, number = _sample_table(conditions, donors, covariates)
    samples = Samples(table["condition"].to_numpy(), table["donor"].to_numpy())
    design = _design(basis, penalty, covariates, weights)
    if model is not None and model.family != "gaussian":
        likelihood, choices = model._options
        cells = Cells(design, weights, offset, likelihood, replace(choices, covariance="robust"))
        sums, curves, failed, note = fit_glm_conditions(cells, Y, number, samples, donors is not None)
        _check_cells(sums)
        return ConditionFit(sums, curves, np.zeros(len(note)), table, note, failed)
    unit = np.sum(weights**2) / weights.sum()
    n_cells = weights.sum() ** 2 / np.sum(weights**2)
    Y = Y if isinstance(Y, BlockedExpression) else BlockedExpression(Y, keeps_totals=False)
    cells = run_fits([centred_sums(design, Y, weights, offset, number)])[0]
    grams, products, by_sample, squares = (
        part / unit for part in (cells.grams, cells.products, cells.by_group, cells.squares)
    )
    sums = condition_sums(design, grams, products, by_sample, squares, samples, n_cells)
    _check_cells(sums)
    abundance = relative_level(cells.level, cells.deviance / weights.sum())
    allow = None
    if donors is None:
        allow = partial(
            allow_for_moments, sums=sums, rows=design.bands, conditions=conditions, weights=weights / unit,
            moments=(cells.skewness, cells.kurtosis),
        )  # fmt: skip
    curves = fit_curves(sums, donors is not None, abundance, unit, allow)
    # with a handful of expressing cells, which may all be from one donor, some genes would have p < 1e-4
    enough = min(FEW * samples.n_conditions, 0.5 * weights.sum() / weights.max())
    few, dropped = np.minimum(*cells.found[:2]) < enough, list(cells.failed)
    for name in curves.pvalues:
        curves.statistics[name][few], curves.pvalues[name][few] = 0.0, 1.0
    curves.coefficients[:, dropped] = np.nan
    of_genes = "lambda_", "edf", "scale", "shift_variance", "curve_variance", "shared"
    for values in (
        *curves.statistics.values(),
        *curves.pvalues.values(),
        *(getattr(curves, name) for name in of_genes),
    ):
        values[dropped] = np.nan
    curves.converged[dropped] = False
    cells.level[dropped] = np.nan
    note = notes_on(cells.deviance, cells.found)
    return ConditionFit(sums, curves, cells.level, table, note, cells.failed)


def _sample_table(conditions: np.ndarray, donors: ArrayLike | None, covariates) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a table with one row per sample (one donor in one condition), and the sample code of each cell."""
    codes = conditions if donors is None else pd.factorize(np.asarray(donors), sort=True)[0]
    pairs = conditions.astype(np.int64) * (int(codes.max()) + 1) + codes
    there, number = np.unique(pairs, return_inverse=True)
    condition, donor = np.divmod(there, int(codes.max()) + 1)
    table = pd.DataFrame({"condition": condition, "donor": donor, "n_cells": np.bincount(number)})
    if donors is not None:
        _check_donors(table)
    if covariates is not None:
        _check_covariates(np.asarray(covariates, dtype=float), conditions, number, None if donors is None else table)
    return table, number


def _check_cells(sums: ConditionSums) -> None:
    """Raise a ValueError if there are too few cells per coefficient for the residual variance."""
    n_cells, n_coefficients = sums.by_sample.n_cells, sums.by_sample.n_determined
    if n_cells < _CELLS_PER_COEFFICIENT * n_coefficients:
        raise ValueError(
            f"{n_cells:.0f} cells are too few for the curves of {sums.samples.n_conditions} conditions, which have "
            f"{n_coefficients} coefficients: {_CELLS_PER_COEFFICIENT * n_coefficients} cells (by weight) are needed. Use "
            "simpler curves, such as those of BSplineSmoother(n_splines=5), or compare fewer conditions."
        )


def _check_donors(table: pd.DataFrame) -> None:
    n_donors = table["donor"].nunique()
    in_condition = table["condition"].value_counts(sort=False).sort_index()
    if n_donors < FEWEST_DONORS or in_condition.min() < FEWEST_IN_CONDITION:
        raise ValueError(
            f"Comparing conditions between donors requires {FEWEST_DONORS} donors or more, and {FEWEST_IN_CONDITION} in "
            f"every condition; found {n_donors}, by condition {in_condition.tolist()}. Without donors, cells are used as "
            "replicates: such p-values apply to these donors only."
        )


def _check_covariates(covariates: np.ndarray, conditions, number, table: pd.DataFrame | None) -> None:
    """Raise a ValueError if covariates are collinear with the conditions, or leave too few degrees of freedom."""
    within, between = covariates.copy(), covariates.copy()
    for codes, values in ((conditions, within), (number, between)):
        counts = np.bincount(codes)
        for column in range(values.shape[1]):
            values[:, column] -= (np.bincount(codes, values[:, column]) / counts)[codes]
    size = np.maximum(np.sum(covariates**2, axis=0), 1e-300)
    within /= np.sqrt(size)
    if np.linalg.eigvalsh(within.T @ within)[0] < _CONFOUNDED:
        raise ValueError(
            "The effects of covariates cannot be separated from those of the conditions: a covariate, or a combination "
            "of covariates, is constant within each condition. Leave it out."
        )
    if table is None:
        return
    of_donors = int(np.sum(np.sum(between**2, axis=0) < _CONFOUNDED * size))
    left = table["donor"].nunique() - table["condition"].nunique() - of_donors
    if left < 2:
        raise ValueError(
            f"{table['donor'].nunique()} donors are too few for {table['condition'].nunique()} conditions and "
            f"{counted(of_donors, 'covariate')} of donors: {counted(max(left, 0), 'degree')} of freedom would be left, and "
            "two are needed. Leave covariates out."
        )


def _design(basis, penalty, covariates, weights) -> Design:
    n_smooth = basis.shape[1]
    penalty = np.zeros((n_smooth, n_smooth)) if penalty is None else np.asarray(penalty, dtype=float)
    X = basis
    if covariates is not None:
        stack = sparse.hstack if sparse.issparse(basis) else np.hstack
        X = stack([basis, covariates])
    design = make_design(X, penalty, weights, False, keep_sparse=True)
    if design.constant is None:
        raise ValueError(
            "No combination of the basis functions is constant and unpenalised. Use a BSplineSmoother, or add a column "
            "of ones."
        )
    return design
