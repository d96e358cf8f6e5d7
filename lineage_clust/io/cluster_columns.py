"""Columns of an AnnData about clusters: numbers and names as categories, colours, and module scores of cells."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..plotting.parts.colors import UNASSIGNED_COLOR, cluster_colors
from ..results import module_scores
from ..results.naming import UNASSIGNED, names_of_genes
from ..results.result import FitResult
from ..utils.plain_text import text_index

if TYPE_CHECKING:
    from anndata import AnnData

_log = logging.getLogger(__name__)


def numbers(labels: np.ndarray) -> pd.Categorical:
    """Return cluster numbers as integer categories, which can be compared with `== 0` and may have missing values."""
    return pd.Categorical(labels, categories=np.unique(labels).astype(int))


def names(result: FitResult) -> pd.Categorical:
    """Return cluster names as categories in the order of the clusters, with "unassigned" last."""
    known = result.cluster_names
    categories = [*known, UNASSIGNED] if (result.labels < 0).any() else known
    return pd.Categorical(names_of_genes(result.labels, known), categories=text_index(categories))


def colors(result: FitResult, column: str) -> np.ndarray:
    """Return the colour of each category of `names` (column "cluster_name") or `numbers`, in the order of scanpy's plots."""
    known = np.unique(result.labels)  # -1 is the first number, and "unassigned" the last name
    clusters = np.roll(known, -1) if column == "cluster_name" and known[:1] == -1 else known
    palette = [*cluster_colors(result.n_clusters), UNASSIGNED_COLOR]
    return np.array([palette[cluster] for cluster in clusters], dtype=str)


def scores_of(result: FitResult, adata: AnnData, key: str, wanted: bool | None) -> dict[str, np.ndarray]:
    """Return the module scores of the cells by obs column, named `{key}_score_` plus the name of the cluster.

    wanted : `None` = if possible: there are clusters, and `adata` contains their genes.
    """
    if wanted is False:
        return {}
    try:
        scores = module_scores.transform(result, adata)
    except ValueError as error:
        if wanted:
            raise
        _log.info("No module scores are written: %s", error)
        return {}
    return {f"{key}_score_{name}": column for name, column in zip(result.cluster_names, scores.T, strict=True)}
