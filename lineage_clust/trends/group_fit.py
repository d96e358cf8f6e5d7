"""Joint fit of genes that share cells and model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.stats import norm
from sklearn import config_context
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from ..contracts.capabilities import declared, family_of, fitted_value, has_method, lacks_domain, n_times_needed
from ..errors import NoTrendError, counted
from ..lineage.lineage import Lineage
from ..models.gam import GAM
from ..models.notes import explains_nothing, joined, spread_of
from ..models.regressor import RegressorModel
from .pairing import (
    PASSTHROUGH,
    adapt,
    draws_of,
    expression_for,
    failures_of,
    fit_model,
    interval_of,
    is_fitted,
    predict_model,
    readable_by,
    reported,
    takes,
)
from .pooling import are_same, attenuation, fit_time_draws

_COLUMNS = {
    "edf": ("edf_", np.nan),
    "deviance_explained": ("deviance_explained_", np.nan),
    "pvalue": ("pvalue_", np.nan),
    "converged": ("converged_", True),
    "lambda": ("lambda_", np.nan),
    "note": ("note_", ""),
}
_RESOLVED = 1e-6  # relative to the standard deviation of expression; smaller changes are rounding errors of iterations
_LESS_THAN_NOTHING = "explains less than a constant does"
_STEP = 1e-4  # relative to the length of the grid
_N_DRAWS = 400


@dataclass(frozen=True)
class GroupFit:
    """Results of genes that were fitted together: same cells, same model.

    `genes` are the targets of the model, including failed ones; `values` and `se` (or `None`) are `(n_genes, n_points)`
    on the `grid`; `table` contains the results of the model for each gene, `failed` reasons by position. `smoother` and
    `model` are fitted, `asked` are unfitted copies; `n_covariates` columns of the design follow those of the smoother.
    """

    genes: list[str]
    grid: np.ndarray
    values: np.ndarray
    se: np.ndarray | None
    table: pd.DataFrame
    failed: dict[int, str]
    smoother: object
    model: Any
    n_covariates: int = 0
    asked: tuple = (None, None)

    def design(self, times: np.ndarray):
        """Return the design at given pseudotimes, with covariates at their weighted mean."""
        return _design(self.smoother, self.model, times, self.n_covariates)

    def interval(self, times: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the ends of pointwise intervals, `(n_times, n_genes)` each, or `None` without standard errors."""
        return interval_of(self.model, self.design(times), level)

    def of_gene(self, column: int) -> tuple[GroupFit, int]:
        """Return the fit of one gene, without those of others if the model can be divided, and its column in the model."""
        model, at = self.model, column
        if has_method(model, "take_genes"):
            model, at = model.take_genes([column]), 0
        se = None if self.se is None else self.se[[column]]
        own = {"genes": [self.genes[column]], "table": self.table.iloc[[column]], "failed": {}, "model": model}
        return replace(self, values=self.values[[column]], se=se, **own), at


