"""Curves of several conditions on the link scale, for non-Gaussian families, with donors as replicates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....expression.passes import run_fits
from ....utils.threads import few_threads
from ...notes import noted, on_convergence
from ..any_family import fit_family
from ..design import Design
from ..donors.bases import scaled_basis
from ..donors.gaussian import DonorFit
from ..donors.nodes import FEWEST_DONORS, IN_FEW_DONORS, DonorTable
from ..donors.runs import N_COLUMNS, Start, WorkingRuns, start_of
from ..donors.samples import Samples
from ..donors.working import WorkingProblem
from ..pirls.problem import Cells
from ..smoothing.spectral import diagonalise
from .significance import combine, contrasts
from .sums import ConditionSums, condition_sums, widened

_UNKNOWN = "no convergence of the curves of conditions"
_N_SHAPES = 8  # number of smoothest modes of a difference that are tested, as for trends


def fit_glm_conditions(
    cells: Cells, Y, number: np.ndarray, samples: Samples, with_donors: bool
) -> tuple[ConditionSums, DonorFit, dict[int, str], list[str]]:
    """Return sums over the cells, curves, reasons of failed fits and notes of all genes.

    cells, number : All cells, with a design of one curve and covariates, and the codes of their samples from 0.

    The model is that of :func:`lineage_clust.models.gam.conditions.curves.fit_curves` for the linear predictor, fitted by
    penalised quasi-likelihood as in :func:`lineage_clust.models.gam.donors.glm.add_donors`. The iterations start
    from a fit to all cells without conditions and donors.

    A gene that is not expressed in a whole condition has an infinite difference on the log scale with an infinite standard
    error, and no Wald test can detect it (Hauck & Donner 1977, JASA 72, 851-853). Half a count is therefore added to each
    sample, spread over its cells; with a binomial family, half a success in one cell. As with the prior counts of edgeR, the
    effect on other genes is negligible.
    """
    n_smooth, n_curves = cells.design.n_smooth, samples.n_conditions
    with few_threads(np.inf):
        result = run_fits([fit_family(cells, Y, None)])[0]
    n_genes, unit = len(result.lambda_), cells.unit
    sums, table = _plain_sums(cells.design, cells.weights / unit, number, samples), DonorTable(cells, Y, number)
    by_sample = sums.by_sample
    curves_of = [widened(samples.curve(c), n_smooth, sums.n_covariates) @ by_sample.fixed for c in range(n_curves)]
    of, zero = contrasts(sums, _N_SHAPES), np.zeros(((n_curves - 1) * n_smooth, n_genes))
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        problem = WorkingProblem(
            table.nodes, cells.likelihood, cells.choices.smoothing, of, by_sample.fixed,
            np.stack(curves_of), samples.condition, by_sample.random, _penalties(sums), unit, by_sample.n_cells,
            by_sample.n_determined, by_sample.means, samples if samples.are_paired and with_donors else None, n_genes,
        )  # fmt: skip
        start = start_of(cells, table.nodes, table.of_nodes, result)
        both = [np.concatenate([of[:n_smooth], zero, of[n_smooth:]]) for of in (start.fit.coefficients, start.levels)]
        start = Start(replace(start.fit, coefficients=both[0]), both[1], np.ones(n_genes, dtype=bool))
        runs = WorkingRuns(problem, table.of_nodes, start, with_donors, cells.choices.n_jobs)
        curves = runs.run().fit(n_genes, start.fit.converged, empty=0.0)
    combine(curves.statistics, curves.pvalues, of)
    by_donor = np.zeros((samples.n_donors, n_genes), dtype=bool)
    np.logical_or.at(by_donor, samples.donor, table.expressing)
    # a gene may be expressed in all donors of a condition, and no other
    fewest = min(FEWEST_DONORS, np.bincount(samples.condition).min()) if with_donors else 0
    single = np.setdiff1d(np.flatnonzero(by_donor.sum(axis=0) < fewest), list(result.failed))
    for name in curves.pvalues:
        curves.statistics[name][single], curves.pvalues[name][single] = 0.0, 1.0
    note = on_convergence(noted(result.note, single, IN_FEW_DONORS), curves.converged, _UNKNOWN, result.failed)
    return sums, curves, result.failed, note


def _plain_sums(design: Design, weights: np.ndarray, number: np.ndarray, samples: Samples) -> ConditionSums:
    """Return ConditionSums without genes, with columns in which the penalties of mean and differences are diagonal."""
    n_smooth, n_cells = design.n_smooth, weights.sum()
    bands = design.bands
    grams = np.stack([bands[number == sample].gram(weights[number == sample]) for sample in range(len(samples))])
    n_columns = len(design.penalty)
    sums = condition_sums(
        design, grams, np.zeros((n_columns, 0)), np.zeros((len(grams), n_columns, 0)), np.zeros(0), samples, n_cells
    )
    gram = grams.sum(axis=0)
    spectrum = diagonalise(gram[:n_smooth, :n_smooth], design.penalty[:n_smooth, :n_smooth])
    modes, n_determined = scaled_basis(spectrum, n_cells)
    n_determined = min(n_determined, N_COLUMNS)
    many, extra = np.eye(samples.n_conditions), np.arange(n_smooth, n_columns)
    covariates = np.diag(np.sqrt(n_cells / np.maximum(gram[extra, extra], 1e-300)))
    fixed = np.hstack([
        np.pad(np.kron(many, modes[:, :n_determined]), ((0, len(extra)), (0, 0))),
        np.pad(covariates, ((samples.n_conditions * n_smooth, 0), (0, 0))),
        np.pad(np.kron(many, modes[:, n_determined:]), ((0, len(extra)), (0, 0))),
    ])  # fmt: skip
    n_determined = samples.n_conditions * n_determined + len(extra)
    return replace(sums, by_sample=replace(sums.by_sample, fixed=fixed, n_determined=n_determined))


def _penalties(sums: ConditionSums) -> np.ndarray:
    """Return the diagonals `(2, n_fixed)` of the penalties of the mean curve and of the differences."""
    fixed, both = sums.by_sample.fixed, [sums.full_penalty(ratio) for ratio in (0.0, 1.0)]
    diagonals = np.stack([np.einsum("cp,cd,dp->p", fixed, one, fixed) for one in (both[0], both[1] - both[0])])
    return np.where(diagonals > 1e-10 * diagonals.max(axis=1, keepdims=True), diagonals, 0.0)
