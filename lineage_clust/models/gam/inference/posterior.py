"""Posteriors of the coefficients, with a design of all genes or one covariance matrix per gene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ....utils.matrices import chunks
from ..smoothing.posterior import SmoothingPosterior
from ..smoothing.spectral import Spectrum, with_rotations

_CHUNK = 512
LOG_LAMBDA_VARIANCE = 10.0  # of its prior
_NO_LENGTH = 1e-10  # relative to the longest row of a basis; shorter rows belong to columns without values
_ROUNDING = 1e-14  # relative to the largest eigenvalue


@dataclass(frozen=True)
class SharedPosterior:
    """Gaussian posterior of coefficients if all genes share one design.

    spectrum : The shared Demmler-Reinsch basis. `from_noise` also takes one per gene.
    lambda_, scale : Smoothing parameters, and the variance `phi` of an observation of weight 1 if weights are precisions.
    variance : Variance `s2` of an observation of any weight, for the robust covariance.
    squared_weight_gram : `T'Z'W^2ZT`, `(n_modes, n_modes)`, for the robust covariance; `None` for the Bayesian one.
    smoothing : Posterior of the smoothing parameters; `None` if these are fixed or not estimated by REML.

    With `P = (A + lambda S)^-1`, the Bayesian covariance is `phi P` (Wood 2017, section 6.10), which treats weights as
    precisions. The robust one is `s2 P Z'W^2Z P + phi lambda P S P`: the sampling variance of a weighted estimate from
    observations of equal variance, plus the mean squared smoothing bias under the prior with variance `phi / lambda` (Nychka
    1988, JASA 83, 1134-1143). The two are equal for unit weights, and neither changes if all weights are multiplied by a
    constant.
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
        # the products of pairs in the quadratic form are shared by all genes, so that one matrix product suffices
        upper = np.triu_indices(modes.shape[1])
        twice = np.where(upper[0] == upper[1], 1.0, 2.0) * self.squared_weight_gram[upper]
        pairs = modes[:, upper[0]] * modes[:, upper[1]] * twice
        sampling = np.empty((len(modes), len(self.lambda_)))
        for genes in chunks(len(self.lambda_), _CHUNK):
            sampling[:, genes] = pairs @ (inverse[upper[0], genes] * inverse[upper[1], genes])
        return np.sqrt(np.maximum(sampling * self.variance, 0.0) + bias)

    def moved_by_lambda(self, Z: np.ndarray) -> np.ndarray:
        """Return the variance `(n_rows, n_genes)` of `Z @ coefficients` that is due to the estimation of lambda.

        It is the variance of log lambda times the squared derivative of the estimate (Kass & Steffey 1989, JASA 84,
        717-726), 0 if lambda is fixed. As in mgcv (Wood, Pya & Saefken 2016, JASA 111, 1548-1563, section 4), log lambda has
        a normal prior with variance 10 around its estimate, because its likelihood can be flat.
        """
        if self.smoothing is None:
            return np.zeros((len(Z), len(self.lambda_)))
        free, spectrum = self.smoothing, self.spectrum
        slope = free.loadings * spectrum.penalty * self.lambda_ / self.precision**2
        return (Z @ spectrum.basis @ slope) ** 2 / (free.curvature(self.lambda_) + 1 / LOG_LAMBDA_VARIANCE)

    def draws(
        self, generator: np.random.Generator, n_draws: int, unconditional: bool = False,
        to_modes: np.ndarray | None = None,
    ) -> Iterator[np.ndarray]:  # fmt: skip
        """Yield posterior samples `(n_columns, n_genes)` of the coefficients minus their estimates.

        unconditional : Sample the smoothing parameters too, where their posterior is known.
        to_modes : As for `from_noise`.
        """
        deviations = self.from_noise(unconditional, to_modes)
        for _ in range(n_draws):
            yield deviations(random_noise(generator, *self.shape))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of columns and of genes."""
        return self.spectrum.basis.shape[-2], len(self.lambda_)

    def from_noise(self, unconditional: bool = False, to_modes: np.ndarray | None = None) -> Callable[..., np.ndarray]:
        """Return a function from noise to a posterior sample `(n_columns, n_genes)`; `unconditional` as in `draws`.

        The function's second argument are the positions of the genes of the noise, if these are not all. With one
        spectrum per gene, `to_modes` is from :func:`lineage_clust.models.gam.smoothing.spectral.with_rotations`.

        The modes of a spectrum are determined up to signs, order and, for equal eigenvalues, a rotation `R`, which depend on
        rounding. Noise is therefore generated by column of the design, `z`, and mapped to noise by mode with the orthogonal
        polar factor `M` of `T'` (Higham 2008, Functions of Matrices, chapter 8). The polar factor of modes `TR` is `R'M`, so
        that `TR f(D) R'Mz` is the same sample for any `R` that commutes with the diagonal matrix `f(D)`, and nearly so for
        any that almost commutes with it.
        """
        spectrum, conditional = self.spectrum, 1.0 / self.precision
        if to_modes is None:
            to_modes = _polar_factor(spectrum.basis)
        free = self.smoothing if unconditional else None
        quantile = None if free is None else free.quantile_function()
        variance, by_weight = self.variance, None
        if self.squared_weight_gram is not None:
            by_weight = root(self.squared_weight_gram) @ to_modes

        def deviations(noise: Noise, genes: np.ndarray | slice = slice(None)) -> np.ndarray:
            lambda_, fixed, scale = self.lambda_[genes], conditional[:, genes], self.scale[genes]
            inverse = fixed
            if quantile is not None:
                lambda_ = quantile(noise.uniform, genes)
                inverse = 1.0 / (spectrum.gram + spectrum.penalty * lambda_)
            if by_weight is None or variance is None:
                modes = np.sqrt(inverse * scale) * _times(to_modes, noise.sampling)
            else:
                modes = inverse * np.sqrt(variance[genes]) * _times(by_weight, noise.sampling)
                modes += inverse * np.sqrt(spectrum.penalty * (lambda_ * scale)) * _times(to_modes, noise.bias)
            if free is not None:
                modes += free.loadings[:, genes] * (inverse - fixed)
            return _times(spectrum.basis, modes)

        return deviations

    @property
    def of_sampling(self) -> SharedPosterior:
        """The distribution of the estimates around their expectation: without smoothing bias."""
        variance, squared = self.variance, self.squared_weight_gram
        if squared is None or variance is None:
            variance, squared = self.scale, np.diag(self.spectrum.gram[:, 0])
        return SharedPosterior(self.spectrum, self.lambda_, np.zeros_like(self.scale), variance, squared)

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
    """Random numbers for one posterior sample of all genes: uniform for the smoothing parameters, and standard normal.

    The latter are `(n_columns, n_genes)`, for sampling error and, with robust covariances, smoothing bias.
    """

    uniform: np.ndarray
    sampling: np.ndarray
    bias: np.ndarray


def random_noise(generator: np.random.Generator, n_columns: int, n_genes: int) -> Noise:
    """Return noise for one posterior sample."""
    normal = generator.standard_normal((2, n_columns, n_genes))
    return Noise(generator.random(n_genes), *normal)


def _polar_factor(basis: np.ndarray) -> np.ndarray:
    """Return the matrix with orthonormal rows that is nearest to `T'`, with columns normalised against their units."""
    lengths = np.sqrt(np.einsum("ij,ij->i", basis, basis))
    lengths = np.maximum(lengths, _NO_LENGTH * lengths.max(initial=0.0))
    left, _, right = np.linalg.svd((basis / np.where(lengths > 0, lengths, 1.0)[:, None]).T, full_matrices=False)
    return left @ right


def _times(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the products of vectors `(n, n_genes)` with one matrix `(m, n)`, or with one per gene, `(m, n_genes)`."""
    return matrix @ vectors if matrix.ndim == 2 else np.einsum("gmn,ng->mg", matrix, vectors)


