"""Checks of an AnnData before results are written to it: its genes, entries to be replaced, and unwritable arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from anndata import AnnData

from ..errors import quoted, warn


def listed(value: object) -> list[str]:
    """Return one name or several as a list of strings."""
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


def written_before(adata: AnnData, key: str) -> dict[str, set[str]] | None:
    """Return the names of what an earlier `write_to` wrote, by place; `None` if `uns[key]` is not of it."""
    stored = adata.uns.get(key)
    if not isinstance(stored, Mapping) or "version" not in stored:
        return None
    columns, scores = (set(listed(stored.get(name, ()))) for name in ("columns", "scores"))
    return {"var": columns, "obs": scores, "varm": {key, f"{key}_se"}}


def warn_of_replaced(adata: AnnData, key: str, written: Mapping[str, Iterable[str]]) -> None:
    """Warn of replaced entries that were not written by `write_to`."""
    before = written_before(adata, key)
    if before is not None and not before["var"]:  # by an early release, which did not record them
        return
    own = before or {}
    found = [
        f"{place}[{name!r}]"
        for place, names in written.items()
        for name in names
        if name in getattr(adata, place) and name not in own.get(place, ())
    ]
    if before is None and adata.uns.get(key) is not None:
        found.append(f"uns[{key!r}]")
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        warn(f"write_to replaces {', '.join(found[:3])}{more}, which it did not write. Pass key=... to keep them.")


def warn_of_unwritable(adata: AnnData) -> None:
    """Warn of arrays in obsm that `write_h5ad` does not support: array subclasses, such as a Lineage object of CellRank."""
    for key, values in adata.obsm.items():
        if type(values) is not np.ndarray and isinstance(values, np.ndarray) and not _can_be_written(values):
            names = f", adata.obsm[{key!r}].names" if getattr(values, "names", None) is not None else ""
            warn(
                f"adata.obsm[{key!r}] is a live {type(values).__name__} object, which AnnData files do not support: "
                f"adata.write_h5ad will fail. Replace it before you write the file, for instance by adata.obsm[{key!r}] "
                f"= pd.DataFrame(np.asarray(adata.obsm[{key!r}]), adata.obs_names{names})."
            )


def _can_be_written(values: np.ndarray) -> bool:
    """Try to write one row of an array to a file in memory."""
    import h5py
    from anndata.io import write_elem

    with h5py.File("probe.h5", "w", driver="core", backing_store=False) as file:
        try:
            write_elem(file, "values", values[:1])
        except Exception:  # the error depends on the version of anndata
            return False
    return True
