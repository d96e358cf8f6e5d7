"""Non-Gaussian families with donors as replicates: random curves of donors on the link scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....expression.counts.table import Table
from ...notes import noted, on_convergence
from ..design import Design, effect_map
from ..estimates import GeneEstimates
from ..pirls.grid import bands_of
from ..pirls.problem import Likelihood
from ..smoothing.spectral import diagonalise
from .bases import bases
from .nodes import FEWEST_DONORS, IN_FEW_DONORS, DonorNodes, DonorTable, expressing, tabulated
from .runs import N_COLUMNS, Ended, WorkingRuns
from .significance import contrast_of
from .start import prior_counts, start_of
from .working import working_problem

# With a log link, donors without expression do not inform about a trend, and the prior alone would determine how much the
# trends of one or two donors differ from those of others.
_UNKNOWN = "no convergence of the curves of donors"


def add_donors(
    design: Design, Y, weights: np.ndarray, offset, groups: np.ndarray, likelihood: Likelihood, smoothing,
    covariance: str, result: GeneEstimates, tolerance: float, table: DonorTable | None = None,
) -> GeneEstimates:  # fmt: skip
    """Return a fit of cells in which estimates, errors and tests are replaced by those with donors as replicates.

    design : Design of all cells.
    Y : `(n_cells, n_genes)` expression.
    weights : `(n_cells,)`, positive.
    offset : `(n_cells,)` or `None`.
    groups : `(n_cells,)` codes of the donors from 0; every donor has cells.
    smoothing, covariance, tolerance : As in :class:`lineage_clust.models.GAM`.
    result : Fit of the cells, from which the iterations start.
    table : Sums of the donors, if known.

    The model is that of :func:`lineage_clust.models.gam.donors.gaussian.fit_donors` for the linear predictor: ``eta = f(t)
    + b_d + g_d(t) + offset``. Score and information at the current means are those of a linear model, which is fitted by the
    same methods (penalised quasi-likelihood [1]_, as in ``glmmPQL`` and mgcv's ``gamm``); every gene has matrices of
    its own. The trend is that of a donor of median expression; with a log link, the mean over donors on the response
    scale is larger. Genes whose curve of cells is a spike, as if few cells express them, get half a count per donor,
    spread over its cells.

    References
    ----------
    .. [1] Breslow & Clayton (1993). Approximate inference in generalized linear mixed models. JASA 88, 9-25.
    """
    nodes, sums = tabulated(design, Y, weights, offset, groups, likelihood, tolerance, table)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        return GlmDonors(design, weights, likelihood, smoothing, covariance, result, nodes, sums).fit()


class GlmDonors(WorkingRuns):
    """Fits of genes with donors as replicates; for the arguments see :func:`add_donors`."""

    def __init__(
        self, design: Design, weights, likelihood: Likelihood, smoothing, covariance: str, result: GeneEstimates,
        nodes: DonorNodes, table: Table,
    ):  # fmt: skip
        unit = 1.0 if covariance == "bayes" else np.sum(weights**2) / weights.sum()
        n_cells = weights.sum() / unit
        gram = bands_of(design).gram(weights / unit)
        spectrum = diagonalise(gram, design.penalty)
        fixed, random, n_determined = bases(design, gram, spectrum, n_cells)
        penalty = np.einsum("cp,cd,dp->p", fixed, design.penalty, fixed)
        penalty[: spectrum.n_unpenalized] = 0.0
        level = np.zeros(len(gram)) if design.constant is None else design.constant
        problem = working_problem(
            nodes, likelihood, fixed, fixed[None], np.zeros(len(nodes.donors), dtype=int), random,
            penalty=np.maximum(penalty, 0.0)[None], unit=unit, n_cells=n_cells, n_determined=min(n_determined, N_COLUMNS),
            means=level @ gram @ random[:, 1:] / n_cells, n_genes=result.coefficients.shape[1],
        )  # fmt: skip
        contrast = contrast_of(effect_map(gram, *design.centring), fixed[:, : problem.n_determined], design.penalty)
        start = start_of(
            design, nodes, likelihood, table, result.coefficients, result.lambda_, result.scale, result.theta,
            result.converged, result.failed,
        )  # fmt: skip
        super().__init__(
            problem, {"trend": contrast}, table, smoothing, start, prior=prior_counts(problem, nodes.donors),
            needs_prior=start.steep,
        )  # fmt: skip
        self.result = result

    def fit(self) -> GeneEstimates:
        """Return the result of all genes."""
        return self._put_together(self.run())

    def _put_together(self, ended: Ended) -> GeneEstimates:
        result, genes, n_genes = self.result, ended.genes, len(self.start.steep)
        donors = ended.fit(n_genes, self.start.converged)
        single = np.zeros(n_genes, dtype=bool)
        # a mean that is shrunk towards those of other donors informs, but does not show that a donor expresses the gene
        single[genes] = (
            np.minimum(ended.of("n_informing"), expressing(self.nodes, self.table).sum(axis=0)[genes]) < FEWEST_DONORS
        )
        statistic, pvalue = donors.statistics["trend"], donors.pvalues["trend"]
        statistic[single], pvalue[single] = 0.0, 1.0
        statistic[~donors.converged] = pvalue[~donors.converged] = np.nan
        explained, sizes, dispersion = np.full(n_genes, np.nan), result.theta, result.dispersion
        explained[genes] = ended.of("explained")
        if sizes is not None:
            sizes = sizes.copy()
            sizes[genes] = ended.theta
        if dispersion is not None:
            dispersion = np.zeros(n_genes)
            dispersion[genes] = np.nan_to_num(ended.of("dispersion"))
        known = donors.converged.copy()
        known[list(result.failed)] = True  # they have no note
        note = on_convergence(noted(result.note, np.flatnonzero(single), IN_FEW_DONORS), known, _UNKNOWN)
        return replace(
            result, coefficients=donors.coefficients, lambda_=donors.lambda_, edf=donors.edf, scale=donors.scale,
            deviance_explained=explained, converged=donors.converged, posterior=donors.posterior, tests=(statistic, pvalue),
            theta=sizes, donors=donors, note=note, dispersion=dispersion,
        )  # fmt: skip
