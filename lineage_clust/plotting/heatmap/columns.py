"""Columns of the heatmap: trends, optionally followed by binned expression of the cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...results.binning import binned_cells
from ...results.result import FitResult
from ..parts.strips import Strip

_N_BINS = 40


@dataclass(frozen=True)
class Columns:
    """Colour values `(n_genes, n_columns)`, and pseudotime, lineage or heading, and covariates of each column."""

    scaled: np.ndarray
    grid: np.ndarray
    lineage: np.ndarray
    strips: Sequence[Strip]


def with_cells_beside(result: FitResult, adata: Any, columns: Columns) -> Columns:
    """Return the columns with the cells' mean expression in bins, scaled as the trends, added after those of all lineages.

    Bins without cells are interpolated.
    """
    if adata is None:
        raise ValueError("cells=True needs the cells: pass adata= as well (a fitted clusterer does not store them).")
    spread = np.where(result.spread > 0, result.spread, 1.0)[:, None]
    scaled, grids, headings, places = [columns.scaled], [columns.grid], [], [np.arange(len(columns.grid))]
    several = len(set(result.grid_lineage.tolist())) > 1
    for bins in binned_cells(result, adata, result.genes, _N_BINS):
        middles = (bins.edges[:-1] + bins.edges[1:]) / 2
        filled = np.array([_filled(row, middles) for row in bins.means])
        scaled.append((filled - result.location[:, None]) / spread)
        grids.append(middles)
        headings += [f"{bins.name}, cells" if several else "cells, binned"] * _N_BINS
        own = np.flatnonzero(columns.lineage == ("" if bins.name is None else bins.name))
        places.append(own[np.abs(columns.grid[own][:, None] - middles).argmin(axis=0)])
    trends = columns.lineage if several else np.full(len(columns.grid), "trend")
    place = np.concatenate(places)
    return Columns(
        np.hstack(scaled),
        np.concatenate(grids),
        np.concatenate([np.asarray(trends, dtype=object), np.asarray(headings, dtype=object)]),
        [replace(strip, colors=strip.colors[place]) for strip in columns.strips],
    )


def _filled(row: np.ndarray, times: np.ndarray) -> np.ndarray:
    known = np.isfinite(row)
    return np.interp(times, times[known], row[known]) if known.any() else np.zeros(len(row))
