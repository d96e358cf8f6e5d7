"""Curves of several conditions on the link scale, for non-Gaussian families, with donors as replicates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from ...families import FAMILIES
from ...links import LINKS
from ...notes import noted
from ..design import Design
from ..donors.bases import DETERMINED
from ..donors.mixture import DonorFit
from ..donors.nodes import DonorNodes, tabulated
from ..donors.runs import N_COLUMNS, Ended, WorkingRuns
from ..donors.working import WorkingProblem, working_problem
from ..pirls.grid import bands_of
from ..pirls.problem import Likelihood
from ..smoothing.spectral import diagonalise
from .significance import combine, contrasts
from .sums import Arms, ConditionSums, condition_sums, widened

if TYPE_CHECKING:
    from ..gam import GAM

_UNKNOWN = "no convergence of the curves of conditions"
_PRIOR_COUNT = 0.5  # per sample
_STEEP, _N_SEEN = 20.0, 500  # range of a linear predictor, at about as many nodes
_FARTHEST = 5.0  # maximum distance of an average, which is that of one step, from where the iterations converged
_N_SHAPES = 8  # number of smoothest modes of a difference that are tested, as for trends


@dataclass(frozen=True)
class GlmConditions:
    """Fits of all genes; see :class:`lineage_clust.models.gam.conditions.fit.ConditionFit`."""

    sums: ConditionSums
    curves: DonorFit
    failed: dict[int, str]
    note: list[str]


def fit_glm_conditions(
    model: GAM, design: Design, Y, weights: np.ndarray, offset, number: np.ndarray, arms: Arms, with_donors: bool
) -> GlmConditions:
    """Fit all genes.

    model : Unfitted model that defines family, link and dispersion.
    design : Design of all cells: one curve and covariates.
    Y : `(n_cells, n_genes)`.
    weights : `(n_cells,)`, positive.
    offset : `(n_cells,)` or `None`.
    number : `(n_cells,)` codes of the samples from 0.
    arms : Assignment of samples to conditions and donors.
    with_donors : Whether donors are the replicates instead of cells.

    The model is that of :func:`lineage_clust.models.gam.conditions.curves.fit_curves` for the linear predictor, fitted by
    penalised quasi-likelihood as in :func:`lineage_clust.models.gam.donors.glm.add_donors`. The iterations start
    from the model's fit to all cells without conditions and donors.

    A gene that is not expressed in a whole condition has an infinite difference on the log scale with an infinite
    standard error, and no Wald test can detect it [1]_. Half a count is therefore added to each sample, spread over its
    cells; with a binomial family, half a success in one cell. As with the prior counts of edgeR, the effect on other
    genes is negligible.

    References
    ----------
    .. [1] Hauck & Donner (1977). Wald's test as applied to hypotheses in logit analysis. JASA 72, 851-853.
    """
    n_smooth = design.n_smooth
    start = clone(model).set_params(fit_intercept=False)
    start.fit(design.matrix, Y, weights, design.penalty[:n_smooth, :n_smooth], offset=offset)
    likelihood = Likelihood(
        FAMILIES[model.family], LINKS[model.link or FAMILIES[model.family].default_link], None, model.dispersion,
        model.max_iter,
    )  # fmt: skip
    unit = np.sum(weights**2) / weights.sum()
    sums = _plain_sums(design, weights / unit, number, arms)
    nodes, table = tabulated(design, Y, weights, offset, number, likelihood, model.tolerance)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        by_sample = sums.by_sample
        n_curves = arms.n_conditions
        problem = working_problem(
            nodes, likelihood, by_sample.fixed,
            np.stack([widened(arms.curve(c), n_smooth, sums.n_covariates) @ by_sample.fixed for c in range(n_curves)]),
            arms.condition, by_sample.random, penalty=_penalties(sums), unit=unit, n_cells=by_sample.n_cells,
            n_determined=by_sample.n_determined, means=by_sample.means,
            pairs=arms.pairs if arms.is_paired and with_donors else None, n_genes=len(start.coef_),
        )  # fmt: skip
        one = _not_steep(start.coef_.T, design, nodes, likelihood.link.predictor(table.statistics[:, 0] / nodes.total))
        zero = np.zeros(((n_curves - 1) * n_smooth, len(start.coef_)))
        first = np.concatenate([one[:n_smooth], zero, one[n_smooth:]])
        known = _Start(start.failed_, getattr(start, "theta_", None), start.scale_, start.lambda_)
        runs = WorkingRuns(
            problem, contrasts(sums, _N_SHAPES), table, model.smoothing, known, first, with_donors, _prior(problem)
        )
        ended = runs.run()
        curves = ended.fit(len(start.coef_), start.converged_, empty=0.0)
        curves.converged[ended.genes] &= _distance(ended, problem) < _FARTHEST
    combine(curves.statistics, curves.pvalues)
    unknown = np.setdiff1d(np.flatnonzero(~curves.converged), list(start.failed_))
    return GlmConditions(sums, curves, start.failed_, noted(start.note_, unknown, _UNKNOWN))


def _not_steep(coefficients: np.ndarray, design: Design, nodes: DonorNodes, level: np.ndarray) -> np.ndarray:
    """Return coefficients `(n_columns, n_genes)` from which the iterations converge: steep curves are replaced by levels.

    A mean that is many times smaller than the prior counts, as between the few cells that express a gene, would make the
    first step too large.
    """
    some = nodes.rows[:: 1 + len(nodes.rows) // _N_SEEN]
    steep = np.ptp(some @ coefficients, axis=0) > _STEEP
    assert design.constant is not None  # or the conditions could not be compared
    return np.where(steep, np.outer(design.constant, level), coefficients)


def _prior(problem: WorkingProblem) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the prior counts that keep sample means away from the bounds of their range, see :class:`.WorkingRuns`."""
    family, nodes = problem.likelihood.family.name, problem.nodes
    if family not in ("poisson", "negative_binomial", "binomial"):
        return None
    share = (nodes.weights * np.exp(nodes.offset if problem.likelihood.link.name == "log" else 0.0))[:, 0]
    kept, added = np.ones_like(share), np.zeros_like(share)
    for places in nodes.donors:
        if family == "binomial":
            kept[places] = 1 - min(problem.unit / nodes.weights[places].sum(), 1.0)
            added[places] = 0.5 * (1 - kept[places]) * nodes.weights[places, 0]
        else:
            added[places] = _PRIOR_COUNT * problem.unit * share[places] / share[places].sum()
    return kept, added


