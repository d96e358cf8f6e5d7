"""Deviance of held-out cells explained by the mean trends of the clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..expression.sums.moments import weighted_products
from .at_offset_zero import genes_by_scale
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
            for linear, columns in genes_by_scale(result.fitter.model, part):
                rows = position.get_indexer([part.genes[column] for column in columns])
                clustered = result.labels[rows] >= 0
                if not clustered.any():
                    continue
                rows = rows[clustered]
                curves = np.column_stack([np.interp(part.pseudotime, grid, centre) for centre in centres])
                explained[rows] += _explained(
                    curves,
                    result.labels[rows],
                    result.location[rows],
                    result.spread[rows],
                    part.expression[:, columns[clustered]],
                    part.weights,
                    part.offset,
                    linear,
                )
    return float(explained.sum() / (len(result.names) * len(result.genes)))


def _explained(curves, labels, location, spread, expression, weights, offset, linear) -> np.ndarray:
    """Return `1 - RSS / TSS` of each gene, from products of the expression with the curves.

    A cell is predicted by `factor * (location + spread * curve) + shift`, of which factor and shift are those of its offset.
    """
    factor = np.exp(offset) if linear is False else np.ones(len(curves))
    shift = offset if linear else np.zeros(len(curves))
    origin = location if linear is not False else np.zeros_like(location)  # a high level would cost precision
    columns = np.column_stack([curves * factor[:, None], factor, shift])
    products, squares = weighted_products(columns, expression, weights, origin)
    products, squares = (
        products - ((weights * shift) @ columns)[:, None],
        squares - 2 * products[-1] + weights @ shift**2,
    )
    with_curve, with_factor, factors = products[labels, np.arange(len(labels))], products[-2], weights * factor**2
    total = squares - with_factor**2 / factors.sum()
    level = location - origin
    rss = (
        squares
        - 2 * (level * with_factor + spread * with_curve)
        + level**2 * factors.sum()
        + 2 * level * spread * (factors @ curves)[labels]
        + spread**2 * (factors @ curves**2)[labels]
    )
    varies = total > 1e-12 * squares + 1e-28 * location**2 * weights.sum()
    return np.where(varies, 1 - rss / np.where(varies, total, 1.0), 0.0)
