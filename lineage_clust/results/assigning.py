"""Assign trends to the clusters of an earlier fit."""

from __future__ import annotations

import numpy as np
from sklearn import config_context
from sklearn.neighbors import KNeighborsClassifier

from ..contracts.asking import has_method, votes
from .own_labels import one_per_row


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
