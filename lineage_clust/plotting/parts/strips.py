"""Strips of covariates under a panel, on its time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from ...lineage.annotations import Annotation
from . import mpl
from .checking import check_color_map
from .colors import read_palette
from .labels import level_names, plain, shortened

_N_BINS = 1000
_BANDWIDTH = 0.015  # of the time range
_NAME_SIZE, _LONGEST_NAME = 7, 18  # font size in points, and characters
_MAX_CATEGORIES = 24
_TITLE, _LINE, _BAR = 0.45, 0.18, 0.8  # inches of legends: the title, each line, a colour bar
_MISSING = (0.9, 0.9, 0.9, 1.0)

_Piece = tuple[pd.Series, np.ndarray, np.ndarray, np.ndarray]  # values, pseudotime and weights of cells, and grid


@dataclass(frozen=True)
class Strip:
    """Colours of one covariate along the grid, or of all cells."""

    name: str
    colors: np.ndarray  # `(n_points, 4)` RGBA; of cells, `(n_obs, 3)`
    categories: dict[str, Any] = field(default_factory=dict)  # colour by category
    limits: tuple[float, float] | None = None  # range of the values of a numeric covariate
    cmap: Any = None


def smooth_along(
    pseudotime: np.ndarray, weights: np.ndarray, values: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel-weighted means of values `(n_cells, n_columns)` along a grid `(n_points,)`, and the weight of each.

    The kernel is Gaussian (Nadaraya 1964, On estimating regression, Theory of Probability and its Applications 9, 141-142).
    Cells are binned first, so that the cost is linear in their number. Without cells nearby, the nearest ones are used.
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
    later_first = occupied[::-1]  # of two at the same distance
    nearest = later_first[np.abs(later_first[:, None] - at).argmin(axis=0)]
    return smooth[nearest, 1:] / smooth[nearest, :1], smooth[nearest, 0]


def covariate_strips(
    annotations: Sequence[Annotation], grid: np.ndarray, grid_lineage: np.ndarray, cmap: Any = "viridis"
) -> list[Strip]:
    """Return one strip per covariate along a grid `(n_points,)` of one or several lineages; "" = a single trajectory.

    Each grid point shows the lineage-weighted mean of numbers, or the category with the largest weight nearby.
    """
    where = {name: grid[grid_lineage == name] for name in dict.fromkeys(grid_lineage)}
    found = []
    for one in annotations:
        pieces = [(*one.parts[name], points) for name, points in where.items()]
        is_categorical = isinstance(pieces[0][0].dtype, pd.CategoricalDtype)
        found.append(_categorical(one, pieces) if is_categorical else _numeric(one.key, pieces, cmap))
    return found


def _numeric(name: str, pieces: list[_Piece], cmap: Any) -> Strip:
    """Return the strip of a numeric covariate, with one colour scale for all lineages, which spans the means."""
    check_color_map(cmap)
    parts = []
    for values, pseudotime, weights, points in pieces:
        numbers = values.to_numpy()
        known = np.isfinite(numbers)
        parts.append(smooth_along(pseudotime[known], weights[known], numbers[known, None], points)[0][:, 0])
    means = np.concatenate(parts)
    known = np.isfinite(means)
    low, high = (float(means[known].min()), float(means[known].max())) if known.any() else (0.0, 1.0)
    cmap = mpl.colormaps.get_cmap(cmap)
    rgba = cmap(mpl.colors.Normalize(low, high if high > low else low + 1.0)(means))
    rgba[~known] = _MISSING
    return Strip(name, rgba, {}, (low, high), cmap)


def _categorical(annotation: Annotation, pieces: list[_Piece]) -> Strip:
    """Return the strip of a categorical covariate, with the colours in AnnData if it has one for each category."""
    levels, codes = level_names(annotation.levels), []
    for values, pseudotime, weights, points in pieces:
        level = values.cat.codes.to_numpy()
        known = level >= 0
        one_hot = np.eye(len(levels))[level[known]]
        shares, mass = smooth_along(pseudotime[known], weights[known], one_hot, points)
        codes.append(np.where(mass > 0, np.nan_to_num(shares).argmax(axis=1), -1))
    palette = read_palette(annotation.colors, levels, f"adata.uns[{f'{annotation.key}_colors'!r}]")
    palette = _default_palette(len(levels)) if palette is None else palette
    shown = np.concatenate(codes)
    rgba = np.array([*map(mpl.colors.to_rgba, palette), _MISSING])[shown]  # the last one is for code -1
    return Strip(annotation.key, rgba, {levels[code]: palette[code] for code in np.unique(shown) if code >= 0})


def _default_palette(n_levels: int) -> list:
    if n_levels <= 20:
        return [mpl.colormaps["tab10" if n_levels <= 10 else "tab20"](index) for index in range(n_levels)]
    return [mpl.colormaps["gist_ncar"](value) for value in np.linspace(0.03, 0.95, n_levels)]


def draw_strip(ax, strip: Strip, edges: np.ndarray, named: bool = True) -> None:
    """Draw a strip into its axes; `edges` are the `(n_points + 1,)` boundaries of its cells on the time axis."""
    ax.pcolormesh(edges, [0, 1], strip.colors[None], linewidth=0, antialiased=False, rasterized=True)
    ax.set_ylim(0, 1)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if named:
        name = plain(shortened(strip.name, _LONGEST_NAME))
        ax.annotate(name, (0, 0.5), (-4, 0), xycoords="axes fraction", textcoords="offset points", ha="right", va="center",
                    fontsize=_NAME_SIZE, annotation_clip=False)  # fmt: skip


def names_width(strips: Sequence[Strip]) -> float:
    """Return the width of the longest name in inches."""
    font, size_of = (
        mpl.font_manager.FontProperties(size=_NAME_SIZE),
        mpl.textpath.text_to_path.get_text_width_height_descent,
    )
    names = [line for strip in strips for line in shortened(strip.name, _LONGEST_NAME).splitlines()]
    return max((size_of(name, font, False)[0] / 72 for name in names), default=0.0)


def strip_edges(x: np.ndarray) -> np.ndarray:
    """Return the boundaries between grid points: midpoints, and both ends."""
    return np.concatenate([[x[0]], 0.5 * (x[1:] + x[:-1]), [x[-1]]])


def legend_entries(strip: Strip, most: int = _MAX_CATEGORIES + 1) -> tuple[list, list[str], str]:
    """Return handles, labels and title of the legend of a categorical strip, truncated to `most` lines."""
    shown = list(strip.categories.items())
    shown = shown if len(shown) <= most else shown[: max(most - 1, 1)]
    more = len(strip.categories) - len(shown)
    handles = [mpl.patches.Patch(color=color) for _, color in shown] + [mpl.patches.Patch(alpha=0)] * (more > 0)
    labels = [plain(shortened(level)) for level, _ in shown] + [f"and {more} more"] * (more > 0)
    return handles, labels, plain(shortened(strip.name, 22))


def draw_numeric_legend(ax, strip: Strip) -> None:
    """Draw the colour bar of a numeric strip into its axes."""
    low, high = strip.limits or (0.0, 1.0)
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(low, high if high > low else low + 1.0), strip.cmap)
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
                handles, labels, title=title, loc="upper left", bbox_to_anchor=layout.legend_box(top)[:2],
                fontsize=8, title_fontsize=9, alignment="left", frameon=False, borderaxespad=0.0, handlelength=1.2,
            )  # fmt: skip
            top += _TITLE + _LINE * len(labels)
        elif strip.limits is not None:
            draw_numeric_legend(figure.add_axes(layout.legend_box(top + 0.25, 1.5, 0.1)), strip)
            top += _BAR
