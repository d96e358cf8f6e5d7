"""Random curves of donors: the likelihood of their size, for all genes at once, from sums per donor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from .design import Design
from .spectral import Spectrum, diagonalise

_DETERMINED = 1e-6  # share of a mode that the cells, and not the penalty, determine
N_MODES = 10  # of the donors' curves


@dataclass(frozen=True)
class DonorSums:
    """What the cells say of a population curve and of the donors' deviations from it.

    Attributes
    ----------
    fixed
        `T`, `(n_columns, n_fixed)`: combinations of the design's columns, those that the cells determine first.
    random
        `U`, `(n_columns, n_random)`: the constant, and the smoothest modes of the smooth, of mean square 1.
    gram
        `T'Z'WZT`, `(n_fixed, n_fixed)`.
    cross
        `U'Z_d'WZ_dT`, `(n_donors, n_random, n_fixed)`.
    own
        `U'Z_d'WZ_dU`, `(n_donors, n_random, n_random)`.
    products
        `T'Z'Wy`, `(n_fixed, n_genes)`.
    donor_products
        `U'Z_d'Wy`, `(n_donors, n_random, n_genes)`.
    squares
        `y'Wy`, `(n_genes,)`.
    n_cells
        Effective number of cells: the weights are scaled to add up to it.
    n_determined
        How many columns of `T` the cells determine; they are orthonormal over the cells.
    """

    fixed: np.ndarray
    random: np.ndarray
    gram: np.ndarray
    cross: np.ndarray
    own: np.ndarray
    products: np.ndarray
    donor_products: np.ndarray
    squares: np.ndarray
    n_cells: float
    n_determined: int

    @property
    def n_donors(self) -> int:
        """Number of donors."""
        return len(self.own)

    @property
    def n_modes(self) -> int:
        """Number of modes of the donors' curves, without the constant for the shift."""
        return self.random.shape[1] - 1

    def take(self, genes: np.ndarray) -> DonorSums:
        """Return the sums of some genes."""
        return DonorSums(
            self.fixed, self.random, self.gram, self.cross, self.own, self.products[:, genes],
            self.donor_products[..., genes], self.squares[genes], self.n_cells, self.n_determined,
        )  # fmt: skip

    def level_share(self, shape: np.ndarray) -> float:
        """Return the share of the variance of the donors' curves that lies in their means over all cells."""
        if not np.any(self.random[:, 0]):
            return 0.0
        means = self.own.sum(axis=0)[0, 1:] / self.n_cells
        return float(means @ shape @ means)

    def covariance(self, shape: np.ndarray, shift: float, curve: float) -> np.ndarray:
        """Return the covariance `R` of a donor's coefficients on `U`, in units of the variance of an observation.

        Parameters
        ----------
        shape
            `(n_modes, n_modes)` covariance of the modes, of trace 1.
        shift, curve
            Variances of the donors' levels, and of their curves on average over the cells.
        """
        matrix = np.zeros((self.random.shape[1],) * 2)
        matrix[0, 0] = shift
        matrix[1:, 1:] = curve * shape
        return matrix

    def at(self, covariance: np.ndarray) -> AtCovariance:
        """Return the generalised least squares fit of all genes, given the covariance of the donors' coefficients."""
        ones = np.eye(len(covariance))
        inner = ones + self.own @ covariance
        whitened = np.linalg.inv(inner)
        middle = covariance @ whitened
        middle = 0.5 * (middle + np.swapaxes(middle, 1, 2))
        weighted = middle @ self.donor_products
        gram = self.gram - (np.swapaxes(self.cross, 1, 2) @ middle @ self.cross).sum(axis=0)
        products = self.products - np.tensordot(self.cross, weighted, axes=([0, 1], [0, 1]))
        squares = self.squares - np.einsum("drg,drg->g", self.donor_products, weighted)
        gram = 0.5 * (gram + gram.T)
        free = slice(self.n_determined)
        factor = linalg.cho_factor(gram[free, free])
        coefficients = linalg.cho_solve(factor, products[free])
        floor = np.maximum(1e-14 * self.squares, np.finfo(float).tiny)
        left = np.maximum(squares - np.einsum("pg,pg->g", products[free], coefficients), floor)
        log_determinant = np.linalg.slogdet(inner)[1].sum() + 2 * np.log(np.diag(factor[0])).sum()
        df = max(self.n_cells - self.n_determined, 1.0)
        likelihood = -0.5 * (df * np.log(left) + log_determinant)
        return AtCovariance(gram, products, squares, coefficients, left / df, likelihood, whitened)


