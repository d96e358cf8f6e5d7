"""Helpers for tests of fitted clusterers."""

import numpy as np
from scipy import sparse

from lineage_clust import GraphClusterer, TrendClusterer
from lineage_clust.lineage.lineage import Lineage, Reader

# for tests of everything but the number of clusters, the search for which takes most of the time of a small fit
QUICK = GraphClusterer(resolution=1.0)


def dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def kind_of(genes):
    """Return the names of genes without their numbers, which `make_adata` gives to genes of a kind."""
    return np.array([gene.rstrip("0123456789") for gene in genes])


def fit(adata, **parameters):
    return TrendClusterer(**{"lineage": "A", "random_state": 0, **parameters}).fit(adata)


def quick_fit(adata, **parameters):
    return fit(adata, **{"clusterer": QUICK, **parameters})


def lineage_of(times, weights, Y, genes):
    """Arrays as a lineage; its range is that of the times."""
    return Lineage(None, times, weights, Y, genes, float(min(times)), float(max(times)), np.arange(len(times)))


def read_lineage(adata, lineage=None, *, genes=None, to_fit=True, among=None, **settings):
    return Reader(**settings).read(adata, lineage, genes, to_fit=to_fit, among=among)
