"""Fits of non-Gaussian families from sums over a grid, computed in one pass over expression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....expression.counts.table import Table
from ....expression.passes import SumRequests
from ....expression.sums.fused import LARGE
from ..design import Design
from ..pirls.chunks import collected
from ..pirls.iterations import Likelihood, shrunk_sizes
from ..smoothing.spectral import diagonalise
from .grid import POWERS, Grid, bands_of, make_grid
from .runs import Cells, ExactFits, grid_fits

_LINKS = ("log", "logit")
_WORTHWHILE = 5  # cells per node
_LEAST_CELLS = 2_000
_STEEP, _STEEPER = 0.5, 2.0  # half of the change of a predictor between two knots for which a grid is computed


def can_use_grid(likelihood: Likelihood) -> bool:
    """Return whether the likelihood depends on sums over cells that are smooth functions of pseudotime and offset."""
    return likelihood.family.name != "gaussian" and likelihood.link.name in _LINKS and likelihood.expectile is None


def fit_on_grid(
    design: Design, Y, weights: np.ndarray, offset, smoothing, covariance: str, likelihood: Likelihood, *,
    tolerance: float, always: bool, n_jobs=None, of_groups: Callable | None = None,
) -> SumRequests:  # fmt: skip
    """Fit all genes from sums over a grid; arguments as in :func:`lineage_clust.models.gam.pirls.fit.fit_glm`.

    tolerance : Maximum error of a trend, as a fraction of its range (or of its level, if that is larger).
    always : Whether to use the grid even if it has hardly fewer nodes than there are cells.
    of_groups : Function of `Y` and a Grid that returns their Table from that of groups of cells, or `None`.
    returns : GeneEstimates or None. `None` if no grid is worthwhile. The passes can be shared with other fits, see
        :func:`lineage_clust.expression.passes.run_fits`.

    Let `T_n` and `W_n` be the sums of weighted values and of weights at node `n`, see
    :class:`lineage_clust.models.gam.table.grid.Grid`. Deviance and score of an exponential family are linear in the values
    and hence those of observations `T_n / W_n` with weights `W_n`; Fisher's information depends only on the means. A
    Poisson family with a log link needs no offset nodes, as exposures `exp(offset)` add up.

    Genes for which sums are not sufficient are fitted from the cells: values other than counts under
    "negative_binomial", zeros under "gamma" and "inverse_gaussian" (quasi-likelihood). The tolerance is checked in a
    sample of cells; genes with steeper trends are refitted on a finer grid, which takes a second pass over their
    expression, and from the cells if that does not suffice either.

    References
    ----------
    Wood, Li, Shaddick & Augustin (2017). Generalized additive models for gigadata. JASA 112, 1199-1210.
    """
    if not can_use_grid(likelihood) or (not always and len(weights) < _LEAST_CELLS):
        return None
    spectrum = diagonalise(bands_of(design).gram(weights), design.penalty)
    cells = Cells(design, weights, offset, smoothing, covariance, likelihood, n_jobs, tolerance, spectrum)
    grid = _grid(cells, _STEEP)
    if grid is None or not (always or len(weights) >= _WORTHWHILE * grid.n_nodes):
        return None
    every = np.arange(Y.shape[1])
    first = yield from grid_fits(cells, Y, every, grid, of_groups)
    table = first.table
    failed = _refused(table, likelihood, len(weights))
    suited = np.setdiff1d(np.flatnonzero(_suits(table, likelihood, len(weights))), list(failed))
    exact = ExactFits(cells, Y, table.statistics[:, 4])

    parts, steep = first(suited, None)
    left = np.setdiff1d(np.setdiff1d(every, suited), list(failed))
    runs = [(first, np.setdiff1d(suited, steep))]
    finer = _grid(cells, _STEEPER) if len(steep) else None
    if finer is not None and len(weights) >= _WORTHWHILE * finer.n_nodes:
        second = yield from grid_fits(cells, Y[:, steep], steep, finer)
        found, steepest = second(steep, None)
        parts += found
        runs.append((second, np.setdiff1d(steep, steepest)))
        steep = steepest
    left = np.union1d(left, steep).astype(int)
    parts += exact(left, None)
    if parts and likelihood.estimates_size and likelihood.dispersion == "shrunk":
        theta = shrunk_sizes(parts, Y.shape[1])
        parts = [part for run, genes in runs for part in run(genes, theta)[0]] + exact(left, theta)
    failed.update(exact.failed)
    statistics, extremes = table.statistics, table.extremes
    found = statistics[:, 4].astype(np.int64), statistics[:, 5] / weights.max(), extremes[:, 1] >= LARGE
    return collected(parts, failed, Y, design, weights, likelihood, found)


def _grid(cells: Cells, steep: float) -> Grid | None:
    link, offset = cells.likelihood.link, None if cells.adds_exposures else cells.offset
    powers = POWERS.get(cells.likelihood.family.name, (1.0,))
    return make_grid(
        cells.design, cells.weights, offset, cells.tolerance, log_link=link.name == "log", powers=powers, steep=steep
    )


def _refused(table: Table, likelihood: Likelihood, n_cells: int) -> dict[int, str]:
    """Return the reason for each gene whose values are outside the support of the family."""
    family, (least, most, _) = likelihood.family, table.extremes.T
    some_zeros = table.statistics[:, 4] < n_cells
    least, most = (
        np.where(some_zeros, bound(values, 0.0), values) for bound, values in ((np.minimum, least), (np.maximum, most))
    )
    least = np.where(np.isfinite(table.statistics[:, 0]), least, np.nan)
    usual = (least >= family.lowest) & (most <= min(family.highest, 1e100)) & (most > 0) & (least < 1)
    failed = {}
    for gene in np.flatnonzero(~usual):
        reason = family.refuse(float(least[gene]), float(most[gene]), likelihood.link.name)
        if reason is not None:
            failed[int(gene)] = reason
    return failed


def _suits(table: Table, likelihood: Likelihood, n_cells: int) -> np.ndarray:
    """Return which genes `(n_genes,)` can be fitted from sums."""
    if likelihood.family.name == "negative_binomial":
        return table.statistics[:, 7] == 0
    if likelihood.family.positive:
        return (table.statistics[:, 4] == n_cells) & (table.extremes[:, 0] > 0)
    return np.ones(len(table.statistics), dtype=bool)
