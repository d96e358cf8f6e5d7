"""Smoother and model: defaults, compatibility, and calls with the arguments that each class supports."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import norm
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from ..contracts.capabilities import declared, family_of, fitted_value, has_method
from ..contracts.slots import component_for, with_defaults
from ..expression.storage.blocks import BlockedExpression
from ..lineage.genes.value_checks import COUNT_FAMILIES
from ..lineage.lineage import Reader
from ..lineage.time.pseudotime import are_time_draws
from ..models import GAM
from ..models.families import FAMILIES
from ..models.mapping import entries
from ..models.regressor import RegressorModel, warn_of_equal_weights
from ..smoothers import BSplineSmoother
from ..utils.checking import shortened

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
    """Return a model that fits many genes, which declares what it `reads`; other regressors are wrapped."""
    if declared(model, "reads") is None:
        return RegressorModel(model, n_jobs=n_jobs, backend=backend)
    if fitted_value(model, "backend") == "loky":  # the default: use the backend of the clusterer
        model = model.set_params(backend=backend)
    return with_defaults(model, n_jobs=n_jobs)


def resolve_pair(smoother: object, model: object, reader: Reader | None = None) -> tuple[Any, Any]:
    """Return clones of the smoother and the model to fit, after checking that they are compatible.

    A mapping of models, and "passthrough", are returned unchanged. The models must support what `reader` reads.
    """
    models = [model_of(entry) for entry in entries(model)]
    for one in models:
        _check_pair(smoother, one, Reader() if reader is None else reader)
    if smoother is None and models and all(isinstance(one, Pipeline) for one in models):
        smoother = PASSTHROUGH
    return smoother_of(smoother), model if isinstance(model, Mapping) else models[0]


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
    name, reads = type(model).__name__, declared(model, "reads")
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
    needed = declared(model, "needs_smoother")
    if needed and smoother is not None and type(smoother).__name__ != needed:
        got = repr(smoother) if isinstance(smoother, str) else type(smoother).__name__
        raise ValueError(f"{name} needs a {needed}; got {got}. Use GAM(...) with it, or pass smoother={needed}().")


def fit_model(model: Any, X, Y, weights: np.ndarray, smoother=None, *, penalty=None, offset=None, groups=None) -> None:
    """Fit a :class:`~lineage_clust.contracts.DesignModel` in place with the arguments that its `fit` supports.

    `X` is the design, or pseudotime; `Y` comes from :func:`expression_for`. Offset and `groups` are passed if there are any.
    """
    keywords: dict[str, Any] = {}
    if takes(model.fit, "sample_weight"):
        keywords["sample_weight"] = weights
    else:
        warn_of_equal_weights(type(model).__name__, weights)
    if smoother is not None and takes(model.fit, "smoother"):
        keywords["smoother"] = smoother
    if has_fit_parameter(model, "penalty"):
        keywords["penalty"] = penalty
    keywords |= {name: value for name, value in (("offset", offset), ("groups", groups)) if value is not None}
    model.fit(readable_by(model, X), Y, **keywords)


def expression_for(model: Any, Y):
    """Return expression `(n_cells, n_genes)` in a form that the model supports: dense, sparse, or read in blocks."""
    takes_sparse = declared(model, "takes_sparse_y")
    if isinstance(Y, BlockedExpression):
        if declared(model, "reads_blocks"):
            return Y
        if not takes_sparse:
            Y.check_fits_dense()
        Y = Y.to_memory()
    return Y.toarray() if sparse.issparse(Y) and not takes_sparse else Y


def predict_model(model: Any, X, n_genes: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return means and standard errors (or `None`) of a model, `(n_rows, n_genes)`; `n_genes=None` accepts any number."""
    asked = {"return_std": True} if takes(model.predict, "return_std") else {}
    found = model.predict(readable_by(model, X), **asked)
    mean, std = found if isinstance(found, tuple) else (found, None)
    mean = _shaped(model, "predict", mean, (X.shape[0], n_genes))
    return mean, None if std is None else _shaped(model, "predict(return_std=True)", std, mean.shape)


