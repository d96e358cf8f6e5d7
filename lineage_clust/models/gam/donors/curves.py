"""Restricted likelihood of random curves of donors, batched over genes, from sums per donor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ....utils.cached import cached_property
from .variances import Variances

NEGLIGIBLE = 35.0  # log likelihood ratio of variances that compiled loops leave out; their probability is below 1e-15


@dataclass(frozen=True)
class DonorSums:
    """Sufficient statistics of a population curve and of the donors' deviations from it.

    The first axis of arrays has length `n_matrices`: 1 if all genes share their matrices, as in a Gaussian family, or
    the number of genes if working weights depend on the means. The last axis, except for the matrices, indexes the
    genes that share a matrix: all of them, or 1.

    fixed : `T`, `(n_columns, n_fixed)`: combinations of the design's columns, those determined by the cells first;
    orthonormal over cells of equal weight. The penalty is diagonal on this basis. random : `U`, `(n_columns, n_random)`: the
    constant and the smoothest modes of the smooth, with mean square 1. gram, products, squares : `T'Z'WZT`, `T'Z'Wy` and
    `y'Wy`. cross, donor_grams, donor_products : `U'Z_d'WZ_dT`, `U'Z_d'WZ_dU` and `U'Z_d'Wy`; donors are the second axis.
    n_cells, n_determined : Effective number of cells, to which the weights are scaled to sum, and number of columns of `T`
    that the cells determine. means : `(n_random - 1,)` means of the modes over the cells. each, compiles : Whether each gene
    has matrices of its own, and whether there are enough of such genes for compiled loops. known_scale : Whether the
    residual variance is 1, as implied by the weights, or estimated.
    """

    fixed: np.ndarray
    random: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    donor_grams: np.ndarray
    products: np.ndarray
    donor_products: np.ndarray
    squares: np.ndarray
    n_cells: float
    n_determined: int
    means: np.ndarray
    each: bool = False
    compiles: bool = False
    known_scale: bool = False

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return self.squares.size

    @property
    def n_donors(self) -> int:
        """Number of donors."""
        return self.donor_grams.shape[1]

    @property
    def n_modes(self) -> int:
        """Number of modes of the donors' curves, without the constant."""
        return self.random.shape[1] - 1

    def take(self, genes: np.ndarray) -> DonorSums:
        """Return the sums of some genes."""
        own = ("gram", "cross", "donor_grams") if self.each else ()
        return self.indexed(self, genes, ("products", "donor_products", "squares", *own))

    def indexed(self, of: Any, genes: np.ndarray | slice, names: Iterable[str], **others: Any) -> Any:
        """Return a dataclass with the named arrays, which these sums or fits to them contain, of some genes."""
        at = genes if self.each else (..., genes)
        return replace(of, **{name: getattr(of, name)[at] for name in names}, **others)

    def used_up(self, genes: np.ndarray | slice) -> DonorSums:
        """Return the sums of some genes without the arrays that fits no longer need, as copying these takes time."""
        unused = dict.fromkeys(("cross", "donor_grams", "products", "donor_products"), np.empty(0))
        return self.indexed(self, genes, ("squares", "gram") if self.each else ("squares",), **unused)

    @property
    def information(self) -> np.ndarray:
        """Information of each donor's cells, summed over its coefficients, `(n_matrices, n_donors)`."""
        return np.einsum("bdii->bd", self.donor_grams)

    @property
    def df(self) -> float:
        """Residual degrees of freedom."""
        return max(self.n_cells - self.n_determined, 1.0)

    @property
    def ridge(self) -> np.ndarray:
        """Constant added to the diagonals of matrices of single genes, which can be nearly singular, `(n_genes,)`."""
        return 1e-9 * np.einsum("bii->b", self.gram) / self.gram.shape[1] + 1e-300

    def floored(self, left: np.ndarray) -> np.ndarray:
        """Return residual sums of squares `(..., n)` bounded below by a positive number if the scale is estimated."""
        if self.known_scale:
            return left
        squares = self.squares[:, 0] if self.each else self.squares
        return np.maximum(left, np.maximum(1e-14 * squares, np.finfo(float).tiny))

    def level_share(self, shape: np.ndarray) -> float:
        """Return the fraction of the variance of the donors' curves that is in their means over all cells."""
        return float(self.means @ shape @ self.means) if np.any(self.random[:, 0]) else 0.0

    def turn(self, shape: np.ndarray) -> TurnedSums:
        """Return the sums in coordinates in which the modes of the donors' curves are independent."""
        values, vectors = np.linalg.eigh(shape)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        information, turn = np.linalg.eigh(root.T @ self.donor_grams[..., 1:, 1:] @ root)
        back = np.swapaxes(root @ turn, -1, -2)
        return TurnedSums(
            self, np.maximum(information, 0.0), back @ self.cross[..., 1:, :], back @ self.donor_products[..., 1:, :],
            (back @ self.donor_grams[..., 1:, :1])[..., 0],
        )  # fmt: skip


