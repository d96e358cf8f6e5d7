"""Labels of any clusterer as integers, for the fitted rows and for new trends."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from ..contracts.capabilities import fitted_value, has_method, votes


def assign(clusterer, scaled: np.ndarray, fitted: np.ndarray, labels: np.ndarray, order: np.ndarray):
    """Return the cluster of each scaled trend `(n_new, n_points)`, and its share of the votes; NaN if there are none.

    The fitted clusterer predicts, or the nearest of the `fitted` trends `(n_genes, n_points)` with `labels` decides.
    `order` has the clusterer's own label of each cluster.
    """
    if has_method(clusterer, "predict"):
        with config_context(transform_output="default"):
            voted = votes(clusterer, scaled)
            if voted is not None:
                own, confidence = voted
            else:
                own = one_per_row(f"predict of {type(clusterer).__name__}", clusterer.predict(scaled), len(scaled))
                confidence = np.full(len(scaled), np.nan)
        numbered = np.full(len(own), -1)
        for number, label in enumerate(order):
            numbered[own == label] = number
        return numbered, confidence
    chosen = np.isfinite(fitted).all(axis=1) & (np.ptp(fitted, axis=1) > 0)
    nearest = KNeighborsClassifier(n_neighbors=1).fit(fitted[chosen], labels[chosen])
    return nearest.predict(scaled), np.full(len(scaled), np.nan)


def own_labels(clusterer: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a code from 0 for the cluster of each fitted row, -1 for none, and the sorted labels that are coded.

    Labels of a pipeline are those of its last step; those of a mixture model are its predictions. Negative labels, NaN
    and `None` mean that a row has no cluster.
    """
    name = type(clusterer).__name__
    owner = clusterer[-1] if isinstance(clusterer, Pipeline) else clusterer
    found = fitted_value(owner, "labels_")
    if found is None:
        if not has_method(clusterer, "predict"):
            raise TypeError(f"clusterer must have labels_ after fit; {name} has none, and no predict either.")
        found = clusterer.predict(rows)
    labels = one_per_row(f"labels_ of {name}", found, len(rows))
    there = ~(pd.isna(labels) | [isinstance(label, Real) and label < 0 for label in labels.tolist()])
    codes = np.full(len(rows), -1)
    codes[there], names = pd.factorize(labels[there], sort=True)
    return codes, np.asarray(names)


def one_per_row(what: str, values: Any, n_rows: int) -> np.ndarray:
    """Return values as an array, or raise a ValueError unless there is one per row."""
    values = np.asarray(values)
    if values.shape != (n_rows,):
        raise ValueError(f"{what} must have one value per row, {n_rows}; the shape is {values.shape}.")
    return values
