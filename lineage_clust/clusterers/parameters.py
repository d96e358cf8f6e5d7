"""What GraphClusterer accepts: each parameter is checked before anything is computed."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import VALID_METRICS

from ..errors import did_you_mean, quoted
from .communities import check_algorithm
from .weights import STRENGTHS

_WITH_PARAMETERS = {
    "mahalanobis": "a covariance matrix (metric_params={'V': ...})",
    "seuclidean": "a variance for each column (metric_params={'V': ...})",
    "haversine": "rows that are two angles on a sphere",
    "pyfunc": "a function (metric_params={'func': ...}; metric= takes the function itself)",
}


def check_parameters(clusterer):
    """Raise if a parameter of a GraphClusterer is out of range or two of them contradict each other.

    Parameters
    ----------
    clusterer : GraphClusterer
        Its parameters are read, not changed.

    Raises
    ------
    ValueError
        If a value is not allowed; the message says which are.
    TypeError
        If `neighbors` has no ``fit_transform``.
    """
    _check_integer("n_neighbors", clusterer.n_neighbors, 2, " (it counts the row itself)")
    if clusterer.n_components is not None:
        _check_integer("n_components", clusterer.n_components, 1, " (or None)")
    _check_integer("min_cluster_size", clusterer.min_cluster_size, 1)
    if not is_number(clusterer.n_iterations, Integral) or clusterer.n_iterations == 0:
        raise ValueError(
            "n_iterations must be a positive integer, or -1 to repeat until nothing improves; "
            f"got {clusterer.n_iterations!r}."
        )
    automatic = isinstance(clusterer.resolution, str) and clusterer.resolution == "auto"
    if not automatic and (not is_number(clusterer.resolution, Real) or not 0 < clusterer.resolution < float("inf")):
        raise ValueError(f"resolution must be 'auto' or a positive number; got {clusterer.resolution!r}.")
    if clusterer.n_clusters is not None:
        _check_integer("n_clusters", clusterer.n_clusters, 1, " (or None)")
    for name, low, high in (("min_support", 0, 1), ("max_connectivity", 0, float("inf")), ("max_correlation", -1, 1)):
        value = getattr(clusterer, name)
        if not is_number(value, Real) or not low <= value <= high or (name == "max_connectivity" and value == 0):
            raise ValueError(
                f"{name} must be a number {'above 0' if high > 1 else f'from {low} to {high}'}; got {value!r}."
            )
    if not isinstance(clusterer.refine, (bool, np.bool_)):
        raise ValueError(f"refine must be True or False; got {clusterer.refine!r}.")
    if automatic and clusterer.n_clusters is None and not clusterer.refine:
        raise ValueError(
            "resolution='auto' needs refine=True. With refine=False, pass a number as resolution, such as 1.0."
        )
    _check_metric(clusterer.metric)
    if not isinstance(clusterer.weights, str) or clusterer.weights not in STRENGTHS:
        raise ValueError(
            f"weights must be one of {quoted(STRENGTHS)}; got {clusterer.weights!r}."
            f"{did_you_mean(clusterer.weights, STRENGTHS)}"
        )
    check_algorithm(clusterer.method, clusterer.backend, clusterer.objective)
    _check_neighbors(clusterer.neighbors)


def _check_metric(metric):
    if callable(metric) or isinstance(metric, DistanceMetric):
        return
    if not isinstance(metric, str):
        raise TypeError(f"metric must be the name of a distance or a function of two rows; got {metric!r}.")
    if metric == "precomputed":
        raise ValueError("metric='precomputed' is not possible, for X holds trends. Use neighbors= for that.")
    if metric in _WITH_PARAMETERS:
        raise ValueError(
            f"metric={metric!r} needs {_WITH_PARAMETERS[metric]}. Pass neighbors=KNeighborsTransformer(mode='distance', "
            f"metric={metric!r}, ...) with it, or choose a metric such as 'euclidean' or 'correlation'."
        )
    known = sorted({name for names in VALID_METRICS.values() for name in names} - {"precomputed", *_WITH_PARAMETERS})
    if metric not in known:
        raise ValueError(
            f"metric must be one of {quoted(known, len(known))}, or a function; got {metric!r}."
            f"{did_you_mean(metric, known)}"
        )


def _check_neighbors(neighbors):
    if neighbors is None:
        return
    if not hasattr(neighbors, "fit_transform"):
        raise TypeError(
            "neighbors must have fit_transform, as KNeighborsTransformer has, and return a sparse graph of distances; "
            f"got {neighbors!r}."
        )
    if getattr(neighbors, "mode", "distance") != "distance":
        raise ValueError(f"neighbors must have mode='distance'; got mode={neighbors.mode!r}.")


def is_number(value, kind):
    """Return whether a value is a number of this kind; True and False are not."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _check_integer(name, value, smallest, remark=""):
    if not is_number(value, Integral) or value < smallest:
        raise ValueError(f"{name} must be an integer of at least {smallest}{remark}; got {value!r}.")