def interval_of(model: Any, X, level: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the ends of pointwise intervals, `(n_rows, n_genes)` each, or `None` if the model has no standard errors."""
    if has_method(model, "confidence_interval"):
        return model.confidence_interval(readable_by(model, X), level)
    mean, std = predict_model(model, X, None)
    if std is None:
        return None
    half = norm.ppf(0.5 + level / 2) * std
    return mean - half, mean + half


def failures_of(model: Any, n_genes: int) -> dict[int, str]:
    """Return the reasons, by position, for genes that a model could not fit; empty if it does not report them."""
    failed = fitted_value(model, "failed_")
    if failed is None:
        return {}
    if not isinstance(failed, Mapping) or any(key not in range(n_genes) for key in failed):
        raise TypeError(
            f"failed_ of {type(model).__name__} must be a dictionary from the positions of genes, 0 to {n_genes - 1}, "
            f"to reasons; got {shortened(failed)}."
        )
    return {int(gene): str(reason) for gene, reason in failed.items()}


def reported(model: Any, name: str, default: Any, n_genes: int) -> Any:
    """Return an attribute of a model with one value per gene, or the default if the model does not have it."""
    values = fitted_value(model, name)
    if values is None:
        return default
    if np.ndim(values) > 0 and np.shape(values) != (n_genes,):
        raise ValueError(
            f"{name} of {type(model).__name__} must have one value per gene, {n_genes}; its shape is {np.shape(values)}."
        )
    return values


def draws_of(model: Any, X, genes: Sequence[int], n_draws: int, random_state: int) -> Iterator[np.ndarray]:
    """Yield samples of the trends `(n_rows, len(genes))` of some genes from the model's posterior.

    Smoothing parameters are sampled too, if possible: otherwise a straight line would be one in every sample.
    """
    places = np.asarray(genes)
    if has_method(model, "take_genes"):
        model, places = model.take_genes(list(genes)), np.arange(len(genes))
    options = {"unconditional": True} if takes(model.sample, "unconditional") else {}
    drawn = iter(model.sample(readable_by(model, X), n_draws, random_state, **options))
    for number in range(n_draws):
        values = next(drawn, None)
        if values is None:
            raise ValueError(f"sample of {type(model).__name__} must yield {n_draws} draws; it yielded {number}.")
        yield np.asarray(values, dtype=float).reshape(X.shape[0], -1)[:, places]


def is_fitted(model: Any) -> bool:
    """Return whether a model is fitted."""
    try:
        check_is_fitted(model)
    except (TypeError, ValueError):  # not an estimator, or not fitted
        return False
    return True


def takes(method: Callable, name: str) -> bool:
    """Return whether a method has an argument of this name, or accepts any keyword."""
    try:
        parameters = inspect.signature(method).parameters
    except (TypeError, ValueError):  # signatures of compiled code may be unknown
        return True
    return name in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def readable_by(model: Any, X):
    """Return a design as an array, unless the scikit-learn tags of the model state that it supports sparse input."""
    return X.toarray() if sparse.issparse(X) and not _takes_sparse_design(model) else X


def _takes_sparse_design(model: Any) -> bool:
    try:
        return bool(get_tags(model).input_tags.sparse)
    except (AttributeError, TypeError):  # not derived from BaseEstimator
        return False


def _shaped(model: Any, method: str, values: Any, shape: tuple) -> np.ndarray:
    found = np.asarray(values, dtype=float)
    if shape[1] is None:
        return found.reshape(shape[0], -1)
    if found.shape != shape and not (found.ndim == 1 and shape[1] == 1 and len(found) == shape[0]):
        raise ValueError(
            f"{method} of {type(model).__name__} must return one row per time and one column per gene, {shape}; the returned "
            f"array has shape {found.shape}."
        )
    return found.reshape(shape)
