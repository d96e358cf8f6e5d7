"""Curves of several conditions, batched over genes, from sums per sample, with donors as replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ....errors import warn
from ....utils.combining import cauchy_combination
from ..donors.averages import RATIOS, weighted_ratios
from ..donors.covariance import at_covariance, deviations
from ..donors.curves import AtCovariance, DonorSums, TurnedSums, WithCurves
from ..donors.gaussian import FEWEST_GENES
from ..donors.posterior import DonorPosterior, PosteriorPart
from ..donors.prior import DonorPrior, grid, learn, probabilities
from ..donors.significance import tested_at
from ..inference.gene_posterior import GenePosterior
from ..inference.posterior import SharedPosterior
from ..smoothing.criteria import minimise, minimise_each, reml
from ..smoothing.posterior import SmoothingPosterior
from ..smoothing.spectral import Spectrum, diagonalise
from .significance import TESTS, contrasts
from .sums import ConditionSums

_CHUNK = 1024  # genes per chunk
_IMPROBABLE, _IMPOSSIBLE = 5e-3, 1e-6  # variances of lower probability are skipped: for curves, and for tests
_SELDOM = 1e-3
# Numbers of shift and curve variances besides 0, for tests and for curves: on coarser grids tests reject too often, and bands
# are too narrow. Fewer with donors in several conditions, where each variance is combined with several shares.
_N_FINE, _N_CURVES = 15, 12
_N_PAIRED, _N_COARSE = 8, 6
_SHARES = (0.0, 0.3, 0.6, 0.8, 0.92, 1.0)  # fraction of a donor's deviation that is common to all its samples


@dataclass(frozen=True)
class ConditionCurves:
    """Coefficients of mean, differences and covariates, and the tests; arrays are `(n_genes,)` unless stated otherwise.

    coefficients : `(n_columns, n_genes)`.
    posterior : Posterior of the coefficients.
    statistics, pvalues : By test: "level", "shape" and "both".
    edf : Effective degrees of freedom, summed over all curves.
    scale : Residual variance.
    shift_variance, curve_variance : Variances between samples: of the level, and of the curve around it.
    shared : Fraction of these variances that the samples of one donor share.
    converged : Whether the searches for the smoothing parameters converged.
    own_of_samples : `(n_samples, n_random, n_genes)` predicted coefficients of the samples' own curves.
    """

    coefficients: np.ndarray
    posterior: DonorPosterior | GenePosterior
    statistics: dict[str, np.ndarray]
    pvalues: dict[str, np.ndarray]
    edf: np.ndarray
    scale: np.ndarray
    shift_variance: np.ndarray
    curve_variance: np.ndarray
    shared: np.ndarray
    converged: np.ndarray
    own_of_samples: np.ndarray


@dataclass
class _Sizes:
    """Grid of variances between donors, and the posterior probability of each for each gene, `(n_sizes, n_genes)`.

    Consecutive grid points with the same curve variance share sums; if samples of a donor are correlated, a covariance
    matrix per grid point is used instead.
    """

    sums: DonorSums
    values: np.ndarray  # (n_sizes, 3): shifts, curves, shared
    covariances: list[np.ndarray]
    posterior: np.ndarray
    turned: TurnedSums | None  # for uncorrelated samples
    _inner: tuple[float, WithCurves] | None = None

    def at(self, number: int, genes: np.ndarray) -> AtCovariance:
        """Return the fit of some genes at one grid point."""
        if self.turned is None:
            return at_covariance(self.sums.take(genes), self.covariances[number])
        shift, curve, _ = self.values[number]
        if self._inner is None or self._inner[0] != curve:
            self._inner = (curve, self.turned.with_curves(curve))
        return self._inner[1].take(genes).with_shift(shift)


def fit_curves(sums: ConditionSums, with_donors: bool, abundance: np.ndarray) -> ConditionCurves:
    """Fit all genes.

    sums : Sums over all cells.
    with_donors : Whether donors are the replicates instead of cells.
    abundance : `(n_genes,)`, along which the prior of the variances between donors varies.

    The model of a gene is ``y = f_c(t) + u_s + g_s(t) + e`` for sample `s` of condition `c`. The level and curve of a
    sample are random effects, as in :func:`lineage_clust.models.gam.donors.gaussian.fit_donors`; those of samples of the same
    donor are correlated, with a correlation that is estimated with the variances. The curves are a mean and differences
    from it, each with a penalty; curves are averaged over a few ratios of the penalties, weighted by restricted
    likelihood.
    Tests compare unpenalised generalised least squares estimates with their null distribution, as in the tests of
    trends.
    """
    prior = _learned(sums) if with_donors else None
    n_genes, n_columns = sums.by_sample.n_genes, len(sums.by_sample.fixed)
    statistics, pvalues = _tested(sums, _sizes(sums, prior, _N_PAIRED if sums.arms.is_paired else _N_FINE, abundance))
    sizes = _sizes(sums, prior, _N_COARSE if sums.arms.is_paired else _N_CURVES, abundance)
    coefficients, converged = np.zeros((n_columns, n_genes)), np.ones(n_genes, dtype=bool)
    edf, scale, shift, curve, shared = np.zeros((5, n_genes))
    own_curves = np.zeros((*sizes.sums.cross.shape[1:3], n_genes))
    of_ratios = _ratios(sums, sizes)
    kept = np.where(sizes.posterior > _IMPROBABLE, sizes.posterior, 0.0)
    kept /= kept.sum(axis=0)
    in_level = 0.0 if prior is None else sums.by_sample.level_share(prior.shape)
    found: list[Any] = []
    for number, (size, probable) in enumerate(zip(sizes.values, kept, strict=True)):
        for ratio, share in zip(RATIOS, of_ratios, strict=True):
            genes = np.flatnonzero((probable > 0) & (share > 0))
            if len(genes) == 0:
                continue
            fit, own = sizes.at(number, genes), probable[genes] * share[genes]
            fit_scale = fit.scale()[0]
            found.append((number, genes, own, fit_scale, fit.squares[0], *_spectrum(sums, fit, ratio)))
            for total, values in (
                (scale, fit_scale), (shift, (size[0] + in_level * size[1]) * fit_scale),
                (curve, (1 - in_level) * size[1] * fit_scale), (shared, size[2]),
            ):  # fmt: skip
                total[genes] += own * values
    all_squares, spectra, all_loadings = ([of[part] for of in found] for part in (4, 5, 6))
    searched = minimise_each("reml", spectra, all_loadings, all_squares, sums.by_sample.n_cells)
    mixture = []
    for (number, genes, own, fit_scale, squares, spectrum, loadings, modes), (lambda_, ended) in zip(
        found, searched, strict=True
    ):
        precision = spectrum.gram + spectrum.penalty * lambda_
        scores = loadings / precision
        estimate = spectrum.basis @ scores
        free = (
            SmoothingPosterior(spectrum, loadings, squares, round(sums.by_sample.n_cells))
            if spectrum.n_penalized
            else None
        )
        mixture.append((genes, own, estimate, SharedPosterior(spectrum, lambda_, fit_scale, smoothing=free)))
        coefficients[:, genes] += own * estimate
        edf[genes] += own * (spectrum.gram / precision).sum(axis=0)
        converged[genes] &= ended
        if with_donors:
            predicted = deviations(sizes.sums.take(genes), sizes.covariances[number], (modes @ scores)[None])
            own_curves[..., genes] += own * predicted[0]
    parts = [
        PosteriorPart(genes, own, estimate - coefficients[:, genes], of_genes)
        for genes, own, estimate, of_genes in mixture
    ]
    constant = sums.by_sample.squares[0] == 0
    for name in TESTS:
        statistics[name][constant], pvalues[name][constant] = 0.0, 1.0
        np.minimum(pvalues[name], 1.0, out=pvalues[name])
    posterior = DonorPosterior(parts, n_columns, n_genes)
    return ConditionCurves(
        coefficients, posterior, statistics, pvalues, edf, scale, shift, curve, shared, converged,
        sums.arms.pairs.parted(own_curves[None])[0] if sums.arms.is_paired and with_donors else own_curves,
    )  # fmt: skip


def _tested(sums: ConditionSums, sizes: _Sizes) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return statistics and p-values of the tests, averaged over the variances."""
    n_genes, of_tests = sizes.posterior.shape[1], contrasts(sums)
    statistics, pvalues = ({name: np.zeros(n_genes) for name in of_tests} for _ in range(2))
    for number, probable in enumerate(sizes.posterior):
        genes = np.flatnonzero(probable > _IMPOSSIBLE)
        if len(genes) == 0:
            continue
        fit = sizes.at(number, genes)
        scale = fit.scale()
        for name, contrast in of_tests.items():
            statistic, tail = tested_at(contrast, fit, scale)
            statistics[name][genes] += probable[genes] * statistic
            pvalues[name][genes] += probable[genes] * tail
    statistics["both"], pvalues["both"] = cauchy_combination(np.stack([pvalues["level"], pvalues["shape"]]))
    return statistics, pvalues