@dataclass(frozen=True)
class TurnedSums:
    """Sums in coordinates in which the modes of a donor's curve are independent both a priori and a posteriori.

    information : `(n_matrices, n_donors, n_modes)`: that of the cells about each mode of a donor's curve.
    cross, products, level : Products of the modes with the columns of `T`, with expression and with the constant.
    """

    sums: DonorSums
    information: np.ndarray
    cross: np.ndarray
    products: np.ndarray
    level: np.ndarray

    @cached_property
    def _squared(self) -> np.ndarray:
        n_matrices, n_donors, n_modes = self.products.shape[:3]
        return (self.products**2).reshape(n_matrices, n_donors * n_modes, -1)

    def take(self, genes: np.ndarray) -> TurnedSums:
        """Return the sums of some genes."""
        own = ("information", "cross", "level") if self.sums.each else ()
        return self.sums.indexed(self, genes, ("products", *own), sums=self.sums.take(genes))

    def with_curves(self, curve: float) -> WithCurves:
        """Return the sums after eliminating the donors' curves, given their variance."""
        sums = self.sums
        share = curve / (1 + curve * self.information)
        n_matrices, n_donors, n_modes = share.shape
        by_level = (share * self.level)[:, :, None, :]
        shrunk = share[..., None] * self.cross
        flat = shrunk.reshape(n_matrices, n_donors * n_modes, -1)
        turned = np.swapaxes(flat, 1, 2)
        parts = self.products.reshape(n_matrices, n_donors * n_modes, -1)
        return WithCurves(
            sums, sums.gram - turned @ self.cross.reshape(flat.shape), sums.products - turned @ parts,
            sums.squares - (share.reshape(n_matrices, 1, -1) @ self._squared)[:, 0],
            sums.donor_grams[..., 0, 0] - np.sum(by_level[:, :, 0] * self.level, axis=-1),
            sums.cross[..., 0, :] - (by_level @ self.cross)[:, :, 0],
            sums.donor_products[..., 0, :] - (by_level @ self.products)[:, :, 0],
            np.log1p(curve * self.information).sum(axis=(1, 2)),
        )  # fmt: skip

    def likelihoods(self, variances: Variances) -> np.ndarray:
        """Return the log restricted likelihood `(n_points, n_genes)`."""
        found = np.empty((len(variances), self.sums.n_genes))
        for curve in np.unique(variances.curve):
            points = np.flatnonzero(variances.curve == curve)
            found[points] = self.with_curves(curve).likelihoods(variances.shift[points])
        return found


@dataclass(frozen=True)
class WithCurves:
    """Sums after eliminating the donors' curves, which contribute to `V`, as in `AtCovariance`.

    level, cross, level_products : `1'V^-1 1`, `1'V^-1 X` and `1'V^-1 y` of each donor.
    """

    sums: DonorSums
    gram: np.ndarray
    products: np.ndarray
    squares: np.ndarray
    level: np.ndarray
    cross: np.ndarray
    level_products: np.ndarray
    log_determinant: np.ndarray

    def take(self, genes: np.ndarray) -> WithCurves:
        """Return the sums of some genes."""
        return _some(self, genes, ("products", "squares", "level_products"))

    def with_shift(self, shift: float) -> AtCovariance:
        """Return generalised least squares given also the variance of the donors' levels."""
        inside = 1 + shift * self.level
        share = shift / inside
        turned = np.swapaxes(share[..., None] * self.cross, 1, 2)
        return AtCovariance(
            self.sums,
            self.gram - turned @ self.cross,
            self.products - turned @ self.level_products,
            self.squares - np.einsum("bd,bdc->bc", share, self.level_products**2),
            self.log_determinant + np.log(inside).sum(axis=1),
        )

    def likelihoods(self, shifts: np.ndarray) -> np.ndarray:
        """Return the logarithms of the restricted likelihood `(n_shifts, n_genes)`, see :meth:`AtCovariance.likelihood`.

        `P` is the matrix that eliminates the population curve, and `Q` and `k` are eigenvectors and eigenvalues of
        `1'P1`, with one row per donor. Then ``y'P_s y = y'Py - sum_d s / (1 + s k_d) (Q'1'Py)_d^2``, so that one
        decomposition suffices for all variances of levels.
        """
        fit = AtCovariance(self.sums, self.gram, self.products, self.squares, self.log_determinant)
        free = slice(self.sums.n_determined)
        lower = np.linalg.cholesky(fit.determined)
        inverse = np.linalg.inv(lower)
        scores = inverse @ self.products[:, free]
        cross = self.cross[..., free] @ np.swapaxes(inverse, 1, 2)
        between = self.level[:, :, None] * np.eye(self.level.shape[1]) - cross @ np.swapaxes(cross, 1, 2)
        values, turn = np.linalg.eigh(between)
        energy = (np.swapaxes(turn, 1, 2) @ (self.level_products - cross @ scores)) ** 2
        inside = 1 + shifts[:, None] * np.maximum(values, 0.0)[:, None]
        left = (self.squares - np.sum(scores**2, axis=1))[:, None] - (shifts[:, None] / inside) @ energy
        left = self.sums.floored(left.transpose(1, 0, 2).reshape(len(shifts), -1))
        logs = self.log_determinant + 2 * np.log(np.einsum("bii->bi", lower)).sum(axis=1)
        logs = (logs[:, None] + np.log(inside).sum(axis=2)).T
        return -0.5 * ((left if self.sums.known_scale else self.sums.df * np.log(left)) + logs)


