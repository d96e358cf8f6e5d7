"""Working linear models of non-Gaussian families with donors as replicates, batched over genes."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..pirls.histogram import Histogram
from ..pirls.iterations import Likelihood
from ..pirls.size import newton_size
from .curves import DonorSums
from .nodes import DonorNodes
from .pairs import Pairs

_LONGEST = 1.5  # maximum change of a linear predictor in one iteration
_AT_NODES = ("sums", "squares", "eta")
_MOST = 1e12  # maximum penalty, relative to the information of the cells


@dataclass(frozen=True)
class WorkingProblem:
    """Quantities shared by all genes.

    nodes : Nodes of all donors.
    fixed : `T`, `(n_coefficients, n_fixed)`, see :class:`lineage_clust.models.gam.donors.curves.DonorSums`.
    curves : `(n_curves, n_columns, n_fixed)` columns of `T` as coefficients of the design, for each population curve
        (one, or one per condition).
    curve : `(n_donors,)` index of the population curve of each donor.
    random : `U`, see DonorSums.
    rows, random_rows : Design at the nodes on these bases, `(n_nodes, n_fixed)` and `(n_nodes, n_random)`.
    penalty : `(n_penalties, n_fixed)` diagonals of the penalties on `T`.
    unit : Divisor of the weights, after which they sum to `n_cells`.
    n_cells, n_determined, means : As in DonorSums.
    pairs : Assignment of samples to donors if donors have several samples; samples then replace donors in all arrays.
    """

    nodes: DonorNodes
    likelihood: Likelihood
    fixed: np.ndarray
    curves: np.ndarray
    curve: np.ndarray
    random: np.ndarray
    rows: np.ndarray
    random_rows: np.ndarray
    penalty: np.ndarray
    unit: float
    n_cells: float
    n_determined: int
    means: np.ndarray
    pairs: Pairs | None = None

    @property
    def n_random(self) -> int:
        """Number of random coefficients per replicate."""
        return self.random.shape[1] * (1 if self.pairs is None else self.pairs.n_conditions)

    def joined(self, sums: DonorSums) -> DonorSums:
        """Return the sums per replicate, a donor with all its samples."""
        return sums if self.pairs is None else self.pairs.joined(sums)


def working_problem(
    nodes: DonorNodes, likelihood: Likelihood, fixed: np.ndarray, curves: np.ndarray, curve: np.ndarray, random: np.ndarray,
    **others,
) -> WorkingProblem:  # fmt: skip
    """Return the WorkingProblem with its design at the nodes; for the arguments see its attributes."""
    rows = np.concatenate([
        nodes.rows[places] @ curves[own] for places, own in zip(nodes.donors, curve, strict=True)
    ])  # fmt: skip
    return WorkingProblem(nodes, likelihood, fixed, curves, curve, random, rows, nodes.rows @ random, **others)


@dataclass
class WorkingState:
    """Current state of the fits of some genes.

    sums, squares : `(n_nodes, n_genes)` sums of values, and of their squares if the scale is estimated.
    coefficients : `(n_genes, n_fixed)` coefficients of the population curve.
    own : `(n_genes, n_donors, n_random)` coefficients of the donors' deviations from it.
    theta, information : `(n_genes,)` size of the negative binomial, and the information about its logarithm.
    lambda_ : `(n_genes, n_penalties)`, in units of `penalty` and for weights that sum to `n_cells`.
    histogram : Histogram of counts if the size of the negative binomial is estimated, else `None`.
    moved : `(n_genes,)` largest change of a linear predictor in the last iteration.
    eta : `(n_nodes, n_genes)` linear predictor without the offset.
    """

    sums: np.ndarray
    squares: np.ndarray | None
    coefficients: np.ndarray
    own: np.ndarray
    theta: np.ndarray
    information: np.ndarray
    lambda_: np.ndarray
    histogram: Histogram | None
    moved: np.ndarray
    eta: np.ndarray

    def take(self, genes: np.ndarray) -> WorkingState:
        """Return the state of some genes."""
        parts = {}
        for field in fields(self):
            own = getattr(self, field.name)
            if own is not None and field.name == "histogram":
                own = own.take(genes)
            elif own is not None:
                own = own[:, genes] if field.name in _AT_NODES else own[genes]
            parts[field.name] = own
        return WorkingState(**parts)

    def put(self, genes: np.ndarray, state: WorkingState) -> None:
        """Replace the state of some genes."""
        for name in ("coefficients", "own", "theta", "information", "moved"):
            getattr(self, name)[genes] = getattr(state, name)
        self.eta[:, genes] = state.eta


def predictor(problem: WorkingProblem, coefficients: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the linear predictor at the nodes without the offset, `(n_nodes, n_genes)`."""
    eta = problem.rows @ coefficients.T
    for donor, places in enumerate(problem.nodes.donors):
        eta[places] += problem.random_rows[places] @ own[:, donor].T
    return eta


