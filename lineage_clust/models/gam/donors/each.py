"""Compiled fits of genes with gram matrices of their own, over a grid of variances between donors."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ....utils.compiling import compiled_module
from .curves import AtCovariance, DonorSums, TurnedSums
from .significance import Contrast
from .variances import Variances

load_compiled = compiled_module(".compiled", __package__)
load_averages: Any = compiled_module(".compiled_averages", __package__)


def turn(sums: DonorSums, shape: np.ndarray, for_scores: bool = False) -> EachSums | TurnedSums:
    """Return the sums in independent modes of the donors' curves, for compiled loops if possible."""
    functions = load_compiled() if sums.compiles else None
    return sums.turn(shape) if functions is None else EachSums(sums, shape, functions, for_scores)


class Mixture(NamedTuple):
    """Averages over the variances between donors, `(n_genes,)` unless stated otherwise.

    mean, second : `(n_genes, n_fixed)` and `(n_genes, n_fixed, n_fixed)` first and second moments of the coefficients.
    scale : Residual variance.
    shift, curve : Variances of the donors' levels and curves.
    statistics, pvalues : `(n_contrasts, n_genes)`.
    """

    mean: np.ndarray
    second: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    curve: np.ndarray
    edf: np.ndarray
    statistics: np.ndarray
    pvalues: np.ndarray

    @classmethod
    def empty(cls, n_genes: int, n_fixed: int, n_contrasts: int) -> Mixture:
        """Return zeros, to which the averages are added."""
        shapes = (n_genes, n_fixed), (n_genes, n_fixed, n_fixed), *4 * ((n_genes,),), *2 * ((n_contrasts, n_genes),)
        return cls(*(np.zeros(shape) for shape in shapes))


class CompiledContrasts(NamedTuple):
    """Rows of all contrasts, diagonals of the covariances of expected trends, and the last row of each contrast."""

    rows: np.ndarray
    signals: np.ndarray
    ends: np.ndarray


class CompiledSums(NamedTuple):
    """Sums of genes with matrices of their own, in modes in which a donor's information is tridiagonal.

    gram : `(n_genes, 1 + n_fixed, 1 + n_fixed)` gram matrices of the response and the columns of `T`, lower triangles.
    lines : `(n_genes, n_donors, 2, n_modes)` diagonals and subdiagonals of the information.
    products : `(n_genes, n_donors, n_modes, 2 + n_fixed)` products of the modes with the constant, the response and the
        columns of `T`; followed by the rotation `(n_modes, n_modes)` of each donor if scores are computed.
    level : `(n_genes, n_donors)` products of the constant with itself.
    level_products : `(n_genes, n_donors, 1 + n_fixed)` products of the constant with the response and the columns.
    ridge : `(n_genes,)` constant added to the diagonal, except for the response.
    least, df : `(n_genes,)` smallest residual sums of squares, and residual degrees of freedom; 0 if the scale is known.
    n_free : Number of columns of `T` that the cells determine.
    """

    gram: np.ndarray
    lines: np.ndarray
    products: np.ndarray
    level: np.ndarray
    level_products: np.ndarray
    ridge: np.ndarray
    least: np.ndarray
    df: float
    n_free: int


