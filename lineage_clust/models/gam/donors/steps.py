"""Steps of the iterations with donors as replicates, which are halved where they would increase the penalised loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .working import WorkingProblem, WorkingState

LONG, SLOW = 1.5, 0.5  # change of a linear predictor, also relative to the one before, from which losses are compared
HALVINGS, INCREASE = 30, 1e-9  # at most, and relative increase of a loss that is due to rounding
RIDGE = 1e-6  # relative, for deviations left from other covariances, which would be impossible with the current ones
HIGHEST_PENALTY = 1e12  # relative to the information of the cells
FARTHEST = 100.0  # largest linear predictor
DEEP = 25.0  # decrease of a linear predictor below 0 and below its maximum, beyond which its changes do not matter


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

    A step is halved until the penalised loss is at most that before it.

    coefficients, deviations : The steps.
    penalties, covariances : Diagonals of the penalties, and covariances of a replicate's coefficients.
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
