"""Gaussian mixed models with donors as replicates: a population curve plus random curves of donors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....errors import counted, warn
from ..design import effect_map
from ..inference.posterior import GenePosterior, SharedPosterior
from ..pirls.problem import Cells
from ..smoothing.criteria import minimise_each
from ..smoothing.posterior import SmoothingPosterior
from ..smoothing.spectral import Spectrum, diagonalise
from .bases import donor_sums
from .curves import AtCovariance, DonorSums, TurnedSums, WithCurves, at_covariance, deviations
from .posterior import DonorPosterior, PosteriorPart
from .prior import learn, probabilities
from .significance import Contrast, contrast_of, tested_at
from .variance_grid import VarianceGrid

FEWEST_GENES = 20  # needed to estimate the variation between donors
_IMPROBABLE = 1e-2  # variances of lower probability are skipped for trends
_CHUNK = 1024  # genes per chunk
_IMPOSSIBLE = 1e-6  # variances of lower probability are skipped in tests, where large variances determine the far tail


def fit_donors(
    cells: Cells, grams: np.ndarray, products: np.ndarray, donor_products: np.ndarray, squares: np.ndarray,
    abundance: np.ndarray,
) -> DonorFit:  # fmt: skip
    """Fit all genes with donors as replicates, from sums per donor as in :func:`.bases.donor_sums`.

    The model of a gene is ``y = f(t) + b_d + g_d(t) + e`` with random level and curve of each donor, ``b_d ~ N(0, rho
    s2)`` and ``g_d ~ N(0, kappa s2 Sigma)`` in the smoothest modes of the basis. Sums over each donor's cells give the
    generalised least squares fit and the restricted likelihood for any ``(rho, kappa)``, with matrices shared by all
    genes [1]_. The prior of ``(rho, kappa)`` on a grid, which varies along `abundance`, and `Sigma` are estimated from all
    genes (empirical Bayes). Tests, standard errors and posterior samples are averaged over the posterior of the gene on this
    grid. With a single variance and a conjugate prior, this is the moderated t-test [2]_.

    .. [1] Laird & Ware (1982). Random-effects models for longitudinal data. Biometrics 38, 963-974.
    .. [2] Smyth (2004). Statistical Applications in Genetics and Molecular Biology 3, article 3.
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
    back = np.linalg.pinv(sums.fixed)
    to_effects = effect_map(back.T @ sums.gram[0] @ back, *design.centring)
    contrast = contrast_of(to_effects, sums.fixed[:, : sums.n_determined], design.penalty)
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


@dataclass(frozen=True)
class DonorFit:
    """Fit of all genes with donors as replicates; arrays are `(n_genes,)` unless stated otherwise.

    coefficients : `(n_columns, n_genes)`.
    lambda_, edf, scale : As in a fit of cells, averaged over the variances between donors.
    shift_variance, curve_variance, shared : Variances between donors (or samples) of the level and of the curve around it,
        averaged over the cells, and their fraction that the samples of one donor share.
    statistics, pvalues : By name of the test.
    converged : Whether the searches for the smoothing parameters converged.
    deviations : `(n_samples, n_random, n_genes)` predicted coefficients of the donors' (or samples') own curves.
    """

    coefficients: np.ndarray
    lambda_: np.ndarray
    edf: np.ndarray
    scale: np.ndarray
    shift_variance: np.ndarray
    curve_variance: np.ndarray
    posterior: DonorPosterior | GenePosterior
    statistics: dict[str, np.ndarray]
    pvalues: dict[str, np.ndarray]
    converged: np.ndarray
    shared: np.ndarray
    deviations: np.ndarray


