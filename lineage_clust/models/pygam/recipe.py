"""Fit of one gene with pyGAM, from the validated parameters of PyGAM and a smoother."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real
from types import SimpleNamespace

import numpy as np
import pygam
from pygam.callbacks import CallBack, validate_callback
from pygam.penalties import CONSTRAINTS, PENALTIES, derivative, periodic
from pygam.utils import OptimizationError
from scipy import stats
from sklearn.base import clone

from ...errors import counted
from ...smoothers import BSplineSmoother
from ...utils.checking import check_share
from ...utils.constraints import FLAG, Constraint, Constraints, check_constraints, number, one_of, positive_integer
from ..families import FAMILIES, Family
from ..links import LINKS
from ..notes import spread_of
from ..per_gene import UnfitGeneError, reason_of

FAMILY_OF = {
    "normal": FAMILIES["gaussian"],
    "gaussian": FAMILIES["gaussian"],
    "binomial": FAMILIES["binomial"],
    "poisson": FAMILIES["poisson"],
    "gamma": FAMILIES["gamma"],
    "inv_gauss": FAMILIES["inverse_gaussian"],
}
_CLASSES = {
    ("normal", "identity"): pygam.LinearGAM,
    ("binomial", "logit"): pygam.LogisticGAM,
    ("poisson", "log"): pygam.PoissonGAM,
    ("gamma", "log"): pygam.GammaGAM,
    ("inv_gauss", "log"): pygam.InvGaussGAM,
}
_DEFAULT_GRID = tuple(np.logspace(-3, 3, 11))  # pyGAM's own
_GAMMA = 1.4  # penalty per degree of freedom in pyGAM's GCV and UBRE


@dataclass(frozen=True)
class Recipe:
    """Specification shared by the models of all genes, in pyGAM's names.

    term, options : Arguments of `pygam.s`, without `lam`; `max_iter`, `tol` and `fit_intercept` of the model.
    candidates : Candidate smoothing parameters, each with one value per penalty.
    """

    distribution: str
    link: str
    expectile: float | None
    term: dict
    options: dict
    candidates: list[list[float]]

    @property
    def family(self) -> Family:
        """The distribution's variance and deviance."""
        return FAMILY_OF[self.distribution]

    @property
    def is_linear(self) -> bool:
        """Whether an offset can be subtracted from the response."""
        return self.distribution == "normal" and self.link == "identity"

    def build(self, lam: list[float]):
        """Return an unfitted pyGAM object."""
        own = {name: list(value) if isinstance(value, list) else value for name, value in self.term.items()}
        term = pygam.s(0, lam=list(lam), **own)
        options = dict(self.options, callbacks=["deviance", "diffs", EndQuietly()])
        if self.expectile is not None:
            return pygam.ExpectileGAM(term, expectile=self.expectile, **options)
        if (self.distribution, self.link) in _CLASSES:
            return _CLASSES[self.distribution, self.link](term, **options)
        return pygam.GAM(term, distribution=self.distribution, link=self.link, **options)


@validate_callback
class EndQuietly(CallBack):
    """Stops at the last iteration as if it had converged, because pyGAM prints otherwise; logs show non-convergence."""

    key = "quiet"

    def __init__(self):
        super().__init__(name=self.key)

    def on_loop_end(self, gam, diff):
        """Check the last change of the coefficients; pyGAM passes variables by name and allows no local ones."""
        if not np.isfinite(diff):
            raise OptimizationError("the coefficients are not finite")
        if len(gam.logs_["diffs"]) >= gam.max_iter:
            gam.tol = np.inf


def make_recipe(model, smoother, times) -> Recipe:
    """Validate the parameters of a PyGAM, and combine them with a smoother, fitted or not, or `None`."""
    check_constraints(model, RECIPE_CONSTRAINTS)
    _check_together(model)
    if smoother is None:
        smoother = BSplineSmoother()
        few = max(len(np.unique(times)) - bool(model.fit_intercept), smoother.degree + 1)
        smoother.set_params(n_splines=min(smoother.n_splines, few))
    if not isinstance(smoother, BSplineSmoother):
        got = repr(smoother) if isinstance(smoother, str) else type(smoother).__name__
        raise TypeError(
            f"PyGAM needs a BSplineSmoother; got {got}. Use GAM(...) with it, or pass smoother=BSplineSmoother()."
        )
    if smoother.knots != "uniform":
        raise ValueError(
            f"pyGAM's knots are uniform; got BSplineSmoother(knots={smoother.knots!r}). Use GAM(...) with it, or "
            "knots='uniform'."
        )
    fitted = smoother if hasattr(smoother, "bases_") else clone(smoother).fit(times[:, None])
    n_coefs = fitted.n_splines + bool(model.fit_intercept)
    if len(times) < n_coefs:  # pyGAM's solution would be wrong
        raise ValueError(
            f"PyGAM needs as many cells as it has coefficients; got {counted(len(times), 'cell')} of positive weight for "
            f"{n_coefs}. Use GAM(...), or BSplineSmoother with fewer n_splines."
        )
    knots = fitted.bases_[0]
    term = {
        "n_splines": int(fitted.n_splines),
        "spline_order": int(fitted.degree),
        "penalties": [_penalty(entry, fitted.penalty_order, model.basis) for entry in _listed(model.penalties)],
        "constraints": _listed(model.constraints),
        "basis": model.basis,
        "edge_knots": [float(knots[fitted.degree]), float(knots[-fitted.degree - 1])],
    }
    options = {"max_iter": int(model.max_iter), "tol": float(model.tol), "fit_intercept": bool(model.fit_intercept)}
    candidates = sorted(_candidates(model), key=sum, reverse=True)  # ties are resolved in favour of the smoothest
    distribution = "normal" if model.distribution == "gaussian" else model.distribution
    return Recipe(distribution, model.link, model.expectile, term, options, candidates)


