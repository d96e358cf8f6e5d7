"""Families other than the Gaussian with donors as replicates: random curves of donors on the scale of the link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...expression.count_table import Table
from .counted import Histogram
from .design import Design, effect_map
from .dispersion import shrink
from .donors import FEWEST_GENES, DonorFit, warn_of_few
from .donors_averages import Averages, averaged, smoothing_at
from .donors_curves import bases
from .donors_nodes import DonorNodes, tabulated
from .donors_prior import DonorPrior, learn, probabilities, usual_shape
from .donors_tests import contrast_of
from .donors_working import WorkingProblem, WorkingState, iterate, linearised, predictor
from .gaussian import FitResult
from .grid import bands_of
from .pirls import Likelihood
from .posterior import GenePosterior
from .spectral import diagonalise

_N_LEARNING = 200  # genes
_N_COLUMNS = 14  # smoothest ones of the population curve, in likelihoods and tests
_CHUNK_VALUES = 400_000  # at the nodes at a time
_USUAL = 0.1  # variance of donors' levels and curves with which the iterations begin
_FIRST, _MOST = 3, 25  # iterations before smoothing parameters and sizes are the gene's own, and after
_STILL = 5e-3  # change of a linear predictor in the last iteration


def fit_glm_donors(
    design: Design, Y, weights: np.ndarray, offset, groups: np.ndarray, likelihood: Likelihood, smoothing,
    covariance: str, result: FitResult, tolerance: float,
) -> FitResult:  # fmt: skip
    """Return the result of a fit to cells with all that replicates bear upon from a fit to donors.

    Parameters
    ----------
    design
        Of the cells.
    Y
        `(n_cells, n_genes)` expression.
    weights
        `(n_cells,)`, positive.
    offset
        `(n_cells,)` or `None`.
    groups
        `(n_cells,)` numbers of the donors, from 0, each of which has cells.
    likelihood
        Family, link and dispersion.
    smoothing, covariance, tolerance
        Of :class:`lineage_clust.models.GAM`.
    result
        Of the fit to cells: where the iterations begin.

    Notes
    -----
    The model is that of :func:`lineage_clust.models.gam.donors.fit_donors` for the linear predictor: ``eta = f(t) + b_d +
    g_d(t) + offset``. At the means that present curves of the donors give, score and information of the likelihood are those
    of a linear model, to which the same machinery applies (penalised quasi-likelihood [1]_, as in ``glmmPQL`` and mgcv's
    ``gamm``), with matrices that each gene has of its own. The trend is that of a donor of median expression: on the scale of
    the response, the mean over donors is larger under a log link.

    References
    ----------
    .. [1] Breslow & Clayton (1993). Approximate inference in generalized linear mixed models. JASA 88, 9-25.
    """
    nodes, table = tabulated(design, Y, weights, offset, groups, likelihood, tolerance)
    fit = GlmDonors(design, weights, likelihood, smoothing, covariance, result, nodes, table)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        return fit.run()


class GlmDonors:
    """Fits of genes with donors as replicates, a few genes at a time; arguments as of :func:`fit_glm_donors`."""

    def __init__(
        self, design: Design, weights, likelihood: Likelihood, smoothing, covariance: str, result: FitResult,
        nodes: DonorNodes, table: Table,
    ):  # fmt: skip
        self.design, self.smoothing, self.result, self.nodes, self.table = design, smoothing, result, nodes, table
        unit = 1.0 if covariance == "bayes" else np.sum(weights**2) / weights.sum()
        n_cells = weights.sum() / unit
        gram = bands_of(design).gram(weights / unit)
        spectrum = diagonalise(gram, design.penalty)
        fixed, random, n_determined = bases(design, gram, spectrum, n_cells)
        penalty = np.einsum("cp,cd,dp->p", fixed, design.penalty, fixed)
        penalty[: spectrum.n_unpenalized] = 0.0
        level = np.zeros(len(gram)) if design.constant is None else design.constant
        self.problem = WorkingProblem(
            nodes, likelihood, fixed, random, nodes.rows @ fixed, nodes.rows @ random, np.maximum(penalty, 0.0), unit,
            n_cells, min(n_determined, _N_COLUMNS), level @ gram @ random[:, 1:] / n_cells,
        )  # fmt: skip
        self.contrast = contrast_of(
            effect_map(gram, *design.centring), fixed[:, : self.problem.n_determined], design.penalty
        )
        self.to_fixed = np.linalg.pinv(fixed)
        self.estimates_size = likelihood.estimates_size and likelihood.family.name == "negative_binomial"
        if likelihood.family.name == "negative_binomial":
            self.counts = table.statistics[:, 7] == 0  # others are no counts: their size stays that of cells

    def run(self) -> FitResult:
        """Return the result of all genes."""
        result = self.result
        usable = np.isfinite(result.coefficients).all(axis=0) & (self.table.extremes[:, 1] > 0)
        usable[list(result.failed)] = False
        genes = np.flatnonzero(usable)
        if len(genes) < FEWEST_GENES:
            warn_of_few(len(genes))
        prior, typical = self._learned(genes)
        step = int(np.clip(_CHUNK_VALUES // len(self.nodes.rows), 16, 256))
        chunks = [genes[first : first + step] for first in range(0, len(genes), step)]
        kept, likelihood = [], np.zeros((len(prior.sizes), len(genes)))
        done = 0
        for chunk in chunks:
            state = self.begin(chunk)
            found = self._settled(state, prior, typical)
            likelihood[:, done : done + len(chunk)] = found
            done += len(chunk)
            kept.append(replace(state, sums=None, squares=None, histogram=None, eta=None))
        posterior = probabilities(likelihood)[1]
        self._shrink(kept, chunks)
        parts, done = [], 0
        for chunk, state in zip(chunks, kept, strict=True):
            own = posterior[:, done : done + len(chunk)]
            done += len(chunk)
            state.sums, state.squares = self._sums(chunk)
            state.eta = predictor(self.problem, state.coefficients, state.own)
            least, squares = self._least(chunk, state), self.table.statistics[chunk, 1]
            parts.append(averaged(self.problem, self.contrast, state, prior, own, self.smoothing, least, squares))
        return self._put_together(genes, parts, kept, prior)

    def begin(self, genes: np.ndarray) -> WorkingState:
        """Return the state of some genes before the first iteration: the fit to cells, without differences of donors."""
        sums, squares = self._sums(genes)
        result, problem = self.result, self.problem
        theta = np.ones(len(genes)) if result.theta is None else result.theta[genes]
        histogram = None
        if self.estimates_size and self.counts[genes].all():
            histogram = Histogram.of(self.table.histogram[genes])
        coefficients = (self.to_fixed @ result.coefficients[:, genes]).T
        own = np.zeros((len(genes), len(self.nodes.donors), problem.random.shape[1]))
        return WorkingState(
            sums, squares, coefficients, own, theta.copy(), np.zeros(len(genes)), result.lambda_[genes] / problem.unit,
            histogram, np.full(len(genes), np.inf), predictor(problem, coefficients, own),
        )  # fmt: skip

    def _sums(self, genes: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        order = self.nodes.order
        squares = np.ascontiguousarray(self.table.squares[genes].T[order]) if len(self.table.squares) else None
        return np.ascontiguousarray(self.table.sums[genes].T[order]), squares

    def _least(self, genes: np.ndarray, state: WorkingState) -> np.ndarray:
        """Return the losses `(n_genes,)` of a perfect fit."""
        if self.problem.likelihood.family.name == "negative_binomial":
            return Histogram.of(self.table.histogram[genes]).least_loss(state.theta, self.nodes.total)
        statistics = self.table.statistics[genes]
        return statistics[:, 6] + 2 * statistics[:, 10] * self.nodes.adds_exposures

    def _learned(self, genes: np.ndarray) -> tuple[DonorPrior, np.ndarray]:
        """Return what some of the genes say of how donors differ, and how often every second of the sizes occurs."""
        some = genes[np.unique(np.linspace(0, len(genes) - 1, min(len(genes), _N_LEARNING)).round().astype(int))]
        state = self.begin(some)
        usual = DonorPrior(usual_shape(self.problem.random.shape[1] - 1), np.zeros((0, 2)))
        sizes = np.tile(_USUAL / self.result.scale[some, None], 2)
        self._iterate(state, usual, sizes, _FIRST)
        turned = linearised(self.problem, state).turned(usual.shape)
        state.lambda_ = smoothing_at(self.problem, turned, sizes, state.lambda_, self.smoothing)
        self._iterate(state, usual, sizes, _MOST)
        sums = linearised(self.problem, state)
        prior = learn(sums)
        rough = prior.every_second()
        return prior, probabilities(sums.turned(prior.shape).likelihoods(rough))[0]

    def _settled(self, state: WorkingState, prior: DonorPrior, share: np.ndarray) -> np.ndarray:
        """Iterate, and return the likelihood `(n_sizes, n_genes)` of the sizes; `share` is how often every second occurs."""
        rough = prior.every_second()
        self._iterate(state, prior, np.tile(share @ rough, (len(state.theta), 1)), _FIRST)
        turned = linearised(self.problem, state).turned(prior.shape)
        found = turned.likelihoods(rough)
        density = np.exp(found - found.max(axis=0)) * share[:, None]
        sizes = (density / density.sum(axis=0)).T @ rough
        state.lambda_ = smoothing_at(self.problem, turned, sizes, state.lambda_, self.smoothing)
        self._iterate(state, prior, sizes, _MOST)
        return linearised(self.problem, state).turned(prior.shape).likelihoods(prior.sizes)

    def _iterate(self, state: WorkingState, prior: DonorPrior, sizes: np.ndarray, count: int) -> None:
        covariances = np.zeros((len(sizes), *(self.problem.random.shape[1],) * 2))
        covariances[:, 0, 0] = sizes[:, 0]
        covariances[:, 1:, 1:] = sizes[:, 1, None, None] * prior.shape
        left = np.arange(len(sizes))
        for _ in range(count):
            some = state if len(left) == len(sizes) else state.take(left)
            iterate(self.problem, some, covariances[left])
            if some is not state:
                state.put(left, some)
            left = left[some.moved > _STILL]
            if len(left) == 0:
                break

    def _shrink(self, states: list[WorkingState], chunks: list[np.ndarray]) -> None:
        """Move sizes of the negative binomial towards their trend over the means, if that is asked for."""
        if not self.estimates_size or self.problem.likelihood.dispersion != "shrunk":
            return
        theta = np.concatenate([state.theta for state in states])
        information = np.concatenate([state.information for state in states])
        means = self.table.statistics[np.concatenate(chunks), 0] / self.nodes.total
        theta, done = shrink(theta, information, means), 0
        for state in states:
            state.theta = theta[done : done + len(state.theta)]
            done += len(state.theta)

    def _put_together(self, genes, parts: list[Averages], states: list[WorkingState], prior: DonorPrior) -> FitResult:
        result = self.result
        n_columns, n_genes = result.coefficients.shape

        def spread(name: str, into: np.ndarray | None = None) -> np.ndarray:
            values = np.full(n_genes, np.nan) if into is None else into.astype(float)
            values[genes] = np.concatenate([getattr(part, name) for part in parts])
            return values

        coefficients = np.full((n_columns, n_genes), np.nan)
        coefficients[:, genes] = np.concatenate([part.coefficients for part in parts], axis=1)
        matrices = np.full((n_genes, n_columns, n_columns), np.nan)
        matrices[genes] = np.concatenate([part.covariances for part in parts])
        moved, theta = (np.concatenate([getattr(state, name) for state in states]) for name in ("moved", "theta"))
        converged = result.converged.copy()
        converged[genes] &= moved <= _STILL
        statistic, pvalue = spread("statistic"), spread("pvalue")
        statistic[~converged] = pvalue[~converged] = np.nan
        sizes = None
        if result.theta is not None:
            sizes = result.theta.copy()
            sizes[genes] = theta
        donors = DonorFit(
            coefficients, spread("lambda_"), spread("edf"), spread("scale"), spread("shift_variance"),
            spread("curve_variance"), GenePosterior(matrices), statistic, pvalue, converged, prior,
        )  # fmt: skip
        return replace(
            result, coefficients=coefficients, lambda_=donors.lambda_, edf=donors.edf, scale=donors.scale,
            deviance_explained=spread("explained"), converged=converged, posterior=donors.posterior,
            tests=(statistic, pvalue), theta=sizes, donors=donors,
            dispersion=None if result.dispersion is None else np.nan_to_num(spread("dispersion")),
        )  # fmt: skip