@dataclass(frozen=True)
class AtCovariance:
    """Generalised least squares given the covariance of the donors' coefficients; see `DonorSums.at`.

    Attributes
    ----------
    gram, products, squares
        `X'V^-1X`, `X'V^-1y` and `y'V^-1y`, with `X = ZT`.
    coefficients
        On the determined columns of `T`, without a penalty, `(n_determined, n_genes)`.
    scale
        Variance of an observation, `(n_genes,)`.
    likelihood
        Logarithm of the restricted likelihood, profiled over the scale, `(n_genes,)`.
    whitened
        `(I + U'Z_d'WZ_dU R)^-1` of each donor.
    """

    gram: np.ndarray
    products: np.ndarray
    squares: np.ndarray
    coefficients: np.ndarray
    scale: np.ndarray
    likelihood: np.ndarray
    whitened: np.ndarray


def donor_sums(
    design: Design, grams: np.ndarray, products: np.ndarray, donor_products: np.ndarray, squares: np.ndarray,
    spectrum: Spectrum, n_cells: float,
) -> DonorSums:  # fmt: skip
    """Return the DonorSums of sums over the columns of a design.

    Parameters
    ----------
    design
        Of all cells.
    grams
        `Z_d'WZ_d`, `(n_donors, n_columns, n_columns)`.
    products, donor_products
        `Z'Wy`, `(n_columns, n_genes)`, and `Z_d'Wy`, `(n_donors, n_columns, n_genes)`. Of the latter, columns that are no
        part of the smooth or the constant are not used.
    squares
        `y'Wy`, `(n_genes,)`.
    spectrum
        Of the design's whole gram matrix and its penalty.
    n_cells
        Effective number of cells.
    """
    gram = grams.sum(axis=0)
    shares = spectrum.gram[:, 0]
    n_determined = int(np.sum(shares > _DETERMINED))
    fixed = spectrum.basis * np.sqrt(n_cells / np.maximum(shares, _DETERMINED))
    random = _random_columns(design, gram, n_cells)
    return DonorSums(
        fixed, random, fixed.T @ gram @ fixed,
        random.T @ grams @ fixed, random.T @ grams @ random,
        fixed.T @ products, np.einsum("cr,dcg->drg", random, donor_products, optimize=True), squares, n_cells, n_determined,
    )  # fmt: skip


def _random_columns(design: Design, gram: np.ndarray, n_cells: float) -> np.ndarray:
    """Return the constant (zeros if the design has none) and the smoothest modes of the smooth, orthonormal over the cells.

    The modes may have the constant among them: level and curve of a donor are correlated if donors differ in density.
    """
    n_smooth = design.n_smooth
    own = diagonalise(gram[:n_smooth, :n_smooth], design.penalty[:n_smooth, :n_smooth])
    order = np.argsort(own.penalty[:, 0] / np.maximum(own.gram[:, 0], 1e-12), kind="stable")
    chosen = order[own.gram[order, 0] > _DETERMINED][:N_MODES]
    columns = np.zeros((len(gram), 1 + len(chosen)))
    if design.constant is not None:
        columns[:, 0] = design.constant
    columns[:n_smooth, 1:] = own.basis[:, chosen] * np.sqrt(n_cells / own.gram[chosen, 0])
    return columns