def _learned(sums: ConditionSums) -> DonorPrior:
    """Return the prior of the variances between donors, learned from all genes."""
    varying = np.flatnonzero(sums.by_sample.squares[0] > 0)
    if 0 < len(varying) < FEWEST_GENES:
        warn(
            f"The variation between donors is estimated from all genes that are compared together, and {len(varying)} are "
            f"too few for a good estimate: p-values may be too small. Compare at least {FEWEST_GENES} genes."
        )
    return learn(sums.by_sample.take(varying))


def _sizes(sums: ConditionSums, prior: DonorPrior | None, n_sizes: int, abundance: np.ndarray) -> _Sizes:
    """Return a grid of variances between donors, and the posterior probability of each for each gene."""
    by_sample, squares = sums.by_sample, sums.by_sample.squares[0]
    if prior is None:
        none = np.zeros((by_sample.random.shape[1],) * 2)
        turned = by_sample.turned(none[1:, 1:])
        return _Sizes(by_sample, np.zeros((1, 3)), [none], np.ones((1, len(squares))), turned)
    varying = np.flatnonzero(squares > 0)
    axes = [np.unique(sizes[sizes > 0]) for sizes in prior.sizes.T]
    sizes = grid(*(np.geomspace(axis[0], axis[-1], n_sizes) for axis in axes))
    sizes = sizes[np.lexsort(sizes.T)]  # by curve variance
    values = np.column_stack([sizes, np.zeros(len(sizes))])
    covariances = [by_sample.covariance(prior.shape, *size) for size in sizes]
    used, turned = by_sample, by_sample.turned(prior.shape)
    likelihood = _in_chunks(lambda genes: turned.take(genes).likelihoods(sizes), varying)
    if sums.arms.is_paired:
        often = sizes[probabilities(likelihood)[0] > _SELDOM]
        used = sums.by_donor()
        some = [(*size, share) for size, share in product(often[often.any(axis=1)], _SHARES)]
        values = np.array([(0.0, 0.0, 0.0), *some])
        covariances = [
            sums.arms.pairs.covariance(by_sample.covariance(prior.shape, shift, curve), share)
            for shift, curve, share in values
        ]
        likelihood = _in_chunks(
            lambda genes: np.stack([at_covariance(used.take(genes), matrix).likelihood() for matrix in covariances]),
            varying,
        )
    posterior = np.zeros((len(values), len(squares)))
    posterior[0] = 1.0
    posterior[:, varying] = probabilities(likelihood, abundance=abundance[varying])[1]
    return _Sizes(used, values, covariances, posterior, None if sums.arms.is_paired else turned)


