"""Cells behind trends: colours by annotation, and a separate strip for zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ...lineage.columns import check_levels, numbers_or_levels
from ..parts.colors import cluster_colors
from ..parts.labels import level_names
from ..parts.palettes import read_palette
from ..parts.strips import Strip
from ..parts.theme import ink

MANY_ZEROS = 0.05  # fraction of zeros above which they are drawn in a separate strip
_STRIP = 0.09  # height of the strip, relative to the range of expression
_UNKNOWN = 0.55  # ink of cells with missing values


def cell_colors(name: str, values: pd.Series, colors: Any = None) -> Strip:
    """Return the colours of cells by a column of obs; for numbers, they span the central 98 %.

    colors : One per category, as in `uns[f"{name}_colors"]`; `None` or too few = default colours.
    """
    from matplotlib import colormaps
    from matplotlib.colors import Normalize, to_rgb

    values = numbers_or_levels(values)
    grey = np.array(ink(_UNKNOWN))
    if not isinstance(values.dtype, pd.CategoricalDtype):
        numbers = values.to_numpy(dtype=float)
        known = np.isfinite(numbers)
        low, high = (float(end) for end in np.quantile(numbers[known], [0.01, 0.99])) if known.any() else (0.0, 1.0)
        chosen, scale = colormaps["viridis"], Normalize(low, high if high > low else low + 1.0, clip=True)
        rgb = np.array(chosen(scale(np.nan_to_num(numbers))))[:, :3]
        rgb[~known] = grey
        return Strip(name, rgb, {}, (low, high), chosen)
    check_levels(values, "color")
    levels = level_names(values.cat.categories)
    palette = read_palette(colors, levels, f"adata.uns[{f'{name}_colors'!r}]") or cluster_colors(len(levels))
    known_colors = np.array([*(to_rgb(color) for color in palette), grey])  # the last one is for code -1
    return Strip(name, known_colors[values.cat.codes.to_numpy()], dict(zip(levels, palette, strict=True)))


def some_cells(n_cells: int, at_most: int) -> np.ndarray:
    """Return the positions of the cells to draw: all, or a reproducible random sample of `at_most`."""
    if n_cells <= at_most:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(0).choice(n_cells, at_most, replace=False))


def with_zeros_apart(y: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the y coordinates of cells, and the height of the strip below 0 in which cells without expression are spread.

    At 0 they would overlap. There is no strip if expression may be negative or is hardly ever 0.
    """
    zero = y == 0
    if len(y) == 0 or y.min() < 0 or zero.mean() < MANY_ZEROS or zero.all():
        return y, 0.0
    height = _STRIP * float(y.max())
    places = y.astype(float).copy()
    places[zero] = -height * np.random.default_rng(0).uniform(0.25, 1.0, int(zero.sum()))
    return places, height