def fit_group(lineage: Lineage, grid, smoother, model) -> GroupFit:
    """Fit the genes of a lineage, which share its cells and the model, and predict on a grid.

    The components are fitted in place. The smoother may be "passthrough"; its default domain is the range of the grid.
    """
    model = adapt(model)
    asked = (clone(smoother, safe=False), clone(model))
    lineage = replace(lineage, expression=expression_for(model, lineage.expression))
    if isinstance(model, RegressorModel):
        # iterative solvers stop early: sorting by time makes their result reproducible
        order = np.argsort(lineage.pseudotime, kind="stable")
        lineage = lineage.of_cells(order, expression=lineage.expression[order])
    x, w, Y = lineage.pseudotime, lineage.weights, lineage.expression
    genes, covariates, draws = lineage.genes, lineage.covariates, lineage.time_draws
    given = draws is not None
    if draws is not None and are_same(draws):
        x, draws = draws[:, 0], None
    check_distinct_times(x, smoother, grid, lineage.name)
    if lacks_domain(smoother):
        smoother.set_params(domain=(float(grid[0]), float(grid[-1])))
    n_covariates = 0 if covariates is None else covariates.shape[1]
    penalty = None
    if model.reads == "pseudotime":
        design = x[:, None]
    else:
        if smoother != PASSTHROUGH:
            times = x[:, None] if draws is None else draws[np.isfinite(draws)][:, None]
            smoother.fit(*((times, None) if takes(smoother.fit, "y") else (times,)))
        design = _append(_basis(smoother, x), covariates)
        penalty = fitted_value(smoother, "penalty_")
        if penalty is None and n_covariates:
            width = design.shape[1] - n_covariates
            penalty = np.zeros((width, width))
    scatter = None
    try:
        known = {"penalty": penalty, "offset": lineage.offset, "groups": lineage.donors}
        if draws is None:
            fit_model(model, design, Y, w, smoother, **known)
        else:
            model, scatter = fit_time_draws(
                model, lambda times: _append(_basis(smoother, times), covariates), draws, w, Y, known
            )
    except NoTrendError as error:
        reasons = {gene: error.reasons.get(gene, str(error)) for gene in range(len(genes))}
        return failed_group(genes, grid, reasons, smoother, model, n_covariates, asked)
    rows = _design(smoother, model, grid, n_covariates)
    values, se = predict_model(model, rows, len(genes))
    spread = fitted_value(model, "spread_")
    spread = spread_of(Y, w) if spread is None else spread
    values, se = _levelled(values.T, spread), None if se is None else se.T
    table, failed = _table(model, genes), failures_of(model, len(genes))
    if given:
        table["attenuation"] = 0.0 if scatter is None else attenuation(np.nan_to_num(values), rows, scatter)
    for gene in np.flatnonzero(~np.isfinite(values).all(axis=1)):
        failed.setdefault(int(gene), "predict: the prediction is not finite")
    return GroupFit(genes, grid, values, se, table, failed, smoother, model, n_covariates, asked)


def failed_group(genes, grid, reasons, smoother, model, n_covariates=0, asked=(None, None)) -> GroupFit:
    """Return the result for genes that all failed, with their reasons."""
    values = np.full((len(genes), len(grid)), np.nan)
    return GroupFit(genes, grid, values, None, _table(None, genes), reasons, smoother, model, n_covariates, asked)


def fixed_basis(fitted, smoother):
    """Return a smoother that keeps the fitted basis, such as its knots, when it is fitted to other cells."""
    return FrozenEstimator(fitted) if has_method(fitted, "transform") and is_fitted(fitted) else smoother


def _design(smoother, model, times: np.ndarray, n_covariates: int):
    if model.reads == "pseudotime":
        return times[:, None]
    return _append(_basis(smoother, times), np.zeros((len(times), n_covariates)) if n_covariates else None)


def check_distinct_times(x: np.ndarray, smoother, grid: np.ndarray, lineage: str | None = None) -> None:
    """Raise a ValueError if there are fewer distinct pseudotimes than unpenalised polynomials."""
    needed = n_times_needed(smoother)
    found = len(np.unique(x))
    if found < needed:
        of_lineage = "" if lineage is None else f" of lineage {lineage!r}"
        name = smoother if isinstance(smoother, str) else type(smoother).__name__
        raise ValueError(
            f"The {counted(len(x), 'cell')}{of_lineage} in [{grid[0]:g}, {grid[-1]:g}] {'has' if len(x) == 1 else 'have'} "
            f"{counted(found, 'distinct pseudotime')}; {name} needs at least {needed}. Widen time_range, or check the "
            "pseudotime."
        )


def _basis(smoother, times: np.ndarray):
    if isinstance(smoother, str):
        return times[:, None]
    with config_context(transform_output="default"):  # DataFrames cannot be sparse
        basis = smoother.transform(times[:, None])
    basis = basis if sparse.issparse(basis) else np.asarray(basis)
    if basis.ndim != 2 or basis.shape[0] != len(times):
        raise ValueError(
            f"transform of {type(smoother).__name__} must return one row per time and one column per basis function, "
            f"({len(times)}, n_splines); the returned shape is {basis.shape}."
        )
    return basis


