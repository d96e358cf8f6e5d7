"""Mean expression of the cells in bins of pseudotime along the fitted lineages, on the scale of the trends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..expression.sums.moments import weighted_products
from ..lineage.lineage import Lineage
from .at_offset_zero import genes_by_scale
from .result import FitResult


@dataclass(frozen=True)
class Bins:
    """Mean expression `(n_genes, n_bins)` in the bins of one lineage, NaN without cells, and the weight of their cells."""

    name: str | None
    edges: np.ndarray
    means: np.ndarray
    weight: np.ndarray


def binned_cells(result: FitResult, adata: Any, genes: Sequence[str], n_bins: int) -> list[Bins]:
    """Return the weighted mean expression of genes in bins of equal width, one object per lineage.

    Counts with an offset under a log link are divided by the exponential of the offset, to be comparable with the trends,
    which are those of a cell with offset 0; under the identity link the offset is subtracted.
    """
    found = []
    for lineage in result.of_cells(adata, genes):
        edges = np.linspace(lineage.start, lineage.end, n_bins + 1)
        means = np.full((len(lineage.genes), n_bins), np.nan)
        for part in result.fitter.prepare(lineage)[0]:
            position = pd.Index(lineage.genes).get_indexer(part.genes)
            for linear, columns in genes_by_scale(result.fitter.model, part):
                means[position[columns]] = _means(part, columns, edges, linear)
        found.append(Bins(lineage.name, edges, means, lineage.weights @ _inside(lineage.pseudotime, edges)))
    return found


def _means(lineage: Lineage, columns: np.ndarray, edges: np.ndarray, linear: bool | None) -> np.ndarray:
    """Return the means `(n_columns, n_bins)` of some genes of a lineage; the last bin has its right edge."""
    weights, offset = lineage.weights, lineage.offset
    inside = _inside(lineage.pseudotime, edges)
    sums, _ = weighted_products(inside, lineage.expression[:, columns], weights)
    weight = weights @ inside
    with np.errstate(invalid="ignore", divide="ignore"):
        if offset is None or linear is None:
            means = sums.T / weight
        elif linear:
            means = sums.T / weight - (weights * offset) @ inside / weight
        else:
            means = sums.T / ((weights * np.exp(offset)) @ inside)
    return np.where(weight > 0, means, np.nan)


def _inside(times: np.ndarray, edges: np.ndarray) -> np.ndarray:
    number = np.minimum(np.searchsorted(edges, times, side="right") - 1, len(edges) - 2)
    return (number[:, None] == np.arange(len(edges) - 1)).astype(float)
