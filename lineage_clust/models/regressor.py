"""Scikit-learn regressors as models of many genes."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from ..errors import check_any_fitted, warn
from ..utils.matrices import column_of, dense
from ..utils.types import Matrix, Predicted
from .notes import found_in, joined, notes_on
from .per_gene import fit_each, reason_of

_NOT_FINITE = "expression holds NaN or infinite values"
_STOPPED = "no convergence: the regressor stopped at its max_iter"
_AGAINST = "the trend is negatively correlated with expression"


class RegressorModel(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Fit a scikit-learn regressor to every gene: once if it supports multiple targets, else one clone per gene.

    Parameters
    ----------
    estimator : regressor or Pipeline
        Sample weights are passed if it supports them (in a pipeline, to the last step).
    n_jobs : int, default=None
        Parallel jobs over genes.
    backend : str, default="loky"
        joblib backend.

    Attributes
    ----------
    estimators_ : list
        One fitted regressor per gene (`None` if it failed), or a single one for all.
    deviance_explained_ : ndarray of shape (n_genes,)
        Proportion of the weighted sum of squares around the weighted mean explained by the trend.
    spread_ : ndarray of shape (n_genes,)
        Weighted standard deviation of expression.
    converged_ : ndarray of bool, shape (n_genes,)
        False if a regressor stopped at its `max_iter`; such trends are not clustered.
    failed_ : dict of int to str
        Reason by position, for genes that could not be fitted.
    note_ : list of str
        Notes by gene. They also name trends that run against the cells (negative weighted covariance), which is
        possible with losses other than squared error in genes with few expressing cells.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> t = np.linspace(0, 1, 30)[:, None]
    >>> RegressorModel(KNeighborsRegressor()).fit(t, np.hstack([t, t**2])).predict(t[:2]).shape
    (2, 2)
    """

    reads = "design"
    minimises_deviance = False  # but its own loss, so that explained squares may be negative
    takes_sparse_y = True

    def __init__(self, estimator: Any, n_jobs: int | None = None, backend: str = "loky"):
        self.estimator = estimator
        self.n_jobs = n_jobs
        self.backend = backend

    def fit(self, X: Matrix, y: Matrix, sample_weight: ArrayLike | None = None) -> Self:
        """Fit every column of `y`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_cells, n_features)
        y : array-like or sparse matrix of shape (n_cells, n_genes)
            A regressor with multiple targets receives them as one dense array.
        sample_weight : array-like of shape (n_cells,), default=None

        Returns
        -------
        self

        Raises
        ------
        NoTrendError
            If every gene fails.
        """
        X = dense(X)
        weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        keyword = weight_keyword(self.estimator)
        self.weighted_ = keyword is not None
        if not self.weighted_:
            warn_of_equal_weights(_name(self.estimator), weights)
        fit_params = {keyword: weights} if keyword else {}
        n_genes = y.shape[1]
        finite = np.flatnonzero(_finite_columns(y))
        shared, reasons = None, {}
        if _takes_many_targets(self.estimator) and len(finite):
            shared = self._fit_at_once(X, y[:, finite], fit_params)
        if shared is None:
            fit_one = partial(_fit, self.estimator, X, fit_params=fit_params)
            each, reasons = fit_each(fit_one, y[:, finite], self.n_jobs, self.backend)
        else:
            each = [shared] * len(finite)
        results: list[Any] = [None] * n_genes
        for gene, result in zip(finite, each, strict=True):
            results[gene] = result
        self.failed_ = dict.fromkeys(np.setdiff1d(np.arange(n_genes), finite).tolist(), _NOT_FINITE)
        self.failed_.update({int(finite[place]): f"fit: {reason}" for place, reason in reasons.items()})
        check_any_fitted(self.failed_, n_genes)
        self._shared = None if shared is None else shared[0]
        self.estimators_ = [result and result[0] for result in results] if shared is None else [shared[0]]
        self._fitted_genes = np.setdiff1d(np.arange(n_genes), list(self.failed_))
        self._n_genes = n_genes
        self.deviance_explained_, null_deviance, against = self._explained(X, y, weights)
        self.spread_ = np.sqrt(null_deviance / weights.sum())
        stopped = np.array([result is not None and result[1] for result in results])
        self.converged_ = ~stopped
        note = "" if self.weighted_ or np.ptp(weights) == 0 else "fitted without weights"
        self.note_ = [
            joined(remark, note, _STOPPED if early else "", _AGAINST if away else "")
            for remark, early, away in zip(notes_on(null_deviance, found_in(y, weights)), stopped, against, strict=True)
        ]
        return self

    def predict(self, X: Matrix, return_std: bool = False) -> Predicted:
        """Return the trends `(n_rows, n_genes)`, NaN for genes that failed; with `return_std`, also `None`."""
        check_is_fitted(self)
        X = dense(X)
        mean = np.full((len(X), self._n_genes), np.nan)
        parts: list[tuple[Any, Any]] = [(self._fitted_genes, self._shared)]
        if self._shared is None:
            parts = [([gene], self.estimators_[gene]) for gene in self._fitted_genes]
        for genes, estimator in parts:
            try:
                mean[:, genes] = np.asarray(estimator.predict(X), dtype=float).reshape(len(X), -1)
            except Exception as error:
                self.failed_.update({int(gene): f"predict: {reason_of(error)}" for gene in genes})
        return (mean, None) if return_std else mean

    def _fit_at_once(self, X, y, fit_params):
        y = dense(y)
        try:
            fitted, early = _fit(self.estimator, X, y, fit_params)
            # a failing gene must not affect the others
            return (fitted, early) if np.all(np.isfinite(fitted.predict(X))) else None
        except Exception:
            return None  # refit each gene separately to get its reason

    def _explained(self, X, y, weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return explained deviance, deviance around the mean, and which trends run against the cells, by gene."""
        fitted = self.predict(X)
        explained, null_deviance = np.full((2, self._n_genes), np.nan)
        against = np.zeros(self._n_genes, dtype=bool)
        with np.errstate(over="ignore", invalid="ignore"):
            for gene in range(self._n_genes):
                values = column_of(y, gene)
                centred = values - np.average(values, weights=weights)
                total = weights @ centred**2
                lost = weights @ (values - fitted[:, gene]) ** 2
                explained[gene] = 0 * lost if total == 0 else 1 - lost / total
                null_deviance[gene] = total
                trend = fitted[:, gene] - np.average(fitted[:, gene], weights=weights)
                against[gene] = weights @ (centred * trend) < -1e-6 * np.sqrt(total * (weights @ trend**2))
        return explained, null_deviance, against


def warn_of_equal_weights(name: str, weights: np.ndarray) -> None:
    """Warn that a regressor without sample weights ignores the lineage weights of cells."""
    if np.ptp(weights) > 0:
        warn(
            f"{name} does not support sample weights: all cells are weighted equally. Use a regressor whose fit has "
            "sample_weight, or lineage weights of 0 and 1."
        )


def weight_keyword(estimator) -> str | None:
    """Return the keyword of `fit` for sample weights (of the last step of a pipeline), or `None`."""
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        inner = None if last in (None, "passthrough") else weight_keyword(last)
        return f"{name}__{inner}" if inner else None
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def _fit(estimator, X, y, fit_params) -> tuple:
    """Return a fitted clone and whether it stopped early; the warning of that is replaced by notes on genes."""
    fitted = clone(estimator)
    # pipelines would only route weights that the user has requested, and weights are always needed
    with config_context(enable_metadata_routing=False), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted.fit(X, y, **fit_params)
    slow = [one for one in caught if issubclass(one.category, ConvergenceWarning)]
    early = bool(slow) and _at_its_bound(fitted)
    for one in caught:
        if not (early and one in slow):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    return fitted, early


def _at_its_bound(fitted) -> bool:
    """Return whether a regressor, or the last step of a pipeline, reached its maximum number of iterations.

    A warning is not sufficient: it may concern one candidate of a search, or hyperparameters at their bounds.
    """
    last = fitted.steps[-1][1] if isinstance(fitted, Pipeline) else fitted
    bound, made = getattr(last, "max_iter", None), getattr(last, "n_iter_", None)
    return bound is not None and made is not None and 0 < bound <= np.max(made)


def _finite_columns(y) -> np.ndarray:
    """Return which columns `(n_genes,)` contain only finite values."""
    if not sparse.issparse(y):
        return np.isfinite(np.asarray(y, dtype=float)).all(axis=0)
    y = y.tocsc()
    bad = np.repeat(np.arange(y.shape[1]), np.diff(y.indptr))[~np.isfinite(y.data)]
    return ~np.isin(np.arange(y.shape[1]), bad)


def _takes_many_targets(estimator) -> bool:
    try:
        return get_tags(estimator).target_tags.multi_output
    except (AttributeError, TypeError):  # not derived from BaseEstimator
        return False


def _name(estimator) -> str:
    return type(estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator).__name__
