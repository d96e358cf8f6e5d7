"""The lineages in which genes and clusters change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

TIMES = ("peak", "onset", "half_max", "half_max_flank", "half_back")
_LEVEL = 1 / 3  # relative to the largest range over lineages; smaller changes are ignored
_ALPHA = 0.05
_MAJORITY = 0.5


def moving_in(ranges: np.ndarray) -> np.ndarray:
    """Return where ranges of trends `(n_lineages, n_rows)` are at least a third of the largest over the lineages."""
    return (ranges >= _LEVEL * ranges.max(axis=0)) & (ranges > 0)


def significant_in(rows: pd.DataFrame, name: object) -> bool:
    """Return whether most genes have a p-value below 0.05 in a lineage; `True` if there are no p-values."""
    pvalue = _pvalues(rows, name)
    known = np.isfinite(pvalue)
    return not known.any() or bool((pvalue[known] < _ALPHA).mean() > _MAJORITY)


def each_significant_in(genes: pd.DataFrame, names: Sequence) -> np.ndarray:
    """Return which genes have a p-value below 0.05, or none, in each lineage, `(n_lineages, n_genes)`."""
    return np.array([~(_pvalues(genes, name) >= _ALPHA) for name in names]).reshape(len(names), len(genes))


def changes_in(names: Sequence, moves: np.ndarray) -> list[str]:
    """Return the names of the lineages in which each row changes, such as "Ery, Mono"; `moves` is `(n_lineages, n_rows)`."""
    return [", ".join(found) for found in _named(names, moves)]


def named_in(listed: str, names: Sequence) -> list:
    """Return those of the names that are listed as by :func:`changes_in`; a name may contain ", ".

    >>> named_in("Ery, Mono, Neu", ["Neu", "Baso", "Mono", "Ery, Mono"])
    ['Neu', 'Ery, Mono']
    """
    left, found = f", {listed}, ", set()
    for name in sorted(map(str, names), key=len, reverse=True):
        if f", {name}, " in left:
            left = left.replace(f", {name}, ", ", ")
            found.add(name)
    return [name for name in names if str(name) in found]


def specificity(names: Sequence, moves: np.ndarray) -> list[str]:
    """Describe the lineages in which each row changes.

    >>> moves = np.array([[True, True, True, False], [False, True, True, False], [False, False, True, False]])
    >>> specificity(["Ery", "Mono", "Neu"], moves)
    ['only Ery', 'Ery and Mono', 'all', 'none']
    """
    return [_word(found, len(names)) for found in _named(names, moves)]


def _word(found: list[str], n_lineages: int) -> str:
    if len(found) in (0, n_lineages):
        return "all" if found else "none"
    return f"only {found[0]}" if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


def _named(names: Sequence, moves: np.ndarray) -> list[list[str]]:
    return [[str(name) for name, yes in zip(names, row, strict=True) if yes] for row in moves.T]


def _pvalues(genes: pd.DataFrame, name: object) -> np.ndarray:
    column = f"pvalue_{name}"
    return genes[column].to_numpy(dtype=float) if column in genes else np.full(len(genes), np.nan)
