"""Base class of models whose trends are a function, the inverse link, of a linear predictor."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.stats import norm
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from ..utils.checking import check_share
from ..utils.types import Matrix, Predicted
from .links import Link


class LinkedModel(MultiOutputMixin, RegressorMixin, BaseEstimator, ABC):
    """Base class of models with a link function.

    A subclass sets `_single`, whether the response of `fit` was one-dimensional, and implements

    - `_predictor(X, return_std) -> eta, std`, arrays `(n_rows, n_genes)` on the link scale; `std` may be `None` without
      `return_std`;
    - `_link`, a :class:`lineage_clust.models.links.Link`.
    """

    _single: bool
    _link: Link

    def predict(self, X: Matrix, return_std: bool = False) -> Predicted:
        """Return the trends on the response scale, for offset 0.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            Rows of the design from the same smoother, or pseudotime, as in `fit`.
        return_std : bool, default=False
            Whether to return standard errors of the trends as well (by the delta method, unless the link is the
            identity).

        Returns
        -------
        mean : ndarray of shape (n_rows, n_genes) or (n_rows,)
            NaN for genes that failed.
        std : ndarray of the same shape
            Only with `return_std=True`.
        """
        eta, std = self._predictor(X, return_std)
        with np.errstate(all="ignore"):
            mean = self._link.mean(eta)
            std = std * np.abs(self._link.slope(mean)) if return_std else mean
        if self._single:
            mean, std = mean.ravel(), std.ravel()
        return (mean, std) if return_std else mean

    def confidence_interval(self, X: Matrix, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Return pointwise confidence intervals of the trends at offset 0, transformed from the link scale.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_rows, n_features)
            As in `predict`.
        level : float, default=0.95
            Coverage; that of a smooth is averaged over a trend [1]_.

        Returns
        -------
        lower, upper : ndarray of shape (n_rows, n_genes) or (n_rows,)

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1.

        References
        ----------
        .. [1] Marra & Wood (2012). Coverage properties of confidence intervals for generalized additive model
           components. Scandinavian Journal of Statistics 39, 53-74.
        """
        check_share("level", level)
        eta, std = self._predictor(X, True)
        half = self._quantile(X, level) * std
        with np.errstate(all="ignore"):
            ends = self._link.mean(eta - half), self._link.mean(eta + half)
        lower, upper = np.minimum(*ends), np.maximum(*ends)  # the link may be decreasing
        return (lower.ravel(), upper.ravel()) if self._single else (lower, upper)

    def _quantile(self, X, level: float) -> float | np.ndarray:
        """Return the half-width of an interval of the linear predictor in standard errors, for all rows and genes or each."""
        return norm.ppf(0.5 + level / 2)

    @abstractmethod
    def _predictor(self, X, return_std: bool) -> tuple[np.ndarray, np.ndarray]: ...
