"""Cubic regression splines: natural and cyclic, parametrised by their values at the knots."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse
from scipy.interpolate import CubicSpline

from ..utils.constraints import Constraints, one_of
from .base import DOMAIN, BaseSmoother, separated, size


class _CubicSmoother(BaseSmoother):
    """Cubic splines that a subclass returns as `_curves(knots)`, with the integral of the squared second derivative."""

    _constraints: ClassVar[Constraints] = {
        "n_splines": size(3), "knots": one_of(["uniform", "quantile"]), "domain": DOMAIN,
    }  # fmt: skip

    def _penalty(self, knots: np.ndarray) -> np.ndarray:
        """Return the integrals of the products of the second derivatives, which are straight lines between knots."""
        curves = self._curves(knots)
        gaps, ends = np.diff(curves.x)[:, None], curves(curves.x, 2)
        left, right = ends[:-1], ends[1:]
        penalty = left.T @ (gaps * (2 * left + right)) + right.T @ (gaps * (2 * right + left))
        return (penalty + penalty.T) / 12


class CubicSplineSmoother(_CubicSmoother):
    """Natural cubic regression splines (mgcv's "cr").

    The coefficients are the values of the curve at the knots, and the penalty is the integral of its squared second
    derivative. Outside the domain, curves are extrapolated linearly.

    Parameters
    ----------
    n_splines : int, default=20
        Number of knots and of basis functions per column; at least 3.
    knots : {"quantile", "uniform"}, default="quantile"
        Whether knots are at quantiles of the data (as in mgcv) or equally spaced.
    domain : tuple of two floats, default=None
        `(start, end)`, the first and the last knot, in units of pseudotime; `None` = the range of the data.

    Attributes
    ----------
    penalty_ : ndarray of shape (n_features * n_splines, n_features * n_splines)
        Penalty matrix; straight lines are unpenalised.
    bases_ : list of ndarray
        The knots of each column.
    n_features_in_ : int
        Number of columns seen in `fit`.

    References
    ----------
    Wood (2017). Generalized Additive Models, 2nd ed., section 5.3.1, table 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.smoothers import CubicSplineSmoother
    >>> t = np.linspace(0, 1, 50)[:, None]
    >>> CubicSplineSmoother(n_splines=6).fit_transform(t).shape
    (50, 6)
    """

    penalty_order = 2

    def __init__(self, n_splines: int = 20, knots: str = "quantile", domain: tuple[float, float] | None = None):
        self.n_splines = n_splines
        self.knots = knots
        self.domain = domain

    def _fit_column(self, x: np.ndarray) -> np.ndarray:
        return place_knots(x, self._domain_of(x), self.n_splines, self.knots)

    def _design(self, x: np.ndarray, knots: np.ndarray) -> sparse.csr_matrix:
        inside = np.clip(x, knots[0], knots[-1])
        curves = self._curves(knots)
        design, outside = curves(inside), inside != x
        if outside.any():
            design[outside] += (x - inside)[outside, None] * curves(inside[outside], 1)
        return sparse.csr_matrix(design)

    def _curves(self, knots: np.ndarray) -> CubicSpline:
        """Return the basis: each spline is 1 at its own knot and 0 at the others."""
        return CubicSpline(knots, np.eye(len(knots)), bc_type="natural")


class CyclicSplineSmoother(_CubicSmoother):
    """Cyclic cubic regression splines (mgcv's "cc"): value and two derivatives agree at both ends of the period.

    For periodic processes such as the cell cycle.

    Parameters
    ----------
    n_splines : int, default=20
        Number of basis functions per column. There are `n_splines + 1` knots; the last is identified with the first.
    knots : {"uniform", "quantile"}, default="uniform"
        Whether the inner knots are equally spaced or at quantiles of the data.
    domain : tuple of two floats, default=None
        `(start, end)` of one period, in units of pseudotime; `None` = the range of the data.

    Attributes
    ----------
    penalty_ : ndarray of shape (n_features * n_splines, n_features * n_splines)
        Integral of the squared second derivative over the period; constants are unpenalised.
    bases_ : list of ndarray
        The knots of each column.
    n_features_in_ : int
        Number of columns seen in `fit`.

    References
    ----------
    Wood (2017). Generalized Additive Models, 2nd ed., section 5.3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.smoothers import CyclicSplineSmoother
    >>> smoother = CyclicSplineSmoother(n_splines=6, domain=(0, 1)).fit(np.linspace(0, 1, 50)[:, None])
    >>> bool(np.allclose(smoother.transform([[0.2]]).toarray(), smoother.transform([[1.2]]).toarray()))
    True
    """

    penalty_order = 1

    def __init__(self, n_splines: int = 20, knots: str = "uniform", domain: tuple[float, float] | None = None):
        self.n_splines = n_splines
        self.knots = knots
        self.domain = domain

    def _fit_column(self, x: np.ndarray) -> np.ndarray:
        return place_knots(x, self._domain_of(x), self.n_splines + 1, self.knots)

    def _design(self, x: np.ndarray, knots: np.ndarray) -> sparse.csr_matrix:
        period = knots[-1] - knots[0]
        wrapped = np.where((x >= knots[0]) & (x <= knots[-1]), x, knots[0] + np.mod(x - knots[0], period))
        return sparse.csr_matrix(self._curves(knots)(wrapped))

    def _curves(self, knots: np.ndarray) -> CubicSpline:
        """Return the basis: each spline is 1 at its own knot (the first one also at the last knot), and 0 at the others."""
        around = np.append(np.arange(self.n_splines), 0)
        return CubicSpline(knots, np.eye(self.n_splines)[around], bc_type="periodic")


def place_knots(x: np.ndarray, domain: tuple[float, float], n_knots: int, placement: str) -> np.ndarray:
    """Return increasing knots from the start to the end of the domain; quantiles are those of the distinct values."""
    start, end = domain
    uniform = np.linspace(start, end, n_knots)
    if placement == "uniform" or n_knots < 3:
        return uniform
    distinct = np.unique(x[(x >= start) & (x <= end)])
    if len(distinct) < 2:
        return uniform
    knots = np.quantile(distinct, np.linspace(0, 1, n_knots))
    knots[0], knots[-1] = start, end
    return separated(knots, 0.1 * (end - start) / n_knots)
