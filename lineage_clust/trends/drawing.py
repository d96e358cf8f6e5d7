"""Samples of trends from their posterior, or refits to halves of the cells, for confidence and shape intervals."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from ..contracts.capabilities import has_method
from ..errors import LineageClustWarning
from ..expression.storage.blocks import cell_totals
from ..lineage.lineage import Lineage
from ..utils.threads import in_threads
from .lineage_fit import FittedLineage
from .pairing import draws_of
from .preparing import column_values
from .shapes import uncertainty
from .trends import Trends, arranged_by_name, seed_of

MOST_DRAWS = 40
_N_PAIRS = 3  # complementary halves; a model without a posterior is refitted to each half
_N_SHAPE_DRAWS = 40
_BLOCK = 2**21  # values of draws in memory at a time for intervals of shapes


def can_draw(fits: Sequence[FittedLineage]) -> bool:
    """Return whether every fitted model has a posterior."""
    return all(has_method(group.model, "sample") for fit in fits for group in fit.groups)


def posterior_draws(
    fits: Sequence[FittedLineage], genes: Sequence[str], n_draws: int = MOST_DRAWS, random_state: int = 0
) -> Iterator[np.ndarray]:
    """Yield posterior samples of trends, `(n_genes, n_points)`, with lineages concatenated, independent of their order."""
    blocks, first = [], 0
    for fit in fits:
        seed = random_state if len(fits) == 1 else seed_of(random_state, fit.name)
        grid = fit.trends.grid
        for group, columns, rows in fit.columns(genes):
            where = np.array(rows), slice(first, first + len(grid))
            blocks.append((where, draws_of(group.model, group.design(grid), columns, n_draws, seed)))
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
    """Yield trends `(n_genes, n_points)` refitted to random halves of the cells, with lineages concatenated.

    Halves come in complementary pairs, which use every cell equally often (Shah & Samworth 2013, Variable selection
    with error control: another look at stability selection, JRSS B 75, 55-80), and do not depend on the order of the
    cells. A gene that cannot be fitted in a half keeps its original trend; a half without any trend is skipped.
    """
    generator = np.random.default_rng(random_state)
    order = _canonical_cells(lineages)
    n_obs = len(order)
    for _ in range(_N_PAIRS):
        first_half = np.empty(n_obs, dtype=bool)
        first_half[order] = generator.permutation(n_obs) < n_obs // 2
        for half in (first_half, ~first_half):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", LineageClustWarning)  # already raised in the original fit
                try:
                    again = [refit(cells_of(lineage, half)) for lineage in lineages]
                except ValueError:
                    continue
            yield np.hstack([_values(new.trends, fit.trends, genes) for new, fit in zip(again, fits, strict=True)])


def scaled(
    draws: Iterator[np.ndarray], trends: Trends, genes: Sequence[str], scale: object, *, by_name: bool = True
) -> Iterator[np.ndarray]:
    """Yield samples scaled by :meth:`.Trends.scaled`; with `by_name`, lineages are sorted by name, as for the clusterer."""
    for values in draws:
        drawn = Trends(values, trends.grid, list(genes), grid_lineage=trends.grid_lineage)
        values = drawn.scaled(scale)
        yield arranged_by_name(values, trends.grid_lineage) if by_name else values


def shape_uncertainty(fits: Sequence[FittedLineage], genes: Sequence[str]) -> list[pd.DataFrame]:
    """Return intervals of the shapes of the trends for each lineage, one row per gene, see :func:`.uncertainty`.

    Genes are sampled in blocks, sorted by name, so that results do not depend on their order.
    """
    n_values = _N_SHAPE_DRAWS * len(genes) * sum(len(fit.trends.grid) for fit in fits)
    n_blocks = min(len(genes), 1 + n_values // _BLOCK)
    names = sorted(genes)
    ends = np.linspace(0, len(names), n_blocks + 1).astype(int)
    blocks = [names[first:last] for first, last in pairwise(ends)]
    index = [{gene: row for row, gene in enumerate(fit.trends.genes)} for fit in fits]

    def look(block: list[str]) -> list[pd.DataFrame]:
        draws = np.stack(list(posterior_draws(fits, block, _N_SHAPE_DRAWS, random_state=0)))
        tables, first = [], 0
        for fit, rows in zip(fits, index, strict=True):
            last = first + len(fit.trends.grid)
            values = fit.trends.values[[rows[gene] for gene in block]]
            table = uncertainty(values, draws[..., first:last], fit.trends.grid, n_values=n_values)
            tables.append(table.set_axis(block, axis=0))
            first = last
        return tables

    parts = list(in_threads(look, blocks))
    return [pd.concat(tables).loc[list(genes)].reset_index(drop=True) for tables in zip(*parts, strict=True)]


def cells_of(lineage: Lineage, kept: np.ndarray) -> Lineage:
    """Return the lineage restricted to some of the cells; `kept` is a mask `(n_obs,)` over all cells of the AnnData."""
    inside, whole = kept[lineage.cells], lineage.whole
    return lineage.of_cells(
        inside,
        expression=lineage.expression[np.flatnonzero(inside)],
        whole=whole._replace(
            pseudotime=whole.pseudotime[kept],
            weights=whole.weights[kept],
            matrix=_Rows(whole.matrix, np.flatnonzero(kept)),
        ),
    )


def _canonical_cells(lineages: Sequence[Lineage]) -> np.ndarray:
    """Return the canonical order of all cells, by pseudotime, weight and expression."""
    keys = []
    for lineage in sorted(lineages, key=lambda one: str(one.name)):
        totals = np.zeros(len(lineage.whole.pseudotime))
        totals[lineage.cells] = cell_totals(lineage.expression)
        size = np.abs(totals).max(initial=0.0)
        keys += [np.round(totals / size, 9) if size else totals, lineage.whole.weights, lineage.whole.pseudotime]
    return np.lexsort(keys)


class _Rows:
    """Some rows of a matrix, accessed one column at a time (by callbacks)."""

    def __init__(self, matrix, rows: np.ndarray):
        self._matrix, self._rows = matrix, rows
        self.shape = (len(rows), matrix.shape[1])

    def __getitem__(self, key):
        return column_values(self._matrix, key[1])[self._rows]


def _values(new: Trends, trends: Trends, genes: Sequence[str]) -> np.ndarray:
    again, fitted = (pd.Index(one.genes).get_indexer(genes) for one in (new, trends))
    return np.where((again >= 0)[:, None], new.values[again], trends.values[fitted])
