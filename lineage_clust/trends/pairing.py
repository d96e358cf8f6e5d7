"""Smoother and model: defaults and compatibility."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from ..contracts.capabilities import family_of, has_default_backend, has_method, is_mapping, needed_smoother, reads_of
from ..contracts.slots import component_for, with_defaults
from ..lineage.genes.value_checks import COUNT_FAMILIES
from ..lineage.lineage import Reader
from ..lineage.time.pseudotime import are_time_draws
from ..models import GAM
from ..models.families import FAMILIES
from ..models.mapping import entries
from ..models.regressor import RegressorModel
from ..smoothers import BSplineSmoother

PASSTHROUGH = "passthrough"


def smoother_of(component: object) -> Any:
    """Return a clone of a smoother, or the default for `None`; "passthrough" as it is."""
    if not isinstance(component, str):
        return component_for("smoother", component, BSplineSmoother)
    if component != PASSTHROUGH:
        raise TypeError(f"smoother must be a transformer, None or 'passthrough'; got {component!r}.")
    return component


def model_of(component: object) -> Any:
    """Return a clone of a model, or the default for `None`."""
    return component_for("model", component, GAM)


def adapt(model: Any, n_jobs: int | None = None, backend: str = "loky") -> Any:
    """Return a model that fits many genes; other regressors are wrapped.

    Models of this library declare their input as a class attribute: `reads = "design"` or `reads = "pseudotime"`.
    """
    if reads_of(model) is None:
        return RegressorModel(model, n_jobs=n_jobs, backend=backend)
    if has_default_backend(model):  # unchanged by the user: use the backend of the clusterer
        model = model.set_params(backend=backend)
    return with_defaults(model, n_jobs=n_jobs)


def resolve_pair(smoother: object, model: object, reader: Reader | None = None) -> tuple[Any, Any]:
    """Return clones of the smoother and the model to fit, after checking that they are compatible.

    `model` is one model, or a mapping of models, which is returned unchanged. What `reader` reads besides expression, such
    as covariates, must be supported by the models. A smoother of "passthrough" is returned unchanged.
    """
    models = [model_of(entry) for entry in entries(model)]
    for one in models:
        _check_pair(smoother, one, Reader() if reader is None else reader)
    if smoother is None and models and all(isinstance(one, Pipeline) for one in models):
        smoother = PASSTHROUGH
    return smoother_of(smoother), model if is_mapping(model) else models[0]


def are_of_counts(model: object) -> bool:
    """Return whether all models have a log link for the mean of counts, and support an offset."""
    of_counts = all(family in COUNT_FAMILIES and link == "log" for family, link in families(model))
    # pyGAM, whose family is called `distribution`, takes an offset only under an identity link
    return of_counts and all(hasattr(one, "family") and has_fit_parameter(one, "offset") for one in entries(model))


def families(model: object) -> list[tuple[str | None, str | None]]:
    """Return family and link of a model, or of all models in a mapping; `(None, None)` for models without."""
    found: list[tuple[str | None, str | None]] = []
    for one in entries(model):
        family, link = family_of(GAM() if one is None else one)
        if family not in FAMILIES:
            found.append((None, None))
        else:
            found.append((family, link or FAMILIES[family].default_link))
    return found


def smoother_for(model: object, smoother: object) -> object:
    """Return a copy of the smoother for one of several models; pipelines have a basis of their own."""
    if isinstance(model, Pipeline) or isinstance(smoother, str):
        return PASSTHROUGH
    return clone(smoother)


def _check_pair(smoother: object, model: object, reader: Reader) -> None:
    name, reads = type(model).__name__, reads_of(model)
    if isinstance(model, Pipeline) and smoother is not None and smoother != PASSTHROUGH:
        raise ValueError(
            "A Pipeline as model receives pseudotime and computes its own basis; got "
            f"smoother={type(smoother).__name__} as well. Leave smoother out (smoother=None)."
        )
    if reader.covariates is not None and reads == "pseudotime":
        raise ValueError(f"{name} reads pseudotime and does not support covariates. Use GAM(...) with covariates.")
    if reader.offset is not None and not has_fit_parameter(model, "offset"):
        raise ValueError(f"{name} does not support an offset. Use GAM(...) with offset, or normalise the expression.")
    if reader.sample_key is not None and not has_fit_parameter(model, "groups"):
        raise ValueError(
            f"{name} does not support donors as replicates. Use GAM() with sample_key, or leave it out: p-values then use "
            "cells as replicates."
        )
    if are_time_draws(reader.time_key) and not has_method(model, "pool"):
        raise ValueError(
            f"{name} cannot pool fits to draws of pseudotime (a list as time_key). Use GAM(...), or fit one pseudotime, such "
            "as the mean of the draws."
        )
    needed = needed_smoother(model)
    if needed and smoother is not None and type(smoother).__name__ != needed:
        got = repr(smoother) if isinstance(smoother, str) else type(smoother).__name__
        raise ValueError(f"{name} needs a {needed}; got {got}. Use GAM(...) with it, or pass smoother={needed}().")