@dataclass
class SharedFits:
    """Fits of genes that share their matrices, at each point of a grid of variances between donors.

    posterior : `(n_points, n_genes)` probability of each point for each gene.
    turned : Sums in independent modes, for uncorrelated samples, or `None`. Consecutive grid points with the same variance of
        curves share sums.
    """

    sums: DonorSums
    grid: VarianceGrid
    posterior: np.ndarray
    turned: TurnedSums | None
    _inner: tuple[float, WithCurves] | None = None

    def at(self, point: int, genes: np.ndarray) -> AtCovariance:
        """Return the fit of some genes at one grid point."""
        if self.turned is None:
            return at_covariance(self.sums.take(genes), self.grid.covariances[point])
        shift, curve = self.grid.variances.shift[point], self.grid.variances.curve[point]
        if self._inner is None or self._inner[0] != curve:
            self._inner = (curve, self.turned.with_curves(curve))
        return self._inner[1].take(genes).with_shift(shift)

    def tests(self, contrasts: dict[str, Contrast]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return statistics and p-values averaged over the variances, by name of the contrast."""
        statistics, pvalues = ({name: np.zeros(self.posterior.shape[1]) for name in contrasts} for _ in range(2))
        for point, probable in enumerate(self.posterior):
            genes = np.flatnonzero(probable > _IMPOSSIBLE)
            if len(genes) == 0:
                continue
            fit = self.at(point, genes)
            scale = fit.scale()
            for name, contrast in contrasts.items():
                statistic, tail = tested_at(contrast, fit, scale)
                statistics[name][genes] += probable[genes] * statistic
                pvalues[name][genes] += probable[genes] * tail
        constant = self.sums.squares[0] == 0
        for name in contrasts:
            statistics[name][constant], pvalues[name][constant] = 0.0, 1.0
            np.minimum(pvalues[name], 1.0, out=pvalues[name])
        return statistics, pvalues


def shared_fits(turned: TurnedSums, grid: VarianceGrid, abundance: np.ndarray) -> tuple[SharedFits, np.ndarray]:
    """Return the fits on a grid for uncorrelated samples, and the likelihood of genes that vary."""
    grid = grid.at(grid.variances.take(np.lexsort((grid.variances.shift, grid.variances.curve))))
    varying = np.flatnonzero(turned.sums.squares[0] > 0)
    likelihood = in_chunks(lambda genes: turned.take(genes).likelihoods(grid.variances), varying)
    return SharedFits(turned.sums, grid, posterior_of(likelihood, varying, abundance), turned), likelihood


def in_chunks(likelihoods: Callable[[np.ndarray], np.ndarray], genes: np.ndarray) -> np.ndarray:
    """Return likelihoods `(n_points, n_genes)` computed in chunks of genes; also called if there are no genes."""
    return np.hstack([likelihoods(genes[first : first + _CHUNK]) for first in range(0, max(len(genes), 1), _CHUNK)])


def posterior_of(likelihood: np.ndarray, varying: np.ndarray, abundance: np.ndarray) -> np.ndarray:
    """Return posterior probabilities of a grid `(n_points, n_genes)`; constant genes have the first grid point, 0."""
    posterior = np.zeros((len(likelihood), len(abundance)))
    posterior[0] = 1.0
    posterior[:, varying] = probabilities(likelihood, abundance=abundance[varying])[1]
    return posterior


def spectrum_of(fit: AtCovariance, penalty: np.ndarray) -> tuple[Spectrum, np.ndarray, np.ndarray]:
    """Return the spectrum of a fit and a penalty on the columns of the design, the loadings, and the modes on `T`."""
    fixed = fit.sums.fixed
    modes = diagonalise(fit.gram[0], fixed.T @ penalty @ fixed)
    spectrum = Spectrum(fixed @ modes.basis, modes.gram, modes.penalty, modes.n_unpenalized)
    return spectrum, modes.basis.T @ fit.products[0], modes.basis


def averaged(
    fits: SharedFits, tests: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
    penalties: list[tuple[np.ndarray, np.ndarray]], improbable: float, smoothing: str | float = "reml", unit: float = 1.0,
    predicts: bool = False,
) -> DonorFit:  # fmt: skip
    """Return the fits averaged over the variances, and over penalties with probabilities `(n_genes,)` of each.

    Variances of a probability below `improbable` are skipped; `unit` is the divisor of the weights, and `predicts` whether
    the donors' own curves are predicted.
    """
    sums, grid, n_genes, n_columns = fits.sums, fits.grid, fits.posterior.shape[1], len(fits.sums.fixed)
    in_level = sums.level_share(grid.shape)
    kept = np.where(fits.posterior > improbable, fits.posterior, 0.0)
    kept /= kept.sum(axis=0)
    coefficients, converged = np.zeros((n_columns, n_genes)), np.ones(n_genes, dtype=bool)
    log_lambda, edf, scale, shift_variance, curve_variance, shared = np.zeros((6, n_genes))
    predicted = np.zeros((*sums.cross.shape[1:3], n_genes))
    found: list[Any] = []
    for point, ((shift, curve, in_common), probable) in enumerate(zip(grid.variances, kept, strict=True)):
        for penalty, share in penalties:
            genes = np.flatnonzero((probable > 0) & (share > 0))
            if len(genes) == 0:
                continue
            fit, probability = fits.at(point, genes), probable[genes] * share[genes]
            fit_scale = fit.scale()[0]
            found.append((point, genes, probability, fit_scale, fit.squares[0], *spectrum_of(fit, penalty)))
            for total, values in (
                (scale, fit_scale), (shift_variance, (shift + in_level * curve) * fit_scale),
                (curve_variance, (1 - in_level) * curve * fit_scale), (shared, in_common),
            ):  # fmt: skip
                total[genes] += probability * values
    if isinstance(smoothing, str):
        squares_of, spectra, all_loadings = ([of[part] for of in found] for part in (4, 5, 6))
        searched = minimise_each(smoothing, spectra, all_loadings, squares_of, sums.n_cells)
    else:
        searched = [
            (np.full(len(of[1]), of[5].bounded(float(smoothing) / unit)), np.ones(len(of[1]), dtype=bool))
            for of in found
        ]
    mixture = []
    for (point, genes, probability, fit_scale, squares, spectrum, loadings, modes), (lambda_, ended) in zip(
        found, searched, strict=True
    ):
        precision = spectrum.gram + spectrum.penalty * lambda_
        scores = loadings / precision
        estimate = spectrum.basis @ scores
        free = None
        if smoothing == "reml" and spectrum.n_penalized:
            free = SmoothingPosterior(spectrum, loadings, squares, round(sums.n_cells))
        mixture.append((genes, probability, estimate, SharedPosterior(spectrum, lambda_, fit_scale, smoothing=free)))
        coefficients[:, genes] += probability * estimate
        log_lambda[genes] += probability * np.log(np.maximum(lambda_, 1e-300))
        edf[genes] += probability * (spectrum.gram / precision).sum(axis=0)
        converged[genes] &= ended
        if predicts:
            of_genes = deviations(sums.take(genes), grid.covariances[point], (modes @ scores)[None])
            predicted[..., genes] += probability * of_genes[0]
    parts = [
        PosteriorPart(genes, probability, estimate - coefficients[:, genes], of_genes)
        for genes, probability, estimate, of_genes in mixture
    ]
    return DonorFit(
        coefficients, np.exp(log_lambda) * unit, edf, scale, shift_variance, curve_variance,
        DonorPosterior(parts, n_columns, n_genes), *tests, converged, shared, predicted,
    )  # fmt: skip
