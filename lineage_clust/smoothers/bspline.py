"""Penalised B-splines (P-splines)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.interpolate import BSpline

from ..utils.constraints import Constraints, one_of
from .base import DOMAIN, BaseSmoother, check_size, separated, size


class BSplineSmoother(BaseSmoother):
    """P-splines: B-splines with a difference penalty on neighbouring coefficients.

    The smoothness of the curve is controlled by the model's penalty and not by the number of basis functions, which
    only has to be large enough. Outside the domain, curves are extrapolated linearly.

    Parameters
    ----------
    n_splines : int, default=20
        Number of basis functions per column, at least `degree + 1`.
    degree : int, default=3
        Degree of the piecewise polynomials; 3 = cubic.
    penalty_order : int, default=2
        Order of the differences that are penalised; 2 leaves straight lines unpenalised.
    knots : {"uniform", "quantile"}, default="uniform"
        Whether the inner knots are equally spaced or at quantiles of the data.
    domain : tuple of two floats, default=None
        `(start, end)` that the knots span, in units of pseudotime; `None` = the range of the data.

    Attributes
    ----------
    penalty_ : ndarray of shape (n_features * n_splines, n_features * n_splines)
        Penalty matrix `S`: `beta' S beta` measures roughness. Its rank is `n_splines - penalty_order` per column.
    bases_ : list of ndarray
        The knots of each column, `(n_splines + degree + 1,)`.
    n_features_in_ : int
        Number of columns seen in `fit`.

    See Also
    --------
    sklearn.preprocessing.SplineTransformer : B-splines without a penalty.

    Notes
    -----
    With uniform knots the penalty is `D'D`, `D` the matrix of differences of order `penalty_order` [1]_, as in mgcv's
    "ps" basis and in pyGAM. For unequal knots, differences are weighted by the knots' distances, so that polynomials of
    degree below `penalty_order` remain unpenalised [2]_.

    References
    ----------
    .. [1] Eilers & Marx (1996). Flexible smoothing with B-splines and penalties. Statistical Science 11(2), 89-121,
       section 3.
    .. [2] Li & Cao (2022). General P-splines for non-uniform B-splines. arXiv:2201.06808, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.smoothers import BSplineSmoother
    >>> smoother = BSplineSmoother(n_splines=6)
    >>> smoother.fit_transform(np.linspace(0, 1, 50)[:, None]).shape
    (50, 6)
    >>> smoother.penalty_.shape
    (6, 6)
    """

    _constraints: ClassVar[Constraints] = {
        "degree": size(0), "penalty_order": size(0), "knots": one_of(["uniform", "quantile"]), "domain": DOMAIN,
    }  # fmt: skip

    def __init__(
        self,
        n_splines: int = 20,
        degree: int = 3,
        penalty_order: int = 2,
        knots: str = "uniform",
        domain: tuple[float, float] | None = None,
    ):
        self.n_splines = n_splines
        self.degree = degree
        self.penalty_order = penalty_order
        self.knots = knots
        self.domain = domain

    def _check_together(self) -> None:
        check_size("n_splines", self.n_splines, self.degree + 1)
        if self.penalty_order >= self.n_splines:
            raise ValueError(
                f"penalty_order must be below n_splines; got penalty_order={self.penalty_order} and "
                f"n_splines={self.n_splines}."
            )

    def _fit_column(self, x: np.ndarray) -> np.ndarray:
        start, end = self._domain_of(x)
        n_intervals = self.n_splines - self.degree
        inner = np.linspace(start, end, n_intervals + 1)
        if self.knots == "quantile":
            inside = x[(x >= start) & (x <= end)]
            levels = np.linspace(0, 1, n_intervals + 1)[1:-1]
            placed = np.quantile(inside if len(inside) else x, levels) if n_intervals > 1 else np.array([])
            # intervals of very unequal length would make the basis singular and the penalty inaccurate
            least = 0.1 * (end - start) / n_intervals
            placed = np.clip(placed, start + least, end - least)
            inner = separated(np.concatenate([[start], placed, [end]]), least)
        below = inner[0] - (inner[1] - inner[0]) * np.arange(self.degree, 0, -1)
        above = inner[-1] + (inner[-1] - inner[-2]) * np.arange(1, self.degree + 1)
        return np.concatenate([below, inner, above])

    def _design(self, x: np.ndarray, knots: np.ndarray) -> sparse.csr_matrix:
        start, end = knots[self.degree], knots[-self.degree - 1]
        inside = np.clip(x, start, end)
        design = BSpline.design_matrix(inside, knots, self.degree).tocsr()
        outside = np.flatnonzero(inside != x)
        if len(outside) and self.degree > 0:
            basis = BSpline(knots, np.eye(self.n_splines), self.degree)
            slopes = sparse.csr_matrix(basis(np.array([start, end]), nu=1))
            step = sparse.diags_array(x[outside] - inside[outside])
            at_end = (x[outside] > end).astype(int)
            positions = (outside, np.arange(len(outside)))
            to_rows = sparse.csr_matrix((np.ones(len(outside)), positions), (len(x), len(outside)))
            design = design + to_rows @ (step @ slopes[at_end])
        return sparse.csr_matrix(design)

    def _penalty(self, knots: np.ndarray) -> np.ndarray:
        differences = _difference_matrix(knots, self.degree, self.penalty_order)
        return differences.T @ differences


def _difference_matrix(knots: np.ndarray, degree: int, order: int) -> np.ndarray:
    """Return `(n_splines - order, n_splines)` general differences; plain ones if the knots are equally spaced."""
    n_splines = len(knots) - degree - 1
    mean_step = (knots[-degree - 1] - knots[degree]) / (n_splines - degree)
    matrix = np.eye(n_splines)
    for step in range(1, order + 1):
        lag = max(degree + 1 - step, 1)
        gaps = (knots[lag + step : lag + step + n_splines - step] - knots[step:n_splines]) / (lag * mean_step)
        matrix = np.diff(matrix, axis=0) / gaps[:, None]
    return matrix
