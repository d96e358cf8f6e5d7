"""Demmler-Reinsch basis, in which gram matrix and penalty are diagonal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg

# Rounding gives unpenalised modes a penalty fraction of up to 2e-15. The smoothest penalised mode has a fraction of
# about 1 / n_splines^4: 1e-10 with 900 splines, and down to 3e-14 with as many knots at quantiles.
_FREE = 2e-14
_DETERMINED = 1e-10  # information on a mode; less may be rounding errors
_LEAST_LAMBDA = 1e-9  # relative to the largest penalty of a mode


@dataclass(frozen=True)
class Spectrum:
    """Simultaneous diagonalisation of a gram matrix `A` and a penalty `S`.

    basis : `T`, `(n_columns, n_modes)`: `T'AT` and `T'ST` are diagonal. `(n_genes, n_columns, n_modes)` if each gene
        has a gram matrix of its own.
    gram, penalty : `(n_modes, 1)` or `(n_modes, n_genes)`, the two diagonals, scaled such that `gram + c * penalty = 1`
        for a constant `c`.
    n_unpenalized : Number of unpenalised modes (dimension of the penalty's null space, `M0` in mgcv).
    The inverse of `A + lambda S` is `T diag(1 / (gram + lambda penalty)) T'`.
    """

    basis: np.ndarray
    gram: np.ndarray
    penalty: np.ndarray
    n_unpenalized: int

    @property
    def n_penalized(self) -> int:
        """Rank of the penalty within the modes."""
        return len(self.gram) - self.n_unpenalized

    def bounded(self, smoothing: str | float) -> str | float:
        """Return a given `smoothing`, at least so large that `A + lambda S` is not singular, which is the limit for 0.

        `A` is singular where too few cells determine the coefficients, for example along a gap in pseudotime.
        """
        if isinstance(smoothing, str) or self.n_penalized == 0 or self.gram.min() > _DETERMINED:
            return smoothing
        return max(float(smoothing), _LEAST_LAMBDA / float(self.penalty.max()))


def diagonalise(gram: np.ndarray, penalty: np.ndarray) -> Spectrum:
    """Return the Spectrum of a gram matrix and a penalty, symmetric and positive semi-definite.

    Directions that neither determines (unpenalised collinear columns) are dropped. `A + cS` is whitened instead of `A`, with
    `c` such that both terms have equal traces: the gram matrix is singular if a basis function has no cells, and its
    coefficient is then determined by the penalty. See Demmler & Reinsch (1975), Numerische Mathematik 24, 375-382, and Wood
    (2017), section 5.4.2.
    """
    scale = _column_scales(gram[None], penalty)[0]
    gram = gram / np.outer(scale, scale)
    penalty = penalty / np.outer(scale, scale)
    size = np.trace(penalty)
    balance = np.trace(gram) / size if size > 0 else 0.0
    values, vectors = linalg.eigh(gram + balance * penalty)
    kept = values > values[-1] * len(values) * 1e-14
    whiten = vectors[:, kept] / np.sqrt(values[kept])
    shares, rotation = linalg.eigh(whiten.T @ (balance * penalty) @ whiten)
    shares = np.clip(shares, 0.0, 1.0)
    n_unpenalized = int(np.sum(shares < _FREE)) if balance else len(shares)
    shares[:n_unpenalized] = 0.0
    return Spectrum(
        basis=(whiten @ rotation) / scale[:, None],
        gram=(1.0 - shares)[:, None],
        penalty=(shares / balance if balance else shares)[:, None],
        n_unpenalized=n_unpenalized,
    )


def unpenalised_exactly(spectrum: Spectrum, penalty: np.ndarray) -> Spectrum:
    """Return the Spectrum with its first modes projected onto the null space of the penalty.

    Rounding errors of these modes, magnified by a huge lambda, would otherwise be visible in the score. The gram matrix
    is then diagonal only up to such errors.
    """
    n_free, n_dropped = spectrum.n_unpenalized, len(spectrum.basis) - len(spectrum.gram)
    free, basis = linalg.eigh(penalty)[1][:, : n_free + n_dropped], spectrum.basis.copy()
    basis[:, :n_free] = free @ (free.T @ basis[:, :n_free])
    return replace(spectrum, basis=basis)


def diagonalise_each(grams: np.ndarray, penalty: np.ndarray, n_unpenalized: int) -> Spectrum:
    """Return the Spectra of many gram matrices with one penalty, whose null space has `n_unpenalized` dimensions for all.

    A ridge of 1e-12 is added, as the sum with the penalty may be singular (underflow of weights, collinear columns).
    """
    return with_rotations(grams, penalty, n_unpenalized)[0]


def with_rotations(grams: np.ndarray, penalty: np.ndarray, n_unpenalized: int) -> tuple[Spectrum, np.ndarray]:
    """Return the Spectra of `diagonalise_each`, and orthogonal matrices `M` `(n_genes, n_modes, n_columns)`.

    For rotated modes `TR`, the matrices are `R'M`, so that `TR R'Mz` is the same for noise `z` by column and any `R`.
    """
    n_columns = len(penalty)
    scale = _column_scales(grams, penalty)
    grams = grams / (scale[:, :, None] * scale[:, None, :])
    penalties = penalty / (scale[:, :, None] * scale[:, None, :])
    trace, size = (np.trace(matrices, axis1=1, axis2=2) for matrices in (grams, penalties))
    balance = np.divide(trace, size, out=np.zeros(len(grams)), where=size > 0)
    penalties = balance[:, None, None] * penalties
    ridge = 1e-12 * trace[:, None, None] / n_columns * np.eye(n_columns)
    lower = np.linalg.cholesky(grams + penalties + ridge)
    inverse = np.linalg.inv(lower)
    shares, rotation = np.linalg.eigh(inverse @ penalties @ inverse.transpose(0, 2, 1))
    shares = np.clip(shares, 0.0, 1.0).T
    shares[:n_unpenalized] = 0.0
    spectrum = Spectrum(
        basis=(inverse.transpose(0, 2, 1) @ rotation) / scale[:, :, None],
        gram=1.0 - shares,
        penalty=np.divide(shares, balance, out=shares.copy(), where=balance > 0),
        n_unpenalized=n_unpenalized,
    )
    return spectrum, rotation.transpose(0, 2, 1)


def without_information(grams: np.ndarray) -> np.ndarray:
    """Return which gram matrices `(n_genes,)` are zero or not finite, and cannot be diagonalised."""
    trace = np.trace(grams, axis1=1, axis2=2)
    return ~(np.isfinite(grams).all(axis=(1, 2)) & (trace > 0))


def _column_scales(grams: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Return scales `(n_genes, n_columns)` of the columns: one per covariate, and one for all penalised columns."""
    diagonal = np.einsum("gii->gi", grams).copy()
    penalised = np.diag(penalty) > 0
    if penalised.any():
        diagonal[:, penalised] = diagonal[:, penalised].mean(axis=1, keepdims=True)
    return np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
