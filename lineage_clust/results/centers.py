"""Mean trends of clusters."""

from __future__ import annotations

import numpy as np


def cluster_means(scaled: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean scaled trend of each cluster, `(n_clusters, n_points)`.

    Examples
    --------
    >>> cluster_means(np.array([[0.0, 2.0], [2.0, 4.0], [9.0, 9.0]]), np.array([0, 0, -1])).tolist()
    [[1.0, 3.0]]
    """
    n_clusters = int(labels.max(initial=-1)) + 1
    means = [scaled[labels == cluster].mean(axis=0) for cluster in range(n_clusters)]
    return np.array(means).reshape(n_clusters, scaled.shape[1])
