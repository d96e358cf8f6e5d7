"""Clusters of differences, computed by the clusterers of trends."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import config_context

from ..contracts.capabilities import uses_draws
from ..results.assigning import own_labels
from ..results.tables import order_clusters
from ..utils.threads import few_threads


def scaled_differences(differences: np.ndarray) -> np.ndarray:
    """Scale differences `(..., n_genes, n_points)` to root mean square 1; unlike z-scores, this keeps sign and level.

    >>> scaled_differences(np.array([[2.0, 2.0], [0.0, 0.0]])).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    size = np.sqrt(np.mean(differences**2, axis=-1, keepdims=True))
    return np.divide(differences, size, out=np.zeros_like(differences), where=size > 0)


def group_differences(
    clusterer: Any, differences: np.ndarray, draws: np.ndarray, grid: np.ndarray, n_comparisons: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster differences; return labels `(n_genes,)`, ordered by the times of the largest differences, and scaled rows.

    clusterer : Clusterer, fitted in place.
    differences : `(n_genes, n_comparisons * n_points)`, comparisons concatenated.
    draws : `(n_draws, n_genes, n_comparisons * n_points)`.
    grid : `(n_points,)` pseudotime of one comparison.
    n_comparisons : Number of conditions besides the reference.

    Clusterers of trends compare shapes independently of level. After concatenating a difference with its negative, rows
    have mean zero, and the correlation of two rows is the cosine of the differences: genes that are higher throughout
    and genes that are lower throughout are then opposites.
    """
    scaled = scaled_differences(differences)
    if len(scaled) == 0:
        return np.zeros(0, dtype=int), scaled
    rows = np.hstack([scaled, -scaled])
    drawn = scaled_differences(draws)
    given = {"draws": list(np.concatenate([drawn, -drawn], axis=-1))} if uses_draws(clusterer) else {}
    with config_context(transform_output="default"), few_threads(rows.size):
        clusterer.fit(rows, **given)
        codes, _ = own_labels(clusterer, rows)
    owner = None if n_comparisons == 1 else np.repeat([f"{number:03d}" for number in range(n_comparisons)], len(grid))
    return order_clusters(codes, scaled, np.tile(grid, n_comparisons), owner)[0], scaled
