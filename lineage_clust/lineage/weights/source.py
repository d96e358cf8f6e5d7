"""Lineages stored under one key: their names, and the weights of cells in them, which are checked and clipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import UnknownNameError, did_you_mean, quoted
from ..columns import column_of, kind_of_values, numbers_in

_ROUNDING = 1e-6  # linear solvers return probabilities such as -1e-9; this is CellRank's tolerance
_LABELS = ("string", "categorical")
_ALMOST_ZERO = float(np.sqrt(np.finfo(float).eps))  # upper bound of a probability that is 0 up to rounding errors


@dataclass(frozen=True)
class LineageSource:
    """Lineages stored under one key, as passed to `lineage_key`; `note` is a remark on the names for the user, or "".

    `column` is a function that returns the weights `(n_obs,)` of the lineage at a position of `names`.
    """

    key: object
    names: list[str]
    column: Callable[[int], np.ndarray]
    note: str = ""

    def members(self, lineage: str) -> list[str] | None:
        """Return the names that a lineage refers to, or `None` if one of them is missing.

        "A, B" refers to A and B together, unless a lineage has this name.

        >>> source = LineageSource("fates", ["A", "B"], lambda column: np.zeros(3))
        >>> source.members("B, A"), source.members("A"), source.members("A, C")
        (['A', 'B'], ['A'], None)
        """
        parts = [lineage] if lineage in self.names or "," not in lineage else split_names(lineage)
        return parts if parts and all(part in self.names for part in parts) else None

    def weights(self, members: list[str]) -> np.ndarray:
        """Return the weights `(n_obs,)` in one lineage, or the sum over several lineages.

        Probabilities of different fates add up. Those of branches that share a trunk may exceed 1, and are clipped.
        """
        twice = [name for name in members if self.names.count(name) > 1]
        if twice:
            raise ValueError(
                f"{self.key!r} has {self.names.count(twice[0])} columns named {twice[0]!r}. Give its columns unique "
                f"names."
            )
        columns = [without_rounding(self.column(self.names.index(name))) for name in members]
        if len(columns) == 1:
            return columns[0]
        together = np.sum(columns, axis=0)
        largest = max(np.max(column, where=np.isfinite(column), initial=0) for column in columns)
        return np.minimum(together, 1.0) if largest <= 1 + _ROUNDING else together


def split_names(lineage: str) -> list[str]:
    """Split "Mono, Neu" into sorted, unique names, as in CellRank."""
    return sorted({part.strip() for part in lineage.split(",") if part.strip()})


def without_rounding(weights: np.ndarray) -> np.ndarray:
    """Set weights just below 0 to 0; other negative weights are unchanged and raise an error later."""
    tiny = (weights < 0) & (weights >= -_ROUNDING)
    return np.where(tiny, 0.0, weights) if tiny.any() else weights


def not_there(lineage: str, sources: list[LineageSource]) -> UnknownNameError:
    """Return the error for a lineage that is in none of the sources, with the available names and close matches."""
    listed = "; ".join(f"{source.key!r} contains {quoted(source.names) or 'no lineage'}" for source in sources)
    listed = listed or "adata contains none"
    every = [name for source in sources for name in source.names]
    parts = split_names(str(lineage))
    missing = [part for part in parts if part not in every] if len(parts) > 1 else [lineage]
    name = missing[0] if missing else lineage
    together = "" if name != lineage or missing else " Lineages that are combined must be under one key."
    notes = "".join(f" {note}" for note in dict.fromkeys(source.note for source in sources) if note)
    return UnknownNameError(f"Lineage {name!r} was not found: {listed}.{did_you_mean(name, every)}{together}{notes}")


def column_source(adata: AnnData, key: str, lineage: str | None) -> LineageSource:
    """Return the lineages of one column of obs: one per branch, or a single one with these weights and any name.

    Integers and booleans are names of branches if the lineage is one of them.
    """
    values = column_of(adata, key, "lineage_key")
    kind = kind_of_values(values)
    if kind in _LABELS or (lineage is not None and _is_named(values, lineage)):
        return label_source(adata, key)
    if kind == "integer" and not values.dropna().isin([0, 1]).all():
        raise ValueError(
            f"adata.obs[{key!r}] contains integers, which may be names of branches or weights. Convert it with "
            f"adata.obs[{key!r}] = adata.obs[{key!r}].astype('category'), or .astype(float)."
        )
    return LineageSource(key, [str(key) if lineage is None else lineage], lambda _: _weights(adata, key))


def is_one_lineage(adata: AnnData, key: str, lineages: Sequence) -> bool:
    """Return whether a column of obs contains the weights of a single lineage, so that several names would share it."""
    if key in adata.obsm or key not in adata.obs:
        return False
    values = column_of(adata, key, "lineage_key")
    are_weights = numbers_in(values, booleans=True) is not None
    return are_weights and not all(_is_named(values, str(lineage)) for lineage in lineages)


def _is_named(values: pd.Series, lineage: str) -> bool:
    """Return whether a lineage is one of the values of an integer or boolean column."""
    return kind_of_values(values) in ("integer", "boolean") and lineage in set(values.dropna().astype(str))


def label_source(adata: AnnData, key: str) -> LineageSource:
    """Return one lineage per branch named in a column, with weight 1 for its cells and 0 for all others."""
    labels = column_of(adata, key, "lineage_key").astype("category").cat.remove_unused_categories()
    codes, names = labels.cat.codes.to_numpy(), [str(name) for name in labels.cat.categories]
    numbers, note = pd.to_numeric(pd.Series(names, dtype=object), errors="coerce"), ""
    if numbers.notna().all() and (numbers % 1 != 0).any():  # no names of branches
        note = f"If {key!r} contains weights, convert it: adata.obs[{key!r}] = adata.obs[{key!r}].astype(float)."
    return LineageSource(key, names, lambda code: (codes == code).astype(float), note)


def columns_source(adata: AnnData, key: object, columns: Mapping[str, str]) -> LineageSource:
    """Return one lineage per column of obs; the columns are given by the names of the lineages."""
    in_obs = list(columns.values())
    for column in in_obs:
        column_of(adata, column, "lineage_key")
    return LineageSource(key, list(columns), lambda index: _weights(adata, in_obs[index]))


def _weights(adata: AnnData, key: str) -> np.ndarray:
    values = column_of(adata, key, "lineage_key")
    numbers = numbers_in(values, booleans=True)
    if numbers is None:
        several = " Pass one such column as lineage_key, not a list." if kind_of_values(values) in _LABELS else ""
        raise TypeError(
            f"Lineage weights adata.obs[{key!r}] must be numbers or booleans, or a single column with the names of "
            f"branches; the dtype is {values.dtype}.{several}"
        )
    return numbers


def clip_weights(weights: np.ndarray, weight_threshold: Any) -> np.ndarray:
    """Set weights below `a` to `b`, for `weight_threshold = (a, b)` or a single number for both."""
    pair = (weight_threshold, weight_threshold) if np.ndim(weight_threshold) == 0 else tuple(weight_threshold)
    if len(pair) != 2 or not all(isinstance(value, Real) and 0 <= value < np.inf for value in pair):
        raise ValueError(
            f"weight_threshold must be a non-negative number or a pair (a, b) of them; got {weight_threshold!r}."
        )
    finite = np.isfinite(weights)
    least = np.min(weights, where=finite, initial=0)
    if least < 0:
        raise ValueError(f"Lineage weights must not be negative; the smallest is {least:g}.")
    below, value = pair
    return np.where(finite & (weights < below), float(value), weights)


def check_members(
    weights: np.ndarray,
    weight_threshold: Any,
    lineage: object,
    key: object = None,
    time_range: tuple[float, float] | None = None,
) -> None:
    """Raise a ValueError if no cell has a sufficient weight `(n_cells,)` in the lineage; NaN counts as 0.

    Cells with a weight below the first number of `weight_threshold` do not belong to the lineage. If this holds for all
    cells, trends would be fitted to cells outside the lineage, with the second number as their weight. `lineage`, `key`
    and `time_range` are for the message.
    """
    lowest = float(np.ravel(weight_threshold)[0])
    largest = float(np.max(weights, where=np.isfinite(weights), initial=0.0))
    if largest >= max(lowest, _ALMOST_ZERO):
        return
    where = "" if time_range is None else f" in [{time_range[0]:g}, {time_range[1]:g}]"
    source = "the lineage weights" if key is None else repr(key)
    found = f"No cell{where} belongs to lineage {lineage!r}: the largest weight is {largest:g}"
    if largest < _ALMOST_ZERO:
        raise ValueError(f"{found}{', which is 0 up to rounding' if largest else ''}. Check {source}.")
    raise ValueError(
        f"{found}, but weight_threshold excludes cells below {lowest:g}. Check {source}; if its weights "
        "are small by design, lower weight_threshold."
    )