def root(matrices: np.ndarray) -> np.ndarray:
    """Return the symmetric `R` with `RR = A` for positive semi-definite matrices, which is invariant to rotations of modes.

    The square root of an eigenvalue `v` is computed as `v / sqrt(v + e)` with a tiny `e`, because eigenvalues that are
    zero up to rounding would otherwise have square roots that differ in the eighth digit.
    """
    values, vectors = np.linalg.eigh(matrices)
    values = np.maximum(values, 0.0)
    small = _ROUNDING * values.max(axis=-1, keepdims=True, initial=1e-300)
    return (vectors * (values / np.sqrt(values + small))[..., None, :]) @ np.swapaxes(vectors, -1, -2)


@dataclass(frozen=True)
class WorkingModels:
    """Working linear models, one per gene, at the end of the iterations of families other than the Gaussian.

    penalty, n_unpenalized : `(n_columns, n_columns)`, and the dimension of its null space.
    grams, scores : `Z'WZ` `(n_genes, n_columns, n_columns)` and `Z'Wz` `(n_columns, n_genes)` of working responses.
    squared_weight_grams : Variance of the scores, like `grams`, for the robust covariance; `None` if equal to `grams`,
        or for the Bayesian one.
    lambda_, scale, variance, known_scale : As in `SharedPosterior`, and the scale of the likelihood of lambda.

    The restricted likelihood of lambda is that of the working model, with weights, responses and scale treated as known
    (penalised quasi-likelihood: Wood 2017, sections 3.4.3 and 6.5); its maximum is the lambda of the fit.
    """

    penalty: np.ndarray
    n_unpenalized: int
    grams: np.ndarray
    scores: np.ndarray
    squared_weight_grams: np.ndarray | None
    lambda_: np.ndarray
    scale: np.ndarray
    variance: np.ndarray
    known_scale: np.ndarray

    def draws(self, generator: np.random.Generator, n_draws: int) -> Iterator[np.ndarray]:
        """Yield samples `(n_columns, n_genes)` of coefficients minus estimates, with sampled smoothing parameters."""
        posterior, to_modes = self.posterior()
        return posterior.draws(generator, n_draws, True, to_modes)

    def posterior(self) -> tuple[SharedPosterior, np.ndarray]:
        """Return the posterior of all genes, each with its own Demmler-Reinsch basis, and the rotations of `from_noise`."""
        spectrum, to_modes = with_rotations(self.grams, self.penalty, self.n_unpenalized)
        basis, squared = spectrum.basis, self.squared_weight_grams
        loadings = np.einsum("gcm,cg->mg", basis, self.scores)
        smoothing = SmoothingPosterior(spectrum, loadings, np.zeros(len(basis)), 0, self.known_scale)
        if squared is not None:
            squared = np.swapaxes(basis, 1, 2) @ squared @ basis
        return SharedPosterior(spectrum, self.lambda_, self.scale, self.variance, squared, smoothing), to_modes

    def take(self, genes: np.ndarray) -> WorkingModels:
        """Return the models of some genes."""
        squared = None if self.squared_weight_grams is None else self.squared_weight_grams[genes]
        return replace(
            self, grams=self.grams[genes], scores=self.scores[:, genes], squared_weight_grams=squared,
            **{name: getattr(self, name)[genes] for name in ("lambda_", "scale", "variance", "known_scale")},
        )  # fmt: skip


