"""Fits averaged over the variances between donors, for genes with matrices of their own."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..inference.posterior import LOG_LAMBDA_VARIANCE
from ..pirls.overdispersion import dispersion_at_nodes
from ..smoothing.criteria import gcv, load_compiled, minimise, reml
from ..smoothing.spectral import diagonalise_each
from .curves import AtCovariance, DonorSums, TurnedSums
from .each import EachSums, Mixture
from .significance import Contrast, tested_at
from .variance_grid import VarianceGrid
from .working import WorkingProblem, WorkingState, distance, linearised, losses_at, penalties_at, predictor

_INFORMATIVE = 0.1  # minimum information per cell of a donor, relative to the donor with most
# Variances of lower probability are skipped: for trends, and for tests.
_IMPROBABLE, _IMPOSSIBLE = 1e-2, 1e-6
_IMPROBABLE_RATIO, _SAME = 0.03, 0.05  # likelihood of skipped ratios, and differences between fits that are the same
FARTHEST, _N_SEEN = 5.0, 500  # maximum distance of an average, which is that of one step, at about as many nodes
RATIOS = (1.0, 10.0, 100.0, 1000.0)  # penalty of differences between conditions, relative to that of their mean


class Averages(NamedTuple):
    """Results of some genes as in `DonorFit`; genes are the first axis of all arrays, and the last is of penalties or tests.

    dispersion : Variance of counts relative to a Poisson distribution, where it can be estimated.
    n_informing : Number of donors (or samples) that inform the fit.
    explained : Fraction of the deviance around the mean of the trend that the trend explains.
    distance : Largest difference between the average and the end of the iterations, of linear predictors.
    """

    coefficients: np.ndarray
    covariances: np.ndarray
    lambda_: np.ndarray
    edf: np.ndarray
    scale: np.ndarray
    shift_variance: np.ndarray
    curve_variance: np.ndarray
    shared: np.ndarray
    statistics: np.ndarray
    pvalues: np.ndarray
    explained: np.ndarray
    dispersion: np.ndarray
    n_informing: np.ndarray
    distance: np.ndarray


def averaged(
    problem: WorkingProblem, state: WorkingState, grid: VarianceGrid, posterior: np.ndarray, least: np.ndarray,
    squares: np.ndarray, known: EachSums | None = None, lambda_: np.ndarray | None = None,
) -> Averages:  # fmt: skip
    """Return fits averaged over the variances between donors, given the state after the last iteration.

    posterior : `(n_points, n_genes)` probability of each point of the grid for each gene.
    least, squares : `(n_genes,)` losses of a saturated model, and weighted sums of squared values.
    known : Sums of the working models in independent modes, if known.
    lambda_ : `(n_genes, n_penalties)` smoothing parameters; `None` = estimates.

    The smoothing parameter is estimated for the linear model at the gene's mean variances. Means and covariances of the
    coefficients are those of the mixture over the variances. The model is linear only near the end of the iterations: where
    the mean is far from there, the smoothing parameter is that of the iterations.
    """
    turned: EachSums | TurnedSums | None = known
    if known is None:
        sums = linearised(problem, state)
        information, turned = sums.information, grid.turn(sums)
    else:
        sums, information = known.sums, known.information
    kept = np.where(posterior > _IMPROBABLE, posterior, 0.0)
    kept /= kept.sum(axis=0)
    mean_fit = grid.fit_of_mean(sums, kept.T, turned)
    estimates = lambda_ is None
    lambda_ = smoothing_at(problem, mean_fit, state.lambda_) if lambda_ is None else lambda_
    penalties = penalties_at(problem, sums, lambda_)
    probable, contrasts = np.where(posterior > _IMPOSSIBLE, posterior, 0.0), list(problem.contrasts.values())
    if isinstance(turned, EachSums):
        mixture = turned.averages(grid.variances, probable, kept, np.einsum("gii->gi", penalties), contrasts)
    else:
        mixture = _mixture(contrasts, sums, grid, probable, kept, penalties)
    mean, in_level = mixture.mean, sums.level_share(grid.shape)
    covariances = mixture.second - mean[:, :, None] * mean[:, None, :]
    if isinstance(problem.smoothing, str):
        covariances += moved_by_lambda(mean_fit, penalties)
        if len(problem.penalty) > 1 and estimates:
            mean, covariances = _over_ratios(problem, mean_fit, state.lambda_, mean, covariances, penalties)
    fixed, some = problem.fixed, problem.rows[:: 1 + len(problem.rows) // _N_SEEN]
    far = distance(some @ state.coefficients.T, some @ mean.T)
    if not estimates:
        mean = np.where((far > FARTHEST)[:, None], state.coefficients, mean)
    found = Averages(
        (fixed @ mean.T).T, fixed @ covariances @ fixed.T, lambda_ * problem.unit, mixture.edf, mixture.scale,
        mixture.shift + in_level * mixture.curve, (1 - in_level) * mixture.curve, grid.variances.shared @ kept,
        mixture.statistics.T, np.minimum(mixture.pvalues, 1.0).T, _explained(problem, state, mean, least),
        _dispersion(problem, state, squares), _informing(problem, information), far,
    )  # fmt: skip
    again = np.flatnonzero(~(far <= FARTHEST)) if estimates else np.zeros(0, dtype=int)
    if len(again):
        others = state.take(again), grid, posterior[:, again], least[again], squares[again]
        for old, new in zip(found, averaged(problem, *others, lambda_=state.lambda_[again]), strict=True):
            old[again] = new
    return found


def _mixture(
    contrasts: list[Contrast], sums: DonorSums, grid: VarianceGrid, probable: np.ndarray, kept: np.ndarray,
    penalties: np.ndarray,
) -> Mixture:  # fmt: skip
    """Return averages over the variances; for the arguments see :meth:`.EachSums.averages`."""
    mixture = Mixture.empty(sums.n_genes, sums.gram.shape[1], len(contrasts))
    for point, genes, fit in grid.fits(sums, probable > 0):
        share, scales = probable[point, genes], fit.scale()
        for number, contrast in enumerate(contrasts):
            statistic, pvalue = tested_at(contrast, fit, scales)
            mixture.statistics[number, genes] += share * statistic
            mixture.pvalues[number, genes] += share * pvalue
        some = np.flatnonzero(kept[point, genes])
        if len(some) == 0:
            continue
        fit, genes, scale = fit.take(some), genes[some], scales[some, 0]
        share = kept[point, genes]
        inverse = np.linalg.inv(fit.gram + penalties[genes])
        coefficients = (inverse @ fit.products)[..., 0]
        mixture.mean[genes] += share[:, None] * coefficients
        mixture.second[genes] += share[:, None, None] * (
            scale[:, None, None] * inverse + coefficients[:, :, None] * coefficients[:, None, :]
        )
        mixture.edf[genes] += share * np.einsum("gij,gji->g", inverse, fit.gram)
        mixture.scale[genes] += share * scale
        mixture.shift[genes] += share * scale * grid.variances.shift[point]
        mixture.curve[genes] += share * scale * grid.variances.curve[point]
    return mixture


def smoothing_at(problem: WorkingProblem, fits: AtCovariance, start: np.ndarray) -> np.ndarray:
    """Return smoothing parameters `(n_genes, n_penalties)` of given fits, for weights that sum to `n_cells`.

    The ratio of a second penalty, of differences, to the first is selected from `RATIOS` by its likelihood.
    """
    if not isinstance(problem.smoothing, str):
        return np.full(start.shape, float(problem.smoothing) / problem.unit)
    if not np.any(problem.penalty > 0):
        return start
    if len(problem.penalty) == 1:
        return _lambda_of(problem, fits, start, problem.penalty[0])[:, None]
    found, values = _each_ratio(problem, fits, start)
    # of practically equivalent ratios the largest: for straight lines all are equal up to rounding
    good = values <= values.min(axis=0) + 0.05
    return found[len(RATIOS) - 1 - np.argmax(good[::-1], axis=0), np.arange(fits.sums.n_genes)]


def _lambda_of(problem: WorkingProblem, fits: AtCovariance, start: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Return smoothing parameters `(n_genes,)` of one penalty with the given diagonal."""
    gram = fits.gram + penalties_at(problem, fits.sums, np.zeros(start.shape))
    cross, scale = np.ascontiguousarray(fits.products[..., 0]), fits.scale()[:, 0]
    functions = load_compiled() if problem.compiles and problem.smoothing == "reml" else None
    if functions is not None:
        log_lambda = np.log(np.maximum(start[:, 0], 1e-300))
        functions.smooth_each(
            np.ascontiguousarray(gram), cross, penalty, scale, True, True, 12, log_lambda, np.empty_like(cross)
        )
        return np.exp(log_lambda)
    spectrum = diagonalise_each(gram, np.diag(penalty), int(np.sum(penalty == 0)))
    loadings = np.einsum("gcm,gc->mg", spectrum.basis, cross)
    nothing = np.zeros(len(scale))
    if problem.smoothing == "gcv":
        known = problem.likelihood.family.known_scale
        squares = nothing if known else fits.squares[:, 0]
        criterion = gcv(spectrum, loadings, squares, problem.n_cells, known_scale=known)
    else:
        criterion = reml(spectrum, loadings / np.sqrt(scale), nothing, problem.n_cells, known_scale=True)
    return minimise(criterion, spectrum, len(scale))[0]


