"""Starting values of the iterations: coefficients of Gaussian fits."""

from __future__ import annotations

import numpy as np

from ....expression.sums.moments import weighted_products
from ..design import Design
from ..smoothing.criteria import minimise, reml
from ..smoothing.spectral import diagonalise


def gaussian_coefficients(design: Design, Y, weights: np.ndarray) -> np.ndarray:
    """Return coefficients `(n_columns, n_genes)` of Gaussian REML fits, used as starting values of other families."""
    Z = design.matrix
    spectrum = diagonalise(Z.T @ (Z * weights[:, None]), design.penalty)
    products, squares = weighted_products(Z, Y, weights)
    loadings = spectrum.basis.T @ products
    lambda_, _ = minimise(reml(spectrum, loadings, squares, len(Z)), spectrum, len(squares))
    return spectrum.basis @ (loadings / (spectrum.gram + spectrum.penalty * lambda_))
