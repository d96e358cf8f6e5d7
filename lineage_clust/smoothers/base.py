"""Base class of the smoothers: each column is expanded separately, and the penalty is block-diagonal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from scipy import linalg, sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..utils.constraints import Constraint, Constraints, check_constraints, integer, is_number
from ..utils.output import wanted_output
from ..utils.types import Matrix

_RESOLVED = 1e-10  # minimal width of a domain, relative to its distance from 0
_WIDTHS = (1e-90, 1e90)  # cubes of widths must be finite


class BaseSmoother(TransformerMixin, BaseEstimator):
    """Base class of the smoothers: a transformer from pseudotime to a basis, with a penalty matrix.

    A subclass defines the constraints on single parameters in `_constraints` and checks combinations of parameters in
    `_check_together()`. It implements three methods for one column of pseudotime:

    - `_fit_column(x) -> basis`, any object with the fitted state of the column;
    - `_design(x, basis) -> (n_samples, n_splines)` CSR matrix;
    - `_penalty(basis) -> (n_splines, n_splines)` positive semi-definite array.
    """

    _constraints: ClassVar[Constraints]
    domain: tuple[float, float] | None

    def fit(self, X: Matrix, y: Any = None) -> Self:
        """Fit the basis.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Pseudotime, one column (or several, each expanded separately).
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is invalid or X is not finite.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        check_constraints(self)
        self._check_together()
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
            The design matrix; a DataFrame if `set_output` or scikit-learn's configuration asks for one.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        columns = [self._design(column, basis) for column, basis in zip(X.T, self.bases_, strict=True)]
        design = columns[0] if len(columns) == 1 else sparse.hstack(columns, format="csr")
        return design if wanted_output(self) == "default" else design.toarray()

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

    def _check_together(self) -> None:
        """Raise a ValueError if parameters contradict each other."""

    def _domain_of(self, x: np.ndarray) -> tuple[float, float]:
        """Return the interval spanned by the knots: `domain`, or the range of the data."""
        if self.domain is None:
            start, end = float(x.min()), float(x.max())
            start, end = (start, end) if start < end else (start - 0.5, end + 0.5)
        else:
            start, end = map(float, self.domain)
        if not max(_WIDTHS[0], _RESOLVED * max(abs(start), abs(end))) < end - start < _WIDTHS[1]:
            raise ValueError(
                f"Knots cannot be placed on [{start!r}, {end!r}]: the interval is too narrow or too wide for floating "
                f"point. Shift and rescale pseudotime, e.g. to [0, 1]."
            )
        return start, end


_MOST = 10_000  # a matrix of 0.8 GB
_MOST_SPLINES = 1_000  # with more, the smoothest curves are not distinguishable from straight lines in double precision


def check_size(name: str, value: Any, least: int) -> None:
    """Raise a ValueError unless `value` is an integer of at least `least`, and at most 10,000."""
    integer(least).check(name, value)
    if name == "n_splines" and value > _MOST_SPLINES:
        raise ValueError(
            f"n_splines must be at most {_MOST_SPLINES:,}; got {value!r}. The penalty controls smoothness: with more than "
            "100 splines curves hardly change, while time and memory increase and numerical precision decreases."
        )
    if value > _MOST:
        raise ValueError(
            f"{name} must be at most {_MOST:,}, because matrices of this size are kept in memory; got {value!r}."
        )


def separated(knots: np.ndarray, least: float) -> np.ndarray:
    """Return increasing knots that are at least `least` apart; the first and last knot do not move.

    Nearly coincident knots would make the basis singular and the penalty inaccurate.
    """
    steps = least * np.arange(len(knots))
    forward = np.maximum.accumulate(knots - steps) + steps
    return np.concatenate([knots[:1], np.minimum(forward, knots[-1] - steps[::-1])[1:-1], knots[-1:]])


def size(least: int) -> Callable[[str, Any], None]:
    """Return the constraint on a number of columns, see :func:`check_size`."""
    return lambda name, value: check_size(name, value, least)


def _is_domain(domain: Any) -> bool:
    if domain is None:
        return True
    pair = np.ndim(domain) == 1 and len(domain) == 2 and all(is_number(end) for end in domain)
    return pair and bool(np.all(np.isfinite(domain))) and domain[0] < domain[1]


DOMAIN = Constraint("None or (start, end) with start < end", _is_domain)
