"""Parameters and data for the tests of GraphClusterer."""

from functools import partial
from itertools import product

import numpy as np
from sklearn.datasets import make_blobs

from lineage_clust.clusterers import GraphClusterer

Fixed = partial(GraphClusterer, resolution=1.0)  # "auto" has its own tests, in test_search.py
WEIGHTS = ["umap", "jaccard", "gaussian", "binary"]
ALGORITHMS = [("leiden", "igraph"), ("louvain", "igraph"), ("leiden", "leidenalg")]
PRODUCT = list(product(WEIGHTS, ALGORITHMS))


def blobs(n_rows=120, n_columns=20, seed=0):
    """Three groups far apart."""
    return make_blobs(n_rows, n_columns, centers=3, cluster_std=1.0, random_state=seed)


def curves(n_rows=150, n_columns=60, seed=0):
    """Standardised curves with peaks anywhere: no clear groups, so every disturbance shows."""
    rng = np.random.default_rng(seed)
    time, peak, width = np.linspace(0, 1, n_columns), rng.uniform(0, 1, (n_rows, 1)), rng.uniform(0.1, 0.4, (n_rows, 1))
    X = np.exp(-(((time - peak) / width) ** 2))
    return (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
