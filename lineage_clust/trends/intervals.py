"""Pointwise intervals of the trends of many genes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .lineage_fit import FittedLineage


def intervals(fits: Sequence[FittedLineage], genes: Sequence[str], level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper ends of pointwise intervals, `(n_genes, n_points)` each, with lineages side by side.

    They are NaN for models without standard errors. For models with a link, intervals are computed on its scale, so
    that they are not symmetric around the trend and stay within the possible range of the mean. All genes have a trend
    in every lineage; `level` is the coverage, in (0, 1).
    """
    sides = []
    for fit in fits:
        ends = np.full((2, len(genes), len(fit.trends.grid)), np.nan)
        for group, columns, rows in fit.columns(genes):
            found = group.interval(group.grid, level)
            if found is not None:
                ends[:, rows] = np.stack(found)[:, :, columns].transpose(0, 2, 1)
        sides.append(ends)
    lower, upper = np.concatenate(sides, axis=2)
    return lower, upper
