"""Trends, intervals and binned cells for the large pictures of the page, as bytes: a few hundred characters a gene."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np

from ..results.binning import binned_cells
from ..results.result import FitResult
from ..trends.bounds import intervals

_N_POINTS, _N_BINS = 48, 24  # of all lineages together
_LEAST_POINTS, _LEAST_BINS = 16, 10
_TOP, _NOTHING = 250, 255  # a byte is a level from 0 to 250, or nothing
_DIGITS = 5


def curve_data(result: FitResult, adata: Any = None) -> dict[str, Any]:
    """Return what the page needs to draw the trend of each gene large.

    Parameters
    ----------
    result
        Of a fit.
    adata
        The cells, whose mean expression in bins is drawn too; or `None`.

    Returns
    -------
    dict
        `lineages`: name, pseudotimes of the points, middles of the bins and the share of the cells in each;
        `low`, `high`: the expression that the levels 0 and 250 stand for, by gene; `coded`: base64 of the levels of trend,
        lower and upper end of the 95 % interval at each point, and of the means in each bin, lineage by lineage, by gene.
    """
    names = list(dict.fromkeys(result.grid_lineage.tolist()))
    lower, upper = intervals(result.fits, result.genes, 0.95)
    n_points = max(_N_POINTS // len(names), _LEAST_POINTS)
    n_bins = max(_N_BINS // len(names), _LEAST_BINS)
    binned = {} if adata is None else {
        "" if bins.name is None else bins.name: bins for bins in binned_cells(result, adata, result.genes, n_bins)
    }  # fmt: skip
    lineages, parts = [], []
    for name in names:
        columns = np.flatnonzero(result.grid_lineage == name)
        grid = result.pseudotime[columns]
        times = np.linspace(grid[0], grid[-1], n_points)
        parts += [at_times(times, grid, values[:, columns]) for values in (result.values, lower, upper)]
        one: dict[str, Any] = {"name": str(name), "time": rounded(times)}
        if (bins := binned.get(name)) is not None:
            parts.append(bins.means)
            one["bins"] = rounded((bins.edges[:-1] + bins.edges[1:]) / 2)
            one["cells"] = rounded(bins.weight / max(float(bins.weight.max()), 1e-300), 3)
        lineages.append(one)
    return {"lineages": lineages, **coded(np.hstack(parts))}


def coded(values: np.ndarray) -> dict[str, Any]:
    """Return the rows of values as bytes in base64, with what the levels 0 and 250 stand for: `low`, `high`, `coded`."""
    values = np.where(np.isfinite(values), values, np.nan)
    low, high = np.nanmin(values, axis=1, initial=np.inf), np.nanmax(values, axis=1, initial=-np.inf)
    span = np.where(high > low, high - low, 1.0)
    levels = np.rint((values - low[:, None]) / span[:, None] * _TOP)
    found = np.where(np.isnan(levels), _NOTHING, np.clip(np.nan_to_num(levels), 0, _TOP)).astype(np.uint8)
    return {
        "low": rounded(low),
        "high": rounded(low + span),
        "coded": [b64encode(row.tobytes()).decode() for row in found],
    }


def at_times(times: np.ndarray, grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return rows of values at other times, by linear interpolation."""
    if len(grid) == 1:
        return np.repeat(values, len(times), axis=1)
    right = np.clip(np.searchsorted(grid, times), 1, len(grid) - 1)
    share = (times - grid[right - 1]) / (grid[right] - grid[right - 1])
    return values[:, right - 1] * (1 - share) + values[:, right] * share


def rounded(values: np.ndarray, digits: int = _DIGITS) -> list[float]:
    """Return numbers with a few significant digits."""
    return [float(f"{value:.{digits}g}") for value in values]
