"""Concatenation of several lineages along the grid, so that results do not depend on their order."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

Columns = slice | np.ndarray


def names_along(grid_lineage: np.ndarray | Sequence | None) -> list:
    """Return the names of the lineages in the order of the grid; `[None]` for one without a name.

    >>> names_along(["Mono", "Mono", "Ery"]), names_along(None)
    (['Mono', 'Ery'], [None])
    """
    return [None] if grid_lineage is None else list(dict.fromkeys(np.asarray(grid_lineage).tolist()))


def columns_of_each(grid_lineage: np.ndarray | Sequence | None) -> dict[Hashable, Columns]:
    """Return the columns of each lineage, sorted by name; all columns for one without a name."""
    if grid_lineage is None:
        return {None: slice(None)}
    every = np.asarray(grid_lineage)
    return {name: every == name for name in sorted(names_along(grid_lineage), key=str)}


def columns_by_name(grid_lineage: np.ndarray | Sequence | None) -> Columns:
    """Return the columns sorted by the names of the lineages.

    >>> columns_by_name(["Mono", "Mono", "Ery"]).tolist()
    [2, 0, 1]
    """
    each = columns_of_each(grid_lineage)
    if list(each) == names_along(grid_lineage):
        return slice(None)
    positions = np.arange(len(np.asarray(grid_lineage)))
    return np.concatenate([positions[columns] for columns in each.values()])


def arranged_by_name(values: np.ndarray, grid_lineage: np.ndarray | Sequence | None) -> np.ndarray:
    """Return values `(..., n_points)` with lineages sorted by name, as in the input of clusterers."""
    columns = columns_by_name(grid_lineage)
    return values if isinstance(columns, slice) else np.ascontiguousarray(values[..., columns])


def seed_of(random_state: int, name: str | None) -> int:
    """Return a seed for one of several lineages, derived from its name.

    >>> seed_of(0, "Ery") == seed_of(0, "Ery"), seed_of(0, "Ery") == seed_of(0, "Mono")
    (True, False)
    """
    return int(np.random.SeedSequence([random_state, *str(name).encode()]).generate_state(1)[0] >> 1)
