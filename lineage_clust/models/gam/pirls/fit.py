"""Fits of non-Gaussian families, from sums over a grid computed in one pass over expression, or from the cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....expression.counts import bins
from ....expression.counts.table import Table, count_table
from ....expression.passes import Fit
from ....expression.storage.blocks import BlockedExpression
from ....expression.sums.bands import no_design
from ....expression.sums.fused import LARGE
from ....expression.sums.sums import requested_cell_sums
from . import size
from .grid import Grid, wanted_for
from .problem import Cells, Likelihood
from .results import collected
from .runs import ExactFits, GridFits, refused

_LINKS = ("log", "logit")
_WORTHWHILE = 5  # cells per node
_LEAST_CELLS = 2_000
_STEEP, _STEEPER = 0.5, 2.0  # half of the change of a predictor between two knots for which a grid is computed


def fit_glm(cells: Cells, Y, of_groups: Callable | None = None) -> Fit:
    """Fit all genes: a generator that requests sums over the cells and returns a GeneEstimates.

    `of_groups` is a function of a Grid that returns their Table from that of groups of cells, or `None`.

    Let `T_n` and `W_n` be the sums of weighted values and of weights at node `n`, see
    :class:`lineage_clust.models.gam.pirls.grid.Grid`. Deviance and score of an exponential family are linear in the values
    and hence those of observations `T_n / W_n` with weights `W_n`; Fisher's information depends only on the means. A
    Poisson family with a log link needs no offset nodes, as exposures `exp(offset)` add up.

    Genes for which sums are not sufficient are fitted from the cells, each of which is then a node: values other than counts
    under "negative_binomial", zeros under "gamma" and "inverse_gaussian" (quasi-likelihood). The tolerance is checked in a
    sample of cells; genes with steeper trends are refitted on a finer grid, which takes a second pass over their expression,
    and from the cells if that does not suffice either. See Wood (2017), sections 3.1, 6.10 and 6.12, and Wood, Li, Shaddick
    & Augustin (2017), JASA 112, 1199-1210.
    """
    every, weights = np.arange(Y.shape[1]), cells.weights
    grid = _grid(cells, _STEEP, cells.choices.discretize is True) if _can_use_grid(cells) else None
    runs: list[tuple[GridFits | ExactFits, np.ndarray]]
    failed: dict[int, str] = {}
    if grid is None:
        if isinstance(Y, BlockedExpression) and Y.in_memory:
            Y = Y.to_memory()  # which is read many times
        blocks = Y if isinstance(Y, BlockedExpression) else BlockedExpression(Y, keeps_totals=False)
        sums = yield from requested_cell_sums(blocks, no_design(len(weights)), weights)
        found = sums.n_nonzero, sums.nonzero_weight / weights.max(), sums.large
        exact = ExactFits(cells, Y, found[0])
        runs, parts = [(exact, every)], exact(every, None)[0]
    else:
        table = None if of_groups is None else of_groups(grid)
        wanted = wanted_for(cells.likelihood.family, Y.shape, len(cells.followed))
        if table is None:
            table = yield count_table(Y, grid.shares, wanted)
        first = GridFits(cells, table, every, grid)
        n_nonzero, carried = table.statistics[:, [bins.N_NONZERO, bins.NONZERO_WEIGHT]].T
        found = n_nonzero.astype(np.int64), carried / weights.max(), table.extremes[:, bins.MOST] >= LARGE
        failed = _refused(table, cells.likelihood, len(weights))
        exact = ExactFits(cells, Y, found[0])
        suited = np.setdiff1d(np.flatnonzero(_suits(table, cells.likelihood, len(weights))), list(failed))
        left = np.setdiff1d(np.setdiff1d(every, suited), list(failed))
        parts, steep = first(suited, None)
        runs = [(first, np.setdiff1d(suited, steep))]
        finer = _grid(cells, _STEEPER, False) if len(steep) else None
        if finer is not None:
            second = GridFits(cells, (yield count_table(Y[:, steep], finer.shares, wanted)), steep, finer)
            more, steepest = second(steep, None)
            parts += more
            runs.append((second, np.setdiff1d(steep, steepest)))
            steep = steepest
        left = np.union1d(left, steep).astype(int)
        runs.append((exact, left))
        parts += exact(left, None)[0]
    if parts and cells.likelihood.estimates_size and cells.likelihood.dispersion == "shrunk":
        of_genes, *others = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("genes", "theta", "information", "means")
        )
        theta, order = np.ones(Y.shape[1]), np.argsort(of_genes)
        theta[of_genes[order]] = size.shrink(*(values[order] for values in others))
        parts = [part for run, genes in runs for part in run(genes, theta)[0]]
    return collected(parts, {**failed, **exact.failed}, cells, found)


def _can_use_grid(cells: Cells) -> bool:
    """Return whether the likelihood depends on sums over cells that are smooth functions of pseudotime and offset."""
    likelihood, discretize = cells.likelihood, cells.choices.discretize
    smooth = likelihood.family.name != "gaussian" and likelihood.link.name in _LINKS and likelihood.expectile is None
    return smooth and (discretize is True or (discretize == "auto" and len(cells.weights) >= _LEAST_CELLS))


def _grid(cells: Cells, steep: float, always: bool) -> Grid | None:
    """Return a grid, or `None` if there is none, or hardly fewer nodes than cells (unless `always`)."""
    grid = cells.grid(cells.choices.tolerance, steep)
    return grid if grid is not None and (always or len(cells.weights) >= _WORTHWHILE * grid.n_nodes) else None


def _refused(table: Table, likelihood: Likelihood, n_cells: int) -> dict[int, str]:
    """Return the reason for each gene whose values are outside the support of the family."""
    least, most, _ = table.extremes.T
    some_zeros = table.statistics[:, bins.N_NONZERO] < n_cells
    least, most = (
        np.where(some_zeros, bound(values, 0.0), values) for bound, values in ((np.minimum, least), (np.maximum, most))
    )
    return refused(likelihood, np.where(np.isfinite(table.statistics[:, bins.SUM]), least, np.nan), most)


def _suits(table: Table, likelihood: Likelihood, n_cells: int) -> np.ndarray:
    """Return which genes `(n_genes,)` can be fitted from sums."""
    if likelihood.family.name == "negative_binomial":
        return table.statistics[:, bins.N_NOT_COUNTS] == 0
    if likelihood.family.positive:
        return (table.statistics[:, bins.N_NONZERO] == n_cells) & (table.extremes[:, bins.LEAST] > 0)
    return np.ones(len(table.statistics), dtype=bool)
