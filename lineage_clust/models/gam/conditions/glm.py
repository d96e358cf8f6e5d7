"""Curves of several conditions on the link scale, for non-Gaussian families, with donors as replicates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from ...families import FAMILIES
from ...links import LINKS
from ...notes import noted, on_convergence
from ..design import Design
from ..donors.bases import DETERMINED
from ..donors.mixture import DonorFit
from ..donors.nodes import FEWEST_DONORS, IN_FEW_DONORS, expressing, tabulated
from ..donors.runs import N_COLUMNS, WorkingRuns
from ..donors.start import prior_counts, start_of
from ..donors.working import working_problem
from ..pirls.grid import bands_of
from ..pirls.problem import Likelihood
from ..smoothing.spectral import diagonalise
from .significance import combine, contrasts
from .sums import Arms, ConditionSums, condition_sums, widened

if TYPE_CHECKING:
    from ..gam import GAM

_UNKNOWN = "no convergence of the curves of conditions"
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
        zero = np.zeros(((n_curves - 1) * n_smooth, len(start.coef_)))
        known = start_of(
            design, nodes, likelihood, table, start.coef_.T, start.lambda_, start.scale_, getattr(start, "theta_", None),
            start.converged_, start.failed_,
        ).widened(lambda one: np.concatenate([one[:n_smooth], zero, one[n_smooth:]]))  # fmt: skip
        prior = prior_counts(problem, nodes.donors)
        runs = WorkingRuns(problem, contrasts(sums, _N_SHAPES), table, model.smoothing, known, with_donors, prior)
        curves = runs.run().fit(len(start.coef_), known.converged, empty=0.0)
    combine(curves.statistics, curves.pvalues)
    by_donor = np.zeros((int(arms.donor.max()) + 1, len(start.coef_)), dtype=bool)
    np.logical_or.at(by_donor, arms.donor, expressing(nodes, table))
    # a gene may be expressed in all donors of a condition, and no other
    fewest = min(FEWEST_DONORS, np.bincount(arms.condition).min()) if with_donors else 0
    single = np.setdiff1d(np.flatnonzero(by_donor.sum(axis=0) < fewest), list(start.failed_))
    for name in curves.pvalues:
        curves.statistics[name][single], curves.pvalues[name][single] = 0.0, 1.0
    good = curves.converged.copy()
    good[list(start.failed_)] = True  # they have no note
    return GlmConditions(
        sums, curves, start.failed_, on_convergence(noted(start.note_, single, IN_FEW_DONORS), good, _UNKNOWN)
    )


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
