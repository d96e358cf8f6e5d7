"""Gaussian mixed models with donors as replicates: a population curve plus random curves of donors."""

from __future__ import annotations

import numpy as np

from ....errors import counted, warn
from ..design import Design, effect_map
from ..pirls.problem import Cells
from ..smoothing.spectral import diagonalise
from .bases import donor_sums
from .curves import DonorSums
from .mixture import DonorFit, averaged, shared_fits
from .prior import learn
from .significance import contrast_of

FEWEST_GENES = 20  # needed to estimate the variation between donors
_IMPROBABLE = 1e-2  # variances of lower probability are skipped for trends


def fit_donors(
    cells: Cells, grams: np.ndarray, products: np.ndarray, donor_products: np.ndarray, squares: np.ndarray,
    abundance: np.ndarray,
) -> DonorFit:  # fmt: skip
    """Fit all genes with donors as replicates, from sums per donor.

    grams : `Z_d'WZ_d`, `(n_donors, n_columns, n_columns)`.
    products, donor_products : `Z'Wy`, `(n_columns, n_genes)`, and `Z_d'Wy`, `(n_donors, n_columns, n_genes)`.
    squares : `y'Wy`, `(n_genes,)`.
    abundance : `(n_genes,)`, along which the prior of the variances varies.

    The model of a gene is ``y = f(t) + b_d + g_d(t) + e`` with random level and curve of each donor, ``b_d ~ N(0, rho
    s2)`` and ``g_d ~ N(0, kappa s2 Sigma)`` in the smoothest modes of the basis. Sums over each donor's cells give the
    generalised least squares fit and the restricted likelihood for any ``(rho, kappa)``, with matrices shared by all
    genes [1]_. The prior of ``(rho, kappa)`` on a grid, and `Sigma`, are estimated from all genes (empirical Bayes).
    Tests, standard errors and posterior samples are averaged over the posterior of the gene on this grid. With a single
    variance and a conjugate prior, this is the moderated t-test [2]_.

    References
    ----------
    .. [1] Laird & Ware (1982). Random-effects models for longitudinal data. Biometrics 38, 963-974.
    .. [2] Smyth (2004). Linear models and empirical Bayes methods for assessing differential expression in microarray
       experiments. Statistical Applications in Genetics and Molecular Biology 3, article 3.
    """
    design, weights, unit = cells.design, cells.weights, cells.unit
    is_precise = cells.choices.covariance == "bayes"  # weights are precisions
    n_cells = float(len(weights)) if is_precise else weights.sum() ** 2 / np.sum(weights**2)
    gram = grams.sum(axis=0) / unit
    sums = donor_sums(
        design, grams / unit, products / unit, donor_products / unit, squares / unit,
        diagonalise(gram, design.penalty), n_cells,
    )  # fmt: skip
    varying = np.flatnonzero(squares > 0)
    if len(varying) < FEWEST_GENES:
        warn_of_few(len(varying))
    prior = learn(sums.take(varying))
    turned = sums.turn(prior.shape)
    contrast = contrast_of(_effects(design, sums), sums.fixed[:, : sums.n_determined], design.penalty)
    tests = shared_fits(turned, prior.at(prior.variances.for_tests()), abundance)[0].tests({"trend": contrast})
    fits = shared_fits(turned, prior, abundance)[0]
    penalties = [(design.penalty, np.ones(len(squares)))]
    return averaged(fits, tests, penalties, _IMPROBABLE, cells.choices.smoothing, unit)


def relative_level(level: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the mean expression of genes relative to their root mean square, between 0 for rare genes and 1."""
    return np.abs(level) / np.sqrt(np.maximum(level**2 + variance, np.finfo(float).tiny))


def warn_of_few(n_genes: int, of_trends: bool = True) -> None:
    """Warn that the genes fitted together are too few to estimate the variation between donors."""
    other = ", or use covariance='cluster', which learns nothing from other genes" if of_trends else ""
    warn(
        f"The variation between donors is estimated from all genes that are fitted together, and "
        f"{counted(n_genes, 'gene', 'is', 'are')} too few for a good estimate: p-values may be too small (with four "
        f"donors, about 10 % of flat genes have p < 0.05). Fit at least {FEWEST_GENES} genes{other}."
    )


def _effects(design: Design, sums: DonorSums) -> np.ndarray:
    """Return the map from coefficients to coordinates of the centred smooth."""
    back = np.linalg.pinv(sums.fixed)
    return effect_map(back.T @ sums.gram[0] @ back, *design.centring)