def linearised(problem: WorkingProblem, state: WorkingState) -> DonorSums:
    """Return the sums of the working linear model of each gene.

    Score and information at the current means are those of a linear model for ``z = eta + (y - mu) / mu'`` with working
    weights ``w mu'^2 / V(mu)`` [1]_ (penalised quasi-likelihood).

    References
    ----------
    .. [1] Breslow & Clayton (1993). Approximate inference in generalized linear mixed models. JASA 88, 9-25.
    """
    nodes, likelihood = problem.nodes, problem.likelihood
    eta = state.eta
    mu = likelihood.link.mean(eta + nodes.offset)
    slope = likelihood.link.slope(mu)
    variance = likelihood.family.variance(mu, state.theta)
    precision = slope / (variance * problem.unit)
    residual = precision * (state.sums - nodes.weights * mu)
    # interpolation may give a node with few cells a negative weight, and the information would not be positive; the limit of
    # the iterations does not depend on it
    working = np.maximum(nodes.weights, 0.0) * precision * slope
    fitted = working * eta + residual
    n_genes, n_random, n_columns = eta.shape[1], problem.random.shape[1], len(problem.random)
    own = np.empty((n_genes, len(nodes.donors), n_random, n_random))
    cross = np.empty((n_genes, len(nodes.donors), n_random, problem.curves.shape[2]))
    products = np.empty((n_genes, len(nodes.donors), n_random, 1))
    total = np.zeros((len(problem.curves), n_genes, n_columns, n_columns))
    for donor, (places, grouped) in enumerate(zip(nodes.donors, nodes.grouped, strict=True)):
        grams, curve = grouped.grams(working[places]), problem.curve[donor]
        total[curve] += grams
        half = (problem.random.T @ grams.reshape(n_genes, n_columns, n_columns)).reshape(-1, n_columns)
        cross[:, donor] = (half @ problem.curves[curve]).reshape(n_genes, n_random, -1)
        own[:, donor] = (half @ problem.random).reshape(n_genes, n_random, n_random)
        products[:, donor, :, 0] = fitted[places].T @ problem.random_rows[places]
    squares = np.zeros((n_genes, 1))
    if state.squares is not None:
        pearson = (state.squares - 2 * state.sums * mu + nodes.weights * mu**2) / (variance * problem.unit)
        squares = np.sum(eta * (working * eta + 2 * residual) + pearson, axis=0)[:, None]
    gram = sum(fixed.T @ one @ fixed for fixed, one in zip(problem.curves, total, strict=True))
    return DonorSums(
        problem.fixed, problem.random, gram, cross, own,
        (fitted.T @ problem.rows)[:, :, None], products, squares, problem.n_cells, problem.n_determined, problem.means,
        each=True, known_scale=likelihood.family.known_scale,
    )  # fmt: skip


def iterate(problem: WorkingProblem, state: WorkingState, covariances: np.ndarray) -> None:
    """Perform one iteration in place.

    problem, state : Problem, and the state of some genes.
    covariances : `(n_genes, n_random, n_random)`, or one for all genes: covariances of a replicate's coefficients.
    """
    sums = problem.joined(linearised(problem, state))
    covariances = np.broadcast_to(covariances, (sums.n_genes, *covariances.shape[-2:]))
    gram, products, middle = without_donors(sums, covariances)
    coefficients = np.linalg.solve(gram + pull(problem, sums, state.lambda_), products)
    own = middle @ (sums.donor_products - sums.cross @ coefficients[:, None])
    coefficients, own = coefficients[..., 0], own[..., 0]
    own = own if problem.pairs is None else problem.pairs.parted(own)
    step = predictor(problem, coefficients, own) - state.eta
    state.moved = np.maximum(step.max(axis=0), -step.min(axis=0))
    share = np.minimum(1.0, _LONGEST / np.maximum(state.moved, 1e-300))
    state.coefficients = state.coefficients + share[:, None] * (coefficients - state.coefficients)
    state.own = state.own + share[:, None, None] * (own - state.own)
    state.eta = state.eta + share * step
    if state.histogram is not None:
        state.theta, state.information = _size_step(problem, state)


def without_donors(sums: DonorSums, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `X'V^-1X`, `X'V^-1y` and the matrix that predicts the donors' coefficients, for covariances of each gene."""
    covariances = covariances[:, None]
    middle = covariances @ np.linalg.inv(np.eye(covariances.shape[-1]) + sums.own @ covariances)
    middle = 0.5 * (middle + np.swapaxes(middle, -1, -2))
    n_genes, n_donors, n_random = sums.cross.shape[:3]
    flat = (n_genes, n_donors * n_random, -1)
    turned = np.swapaxes((middle @ sums.cross).reshape(flat), 1, 2)
    gram = sums.gram - turned @ sums.cross.reshape(flat)
    return gram, sums.products - turned @ sums.donor_products.reshape(flat), middle


def pull(problem: WorkingProblem, sums: DonorSums, lambda_: np.ndarray) -> np.ndarray:
    """Return the penalties `(n_genes, n_fixed, n_fixed)`, with a ridge that keeps the system invertible."""
    told = np.einsum("gii->gi", sums.gram).mean(axis=1)
    diagonal = np.minimum(lambda_ @ problem.penalty, _MOST * told[:, None]) + 1e-9 * told[:, None] + 1e-300
    return diagonal[:, :, None] * np.eye(diagonal.shape[1])


def _size_step(problem: WorkingProblem, state: WorkingState) -> tuple[np.ndarray, np.ndarray]:
    """Return theta after one Newton step of its likelihood, and the information about its logarithm."""
    nodes, theta = problem.nodes, state.theta
    mu = problem.likelihood.link.mean(state.eta + nodes.offset)
    assert state.histogram is not None
    first, second = state.histogram.sums(theta)
    inverse = 1.0 / (mu + theta)
    ratio = (state.sums + nodes.weights * theta) * inverse
    first = first + nodes.total * (np.log(theta) + 1) - ratio.sum(axis=0) + nodes.weights[:, 0] @ np.log(inverse)
    second = second + nodes.total / theta + np.sum((ratio - 2 * nodes.weights) * inverse, axis=0)
    return newton_size(theta, first, second)
