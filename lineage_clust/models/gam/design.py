"""Design matrices with penalty, intercept and centred smooth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse

from ...expression.sums.bands import Bands, make_bands
from ...utils.cached import cached_property
from ...utils.checking import check_size
from ...utils.matrices import dense


@dataclass(frozen=True)
class Design:
    """A design matrix with its penalty and the coefficients of its constant.

    matrix : `(n_cells, n_columns)`, dense or CSR; an added intercept is the last column.
    n_smooth : Number of leading columns that form the smooth; the others are unpenalised covariates.
    constant : `(n_columns,)` unpenalised coefficients for which the design is 1 in every cell, or `None`.
    """

    matrix: Any  # an array or a csr_array
    penalty: np.ndarray
    n_smooth: int
    constant: np.ndarray | None
    has_intercept: bool

    @cached_property
    def bands(self) -> Bands:
        """The matrix as Bands; a dense one with many zeros is converted to a sparse one."""
        matrix = self.matrix
        if not sparse.issparse(matrix) and 2 * np.count_nonzero(matrix) <= matrix.size:
            matrix = sparse.csr_array(matrix)
        return make_bands(matrix, self.n_smooth)

    @cached_property
    def centring(self) -> tuple[np.ndarray, np.ndarray]:
        """The `basis` `(n_columns, n)` of smooths with sum zero over the cells, and the map `(n, n_columns)` to it."""
        n_columns = len(self.penalty)
        means = self.bands.weighted_sums(np.ones(len(self.bands)))[: self.n_smooth]
        if self.constant is None or self.has_intercept:
            # centring moves the mean of the smooth into the intercept column
            to_centred = np.eye(self.n_smooth, n_columns)
            basis = to_centred.T.copy()
            if self.has_intercept:
                basis[-1] = -means / self.matrix.shape[0]
            return basis, to_centred
        complement = linalg.null_space(means[None, :])
        constant = self.constant[: self.n_smooth]
        basis, to_centred = np.zeros((n_columns, self.n_smooth - 1)), np.zeros((self.n_smooth - 1, n_columns))
        basis[: self.n_smooth] = complement
        to_centred[:, : self.n_smooth] = complement.T @ (
            np.eye(self.n_smooth) - np.outer(constant, means) / (means @ constant)
        )
        return basis, to_centred


def make_design(
    X, penalty: np.ndarray | None, weights: np.ndarray, fit_intercept: bool | str, keep_sparse: bool = False
) -> Design:
    """Return the Design of `X`, with an intercept if requested by `fit_intercept`.

    The penalty is that of the leading columns, the smooth; without one, all columns form an unpenalised smooth. `"auto"` adds
    an intercept only if no unpenalised combination of the columns is constant. A sparse `X` is kept sparse on request, as a
    dense design may not fit into memory.
    """
    for name, values in (("X", X), ("penalty", penalty), ("sample_weight", weights)):
        check_size(name, values)
    matrix = sparse.csr_array(X) if keep_sparse and sparse.issparse(X) else dense(X)
    n_features = matrix.shape[1]
    n_smooth = n_features if penalty is None else len(penalty)
    full = np.zeros((n_features, n_features))
    if penalty is not None:
        full[:n_smooth, :n_smooth] = penalty
    constant = _constant_combination(matrix, full, n_smooth, weights)
    if fit_intercept is True or (fit_intercept == "auto" and constant is None):
        ones = np.ones((matrix.shape[0], 1))
        matrix = sparse.hstack([matrix, ones], format="csr") if sparse.issparse(matrix) else np.hstack([matrix, ones])
        constant = np.zeros(n_features + 1)
        constant[-1] = 1.0
        return Design(matrix, np.pad(full, (0, 1)), n_smooth, constant, True)
    return Design(matrix, full, n_smooth, constant, False)


def _constant_combination(matrix, penalty, n_smooth, weights) -> np.ndarray | None:
    """Return coefficients `e` of the smooth with `X e = 1` and `S e = 0`, or `None`."""
    rows = matrix if np.all(weights > 0) else matrix[weights > 0]
    candidate = np.zeros(matrix.shape[1])
    candidate[:n_smooth] = 1.0
    if not np.allclose(rows @ candidate, 1.0):
        columns = dense(rows[:, :n_smooth])
        candidate[:n_smooth] = linalg.lstsq(columns, np.ones(columns.shape[0]))[0]
        if not np.allclose(rows @ candidate, 1.0):
            return None
    size = max(np.abs(penalty).max(), 1e-300)
    return candidate if np.allclose(penalty @ candidate / size, 0, atol=1e-8) else None


def effect_map(gram: np.ndarray, basis: np.ndarray, to_centred: np.ndarray) -> np.ndarray:
    """Return the map from coefficients to coordinates `u` of the centred smooth; for `basis` see :attr:`Design.centring`.

    `u'u` is its weighted sum of squares over the cells, whose gram matrix of the design is `gram`, `(..., n_columns,
    n_columns)`; this corresponds to the R factor of a QR decomposition.
    """
    squares = basis.T @ gram @ basis
    if squares.shape[-1] == 0:
        return squares @ to_centred
    size = np.trace(squares, axis1=-2, axis2=-1) / squares.shape[-1]
    try:
        root = np.swapaxes(
            np.linalg.cholesky(squares + 1e-12 * size[..., None, None] * np.eye(squares.shape[-1])), -1, -2
        )
    except np.linalg.LinAlgError:  # takes three times as long
        values, vectors = np.linalg.eigh(squares)
        root = np.sqrt(np.maximum(values, 0.0))[..., None] * np.swapaxes(vectors, -1, -2)
    return root @ to_centred
