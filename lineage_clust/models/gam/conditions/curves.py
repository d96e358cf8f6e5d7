"""Curves of several conditions, batched over genes, from sums per sample, with donors as replicates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..donors.averages import RATIOS, weighted_ratios
from ..donors.curves import at_covariance
from ..donors.gaussian import (
    FEWEST_GENES,
    DonorFit,
    SharedFits,
    averaged,
    in_chunks,
    posterior_of,
    shared_fits,
    spectrum_of,
    warn_of_few,
)
from ..donors.prior import learn, probabilities
from ..donors.variance_grid import VarianceGrid
from ..donors.variances import Variances, grid
from ..smoothing.criteria import minimise, reml
from .significance import combine, contrasts
from .sums import ConditionSums

_IMPROBABLE = 5e-3  # variances of lower probability are skipped for curves
_SELDOM = 1e-3
# Numbers of shift and curve variances besides 0, for tests and for curves: on coarser grids tests reject too often, and bands
# are too narrow. Fewer with donors in several conditions, where each variance is combined with several shares.
_N_FINE, _N_CURVES = 15, 12
_N_PAIRED, _N_COARSE = 8, 6
_SHARES = (0.0, 0.3, 0.6, 0.8, 0.92, 1.0)  # fraction of a donor's deviation that is common to all its samples


def fit_curves(
    sums: ConditionSums, with_donors: bool, abundance: np.ndarray, unit: float = 1.0, allow: Callable | None = None
) -> DonorFit:
    """Fit all genes; `with_donors`, donors are the replicates instead of cells.

    abundance : `(n_genes,)`, along which the prior of the variances between donors varies.
    unit : Divisor of the weights in `sums`.
    allow : Function of statistics, p-values and contrasts that changes the p-values, if cells are the replicates.

    The model of a gene is ``y = f_c(t) + u_s + g_s(t) + e`` for sample `s` of condition `c`, with random level and curve of a
    sample, as in :func:`lineage_clust.models.gam.donors.gaussian.fit_donors`; those of samples of the same donor are
    correlated, with a correlation that is estimated with the variances. The curves are a mean and differences from it, each
    with a penalty; curves are averaged over a few ratios of the penalties, weighted by restricted likelihood. Tests compare
    unpenalised generalised least squares estimates with their null distribution, as in the tests of trends.
    """
    prior, is_paired = _learned(sums) if with_donors else None, sums.samples.are_paired
    of = contrasts(sums)
    tests = _fits(sums, prior, _N_PAIRED if is_paired else _N_FINE, abundance).tests(of)
    if allow is not None:
        allow(*tests, of)
    combine(*tests, of)
    constant = sums.by_sample.squares[0] == 0
    tests[0]["both"][constant], tests[1]["both"][constant] = 0.0, 1.0
    fits = _fits(sums, prior, _N_COARSE if is_paired else _N_CURVES, abundance)
    penalties = [(sums.full_penalty(ratio), share) for ratio, share in zip(RATIOS, _ratios(sums, fits), strict=True)]
    fit = averaged(fits, tests, penalties, _IMPROBABLE, unit=unit, predicts=with_donors)
    if is_paired and with_donors:
        fit = replace(fit, deviations=sums.samples.of_samples(fit.deviations[None])[0])
    return fit


def _learned(sums: ConditionSums) -> VarianceGrid:
    """Return the prior of the variances between donors, learned from all genes."""
    varying = np.flatnonzero(sums.by_sample.squares[0] > 0)
    if 0 < len(varying) < FEWEST_GENES:
        warn_of_few(len(varying), of_trends=False)
    return learn(sums.by_sample.take(varying))


def _fits(sums: ConditionSums, prior: VarianceGrid | None, n_variances: int, abundance: np.ndarray) -> SharedFits:
    """Return the fits at every point of a grid of variances between donors with the range of the prior."""
    by_sample = sums.by_sample
    if prior is None:
        none = VarianceGrid(np.zeros((by_sample.n_modes,) * 2), Variances(*np.zeros((3, 1))))
        return SharedFits(by_sample, none, np.ones((1, len(abundance))), by_sample.turn(none.shape))
    variances = grid(*(np.geomspace(axis[0], axis[-1], n_variances) for axis in prior.variances.axes))
    found, likelihood = shared_fits(by_sample.turn(prior.shape), prior.at(variances), abundance)
    if not sums.samples.are_paired:
        return found
    often = found.grid.variances.take(probabilities(likelihood)[0] > _SELDOM)
    paired, used = VarianceGrid(prior.shape, often.with_shares(_SHARES), sums.samples), sums.by_donor()
    varying = np.flatnonzero(by_sample.squares[0] > 0)
    likelihood = in_chunks(
        lambda genes: np.stack([at_covariance(used.take(genes), one).likelihood() for one in paired.covariances]),
        varying,
    )
    return SharedFits(used, paired, posterior_of(likelihood, varying, abundance), None)


def _ratios(sums: ConditionSums, fits: SharedFits) -> np.ndarray:
    """Return the probabilities `(n_ratios, n_genes)` of the ratios of penalties at the most probable variances."""
    best = fits.posterior.argmax(axis=0)
    shares = np.zeros((len(RATIOS), len(best)))
    rank = np.linalg.matrix_rank(sums.penalty) * (sums.samples.n_conditions - 1)
    for point in np.unique(best):
        genes = np.flatnonzero(best == point)
        fit, values, edf = fits.at(point, genes), [], []
        for ratio in RATIOS:
            spectrum, loadings, modes = spectrum_of(fit, sums.full_penalty(ratio))
            criterion = reml(spectrum, loadings, fit.squares[0], sums.by_sample.n_cells)
            lambda_, _ = minimise(criterion, spectrum, len(genes))
            value, _, _ = criterion(np.log(np.maximum(lambda_, 1e-300)), np.arange(len(genes)))
            # the determinant of the modes is that of the curves' coefficients up to that of the change of basis
            values.append(value - 0.5 * (np.linalg.slogdet(modes.T @ modes)[1] + rank * np.log(ratio)))
            edf.append((spectrum.gram / (spectrum.gram + spectrum.penalty * lambda_)).sum(axis=0))
        shares[:, genes] = weighted_ratios(np.stack(values), np.stack(edf))
    return shares
