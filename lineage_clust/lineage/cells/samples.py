"""The donor and the condition of each cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import UnknownNameError, counted, did_you_mean, quoted, warn
from ...utils.checking import MOST_CONDITIONS
from ..columns import names_of_cells

FEWEST_DONORS = 4
_MOST_BETWEEN = 0.5  # of the variance of pseudotime, that may lie between donors without a warning
_N_NAMED = 5


def read_donors(adata: AnnData, sample_key: str | None) -> pd.Series | None:
    """Return the column of obs that names donors, or `None`."""
    if sample_key is None:
        return None
    return names_of_cells(adata, sample_key, "sample_key", "each cell's donor.")


def donors_of(column: pd.Series, cells: np.ndarray, times: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the donors of the cells (positions) that take part, as strings, if each has one and there are at least four."""
    own, key = column.iloc[cells], column.name
    missing = int(own.isna().sum())
    if missing:
        raise ValueError(
            f"adata.obs[{key!r}] names no donor for {missing} of the {len(cells)} cells that take part. Name it, or exclude "
            f"these cells: adata[adata.obs[{key!r}].notna()]."
        )
    donors = own.astype(str).to_numpy()
    names = np.unique(donors)
    if len(names) < FEWEST_DONORS:
        raise ValueError(
            f"sample_key={key!r} names {counted(len(names), 'donor')} ({quoted(names.tolist())}) among "
            f"the cells that take part; at least {FEWEST_DONORS} are needed to estimate how much donors differ. Leave "
            "sample_key out, and report that p-values apply to these donors only."
        )
    _warn_of_stretches(donors, names, times, weights, str(key))
    return donors


def _warn_of_stretches(donors: np.ndarray, names: np.ndarray, times: np.ndarray, weights: np.ndarray, key: str) -> None:
    """Warn if donors have different ranges of pseudotime: changes in time and differences of donors are then confounded."""
    codes = np.searchsorted(names, donors)
    mass = np.bincount(codes, weights)
    means = np.bincount(codes, weights * times) / np.maximum(mass, np.finfo(float).tiny)
    centre = np.average(times, weights=weights)
    total = np.average((times - centre) ** 2, weights=weights)
    between = np.average((means - centre) ** 2, weights=mass)
    if total == 0 or between <= _MOST_BETWEEN * total:
        return
    share = mass * (means - centre) ** 2
    named = names[np.argsort(-share, kind="stable")][:_N_NAMED]
    ranges = ", ".join(
        f"{name!r} {times[donors == name].min():.3g} to {times[donors == name].max():.3g}" for name in named
    )
    warn(
        f"{between / total:.0%} of the variation in pseudotime lies between the donors of adata.obs[{key!r}] ({ranges}): "
        "change along the lineage can hardly be told from differences between donors. "
        "Set time_range to where donors overlap."
    )


def read_conditions(
    adata: AnnData, condition_key: str, conditions: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Return the number of the condition of each cell, -1 for none of them, and the names of the conditions.

    `conditions` are those to compare, the reference first, or `None` for all, in the order of the categories, or sorted.
    """
    advice = "each cell's condition; cut a dose or an age into groups (pandas.cut), or pass it as a covariate."
    column = names_of_cells(adata, condition_key, "condition_key", advice)
    labels = column.astype("category").cat.remove_unused_categories()
    known = _names(labels.cat.categories, condition_key)
    if conditions is not None and (isinstance(conditions, (str, bytes)) or not isinstance(conditions, Iterable)):
        kind = "the string " if isinstance(conditions, (str, bytes)) else ""
        raise TypeError(f"conditions must be a list of names, the reference first; got {kind}{conditions!r}.")
    names = list(known) if conditions is None else list(dict.fromkeys(map(_name, conditions)))
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"Condition {name!r} is not in adata.obs[{condition_key!r}], which has {quoted(list(known))}."
                f"{did_you_mean(name, known)}"
            )
    if not 2 <= len(names) <= MOST_CONDITIONS:
        where = f"adata.obs[{condition_key!r}] has" if conditions is None else "conditions names"
        listed = f" ({quoted(names)})" if names else ""
        raise ValueError(
            f"{where} {counted(len(names), 'condition')}{listed}; two to {MOST_CONDITIONS} can be "
            "compared. Name those with conditions=[reference, ...]."
        )
    place = np.full(len(known) + 1, -1)
    for number, name in enumerate(names):
        place[known[name]] = number
    return place[labels.cat.codes.to_numpy()], names


def _name(value: object) -> str:
    """Return the name of a condition: that of a whole number is the same whether NaN made it a float or not."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _names(categories: Iterable, key: str) -> dict[str, int]:
    known: dict[str, int] = {}
    for code, category in enumerate(categories):
        if _name(category) in known:
            raise ValueError(
                f"adata.obs[{key!r}] has different values that are written alike: {_name(category)!r}, such as a "
                f"number and a text. Convert them to one type: adata.obs[{key!r}].astype(str)."
            )
        known[_name(category)] = code
    return known
