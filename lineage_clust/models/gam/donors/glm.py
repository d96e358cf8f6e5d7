"""Non-Gaussian families with donors as replicates: random curves of donors on the link scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...notes import noted, on_convergence
from ..design import effect_map
from ..estimates import GeneEstimates
from ..pirls.problem import Cells
from ..smoothing.spectral import diagonalise
from .bases import bases
from .nodes import FEWEST_DONORS, IN_FEW_DONORS, DonorTable
from .runs import N_COLUMNS, WorkingRuns, start_of
from .significance import contrast_of
from .working import WorkingProblem

# With a log link, donors without expression do not inform about a trend, and the prior alone would determine how much the
# trends of one or two donors differ from those of others.
_UNKNOWN = "no convergence of the curves of donors"


@np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore")
def add_donors(cells: Cells, result: GeneEstimates, table: DonorTable) -> GeneEstimates:
    """Return a fit of cells in which estimates, errors and tests are replaced by those with donors as replicates.

    The model is that of :func:`.gaussian.fit_donors` for the linear predictor: ``eta = f(t) + b_d + g_d(t) + offset``. Score
    and information at the current means are those of a linear model, which is fitted by the same methods (penalised
    quasi-likelihood: Breslow & Clayton 1993, JASA 88, 9-25, as in ``glmmPQL`` and mgcv's ``gamm``); every gene has matrices
    of its own. The trend is that of a donor of median expression; with a log link, the mean over donors on the response
    scale is larger. Genes whose curve of cells is a spike, as if few cells express them, get half a count per donor, spread
    over its cells.
    """
    runs, n_genes = runs_of_donors(cells, result, table), len(result.lambda_)
    ended = runs.run()
    genes, donors = ended.genes, ended.fit(n_genes, runs.start.fit.converged)
    single = np.zeros(n_genes, dtype=bool)
    # a mean that is shrunk towards those of other donors informs, but does not show that a donor expresses the gene
    single[genes] = np.minimum(ended.of("n_informing"), table.expressing.sum(axis=0)[genes]) < FEWEST_DONORS
    statistic, pvalue = donors.statistics["trend"], donors.pvalues["trend"]
    statistic[single], pvalue[single] = 0.0, 1.0
    statistic[~donors.converged] = pvalue[~donors.converged] = np.nan
    explained, theta, dispersion = np.full(n_genes, np.nan), result.theta, result.dispersion
    explained[genes] = ended.of("explained")
    if theta is not None:
        theta = theta.copy()
        theta[genes] = np.concatenate([state.theta for state in ended.states])
    if dispersion is not None:
        dispersion = np.zeros(n_genes)
        dispersion[genes] = np.nan_to_num(ended.of("dispersion"))
    note = noted(result.note, np.flatnonzero(single), IN_FEW_DONORS)
    note = on_convergence(note, donors.converged, _UNKNOWN, result.failed)
    return replace(
        result, coefficients=donors.coefficients, lambda_=donors.lambda_, edf=donors.edf, scale=donors.scale,
        deviance_explained=explained, converged=donors.converged, posterior=donors.posterior, tests=(statistic, pvalue),
        theta=theta, donors=donors, note=note, dispersion=dispersion,
    )  # fmt: skip


def runs_of_donors(cells: Cells, result: GeneEstimates, table: DonorTable) -> WorkingRuns:
    """Return the fits of all genes before their first iteration; for the arguments see :func:`add_donors`."""
    design, nodes, n_cells = cells.design, table.nodes, cells.weights.sum() / cells.unit
    gram = design.bands.gram(cells.weights / cells.unit)
    spectrum = diagonalise(gram, design.penalty)
    fixed, random, n_determined = bases(design, gram, spectrum, n_cells)
    n_determined = min(n_determined, N_COLUMNS)
    penalty = np.einsum("cp,cd,dp->p", fixed, design.penalty, fixed)
    penalty[: spectrum.n_unpenalized] = 0.0
    level = np.zeros(len(gram)) if design.constant is None else design.constant
    contrast = contrast_of(effect_map(gram, *design.centring), fixed[:, :n_determined], design.penalty)
    problem = WorkingProblem(
        nodes, cells.likelihood, cells.choices.smoothing, {"trend": contrast}, fixed, fixed[None],
        np.zeros(len(nodes.of_donors), dtype=int), random, np.maximum(penalty, 0.0)[None], cells.unit, n_cells,
        n_determined, level @ gram @ random[:, 1:] / n_cells, n_genes=len(result.lambda_),
    )  # fmt: skip
    return WorkingRuns(
        problem, table.of_nodes, start_of(cells, nodes, table.of_nodes, result), n_jobs=cells.choices.n_jobs
    )
