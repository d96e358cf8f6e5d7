"""One place that holds lineages: their names, and the weights of the cells in each or in several of them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import UnknownNameError, did_you_mean, quoted

# Linear solvers leave probabilities of -1e-9; CellRank's stop at a tolerance of 1e-6.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class LineageSource:
    """Lineages under one key.

    Attributes
    ----------
    key
        Where they are, as `lineage_key` takes it.
    names
        Names of the lineages.
    column
        Returns the weights `(n_obs,)` of the lineage at a position of `names`.
    note
        What a user has to know about the names, "" for nothing.
    """

    key: object
    names: list[str]
    column: Callable[[int], np.ndarray]
    note: str = ""

    def members(self, lineage: str) -> list[str] | None:
        """Return the names that a lineage stands for, `None` if one of them is not here.

        "A, B" stands for A and B together, unless a lineage is named so.

        Examples
        --------
        >>> source = LineageSource("fates", ["A", "B"], lambda column: np.zeros(3))
        >>> source.members("B, A"), source.members("A"), source.members("A, C")
        (['A', 'B'], ['A'], None)
        """
        parts = [lineage] if lineage in self.names or "," not in lineage else split_names(lineage)
        return parts if parts and all(part in self.names for part in parts) else None

    def weights(self, members: list[str]) -> np.ndarray:
        """Return the weights `(n_obs,)` in one lineage, or in several together: their sum, at most 1.

        Probabilities of different fates add up. Weights that overlap, as those of a trunk that belongs to all of its
        branches, would add up to more than a whole cell.

        Raises
        ------
        ValueError
            If a name stands for several columns.
        """
        twice = [name for name in members if self.names.count(name) > 1]
        if twice:
            raise ValueError(
                f"{self.key!r} has {self.names.count(twice[0])} columns named {twice[0]!r}. Give its columns names of "
                "their own."
            )
        columns = [without_rounding(self.column(self.names.index(name))) for name in members]
        if len(columns) == 1:
            return columns[0]
        together = np.sum(columns, axis=0)
        largest = max(np.max(column, where=np.isfinite(column), initial=0) for column in columns)
        return np.minimum(together, 1.0) if largest <= 1 + _ROUNDING else together


def split_names(lineage: str) -> list[str]:
    """Return the names in "Mono, Neu", sorted and each once, as CellRank reads them.

    Examples
    --------
    >>> split_names("Neu,Mono , Neu")
    ['Mono', 'Neu']
    """
    return sorted({part.strip() for part in lineage.split(",") if part.strip()})


def without_rounding(weights: np.ndarray) -> np.ndarray:
    """Return weights in which those just below 0 are 0; what is truly negative stays for others to refuse.

    Examples
    --------
    >>> without_rounding(np.array([-1e-9, 0.5, -0.1])).tolist()
    [0.0, 0.5, -0.1]
    """
    tiny = (weights < 0) & (weights >= -_ROUNDING)
    return np.where(tiny, 0.0, weights) if tiny.any() else weights


def not_there(lineage: str, sources: list[LineageSource]) -> UnknownNameError:
    """Return the error that a lineage is in none of the sources: what they hold, and what is close."""
    listed = "; ".join(f"{source.key!r} holds {quoted(source.names) or 'no lineage'}" for source in sources)
    every = [name for source in sources for name in source.names]
    parts = split_names(lineage)
    missing = [part for part in parts if part not in every] if len(parts) > 1 else [lineage]
    name = missing[0] if missing else lineage
    together = "" if name != lineage or missing else " Lineages that are combined must be under one key."
    notes = "".join(f" {note}" for note in dict.fromkeys(source.note for source in sources) if note)
    return UnknownNameError(f"Lineage {name!r} is not there: {listed}.{did_you_mean(name, every)}{together}{notes}")
