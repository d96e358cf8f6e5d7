"""Deviance of held-out cells explained by the mean trends of the clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..expression.sums.moments import weighted_products
from .result import FitResult

if TYPE_CHECKING:
    from anndata import AnnData


def held_out_deviance(result: FitResult, adata: AnnData) -> float:
    """Return the proportion of held-out deviance explained by cluster mean trends; see `scoring.trend_deviance`."""
    explained = np.zeros(len(result.genes))
    position = pd.Index(result.genes)
    for name in result.names:
        lineage = result.held_out(adata, name)
        inside = result.grid_lineage == ("" if name is None else name)
        grid, centres = result.pseudotime[inside], result.centers[:, inside]
        for part in result.fitter.prepare(lineage)[0]:
            rows = position.get_indexer(part.genes)
            columns = np.flatnonzero(result.labels[rows] >= 0)
            if len(columns) == 0:
                continue
            rows = rows[columns]
            curves = np.column_stack([np.interp(part.pseudotime, grid, centre) for centre in centres])
            explained[rows] += _explained(
                curves,
                result.labels[rows],
                result.location[rows],
                result.spread[rows],
                part.expression[:, columns],
                part.weights,
            )
    return float(explained.sum() / (len(result.names) * len(result.genes)))


def _explained(curves, labels, shift, spread, expression, weights) -> np.ndarray:
    """Return `1 - RSS / TSS` of each gene, from products of the expression with the curves."""
    columns = np.column_stack([curves, np.ones(len(curves))])
    products, squares = weighted_products(columns, expression, weights, shift)  # a high level would cost precision
    with_curve, sums = products[labels, np.arange(len(labels))], products[-1]
    total = squares - sums**2 / weights.sum()
    rss = squares - 2 * spread * with_curve + spread**2 * (weights @ curves**2)[labels]
    varies = total > 1e-12 * squares + 1e-28 * shift**2 * weights.sum()
    return np.where(varies, 1 - rss / np.where(varies, total, 1.0), 0.0)
