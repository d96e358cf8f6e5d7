"""Lineages of scFates: the paths of its tree from the root to each tip."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData

from .source import LineageSource

TREE_KEY = "graph"  # uns["graph"], with the table of segments in "pp_seg" and the tips in "tips"
TREE_KEYS = (TREE_KEY, "milestones")  # tips are named after their milestones


def tree_source(adata: AnnData, key: str = TREE_KEY) -> LineageSource | None:
    """Return one lineage per tip of the tree, or `None` if there is no tree with cells.

    A cell has weight 1 in a lineage if its segment (`obs["seg"]`) leads to the tip, so that the trunk belongs to all
    lineages.
    """
    segments = _segments(adata)
    if segments is None:
        return None
    tips = _tips(adata)
    paths, cells = [_path(segments, tip) for tip in tips], _segment_of_cells(adata)
    return LineageSource(key, list(tips.values()), lambda index: np.isin(cells, paths[index]).astype(float))


def mixed_branches(adata: AnnData) -> list[str]:
    """Return the names of the tips whose last segments contain cells, if there are several."""
    segments = _segments(adata)
    if segments is None:
        return []
    present = set(_segment_of_cells(adata))
    reached = [name for tip, name in _tips(adata).items() if present & set(segments.loc[segments["to"] == tip, "n"])]
    return reached if len(reached) > 1 else []


def _segments(adata: AnnData) -> pd.DataFrame | None:
    """Return the table of segments (`n`, `from`, `to`), with names as strings and nodes as integers."""
    graph = adata.uns.get(TREE_KEY) if TREE_KEY in adata.uns else None
    if not isinstance(graph, Mapping) or "seg" not in adata.obs:
        return None
    table = graph.get("pp_seg")
    if table is None or graph.get("tips") is None or not {"n", "from", "to"} <= set(table):
        return None
    return pd.DataFrame(
        {
            "n": np.asarray(table["n"]).astype(str),
            "from": np.asarray(table["from"], int),
            "to": np.asarray(table["to"], int),
        }
    )


def _tips(adata: AnnData) -> dict[int, str]:
    """Return the names of the tips, excluding roots, by node."""
    graph = adata.uns[TREE_KEY]
    roots = {int(graph[name]) for name in ("root", "root2") if graph.get(name) is not None}
    names = {int(node): str(name) for name, node in dict(graph.get("milestones") or {}).items()}
    return {int(tip): names.get(int(tip), str(int(tip))) for tip in np.ravel(graph["tips"]) if int(tip) not in roots}


def _path(segments: pd.DataFrame, node: int) -> list[str]:
    """Return the segments on the path from a root to a node, or on several paths where those of two roots meet."""
    found: dict[str, None] = {}
    nodes = [node]
    while nodes:
        leading = segments[segments["to"] == nodes.pop()]
        nodes += [start for name, start in zip(leading["n"], leading["from"], strict=True) if name not in found]
        found.update(dict.fromkeys(leading["n"]))
    return list(found)


def _segment_of_cells(adata: AnnData) -> np.ndarray:
    return np.asarray(adata.obs["seg"]).astype(str)
