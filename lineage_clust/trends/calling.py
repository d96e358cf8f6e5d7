"""Calls of models with the arguments that each class supports; see :mod:`lineage_clust.contracts`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import norm
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from ..contracts.capabilities import fitted_value, has_method, reads_blocks, takes_sparse_expression
from ..expression.storage.blocks import BlockedExpression
from ..models.regressor import warn_of_equal_weights
from ..utils.checking import shortened


def fit_model(model: Any, X, Y, weights: np.ndarray, smoother=None, *, penalty=None, offset=None, groups=None) -> None:
    """Fit a :class:`~lineage_clust.contracts.DesignModel` in place with the arguments that its `fit` supports.

    `X` `(n_cells, n_features)` is the design, or pseudotime; `Y` `(n_cells, n_genes)` comes from
    :func:`expression_for`. An offset, and donors as `groups`, are always passed if they are not `None`.
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
    takes_sparse = takes_sparse_expression(model)
    if isinstance(Y, BlockedExpression):
        if reads_blocks(model):
            return Y
        if not takes_sparse:
            Y.check_fits_dense()
        Y = Y.to_memory()
    return Y.toarray() if sparse.issparse(Y) and not takes_sparse else Y


def predict_model(model: Any, X, n_genes: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the means and standard errors `(n_rows, n_genes)` of a model; the latter `None` if the model has none.

    `n_genes=None` accepts any number of genes.
    """
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

    Smoothing parameters are sampled too if the model supports it. Otherwise, a gene whose trend is estimated as a
    straight line would have a straight line in every sample.
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
