"""Fitted attributes of an estimator, read from the result of its fit."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from sklearn.exceptions import NotFittedError

from ..trends.gene_trends import GeneTrends
from .result import FitResult

Value = TypeVar("Value")


class FromResult(Generic[Value]):
    """A fitted attribute of an estimator: the attribute `name` of the result of its fit."""

    def __init__(self, name: str):
        self._name = name

    def __set_name__(self, owner: type, name: str) -> None:
        self._public = name

    def __get__(self, estimator: Any, owner: type) -> Value:
        if estimator is None:
            return self  # type: ignore[return-value]
        result = estimator.__dict__.get("_result")
        if result is None:
            raise NotFittedError(
                f"This {owner.__name__} instance is not fitted yet: it has no {self._public}. Call 'fit' first."
            )
        return getattr(result, self._name)

    def __set__(self, estimator: object, value: Any) -> None:
        raise AttributeError(f"{self._public} is what a fit found, and cannot be set. Fit again.")


class FittedAttributes:
    """The fitted attributes of :class:`lineage_clust.TrendClusterer`, where they are described."""

    _result: FitResult

    genes_ = FromResult[list[str]]("genes")
    gene_ids_ = FromResult[list[str]]("gene_ids")
    failed_ = FromResult[dict[str, str]]("failed")
    lineage_ = FromResult[str | None | list[str]]("lineage")
    n_cells_ = FromResult[int | dict[str, int] | None]("n_cells")
    gene_location_ = FromResult[np.ndarray]("location")
    gene_scale_ = FromResult[np.ndarray]("spread")
    pseudotime_ = FromResult[np.ndarray]("pseudotime")
    grid_lineage_ = FromResult[np.ndarray]("grid_lineage")
    trends_ = FromResult[np.ndarray]("values")
    trend_se_ = FromResult[np.ndarray | None]("se")
    scaled_trends_ = FromResult[np.ndarray]("scaled")
    labels_ = FromResult[np.ndarray]("labels")
    n_clusters_ = FromResult[int]("n_clusters")
    cluster_centers_ = FromResult[np.ndarray]("centers")
    cluster_names_ = FromResult[list[str]]("cluster_names")
    cell_density_ = FromResult[np.ndarray | None]("cell_density")
    tree_ = FromResult[Any]("tree")
    tree_table_ = FromResult[pd.DataFrame]("tree_table")
    gene_table_ = FromResult[pd.DataFrame]("gene_table")
    cluster_table_ = FromResult[pd.DataFrame]("cluster_table")
    model_ = FromResult[Any]("model")
    smoother_ = FromResult[Any]("smoother")
    clusterer_ = FromResult[Any]("clusterer")
    models_ = FromResult[GeneTrends]("models")
