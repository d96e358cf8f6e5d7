"""Lineages stored under one key: their names, and the weights of cells in one or several of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...errors import UnknownNameError, did_you_mean, quoted

# Linear solvers return probabilities such as -1e-9; CellRank's tolerance is 1e-6.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class LineageSource:
    """Lineages stored under one key, as passed to `lineage_key`.

    `column` is a function that returns the weights `(n_obs,)` of the lineage at a position of `names`; `note` is a
    remark on the names for the user, or "".
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
        """Return the weights `(n_obs,)` in one lineage, or the sum over several lineages, at most 1.

        Probabilities of different fates add up. The sum of overlapping weights, for instance of branches that share a
        trunk, may exceed 1 and is clipped.
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
    """Split "Mono, Neu" into sorted, unique names, as in CellRank.

    >>> split_names("Neu,Mono , Neu")
    ['Mono', 'Neu']
    """
    return sorted({part.strip() for part in lineage.split(",") if part.strip()})


def without_rounding(weights: np.ndarray) -> np.ndarray:
    """Set weights just below 0 to 0; other negative weights are unchanged and raise an error later.

    >>> without_rounding(np.array([-1e-9, 0.5, -0.1])).tolist()
    [0.0, 0.5, -0.1]
    """
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