def _penalty(entry, order: int, basis: str):
    """Return a penalty in pyGAM's form; pyGAM's named penalties use second differences."""
    if entry == "auto":
        entry = "periodic" if basis == "cp" else "derivative"
    if order == 2 or entry not in ("derivative", "periodic"):
        return entry
    return partial(derivative if entry == "derivative" else periodic, derivative=int(order))


def _candidates(model) -> list[list[float]]:
    """Return the candidates, see `Recipe`."""
    values = [model.lam] if model.grid is None else model.grid
    if isinstance(values, dict):
        values = values["lam"] if set(values) == {"lam"} else None
    elif isinstance(values, str):
        values = _DEFAULT_GRID if values == "default" else None
    if values is None or not hasattr(values, "__len__") or len(values) == 0:
        raise ValueError(f"grid must be None, 'default', a sequence of lam or dict(lam=sequence); got {model.grid!r}.")
    n_penalties = len(_listed(model.penalties))
    candidates = []
    for value in values:
        lams = [value] if np.ndim(value) == 0 else list(value)
        fits = len(lams) in (1, n_penalties) and all(isinstance(lam, (Real, np.number)) for lam in lams)
        if not fits or not all(np.isfinite(lam) and lam >= 0 for lam in lams):
            raise ValueError(
                f"lam must be a non-negative number, or one for each of the {n_penalties} penalties; got {value!r}."
            )
        candidates.append([float(lam) for lam in lams] * (n_penalties // len(lams)))
    return candidates


def _check_together(model) -> None:
    if model.link == "logit" and model.distribution != "binomial":
        raise ValueError(
            f"pyGAM's logit link needs distribution='binomial'; got {model.distribution!r}. Use another link."
        )
    if model.expectile is not None and (model.distribution not in ("normal", "gaussian") or model.link != "identity"):
        raise ValueError(
            "expectile needs distribution='normal' and link='identity'; got "
            f"{model.distribution!r} and {model.link!r}. Change one of them."
        )


def _listed(entries: object) -> list:
    """Return one entry, or several, as a list."""
    return list(entries) if isinstance(entries, (list, tuple)) else [entries]


def _named(known) -> Constraint:
    return one_of(known, f"one of {', '.join(known)}")


def _each_named(known) -> Callable[[str, object], None]:
    """Return a constraint to one or several of the known names, functions or `None`."""

    def check(name: str, value: object) -> None:
        for entry in _listed(value):
            if entry is not None and not callable(entry):
                _named(known).check(name, entry)

    return check


RECIPE_CONSTRAINTS: Constraints = {
    "distribution": _named(FAMILY_OF),
    "link": _named(LINKS),
    "basis": _named(("ps", "cp")),
    "penalties": _each_named(PENALTIES),
    "constraints": _each_named(CONSTRAINTS),
    "fit_intercept": FLAG,
    "expectile": lambda name, value: None if value is None else check_share(name, value),
    "max_iter": positive_integer(),
    "tol": number("a positive number", lambda value: value > 0),
}


def fit_gene(recipe: Recipe, times, weights, offset, y) -> SimpleNamespace:
    """Fit one gene with each candidate smoothing parameter, and select the best; weights are positive."""
    reason = recipe.family.refuse(y.min(), y.max(), recipe.link)
    if reason is None and recipe.link == "log" and y.min() < 0:
        reason = f"a log link needs expression of at least 0; found {y.min():g}"
    if reason is not None:
        raise UnfitGeneError(reason)
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
    return SimpleNamespace(
        estimator=estimator, lam=lam[0], edf=float(estimator.statistics_["edof"]),
        scale=float(estimator.statistics_["scale"]) ** 2, null_deviance=null_deviance,
        deviance_explained=1 - deviance / null_deviance if null_deviance > 0 else 0.0,
        n_iter=len(estimator.logs_["diffs"]), converged=converged, note=_note(recipe, mean, converged),
        spread=float(spread_of(y[:, None], weights)[0]), zeros=bool(recipe.family.positive and y.min() <= 0),
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
