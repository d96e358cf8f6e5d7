"""Colours of lineages that an AnnData holds, from the tool that computed the weights."""

from __future__ import annotations

from typing import Any

import pandas as pd
from anndata import AnnData

from ..utils.types import Names
from .cellrank_states import states_of
from .expression import with_annotations
from .lineage_keys import find_source


def stored_colors(adata: AnnData, lineages: list, lineage_key: Names, backward: bool) -> dict[str, Any]:
    """Return the colours of lineages, as they are stored; the dictionary is empty unless each has one.

    They are read from `uns[f"{key}_colors"]`, in the order of the lineages under the key of the weights; from the `colors` of
    a live Lineage object of CellRank; and from the colours of CellRank's terminal states.

    Parameters
    ----------
    adata
        Cells.
    lineages
        Their names; combinations such as "A, B" and the trajectory `None` have no colour.
    lineage_key, backward
        As for :func:`lineage_clust.lineage.read_lineage`.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> key, names = "palantir_fate_probabilities", adata.obsm["palantir_fate_probabilities"].columns
    >>> adata.uns[f"{key}_colors"] = ["tab:red", "tab:blue"]
    >>> stored_colors(adata, list(names[::-1]), key, False) == {names[1]: "tab:blue", names[0]: "tab:red"}
    True
    """
    adata = with_annotations(adata)
    found = {}
    for lineage in lineages:
        if lineage is None:
            return {}
        stored = find_source(adata, lineage, lineage_key, backward)
        colors = _colors_of(adata, stored[0].key, stored[0].names) if stored else {}
        if lineage not in colors:
            return {}
        found[lineage] = colors[lineage]
    return found


def _colors_of(adata: AnnData, key: object, names: list[str]) -> dict[str, Any]:
    if not isinstance(key, str):  # columns of obs
        return {}
    values = adata.obsm.get(key)
    for colors in (adata.uns.get(f"{key}_colors"), getattr(values, "colors", None)):
        if colors is not None and len(colors) == len(names):
            return dict(zip(names, colors, strict=True))
    for state in states_of(adata, key):
        categories, colors = adata.obs[state].cat.categories, adata.uns.get(f"{state}_colors")
        if colors is not None and len(colors) == len(categories):
            return dict(zip(pd.Index(categories).astype(str), colors, strict=True))
    return {}
