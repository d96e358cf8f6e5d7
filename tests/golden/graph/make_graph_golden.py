"""Make umap_weights.npz: edge weights of umap-learn's fuzzy simplicial set, the reference for `weights="umap"`.

Requires `pip install umap-learn`; made with umap-learn 0.5.12, numba 0.68.1, numpy 2.4.6. Run it in this folder.
"""

import numpy as np
from scipy.spatial.distance import cdist
from umap.umap_ import fuzzy_simplicial_set

N_NEIGHBORS = (3, 5, 15)


def trends():
    """Return 60 rows of 12 values in three groups of different spread; rows 10 and 11 equal row 9."""
    rng = np.random.default_rng(20240229)
    centers = rng.normal(size=(3, 12)) * 2
    X = np.repeat(centers, 20, axis=0) + rng.normal(size=(60, 12)) * np.repeat([0.3, 1.0, 2.0], 20)[:, None]
    X[10:12] = X[9]
    return X


def main():
    """Write the file."""
    X = trends()
    golden = {"X": X}
    for k in N_NEIGHBORS:
        distances = cdist(X, X)
        np.fill_diagonal(distances, -1.0)  # umap-learn takes the first column for the row itself
        indices = np.argsort(distances, axis=1, kind="stable")[:, :k]
        distances = np.maximum(np.take_along_axis(distances, indices, axis=1), 0.0)
        graph, _, _ = fuzzy_simplicial_set(
            X, k, np.random.RandomState(0), "euclidean", knn_indices=indices, knn_dists=distances
        )
        golden[f"weights_{k}"] = graph.toarray()
    np.savez_compressed("umap_weights.npz", **golden)


if __name__ == "__main__":
    main()
