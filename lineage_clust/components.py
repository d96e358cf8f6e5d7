"""The three slots of the method: their defaults, and whether what fills them fits together."""

from __future__ import annotations

from typing import Any

from sklearn.base import ClassifierMixin, ClusterMixin, RegressorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from .clusterers import GraphClusterer
from .models import GAM
from .models.families import FAMILIES
from .models.mapping import entries
from .models.regressor import RegressorModel
from .smoothers import BSplineSmoother

DEFAULTS = {"smoother": BSplineSmoother, "model": GAM, "clusterer": GraphClusterer}
PASSTHROUGH = "passthrough"
_UNFIT = {"model": (ClassifierMixin, ClusterMixin), "clusterer": (ClassifierMixin, RegressorMixin)}
_NEEDS = {
    "smoother": ("fit", "transform"),
    "model": ("fit", "predict"),
    "clusterer": ("fit",),
}


def resolve(slot: str, component: object) -> object:
    """Return a clone of a component, or the default for `None`; `"passthrough"` is a smoother too.

    Raises
    ------
    TypeError
        If it is a class or lacks a method that the slot needs.
    """
    if component is None:
        return DEFAULTS[slot]()
    if slot == "smoother" and isinstance(component, str):
        if component != PASSTHROUGH:
            raise TypeError(f"smoother must be a transformer, None or 'passthrough'; got {component!r}.")
        return component
    if isinstance(component, type):
        raise TypeError(f"{slot} must be an instance; got the class {component.__name__}. Use {component.__name__}().")
    missing = [method for method in _NEEDS[slot] if not hasattr(component, method)]
    if missing:
        raise TypeError(
            f"{slot} must have {' and '.join(_NEEDS[slot])}; {type(component).__name__} has no {' or '.join(missing)}. "
            f"The default is {DEFAULTS[slot].__name__}()."
        )
    if isinstance(component, _UNFIT.get(slot, ())):
        kind = "regressor" if slot == "model" else "clusterer"
        raise TypeError(
            f"{slot} must be a {kind}; {type(component).__name__} is none. The default is {DEFAULTS[slot].__name__}()."
        )
    _check_declarations(slot, component)
    return clone(component)


def adapt(model: Any, n_jobs: int | None = None, backend: str = "loky") -> Any:
    """Return a model that fits many genes: one of ours as it is, another regressor wrapped.

    A model of ours declares what it reads as class data: `reads = "design"` or `reads = "pseudotime"`.
    """
    if not hasattr(type(model), "reads"):
        return RegressorModel(model, n_jobs=n_jobs, backend=backend)
    if getattr(model, "backend", None) == "loky":  # the default of both: the clusterer's choice goes for its model
        model = model.set_params(backend=backend)
    return with_defaults(model, n_jobs=n_jobs)


def resolve_pair(smoother: object, model: object, *, covariates=None, offset=None):
    """Return smoother and model to fit, after checking that they can be put together.

    Parameters
    ----------
    smoother, model
        As given by the user; `model` is one model, or a mapping of models.
    covariates, offset
        Whether the models must take them.

    Returns
    -------
    smoother
        A clone, or "passthrough".
    model
        A clone; a mapping is returned as it is, its models checked.

    Raises
    ------
    TypeError
        If a component does not fit its slot.
    ValueError
        If the components do not fit together; the message says what to change.
    """
    models = [resolve("model", entry) for entry in entries(model)]
    for one in models:
        _check_pair(smoother, one, covariates, offset)
    if smoother is None and models and all(isinstance(one, Pipeline) for one in models):
        smoother = PASSTHROUGH
    return resolve("smoother", smoother), models[0] if not hasattr(model, "items") else model


def families(model: object) -> list[tuple[str | None, str | None]]:
    """Return family and link of each model: of one, or of all in a mapping; `(None, None)` for those that have none.

    Examples
    --------
    >>> families(GAM("poisson"))
    [('poisson', 'log')]
    """
    found: list[tuple[str | None, str | None]] = []
    for one in entries(model):
        one = DEFAULTS["model"]() if one is None else one
        family = getattr(one, "family", getattr(one, "distribution", None))
        family = "gaussian" if family == "normal" else family
        if not isinstance(family, str) or family not in FAMILIES:
            found.append((None, None))
            continue
        found.append((family, getattr(one, "link", None) or FAMILIES[family].default_link))
    return found


def smoother_for(model: object, smoother: object) -> object:
    """Return a copy of the smoother for one of several models: a pipeline makes its own basis."""
    if isinstance(model, Pipeline) or isinstance(smoother, str):
        return PASSTHROUGH
    return clone(smoother)


def with_defaults(component: Any, **values: Any) -> Any:
    """Set parameters that a component of ours to keep has, and that are `None`."""
    params = component.get_params(deep=False) if hasattr(component, "get_params") else {}
    wanted = {name: value for name, value in values.items() if value is not None and params.get(name, 0) is None}
    return component.set_params(**wanted) if wanted else component


def _check_declarations(slot: str, component: object) -> None:
    """Raise an error if a class declares what it does not keep."""
    name = type(component).__name__
    reads = getattr(type(component), "reads", "design")
    if slot == "model" and reads not in ("design", "pseudotime"):
        raise ValueError(f"reads of a model must be 'design' or 'pseudotime'; {name} declares {reads!r}.")
    if (
        slot == "clusterer"
        and getattr(type(component), "uses_draws", False)
        and not has_fit_parameter(component, "draws")
    ):
        raise TypeError(
            f"{name} declares uses_draws, but its fit has no argument draws. Add it, or set uses_draws=False."
        )


def _check_pair(smoother: object, model: object, covariates, offset) -> None:
    name = type(model).__name__
    reads = getattr(type(model), "reads", None)
    if isinstance(model, Pipeline) and smoother is not None and smoother != PASSTHROUGH:
        raise ValueError(
            f"A Pipeline as model gets pseudotime itself and makes its own basis; got smoother={type(smoother).__name__} "
            "as well. Leave smoother out (smoother=None)."
        )
    if covariates is not None and reads == "pseudotime":
        raise ValueError(f"{name} reads pseudotime and takes no covariates. Use GAM(...) with covariates.")
    if offset is not None and not has_fit_parameter(model, "offset"):
        raise ValueError(f"{name} takes no offset. Use GAM(...) with offset, or normalise the expression.")
    needed = getattr(type(model), "needs_smoother", None)
    if needed and smoother is not None and type(smoother).__name__ != needed:
        got = repr(smoother) if isinstance(smoother, str) else type(smoother).__name__
        raise ValueError(f"{name} needs a {needed}; got {got}. Use GAM(...) with it, or pass smoother={needed}().")