class EachSums:
    """Sums of genes with matrices of their own, in independent modes of the donors' curves; for compiled loops.

    `shape` is the covariance of these modes; `for_scores` is whether `scores` is called.
    """

    def __init__(self, sums: DonorSums, shape: np.ndarray, functions: ModuleType, for_scores: bool = False):
        self.functions, self.information, self.sums = functions, sums.information, sums.used_up(slice(None))
        values, vectors = np.linalg.eigh(shape)
        self.root = np.ascontiguousarray(vectors * np.sqrt(np.maximum(values, 1e-14 * values[-1])))
        (n_genes, n_donors, _, n_fixed), n_modes = sums.cross.shape, len(shape)
        gram = np.empty((n_genes, 1 + n_fixed, 1 + n_fixed))
        gram[:, 0, 0], gram[:, 1:, 0], gram[:, 1:, 1:] = sums.squares[:, 0], sums.products[..., 0], sums.gram
        self.arrays = CompiledSums(
            gram, np.zeros((n_genes, n_donors, 2, n_modes)),
            np.empty((n_genes, n_donors, n_modes, 2 + n_fixed + for_scores * n_modes)), np.empty((n_genes, n_donors)),
            np.empty((n_genes, n_donors, 1 + n_fixed)), self.sums.ridge, self.sums.floored(np.zeros(n_genes)),
            0.0 if sums.known_scale else sums.df, sums.n_determined,
        )  # fmt: skip
        functions.turn_each(sums.donor_grams, sums.cross, sums.donor_products[..., 0], self.root, self.arrays)

    @property
    def n_bytes(self) -> int:
        """Size of the arrays."""
        return sum(part.nbytes for part in (*self.arrays[:5], self.sums.gram))

    def likelihoods(self, variances: Variances) -> np.ndarray:
        """Return the log restricted likelihood `(n_points, n_genes)`, minus infinity where it is negligible."""
        (shifts, at_shift), (curves, at_curve) = _axes(variances)
        found = np.empty((len(curves), len(shifts), self.sums.n_genes))
        self.functions.likelihoods_each(self.arrays, curves, shifts, found)
        return found[at_curve, at_shift]

    def scores(self, variances: Variances, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of squared scores of the curves, weighted by `share`, and of their expectations."""
        curves, shifts, shares = _on_axes(variances, share)
        seen, expected = np.zeros((2, *self.root.shape))
        load_averages().scores_each(self.arrays, curves, shifts, shares, seen, expected)
        back = np.linalg.inv(self.root)
        return back.T @ seen @ back, back.T @ expected @ back

    def at(self, shift: np.ndarray, curve: np.ndarray) -> AtCovariance:
        """Return fits of genes at variances `(n_genes,)` of levels and of curves, without determinants."""
        found = np.empty(self.arrays.gram.shape)
        self.functions.fits_each(self.arrays, shift, curve, found)
        lower = np.tril(found[:, :-1, :-1])
        gram = lower + np.swapaxes(np.tril(lower, -1), 1, 2)
        return AtCovariance(self.sums, gram, found[:, -1, :-1, None], found[:, -1, -1:], np.zeros(len(gram)))

    def averages(
        self, variances: Variances, probable: np.ndarray, kept: np.ndarray, penalties: np.ndarray, contrasts: list[Contrast]
    ) -> Mixture:  # fmt: skip
        """Return averages over variances, with probabilities `(n_points, n_genes)` of each for tests and for estimates."""
        curves, shifts, for_tests = _on_axes(variances, probable)
        of_contrasts = CompiledContrasts(
            np.concatenate([contrast.rows for contrast in contrasts]),
            np.concatenate([np.diag(contrast.expected) for contrast in contrasts]),
            np.cumsum([len(contrast.rows) for contrast in contrasts]),
        )
        mixture = Mixture.empty(len(penalties), penalties.shape[1], len(contrasts))
        load_averages().averages_each(
            self.arrays, curves, shifts, for_tests, _on_axes(variances, kept)[2], penalties, of_contrasts, mixture
        )
        return mixture


def _axes(variances: Variances) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return distinct variances and the position of each point among them, of levels and of curves."""
    return [np.unique(of, return_inverse=True) for of in (variances.shift, variances.curve)]


def _on_axes(variances: Variances, share: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return variances of curves and of levels, and probabilities `(n_genes, n_curves, n_shifts)`."""
    (shifts, at_shift), (curves, at_curve) = _axes(variances)
    shares = np.zeros((share.shape[1], len(curves), len(shifts)))
    shares[:, at_curve, at_shift] = share.T
    return curves, shifts, shares
