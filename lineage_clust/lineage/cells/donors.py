"""The donor of each cell: the unit of replication."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import counted, quoted, warn
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
    """Return the donors `(n_cells,)` of the cells that take part, as strings, if they can be replicates.

    `column` names the donors of all cells; `cells`, `times` and `weights` `(n_cells,)` are positions, pseudotime and
    weights of those that take part. Each must have a donor, and there must be at least four.

    >>> column = pd.Series(list("abcdabcd"), name="donor")
    >>> donors_of(column, np.arange(8), np.linspace(0, 1, 8), np.ones(8)).tolist()
    ['a', 'b', 'c', 'd', 'a', 'b', 'c', 'd']
    """
    own = column.iloc[cells]
    key = column.name
    missing = int(own.isna().sum())
    if missing:
        raise ValueError(
            f"adata.obs[{key!r}] names no donor for {missing} of the {len(cells)} cells that take part. Name it, or leave "
            f"these cells out: adata[adata.obs[{key!r}].notna()]."
        )
    donors = own.astype(str).to_numpy()
    names = np.unique(donors)
    if len(names) < FEWEST_DONORS:
        raise ValueError(
            f"sample_key={key!r} names {counted(len(names), 'donor')} ({quoted(names.tolist())}) among "
            f"the cells that take part; at least {FEWEST_DONORS} are needed to see how much donors differ. Leave "
            "sample_key out, and report p-values as those of these donors only."
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
