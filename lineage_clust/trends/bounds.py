"""Pointwise intervals of the trends of many genes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from ..contracts.capabilities import has_method
from .group_fit import design_rows
from .lineage_fit import FittedLineage


def intervals(fits: Sequence[FittedLineage], genes: Sequence[str], level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper ends of pointwise intervals, `(n_genes, n_points)` each, with lineages side by side.

    They are NaN for models without standard errors. For models with a link, intervals are computed on its scale, so
    that they are not symmetric around the trend and stay within the possible range of the mean. All genes have a trend
    in every lineage; `level` is the coverage, in (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1; got {level!r}.")
    sides = []
    for fit in fits:
        ends = np.full((2, len(genes), len(fit.trends.grid)), np.nan)
        row_of = {gene: row for row, gene in enumerate(genes)}
        for group in fit.groups:
            columns = [column for column, gene in enumerate(group.genes) if gene in row_of]
            if columns:
                rows = [row_of[group.genes[column]] for column in columns]
                ends[:, rows] = _group_interval(group, level)[:, columns]
        sides.append(ends)
    lower, upper = np.concatenate(sides, axis=2)
    return lower, upper


def _group_interval(group, level: float) -> np.ndarray:
    """Return intervals `(2, n_genes, n_points)` of genes that were fitted together."""
    if has_method(group.model, "confidence_interval"):
        rows = design_rows(group.smoother, group.model, group.grid, group.n_covariates)
        return np.stack([end.T for end in group.model.confidence_interval(rows, level)])
    if group.se is None:
        return np.full((2, *group.values.shape), np.nan)
    half = norm.ppf(0.5 + level / 2) * group.se
    return np.stack([group.values - half, group.values + half])
