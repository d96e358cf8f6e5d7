"""Selection of the cells on which each gene is fitted: those of the lineage, or as chosen by a callback or filter."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from ..expression.storage.blocks import BlockedExpression
from ..lineage.cells.covariates import check_identified
from ..lineage.lineage import Lineage, Reader
from ..lineage.time.pseudotime import are_time_draws
from ..models.mapping import by_gene, entries
from ..utils.matrices import column_of
from .gene_trend import GeneTrend


def prepared_lineages(
    lineage: Lineage, n_points: int, callback, filter_cells, prepare_kwargs: dict
) -> tuple[list[Lineage], dict[str, str]]:
    """Return a lineage for each group of genes that share cells, and why other genes could not be prepared.

    `callback` is a function `(trend, **prepare_kwargs) -> prepared trend`, a mapping of such, or `None`; then cells in which
    a gene's expression is at most `filter_cells` are excluded for that gene.
    """
    if isinstance(lineage.expression, BlockedExpression) and (callback is not None or filter_cells is not None):
        lineage.expression.check_fits_dense()  # every gene has separate cells
    if callback is not None:
        return _by_callback(lineage, n_points, callback, filter_cells, prepare_kwargs)
    if filter_cells is None:
        return [lineage], {}
    found, failed = [], {}
    for column, gene in enumerate(lineage.genes):
        y = column_values(lineage.expression, column)
        kept = ~(y <= filter_cells)  # NaN is kept and reported by the model
        if not kept.any():
            failed[gene] = f"prepare: no cell has expression above filter_cells={filter_cells:g}"
            continue
        try:
            covariates = _covariates_of(lineage, kept)
        except ValueError as error:
            failed[gene] = f"prepare: {error}"
            continue
        found.append(lineage.of_cells(kept, genes=[gene], expression=y[kept][:, None], covariates=covariates))
    return found, failed


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


def _by_callback(
    lineage: Lineage, n_points: int, callback, filter_cells, prepare_kwargs: dict
) -> tuple[list[Lineage], dict[str, str]]:
    callbacks = by_gene(callback, lineage.genes, lineage.name, "callback", complete=False)
    grid, ends = lineage.grid(n_points), (lineage.start, lineage.end)
    alike: dict[bytes, tuple] = {}  # pseudotime and weights, and names and expression of the genes, by digest
    failed: dict[str, str] = {}
    for place, (name, function) in enumerate(zip(lineage.genes, callbacks, strict=True)):
        trend = with_cells(name, lineage, place)
        keywords = prepare_kwargs | {"time_range": ends, "n_points": n_points, "filter_cells": filter_cells}
        try:
            prepare = GeneTrend.prepare if function is None else function
            trend = prepare(trend, gene=name, lineage=lineage.name, **keywords)
            _check_prepared(trend, name, grid)
        except Exception as error:
            failed[name] = f"prepare: {type(error).__name__}: {error}"
            continue
        x, w, y = (np.asarray(values, dtype=float) for values in (trend.x, trend.w, trend.y))
        _, _, genes, values = alike.setdefault(blake2b(x.tobytes() + b"|" + w.tobytes()).digest(), (x, w, [], []))
        genes.append(name)
        values.append(y)
    return [
        Lineage(lineage.name, x, w, np.column_stack(values), genes, *ends, np.arange(len(x)))
        for x, w, genes, values in alike.values()
    ], failed


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


def with_cells(gene: str, lineage: Lineage, place: int) -> GeneTrend:
    """Return the trend of a gene, at a place among those of a lineage, with all cells of the AnnData; not prepared."""
    whole = lineage.whole
    return GeneTrend(
        gene, lineage.name, whole.pseudotime, column_values(whole.matrix, whole.columns[place]), whole.weights
    )


def column_values(matrix, column: int) -> np.ndarray:
    """Return one column of a matrix as a float array `(n_cells,)`."""
    return matrix.column(int(column)) if isinstance(matrix, BlockedExpression) else column_of(matrix, column)


def terms_of(reader: Reader) -> list[str]:
    """Return what a fit uses besides pseudotime, weights and expression, which a single trend does not contain."""
    given = {
        "covariates": reader.covariates is not None,
        "an offset": reader.offset is not None,
        "donors": reader.sample_key is not None,
        "draws of pseudotime": are_time_draws(reader.time_key),
    }
    return [what for what, is_given in given.items() if is_given]


def check_callback(callback: Any, reader: Reader) -> None:
    """Raise an error unless `callback` is a function or a mapping of functions that suits what is read."""
    for one in entries(callback):
        if one is not None and not callable(one):
            raise TypeError(f"callback must be a function or a mapping of functions; got {one!r}.")
    given = {
        "covariates or offset": reader.covariates is not None or reader.offset is not None,
        "draws of pseudotime (a list as time_key)": are_time_draws(reader.time_key),
        "sample_key": reader.sample_key is not None,
    }
    other = [what for what, is_given in given.items() if is_given]
    if callback is not None and other:
        raise ValueError(
            "A callback selects the cells of each gene by one pseudotime and their weights, so it cannot be combined with "
            f"{other[0]}. Leave one of them out."
        )
