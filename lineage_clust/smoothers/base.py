"""What the spline smoothers share: columns are expanded one by one, the penalty is block-diagonal."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from scipy import linalg, sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..utils.types import Matrix

_RESOLVED = 1e-10  # least width of a domain, relative to its place on the axis
_WIDTHS = (1e-90, 1e90)  # cubes of widths are computed


class Smoother(TransformerMixin, BaseEstimator):
    """Base of the smoothers: a transformer from pseudotime to a basis, which also owns a penalty.

    A subclass implements three methods on one column of pseudotime:

    - `_check_parameters()`, which raises on a wrong parameter;
    - `_fit_column(x) -> basis`, any object that holds what was learnt of the column;
    - `_design(x, basis) -> (n_samples, n_splines)` CSR matrix;
    - `_penalty(basis) -> (n_splines, n_splines)` positive semi-definite array.
    """

    def fit(self, X: Matrix, y: Any = None) -> Self:
        """Learn the basis.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pseudotime, one column (or several, each expanded by itself).
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is wrong or X is not finite.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self._check_parameters()
        self.bases_ = [self._fit_column(column) for column in X.T]
        penalties = [self._penalty(basis) for basis in self.bases_]
        self.penalty_ = linalg.block_diag(*penalties)
        self._sizes = [len(penalty) for penalty in penalties]
        self._n_features_out = self.penalty_.shape[0]
        return self

    def transform(self, X: Matrix) -> sparse.csr_matrix:
        """Expand pseudotime into the basis.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pseudotime.

        Returns
        -------
        scipy.sparse.csr_matrix of shape (n_samples, n_features * n_splines)
            The design.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        columns = [self._design(column, basis) for column, basis in zip(X.T, self.bases_, strict=True)]
        return columns[0] if len(columns) == 1 else sparse.hstack(columns, format="csr")

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the basis functions, `{column}_sp_{index}`.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; `None` = those seen in fit, or "x0", "x1", ...

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "n_features_in_")
        from sklearn.utils.validation import _check_feature_names_in

        columns = _check_feature_names_in(self, input_features)
        names = [
            f"{column}_sp_{index}" for column, size in zip(columns, self._sizes, strict=True) for index in range(size)
        ]
        return np.array(names, dtype=object)

    def _domain_of(self, x: np.ndarray) -> tuple[float, float]:
        """Return where the knots span: `domain`, or the range of the data."""
        if self.domain is None:
            start, end = float(x.min()), float(x.max())
            start, end = (start, end) if start < end else (start - 0.5, end + 0.5)
        else:
            start, end = map(float, self.domain)
        if not max(_WIDTHS[0], _RESOLVED * max(abs(start), abs(end))) < end - start < _WIDTHS[1]:
            raise ValueError(
                f"Knots cannot be placed on [{start!r}, {end!r}]: in floating point it is too narrow or too wide. Shift "
                "and rescale pseudotime, e.g. to between 0 and 1."
            )
        return start, end


_MOST = 10_000  # a matrix of 0.8 GB


def check_integer(name: str, value: object, least: int) -> None:
    """Raise a ValueError unless `value` is an integer of at least `least`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}.")
    if value > _MOST:
        raise ValueError(
            f"{name} must be at most {_MOST:,}, for matrices with as many rows and columns are held; got {value!r}."
        )


def check_domain(domain: Any) -> None:
    """Raise a ValueError unless `domain` is None or an increasing pair of finite numbers."""
    if domain is None:
        return
    ok = np.ndim(domain) == 1 and len(domain) == 2 and all(isinstance(end, (Real, np.number)) for end in domain)
    if not ok or not np.all(np.isfinite(domain)) or not domain[0] < domain[1]:
        raise ValueError(f"domain must be None or (start, end) with start < end; got {domain!r}.")
