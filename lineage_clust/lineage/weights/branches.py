"""Branches that tools label without weights; a warning is raised if they are mixed in one trajectory."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

from ...errors import quoted, warn
from .matrices import SLINGSHOT_TIMES, TIME_MATRIX_KEYS, matrix_source
from .obs_columns import label_source
from .scfates import TREE_KEY, mixed_branches, tree_source
from .source import LineageSource

_DPT_GROUPS = "dpt_groups"


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
