"""Parameter validation of GraphClusterer."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import VALID_METRICS

from ..errors import did_you_mean, quoted
from ..utils.checking import check_seed
from ..utils.constraints import Constraint, Constraints, integer, is_integer, is_number, number
from .communities import check_algorithm
from .weights import STRENGTHS

_WITH_PARAMETERS = {
    "mahalanobis": "a covariance matrix (metric_params={'V': ...})",
    "seuclidean": "a variance per column (metric_params={'V': ...})",
    "haversine": "rows that are two angles on a sphere",
    "pyfunc": "a function (metric_params={'func': ...}; metric= takes the function itself)",
}


def check_combinations(clusterer: Any) -> None:
    """Raise a ValueError if parameters of a GraphClusterer contradict each other."""
    automatic = isinstance(clusterer.resolution, str) and clusterer.resolution == "auto"
    if automatic and clusterer.n_clusters is None and not clusterer.refine:
        raise ValueError(
            "resolution='auto' needs refine=True. With refine=False, pass a number as resolution, such as 1.0."
        )
    check_algorithm(clusterer.method, clusterer.backend, clusterer.objective)


def _check_metric(metric: object) -> None:
    if callable(metric) or isinstance(metric, DistanceMetric):
        return
    if not isinstance(metric, str):
        raise TypeError(f"metric must be the name of a distance metric or a function of two rows; got {metric!r}.")
    if metric == "precomputed":
        raise ValueError(
            "metric='precomputed' is not supported because X contains trends. Pass neighbors= to use precomputed "
            "distances."
        )
    if metric in _WITH_PARAMETERS:
        raise ValueError(
            f"metric={metric!r} needs {_WITH_PARAMETERS[metric]}. Pass "
            f"neighbors=KNeighborsTransformer(mode='distance', "
            f"metric={metric!r}, ...) with it, or choose a metric such as 'euclidean' or 'correlation'."
        )
    known = sorted({name for names in VALID_METRICS.values() for name in names} - {"precomputed", *_WITH_PARAMETERS})
    if metric not in known:
        raise ValueError(
            f"metric must be one of {quoted(known, len(known))}, or a function; got {metric!r}."
            f"{did_you_mean(metric, known)}"
        )


def _check_neighbors(neighbors: Any) -> None:
    if neighbors is None:
        return
    if not hasattr(neighbors, "fit_transform"):
        raise TypeError(
            "neighbors must have fit_transform, as KNeighborsTransformer has, and return a sparse graph of distances; "
            f"got {neighbors!r}."
        )
    if getattr(neighbors, "mode", "distance") != "distance":
        raise ValueError(f"neighbors must have mode='distance'; got mode={neighbors.mode!r}.")


_OR_NONE = Constraint(
    "an integer of at least 1 (or None)", lambda value: value is None or (is_integer(value) and value >= 1)
)
CONSTRAINTS: Constraints = {
    "n_neighbors": integer(2, remark=" (it counts the row itself)"),
    "n_components": _OR_NONE,
    "min_cluster_size": integer(1),
    "n_iterations": Constraint(
        "a positive integer, or -1 to repeat until nothing improves", lambda value: is_integer(value) and value != 0
    ),
    "resolution": Constraint(
        "'auto' or a positive number",
        lambda value: value == "auto" if isinstance(value, str) else is_number(value) and 0 < value < np.inf,
    ),
    "n_clusters": _OR_NONE,
    "min_support": number("a number from 0 to 1", lambda value: 0 <= value <= 1),
    "max_connectivity": number("a number above 0", lambda value: value > 0),
    "max_correlation": number("a number from -1 to 1", lambda value: -1 <= value <= 1),
    "min_explained": number("a number from 0 to 1", lambda value: 0 <= value <= 1),
    "refine": Constraint("True or False", lambda value: isinstance(value, (bool, np.bool_))),
    "metric": lambda _, value: _check_metric(value),
    "weights": Constraint(
        f"one of {quoted(STRENGTHS)}", lambda value: isinstance(value, str) and value in STRENGTHS,
        advice=lambda value: did_you_mean(value, STRENGTHS),
    ),
    "random_state": check_seed,
    "neighbors": lambda _, value: _check_neighbors(value),
}  # fmt: skip
