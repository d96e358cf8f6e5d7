"""Input of figures from the result of a fit: rows of genes, columns of heatmaps, strips of covariates, labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..contracts.capabilities import fitted_value
from ..errors import UnknownNameError, did_you_mean
from ..lineage.annotations import read_annotations
from ..lineage.columns import column_of
from ..lineage.genes.expression import with_annotations
from ..results.cells import binned_cells
from ..results.result import FitResult
from ..trends.trends import names_along
from .genes.gene import cell_colors
from .parts.strips import Strip, covariate_strips

if TYPE_CHECKING:
    from anndata import AnnData

_N_BINS = 40  # of the cells beside a heatmap


def _need_cells(what: str, adata: AnnData | None) -> None:
    if adata is None:
        raise ValueError(f"{what} needs the cells: pass adata= as well (a fitted clusterer does not store them).")


def strips_of(result: FitResult, adata: Any, covariate_key: Any, cmap: Any = "viridis") -> list[Strip]:
    """Return the strips of covariates."""
    if covariate_key is None:
        return []
    _need_cells("covariate_key", adata)
    annotations = read_annotations(adata, covariate_key, names_along(result.grid_lineage), result.reader)
    return covariate_strips(annotations, result.pseudotime, result.grid_lineage, cmap)


def value_label(result: FitResult) -> str:
    """Return the axis label of scaled trends."""
    scale = result.scale if isinstance(result.scale, str) else ""
    return {"zscore": "scaled expression (z)", "minmax": "scaled expression (0-1)"}.get(scale, "expression")


def rows_of(result: FitResult, genes: Any) -> np.ndarray:
    """Return the rows of genes; raise an error that explains why a gene has none."""
    rows = {gene: row for row, gene in enumerate(result.genes)}
    wanted = list(dict.fromkeys(result.named(names_in(genes))))
    if not wanted:
        raise ValueError("genes is empty. Name at least one, or pass None for all.")
    for gene in wanted:
        if gene in result.failed:
            raise UnknownNameError(f"{gene!r} has no trend: {result.failed[gene]}")
        if gene not in rows:
            raise UnknownNameError(f"There is no trend of {gene!r}: it was not fitted.{did_you_mean(gene, rows)}")
    return np.array([rows[gene] for gene in wanted])


def of_clusterer(result: FitResult, attribute: str, what: str, instead: str) -> Any:
    """Return a fitted attribute of the clusterer, or raise an error that names a clusterer that has it."""
    if len(result.grouped) == 0:
        raise ValueError(
            "There is nothing to draw: no gene was clustered. Look at gene_table_, or fit with alpha=None."
        )
    found = fitted_value(result.clusterer, attribute)
    if found is None:
        raise ValueError(f"{type(result.clusterer).__name__} has no {what} to draw. Fit with clusterer={instead}.")
    return found


def names_in(genes: Any) -> list:
    """Return one name, or several, as a list."""
    if isinstance(genes, str):
        return [genes]
    if np.ndim(genes) != 1:
        raise TypeError(f"genes must be a name or a sequence of names; got {genes!r}.")
    return list(genes)


def colors_of_cells(adata: Any, key: str) -> Strip:
    """Return the colours of all cells by a column of obs."""
    _need_cells("color", adata)
    return cell_colors(key, column_of(with_annotations(adata), key, "color"), adata.uns.get(f"{key}_colors"))


def with_cells_beside(
    result: FitResult, adata: Any, strips: Sequence[Strip]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Strip]]:
    """Return scaled values, pseudotimes, headings and covariates of the trends, followed by the cells in bins.

    Expression in bins is scaled as the trends are; empty bins are interpolated.
    """
    _need_cells("cells=True", adata)
    grid, lineages = result.pseudotime, result.grid_lineage
    spread = np.where(result.spread > 0, result.spread, 1.0)[:, None]
    several = len(names_along(lineages)) > 1
    scaled, grids, places = [result.scaled], [grid], [np.arange(len(grid))]
    headings = list(lineages) if several else ["trend"] * len(grid)
    for bins in binned_cells(result, adata, result.genes, _N_BINS):
        middles = (bins.edges[:-1] + bins.edges[1:]) / 2
        filled = np.array([_filled(row, middles) for row in bins.means])
        scaled.append((filled - result.location[:, None]) / spread)
        grids.append(middles)
        headings += [f"{bins.name}, cells" if several else "cells, binned"] * _N_BINS
        own = np.flatnonzero(lineages == ("" if bins.name is None else bins.name))
        places.append(own[np.abs(grid[own][:, None] - middles).argmin(axis=0)])
    at = np.concatenate(places)
    beside = [replace(strip, colors=strip.colors[at]) for strip in strips]
    return np.hstack(scaled), np.concatenate(grids), np.array(headings, dtype=object), beside


def _filled(row: np.ndarray, times: np.ndarray) -> np.ndarray:
    known = np.isfinite(row)
    return np.interp(times, times[known], row[known]) if known.any() else np.zeros(len(row))
