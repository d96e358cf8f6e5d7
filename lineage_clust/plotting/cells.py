"""Cells behind a trend: colours by annotation, zeros below the axis of expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..lineage.columns import check_levels, numbers_or_levels
from .colors import cluster_colors
from .palettes import read_palette
from .theme import ink

MANY_ZEROS = 0.05  # share of the cells from which on zeros have a strip of their own
_STRIP = 0.09  # its height, in heights of the range of expression
_UNKNOWN = 0.55  # grey level of cells without annotation


@dataclass(frozen=True)
class CellColors:
    """The colour of every cell of an AnnData.

    Attributes
    ----------
    name
        The obs key.
    rgb
        `(n_obs, 3)`.
    categories
        Colour of each category; of numbers, none.
    limits, cmap
        Of numbers: values at the ends of the colour map.
    """

    name: str
    rgb: np.ndarray
    categories: Mapping[str, Any] = field(default_factory=dict)
    limits: tuple[float, float] | None = None
    cmap: Any = None


def cell_colors(name: str, values: pd.Series, colors: Any = None) -> CellColors:
    """Return the colours of cells by a column of obs.

    Parameters
    ----------
    name
        The obs key.
    values
        `(n_obs,)` numbers or categories.
    colors
        One a category, as `uns[f"{name}_colors"]` has them; `None` or too few = our own. Of numbers, the central 98 % are
        told apart.
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
        return CellColors(name, rgb, {}, (low, high), chosen)
    check_levels(values, "color")
    levels = [str(level) for level in values.cat.categories]
    palette = read_palette(colors, levels, f"adata.uns[{f'{name}_colors'!r}]") or cluster_colors(len(levels))
    known_colors = np.array([*(to_rgb(color) for color in palette), grey])  # the last one is that of code -1
    return CellColors(name, known_colors[values.cat.codes.to_numpy()], dict(zip(levels, palette, strict=True)))


def some_cells(n_cells: int, at_most: int) -> np.ndarray:
    """Return the positions of the cells to draw: all of them, or so many chosen at random, the same each time."""
    if n_cells <= at_most:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(0).choice(n_cells, at_most, replace=False))


def with_zeros_apart(y: np.ndarray) -> tuple[np.ndarray, float]:
    """Return where cells are drawn, and the height of the strip below 0 over which cells without expression are spread.

    At 0 they would lie on each other and hide how many they are. Expression that may be negative, or is hardly ever 0,
    has no strip.

    Examples
    --------
    >>> y, height = with_zeros_apart(np.array([0.0, 0.0, 1.0]))
    >>> bool((y[:2] < 0).all()), float(y[2]), round(height, 2)
    (True, 1.0, 0.09)
    """
    zero = y == 0
    if len(y) == 0 or y.min() < 0 or zero.mean() < MANY_ZEROS or zero.all():
        return y, 0.0
    height = _STRIP * float(y.max())
    places = y.astype(float).copy()
    places[zero] = -height * np.random.default_rng(0).uniform(0.25, 1.0, int(zero.sum()))
    return places, height
