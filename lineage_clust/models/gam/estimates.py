"""Result of a fit of all genes, of the same form for all families, and the attributes of a GAM that are set from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from ...utils.checking import shortened
from .design import Design

if TYPE_CHECKING:
    from .donors.gaussian import DonorFit
    from .donors.posterior import DonorPosterior
    from .inference.posterior import GenePosterior, SharedPosterior
    from .inference.significance import SmoothTests


@dataclass
class GeneEstimates:
    """Fit of all genes; arrays are `(n_genes,)` unless stated otherwise."""

    coefficients: np.ndarray  # (n_columns, n_genes)
    lambda_: np.ndarray
    edf: np.ndarray
    scale: np.ndarray
    deviance_explained: np.ndarray
    converged: np.ndarray
    posterior: SharedPosterior | GenePosterior | DonorPosterior
    tests: SmoothTests | tuple[np.ndarray, np.ndarray]  # or statistics and p-values, if computed during the fit
    note: list[str] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    theta: np.ndarray | None = None
    n_iter: np.ndarray | None = None
    spread: np.ndarray | None = None  # weighted standard deviation of expression
    n_quasi: int = 0  # number of genes with values that have no likelihood
    donors: DonorFit | None = None
    dispersion: np.ndarray | None = None  # variance of counts relative to a Poisson distribution; 0 if hardly larger


_BY_GENE = (
    "lambda_", "edf_", "scale_", "deviance_explained_", "converged_", "n_iter_", "theta_", "spread_",
    "shift_variance_", "curve_variance_",
)  # fmt: skip


def store(model: Any, design: Design, result: GeneEstimates, single: bool) -> None:
    """Set the attributes of a fitted GAM; `single` if the response is one-dimensional."""
    coefficients = result.coefficients.T
    n_features = model.n_features_in_
    intercept = coefficients[:, n_features] if design.has_intercept else np.zeros(len(coefficients))
    coef = np.ascontiguousarray(coefficients[:, :n_features])
    model.coef_, model.intercept_ = (coef[0], float(intercept[0])) if single else (coef, intercept)
    for name in ("edf", "scale", "deviance_explained", "converged", "note", "failed", "posterior", "spread"):
        setattr(model, f"{name}_", getattr(result, name))
    model.lambda_, model._tests = result.lambda_, result.tests
    model.n_iter_ = np.ones(len(result.lambda_), dtype=int) if result.n_iter is None else result.n_iter
    if result.theta is not None:
        model.theta_ = result.theta
    for name in ("shift_variance_", "curve_variance_"):
        vars(model).pop(name, None)  # left from an earlier fit
    if result.donors is not None:
        model.shift_variance_, model.curve_variance_ = result.donors.shift_variance, result.donors.curve_variance
    model._single, model._has_intercept = single, design.has_intercept


def with_coefficients(model: Any, coefficients: np.ndarray, intercept: np.ndarray) -> Any:
    """Return a GAM with the design of a fitted one and coefficients `(n_genes, n_features)`, without further results."""
    other = clone(model)
    other.coef_, other.intercept_, other._single = coefficients, intercept, False
    other._link, other._has_intercept, other.n_features_in_ = model._link, model._has_intercept, model.n_features_in_
    return other


def subset(model: Any, genes: Any) -> Any:
    """Return a fitted GAM of some genes, given their positions."""
    genes = np.atleast_1d(genes)
    if genes.size and (genes.dtype.kind not in "iu" or genes.min() < 0 or genes.max() >= len(model.lambda_)):
        raise ValueError(
            f"genes must be positions from 0 to {len(model.lambda_) - 1}; got {shortened(genes.tolist())}."
        )
    genes = genes.astype(int)
    other = with_coefficients(model, np.atleast_2d(model.coef_)[genes], np.atleast_1d(model.intercept_)[genes])
    for name in _BY_GENE:
        if name in vars(model):  # not every family has all of them
            setattr(other, name, getattr(model, name)[genes])
    other._tests = tuple(values[genes] for values in model._tested())
    other.note_ = [model.note_[gene] for gene in genes]
    other.failed_ = {new: model.failed_[int(old)] for new, old in enumerate(genes) if int(old) in model.failed_}
    other.posterior_ = model.posterior_.take(genes)
    return other
