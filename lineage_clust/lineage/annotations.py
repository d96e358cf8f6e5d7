"""Reading what is drawn beside the trends: covariates of the cells, as strips along pseudotime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from ..errors import UnknownNameError, did_you_mean, quoted
from ..utils.checking import check_key
from ..utils.types import Names
from .columns import check_levels, numbers_or_levels
from .lineage import check_anndata, clip_weights
from .lineage_keys import find_weights
from .pseudotime import find_pseudotime


def covariate_strips(
    adata: AnnData,
    keys: str | Sequence[str],
    grid: np.ndarray,
    grid_lineage: np.ndarray,
    *,
    time_key: str | None = None,
    lineage_key: Names = None,
    backward: bool = False,
    weight_threshold: float | tuple[float, float] = (0.01, 0.0),
    cmap: object = "viridis",
) -> list:
    """Return one strip a covariate, along the grid of one or several lineages.

    Parameters
    ----------
    adata
        Cells; categorical colours are taken from `uns[f"{key}_colors"]`.
    keys
        obs keys, or genes.
    grid, grid_lineage
        `(n_points,)` pseudotime and lineage of each grid point; "" = a single trajectory.
    time_key, lineage_key, backward, weight_threshold
        Where the lineage is, as in :class:`lineage_clust.TrendClusterer`.
    cmap
        Colour map of numeric covariates.

    Raises
    ------
    UnknownNameError
        If a key is not in `adata.obs`.
    ValueError
        If a categorical one has more than one level per ten cells.
    """
    from ..plotting.palettes import read_palette
    from ..plotting.strips import Strip, make_strip

    check_anndata(adata)
    if not isinstance(keys, str) and not np.iterable(keys):
        raise TypeError(f"covariate_key must be one or several obs keys; got {keys!r}.")
    keys = [keys] if isinstance(keys, str) else list(keys)
    for key in keys:
        check_key("A covariate_key", key)
    unknown = [key for key in keys if key not in adata.obs]
    if unknown:
        raise UnknownNameError(
            f"covariate_key {unknown[0]!r} is not in adata.obs, which holds {quoted(adata.obs.columns)}."
            f"{did_you_mean(unknown[0], adata.obs.columns)}"
        )
    strips = []
    for key in keys:
        values = numbers_or_levels(adata.obs[key])
        check_levels(values, "covariate_key")
        colors = read_palette(adata.uns.get(f"{key}_colors"), _levels(values), f"adata.uns[{f'{key}_colors'!r}]")
        pieces = []
        for name in dict.fromkeys(grid_lineage):
            _, _, weights = find_weights(adata, name or None, lineage_key, backward)
            pseudotime = find_pseudotime(adata, time_key, name or None)
            weights = clip_weights(weights, weight_threshold)
            finite = np.isfinite(pseudotime) & np.isfinite(weights)
            pieces.append(
                (key, values[finite], pseudotime[finite], weights[finite], grid[grid_lineage == name])
            )  # fmt: skip
        parts = [make_strip(*piece, colors=colors, cmap=cmap) for piece in pieces]
        if len(parts) > 1 and parts[0].limits is not None:  # one colour means one value in all lineages
            limits = min(part.limits[0] for part in parts), max(part.limits[1] for part in parts)
            parts = [make_strip(*piece, cmap=cmap, limits=limits) for piece in pieces]
        merged = {level: color for part in parts for level, color in part.categories.items()}
        ordered = {level: merged[level] for level in map(str, _levels(values)) if level in merged}
        strips.append(
            Strip(key, np.concatenate([part.colors for part in parts]), ordered, parts[0].limits, parts[0].cmap)
        )
    return strips


def _levels(values: pd.Series):
    return values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else ()