@dataclass(frozen=True)
class GenePosterior:
    """Gaussian posterior of coefficients with one covariance matrix per gene, `(n_genes, n_columns, n_columns)`.

    Smoothing parameters are sampled from the working models; without these, they are treated as known.
    """

    matrices: np.ndarray
    working: WorkingModels | None = None

    def std(self, Z: np.ndarray) -> np.ndarray:
        """Return the standard errors `(n_rows, n_genes)` of `Z @ coefficients`."""
        variance = np.empty((len(Z), len(self.matrices)))
        for genes in chunks(len(self.matrices), _CHUNK):
            variance[:, genes] = np.einsum("grc,rc->rg", Z @ self.matrices[genes], Z)
        return np.sqrt(np.maximum(variance, 0.0))

    def draws(self, generator: np.random.Generator, n_draws: int, unconditional: bool = False) -> Iterator[np.ndarray]:
        """Yield samples `(n_columns, n_genes)` of coefficients minus estimates; `unconditional` as in `SharedPosterior`."""
        if unconditional and self.working is not None:
            yield from self.working.draws(generator, n_draws)
            return
        roots = root(np.nan_to_num(self.matrices))
        for _ in range(n_draws):
            yield np.einsum("gij,gj->ig", roots, generator.standard_normal(roots.shape[:2]))

    def take(self, genes: np.ndarray) -> GenePosterior:
        """Return the posterior of some genes."""
        return GenePosterior(self.matrices[genes], None if self.working is None else self.working.take(genes))

    def covariances(self, rows: np.ndarray, genes: np.ndarray) -> np.ndarray:
        """Return `(len(genes), n_rows, n_rows)` covariances of `rows @ coefficients`."""
        return rows @ self.matrices[genes] @ np.swapaxes(rows, -1, -2)