def _each_ratio(problem: WorkingProblem, fits: AtCovariance, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return smoothing parameters `(n_ratios, n_genes, 2)` and minus their log likelihood `(n_ratios, n_genes)`."""
    gram = fits.gram + penalties_at(problem, fits.sums, np.zeros(start.shape))
    cross, scale = fits.products[..., 0], fits.scale()[:, 0]
    found, values = [], []
    for ratio in RATIOS:
        penalty = problem.penalty[0] + ratio * problem.penalty[1]
        lambda_ = _lambda_of(problem, fits, start, penalty)
        pulled = gram + (lambda_[:, None] * penalty)[:, :, None] * np.eye(len(penalty))
        energy = np.einsum("gi,gi->g", cross, np.linalg.solve(pulled, cross[:, :, None])[..., 0]) / scale
        logs = np.log(np.maximum(lambda_[:, None] * penalty[penalty > 0], 1e-300)).sum(axis=1)
        values.append(0.5 * (np.linalg.slogdet(pulled)[1] - logs - energy))
        found.append(np.column_stack([lambda_, lambda_ * ratio]))
    return np.stack(found), np.stack(values)


def _over_ratios(
    problem: WorkingProblem, fits: AtCovariance, start: np.ndarray, mean: np.ndarray, covariances: np.ndarray,
    penalties: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return means and covariances of coefficients averaged over the ratio of the penalties, given those at the selected one.

    What the average over ratios changes is computed at the genes' mean variances.
    """

    def at(penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inverse = np.linalg.inv(fits.gram + penalties)
        within = fits.scale()[:, :1, None] * inverse + moved_by_lambda(fits, penalties)
        return (inverse @ fits.products)[..., 0], within, np.einsum("gij,gji->g", inverse, fits.gram)

    lambdas, values = _each_ratio(problem, fits, start)
    selected, within, _ = at(penalties)
    means, withins, edf = (
        np.stack(of) for of in zip(*(at(penalties_at(problem, fits.sums, one)) for one in lambdas), strict=True)
    )
    shares = weighted_ratios(values, edf)
    average = np.einsum("rg,rgi->gi", shares, means)
    away = means - average
    covariances = covariances - within + np.einsum("rg,rgij->gij", shares, withins)
    covariances += np.einsum("rg,rgi,rgj->gij", shares, away, away)
    # differences of covariances need not be positive definite
    values, turn = np.linalg.eigh(0.5 * (covariances + np.swapaxes(covariances, 1, 2)))
    covariances = (turn * np.maximum(values, 0.0)[:, None]) @ np.swapaxes(turn, 1, 2)
    return mean + average - selected, covariances


def moved_by_lambda(fits: AtCovariance, penalties: np.ndarray) -> np.ndarray:
    """Return covariances `(n_genes, n_fixed, n_fixed)` due to the estimation of lambda, a common factor of all penalties.

    See :meth:`lineage_clust.models.gam.inference.posterior.SharedPosterior.moved_by_lambda`.
    """
    inverse = np.linalg.inv(fits.gram + penalties)
    coefficients = (inverse @ fits.products)[..., 0]
    pulled = np.einsum("gij,gj->gi", penalties, coefficients)
    slope = np.einsum("gij,gj->gi", inverse, pulled)
    shrunk = inverse @ penalties
    roughness = (coefficients * pulled).sum(axis=1) - 2 * (pulled * slope).sum(axis=1)
    modes = np.einsum("gii->g", shrunk) - np.einsum("gij,gji->g", shrunk, shrunk)
    curvature = 0.5 * (roughness / fits.scale()[:, 0] + modes)
    variance = 1 / (np.maximum(curvature, 0.0) + 1 / LOG_LAMBDA_VARIANCE)
    return variance[:, None, None] * slope[:, :, None] * slope[:, None, :]


def weighted_ratios(criteria: np.ndarray, edf: np.ndarray) -> np.ndarray:
    """Return the probabilities `(n_ratios, n_genes)` of ratios of penalties, with the same prior probability.

    `criteria` are minus the log likelihoods. Of ratios with practically the same fit, as for straight lines, only the largest
    is kept.

    >>> weighted_ratios(np.array([[0.0, 3.0], [np.log(4), 3.0]]), np.array([[6.0, 4.0], [5.0, 4.0]])).round(1).tolist()
    [[0.8, 0.0], [0.2, 1.0]]
    """
    density = np.exp(criteria.min(axis=0) - criteria)
    density[density < _IMPROBABLE_RATIO] = 0.0
    same = (np.abs(np.diff(edf, axis=0)) < _SAME) & (np.abs(np.diff(criteria, axis=0)) < _SAME)
    for low, high in pairwise(range(len(density))):
        density[high, same[low]] += density[low, same[low]]
        density[low, same[low]] = 0.0
    return density / density.sum(axis=0)


def _dispersion(problem: WorkingProblem, state: WorkingState, squares: np.ndarray) -> np.ndarray:
    nodes, likelihood = problem.nodes, problem.likelihood
    if likelihood.family.name != "poisson":
        return np.zeros(len(squares))
    mu = likelihood.link.mean(predictor(problem, state.coefficients, state.deviations) + nodes.offset)
    return dispersion_at_nodes(state.sums.T, squares, mu, nodes.weights, nodes.exposed, nodes.most)


def _informing(problem: WorkingProblem, information: np.ndarray) -> np.ndarray:
    """Return the number of donors `(n_genes,)` whose cells are informative: with a log link, those that express the gene."""
    cells = np.array([problem.nodes.weights[of_donor].sum() for of_donor in problem.nodes.of_donors])
    told = information / cells
    return np.sum(told > _INFORMATIVE * told.max(axis=1, keepdims=True), axis=1)


def _explained(problem: WorkingProblem, state: WorkingState, coefficients: np.ndarray, least) -> np.ndarray:
    """Return the fraction of the deviance around the mean of the trend that the trend explains, at least 0."""
    losses = losses_at(problem, state, coefficients)
    deviance = losses[1] - least
    explained = np.divide(losses[1] - losses[0], deviance, out=np.zeros_like(deviance), where=deviance > 0)
    return np.maximum(explained, 0.0)
