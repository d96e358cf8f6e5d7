"""The parameters and fitted attributes of TrendClusterer, and nested parameters of default components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from .lineage.time.time_range import parse_time_range
from .results.gating import GATE_CONSTRAINTS
from .results.making import DEFAULTS
from .results.result import FitResult
from .trends.lineage_fit import GeneTrends
from .trends.trends import check_scale
from .utils.checking import JOBS, check_backend, check_number, check_seed
from .utils.constraints import FLAG, Constraints
from .utils.memory import check_points
from .utils.types import Names, Seed, TimeRange, WeightThreshold

Value = TypeVar("Value")


class Settings(BaseEstimator):
    """The constructor of :class:`lineage_clust.TrendClusterer`, where its parameters are described."""

    _constraints: ClassVar[Constraints] = {
        "use_raw": FLAG,
        "backward": FLAG,
        "filter_cells": lambda name, value: check_number(name, value, or_none=True),
        "random_state": check_seed,
        "n_jobs": JOBS,
        "backend": lambda _, value: check_backend(value),
        "show_progress_bar": FLAG,
        "time_range": lambda _, value: parse_time_range(value),
        "n_points": lambda _, value: check_points(value),
        **GATE_CONSTRAINTS,
        "scale": lambda _, value: check_scale(value),
    }

    def __init__(
        self,
        model: Any = None,
        smoother: Any = None,
        clusterer: Any = None,
        *,
        genes: Sequence[str] | None = None,
        lineage: Names = None,
        time_key: Names = None,
        lineage_key: Names = None,
        layer: str | None = None,
        use_raw: bool = False,
        backward: bool = False,
        time_range: TimeRange = None,
        endpoint: str = "plateau",
        endpoint_threshold: float | None = None,
        weight_threshold: WeightThreshold = (0.01, 0.0),
        filter_cells: float | None = None,
        gene_symbols: str | None = None,
        covariates: Sequence[str] | None = None,
        offset: str | ArrayLike | None = "auto",
        n_points: int = 200,
        scale: Any = "zscore",
        alpha: float | None = 0.01,
        min_deviance_explained: float | None = None,
        min_range: float | None = None,
        callback: Any = None,
        n_jobs: int | None = None,
        backend: str = "loky",
        random_state: Seed = None,
        show_progress_bar: bool = False,
        memory_budget: int | str | None = None,
        sample_key: str | None = None,
    ):
        self.model = model
        self.smoother = smoother
        self.clusterer = clusterer
        self.genes = genes
        self.lineage = lineage
        self.time_key = time_key
        self.lineage_key = lineage_key
        self.layer = layer
        self.use_raw = use_raw
        self.backward = backward
        self.time_range = time_range
        self.endpoint = endpoint
        self.endpoint_threshold = endpoint_threshold
        self.weight_threshold = weight_threshold
        self.filter_cells = filter_cells
        self.gene_symbols = gene_symbols
        self.covariates = covariates
        self.offset = offset
        self.n_points = n_points
        self.scale = scale
        self.alpha = alpha
        self.min_deviance_explained = min_deviance_explained
        self.min_range = min_range
        self.callback = callback
        self.n_jobs = n_jobs
        self.backend = backend
        self.random_state = random_state
        self.show_progress_bar = show_progress_bar
        self.memory_budget = memory_budget
        self.sample_key = sample_key

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with `deep`, also those of the default components that replace `None`."""
        params = super().get_params(deep=deep)
        if deep:
            for slot, default in DEFAULTS.items():
                if params.get(slot, slot) is None:
                    params.update({f"{slot}__{name}": value for name, value in default().get_params().items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; those of a component that is `None` are set on its default."""
        stood_in = []
        for slot, default in DEFAULTS.items():
            nested = any(name.startswith(f"{slot}__") for name in params)
            if nested and params.get(slot, getattr(self, slot)) is None:
                setattr(self, slot, default())
                params.pop(slot, None)
                stood_in.append(slot)
        try:
            return super().set_params(**params)
        except ValueError:
            for slot in stood_in:
                setattr(self, slot, None)
            raise


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
        raise AttributeError(f"{self._public} is a result of fit and cannot be set. Fit again.")


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