@dataclass(frozen=True)
class AtCovariance:
    """Generalised least squares for a given covariance of the donors' coefficients: ``X'V^-1X``, ``X'V^-1y`` and so on.

    `sums` are the original ones, `X = ZT`, and `log_determinant` is that of `V`.
    """

    sums: DonorSums
    gram: np.ndarray
    products: np.ndarray
    squares: np.ndarray
    log_determinant: np.ndarray

    def take(self, genes: np.ndarray) -> AtCovariance:
        """Return the fits of some genes."""
        return _some(self, genes, ("products", "squares"))

    @property
    def determined(self) -> np.ndarray:
        """The part of `gram` for columns that the cells determine, with a ridge if genes have matrices of their own."""
        n = self.sums.n_determined
        gram = self.gram[:, :n, :n]
        if not self.sums.each:
            return 0.5 * (gram + np.swapaxes(gram, 1, 2))
        return gram + self.sums.ridge[:, None, None] * np.eye(n)

    def likelihood(self) -> np.ndarray:
        """Return the log restricted likelihood `(n_genes,)`, profiled over the scale unless it is known."""
        gram, products = self.determined, self.products[:, : self.sums.n_determined]
        lower, left = np.linalg.cholesky(gram), self._left(np.sum(products * np.linalg.solve(gram, products), axis=1))
        logs = self.log_determinant + 2 * np.log(np.einsum("bii->bi", lower)).sum(axis=1)
        fit = left if self.sums.known_scale else self.sums.df * np.log(left)
        return -0.5 * (fit + logs[:, None]).ravel()

    @property
    def coefficients(self) -> np.ndarray:
        """Unpenalised coefficients on the determined columns of `T`, `(n_matrices, n_determined, n)`."""
        return np.linalg.solve(self.determined, self.products[:, : self.sums.n_determined])

    def scale(self, coefficients: np.ndarray | None = None) -> np.ndarray:
        """Return the residual variance `(n_matrices, n)`; passing known coefficients saves time."""
        if self.sums.known_scale:
            return np.ones(self.squares.shape)
        coefficients = self.coefficients if coefficients is None else coefficients
        fitted = np.sum(self.products[:, : self.sums.n_determined] * coefficients, axis=1)
        return self._left(fitted) / self.sums.df

    def _left(self, fitted: np.ndarray) -> np.ndarray:
        left = self.squares - fitted
        return self.sums.floored(left[:, 0])[:, None] if self.sums.each else self.sums.floored(left)


def _some(fit, genes: np.ndarray, of_genes: tuple[str, ...]):
    """Return a fit of some genes; `of_genes` names the arrays that genes do not share."""
    names = [field.name for field in fields(fit) if field.name != "sums"] if fit.sums.each else of_genes
    return fit.sums.indexed(fit, genes, names, sums=fit.sums.used_up(genes))


def at_covariance(sums: DonorSums, covariance: np.ndarray) -> AtCovariance:
    """Return generalised least squares for a covariance `R` `(..., n_random, n_random)` of a donor's coefficients.

    For many variances of levels and of curves with the same shape, :meth:`DonorSums.turn` is faster.
    """
    inner = np.eye(covariance.shape[-1]) + sums.donor_grams @ covariance
    fit = without_deviations(sums, covariance @ np.linalg.inv(inner), sums.gram.shape[-1])
    return replace(fit, log_determinant=np.linalg.slogdet(inner)[1].sum(axis=1))


def without_deviations(sums: DonorSums, middle: np.ndarray, n_columns: int) -> AtCovariance:
    """Return the same for the leading columns of `T`, without the determinant; `middle` is ``R (I + U'Z_d'WZ_dU R)^-1``."""
    middle = 0.5 * (middle + np.swapaxes(middle, -1, -2))
    n_matrices, n_donors, n_random = sums.cross.shape[:3]
    cross = sums.cross[..., :n_columns]
    flat = (n_matrices, n_donors * n_random)
    turned = np.swapaxes((middle @ cross).reshape(*flat, cross.shape[-1]), 1, 2)
    of_donors = sums.donor_products.reshape(*flat, sums.donor_products.shape[-1])
    products = sums.products[:, :n_columns] - turned @ of_donors
    gram = sums.gram[:, :n_columns, :n_columns] - turned @ cross.reshape(*flat, cross.shape[-1])
    squares = sums.squares - np.sum(sums.donor_products * (middle @ sums.donor_products), axis=(1, 2))
    return AtCovariance(sums, gram, products, squares, np.zeros(len(gram)))


def deviations(sums: DonorSums, covariance: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return the best linear unbiased predictions of the donors' coefficients, given those of the population curve on `T`."""
    residuals = sums.donor_products - sums.cross @ coefficients[:, None]
    return covariance @ np.linalg.solve(np.eye(len(covariance)) + sums.donor_grams @ covariance, residuals)
