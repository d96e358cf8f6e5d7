"""Strips of covariates under a panel, on its time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from ...utils.checking import as_vector
from .checking import check_color_map
from .labels import level_names, plain, shortened
from .palettes import read_palette

_N_BINS = 1000
_BANDWIDTH = 0.015  # of the time range
_MAX_CATEGORIES = 24
_TITLE, _LINE, _BAR = 0.45, 0.18, 0.8  # inches of legends: the title, each line, a colour bar
_MISSING = (0.9, 0.9, 0.9, 1.0)


@dataclass(frozen=True)
class Strip:
    """Colours of one covariate along the grid, or of all cells.

    name : str. Name of the covariate.
    colors : ndarray of shape (n_points, 4). RGBA; of cells, `(n_obs, 3)`.
    categories : dict of str to colour. Colour by category, for a legend; empty for a numeric covariate.
    limits : tuple of two floats, optional. Range of the values of a numeric covariate.
    cmap : Colormap, optional. Colour map of a numeric covariate.

    >>> Strip("phase", np.ones((3, 4)), {"G1": "white"}).name
    'phase'
    """

    name: str
    colors: np.ndarray
    categories: dict[str, Any] = field(default_factory=dict)
    limits: tuple[float, float] | None = None
    cmap: Any = None


def smooth_along(
    pseudotime: np.ndarray, weights: np.ndarray, values: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel-weighted means along a grid.

    pseudotime, weights : `(n_cells,)`.
    values : `(n_cells, n_columns)`.
    grid : `(n_points,)` increasing; the standard deviation of the Gaussian kernel is 1.5 % of its range.
    returns means : ndarray of shape (n_points, n_columns)
    returns mass : ndarray of shape (n_points,). Total weight of the cells in each mean.

    Cells are binned first, so that the cost is linear in their number. Without cells nearby, the nearest ones are used.

    References
    ----------
    Nadaraya (1964). On estimating regression. Theory of Probability and its Applications 9, 141-142.
    """
    start, end = float(grid[0]), float(grid[-1])
    width = (end - start) / _N_BINS
    inside = (pseudotime >= start) & (pseudotime <= end) & (weights > 0)
    bins = np.minimum(((pseudotime[inside] - start) / width).astype(int), _N_BINS - 1)
    columns = np.column_stack([np.ones(int(inside.sum())), values[inside]]) * weights[inside, None]
    sums = np.zeros((_N_BINS, columns.shape[1]))
    np.add.at(sums, bins, columns)
    smooth = gaussian_filter1d(sums, _BANDWIDTH * _N_BINS, axis=0, mode="constant", truncate=5.0)
    occupied = np.flatnonzero(smooth[:, 0] > 1e-9 * max(sums[:, 0].max(), 1e-300))
    if len(occupied) == 0:
        return np.full((len(grid), values.shape[1]), np.nan), np.zeros(len(grid))
    at = np.clip(((grid - start) / width).astype(int), 0, _N_BINS - 1)
    right = np.clip(np.searchsorted(occupied, at), 0, len(occupied) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(occupied[left] - at) < np.abs(occupied[right] - at), occupied[left], occupied[right])
    return smooth[nearest, 1:] / smooth[nearest, :1], smooth[nearest, 0]


def make_strip(
    name: str,
    values: pd.Series,
    pseudotime: np.ndarray,
    weights: np.ndarray,
    grid: np.ndarray,
    *,
    colors: Sequence | None = None,
    cmap: Any = "viridis",
) -> Strip:
    """Return the strip of one covariate.

    name : str. Name of the covariate.
    values : Series of length n_cells. Numbers: each grid point shows the lineage-weighted mean. Categories: the one
        with the largest weight nearby.
    pseudotime, weights : ndarray of shape (n_cells,). Pseudotime and weight in the lineage; cells with weight 0 are
        ignored.
    grid : ndarray of shape (n_points,). Pseudotimes of the columns of the panel.
    colors : sequence or mapping of colours, optional. One per category: names, hexadecimal, or numbers. If incomplete,
        default colours are used.
    cmap : str or Colormap. Colour map for numbers.
    returns : Strip. Colours at the grid points, with what a legend needs.
    raises ValueError : If values, pseudotime and weights differ in length, or `grid` is not increasing.

    >>> t = np.linspace(0, 1, 100)
    >>> strip = make_strip("phase", pd.Series(np.where(t < 0.5, "early", "late")), t, np.ones(100), np.linspace(0, 1, 5))
    >>> list(strip.categories)
    ['early', 'late']
    """
    from matplotlib.colors import to_rgba

    values = _check(values, pseudotime, weights, grid)
    if is_numeric(values):
        return numeric_strip(name, means_along(values, pseudotime, weights, grid), cmap)
    categories = values.astype("category").cat
    levels = level_names(categories.categories)
    codes = categories.codes.to_numpy()
    palette = _palette(levels, colors)
    one_hot = np.zeros((len(codes), len(levels)))
    one_hot[np.flatnonzero(codes >= 0), codes[codes >= 0]] = 1.0
    known = codes >= 0
    shares, mass = smooth_along(pseudotime[known], weights[known], one_hot[known], grid)
    rgba = np.array([to_rgba(color) for color in palette])[np.nan_to_num(shares).argmax(axis=1)]
    rgba[mass == 0] = _MISSING
    shown = np.unique(np.nan_to_num(shares).argmax(axis=1)[mass > 0])
    return Strip(name, rgba, {levels[level]: palette[level] for level in shown})


