"""Covariates of the cells as strips along the grid of one or several lineages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...lineage.annotations import Annotation
from .labels import level_names
from .palettes import read_palette
from .strips import Strip, is_numeric, make_strip, means_along, numeric_strip


def covariate_strips(
    annotations: Sequence[Annotation], grid: np.ndarray, grid_lineage: np.ndarray, cmap: object = "viridis"
) -> list[Strip]:
    """Return one strip per covariate.

    annotations : As returned by :func:`lineage_clust.lineage.annotations.read_annotations`, for the lineages of the
        grid.
    grid, grid_lineage : `(n_points,)` pseudotime and lineage of each grid point; "" = a single trajectory.
    cmap : Colour map of numeric covariates.
    """
    return [_strip(one, grid, grid_lineage, cmap) for one in annotations]


def _strip(annotation: Annotation, grid: np.ndarray, grid_lineage: np.ndarray, cmap) -> Strip:
    key, levels = annotation.key, level_names(annotation.levels)
    colors = read_palette(annotation.colors, levels, f"adata.uns[{f'{key}_colors'!r}]")
    pieces = [(*annotation.parts[name], grid[grid_lineage == name]) for name in dict.fromkeys(grid_lineage)]
    if is_numeric(pieces[0][0]):  # one colour scale for all lineages
        return numeric_strip(key, np.concatenate([means_along(*piece) for piece in pieces]), cmap)
    parts = [make_strip(key, *piece, colors=colors) for piece in pieces]
    merged = {level: color for part in parts for level, color in part.categories.items()}
    ordered = {level: merged[level] for level in levels if level in merged}
    return Strip(key, np.concatenate([part.colors for part in parts]), ordered)
