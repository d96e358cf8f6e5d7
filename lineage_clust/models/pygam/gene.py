"""Fit of one gene with pyGAM: construction of the object and selection of the smoothing parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pygam.utils import OptimizationError
from scipy import stats

from ..notes import spread_of
from ..per_gene import UnfitGeneError, reason_of
from .recipe import EndQuietly, Recipe

_GAMMA = 1.4  # penalty per degree of freedom in pyGAM's GCV and UBRE


@dataclass(frozen=True)
class GeneFit:
    """Results of the fit of one gene."""

    estimator: object
    lam: float
    edf: float
    scale: float
    deviance_explained: float
    null_deviance: float
    n_iter: int
    converged: bool
    note: str
    spread: float
    zeros: bool


def fit_gene(recipe: Recipe, times, weights, offset, y) -> GeneFit:
    """Fit one gene with each candidate smoothing parameter, and select the best.

    times, weights, y : `(n_cells,)`, weights positive.
    raises UnfitGeneError : If pyGAM finds no finite fit for any candidate.
    """
    _check_values(recipe, y)
    y = y if offset is None else y - offset
    best, least, error = None, np.inf, None
    with np.errstate(all="ignore"):
        for lam in recipe.candidates:
            try:
                estimator, mean = _fit_with(recipe, lam, times, y, weights)
            except (OptimizationError, AssertionError, ValueError, np.linalg.LinAlgError) as caught:
                error = caught
                continue
            floored = _deviance(recipe, recipe.family.floored(y), mean, weights)  # penalises means near 0
            score = _criterion(recipe, floored, estimator.statistics_["edof"], len(y))
            if best is None or score < least:
                best, least = (estimator, mean, _deviance(recipe, y, mean, weights), lam), score
        if best is None:
            raise UnfitGeneError(_no_fit(recipe, error)) from error
        estimator, mean, deviance, lam = best
        if recipe.expectile is None:
            level = np.average(y, weights=weights)
        else:
            level = stats.expectile(y, recipe.expectile, weights=weights)
        null_deviance = _deviance(recipe, y, np.full(len(y), level), weights)
    if np.ptp(y) == 0:
        null_deviance = 0.0  # up to rounding
    if recipe.link != "identity" and recipe.family.name != "binomial" and mean.max() > 2 * y.max():
        raise UnfitGeneError(_no_fit(recipe, OptimizationError("the mean exceeds all values")))
    converged = bool(estimator.logs_["diffs"][-1] < recipe.options["tol"])
    return GeneFit(
        estimator, lam[0], float(estimator.statistics_["edof"]), float(estimator.statistics_["scale"]) ** 2,
        1 - deviance / null_deviance if null_deviance > 0 else 0.0, null_deviance, len(estimator.logs_["diffs"]),
        converged, _note(recipe, mean, converged), float(spread_of(y[:, None], weights)[0]),
        bool(recipe.family.positive and y.min() <= 0),
    )  # fmt: skip


def _fit_with(recipe: Recipe, lam: list[float], times, y, weights):
    """Return a fitted pyGAM object and its means at the cells."""
    # The response is scaled by its mean, so that pyGAM's small ridge on all coefficients does not bias the level of a
    # gene. A constant gene stays at 1, because pyGAM's iterations do not end if all coefficients are 0.
    centred = recipe.is_linear and recipe.options["fit_intercept"]
    level = np.average(y, weights=weights) - (np.ptp(y) == 0) if centred else 0.0
    estimator = recipe.build(lam).fit(times[:, None], y - level, weights=weights)
    if centred:
        estimator.coef_[-1] += level
    estimator.tol = recipe.options["tol"]
    estimator.callbacks = [callback for callback in estimator.callbacks if not isinstance(callback, EndQuietly)]
    estimator.logs_.pop(EndQuietly.key, None)
    mean = estimator.predict_mu(times[:, None])
    if not np.all(np.isfinite(mean)):
        raise OptimizationError("the trend is not finite")
    return estimator, mean


def _deviance(recipe: Recipe, y, mean, weights) -> float:
    """Return the weighted deviance; it is finite for zeros under all distributions."""
    family = recipe.family
    if family.name != "gaussian":
        mean = np.clip(mean, 1e-300, 1 - 1e-15 if family.name == "binomial" else np.inf)
    each = family.loss(y, mean) - family.best_loss(y, np.average(y, weights=weights))
    if recipe.expectile is not None:
        each = each * np.where(y > mean, recipe.expectile, 1 - recipe.expectile)
    return max(float(weights @ each), 0.0)


def _criterion(recipe: Recipe, deviance: float, edf: float, n_cells: int) -> float:
    """Return pyGAM's UBRE if the scale is known, else its GCV."""
    if recipe.family.known_scale:
        return deviance / n_cells + 2 * _GAMMA * edf / n_cells
    residual_df = n_cells - _GAMMA * edf
    return n_cells * deviance / residual_df**2 if residual_df > 0 else np.inf


def _check_values(recipe: Recipe, y) -> None:
    reason = recipe.family.refuse(y.min(), y.max(), recipe.link)
    if reason is None and recipe.link == "log" and y.min() < 0:
        reason = f"a log link needs expression of at least 0; found {y.min():g}"
    if reason is not None:
        raise UnfitGeneError(reason)


def _no_fit(recipe: Recipe, error: BaseException | None) -> str:
    what = f"({recipe.distribution} distribution, {recipe.link} link)"
    if type(error) is ValueError and "NaN" not in str(error):
        return f"pyGAM refuses {what}: {reason_of(error)}"
    return f"pyGAM's iterations diverged {what}: try a larger lam, or another link"


def _note(recipe: Recipe, mean, converged: bool) -> str:
    if recipe.distribution != "normal" and mean.min() <= 0:
        return f"the trend falls to {mean.min():.3g}, outside a {recipe.distribution} distribution: use a log link"
    if recipe.distribution == "binomial" and mean.max() >= 1:
        return f"the trend rises to {mean.max():.3g}, outside a binomial distribution: use a logit link"
    return "" if converged else f"no convergence in {recipe.options['max_iter']} iterations"
