"""Fits of all genes from one pass over their expression: the grid, the table, the iterations, the remaining genes."""

from __future__ import annotations

import numpy as np

from ...expression.count_table import Table
from ...expression.fused import LARGE
from ...expression.passes import SumRequests
from .design import Design
from .grid import Grid, bands_of, make_grid
from .parts import collected
from .pirls import Likelihood, shrunk_sizes
from .spectral import diagonalise
from .tabled_runs import Cells, ExactFits, grid_fits

_LINKS = ("log", "logit")
_POWERS = {"gamma": (-1.0, -2.0), "inverse_gaussian": (-1.0, -2.0, -3.0)}  # of the mean, in loss and scale
_WORTHWHILE = 5  # cells a node
_LEAST_CELLS = 2_000
_STEEP, _STEEPER = 0.5, 2.0  # half of a predictor's change between two knots that a grid is made for


def can_be_tabled(likelihood: Likelihood) -> bool:
    """Return whether sums over cells are all that a likelihood needs, and are smooth functions of pseudotime and offset."""
    return likelihood.family.name != "gaussian" and likelihood.link.name in _LINKS and likelihood.expectile is None


def fit_tabled(
    design: Design, Y, weights: np.ndarray, offset, smoothing, covariance: str, likelihood: Likelihood, *,
    tolerance: float, always: bool, n_jobs=None,
) -> SumRequests:  # fmt: skip
    """Fit all genes from sums over a grid; arguments as of :func:`lineage_clust.models.gam.glm.fit_glm`.

    Parameters
    ----------
    tolerance
        Error of a trend that is allowed, as a share of its range (or of its level, if that is more).
    always
        Whether the grid is used although it has hardly fewer nodes than there are cells.

    Returns
    -------
    FitResult or None
        After passes that others can share, see :func:`lineage_clust.expression.passes.run_fits`; `None` if there is no
        grid that is worth it.

    Notes
    -----
    With `T_n` and `W_n` the sums of weighted values and of weights at node `n`, see
    :class:`lineage_clust.models.gam.grid.Grid`, deviance and score of an exponential family are those of `T_n / W_n` with
    weight `W_n`, for both are linear in the values; Fisher's information depends on the means alone. A Poisson family with
    a log link needs no nodes for the offset: exposures `exp(offset)` add up.

    Genes are fitted cell by cell where sums do not suffice: values that are no counts under "negative_binomial", zeros under
    "gamma" and "inverse_gaussian" (quasi-likelihood). Trends that are so steep that the nodes miss the tolerance, which is
    checked in a sample of cells, get a finer grid, for which their expression is read once more; from the cells they are
    fitted if that does not do either.

    References
    ----------
    Wood, Li, Shaddick & Augustin (2017). Generalized additive models for gigadata. JASA 112, 1199-1210.
    """
    if not can_be_tabled(likelihood) or (not always and len(weights) < _LEAST_CELLS):
        return None
    spectrum = diagonalise(bands_of(design).gram(weights), design.penalty)
    cells = Cells(design, weights, offset, smoothing, covariance, likelihood, n_jobs, tolerance, spectrum)
    grid = _grid(cells, _STEEP)
    if grid is None or not (always or len(weights) >= _WORTHWHILE * grid.n_nodes):
        return None
    every = np.arange(Y.shape[1])
    first = yield from grid_fits(cells, Y, every, grid)
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
    powers = _POWERS.get(cells.likelihood.family.name, (1.0,))
    return make_grid(
        cells.design, cells.weights, offset, cells.tolerance, log_link=link.name == "log", powers=powers, steep=steep
    )


def _refused(table: Table, likelihood: Likelihood, n_cells: int) -> dict[int, str]:
    """Return the reason of each gene whose values the family cannot have."""
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
    """Return which genes `(n_genes,)` their sums suffice for."""
    if likelihood.family.name == "negative_binomial":
        return table.statistics[:, 7] == 0
    if likelihood.family.positive:
        return (table.statistics[:, 4] == n_cells) & (table.extremes[:, 0] > 0)
    return np.ones(len(table.statistics), dtype=bool)
