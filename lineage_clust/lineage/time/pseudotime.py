"""Pseudotime under the keys used by common tools, known or as several draws on a common range."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.stats import rankdata

from ...errors import UnknownNameError, did_you_mean, quoted, warn
from ...utils.checking import check_key, shortened
from ..columns import column_of, kind_of_values, numbers_in
from ..genes.expression import with_annotations
from ..weights.matrices import SLINGSHOT_TIMES, TIME_MATRIX_KEYS, columns_of_matrix, like, matrix_source
from .time_range import find_time_range

_log = logging.getLogger(__name__)

# Palantir, scanpy, scVelo, CellRank, slingshot, monocle, scFates
TIME_KEYS = (
    "palantir_pseudotime", "dpt_pseudotime", "latent_time", "velocity_pseudotime", "ct_pseudotime", "slingshot_pseudotime",
    "monocle3_pseudotime", "pseudotime", "Pseudotime", "t",
)  # fmt: skip
_LEAST_COVERED = 0.7  # minimum fraction of the range of other draws that is covered by the cells of a draw
_LEAST_WIDTH = 0.25  # minimum width of a draw relative to other draws, in the same cells
_MOST_COMPARED = 5  # maximum number of draws with which a draw is compared
_MOST_CELLS = 50_000  # maximum number of cells in which draws are compared
_OPPOSED = -0.1  # rank correlation with the mean of the other draws below which a draw runs against them


def find_pseudotime(adata: AnnData, time_key: str | None, lineage: str | None) -> np.ndarray:
    """Return pseudotime `(n_obs,)` from obs, or the lineage's column of a matrix in obsm, or in obs as R writes it."""
    check_key("time_key", time_key)
    key = _only_key(adata, lineage) if time_key is None else time_key
    _log.debug("Pseudotime of lineage %r is read from %r.", lineage, key)
    if key in adata.obs:
        return _from_obs(adata, key)
    source = matrix_source(adata, key)
    if source is None:
        raise UnknownNameError(
            f"time_key {key!r} is neither in adata.obs nor in adata.obsm."
            f"{did_you_mean(key, [*adata.obs.columns, *adata.obsm])}"
        )
    columns = {} if key in adata.obsm else columns_of_matrix(adata, key)
    of_one = source.names if lineage is None and len(source.names) == 1 else [lineage]
    found = like(lineage or "", source.names) if columns else [name for name in source.names if name in of_one]
    if len(found) == 1:
        return _from_obs(adata, columns[found[0]]) if columns else source.column(source.names.index(found[0]))
    in_obs = f" (in adata.obs {quoted(columns.values())})" if columns else ""
    raise UnknownNameError(
        f"{key!r} has no pseudotime for lineage {lineage!r}; its columns are {quoted(source.names)}{in_obs}. Pass one of "
        "them as lineage, or a pseudotime in obs as time_key=..."
    )


def _only_key(adata: AnnData, lineage: str | None) -> str:
    in_obs = [key for key in TIME_KEYS if key in adata.obs]
    present = set(adata.obsm)  # looked up once, because anndata compares the names of all cells each time
    in_obsm = [
        key
        for key in TIME_MATRIX_KEYS
        if key in present and (source := matrix_source(adata, key)) is not None and lineage in source.names
    ]
    matrices = [columns_of_matrix(adata, key) for key in (*TIME_MATRIX_KEYS, SLINGSHOT_TIMES)]
    in_columns = [columns[name] for columns in matrices for name in like(lineage or "", list(columns))]
    found = list(dict.fromkeys([*in_obs, *in_obsm, *in_columns]))
    if not found:
        raise UnknownNameError(
            f"No pseudotime was found: none of {quoted(TIME_KEYS, len(TIME_KEYS))} is in adata.obs. Pass its key as "
            f"time_key=...; {_columns_of_numbers(adata)}."
        )
    if len(found) > 1:
        raise ValueError(f"adata contains several pseudotimes: {quoted(found)}. Choose one with time_key=...")
    return found[0]


def _from_obs(adata: AnnData, key: str) -> np.ndarray:
    values = column_of(adata, key, "time_key")
    numbers = numbers_in(values)
    if numbers is not None:
        return numbers
    column = f"adata.obs[{key!r}]"
    if kind_of_values(values).startswith(("date", "timedelta")):
        advice = f"Convert it, for instance to days: {column} = ({column} - {column}.min()) / pandas.Timedelta('1D')."
    elif _can_be_numbers(values):
        advice = f"Convert it: {column} = {column}.astype(float)."
    else:
        advice = f"It cannot be converted by .astype(float); pass another time_key=...; {_columns_of_numbers(adata)}."
    raise TypeError(f"Pseudotime {column} must be numeric; its dtype is {values.dtype}. {advice}")


