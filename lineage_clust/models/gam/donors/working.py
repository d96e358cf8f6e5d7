"""Working linear models of non-Gaussian families with donors as replicates, batched over genes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import ModuleType

import numpy as np

from ....expression.counts.bins import values_of_bins
from ....utils.cached import cached_property
from ....utils.compiling import compiled_module
from ..pirls.problem import Likelihood
from ..pirls.size import Histogram, size_step
from .arrays import CompiledProblem, CompiledState, arrays_of
from .curves import DonorSums, without_deviations
from .nodes import DonorNodes
from .samples import Samples
from .significance import Contrast

load_compiled = compiled_module(".compiled_working", __package__)
_WORTHWHILE = 500  # genes, which take at most two seconds longer in NumPy; the first compilation takes a minute
LONG, SLOW = 1.5, 0.5  # change of a linear predictor, also relative to the one before, from which losses are compared
HALVINGS, INCREASE = 30, 1e-9  # at most, and relative increase of a loss that is due to rounding
RIDGE = 1e-6  # relative, for deviations left from other covariances, which would be impossible with the current ones
HIGHEST_PENALTY = 1e12  # relative to the information of the cells
FARTHEST = 100.0  # largest linear predictor
DEEP = 25.0  # decrease of a linear predictor below 0 and below its maximum, beyond which its changes do not matter


@dataclass(frozen=True)
class WorkingProblem:
    """Quantities shared by all genes.

    contrasts : Tested contrasts by name.
    fixed, random : `T` and `U` as in :class:`.curves.DonorSums`, like `n_cells`, `n_determined` and `means`.
    curves : `(n_curves, n_columns, n_fixed)` columns of `T` as coefficients of the design, for each population curve
        (one, or one per condition).
    curve : `(n_donors,)` index of the population curve of each donor.
    penalty : `(n_penalties, n_fixed)` diagonals of the penalties on `T`.
    unit : Divisor of the weights, after which they sum to `n_cells`.
    samples : Samples if donors have several, which are correlated, and replace donors in all arrays.
    n_genes : Number of genes of the fit; few are fitted by NumPy, which is faster than to load or to compile loops.
    """

    nodes: DonorNodes
    likelihood: Likelihood
    smoothing: str | float
    contrasts: dict[str, Contrast]
    fixed: np.ndarray
    curves: np.ndarray
    curve: np.ndarray
    random: np.ndarray
    penalty: np.ndarray
    unit: float
    n_cells: float
    n_determined: int
    means: np.ndarray
    samples: Samples | None = None
    n_genes: int = 0

    @cached_property
    def rows(self) -> np.ndarray:
        """Design at the nodes on the columns of `T`, `(n_nodes, n_fixed)`."""
        rows, of_donors = self.nodes.rows, self.nodes.of_donors
        return np.concatenate(
            [rows[of_donor] @ self.curves[curve] for of_donor, curve in zip(of_donors, self.curve, strict=True)]
        )

    @cached_property
    def random_rows(self) -> np.ndarray:
        """Design at the nodes on the columns of `U`, `(n_nodes, n_random)`."""
        return self.nodes.rows @ self.random

    @property
    def compiles(self) -> bool:
        """Whether there are enough genes for compiled loops."""
        return self.n_genes >= _WORTHWHILE

    @property
    def functions(self) -> ModuleType | None:
        """Compiled functions, or `None` where NumPy is needed: families other than counts, no numba."""
        likelihood = self.likelihood
        counts = likelihood.link.name == "log" and likelihood.family.name in ("poisson", "negative_binomial")
        return load_compiled() if counts and self.compiles else None

    @cached_property
    def arrays(self) -> CompiledProblem:
        """Arrays for compiled functions."""
        return arrays_of(self.nodes, self.unit, self.curve, self.curves, self.random)


@dataclass
class WorkingState:
    """Current state of the fits of some genes, which are the first axis.

    sums, squares : Sums of values at the nodes, and of their squares if the scale is estimated.
    coefficients, deviations : Of the population curve, and `(n_genes, n_donors, n_random)` of the donors' deviations from it.
    theta, information : Size of the negative binomial, and the information about its logarithm.
    lambda_ : `(n_genes, n_penalties)`, in units of `penalty` and for weights that sum to `n_cells`.
    histogram : Histogram of counts if the size of the negative binomial is estimated, else `None`.
    moved : Largest change of a linear predictor in the last iteration.
    """

    sums: np.ndarray
    squares: np.ndarray | None
    coefficients: np.ndarray
    deviations: np.ndarray
    theta: np.ndarray
    information: np.ndarray
    lambda_: np.ndarray
    histogram: Histogram | None
    moved: np.ndarray

    def take(self, genes: np.ndarray) -> WorkingState:
        """Return the state of some genes."""
        parts = {}
        for field in fields(self):
            values = getattr(self, field.name)
            if values is not None:
                values = values.take(genes) if field.name == "histogram" else values[genes]
            parts[field.name] = values
        return WorkingState(**parts)

    def put(self, genes: np.ndarray, state: WorkingState) -> None:
        """Replace the state of some genes."""
        for name in ("coefficients", "deviations", "theta", "information", "lambda_", "moved"):
            getattr(self, name)[genes] = getattr(state, name)


def linearised(problem: WorkingProblem, state: WorkingState) -> DonorSums:
    """Return the sums of the working linear model of each gene.

    Score and information at the current means are those of a linear model for ``z = eta + (y - mu) / mu'`` with working
    weights ``w mu'^2 / V(mu)`` (penalised quasi-likelihood: Breslow & Clayton 1993, JASA 88, 9-25).
    """
    functions = problem.functions
    found = _sums(problem, state) if functions is None else _sums_of_counts(problem, state, functions)
    return DonorSums(
        problem.fixed, problem.random, *found, problem.n_cells, problem.n_determined, problem.means, each=True,
        compiles=problem.compiles, known_scale=problem.likelihood.family.known_scale,
    )  # fmt: skip


_Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _sums(problem: WorkingProblem, state: WorkingState) -> _Arrays:
    """Return gram, cross, donor_grams, products, donor_products and squares of DonorSums."""
    nodes, likelihood = problem.nodes, problem.likelihood
    eta, values = predictor(problem, state.coefficients, state.deviations), np.ascontiguousarray(state.sums.T)
    mu = likelihood.link.mean(eta + nodes.offset)
    slope = likelihood.link.slope(mu)
    variance = likelihood.family.variance(mu, state.theta)
    precision = slope / (variance * problem.unit)
    residual = precision * (values - nodes.weights * mu)
    # interpolation may give a node with few cells a negative weight, and the information would not be positive; the limit of
    # the iterations does not depend on it
    working = np.maximum(nodes.weights, 0.0) * precision * slope
    fitted = working * eta + residual
    n_genes, n_random, n_columns = eta.shape[1], problem.random.shape[1], len(problem.random)
    donor_grams = np.empty((n_genes, len(nodes.of_donors), n_random, n_random))
    cross = np.empty((n_genes, len(nodes.of_donors), n_random, problem.curves.shape[2]))
    products = np.empty((n_genes, len(nodes.of_donors), n_random, 1))
    total = np.zeros((len(problem.curves), n_genes, n_columns, n_columns))
    for donor, (of_donor, grouped) in enumerate(zip(nodes.of_donors, nodes.grouped, strict=True)):
        grams, curve = grouped.grams(working[of_donor]), problem.curve[donor]
        total[curve] += grams
        half = (problem.random.T @ grams.reshape(n_genes, n_columns, n_columns)).reshape(-1, n_columns)
        cross[:, donor] = (half @ problem.curves[curve]).reshape(n_genes, n_random, -1)
        donor_grams[:, donor] = (half @ problem.random).reshape(n_genes, n_random, n_random)
        products[:, donor, :, 0] = fitted[of_donor].T @ problem.random_rows[of_donor]
    squares = np.zeros((n_genes, 1))
    if state.squares is not None:
        pearson = (state.squares.T - 2 * values * mu + nodes.weights * mu**2) / (variance * problem.unit)
        squares = np.sum(eta * (working * eta + 2 * residual) + pearson, axis=0)[:, None]
    gram = sum(fixed.T @ one @ fixed for fixed, one in zip(problem.curves, total, strict=True))
    return gram, cross, donor_grams, (fitted.T @ problem.rows)[:, :, None], products, squares


def _sums_of_counts(problem: WorkingProblem, state: WorkingState, functions: ModuleType) -> _Arrays:
    """Return the same by compiled loops."""
    n_genes, n_donors = len(state.sums), len(problem.curve)
    n_fixed, n_random = problem.fixed.shape[1], problem.random.shape[1]
    gram, products = np.zeros((n_genes, n_fixed, n_fixed)), np.zeros((n_genes, n_fixed))
    cross, donor_grams, donor_products = (
        np.empty((n_genes, n_donors, n_random, *more)) for more in ((n_fixed,), (n_random,), ())
    )
    functions.sums_each(problem.arrays, _arrays(problem, state), gram, products, cross, donor_grams, donor_products)
    return gram, cross, donor_grams, products[..., None], donor_products[..., None], np.zeros((n_genes, 1))


def _arrays(problem: WorkingProblem, state: WorkingState) -> CompiledState:
    poisson = problem.likelihood.family.name == "poisson"
    theta = np.full(len(state.theta), np.inf) if poisson else state.theta
    return CompiledState(state.sums, theta, state.coefficients, state.deviations, state.information, state.moved)


def losses_at(problem: WorkingProblem, state: WorkingState, coefficients: np.ndarray) -> np.ndarray:
    """Return losses `(2, n_genes)` at population curves and at constant levels."""
    if problem.functions is not None:
        losses, arrays = np.zeros((2, len(coefficients))), _arrays(problem, state)
        problem.functions.losses_each(problem.arrays, arrays.sums, arrays.theta, coefficients, losses)
        return losses
    nodes, likelihood, eta = problem.nodes, problem.likelihood, problem.rows @ coefficients.T
    etas = eta, nodes.weights[:, 0] @ eta / nodes.weights.sum()
    means = (likelihood.link.mean(at + nodes.offset) for at in etas)
    return np.sum([likelihood.family.loss(state.sums.T, mean, state.theta, nodes.weights) for mean in means], axis=1)


def iterate(
    problem: WorkingProblem, state: WorkingState, covariances: np.ndarray, count: int = 1, still: float = 0.0
) -> None:
    """Iterate in place until the linear predictor of each gene changes by at most `still`, at most `count` times.

    `covariances` are those of a replicate's coefficients, by gene or one for all genes.
    """
    covariances = np.broadcast_to(covariances, (len(state.sums), *covariances.shape[-2:]))
    if problem.functions is not None and problem.samples is None:
        histogram = np.zeros((0, 0)), np.zeros((0, 0))
        if state.histogram is not None:
            histogram = np.ascontiguousarray(state.histogram.tails.T), state.histogram.bins
        problem.functions.iterate_each(
            problem.arrays, _arrays(problem, state), state.lambda_ @ problem.penalty, covariances,
            (*histogram, values_of_bins()), count, still,
        )  # fmt: skip
        return
    left = np.arange(len(covariances))
    state.moved = np.full(len(left), np.inf)
    for _ in range(count):
        some = state if len(left) == len(covariances) else state.take(left)
        _advance(problem, some, covariances[left])
        if some is not state:
            state.put(left, some)
        left = left[some.moved > still]
        if len(left) == 0:
            break


def _advance(problem: WorkingProblem, state: WorkingState, covariances: np.ndarray) -> None:
    """Perform one iteration in place."""
    sums = linearised(problem, state)
    sums = sums if problem.samples is None else problem.samples.joined(sums)
    of_genes = covariances[:, None]
    middle = of_genes @ np.linalg.inv(np.eye(of_genes.shape[-1]) + sums.donor_grams @ of_genes)
    found, penalties = without_deviations(sums, middle, sums.gram.shape[-1]), penalties_at(problem, sums, state.lambda_)
    coefficients = np.linalg.solve(found.gram + penalties, found.products)
    deviations = middle @ (sums.donor_products - sums.cross @ coefficients[:, None])
    coefficients, deviations = coefficients[..., 0], deviations[..., 0]
    deviations = deviations if problem.samples is None else problem.samples.of_samples(deviations)
    coefficients, deviations = coefficients - state.coefficients, deviations - state.deviations
    step, before = predictor(problem, coefficients, deviations), state.moved
    state.moved = np.maximum(step.max(axis=0), -step.min(axis=0))
    share = np.where(np.isfinite(state.moved), 1.0, np.nan)
    some = np.flatnonzero((state.moved > LONG) | (state.moved > SLOW * before))
    if len(some):
        steps = coefficients[some], deviations[some]
        diagonals = np.einsum("gii->gi", penalties[some])
        share[some], state.moved[some] = shares(problem, state.take(some), *steps, diagonals, covariances[some])
    state.coefficients = state.coefficients + share[:, None] * coefficients
    state.deviations = state.deviations + share[:, None, None] * deviations
    if state.histogram is not None:
        mu = problem.likelihood.link.mean(
            predictor(problem, state.coefficients, state.deviations) + problem.nodes.offset
        )
        sizes = size_step(state.histogram, state.sums.T, mu, problem.nodes.weights, state.theta)
        state.theta, state.information = sizes


def penalties_at(problem: WorkingProblem, sums: DonorSums, lambda_: np.ndarray) -> np.ndarray:
    """Return the penalties `(n_genes, n_fixed, n_fixed)`, with a ridge that keeps the system invertible."""
    information = np.einsum("gii->gi", sums.gram).mean(axis=1)[:, None]
    diagonal = np.minimum(lambda_ @ problem.penalty, HIGHEST_PENALTY * information) + 1e-9 * information + 1e-300
    return diagonal[:, :, None] * np.eye(diagonal.shape[1])


def predictor(problem: WorkingProblem, coefficients: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Return the linear predictor at the nodes without the offset, `(n_nodes, n_genes)`."""
    eta = problem.rows @ coefficients.T
    for donor, of_donor in enumerate(problem.nodes.of_donors):
        eta[of_donor] += problem.random_rows[of_donor] @ deviations[:, donor].T
    return eta


