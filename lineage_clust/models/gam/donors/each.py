"""Compiled fits of genes with gram matrices of their own, over a grid of variances between donors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from ....utils.compiling import compiled_module
from .curves import AtCovariance, DonorSums, TurnedSums
from .significance import Contrast

load_compiled = compiled_module(".compiled", __package__)
load_averages: Any = compiled_module(".compiled_averages", __package__)


def turned(sums: DonorSums, shape: np.ndarray) -> EachSums | TurnedSums:
    """Return the sums in independent modes of the donors' curves, for compiled loops if possible."""
    functions = load_compiled() if sums.compiles else None
    return sums.turned(shape) if functions is None else EachSums(sums, shape, functions)


@dataclass(frozen=True)
class Mixture:
    """Averages over the variances between donors.

    mean, second : `(n_genes, n_fixed)` and `(n_genes, n_fixed, n_fixed)` first and second moments of the coefficients.
    scale, edf : `(n_genes,)`.
    sizes : `(2, n_genes)` variances of the donors' levels and curves.
    statistics, pvalues : By name of the contrast.
    """

    mean: np.ndarray
    second: np.ndarray
    scale: np.ndarray
    sizes: np.ndarray
    edf: np.ndarray
    statistics: dict[str, np.ndarray]
    pvalues: dict[str, np.ndarray]


class EachSums:
    """Sums of genes in modes that are independent a priori; for compiled loops.

    sums : Sums of genes with matrices of their own.
    shape : Covariance of the modes of the donors' curves.
    """

    def __init__(self, sums: DonorSums, shape: np.ndarray, functions: ModuleType):
        self.sums, self.functions = sums, functions
        values, vectors = np.linalg.eigh(shape)
        root = np.eye(len(shape) + 1)
        root[1:, 1:] = vectors * np.sqrt(np.maximum(values, 1e-14 * values[-1]))
        self.root = root[1:, 1:]
        self.own = root.T @ (sums.own @ root)
        self.beside = root.T @ np.concatenate([sums.cross, sums.donor_products], axis=-1)
        n = sums.gram.shape[1]
        self.gram = np.empty((sums.n_genes, n + 1, n + 1))
        self.gram[:, :-1, :-1], self.gram[:, -1, :-1] = sums.gram, sums.products[..., 0]
        self.gram[:, -1, -1] = sums.squares[:, 0]

    @property
    def n_bytes(self) -> int:
        """Size of the arrays."""
        sums = self.sums
        return sum(part.nbytes for part in (self.own, self.beside, self.gram, sums.own, sums.cross, sums.gram))

    def likelihoods(self, sizes: np.ndarray) -> np.ndarray:
        """Return the log restricted likelihood `(n_sizes, n_genes)` for variances `(n_sizes, 2)`."""
        sums = self.sums
        (shifts, at_shift), (curves, at_curve) = _axes(sizes)
        found = np.empty((2, len(curves), len(shifts), sums.n_genes))
        self.functions.likelihoods_each(*self._determined, curves, shifts, sums.ridge, *found)
        logs, left = found[:, at_curve, at_shift]
        return -0.5 * ((left if sums.known_scale else sums.df * np.log(sums.floored(left))) + logs)

    @cached_property
    def _determined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gram matrices and products of the columns that the cells determine and the response."""
        free = np.r_[: self.sums.n_determined, -1]
        return self.gram[:, free[:, None], free], self.own, self.beside[..., free]

    @cached_property
    def _scales(self) -> tuple[np.ndarray, float]:
        """Smallest residual sums of squares, and residual degrees of freedom, which are 0 if the scale is known."""
        sums = self.sums
        return sums.floored(np.zeros(sums.n_genes)), 0.0 if sums.known_scale else sums.df

    def scores(self, sizes: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums of squared scores of the curves and of their expectations, `(n_modes, n_modes)` each.

        sizes, share : Variances `(n_sizes, 2)` of levels and of curves, and their probabilities `(n_sizes, n_genes)`.
        """
        curves, shifts, shares = _on_axes(sizes, share)
        found = np.zeros((2, *self.root.shape))
        load_averages().scores_each(*self._determined, curves, shifts, shares, self.sums.ridge, *self._scales, *found)
        back = np.linalg.inv(self.root)
        return back.T @ found[0] @ back, back.T @ found[1] @ back

    def at(self, values: np.ndarray) -> AtCovariance:
        """Return fits of genes at variances `(n_genes, 2)` of levels and of curves, without determinants."""
        found = np.empty(self.gram.shape)
        self.functions.fits_each(self.gram, self.own, self.beside, values, found)
        lower = np.tril(found[:, :-1, :-1])
        gram = lower + np.swapaxes(np.tril(lower, -1), 1, 2)
        return AtCovariance(self.sums, gram, found[:, -1, :-1, None], found[:, -1, -1:], np.zeros(len(gram)))

    def averages(
        self,
        sizes: np.ndarray,
        probable: np.ndarray,
        kept: np.ndarray,
        pulls: np.ndarray,
        contrasts: dict[str, Contrast],
    ) -> Mixture:
        """Return averages over variances `(n_sizes, 2)`.

        probable, kept : `(n_sizes, n_genes)` probabilities of each, for tests and for estimates; 0 if not used.
        pulls : `(n_genes, n_fixed)` diagonals of the penalties.
        """
        sums, n_genes, n_fixed = self.sums, len(self.gram), self.gram.shape[1] - 1
        curves, shifts, for_tests = _on_axes(sizes, probable)
        rows = np.concatenate([contrast.rows for contrast in contrasts.values()])
        signals = np.concatenate([np.diag(contrast.expected) for contrast in contrasts.values()])
        ends = np.cumsum([len(contrast.rows) for contrast in contrasts.values()])
        mean, second = np.zeros((n_genes, n_fixed)), np.zeros((n_genes, n_fixed, n_fixed))
        scales, edf = np.zeros((3, n_genes)), np.zeros(n_genes)
        tests = np.zeros((2, len(contrasts), n_genes))
        load_averages().averages_each(
            self.gram, self.own, self.beside, curves, shifts, for_tests, _on_axes(sizes, kept)[2], pulls, sums.ridge,
            *self._scales, rows, signals, ends, mean, second, scales, *tests, edf,
        )  # fmt: skip
        return Mixture(
            mean, second, scales[0], scales[1:], edf, *(dict(zip(contrasts, one, strict=True)) for one in tests)
        )


def _axes(sizes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return distinct variances and the place of each pair among them, of levels and of curves."""
    return [np.unique(sizes[:, part], return_inverse=True) for part in (0, 1)]


def _on_axes(sizes: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return variances of curves and of levels, and probabilities `(n_genes, n_curves, n_shifts)`."""
    (shifts, at_shift), (curves, at_curve) = _axes(sizes)
    shares = np.zeros((share.shape[1], len(curves), len(shifts)))
    shares[:, at_curve, at_shift] = share.T
    return curves, shifts, shares