def is_numeric(values: pd.Series) -> bool:
    """Return whether a covariate is shown by its mean, not by categories."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def means_along(values: pd.Series, pseudotime: np.ndarray, weights: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Return the weighted mean of a numeric covariate at each grid point `(n_points,)`, of the cells that have a value."""
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    known = np.isfinite(numbers)
    return smooth_along(pseudotime[known], weights[known], numbers[known, None], grid)[0][:, 0]


def numeric_strip(name: str, means: np.ndarray, cmap: Any) -> Strip:
    """Return the strip of a numeric covariate with the given means `(n_points,)`; its scale spans them."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    known = means[np.isfinite(means)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    check_color_map(cmap)
    cmap = colormaps.get_cmap(cmap)
    rgba = cmap(Normalize(low, high if high > low else low + 1.0)(means))
    rgba[~np.isfinite(means)] = _MISSING
    return Strip(name, rgba, {}, (low, high), cmap)


def _check(values: pd.Series, pseudotime: np.ndarray, weights: np.ndarray, grid: np.ndarray) -> pd.Series:
    """Return the values as a Series; raise an error unless lengths match and `grid` is valid."""
    values = values if isinstance(values, pd.Series) else pd.Series(values)
    for name, numbers in (("pseudotime", pseudotime), ("weights", weights), ("grid", grid)):
        as_vector(name, numbers)
        if name != "grid" and len(numbers) != len(values):
            raise ValueError(f"There are {len(values)} values and {len(numbers)} {name}: each cell needs one of each.")
    if len(grid) < 2 or not grid[0] < grid[-1]:
        raise ValueError("grid must be at least two points of pseudotime, the first before the last.")
    return values


def _palette(levels: list[str], colors: Sequence | None) -> list:
    given = read_palette(colors, levels, "colors")
    if given is not None:
        return given
    from matplotlib import colormaps

    names = "tab10" if len(levels) <= 10 else "tab20"
    if len(levels) <= 20:
        return [colormaps[names](index) for index in range(len(levels))]
    return [colormaps["gist_ncar"](value) for value in np.linspace(0.03, 0.95, len(levels))]


def draw_strip(ax, strip: Strip, edges: np.ndarray, named: bool = True) -> None:
    """Draw a strip into its axes; `edges` are the `(n_points + 1,)` boundaries of its cells on the time axis."""
    ax.pcolormesh(edges, [0, 1], strip.colors[None], linewidth=0, antialiased=False, rasterized=True)
    ax.set_ylim(0, 1)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if named:
        ax.annotate(plain(shortened(strip.name, 18)), (0, 0.5), (-4, 0), xycoords="axes fraction",
                    textcoords="offset points", ha="right", va="center", fontsize=7, annotation_clip=False)  # fmt: skip


def strip_edges(x: np.ndarray) -> np.ndarray:
    """Return the boundaries between grid points: midpoints, and both ends."""
    return np.concatenate([[x[0]], 0.5 * (x[1:] + x[:-1]), [x[-1]]])


def legend_entries(strip: Strip, most: int = _MAX_CATEGORIES + 1) -> tuple[list, list[str], str]:
    """Return handles, labels and title of the legend of a categorical strip, truncated to `most` lines."""
    from matplotlib.patches import Patch

    shown = list(strip.categories.items())
    shown = shown if len(shown) <= most else shown[: max(most - 1, 1)]
    more = len(strip.categories) - len(shown)
    handles = [Patch(color=color) for _, color in shown] + [Patch(alpha=0)] * (more > 0)
    labels = [plain(shortened(level)) for level, _ in shown] + [f"and {more} more"] * (more > 0)
    return handles, labels, plain(shortened(strip.name, 22))


def draw_numeric_legend(ax, strip: Strip) -> None:
    """Draw the colour bar of a numeric strip into its axes."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low, high = strip.limits or (0.0, 1.0)
    scale = ScalarMappable(Normalize(low, high if high > low else low + 1.0), strip.cmap)
    ax.figure.figure.colorbar(scale, cax=ax, orientation="horizontal")
    ax.set_title(plain(shortened(strip.name)), fontsize=9, loc="left")
    ax.tick_params(labelsize=7)
    ax.locator_params(nbins=4)


def draw_legends(figure, strips: Sequence[Strip], layout) -> None:
    """Draw a legend for every categorical strip and a colour bar for every numeric one, right of the panels."""
    top = 0.3
    lengths = [min(len(strip.categories), _MAX_CATEGORIES + 1) for strip in strips]
    room = layout.size[1] - top - sum(_TITLE if length else _BAR for length in lengths)
    most = max(lengths, default=0)
    while most > 2 and _LINE * sum(min(length, most) for length in lengths) > room:  # all legends are inside the figure
        most -= 1
    for strip in strips:
        if strip.categories:
            handles, labels, title = legend_entries(strip, most)
            figure.legend(
                handles, labels, title=title, loc="upper left", bbox_to_anchor=layout.legend_corner(top),
                fontsize=8, title_fontsize=9, alignment="left", frameon=False, borderaxespad=0.0, handlelength=1.2,
            )  # fmt: skip
            top += _TITLE + _LINE * len(labels)
        elif strip.limits is not None:
            draw_numeric_legend(figure.add_axes(layout.legend_bar(top + 0.25)), strip)
            top += _BAR
