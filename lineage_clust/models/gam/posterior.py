"""The covariance of the coefficients of all genes of a lineage, kept as a few vectors a gene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .smoothing_posterior import SmoothingPosterior
from .spectral import Spectrum

_CHUNK = 512


@dataclass(frozen=True)
class SharedPosterior:
    """Gaussian posterior of coefficients when all genes share one design.

    Attributes
    ----------
    spectrum
        The shared Demmler-Reinsch basis.
    lambda_
        `(n_genes,)` smoothing parameters.
    scale
        `(n_genes,)` scale `phi`: the variance of an observation of weight 1, if weights are precisions.
    variance
        `(n_genes,)` variance `s2` of an observation whatever its weight, for the robust covariance.
    squared_weight_gram
        `T'Z'W^2ZT`, `(n_modes, n_modes)`, for the robust covariance; `None` for the Bayesian one.
    smoothing
        Posterior of the smoothing parameters; `None` where they were given, or chosen by another criterion than REML.

    Notes
    -----
    With `P = (A + lambda S)^-1`, the Bayesian covariance is `phi P` [1]_; it takes weights for precisions. The robust one
    is `s2 P Z'W^2Z P + phi lambda P S P`: the sampling variance of a weighted estimate whose observations all have the
    same variance, plus the mean squared smoothing bias under the prior [2]_, whose variance is `phi / lambda`. With unit
    weights both are the same; multiplying all weights by a constant changes neither.

    References
    ----------
    .. [1] Wood (2017). Generalized Additive Models, 2nd ed., section 6.10.
    .. [2] Nychka (1988). Bayesian confidence intervals for smoothing splines. JASA 83, 1134-1143.
    """

    spectrum: Spectrum
    lambda_: np.ndarray
    scale: np.ndarray
    variance: np.ndarray | None = None
    squared_weight_gram: np.ndarray | None = None
    smoothing: SmoothingPosterior | None = None

    @property
    def precision(self) -> np.ndarray:
        """`(n_modes, n_genes)`: the diagonals of `T'(A + lambda S)T`."""
        return self.spectrum.gram + self.spectrum.penalty * self.lambda_

    def std(self, Z: np.ndarray) -> np.ndarray:
        """Return the standard errors `(n_rows, n_genes)` of `Z @ coefficients`."""
        modes = Z @ self.spectrum.basis
        inverse = 1.0 / self.precision
        if self.squared_weight_gram is None:
            return np.sqrt(modes**2 @ inverse * self.scale)
        bias = modes**2 @ (inverse**2 * self.spectrum.penalty * (self.lambda_ * self.scale))
        # the quadratic form's products of pairs are shared by all genes: one matrix product does them all
        upper = np.triu_indices(modes.shape[1])
        twice = np.where(upper[0] == upper[1], 1.0, 2.0) * self.squared_weight_gram[upper]
        pairs = modes[:, upper[0]] * modes[:, upper[1]] * twice
        sampling = np.empty((len(modes), len(self.lambda_)))
        for first in range(0, len(self.lambda_), _CHUNK):
            genes = slice(first, first + _CHUNK)
            sampling[:, genes] = pairs @ (inverse[upper[0], genes] * inverse[upper[1], genes])
        return np.sqrt(np.maximum(sampling * self.variance, 0.0) + bias)

    def draws(self, generator: np.random.Generator, n_draws: int, unconditional: bool = False) -> Iterator[np.ndarray]:
        """Yield draws `(n_columns, n_genes)` of the coefficients' deviations from their estimates.

        Parameters
        ----------
        generator
            Source of the random numbers.
        n_draws
            Number of draws.
        unconditional
            Draw the smoothing parameters too, where their posterior is known. Otherwise they are taken as known.
        """
        basis, n_modes, n_genes = self.spectrum.basis, len(self.spectrum.gram), len(self.lambda_)
        free = self.smoothing if unconditional else None
        draw_lambda = None if free is None else free.sampler()
        robust = self.squared_weight_gram is not None
        root = _root(self.squared_weight_gram) if robust else np.eye(n_modes)
        lambda_, inverse, shift = self.lambda_, 1.0 / self.precision, 0.0
        for _ in range(n_draws):
            if draw_lambda is not None:
                lambda_ = draw_lambda(generator)
                inverse = 1.0 / (self.spectrum.gram + self.spectrum.penalty * lambda_)
                shift = free.loadings * (inverse - 1.0 / self.precision)
            if robust:
                modes = root @ generator.standard_normal((n_modes, n_genes))
                modes *= inverse * np.sqrt(self.variance)
                biased = inverse * np.sqrt(self.spectrum.penalty * (lambda_ * self.scale))
                modes += biased * generator.standard_normal((n_modes, n_genes))
            else:
                modes = np.sqrt(inverse * self.scale) * generator.standard_normal((n_modes, n_genes))
            yield basis @ (modes + shift)

    def take(self, genes: np.ndarray) -> SharedPosterior:
        """Return the posterior of some genes."""
        variance = None if self.variance is None else self.variance[genes]
        smoothing = None if self.smoothing is None else self.smoothing.take(genes)
        return SharedPosterior(
            self.spectrum, self.lambda_[genes], self.scale[genes], variance, self.squared_weight_gram, smoothing
        )

    def covariances(self, rows: np.ndarray, genes: np.ndarray) -> np.ndarray:
        """Return `(len(genes), n_rows, n_rows)` covariances of `rows @ coefficients`."""
        rows = rows @ self.spectrum.basis
        inverse = 1.0 / self.precision[:, genes].T
        scale = self.scale[genes][:, None, None]
        if self.squared_weight_gram is None:
            return scale * ((rows[None] * inverse[:, None, :]) @ rows.T)
        n_rows, n_modes = rows.shape
        modes = self.variance[genes][:, None, None] * (inverse[:, :, None] * inverse[:, None, :])
        modes *= self.squared_weight_gram
        bias = scale[:, 0] * (self.spectrum.penalty * self.lambda_[genes]).T * inverse**2
        modes[:, np.arange(n_modes), np.arange(n_modes)] += bias
        half = (modes.reshape(-1, n_modes) @ rows.T).reshape(-1, n_modes, n_rows)  # one product for all genes
        turned = np.ascontiguousarray(half.transpose(0, 2, 1)).reshape(-1, n_modes)
        return (turned @ rows.T).reshape(-1, n_rows, n_rows)


@dataclass(frozen=True)
class GenePosterior:
    """Gaussian posterior of coefficients, one covariance matrix a gene.

    Attributes
    ----------
    matrices
        `(n_genes, n_columns, n_columns)`.
    """

    matrices: np.ndarray

    def std(self, Z: np.ndarray) -> np.ndarray:
        """Return the standard errors `(n_rows, n_genes)` of `Z @ coefficients`."""
        variance = np.empty((len(Z), len(self.matrices)))
        for first in range(0, len(self.matrices), _CHUNK):
            genes = slice(first, first + _CHUNK)
            variance[:, genes] = np.einsum("grc,rc->rg", Z @ self.matrices[genes], Z)
        return np.sqrt(np.maximum(variance, 0.0))

    def draws(self, generator: np.random.Generator, n_draws: int, unconditional: bool = False) -> Iterator[np.ndarray]:
        """Yield draws `(n_columns, n_genes)` of the coefficients' deviations, at the smoothing parameters chosen."""
        roots = _root(np.nan_to_num(self.matrices))
        for _ in range(n_draws):
            yield np.einsum("gij,gj->ig", roots, generator.standard_normal(roots.shape[:2]))

    def take(self, genes: np.ndarray) -> GenePosterior:
        """Return the posterior of some genes."""
        return GenePosterior(self.matrices[genes])

    def covariances(self, rows: np.ndarray, genes: np.ndarray) -> np.ndarray:
        """Return `(len(genes), n_rows, n_rows)` covariances of `rows @ coefficients`."""
        return rows @ self.matrices[genes] @ np.swapaxes(rows, -1, -2)


def _root(matrices: np.ndarray) -> np.ndarray:
    """Return the symmetric `R` with `RR = A` for positive semi-definite matrices; no sign of a vector can change it."""
    values, vectors = np.linalg.eigh(matrices)
    return (vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
