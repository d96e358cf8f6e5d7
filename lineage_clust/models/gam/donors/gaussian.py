"""Gaussian mixed models with donors as replicates: a population curve plus random curves of donors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....errors import warn
from ..design import Design, effect_map
from ..inference.gene_posterior import GenePosterior
from ..inference.posterior import SharedPosterior
from ..smoothing.criteria import minimise_each
from ..smoothing.posterior import SmoothingPosterior
from ..smoothing.spectral import Spectrum, diagonalise
from .bases import donor_sums
from .curves import DonorSums, TurnedSums
from .posterior import DonorPosterior, PosteriorPart
from .prior import DonorPrior, learn, probabilities
from .significance import contrast_of, tested_at

FEWEST_GENES = 20  # needed to estimate the variation between donors
_CHUNK = 4096  # genes per chunk
# Variances of lower probability are skipped: for trends, and for tests, where large variances determine the far tail.
_IMPROBABLE, _IMPOSSIBLE = 1e-2, 1e-6


@dataclass(frozen=True)
class DonorFit:
    """Fit of all genes with donors as replicates; arrays are `(n_genes,)` unless stated otherwise.

    coefficients : `(n_columns, n_genes)`.
    lambda_, edf, scale : As in a fit of cells, averaged over the variances between donors.
    shift_variance, curve_variance : Variances between donors of the level and of the curve around it, averaged over the
        cells.
    posterior : Posterior of the coefficients.
    statistic, pvalue : Tests of the hypothesis that the centred smooth is zero.
    converged : Whether the search for the smoothing parameter converged.
    prior : Prior of the variances, shared by all genes.
    """

    coefficients: np.ndarray
    lambda_: np.ndarray
    edf: np.ndarray
    scale: np.ndarray
    shift_variance: np.ndarray
    curve_variance: np.ndarray
    posterior: DonorPosterior | GenePosterior
    statistic: np.ndarray
    pvalue: np.ndarray
    converged: np.ndarray
    prior: DonorPrior


@dataclass(frozen=True)
class _AtSize:
    """Fits of some genes at one pair of variances between donors.

    genes, share : Positions of the genes, and the probabilities of these variances.
    spectrum, loadings, squares : Arguments of :func:`lineage_clust.models.gam.smoothing.criteria.reml`.
    scale : Residual variances.
    """

    genes: np.ndarray
    share: np.ndarray
    spectrum: Spectrum
    loadings: np.ndarray
    squares: np.ndarray
    scale: np.ndarray


def fit_donors(
    design: Design, grams: np.ndarray, products: np.ndarray, donor_products: np.ndarray, squares: np.ndarray,
    weights: np.ndarray, abundance: np.ndarray, smoothing: str | float, covariance: str,
) -> DonorFit:  # fmt: skip
    """Fit all genes with donors as replicates, from sums per donor.

    design : Design shared by the genes.
    grams : `Z_d'WZ_d`, `(n_donors, n_columns, n_columns)`.
    products, donor_products : `Z'Wy`, `(n_columns, n_genes)`, and `Z_d'Wy`, `(n_donors, n_columns, n_genes)`.
    squares : `y'Wy`, `(n_genes,)`.
    weights : `(n_cells,)`, positive.
    abundance : `(n_genes,)`, along which the prior of the variances varies.
    smoothing : `"reml"`, `"gcv"` or a number.
    covariance : `"robust"` treats weights as memberships, `"bayes"` as precisions.

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
    unit = 1.0 if covariance == "bayes" else np.sum(weights**2) / weights.sum()
    n_cells = float(len(weights)) if covariance == "bayes" else weights.sum() ** 2 / np.sum(weights**2)
    gram = grams.sum(axis=0) / unit
    sums = donor_sums(
        design, grams / unit, products / unit, donor_products / unit, squares / unit,
        diagonalise(gram, design.penalty), n_cells,
    )  # fmt: skip
    varying = np.flatnonzero(squares > 0)
    if len(varying) < FEWEST_GENES:
        warn_of_few(len(varying))
    prior = learn(sums.take(varying))
    turned = sums.turned(prior.shape)
    found = []
    for sizes in (prior.sizes, prior.for_tests()):
        likelihood = np.zeros((len(sizes), len(varying)))
        for first in range(0, len(varying), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            likelihood[:, chunk] = turned.take(varying[chunk]).likelihoods(sizes)
        posterior = np.zeros((len(sizes), len(squares)))
        posterior[0] = 1.0
        posterior[:, varying] = probabilities(likelihood, abundance=abundance[varying])[1]
        found.append(posterior)
    tests = _tested(design, turned, prior.for_tests(), found[1])
    return _averaged(design, turned, prior, found[0], tests, smoothing, unit)


def relative_level(level: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Return the mean expression of genes relative to their root mean square, between 0 for rare genes and 1."""
    return np.abs(level) / np.sqrt(np.maximum(level**2 + variance, np.finfo(float).tiny))


def warn_of_few(n_genes: int) -> None:
    """Warn that the genes fitted together are too few to estimate the variation between donors."""
    warn(
        f"The variation between donors is estimated from all genes that are fitted together, and {n_genes} are too few for a "
        "good estimate: p-values may be too small (with four donors, about 10 % of flat genes have p < 0.05). Fit at "
        f"least {FEWEST_GENES} genes."
    )


def _tested(
    design: Design, turned: TurnedSums, sizes: np.ndarray, posterior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return statistics and p-values averaged over the variances, with probabilities `posterior` for each gene."""
    sums = turned.sums
    contrast = contrast_of(_effects(design, sums), sums.fixed[:, : sums.n_determined], design.penalty)
    statistic, pvalue = np.zeros((2, posterior.shape[1]))
    for curve in np.unique(sizes[:, 1]):
        inner = turned.with_curves(curve)
        for place in np.flatnonzero(sizes[:, 1] == curve):
            genes = np.flatnonzero(posterior[place] > _IMPOSSIBLE)
            if len(genes) == 0:
                continue
            fit = inner.take(genes).with_shift(sizes[place, 0])
            of_fit, tail = tested_at(contrast, fit, fit.scale())
            statistic[genes] += posterior[place, genes] * of_fit
            pvalue[genes] += posterior[place, genes] * tail
    constant = sums.squares[0] == 0
    statistic[constant], pvalue[constant] = 0.0, 1.0
    return statistic, np.minimum(pvalue, 1.0)


def _averaged(
    design: Design, turned: TurnedSums, prior: DonorPrior, posterior: np.ndarray, tests: tuple[np.ndarray, np.ndarray],
    smoothing, unit: float,
) -> DonorFit:  # fmt: skip
    """Return the fits averaged over the variances with probabilities `posterior` `(n_sizes, n_genes)`."""
    sums = turned.sums
    n_genes, n_columns = posterior.shape[1], len(sums.fixed)
    penalty = sums.fixed.T @ design.penalty @ sums.fixed
    coefficients, converged = np.zeros((n_columns, n_genes)), np.ones(n_genes, dtype=bool)
    log_lambda, edf, scale, shift, curve = np.zeros((5, n_genes))
    found, in_level = [], sums.level_share(prior.shape)
    kept = np.where(posterior > _IMPROBABLE, posterior, 0.0)
    kept /= kept.sum(axis=0)
    inner, inner_curve = None, -1.0
    for place in np.lexsort(prior.sizes.T):
        size, share = prior.sizes[place], kept[place]
        genes = np.flatnonzero(share)
        if len(genes) == 0:
            continue
        if inner is None or inner_curve != size[1]:
            inner, inner_curve = turned.with_curves(size[1]), size[1]
        fit = inner.take(genes).with_shift(size[0])
        fit_scale = fit.scale()[0]
        modes = diagonalise(fit.gram[0], penalty)
        spectrum = Spectrum(sums.fixed @ modes.basis, modes.gram, modes.penalty, modes.n_unpenalized)
        loadings = modes.basis.T @ fit.products[0]
        found.append(_AtSize(genes, share[genes], spectrum, loadings, fit.squares[0], fit_scale))
        for total, values in (
            (scale, fit_scale), (shift, (size[0] + in_level * size[1]) * fit_scale),
            (curve, (1 - in_level) * size[1] * fit_scale),
        ):  # fmt: skip
            total[genes] += share[genes] * values
    parts = []
    for at, (lambda_, ended) in zip(found, _smoothing(smoothing, found, sums.n_cells, unit), strict=True):
        precision = at.spectrum.gram + at.spectrum.penalty * lambda_
        estimate = at.spectrum.basis @ (at.loadings / precision)
        random = None
        if smoothing == "reml" and at.spectrum.n_penalized:
            random = SmoothingPosterior(at.spectrum, at.loadings, at.squares, round(sums.n_cells))
        parts.append((at, estimate, SharedPosterior(at.spectrum, lambda_, at.scale, smoothing=random)))
        coefficients[:, at.genes] += at.share * estimate
        log_lambda[at.genes] += at.share * np.log(np.maximum(lambda_, 1e-300))
        edf[at.genes] += at.share * (at.spectrum.gram / precision).sum(axis=0)
        converged[at.genes] &= ended
    mixture = [
        PosteriorPart(at.genes, at.share, estimate - coefficients[:, at.genes], of_genes)
        for at, estimate, of_genes in parts
    ]
    return DonorFit(
        coefficients, np.exp(log_lambda) * unit, edf, scale, shift, curve, DonorPosterior(mixture, n_columns, n_genes),
        tests[0], tests[1], converged, prior,
    )  # fmt: skip


def _effects(design: Design, sums: DonorSums) -> np.ndarray:
    """Return the map from coefficients to coordinates of the centred smooth."""
    back = np.linalg.pinv(sums.fixed)
    return effect_map(back.T @ sums.gram[0] @ back, *design.centring)


def _smoothing(smoothing, found: list[_AtSize], n_cells: float, unit: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return smoothing parameters, in units of weights that add up to `n_cells`, and whether they were found."""
    if smoothing not in ("reml", "gcv"):
        return [(np.full(len(at.genes), float(smoothing) / unit), np.ones(len(at.genes), dtype=bool)) for at in found]
    spectra, loadings, squares = ([getattr(at, name) for at in found] for name in ("spectrum", "loadings", "squares"))
    return minimise_each(smoothing, spectra, loadings, squares, n_cells)
