"""Compact encoding of trends, intervals and binned cells for interactive figures, in a few hundred characters per gene."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..results.binning import binned_cells
from ..results.result import FitResult
from ..trends.side_by_side import names_along

_N_POINTS, _N_BINS = 48, 24  # for all lineages together
_LEAST_POINTS, _LEAST_BINS = 16, 10
_TOP, _NOTHING = 250, 255  # a byte is a level from 0 to 250, or missing
_DIGITS = 5
_FIRST_LETTER = 40


def curve_data(result: FitResult, adata: Any = None) -> dict[str, Any]:
    """Return the data from which the page draws the trend of each gene, with the cells in bins if they are given.

    `lineages`: name, pseudotimes of the points, centres of the bins and fraction of the cells in each. `low`, `high`:
    expression at levels 0 and 250, by gene. `coded`, see :func:`as_text`: by gene and lineage, the levels of the trend, the
    distances of the ends of the 95 % interval at each point, and the levels of the mean in each bin.
    """
    names = names_along(result.grid_lineage)
    lower, upper = result.interval(0.95)
    n_points = max(_N_POINTS // len(names), _LEAST_POINTS)
    n_bins = max(_N_BINS // len(names), _LEAST_BINS)
    every = [] if adata is None else binned_cells(result, adata, result.genes, n_bins)
    binned = {bins.name or "": bins for bins in every}
    lineages, parts, widths = [], [], []
    for name in names:
        columns = np.flatnonzero(result.grid_lineage == name)
        grid = result.pseudotime[columns]
        times = np.linspace(grid[0], grid[-1], n_points)
        widths.append((sum(part.shape[1] for part in parts), n_points))
        parts += [at_times(times, grid, values[:, columns]) for values in (result.values, lower, upper)]
        one: dict[str, Any] = {"name": str(name), "time": rounded(times)}
        if (bins := binned.get(name)) is not None:
            parts.append(bins.means)
            one["bins"] = rounded((bins.edges[:-1] + bins.edges[1:]) / 2)
            one["cells"] = rounded(bins.weight / max(float(bins.weight.max()), 1e-300), 3)
        lineages.append(one)
    return {"lineages": lineages, **coded(np.hstack(parts), widths)}


def coded(values: np.ndarray, widths: Iterable[tuple[int, int]] = ()) -> dict[str, Any]:
    """Return rows of values as text, with the values of levels 0 and 250: `low`, `high`, `coded`.

    `widths` has the first column and the number of points of each curve that is followed by lower and upper bounds, which
    are stored as distances from the curve.
    """
    values = np.where(np.isfinite(values), values, np.nan)
    low, high = np.nanmin(values, axis=1, initial=np.inf), np.nanmax(values, axis=1, initial=-np.inf)
    span = np.where(high > low, high - low, 1.0)
    levels = np.rint((values - low[:, None]) / span[:, None] * _TOP)
    found = np.where(np.isnan(levels), _NOTHING, np.clip(np.nan_to_num(levels), 0, _TOP)).astype(int)
    for first, width in widths:
        middle, below, above = (found[:, first + k * width : first + (k + 1) * width] for k in range(3))
        below[:], above[:] = (middle - below) % 256, (above - middle) % 256
    return {"low": rounded(low), "high": rounded(low + span), "coded": [as_text(row) for row in found]}


def as_text(levels: np.ndarray) -> str:
    """Return integers from 0 to 255 as one character each, a common one if the number is close to the previous one.

    For smooth curves this reduces the size of the compressed page by a third.

    >>> as_text(np.array([1, 2, 3, 2, 3]))
    '***)*'
    """
    steps = (np.diff(levels, prepend=0) + 128) % 256 - 128
    return "".join(map(chr, np.where(steps < 0, -2 * steps - 1, 2 * steps) + _FIRST_LETTER))


def at_times(times: np.ndarray, grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return rows of values linearly interpolated at other times."""
    if len(grid) == 1:
        return np.repeat(values, len(times), axis=1)
    right = np.clip(np.searchsorted(grid, times), 1, len(grid) - 1)
    share = (times - grid[right - 1]) / (grid[right] - grid[right - 1])
    return values[:, right - 1] * (1 - share) + values[:, right] * share


def rounded(values: np.ndarray, digits: int = _DIGITS) -> list[float]:
    """Return numbers rounded to a few significant digits."""
    return [float(f"{value:.{digits}g}") for value in values]
