"""Methods for clustering genes along a lineage: ours, and those of other packages with the same components."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from lineage_clust import GAM, GaussianProcessSmoother, GraphClusterer, PyGAM, TrendClusterer
from lineage_clust.errors import LineageClustWarning

MOST_CLUSTERS = 20


class SilhouetteKMeans(KMeans):
    """k-means with the number of clusters, from 2 to 20, of the best silhouette."""

    def fit(self, X, y=None, sample_weight=None):
        tried = range(2, min(MOST_CLUSTERS, len(X) - 1) + 1)
        fits = [KMeans(k, n_init=5, random_state=0).fit(X) for k in tried]
        best = max(
            fits, key=lambda one: silhouette_score(X, one.labels_, sample_size=min(len(X), 1000), random_state=0)
        )
        self.__dict__.update(
            {name: value for name, value in vars(best).items() if name.endswith("_") or name[0] == "_"}
        )
        return self


def ours(resolution="auto", **options):
    """TrendClusterer with default parameters, or with other parameters of its GraphClusterer."""
    return TrendClusterer(clusterer=GraphClusterer(resolution=resolution, **options), random_state=0)


def silhouette_kmeans():
    """Our trends and selection of genes, with k-means and the best silhouette."""
    return TrendClusterer(clusterer=SilhouetteKMeans(), random_state=0)


def cellrank(model=None):
    """CellRank's `cluster_lineage`: default GAM, end of range, 50 components, 30 neighbours; resolution 1.0; no selection."""
    return TrendClusterer(
        model=PyGAM() if model is None else model,
        clusterer=GraphClusterer(n_neighbors=30, n_components=50, resolution=1.0, refine=False),
        alpha=None, endpoint="argmax", random_state=0,
    )  # fmt: skip


def cellrank_normal():
    """The same with its GAM at `distribution="normal"`: same basis and fixed lambda, computed by our factorisation."""
    return cellrank(model=PyGAM(distribution="normal", link="identity"))


def palantir():
    """Palantir's gene trends and clusters: a Gaussian process, 150 neighbours, resolution 1.0; no selection."""
    return TrendClusterer(
        model=GAM(smoothing=1.0),
        smoother=GaussianProcessSmoother(length_scale=1.0, n_landmarks=500),
        clusterer=GraphClusterer(n_neighbors=150, resolution=1.0, refine=False),
        alpha=None, random_state=0,
    )  # fmt: skip


METHODS = {
    "auto": ours,
    **{f"resolution {value:g}": partial(ours, value, refine=False) for value in (0.1, 0.2, 0.4, 0.7, 1.0)},
    "k-means, silhouette": silhouette_kmeans,
    "CellRank": cellrank,
    "Palantir": palantir,
}
FAST = tuple(name for name in METHODS if name not in ("CellRank", "Palantir"))


def labels_of(method, adata, lineage="lineage_1") -> tuple[np.ndarray, TrendClusterer]:
    """Return the cluster of each gene of `adata` (-1 = none) and the fitted clusterer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LineageClustWarning)  # no clusters are a valid result here
        fitted = method().fit(adata, lineage=lineage)
    labels = np.full(adata.n_vars, -1)
    labels[adata.var_names.get_indexer(fitted.genes_)] = fitted.labels_
    return labels, fitted
