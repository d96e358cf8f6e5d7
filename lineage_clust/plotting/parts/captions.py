"""Captions of clusters: name, direction and time of the mean trend, and lineages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...errors import counted
from ...results.result import FitResult
from ...results.tables import MIXED, named_in
from ...trends.shapes import DIRECTIONS, direction, moved_times
from ...trends.trends import names_along

_PARTS = ("early", "middle", "late")
_TIMES = (*_PARTS, "steady")
_STEADY = 0.65  # fraction of the range: a trend whose change from 10 % to 90 % takes longer is steady
_SMALL = 1 / 3  # relative to the other change of a transient trend: a smaller one makes no peak or dip
_NOUNS = {"up": "rise", "down": "fall", "transient up": "peak", "transient down": "dip", "complex": "several turns"}


@dataclass(frozen=True)
class Caption:
    """Caption of a cluster: its name, direction and time of its mean trend, size, and mean confidence (NaN if unknown)."""

    name: str
    words: str = ""
    size: int = 0
    confidence: float = float("nan")

    @property
    def heading(self) -> str:
        """Name and words, such as "2 · late rise"."""
        return " · ".join(part for part in (self.name, self.words) if part)

    @property
    def numbers(self) -> str:
        """Number of genes and their confidence, such as "139 genes · confidence .84"."""
        genes = counted(self.size, "gene")
        return genes if np.isnan(self.confidence) else f"{genes} · confidence {share(self.confidence)}"


def share(value: float) -> str:
    """Format a fraction with two digits, such as ".84"; "1.0" if it rounds to one. Measures of agreement may be negative.

    >>> share(0.843), share(0.999), share(-0.051)
    ('.84', '1.0', '-.05')
    """
    text = f"{abs(value):.2f}"
    text = text[1:] if text.startswith("0") else text[:3]
    return f"-{text}" if value < 0 and text != ".00" else text


def trend_words(values: np.ndarray, grid: np.ndarray, way: str | None = None) -> str:
    """Describe the direction `way` of a mean trend, `None` = its own, and the third of the time range in which it changes.

    A rise or fall is steady if half of the change is in the middle and the change takes most of the range. A trend that
    turns once is a peak or dip if both changes are large, otherwise it is described by the larger one.
    """
    way = str(DIRECTIONS[int(direction(values[None])[0])]) if way is None else str(way)
    noun = _NOUNS.get(way, way)
    if way in ("up", "down"):
        return f"{_when(values, grid, grid)} {noun}"
    if way in ("transient up", "transient down"):
        turn = int(np.argmax(values) if way == "transient up" else np.argmin(values))
        before, after = (float(np.ptp(part)) for part in (values[: turn + 1], values[turn:]))
        first, second = ("rise", "fall") if way == "transient up" else ("fall", "rise")
        if before < _SMALL * after:
            return f"{_when(values[turn:], grid[turn:], grid)} {second} after a small {first}"
        if after < _SMALL * before:
            return f"{_when(values[: turn + 1], grid[: turn + 1], grid)} {first}, then a small {second}"
        return f"{_part(grid[turn], grid)} {noun}"
    return noun


def _when(values: np.ndarray, times: np.ndarray, grid: np.ndarray) -> str:
    """Return the third of the time range in which a rise or fall at `times` has half of its change, or "steady"."""
    start, half, back = (float(time[0]) for time in (
        *moved_times(values[None], times, [0.1, 0.5]),
        *moved_times(values[None, ::-1], -times[::-1], [0.1]),
    ))  # fmt: skip
    part = _part(half, grid)
    return "steady" if part == "middle" and -back - start > _STEADY * np.ptp(grid) else part


def captions(
    table: pd.DataFrame,
    names: Sequence[str],
    centers: np.ndarray,
    grid: np.ndarray,
    grid_lineage: np.ndarray | None = None,
) -> list[Caption]:
    """Return a caption for each row of a cluster table with its mean trends `(n_clusters, n_points)`, also of mixed genes."""
    words = [_words(row, center, np.asarray(grid), grid_lineage)
             for (_, row), center in zip(table.iterrows(), centers, strict=True)]  # fmt: skip
    return list(map(Caption, names, words, table["size"].astype(int), table["confidence"].astype(float)))


def captions_of(result: FitResult, labels: Mapping[Any, str] | Sequence[str] | None = None) -> list[Caption]:
    """Return the caption of each cluster of a fit."""
    names = own_labels(labels, result.cluster_names)
    return captions(result.cluster_table, names, result.centers, result.pseudotime, result.grid_lineage)


def own_labels(labels: Mapping[Any, str] | Sequence[str] | None, names: Sequence[str]) -> list[str]:
    """Return the names of clusters, replaced by those given by the user.

    Parameters
    ----------
    labels : mapping or sequence of str, default=None
        Names of the clusters: by cluster (number or name), or one per cluster.
    names
        Names in the tree.

    Raises
    ------
    ValueError
        If a mapping has an unknown cluster, or a sequence the wrong length.

    >>> own_labels({1: "haem synthesis"}, ["0", "1"])
    ['0', 'haem synthesis']
    """
    if labels is None:
        return list(names)
    if isinstance(labels, Mapping):
        known = {str(key): str(value) for key, value in labels.items()}
        places = {**{str(place): place for place in range(len(names))}, **{name: p for p, name in enumerate(names)}}
        for key in known:
            if key not in places:
                raise ValueError(f"labels has an unknown cluster {key!r}; the clusters are {list(names)}.")
        given = {places[key]: value for key, value in known.items()}
        return [given.get(place, name) for place, name in enumerate(names)]
    if isinstance(labels, str) or len(labels) != len(names):
        raise ValueError(f"labels must be a mapping or one name per cluster, {len(names)} in total; got {labels!r}.")
    return [str(label) for label in labels]


def _words(row: pd.Series, center: np.ndarray, grid: np.ndarray, grid_lineage: np.ndarray | None) -> str:
    names = names_along(grid_lineage)
    if len(names) < 2:
        return trend_words(center, grid, _way(row, "direction"))
    changing = named_in(str(row.get("changes_in", "")), names) or names
    said: dict[str, list[str]] = {}
    for name in changing:
        own = np.asarray(grid_lineage) == name
        words = trend_words(center[own], grid[own], _way(row, f"direction_{name}"))
        if len(changing) > 1 and words.startswith(_TIMES):
            words = words.split()[1].removesuffix(",")
        said.setdefault(words, []).append(str(name))
    if len(said) == 1 and len(changing) == len(names) > 2:
        return f"{next(iter(said))} in all"
    return ", ".join(f"{words} in {' and '.join(where)}" for words, where in said.items())


def _way(row: pd.Series, column: str) -> str | None:
    """Return the direction that most genes share, or `None`."""
    return None if row.get(column) == MIXED else row.get(column)


def _part(time: float, grid: np.ndarray) -> str:
    where = (time - grid[0]) / (np.ptp(grid) or 1.0)
    return _PARTS[min(int(3 * where), 2)]
