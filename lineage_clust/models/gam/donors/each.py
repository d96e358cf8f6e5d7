"""Compiled fits of genes with gram matrices of their own, over a grid of variances between donors."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

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


@dataclass(frozen=True)
class Mixture:
    """Averages over the variances between donors.

    mean, second : `(n_genes, n_fixed)` and `(n_genes, n_fixed, n_fixed)` first and second moments of the coefficients.
    scale, edf : `(n_genes,)`.
    shift, curve : `(n_genes,)` variances of the donors' levels and curves.
    statistics, pvalues : By name of the contrast.
    """

    mean: np.ndarray
    second: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    curve: np.ndarray
    edf: np.ndarray
    statistics: dict[str, np.ndarray]
    pvalues: dict[str, np.ndarray]


class EachSums:
    """Sums of genes with matrices of their own, in independent modes of the donors' curves; for compiled loops.

    sums : Sums of the genes.
    shape : Covariance of the modes of the donors' curves.
    for_scores : Whether `scores` is called.
    """

    def __init__(self, sums: DonorSums, shape: np.ndarray, functions: ModuleType, for_scores: bool = False):
        self.functions, self.information = functions, sums.information
        values, vectors = np.linalg.eigh(shape)
        self.root = np.ascontiguousarray(vectors * np.sqrt(np.maximum(values, 1e-14 * values[-1])))
        (n_genes, n_donors, _, n_fixed), n_modes = sums.cross.shape, len(shape)
        self.lines, self.level = np.zeros((n_genes, n_donors, 2, n_modes)), np.empty((n_genes, n_donors))
        self.turned = np.empty((n_genes, n_donors, n_modes, 2 + n_fixed + for_scores * n_modes))
        self.of_level = np.empty((n_genes, n_donors, 1 + n_fixed))
        functions.turn_each(
            sums.donor_grams, sums.cross, sums.donor_products[..., 0], self.root, self.lines, self.turned, self.level,
            self.of_level,
        )  # fmt: skip
        self.gram = np.empty((n_genes, 1 + n_fixed, 1 + n_fixed))
        self.gram[:, 0, 0], self.gram[:, 1:, 0] = sums.squares[:, 0], sums.products[..., 0]
        self.gram[:, 1:, 1:] = sums.gram
        self.sums = sums.used_up(slice(None))

    @property
    def n_bytes(self) -> int:
        """Size of the arrays."""
        return sum(part.nbytes for part in (*self._arrays, self.sums.gram))

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.gram, self.lines, self.turned, self.level, self.of_level

    @property
    def _scales(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Ridges, smallest residual sums of squares, and residual degrees of freedom, which are 0 if the scale is known."""
        sums = self.sums
        return sums.ridge, sums.floored(np.zeros(sums.n_genes)), 0.0 if sums.known_scale else sums.df

    def likelihoods(self, variances: Variances) -> np.ndarray:
        """Return the log restricted likelihood `(n_points, n_genes)`, minus infinity where it is negligible."""
        (shifts, at_shift), (curves, at_curve) = _axes(variances)
        found = np.empty((len(curves), len(shifts), self.sums.n_genes))
        self.functions.likelihoods_each(*self._arrays, curves, shifts, *self._scales, self.sums.n_determined, found)
        return found[at_curve, at_shift]

    def scores(self, variances: Variances, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of squared scores of the curves and of their expectations, `(n_modes, n_modes)` each.

        share : `(n_points, n_genes)` probabilities of the variances.
        """
        curves, shifts, shares = _on_axes(variances, share)
        found = np.zeros((2, *self.root.shape))
        load_averages().scores_each(
            *self._arrays, curves, shifts, *self._scales, self.sums.n_determined, shares, *found
        )
        back = np.linalg.inv(self.root)
        return back.T @ found[0] @ back, back.T @ found[1] @ back

    def at(self, shift: np.ndarray, curve: np.ndarray) -> AtCovariance:
        """Return fits of genes at variances `(n_genes,)` of levels and of curves, without determinants."""
        found = np.empty(self.gram.shape)
        self.functions.fits_each(*self._arrays, shift, curve, found)
        lower = np.tril(found[:, :-1, :-1])
        gram = lower + np.swapaxes(np.tril(lower, -1), 1, 2)
        return AtCovariance(self.sums, gram, found[:, -1, :-1, None], found[:, -1, -1:], np.zeros(len(gram)))

    def averages(
        self,
        variances: Variances,
        probable: np.ndarray,
        kept: np.ndarray,
        pulls: np.ndarray,
        contrasts: dict[str, Contrast],
    ) -> Mixture:
        """Return averages over variances.

        probable, kept : `(n_points, n_genes)` probabilities of each, for tests and for estimates; 0 if not used.
        pulls : `(n_genes, n_fixed)` diagonals of the penalties.
        """
        n_genes, n_fixed = len(self.gram), self.gram.shape[1] - 1
        curves, shifts, for_tests = _on_axes(variances, probable)
        rows = np.concatenate([contrast.rows for contrast in contrasts.values()])
        signals = np.concatenate([np.diag(contrast.expected) for contrast in contrasts.values()])
        ends = np.cumsum([len(contrast.rows) for contrast in contrasts.values()])
        mean, second = np.zeros((n_genes, n_fixed)), np.zeros((n_genes, n_fixed, n_fixed))
        scales, edf = np.zeros((3, n_genes)), np.zeros(n_genes)
        tests = np.zeros((2, len(contrasts), n_genes))
        load_averages().averages_each(
            *self._arrays, curves, shifts, *self._scales, for_tests, _on_axes(variances, kept)[2], pulls, rows, signals, ends,
            mean, second, scales, *tests, edf,
        )  # fmt: skip
        return Mixture(
            mean,
            second,
            scales[0],
            scales[1],
            scales[2],
            edf,
            *(dict(zip(contrasts, one, strict=True)) for one in tests),
        )


def _axes(variances: Variances) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return distinct variances and the position of each point among them, of levels and of curves."""
    return [np.unique(of, return_inverse=True) for of in (variances.shift, variances.curve)]


def _on_axes(variances: Variances, share: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return variances of curves and of levels, and probabilities `(n_genes, n_curves, n_shifts)`."""
    (shifts, at_shift), (curves, at_curve) = _axes(variances)
    shares = np.zeros((share.shape[1], len(curves), len(shifts)))
    shares[:, at_curve, at_shift] = share.T
    return curves, shifts, shares
