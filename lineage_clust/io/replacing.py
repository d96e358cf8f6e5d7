"""Existing content of an AnnData to which results are written: positions of its genes, and entries to be replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from anndata import AnnData

from ..errors import quoted, warn


def listed(value: object) -> list[str]:
    """Return one name or several as a list of strings.

    >>> listed(np.array(["a", "b"])), listed("a"), listed(())
    (['a', 'b'], ['a'], [])
    """
    return [str(one) for one in np.ravel(np.asarray(value, dtype=object))]


def rows_of(adata: AnnData, genes: Sequence[str]) -> np.ndarray:
    """Return the position of each gene in an AnnData, -1 if missing."""
    if not adata.var_names.is_unique:
        twice = adata.var_names[adata.var_names.duplicated()].unique()
        raise ValueError(
            f"var_names contains {quoted(list(twice), 5)} more than once, so that results cannot be written by name. "
            "Make them unique: adata.var_names_make_unique()."
        )
    rows = adata.var_names.get_indexer(list(genes))
    if len(rows) and np.all(rows < 0):
        raise ValueError(
            f"adata has none of the {len(rows)} genes that were fitted ({quoted(list(genes), 3)}); its var_names are "
            f"{quoted(list(adata.var_names), 3)}. Pass an AnnData with the same names of genes."
        )
    return rows


def warn_of_replaced(adata: AnnData, key: str, written: Mapping[str, Iterable[str]]) -> None:
    """Warn of replaced entries that were not written by `write_to`."""
    stored = adata.uns.get(key)
    if isinstance(stored, Mapping) and "version" in stored:
        own = {*listed(stored.get("columns", ())), *listed(stored.get("scores", ())), key, f"{key}_se"}
        if "columns" not in stored:  # an early release, which did not record them
            return
    else:
        own = set()
    found = [f"{place}[{name!r}]" for place, names in written.items() for name in names
             if name in getattr(adata, place) and name not in own]  # fmt: skip
    if stored is not None and not own:
        found.append(f"uns[{key!r}]")
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        warn(
            f"write_to replaces {', '.join(found[:3])}{more}, which it did not write. Pass key=... to keep them."
        )  # fmt: skip