def _append(design, columns):
    if columns is None:
        return design
    if sparse.issparse(design):
        return sparse.hstack([sparse.csr_array(design), columns], format="csr")
    return np.hstack([design, columns])


def _levelled(values: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return trends `(n_genes, n_points)` in which variation below the resolution of the fit is set to 0.

    Variation is compared with the standard deviation `(n_genes,)` of the fitted expression and not with the values of
    the trend: for a gene without expression, iterations leave a trend of about 1e-10, whose shape is a rounding error.
    """
    values, varies = np.array(values, dtype=float), np.ptp(values, axis=1)
    flat = (varies > 0) & (varies <= np.where(spread == 0, np.inf, _RESOLVED * spread))
    values[flat] = values[flat].mean(axis=1, keepdims=True)
    return values


def _table(model, genes: list[str]) -> pd.DataFrame:
    """Return the results of the model for each gene; fits that did not converge have no p-value."""
    index = pd.Index(genes, name="gene")
    columns = {name: reported(model, key, default, len(genes)) for name, (key, default) in _COLUMNS.items()}
    table = pd.DataFrame(columns, index=index)
    nothing = explains_nothing(table["deviance_explained"]) & declared(model, "minimises_deviance")
    table["note"] = [
        joined(note, _LESS_THAN_NOTHING) if is_worse else note
        for note, is_worse in zip(table["note"], nothing, strict=True)
    ]
    table["converged"] = table["converged"].astype(bool) & ~nothing
    table.loc[~table["converged"], "pvalue"] = np.nan
    return table


def slope_with_interval(
    group: GroupFit, column: int, times: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the slope of one trend at some pseudotimes, `(n_points,)`, and its interval `(n_points, 2)` or `None`.

    `column` is the gene's position among the targets of the model.

    The slope is a central difference of the trend, one-sided at the ends of the grid. With an identity link it is linear
    in the coefficients: differences `D = (B(t + h) - B(t - h)) / 2h` of basis rows give the slope `D b` and its
    variance `D V D'` [1]_, section 7.2.4. For a cubic spline the error is of order `h^2`, here 1e-8 of the squared
    length of the grid. The interval is conditional on the smoothing parameter. With other links, the interval is
    computed from slopes of posterior samples of the trend, including the smoothing parameter; its ends vary by a few
    percent of its width with the number of samples.

    References
    ----------
    .. [1] Wood (2017). Generalized Additive Models: An Introduction with R, 2nd edition.
    """
    model, start, end = group.model, group.grid[0], group.grid[-1]
    step = _STEP * (end - start)
    before = np.maximum(times - step, min(start, times.min()))
    after = np.minimum(times + step, max(end, times.max()))
    per_width = sparse.diags_array(1 / (after - before))
    rows = [group.design(at) for at in (before, after)]
    means = [predict_model(model, at, None)[0][:, column] for at in rows]
    slope = per_width @ (means[1] - means[0])
    if _is_linear(model):
        _, error = predict_model(model, readable_by(model, per_width @ (rows[1] - rows[0])), None)
        if error is not None:
            half = norm.ppf(0.5 + level / 2) * error[:, column]
            return slope, np.column_stack([slope - half, slope + half])
    if not has_method(model, "sample"):
        return slope, None
    drawn = draws_of(model, group.design(np.concatenate([before, after])), [column], _N_DRAWS, 0)
    slopes = np.array([per_width @ (values[len(times) :, 0] - values[: len(times), 0]) for values in drawn])
    return slope, np.quantile(slopes, [0.5 - level / 2, 0.5 + level / 2], axis=0).T


def _is_linear(model: Any) -> bool:
    """Return whether trends of a model are linear combinations of its basis functions."""
    own = isinstance(model, GAM) and not model._has_intercept
    return own and family_of(model)[1] in ("identity", None if model.family == "gaussian" else "identity")