def _can_be_numbers(values: pd.Series) -> bool:
    if kind_of_values(values) in ("boolean", "complex"):
        return False
    try:
        values.astype(float)
    except (TypeError, ValueError):
        return False
    return True


def _columns_of_numbers(adata: AnnData) -> str:
    numeric = [key for key, values in adata.obs.items() if numbers_in(values) is not None]
    return f"numeric columns of obs: {quoted(numeric) or 'none'}"


def are_time_draws(time_key: object) -> bool:
    """Return whether a time_key names draws of pseudotime: it is a list of keys."""
    return isinstance(time_key, (list, tuple))


def check_time_draws(time_key: Any, lineages: Sequence[Any]) -> None:
    """Raise a ValueError if a list of keys may have been meant as one key per lineage."""
    if are_time_draws(time_key) and len(lineages) > 1 and len(time_key) == len(lineages):
        raise ValueError(
            f"time_key lists {len(time_key)} keys for {len(lineages)} lineages. A list means draws of one pseudotime, "
            "not one pseudotime per lineage. For draws, put them into a matrix, adata.obsm['time_draws'] = ..., and pass "
            "time_key=['time_draws']. For one pseudotime per lineage, store a DataFrame whose columns are the lineages in "
            "adata.obsm, and pass its key as a string."
        )


def find_time_draws(adata: AnnData, time_key: Sequence[str], lineage: str | None) -> np.ndarray:
    """Return draws of pseudotime as stored, `(n_obs, n_draws)`.

    A key of obs is one draw, and so is a matrix in obsm with a column of the lineage; else each of its columns is one.
    """
    if len(time_key) == 0:
        raise TypeError("time_key must be one name, or a list of names of draws of pseudotime; got an empty list.")
    columns, names = [], []
    for key in time_key:
        check_key("Each entry of time_key", key)
        source = matrix_source(adata, key) if key in adata.obsm and key not in adata.obs else None
        if source is not None and (lineage is None or lineage not in source.names):
            columns += [source.column(index) for index in range(len(source.names))]
            names += [f"column {label!r} of {key!r}" for label in source.names]
        else:
            columns.append(find_pseudotime(adata, key, lineage))
            names.append(repr(key))
    if len(columns) < 2:
        raise ValueError(
            f"time_key={shortened(list(time_key))} is one pseudotime. A list means several draws of it: name at least two, "
            "or pass the name itself."
        )
    draws = np.column_stack(columns)
    _check_directions(draws, names)
    return draws


def _check_directions(draws: np.ndarray, names: Sequence[str]) -> None:
    """Raise a ValueError if a draw runs against the mean of the others."""
    known = np.isfinite(draws).all(axis=1)
    if known.sum() < 3:
        return
    ranks = rankdata(_some(draws[known]), axis=0)
    ranks -= ranks.mean(axis=0)
    others = ranks.sum(axis=1, keepdims=True) - ranks
    size = np.sqrt((ranks**2).sum(axis=0) * (others**2).sum(axis=0))
    agreement = np.divide((ranks * others).sum(axis=0), size, out=np.ones(len(size)), where=size > 0)
    worst = int(np.argmin(agreement))
    if agreement[worst] < _OPPOSED:
        raise ValueError(
            f"The draw {names[worst]} of pseudotime runs against the others: its rank correlation with them is "
            f"{agreement[worst]:.2f}. Reverse it (1 - t), or leave it out."
        )


