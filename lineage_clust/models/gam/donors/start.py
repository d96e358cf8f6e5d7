"""Where the iterations with donors as replicates start: fits of the cells, except for genes that few cells express."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ....expression.counts.table import Table
from ..design import Design
from ..pirls.problem import Likelihood
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
    steep : Whether the curve of the cells was replaced by a constant.
    converged : Whether the fit of the cells converged, if it is used.
    failed : Reasons of failed fits.
    """

    coefficients: np.ndarray
    levels: np.ndarray
    lambda_: np.ndarray
    scale: np.ndarray
    theta: np.ndarray | None
    steep: np.ndarray
    converged: np.ndarray
    failed: dict[int, str]

    def widened(self, widen: Callable[[np.ndarray], np.ndarray]) -> Start:
        """Return the start with other coefficients, which are a function of these."""
        return replace(self, coefficients=widen(self.coefficients), levels=widen(self.levels))


def start_of(
    design: Design, nodes: DonorNodes, likelihood: Likelihood, table: Table, coefficients: np.ndarray, lambda_: np.ndarray,
    scale: np.ndarray, theta: np.ndarray | None, converged: np.ndarray, failed: dict[int, str],
) -> Start:  # fmt: skip
    """Return the Start, given a fit of the cells without donors.

    A steep curve, as between the few cells that express a gene, is replaced by a constant: where the mean is almost 0, there
    is no information from which to compute a step.
    """
    mean = likelihood.link.predictor(table.statistics[:, 0] / nodes.total)
    levels = np.outer(np.zeros(len(design.penalty)) if design.constant is None else design.constant, mean)
    some = nodes.rows[:: 1 + len(nodes.rows) // _N_SEEN]
    steep = np.ptp(some @ coefficients, axis=0) > _STEEP
    return Start(
        np.where(steep, levels, coefficients), levels, np.where(steep, _STIFF, lambda_), scale, theta, steep,
        converged | steep, failed,
    )  # fmt: skip


def prior_counts(problem: WorkingProblem, parts: list[slice]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the prior counts that keep means away from the bounds of their range, see :class:`WorkingRuns`.

    Half a count is spread over the cells of each part of the nodes; with a binomial family, half a success in one cell.
    """
    family, nodes = problem.likelihood.family.name, problem.nodes
    if family not in ("poisson", "negative_binomial", "binomial"):
        return None
    share = (nodes.weights * np.exp(nodes.offset if problem.likelihood.link.name == "log" else 0.0))[:, 0]
    kept, added = np.ones_like(share), np.zeros_like(share)
    for places in parts:
        if family == "binomial":
            kept[places] = 1 - min(problem.unit / nodes.weights[places].sum(), 1.0)
            added[places] = 0.5 * (1 - kept[places]) * nodes.weights[places, 0]
        else:
            added[places] = _PRIOR_COUNT * problem.unit * share[places] / share[places].sum()
    return kept, added
