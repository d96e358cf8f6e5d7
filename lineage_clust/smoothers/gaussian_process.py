"""Gaussian-process smoother: kernel functions as a basis, the prior precision as the penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from ..utils.constraints import Constraints, number, one_of
from .base import DOMAIN, BaseSmoother, size

_RELATIVE_RANK = 1e-10
_FAR = 1e50  # distance in length scales at which kernels are 0 and squares are finite
_JITTER = 1e-6  # variance added at each landmark, in units of the kernel's variance; Mellon's default


@dataclass(frozen=True)
class _LandmarkBasis:
    """Landmarks of one column of pseudotime, and the map from their kernel functions to the basis."""

    landmarks: np.ndarray
    length_scale: float
    to_modes: np.ndarray  # (n_landmarks, n_modes): the kernel's leading modes, each with prior variance 1


class GaussianProcessSmoother(BaseSmoother):
    """Gaussian-process prior on the curve with landmarks (as in Palantir and Mellon).

    The basis spans the functions `k(., landmark)`; its columns are the leading modes of the kernel over the landmarks,
    scaled so that the penalty is the identity. Ridge regression on it with `lambda` is the posterior mean of a Gaussian
    process with noise variance `lambda` (in units of the kernel's variance); REML estimates the noise variance instead
    of fixing it.

    Parameters
    ----------
    length_scale : float, default=1.0
        Length scale of the kernel, in units of pseudotime.
    kernel : {"matern52", "rbf"}, default="matern52"
        Matern kernel with smoothness 5/2, or the squared exponential.
    n_landmarks : int, default=200
        Number of landmarks, equally spaced over the domain.
    domain : tuple of two floats, default=None
        `(start, end)` that the landmarks span; `None` = the range of the data.

    Attributes
    ----------
    penalty_ : ndarray of shape (n_modes, n_modes)
        The identity matrix.
    bases_ : list
        Landmarks and modes of each column.
    n_features_in_ : int
        Number of columns seen in `fit`.

    Notes
    -----
    ``k(r) = (1 + a + a^2 / 3) exp(-a)``, ``a = sqrt(5) r / length_scale`` ("matern52"), or ``exp(-(r /
    length_scale)^2 / 2)`` ("rbf"), with `r` the distance [1]_. The landmark approximation is the subset of regressors
    [1]_, section 8.3.1, with a variance of 1e-6 added at each landmark. Far from the landmarks, curves revert to the
    model's intercept.

    Palantir's `compute_gene_trends(ls=, sigma=)` is a process of mean zero with landmarks at its 500 grid points:
    ``GaussianProcessSmoother(length_scale=ls, n_landmarks=500)`` with ``GAM(smoothing=sigma**2, fit_intercept=False)``,
    fitted to the cells of the branch with unit weights.

    References
    ----------
    .. [1] Rasmussen & Williams (2006). Gaussian Processes for Machine Learning, eq. (4.17), (4.9). MIT Press.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.smoothers import GaussianProcessSmoother
    >>> smoother = GaussianProcessSmoother(length_scale=0.3).fit(np.linspace(0, 1, 50)[:, None])
    >>> smoother.transform([[0.5]]).shape[1] == len(smoother.penalty_)
    True
    """

    penalty_order = 1

    _constraints: ClassVar[Constraints] = {
        "length_scale": number("a positive number", lambda value: 0 < value < np.inf),
        "kernel": one_of(["matern52", "rbf"]),
        "n_landmarks": size(2),
        "domain": DOMAIN,
    }

    def __init__(
        self,
        length_scale: float = 1.0,
        kernel: str = "matern52",
        n_landmarks: int = 200,
        domain: tuple[float, float] | None = None,
    ):
        self.length_scale = length_scale
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.domain = domain

    def _fit_column(self, x: np.ndarray) -> _LandmarkBasis:
        landmarks = np.linspace(*self._domain_of(x), self.n_landmarks)
        values, vectors = np.linalg.eigh(self._kernel(landmarks, landmarks))
        kept = values > _RELATIVE_RANK * values[-1]
        # the sign of eigenvectors is arbitrary: fix it so that the basis is reproducible
        vectors = vectors[:, kept][:, ::-1]
        vectors = vectors * np.where(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])] < 0, -1, 1)
        return _LandmarkBasis(landmarks, float(self.length_scale), vectors / np.sqrt(values[kept][::-1] + _JITTER))

    def _design(self, x: np.ndarray, basis: _LandmarkBasis) -> sparse.csr_matrix:
        return sparse.csr_matrix(self._kernel(x, basis.landmarks) @ basis.to_modes)

    def _penalty(self, basis: _LandmarkBasis) -> np.ndarray:
        return np.eye(basis.to_modes.shape[1])

    def _kernel(self, x: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        distance = np.minimum(np.abs(x[:, None] - landmarks), _FAR * self.length_scale) / self.length_scale
        if self.kernel == "rbf":
            return np.exp(-0.5 * distance**2)
        scaled = np.sqrt(5.0) * distance
        return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
