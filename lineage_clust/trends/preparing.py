"""Selection of the cells on which each gene is fitted: those of the lineage, or as chosen by a callback or filter."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy import sparse

from ..expression.storage.blocks import BlockedExpression
from ..lineage.cells.confounding import check_identified
from ..lineage.lineage import Lineage
from ..models.mapping import by_gene, entries
from .gene_trend import GeneTrend


@dataclass(frozen=True)
class Cells:
    """The cells that one or several genes are fitted on.

    Arrays are those of :class:`~lineage_clust.lineage.lineage.Lineage` for these cells. `matrix` has all genes of the
    lineage, or one, `(n_cells, 1)`; `key` is equal for genes that can be fitted together.
    """

    x: np.ndarray
    w: np.ndarray
    matrix: Any
    covariates: np.ndarray | None
    offset: np.ndarray | None
    key: object
    donors: np.ndarray | None = None
    draws: np.ndarray | None = None

    def expression(self, genes: list[int]):
        """Return `(n_cells, len(genes))` expression."""
        if self.matrix.shape[1] == len(genes):
            return self.matrix
        return self.matrix[:, genes]


class _Stack:
    """Expression of genes that share cells but were prepared separately."""

    def __init__(self):
        self.columns: dict[int, np.ndarray] = {}
        self.shape = (0, -1)

    def __getitem__(self, key):
        return np.column_stack([self.columns[gene] for gene in key[1]])


def prepared_cells(
    lineage: Lineage, n_points: int, callback, filter_cells, prepare_kwargs: dict
) -> tuple[list[Cells | None], dict[int, str]]:
    """Return the cells of every gene, and the reasons for genes that could not be prepared.

    `callback` is `None`, a function `(trend, **prepare_kwargs) -> prepared trend`, or a mapping of such by gene and
    lineage. Cells in which a gene's expression is at most `filter_cells` are excluded for that gene.
    """
    if isinstance(lineage.expression, BlockedExpression) and (callback is not None or filter_cells is not None):
        lineage.expression.check_fits_dense()  # every gene has separate cells
    if callback is not None:
        return _by_callback(lineage, n_points, callback, filter_cells, prepare_kwargs)
    if filter_cells is None:
        shared = Cells(
            lineage.pseudotime, lineage.weights, lineage.expression, lineage.covariates, lineage.offset, "lineage",
            lineage.donors, lineage.draws,
        )  # fmt: skip
        return [shared] * len(lineage.genes), {}
    cells: list[Cells | None] = []
    failed: dict[int, str] = {}
    for gene in range(len(lineage.genes)):
        y = column_values(lineage.expression, gene)
        kept = ~(y <= filter_cells)  # NaN is kept and reported by the model
        if not kept.any():
            failed[gene] = f"prepare: no cell has expression above filter_cells={filter_cells:g}"
            cells.append(None)
            continue
        try:
            covariates = _covariates_of(lineage, kept)
        except ValueError as error:
            failed[gene] = f"prepare: {error}"
            cells.append(None)
            continue
        own = lineage.of_cells(kept) | {"covariates": covariates}
        cells.append(Cells(own.pop("pseudotime"), own.pop("weights"), y[kept][:, None], key=gene, **own))
    return cells, failed


def _covariates_of(lineage: Lineage, kept: np.ndarray) -> np.ndarray | None:
    """Return the covariates that vary among some cells, if their effects are identifiable."""
    if lineage.covariates is None:
        return None
    columns = lineage.covariates[kept]
    varying = np.ptp(columns, axis=0) > 0
    if not varying.any():
        return None
    keys = [key for key, varies in zip(lineage.covariate_keys, varying, strict=True) if varies]
    check_identified(lineage.pseudotime[kept], lineage.weights[kept], columns[:, varying], keys)
    return columns[:, varying]


def _by_callback(lineage, n_points, callback, filter_cells, prepare_kwargs):
    pseudotime, weights, matrix, columns = lineage.whole
    callbacks = by_gene(callback, lineage.genes, lineage.name, "callback", complete=False)
    grid = lineage.grid(n_points)
    cells, failed, stacks = [], {}, {}
    for gene, (name, function) in enumerate(zip(lineage.genes, callbacks, strict=True)):
        trend = GeneTrend(name, lineage.name, pseudotime, column_values(matrix, columns[gene]), weights)
        keywords = {
            **prepare_kwargs,
            "time_range": (lineage.start, lineage.end),
            "n_points": n_points,
            "filter_cells": filter_cells,
        }
        try:
            prepare = GeneTrend.prepare if function is None else function
            trend = prepare(trend, gene=name, lineage=lineage.name, **keywords)
            _check_prepared(trend, name, grid)
        except Exception as error:
            failed[gene] = f"prepare: {type(error).__name__}: {error}"
            cells.append(None)
            continue
        x, w = np.asarray(trend.x, dtype=float), np.asarray(trend.w, dtype=float)
        key = blake2b(x.tobytes() + b"|" + w.tobytes()).hexdigest()
        stack = stacks.setdefault(key, _Stack())
        stack.columns[gene] = np.asarray(trend.y, dtype=float)
        cells.append(Cells(x, w, stack, None, None, key))
    return cells, failed


def _check_prepared(trend: object, name: str, grid: np.ndarray) -> None:
    if not isinstance(trend, GeneTrend):
        raise TypeError(f"the callback must return the prepared trend; it returned {type(trend).__name__}")
    chosen = trend._chosen()
    if chosen is None:
        raise ValueError("the callback returned a trend that is not prepared: call trend.prepare(...) in it")
    if trend.gene != name:
        raise ValueError(f"the callback returned the trend of another gene ({trend.gene!r})")
    x, y, w, own_grid = chosen
    if len(x) != len(y) or len(x) != len(w) or len(x) == 0:
        raise ValueError(f"x, y and w must have one value per cell; they have {len(x)}, {len(y)} and {len(w)}")
    if len(own_grid) != len(grid) or not np.allclose(own_grid, grid):
        raise ValueError("the callback changed the grid; all genes of a lineage share one. Set time_range and n_points")


def column_values(matrix, column: int) -> np.ndarray:
    """Return one column of a matrix as a float array `(n_cells,)`."""
    if isinstance(matrix, BlockedExpression):
        return matrix.column(int(column))
    if sparse.issparse(matrix):
        return matrix[:, [column]].toarray().ravel().astype(float)
    return np.asarray(matrix[:, column], dtype=float)


def check_callback(
    callback: Any, covariates: Any = None, offset: Any = None, sample_key: Any = None, of_draws: bool = False
) -> None:
    """Raise an error unless `callback` is a function or a mapping of functions that suits the other parameters."""
    for one in entries(callback):
        if one is not None and not callable(one):
            raise TypeError(f"callback must be a function or a mapping of functions; got {one!r}.")
    if callback is not None and (covariates is not None or offset is not None):
        raise ValueError(
            "A callback selects the cells of each gene, so it cannot be combined with covariates or offset."
        )
    if callback is not None and of_draws:
        raise ValueError(
            "A callback selects cells by one pseudotime and cannot be combined with draws of pseudotime (a list as "
            "time_key). Leave one of them out."
        )
    if callback is not None and sample_key is not None:
        raise ValueError(
            "A callback selects cells without their donors and cannot be combined with sample_key. Leave one of them out."
        )