def shares(
    problem: WorkingProblem, state: WorkingState, coefficients: np.ndarray, deviations: np.ndarray, penalties: np.ndarray,
    covariances: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return the share `(n_genes,)` of each step that is taken, and the largest change of a bounded linear predictor.

    A step is halved until the penalised loss, with diagonals `penalties`, is at most that before it.
    """
    nodes, likelihood, samples = problem.nodes, problem.likelihood, problem.samples
    ridge = (RIDGE * np.einsum("gii->g", covariances) + 1e-300)[:, None, None, None] * np.eye(covariances.shape[-1])
    precisions = np.linalg.inv((covariances[:, None] if samples is None else samples.observed(covariances)) + ridge)

    def losses(genes: np.ndarray, share: np.ndarray) -> np.ndarray:
        at = state.coefficients[genes] + share[:, None] * coefficients[genes]
        at_deviations = state.deviations[genes] + share[:, None, None] * deviations[genes]
        eta = before[:, genes] + share * step[:, genes]
        mu, theta = likelihood.link.mean(eta + nodes.offset), state.theta[genes]
        found = likelihood.loss(sums[:, genes], weights, mu, theta, eta + nodes.offset) / problem.unit
        at_deviations = at_deviations if samples is None else samples.of_donors(at_deviations)
        pulled = (precisions[genes] @ at_deviations[..., None])[..., 0]
        found += (penalties[genes] * at**2).sum(axis=1) + (at_deviations * pulled).sum(axis=(1, 2))
        return np.where(eta.max(axis=0) > FARTHEST, np.inf, found)

    before, step = (
        predictor(problem, state.coefficients, state.deviations),
        predictor(problem, coefficients, deviations),
    )
    # interpolation may give a node with few cells sums outside their range, and its loss would have no minimum
    weights, sums = np.abs(nodes.weights), state.sums.T
    usual = (nodes.weights > 0) & ((sums > 0) | (not likelihood.family.positive))
    sums = np.where(usual, sums, weights * likelihood.link.mean(before + nodes.offset))
    left, share = np.arange(len(coefficients)), np.ones(len(coefficients))
    most = np.nan_to_num(losses(left, 0.0 * share), nan=np.inf, posinf=np.inf)
    most += INCREASE * (np.abs(most) + problem.n_cells)
    for _ in range(HALVINGS):
        left = left[~(losses(left, share[left]) <= most[left])]
        if len(left) == 0:
            break
        share[left] *= 0.5
    return share, distance(before, before + step)


def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the largest differences `(n_genes,)` between linear predictors `(n_nodes, n_genes)`, where means are not 0."""
    low = np.minimum(one.max(axis=0), 0.0) - DEEP
    return np.abs(np.maximum(one, low) - np.maximum(other, low)).max(axis=0)
