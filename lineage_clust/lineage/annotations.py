"""Read covariates of the cells along the lineages, which are plotted beside the trends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ..errors import UnknownNameError, did_you_mean, quoted
from ..utils.checking import check_key
from ..utils.types import Names, WeightThreshold
from .columns import check_levels, numbers_or_levels
from .lineage import check_anndata, clip_weights
from .lineage_keys import find_weights
from .time_draws import pseudotime_of


@dataclass(frozen=True)
class Annotation:
    """One covariate in the cells of each lineage.

    Attributes
    ----------
    key
        obs key of the covariate.
    parts
        For each lineage: values, pseudotime and weights of the cells, `(n_cells,)` each; "" = a single trajectory.
    levels
        Ordered categories; empty for a numeric covariate.
    colors
        Colours of the categories from `uns`, or `None`.
    """

    key: str
    parts: dict[str, tuple[pd.Series, np.ndarray, np.ndarray]]
    levels: list
    colors: Any = None


def read_annotations(
    adata: AnnData,
    keys: str | Sequence[str],
    lineages: Iterable[str],
    *,
    time_key: Names = None,
    lineage_key: Names = None,
    backward: bool = False,
    weight_threshold: WeightThreshold = (0.01, 0.0),
) -> list[Annotation]:
    """Return covariates of the cells of some lineages.

    Parameters
    ----------
    adata
        Cells; colours of categories are those of `uns[f"{key}_colors"]`.
    keys
        obs keys.
    lineages
        Names of the lineages; "" = a single trajectory.
    time_key, lineage_key, backward, weight_threshold
        As in :class:`lineage_clust.TrendClusterer`.

    Raises
    ------
    UnknownNameError
        If a key is not in `adata.obs`.
    ValueError
        If a categorical covariate has more than one level per ten cells.
    """
    check_anndata(adata)
    if not isinstance(keys, str) and not np.iterable(keys):
        raise TypeError(f"covariate_key must be one or several obs keys; got {keys!r}.")
    keys = [keys] if isinstance(keys, str) else list(keys)
    for key in keys:
        check_key("A covariate_key", key)
    unknown = [key for key in keys if key not in adata.obs]
    if unknown:
        raise UnknownNameError(
            f"covariate_key {unknown[0]!r} is not in adata.obs, which has {quoted(adata.obs.columns)}."
            f"{did_you_mean(unknown[0], adata.obs.columns)}"
        )
    columns = {key: numbers_or_levels(adata.obs[key]) for key in keys}
    for values in columns.values():
        check_levels(values, "covariate_key")
    cells = {}
    for name in lineages:
        _, _, weights = find_weights(adata, name or None, lineage_key, backward)
        weights = clip_weights(weights, weight_threshold)
        pseudotime = pseudotime_of(adata, time_key, name or None, weights)
        cells[name] = (np.isfinite(pseudotime) & np.isfinite(weights), pseudotime, weights)
    return [
        Annotation(
            key,
            {name: (values[finite], time[finite], weights[finite]) for name, (finite, time, weights) in cells.items()},
            list(values.cat.categories) if isinstance(values.dtype, pd.CategoricalDtype) else [],
            adata.uns.get(f"{key}_colors"),
        )
        for key, values in columns.items()
    ]