@dataclass(frozen=True)
class _Start:
    """Fit of the cells from which the iterations start, see :class:`.WorkingRuns`."""

    failed: dict[int, str]
    theta: np.ndarray | None
    scale: np.ndarray
    lambda_: np.ndarray


def _plain_sums(design: Design, weights: np.ndarray, number: np.ndarray, arms: Arms) -> ConditionSums:
    """Return ConditionSums without genes, with columns in which the penalties of mean and differences are diagonal."""
    n_smooth, n_cells = design.n_smooth, weights.sum()
    bands = bands_of(design)
    grams = np.stack([bands[number == sample].gram(weights[number == sample]) for sample in range(len(arms.donor))])
    n_columns = len(design.penalty)
    sums = condition_sums(
        design, grams, np.zeros((n_columns, 0)), np.zeros((len(grams), n_columns, 0)), np.zeros(0), arms, n_cells
    )
    gram = grams.sum(axis=0)
    own = diagonalise(gram[:n_smooth, :n_smooth], design.penalty[:n_smooth, :n_smooth])
    shares = own.gram[:, 0]
    modes = own.basis * np.sqrt(n_cells / np.maximum(shares, DETERMINED))
    n_determined = min(int(np.sum(shares > DETERMINED)), N_COLUMNS)
    many, extra = np.eye(arms.n_conditions), np.arange(n_smooth, n_columns)
    covariates = np.diag(np.sqrt(n_cells / np.maximum(gram[extra, extra], 1e-300)))
    place = np.pad(np.zeros((0, len(extra))), ((arms.n_conditions * n_smooth, 0), (0, 0)))
    fixed = np.hstack([
        np.pad(np.kron(many, modes[:, :n_determined]), ((0, len(extra)), (0, 0))),
        np.vstack([place, covariates]),
        np.pad(np.kron(many, modes[:, n_determined:]), ((0, len(extra)), (0, 0))),
    ])  # fmt: skip
    n_determined = arms.n_conditions * n_determined + len(extra)
    return replace(sums, by_sample=replace(sums.by_sample, fixed=fixed, n_determined=n_determined))


def _penalties(sums: ConditionSums) -> np.ndarray:
    """Return the diagonals `(2, n_fixed)` of the penalties of the mean curve and of the differences."""
    fixed, both = sums.by_sample.fixed, [sums.full_penalty(ratio) for ratio in (0.0, 1.0)]
    diagonals = np.stack([np.einsum("cp,cd,dp->p", fixed, one, fixed) for one in (both[0], both[1] - both[0])])
    return np.where(diagonals > 1e-10 * diagonals.max(axis=1, keepdims=True), diagonals, 0.0)


def _distance(ended: Ended, problem: WorkingProblem) -> np.ndarray:
    """Return the distance `(n_genes,)` of the averaged linear predictors from those of the last iteration."""
    some = problem.rows[:: 1 + len(problem.rows) // _N_SEEN]
    to_fixed = np.linalg.pinv(problem.fixed)
    return np.concatenate([
        np.abs(some @ (to_fixed @ part.coefficients - state.coefficients.T)).max(axis=0)
        for state, part in zip(ended.states, ended.parts, strict=True)
    ])  # fmt: skip
