"""Trends drawn anew: from their posterior, or from half of the cells; resolution, confidence and shapes rest on them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from ..contracts.asking import has_posterior
from ..errors import LineageClustWarning
from ..expression.blocks import BlockedExpression
from ..lineage.lineage import Lineage
from ..utils.threads import in_threads
from .calling import draws_of
from .group_fit import design_rows
from .intervals import uncertainty
from .lineage_fit import FittedLineage
from .preparing import column_values
from .side_by_side import arranged_by_name, seed_of
from .trends import Trends

MOST_DRAWS = 40
_N_PAIRS = 3  # of complementary halves: a model without a posterior is fitted anew to each
_N_SHAPE_DRAWS = 40
_BLOCK = 2**21  # values of draws that are held together for intervals of shapes


def can_draw(fits: Sequence[FittedLineage]) -> bool:
    """Return whether every model that was fitted has a posterior."""
    return all(has_posterior(group.model) for fit in fits for group in fit.groups)


def posterior_draws(
    fits: Sequence[FittedLineage],
    genes: Sequence[str],
    n_draws: int = MOST_DRAWS,
    random_state: int = 0,
) -> Iterator[np.ndarray]:
    """Yield trends `(n_genes, n_points)` drawn from the posterior, lineages side by side.

    The draws of a gene do not depend on its place among the others, nor those of a lineage on its place among lineages.

    Parameters
    ----------
    fits
        One a lineage.
    genes
        Which genes, in which order.
    n_draws
        Number of draws.
    random_state
        Seed.
    """
    place = {gene: row for row, gene in enumerate(genes)}
    blocks, first = [], 0
    for fit in fits:
        seed = random_state if len(fits) == 1 else seed_of(random_state, fit.name)
        grid = fit.trends.grid
        for group in fit.groups:
            index = {gene: column for column, gene in enumerate(group.genes)}
            members = sorted(gene for gene in index if gene in place)
            if members:
                rows = design_rows(group.smoother, group.model, grid, group.n_covariates)
                where = np.array([place[gene] for gene in members]), slice(first, first + len(grid))
                columns = [index[gene] for gene in members]
                blocks.append((where, draws_of(group.model, rows, columns, n_draws, seed)))
        first += len(grid)
    for _ in range(n_draws):
        values = np.empty((len(genes), first))
        for where, samples in blocks:
            values[where] = next(samples).T
        yield values


def half_sample_draws(
    fits: Sequence[FittedLineage],
    lineages: Sequence[Lineage],
    refit: Callable[[Lineage], FittedLineage],
    genes: Sequence[str],
    random_state: int = 0,
) -> Iterator[np.ndarray]:
    """Yield trends `(n_genes, n_points)` of random halves of the cells, lineages side by side.

    Halves come in complementary pairs, which use every cell equally often (Shah & Samworth 2013, Variable selection with
    error control: another look at stability selection, JRSS B 75, 55-80). They do not depend on the order of the cells. A
    gene that cannot be fitted in a half keeps its trend; a half in which none can is left out.

    Parameters
    ----------
    fits
        One a lineage.
    lineages
        The cells that were fitted.
    refit
        Fits a lineage as it was fitted.
    genes
        Which genes, in which order.
    random_state
        Seed.
    """
    generator = np.random.default_rng(random_state)
    order = _canonical_cells(lineages)
    n_obs = len(order)
    for _ in range(_N_PAIRS):
        first_half = np.empty(n_obs, dtype=bool)
        first_half[order] = generator.permutation(n_obs) < n_obs // 2
        for half in (first_half, ~first_half):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LineageClustWarning)  # said of all cells already
                try:
                    again = [refit(cells_of(lineage, half)) for lineage in lineages]
                except ValueError:
                    continue
            yield np.hstack([_values(new.trends, fit.trends, genes) for new, fit in zip(again, fits, strict=True)])


def scaled(
    draws: Iterator[np.ndarray], trends: Trends, genes: Sequence[str], scale: object, *, by_name: bool = True
) -> Iterator[np.ndarray]:
    """Yield drawn trends of some genes scaled as :meth:`lineage_clust.Trends.scaled` does.

    With `by_name`, lineages come in the order of their names, as a clusterer sees them.
    """
    for values in draws:
        drawn = Trends(values, trends.grid, list(genes), grid_lineage=trends.grid_lineage)
        values = drawn.scaled(scale)
        yield arranged_by_name(values, trends.grid_lineage) if by_name else values


def scaled_posterior_draws(
    fits: Sequence[FittedLineage],
    trends: Trends,
    genes: Sequence[str],
    scale: object,
    seed: int,
    *,
    by_name: bool = True,
) -> Iterator[np.ndarray]:
    """Yield scaled trends of some genes drawn from the posterior, as many as a clusterer may ask for; see `scaled`."""
    draws = posterior_draws(fits, genes, MOST_DRAWS, random_state=seed)
    return scaled(draws, trends, genes, scale, by_name=by_name)


def shape_uncertainty(fits: Sequence[FittedLineage], genes: Sequence[str], random_state: int = 0) -> list[pd.DataFrame]:
    """Return, for each lineage, how well the shapes of the trends are known, one row a gene.

    See :func:`lineage_clust.trends.intervals.uncertainty`. Genes are drawn in blocks, sorted by name, so that the order in
    which they come does not matter.
    """
    n_values = _N_SHAPE_DRAWS * len(genes) * sum(len(fit.trends.grid) for fit in fits)
    n_blocks = min(len(genes), 1 + n_values // _BLOCK)
    names = sorted(genes)
    ends = np.linspace(0, len(names), n_blocks + 1).astype(int)
    blocks = [names[first:last] for first, last in pairwise(ends)]
    index = [{gene: row for row, gene in enumerate(fit.trends.genes)} for fit in fits]

    def look(block: list[str]) -> list[pd.DataFrame]:
        draws = np.stack(list(posterior_draws(fits, block, _N_SHAPE_DRAWS, random_state)))
        tables, first = [], 0
        for fit, rows in zip(fits, index, strict=True):
            last = first + len(fit.trends.grid)
            values = fit.trends.values[[rows[gene] for gene in block]]
            tables.append(uncertainty(values, draws[..., first:last], fit.trends.grid).set_axis(block, axis=0))
            first = last
        return tables

    parts = list(in_threads(look, blocks))
    return [pd.concat(tables).loc[list(genes)].reset_index(drop=True) for tables in zip(*parts, strict=True)]


def cells_of(lineage: Lineage, kept: np.ndarray) -> Lineage:
    """Return the lineage with some of the cells only; `kept` is a mask `(n_obs,)` over all cells of the AnnData."""
    inside = kept[lineage.cells]
    pseudotime, weights, matrix, columns = lineage.whole
    return replace(
        lineage,
        pseudotime=lineage.pseudotime[inside],
        weights=lineage.weights[inside],
        expression=lineage.expression[np.flatnonzero(inside)],
        cells=lineage.cells[inside],
        covariates=None if lineage.covariates is None else lineage.covariates[inside],
        offset=None if lineage.offset is None else lineage.offset[inside],
        whole=(pseudotime[kept], weights[kept], _Rows(matrix, np.flatnonzero(kept)), columns),
    )


def _canonical_cells(lineages: Sequence[Lineage]) -> np.ndarray:
    """Return an order of all cells that does not hang on how they are listed: by pseudotime, weight and expression."""
    keys = []
    for lineage in sorted(lineages, key=lambda one: str(one.name)):
        totals = np.zeros(len(lineage.whole[0]))
        expression: Any = lineage.expression
        blocked = isinstance(expression, BlockedExpression)
        sums = expression.cell_totals() if blocked else np.asarray(expression.sum(axis=1, dtype=np.float64)).ravel()
        totals[lineage.cells] = np.nan_to_num(sums)
        size = np.abs(totals).max(initial=0.0)
        keys += [np.round(totals / size, 9) if size else totals, lineage.whole[1], lineage.whole[0]]
    return np.lexsort(keys)


class _Rows:
    """Some rows of a matrix, of which only one column at a time is asked for (by callbacks)."""

    def __init__(self, matrix, rows: np.ndarray):
        self._matrix, self._rows = matrix, rows
        self.shape = (len(rows), matrix.shape[1])

    def __getitem__(self, key):
        return column_values(self._matrix, key[1])[self._rows]


def _values(new: Trends, trends: Trends, genes: Sequence[str]) -> np.ndarray:
    refitted = {gene: row for row, gene in enumerate(new.genes)}
    fitted = {gene: row for row, gene in enumerate(trends.genes)}
    return np.array([new.values[refitted[gene]] if gene in refitted else trends.values[fitted[gene]] for gene in genes])
