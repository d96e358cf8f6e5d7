"""Branches that tools label without weights: scFates' tree, slingshot's pseudotimes, scanpy's groups."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import quoted, warn
from .matrices import SLINGSHOT_TIMES, TIME_MATRIX_KEYS, matrix_source
from .source import LineageSource, label_source

_DPT_GROUPS = "dpt_groups"
TREE_KEY = "graph"  # uns["graph"], with the table of segments in "pp_seg" and the tips in "tips"
TREE_KEYS = (TREE_KEY, "milestones")  # tips are named after their milestones


def branch_sources(adata: AnnData) -> list[LineageSource]:
    """Return the lineages of scFates' tree, of slingshot's pseudotimes without weights, and scanpy's `dpt_groups`."""
    times = [key for key in (SLINGSHOT_TIMES, *TIME_MATRIX_KEYS) if key == SLINGSHOT_TIMES or key in adata.obsm]
    sources = [tree_source(adata), *(_timed_cells(adata, key) for key in times)]
    if _DPT_GROUPS in adata.obs:
        sources.append(label_source(adata, _DPT_GROUPS))
    return [source for source in sources if source is not None and source.names]


def _timed_cells(adata: AnnData, key: str) -> LineageSource | None:
    """Return the lineages of a matrix of pseudotimes, each with the cells that have one; none if all cells have all."""
    source = matrix_source(adata, key)
    if source is None:
        return None
    timed = np.isfinite([source.column(index) for index in range(len(source.names))])
    if timed.all() and key != SLINGSHOT_TIMES:
        return None
    return LineageSource(key, source.names, lambda index: timed[index].astype(float))


def warn_of_branches(adata: AnnData, pseudotime: np.ndarray) -> None:
    """Warn if all cells are taken as one trajectory although a tool has labelled branches."""
    tips = mixed_branches(adata)
    if tips:
        warn(
            f"All cells are taken as one trajectory, but adata.uns[{TREE_KEY!r}] (scFates) has {len(tips)} branches, "
            f"which overlap in pseudotime: trends are mixtures of the branches. Select one with lineage=...: "
            f"{quoted(tips)}."
        )
    elif _DPT_GROUPS in adata.obs:
        spans = _middle_halves(adata.obs[_DPT_GROUPS], pseudotime)
        path = _one_after_another(spans)
        if len(path) < len(spans):
            beside = [name for name in spans.index if name not in path]
            warn(
                f"All cells are taken as one trajectory, but segments of adata.obs[{_DPT_GROUPS!r}] (scanpy) overlap "
                f"in pseudotime ({quoted(beside)} with {quoted(path)}): trends are mixtures of the segments. Pass the "
                f"segments of one path as lineage, e.g. lineage={', '.join(path)!r}."
            )


def _middle_halves(groups: pd.Series, pseudotime: np.ndarray) -> pd.DataFrame:
    """Return the first and third quartile of each group's pseudotime, sorted by time."""
    finite = np.isfinite(pseudotime) & groups.notna().to_numpy()
    times = pd.Series(pseudotime[finite])
    return times.groupby(groups.astype(str).to_numpy()[finite]).quantile([0.25, 0.75]).unstack().sort_values(0.25)


def _one_after_another(spans: pd.DataFrame) -> list[str]:
    """Return groups whose interquartile ranges follow each other without overlap, as those of one path do.

    >>> _one_after_another(pd.DataFrame({0.25: [0.1, 0.4, 0.5], 0.75: [0.3, 0.8, 0.9]}, index=["0", "1", "2"]))
    ['0', '1']
    """
    path: list[str] = []
    last = -np.inf
    for name, (start, end) in zip(spans.index, spans.to_numpy(), strict=True):
        if start >= last:
            path.append(str(name))
            last = end
    return path


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
    graph = adata.uns.get(TREE_KEY)
    if not isinstance(graph, Mapping) or "seg" not in adata.obs:
        return None
    table = graph.get("pp_seg")
    if table is None or graph.get("tips") is None or not {"n", "from", "to"} <= set(table):
        return None
    nodes = {end: np.asarray(table[end], int) for end in ("from", "to")}
    return pd.DataFrame({"n": np.asarray(table["n"]).astype(str), **nodes})


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