def ranges_of(draws: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the least and greatest time of each draw among the cells of a lineage, `(2, n_draws)`."""
    own = np.isfinite(draws) & (np.isfinite(weights) & (weights > 0))[:, None]
    low = np.min(draws, axis=0, where=own, initial=np.inf)
    high = np.max(draws, axis=0, where=own, initial=-np.inf)
    flat = np.flatnonzero(~(low < high))
    if len(flat):
        raise ValueError(
            f"Draw {flat[0]} of pseudotime has fewer than two distinct values in the cells of the lineage. Leave it out."
        )
    return np.array([low, high])


def range_of_draws(draws: np.ndarray, weights: np.ndarray, options: Mapping[str, Any]) -> tuple[float, float]:
    """Return the time range of a lineage: the medians of those of its draws, whose warnings are raised if most have one."""
    _check_overlap(draws, weights)
    found, remarks = [], []
    for times in draws.T:
        known = np.isfinite(times)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found.append(find_time_range(times[known], weights[known], **options))
        remarks += caught[:1]
    if len(remarks) > len(found) / 2:
        warn(f"In most draws of pseudotime: {remarks[0].message}")
    start, end = np.median(found, axis=0)
    return float(start), float(end)


def _check_overlap(draws: np.ndarray, weights: np.ndarray) -> None:
    """Warn of a draw that outlying times compress, or that lacks cells at one end and is stretched instead."""
    draws = _some(draws[weights > 0])
    known, n_draws = np.isfinite(draws), draws.shape[1]
    for number in range(n_draws):
        squeezed, covered = [], []
        for step in range(1, min(n_draws, _MOST_COMPARED + 1)):
            other = (number + step) % n_draws
            both = known[:, number] & known[:, other]
            if both.any():
                theirs = _width(draws[both, other])
                squeezed.append(_width(draws[both, number]) / max(theirs, 1e-12))
                covered.append(theirs / max(_width(draws[known[:, other], other]), 1e-12))
        if not squeezed:
            raise ValueError(
                f"Draw {number} of pseudotime has no cell of the lineage in common with other draws, so that they cannot be "
                "compared. Draws are several pseudotimes of the same cells; leave it out."
            )
        if np.median(squeezed) < _LEAST_WIDTH:
            problem = (
                f"squeezes its cells into {np.median(squeezed):.2g} of their range in other draws, as outlying times do. "
                "Set these times to NaN"
            )
        elif np.median(covered) < _LEAST_COVERED:
            problem = (
                f"covers only {np.median(covered):.2g} of the range of other draws, but is rescaled to all of it. Add the "
                "cells that are missing (NaN)"
            )
        else:
            continue
        warn(f"Draw {number} of pseudotime {problem}, or leave it out.")


def _some(rows: np.ndarray) -> np.ndarray:
    """Return at most 50,000 rows, chosen at random with the same seed."""
    if len(rows) <= _MOST_CELLS:
        return rows
    return rows[np.random.default_rng(0).choice(len(rows), _MOST_CELLS, replace=False)]


def _width(times: np.ndarray) -> float:
    return float(np.ptp(np.quantile(times, (0.05, 0.95))))


def mean_of(draws: np.ndarray) -> np.ndarray:
    """Return the mean of the known draws of each cell, `(n_cells,)`; NaN if there are none."""
    return np.ma.masked_invalid(draws).mean(axis=1).filled(np.nan)


@dataclass(frozen=True)
class Times:
    """Pseudotime of all cells of an AnnData; of draws their mean, NaN where it is not known.

    `draws` `(n_obs, n_draws)` are rescaled to 0 to 1 from their `ranges` `(2, n_draws)`; both are `None` without draws.
    """

    mean: np.ndarray
    draws: np.ndarray | None = None
    ranges: np.ndarray | None = None

    def span(self, cells: np.ndarray, weights: np.ndarray, options: Mapping[str, Any]) -> tuple[float, float]:
        """Return the time range of a lineage in some cells, a mask; arguments as in :func:`range_of_draws`."""
        if self.draws is None:
            return find_time_range(self.mean[cells], weights[cells], **options)
        return range_of_draws(self.draws[cells], weights[cells], options)

    def within(self, start: float, end: float) -> Times:
        """Return the times without those outside a range."""
        if self.draws is None:
            return Times(np.where((self.mean >= start) & (self.mean <= end), self.mean, np.nan))
        draws = np.where((self.draws >= start) & (self.draws <= end), self.draws, np.nan)
        return Times(mean_of(draws), draws, self.ranges)


def read_times(
    adata: AnnData, time_key: Any, lineage: str | None, weights: np.ndarray, ranges: np.ndarray | None = None
) -> Times:
    """Return pseudotime of all cells; `ranges` of its draws are those in the cells with positive weight, or given.

    Times in draws that are not finite become NaN.
    """
    adata = with_annotations(adata)
    if not are_time_draws(time_key):
        return Times(find_pseudotime(adata, time_key, lineage))
    stored = find_time_draws(adata, time_key, lineage)
    low, high = ranges = ranges_of(stored, weights) if ranges is None else ranges
    with np.errstate(invalid="ignore"):
        scaled = (stored - low) / (high - low)
    draws = np.where(np.isfinite(scaled), scaled, np.nan)
    return Times(mean_of(draws), draws, ranges)