def _in_chunks(likelihoods: Callable[[np.ndarray], np.ndarray], genes: np.ndarray) -> np.ndarray:
    """Return likelihoods `(n_sizes, n_genes)` computed in chunks of genes; also called if there are no genes."""
    return np.hstack([likelihoods(genes[first : first + _CHUNK]) for first in range(0, max(len(genes), 1), _CHUNK)])


def _ratios(sums: ConditionSums, sizes: _Sizes) -> np.ndarray:
    """Return the probabilities `(n_ratios, n_genes)` of the ratios of penalties at the most probable variances."""
    best = sizes.posterior.argmax(axis=0)
    shares = np.zeros((len(RATIOS), len(best)))
    rank = np.linalg.matrix_rank(sums.penalty) * (sums.arms.n_conditions - 1)
    for number in np.unique(best):
        genes = np.flatnonzero(best == number)
        fit, values, edf = sizes.at(number, genes), [], []
        for ratio in RATIOS:
            spectrum, loadings, modes = _spectrum(sums, fit, ratio)
            criterion = reml(spectrum, loadings, fit.squares[0], sums.by_sample.n_cells)
            lambda_, _ = minimise(criterion, spectrum, len(genes))
            value, _, _ = criterion(np.log(np.maximum(lambda_, 1e-300)), np.arange(len(genes)))
            # the determinant of the modes is that of the curves' coefficients up to that of the change of basis
            values.append(value - 0.5 * (np.linalg.slogdet(modes.T @ modes)[1] + rank * np.log(ratio)))
            edf.append((spectrum.gram / (spectrum.gram + spectrum.penalty * lambda_)).sum(axis=0))
        shares[:, genes] = weighted_ratios(np.stack(values), np.stack(edf))
    return shares


def _spectrum(sums: ConditionSums, fit: AtCovariance, ratio: float) -> tuple[Spectrum, np.ndarray, np.ndarray]:
    fixed = fit.sums.fixed
    modes = diagonalise(fit.gram[0], fixed.T @ sums.full_penalty(ratio) @ fixed)
    spectrum = Spectrum(fixed @ modes.basis, modes.gram, modes.penalty, modes.n_unpenalized)
    return spectrum, modes.basis.T @ fit.products[0], modes.basis
