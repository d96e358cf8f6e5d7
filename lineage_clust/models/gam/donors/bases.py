"""Bases of population curves and of donors' curves, and sums per donor in these bases."""

from __future__ import annotations

import numpy as np

from ..design import Design
from ..smoothing.spectral import Spectrum, diagonalise
from .curves import DonorSums

_DETERMINED = 1e-6  # minimum fraction of a mode that is determined by the cells instead of the penalty
N_MODES = 10  # number of modes of the donors' curves
_MOST_COLUMNS = 0.25  # per cell


def donor_sums(
    design: Design, grams: np.ndarray, products: np.ndarray, donor_products: np.ndarray, squares: np.ndarray,
    spectrum: Spectrum, n_cells: float,
) -> DonorSums:  # fmt: skip
    """Return the DonorSums from sums over the columns of a design shared by all genes.

    grams, donor_products : `Z_d'WZ_d`, `(n_donors, n_columns, n_columns)`, and `Z_d'Wy`, `(n_donors, n_columns, n_genes)`, of
        which columns that belong neither to the smooth nor to the constant are not used.
    products, squares : `Z'Wy`, `(n_columns, n_genes)`, and `y'Wy`, `(n_genes,)`.
    """
    gram = grams.sum(axis=0)
    fixed, random, n_determined = bases(design, gram, spectrum, n_cells)
    donor_grams = random.T @ grams @ random
    return DonorSums(
        fixed, random, (fixed.T @ gram @ fixed)[None], (random.T @ grams @ fixed)[None], donor_grams[None],
        (fixed.T @ products)[None], np.einsum("cr,dcg->drg", random, donor_products, optimize=True)[None], squares[None],
        n_cells, n_determined, donor_grams.sum(axis=0)[0, 1:] / n_cells,
    )  # fmt: skip


def bases(design: Design, gram: np.ndarray, spectrum: Spectrum, n_cells: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Return `T`, `U` and the number of columns of `T` that the cells determine, see :class:`DonorSums`.

    At most a quarter as many columns as cells, so that the residual variance has degrees of freedom.
    """
    fixed, n_determined = scaled_basis(spectrum, n_cells)
    most = max(spectrum.n_unpenalized + 1, int(_MOST_COLUMNS * n_cells))
    return fixed, random_columns(design, gram, n_cells), min(n_determined, most)


def scaled_basis(spectrum: Spectrum, n_cells: float) -> tuple[np.ndarray, int]:
    """Return the modes of a spectrum, scaled to mean square 1 over the cells, and how many the cells determine."""
    shares = spectrum.gram[:, 0]
    return spectrum.basis * np.sqrt(n_cells / np.maximum(shares, _DETERMINED)), int(np.sum(shares > _DETERMINED))


def random_columns(design: Design, gram: np.ndarray, n_cells: float) -> np.ndarray:
    """Return the constant (zeros if the design has none) and the smoothest modes, orthonormal over the cells.

    The modes may include the constant, so that level and curve of a donor are correlated if donors differ in density.
    """
    n_smooth = design.n_smooth
    spectrum = diagonalise(gram[:n_smooth, :n_smooth], design.penalty[:n_smooth, :n_smooth])
    modes = np.hstack(
        [_by_degree(spectrum.basis[:, : spectrum.n_unpenalized]), spectrum.basis[:, spectrum.n_unpenalized :]]
    )
    order = np.argsort(spectrum.penalty[:, 0] / np.maximum(spectrum.gram[:, 0], 1e-12), kind="stable")
    chosen = order[spectrum.gram[order, 0] > _DETERMINED][:N_MODES]
    columns = np.zeros((len(gram), 1 + len(chosen)))
    if design.constant is not None:
        columns[:, 0] = design.constant
    columns[:n_smooth, 1:] = modes[:, chosen] * np.sqrt(n_cells / spectrum.gram[chosen, 0])
    return columns


def _by_degree(free: np.ndarray) -> np.ndarray:
    """Return unpenalised modes rotated to increasing polynomial degree: constant first, then a straight line, and so on.

    Their eigenvalues are equal, so that rounding would determine their order, and the prior of the shape depends on it.
    """
    polynomials = np.vander(np.linspace(-1, 1, len(free)), free.shape[1], increasing=True)
    return free @ np.linalg.qr(np.linalg.lstsq(free, polynomials, rcond=None)[0])[0]
