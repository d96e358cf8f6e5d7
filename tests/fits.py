"""Helpers for tests of fitted clusterers."""

import numpy as np
from scipy import sparse

from lineage_clust import TrendClusterer


def dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def kind_of(genes):
    """Return the names of genes without their numbers, which `make_adata` gives to genes of a kind."""
    return np.array([gene.rstrip("0123456789") for gene in genes])


def fit(adata, **parameters):
    return TrendClusterer(**{"lineage": "A", "random_state": 0, **parameters}).fit(adata)
