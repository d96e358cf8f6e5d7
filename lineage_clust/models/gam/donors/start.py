"""Where the iterations with donors as replicates start: fits of the cells, except for genes that few cells express."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....expression.counts import bins
from ....expression.counts.table import Table
from ..estimates import GeneEstimates
from ..pirls.problem import Cells
from .nodes import DonorNodes
from .working import WorkingProblem

_STEEP, _N_SEEN = 20.0, 500  # range of a linear predictor, at about as many nodes
_STIFF = 1e6
_PRIOR_COUNT = 0.5


@dataclass(frozen=True)
class Start:
    """Start of the iterations: arrays of all genes.

    coefficients, levels : `(n_coefficients, n_genes)` initial curves, and constant curves.
    lambda_, scale, theta : As in a fit of cells.
    needs_prior : Whether half a count is added, see :func:`prior_counts`.
    converged : Whether the fit of the cells converged, if it is used.
    failed : Reasons of failed fits.
    """

    coefficients: np.ndarray
    levels: np.ndarray
    lambda_: np.ndarray
    scale: np.ndarray
    theta: np.ndarray | None
    needs_prior: np.ndarray
    converged: np.ndarray
    failed: dict[int, str]


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
    return Start(
        np.where(steep, levels, coefficients), levels, np.where(steep, _STIFF, result.lambda_), result.scale, result.theta,
        steep, result.converged | steep, result.failed,
    )  # fmt: skip


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
