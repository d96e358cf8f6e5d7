"""Posterior of coefficients with one covariance matrix per gene, and working linear models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..smoothing.posterior import SmoothingPosterior
from ..smoothing.spectral import with_rotations
from .posterior import SharedPosterior, root

_CHUNK = 512


@dataclass(frozen=True)
class WorkingModels:
    """Working linear models, one per gene, at the end of the iterations of families other than the Gaussian.

    penalty : `(n_columns, n_columns)`.
    n_unpenalized : Dimension of its null space.
    grams, scores : `Z'WZ` `(n_genes, n_columns, n_columns)` and `Z'Wz` `(n_columns, n_genes)` of working weights and
        responses.
    squared_weight_grams : Variance of the scores, like `grams`, for the robust covariance; `None` if equal to `grams`,
        or for the Bayesian one.
    lambda_, scale, variance : `(n_genes,)`, as in `SharedPosterior`.
    known_scale : `(n_genes,)` scale of the likelihood of lambda.

    The restricted likelihood of lambda is that of the working model, with weights, responses and scale treated as known
    (penalised quasi-likelihood [1]_); its maximum is the lambda of the fit.

    References
    ----------
    .. [1] Wood (2017). Generalized Additive Models, 2nd ed., sections 3.4.3 and 6.5.
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
        return posterior.draws_with(posterior.from_noise(True, to_modes), generator, n_draws)

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
    """Gaussian posterior of coefficients with one covariance matrix per gene.

    matrices : `(n_genes, n_columns, n_columns)`.
    working : Working models from which smoothing parameters are sampled; `None` if these are treated as known.
    """

    matrices: np.ndarray
    working: WorkingModels | None = None

    def std(self, Z: np.ndarray) -> np.ndarray:
        """Return the standard errors `(n_rows, n_genes)` of `Z @ coefficients`."""
        variance = np.empty((len(Z), len(self.matrices)))
        for first in range(0, len(self.matrices), _CHUNK):
            genes = slice(first, first + _CHUNK)
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
