"""Penalised quasi-likelihood iterations of non-Gaussian families with donors as replicates, in chunks of genes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ....expression.counts import bins
from ....expression.counts.table import Table
from ..estimates import GeneEstimates
from ..inference.posterior import GenePosterior
from ..pirls.problem import Cells
from ..pirls.runs import each_piece
from ..pirls.size import Histogram, shrink
from .averages import FARTHEST, Averages, averaged, smoothing_at
from .each import EachSums
from .gaussian import FEWEST_GENES, DonorFit, warn_of_few
from .nodes import DonorNodes
from .prior import LARGEST, learn, probabilities, spread, usual_shape
from .variance_grid import VarianceGrid
from .variances import Variances
from .working import LONG, WorkingProblem, WorkingState, iterate, linearised

N_COLUMNS = 14  # number of smoothest columns of a population curve in likelihoods and tests
STILL = 5e-3  # maximum change of a linear predictor at convergence
_N_LEARNING = 200  # genes
_CHUNK_VALUES = 400_000  # values at the nodes per chunk
_MOST_KEPT = 200e6  # bytes of sums that are kept from the last iteration, instead of computed again
_USUAL = 0.1  # initial variance of donors' levels and curves
_FIRST, _MOST = 3, 25  # maximum number of iterations before and after estimation of smoothing parameters and variances
_STIFFER, _MOST_RESTARTS = 100.0, 8  # factor of smoothing parameters
# Ranges of a linear predictor, at about as many nodes: of a start, and beyond ratios of counts
_STEEP, _ABSURD, _N_SEEN = 20.0, 50.0, 500
_STIFF, _PRIOR_COUNT = 1e6, 0.5
_SELDOM = 1e-3
_SHARES = (0.0, 0.5, 0.8, 0.95)  # fraction of a donor's deviation that is common to all its samples


@dataclass(frozen=True)
class Start:
    """Start of the iterations.

    fit : Fit of the cells, with coefficients from which the iterations start.
    levels : `(n_coefficients, n_genes)` constant curves.
    needs_prior : Whether half a count is added to each gene, see :func:`prior_counts`.
    """

    fit: GeneEstimates
    levels: np.ndarray
    needs_prior: np.ndarray


def start_of(cells: Cells, nodes: DonorNodes, table: Table, result: GeneEstimates) -> Start:
    """Return the Start, given a fit of the cells without donors.

    A steep curve, as between the few cells that express a gene, is replaced by a constant: where the mean is almost 0, there
    is no information from which to compute a step.
    """
    constant, coefficients = cells.design.constant, result.coefficients
    mean = cells.likelihood.link.predictor(table.statistics[:, bins.SUM] / nodes.total)
    levels = np.outer(np.zeros(len(coefficients)) if constant is None else constant, mean)
    some = nodes.rows[:: 1 + len(nodes.rows) // _N_SEEN]
    steep = np.ptp(some @ coefficients, axis=0) > _STEEP
    fit = replace(
        result, coefficients=np.where(steep, levels, coefficients), lambda_=np.where(steep, _STIFF, result.lambda_),
        converged=result.converged | steep,
    )  # fmt: skip
    return Start(fit, levels, steep)


def prior_counts(problem: WorkingProblem) -> tuple[np.ndarray, np.ndarray] | None:
    """Return factors and summands `(n_nodes,)` of sums that keep every mean inside its range, for families of counts.

    Half a count is spread over the cells of each donor; with a binomial family, half a success in one cell.
    """
    family, nodes = problem.likelihood.family.name, problem.nodes
    if family not in ("poisson", "negative_binomial", "binomial"):
        return None
    share = (nodes.weights * np.exp(nodes.offset if problem.likelihood.link.name == "log" else 0.0))[:, 0]
    kept, added = np.ones_like(share), np.zeros_like(share)
    for of_donor in nodes.of_donors:
        if family == "binomial":
            kept[of_donor] = 1 - min(problem.unit / nodes.weights[of_donor].sum(), 1.0)
            added[of_donor] = 0.5 * (1 - kept[of_donor]) * nodes.weights[of_donor, 0]
        else:
            added[of_donor] = _PRIOR_COUNT * problem.unit * share[of_donor] / share[of_donor].sum()
    return kept, added


@dataclass(frozen=True)
class Ended:
    """Final state of all genes that could be fitted.

    genes : Positions `(n,)` of these genes.
    tests : Names of the tests.
    states, parts : One per chunk of genes.
    """

    genes: np.ndarray
    tests: list[str]
    states: list[WorkingState]
    parts: list[Averages]

    def of(self, name: str) -> np.ndarray:
        """Return an attribute of all parts, `(n, ...)`."""
        return np.concatenate([getattr(part, name) for part in self.parts])

    def fit(self, n_genes: int, converged: np.ndarray, empty: float = np.nan) -> DonorFit:
        """Return the results of all genes; `empty` is the covariance of genes that were not fitted."""

        def of_all(values: np.ndarray, empty: float = np.nan) -> np.ndarray:
            found = np.full((n_genes, *values.shape[1:]), empty)
            found[self.genes] = values
            return found

        names = "edf", "scale", "shift_variance", "curve_variance", "shared"
        statistics, pvalues = (
            dict(zip(self.tests, of_all(self.of(kind)).T, strict=True)) for kind in ("statistics", "pvalues")
        )
        converged = converged.copy()
        converged[self.genes] &= np.concatenate([state.moved for state in self.states]) <= STILL
        converged[self.genes] &= self.of("distance") <= FARTHEST
        deviations = of_all(np.concatenate([state.deviations for state in self.states]), 0.0)
        return DonorFit(
            of_all(self.of("coefficients")).T, posterior=GenePosterior(of_all(self.of("covariances"), empty)),
            lambda_=of_all(self.of("lambda_")[:, 0]), statistics=statistics, pvalues=pvalues, converged=converged,
            deviations=np.moveaxis(deviations, 0, -1), **{name: of_all(self.of(name)) for name in names},
        )  # fmt: skip


class WorkingRuns:
    """Iterative fits of genes with donors as replicates, from sums of expression over the nodes.

    `with_donors` is whether donors vary; otherwise cells are the replicates.
    """

    def __init__(
        self, problem: WorkingProblem, table: Table, start: Start, with_donors: bool = True, n_jobs: int | None = None
    ):
        self.problem, self.table, self.start, self.with_donors = problem, table, start, with_donors
        self.n_jobs = n_jobs
        self.nodes, likelihood, self.prior = problem.nodes, problem.likelihood, prior_counts(problem)
        self.to_fixed = np.linalg.pinv(problem.fixed)
        self.estimates_size = likelihood.estimates_size
        self.counts = table.statistics[:, bins.N_NOT_COUNTS] == 0  # theta of the others is that of the fit to cells

    def run(self) -> Ended:
        """Fit all genes."""
        usable = np.isfinite(self.start.fit.coefficients).all(axis=0) & (self.table.extremes[:, bins.MOST] > 0)
        usable[list(self.start.fit.failed)] = False
        genes = np.flatnonzero(usable)
        if len(genes) < FEWEST_GENES and self.with_donors:
            warn_of_few(len(genes), of_trends="trend" in self.problem.contrasts)
        grid, coarse, prior = self._learned(genes)
        step = int(np.clip(_CHUNK_VALUES // len(self.nodes.rows), 16, 256))
        chunks = [genes[first : first + step] for first in range(0, len(genes), step)]
        kept, likelihood, turned_sums, left = [], [], [], _MOST_KEPT
        for state, found, turned in self._each(partial(self._settled, grid=grid, coarse=coarse, prior=prior), chunks):
            likelihood.append(found)
            left -= 0 if turned is None else turned.n_bytes + state.sums.nbytes
            keeps = turned is not None and left > 0 and not self.shrinks
            turned_sums.append(turned if keeps else None)
            sums, squares = (state.sums, state.squares) if keeps else (np.empty(0), None)
            kept.append(replace(state, sums=sums, squares=squares, histogram=None))
        abundance = np.log(self.table.statistics[genes, bins.SUM] / self.nodes.total)
        posterior = probabilities(np.concatenate(likelihood, axis=1), abundance=abundance)[1]
        self._shrink(kept, chunks)

        def average(number: int) -> Averages:
            chunk, state, turned = chunks[number], kept[number], turned_sums[number]
            if turned is None:
                state.sums, state.squares = self._sums(chunk)
            least, squares = self._least(chunk, state), self.table.statistics[chunk, bins.SQUARES]
            of_chunk = posterior[:, number * step : number * step + len(chunk)]
            return averaged(self.problem, state, grid, of_chunk, least, squares, turned)

        return Ended(genes, list(self.problem.contrasts), kept, self._each(average, range(len(chunks))))

    def _each(self, function: Callable, pieces: Sequence) -> list:
        """Return the results of a function for each piece, computed in threads."""
        quiet = np.errstate(**np.geterr())(function)  # other threads have settings of their own
        return each_piece(quiet, pieces, self.n_jobs, self.problem.functions is not None)

    def begin(self, genes: np.ndarray) -> WorkingState:
        """Return the initial state of some genes: the fit to cells, without variation between donors."""
        sums, squares = self._sums(genes)
        start, problem = self.start.fit, self.problem
        theta = np.ones(len(genes)) if start.theta is None else start.theta[genes]
        histogram = None
        if self.estimates_size and self.counts[genes].all():
            histogram = Histogram.of(self.table.histogram[genes])
        coefficients = np.ascontiguousarray((self.to_fixed @ start.coefficients[:, genes]).T)
        deviations = np.zeros((len(genes), len(self.nodes.of_donors), problem.random.shape[1]))
        lambda_ = np.tile(start.lambda_[genes, None] / problem.unit, len(problem.penalty))
        return WorkingState(
            sums, squares, coefficients, deviations, theta.copy(), np.zeros(len(genes)), lambda_, histogram,
            np.full(len(genes), np.inf),
        )  # fmt: skip

    def _sums(self, genes: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        order = self.nodes.order
        squares = self.table.squares[genes].take(order, axis=1) if len(self.table.squares) else None
        sums = self.table.sums[genes].take(order, axis=1)
        if self.prior is not None:
            some = np.flatnonzero(self.start.needs_prior[genes])
            sums[some] = self.prior[0] * sums[some] + self.prior[1]
        return sums, squares

    def _least(self, genes: np.ndarray, state: WorkingState) -> np.ndarray:
        """Return the losses `(n_genes,)` of a saturated model."""
        if self.problem.likelihood.family.name == "negative_binomial":
            return Histogram.of(self.table.histogram[genes]).least_loss(state.theta, self.nodes.total)
        statistics = self.table.statistics[genes]
        return statistics[:, bins.LEAST_LOSS] + 2 * statistics[:, bins.OFFSET_SUM] * self.nodes.adds_exposures

    def _learned(self, genes: np.ndarray) -> tuple[VarianceGrid, VarianceGrid, np.ndarray]:
        """Return a fine and a coarse grid of variances, estimated from some genes, and the prior of the latter."""
        usual, samples = usual_shape(self.problem.random.shape[1] - 1), self.problem.samples
        if not self.with_donors:
            none = VarianceGrid(usual, Variances(*np.zeros((3, 1))))
            return none, none, np.ones(1)
        statistics = self.table.statistics[genes]
        by = statistics[:, bins.SUM], statistics[:, bins.SQUARES], self.start.fit.lambda_[genes]
        some = genes[spread(_N_LEARNING, *by)]
        state = self.begin(some)
        # the scale of a constant gene is almost 0
        variance = np.minimum(_USUAL / self.start.fit.scale[some], LARGEST)
        of_genes = VarianceGrid(usual, Variances(variance, variance, np.full(len(some), 0.5)), samples)
        covariances, typical = of_genes.covariances, of_genes.at(of_genes.variances.mean())
        iterate(self.problem, state, covariances, _FIRST, STILL)
        mean_fit = typical.fit_of_mean(linearised(self.problem, state), np.ones((len(some), 1)))
        state.lambda_ = smoothing_at(self.problem, mean_fit, state.lambda_)
        self._iterate(some, state, covariances)
        sums = linearised(self.problem, state)
        # sums of squares that are interpolated may be negative
        good = np.flatnonzero((state.moved <= LONG) & ((sums.squares[:, 0] > 0) | sums.known_scale))
        sums = sums.take(good) if 0 < len(good) < len(some) else sums
        grid = learn(sums)
        if samples is None:
            coarse = grid.at(grid.variances.every_second())
            fine = grid.at(grid.variances.for_tests())
            return fine, coarse, probabilities(coarse.likelihoods(sums))[0]
        often = grid.variances.take(probabilities(grid.likelihoods(sums))[0] > _SELDOM)
        grid = VarianceGrid(grid.shape, often.with_shares(_SHARES), samples)
        prior = probabilities(grid.likelihoods(sums))[0]
        common = prior > 0.1 * _SELDOM
        grid, prior = grid.at(grid.variances.take(common)), prior[common]
        return grid, grid, prior / prior.sum()

    def _settled(
        self, genes: np.ndarray, grid: VarianceGrid, coarse: VarianceGrid, prior: np.ndarray
    ) -> tuple[WorkingState, np.ndarray, EachSums | None]:
        """Iterate, and return the state, likelihoods of the points of the grid, and sums that take long to compute."""
        problem, state = self.problem, self.begin(genes)
        iterate(problem, state, coarse.mean_covariance(np.tile(prior, (len(state.theta), 1))), _FIRST, STILL)
        sums = linearised(problem, state)
        turned = coarse.turn(sums)
        found = coarse.likelihoods(sums, turned)
        density = np.exp(found - found.max(axis=0)) * prior[:, None]
        share = (density / density.sum(axis=0)).T
        state.lambda_ = smoothing_at(problem, coarse.fit_of_mean(sums, share, turned), state.lambda_)
        self._iterate(genes, state, coarse.mean_covariance(share))
        sums = linearised(problem, state)
        turned = grid.turn(sums)
        return state, grid.likelihoods(sums, turned), turned if isinstance(turned, EachSums) else None

    def _iterate(self, genes: np.ndarray, state: WorkingState, covariances: np.ndarray) -> None:
        """Iterate until the genes do not move.

        Those far from that, as happens if the smoothing parameter is hardly larger than 0, start again from a constant with
        a larger one.
        """
        iterate(self.problem, state, covariances, _MOST, STILL)
        rows = self.problem.rows[:: 1 + len(self.problem.rows) // _N_SEEN]
        for _ in range(_MOST_RESTARTS):
            absurd = np.ptp(rows @ state.coefficients.T, axis=0) > _ABSURD
            lost = np.flatnonzero(absurd | ~(state.moved <= LONG))
            if len(lost) == 0:
                return
            again = self.begin(genes[lost])
            again.coefficients = np.ascontiguousarray((self.to_fixed @ self.start.levels[:, genes[lost]]).T)
            again.lambda_ = state.lambda_[lost] * _STIFFER
            iterate(self.problem, again, covariances[lost], _MOST, STILL)
            state.put(lost, again)

    @property
    def shrinks(self) -> bool:
        """Whether sizes of the negative binomial are changed after the iterations."""
        return self.estimates_size and self.problem.likelihood.dispersion == "shrunk"

    def _shrink(self, states: list[WorkingState], chunks: list[np.ndarray]) -> None:
        """Shrink sizes of the negative binomial towards their trend over the means, if requested."""
        if not self.shrinks:
            return
        theta = np.concatenate([state.theta for state in states])
        information = np.concatenate([state.information for state in states])
        means = self.table.statistics[np.concatenate(chunks), bins.SUM] / self.nodes.total
        theta, done = shrink(theta, information, means), 0
        for state in states:
            state.theta = theta[done : done + len(state.theta)]
            done += len(state.theta)
