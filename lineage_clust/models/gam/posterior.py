"""The covariance of the coefficients of all genes of a lineage, kept as a few vectors a gene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .smoothing_posterior import SmoothingPosterior
from .spectral import Spectrum

_CHUNK = 512
_NO_LENGTH = 1e-10  # of the longest row of a basis: a column without values
_ROUNDING = 1e-14  # of the largest eigenvalue


@dataclass(frozen=True)
class SharedPosterior:
    """Gaussian posterior of coefficients when all genes share one design.

    Attributes
    ----------
    spectrum
        The shared Demmler-Reinsch basis. `from_noise` also takes one per gene.
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
        yield from self.draws_with(self.from_noise(unconditional), generator, n_draws)

    def draws_with(
        self, deviations: Callable[[Noise], np.ndarray], generator: np.random.Generator, n_draws: int
    ) -> Iterator[np.ndarray]:
        """Yield draws that a function of `from_noise` makes."""
        for _ in range(n_draws):
            yield deviations(random_noise(generator, *self.shape))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of columns and of genes."""
        return self.spectrum.basis.shape[-2], len(self.lambda_)

    def from_noise(
        self, unconditional: bool = False, to_modes: np.ndarray | None = None
    ) -> Callable[[Noise], np.ndarray]:
        """Return the function that makes a draw `(n_columns, n_genes)` of noise; `unconditional` as in `draws`.

        Of spectra of single genes, `to_modes` is from :func:`lineage_clust.models.gam.spectral.with_rotations`.

        Notes
        -----
        The modes of a spectrum are known but for their signs, their order and, where eigenvalues are equal, a rotation `R`,
        and rounding decides on these. So noise comes by column of the design, `z`, and is turned into noise by mode with
        the orthogonal polar factor `M` of `T'` [1]_: modes `TR` have `R'M`, so that `TR f(D) R'Mz` is the same draw for
        any `R` that leaves the diagonal matrix `f(D)` as it is, and nearly so for those that hardly change it.

        References
        ----------
        .. [1] Higham (2008). Functions of Matrices, chapter 8. SIAM.
        """
        spectrum, conditional = self.spectrum, 1.0 / self.precision
        if to_modes is None:
            to_modes = _polar_factor(spectrum.basis)
        free = self.smoothing if unconditional else None
        quantile = None if free is None else free.quantile_function()
        variance, by_weight = self.variance, None
        if self.squared_weight_gram is not None:
            by_weight = root(self.squared_weight_gram) @ to_modes

        def deviations(noise: Noise) -> np.ndarray:
            lambda_, inverse = self.lambda_, conditional
            if quantile is not None:
                lambda_ = quantile(noise.uniform)
                inverse = 1.0 / (spectrum.gram + spectrum.penalty * lambda_)
            if by_weight is None or variance is None:
                modes = np.sqrt(inverse * self.scale) * _times(to_modes, noise.sampling)
            else:
                modes = inverse * np.sqrt(variance) * _times(by_weight, noise.sampling)
                modes += inverse * np.sqrt(spectrum.penalty * (lambda_ * self.scale)) * _times(to_modes, noise.bias)
            if free is not None:
                modes += free.loadings * (inverse - conditional)
            return _times(spectrum.basis, modes)

        return deviations

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
        if self.squared_weight_gram is None or self.variance is None:
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
class Noise:
    """Random numbers that one draw of all genes is made of.

    Attributes
    ----------
    uniform
        `(n_genes,)` between 0 and 1: for the smoothing parameters.
    sampling, bias
        `(n_columns, n_genes)` standard normal: for the sampling error and, where covariances are robust, smoothing bias.
    """

    uniform: np.ndarray
    sampling: np.ndarray
    bias: np.ndarray

    def take(self, genes: np.ndarray) -> Noise:
        """Return the noise of some genes."""
        return Noise(self.uniform[genes], self.sampling[:, genes], self.bias[:, genes])


def random_noise(generator: np.random.Generator, n_columns: int, n_genes: int) -> Noise:
    """Return noise for one draw."""
    normal = generator.standard_normal((2, n_columns, n_genes))
    return Noise(generator.random(n_genes), *normal)


def _polar_factor(basis: np.ndarray) -> np.ndarray:
    """Return the matrix `(n_modes, n_columns)` with orthonormal rows that is nearest to `T'`.

    The columns of `T'` are first brought to one length: their units then make no difference.
    """
    lengths = np.sqrt(np.einsum("ij,ij->i", basis, basis))
    lengths = np.maximum(lengths, _NO_LENGTH * lengths.max(initial=0.0))
    left, _, right = np.linalg.svd((basis / np.where(lengths > 0, lengths, 1.0)[:, None]).T, full_matrices=False)
    return left @ right


def _times(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the products of vectors `(n, n_genes)` with one matrix `(m, n)`, or with one per gene, `(m, n_genes)`."""
    return matrix @ vectors if matrix.ndim == 2 else np.einsum("gmn,ng->mg", matrix, vectors)


def root(matrices: np.ndarray) -> np.ndarray:
    """Return the symmetric `R` with `RR = A` for positive semi-definite matrices; no rotation of their vectors changes it.

    The square root of an eigenvalue `v` is `v / sqrt(v + e)` with an `e` that only those near zero feel: those that rounding
    leaves of zero, whose own square roots differ in the eighth digit.
    """
    values, vectors = np.linalg.eigh(matrices)
    values = np.maximum(values, 0.0)
    small = _ROUNDING * values.max(axis=-1, keepdims=True, initial=1e-300)
    return (vectors * (values / np.sqrt(values + small))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
