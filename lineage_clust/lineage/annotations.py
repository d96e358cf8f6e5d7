"""Covariates of the cells along the lineages, and colours of the lineages, read from an AnnData for plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from .cells.covariates import read_covariates
from .columns import check_levels
from .genes.expression import with_annotations
from .lineage import Reader, check_anndata
from .time.pseudotime import read_times
from .weights.keys import find_source, find_weights
from .weights.matrices import states_of
from .weights.source import clip_weights


@dataclass(frozen=True)
class Annotation:
    """One covariate (an obs key) in the cells of each lineage.

    `parts` has values, pseudotime and weights `(n_cells,)` by lineage, "" = a single trajectory; `levels` are the ordered
    categories, empty for a numeric covariate, and `colors` their colours in `uns`, or `None`.
    """

    key: str
    parts: dict[str, tuple[pd.Series, np.ndarray, np.ndarray]]
    levels: list
    colors: Any = None


def read_annotations(
    adata: AnnData, keys: str | Sequence[str], lineages: Iterable[str], reader: Reader
) -> list[Annotation]:
    """Return covariates (obs keys) of the cells of some lineages, "" for a single trajectory, with the colours in `uns`.

    An error is raised for a key that is not in obs, or a categorical covariate with more than one level per ten cells.
    """
    check_anndata(adata)
    adata = with_annotations(adata)
    columns = read_covariates(adata, keys, "covariate_key")
    columns = pd.DataFrame() if columns is None else columns
    for key in columns:
        check_levels(columns[key], "covariate_key")
    cells = {}
    for name in lineages:
        _, _, weights = find_weights(adata, name or None, reader.lineage_key, reader.backward)
        weights = clip_weights(weights, reader.weight_threshold)
        pseudotime = read_times(adata, reader.time_key, name or None, weights).mean
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


def stored_colors(adata: AnnData, lineages: Iterable, reader: Reader) -> dict[str, Any]:
    """Return the colours of lineages, as they are stored; the dictionary is empty unless each has one.

    They are those of `uns[f"{key}_colors"]`, of a live Lineage object of CellRank, or of CellRank's terminal states.
    Combinations such as "A, B" and the trajectory `None` have no colour.
    """
    adata = with_annotations(adata)
    found = {}
    for lineage in lineages:
        if lineage is None:
            return {}
        stored = find_source(adata, lineage, reader.lineage_key, reader.backward)
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
