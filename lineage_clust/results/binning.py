"""Mean expression of the cells in bins of pseudotime along the fitted lineages, on the scale of the trends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..expression.binned import binned_means
from ..lineage.lineage import Lineage
from ..trends.pairing import families
from .result import FitResult


@dataclass(frozen=True)
class Bins:
    """Mean expression in the bins of one lineage.

    `edges` `(n_bins + 1,)` are pseudotimes; `means` `(n_genes, n_bins)` are NaN in bins without cells; `weight`
    `(n_bins,)` is the total weight of the cells.
    """

    name: str | None
    edges: np.ndarray
    means: np.ndarray
    weight: np.ndarray


def binned_cells(result: FitResult, adata: Any, genes: Sequence[str], n_bins: int) -> list[Bins]:
    """Return the weighted mean expression of genes in bins of equal width, one object per lineage.

    Counts with an offset under a log link are divided by the exponential of the offset, to be comparable with the trends,
    which are those of a cell with offset 0; under the identity link the offset is subtracted.
    """
    linear = any(link == "identity" for _, link in families(result.fitter.model))
    found = []
    for lineage in result.read(adata, genes):
        edges = np.linspace(lineage.start, lineage.end, n_bins + 1)
        found.append(Bins(lineage.name, edges, *_means(lineage, edges, linear)))
    return found


def _means(lineage: Lineage, edges: np.ndarray, linear: bool) -> tuple[np.ndarray, np.ndarray]:
    exposure = None if lineage.offset is None or linear else np.exp(lineage.offset)
    args = (lineage.pseudotime, lineage.weights)
    means, weight = binned_means(*args, lineage.expression, edges, exposure)
    if lineage.offset is not None and linear:
        means = means - binned_means(*args, lineage.offset[:, None], edges)[0]
    return means.T, weight
