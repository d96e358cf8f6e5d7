"""Edge weights: from lists of k nearest neighbours to a weighted, undirected graph.

Every weighting has two parts: the directed strength of the connection from a row to each row in its list, and a rule
that combines the strengths in both directions into an edge weight. `predict` uses only the first part.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .neighbors import Neighbors

# umap-learn's MIN_K_DIST_SCALE: a kernel is never narrower than this fraction of the mean distance.
_NARROWEST = 1e-3
_NEWTON_STEPS, _CONVERGED = 64, 1e-12


# Functions from the lists of query rows, and those of the fitted rows, to strengths in [0, 1] `(n_rows, n_listed)`, 0 for
# padding; in `fit`, both are the same.


@np.errstate(under="ignore")  # far neighbours have strength 0
def umap_strengths(lists: Neighbors, fitted: Neighbors) -> np.ndarray:
    r"""Return membership strengths of the fuzzy simplicial set.

    ``exp(-(d_ij - rho_i) / sigma_i)`` for ``d_ij > rho_i``, else 1, where ``rho_i`` is the smallest positive distance
    of row i and ``sigma_i`` solves ``sum_j exp(-max(0, d_ij - rho_i) / sigma_i) = log2(k)``, ``k`` being the length of
    the list and the row itself (McInnes, Healy & Melville 2018, arXiv:1802.03426, section 3.1, definition of the fuzzy
    simplicial set, and algorithm 3). As in the reference implementation ``sigma_i`` is at least 1e-3 of the mean distance
    in the list.
    """
    distances, counts = lists.distances, lists.listed.sum(axis=1)
    # The mean counts the row itself at distance 0, as the reference implementation does.
    mean = np.sum(distances, axis=1, where=lists.listed) / (counts + 1)
    nearest = np.min(distances, axis=1, initial=np.inf, where=distances > 0)
    rho = np.where(np.isfinite(nearest), nearest, 0.0)

    # Scaling each list by its mean distance makes the number of steps independent of the unit of the data.
    unit = np.where(mean > 0, mean, 1.0)
    excess = np.where(lists.listed, np.maximum(distances - rho[:, None], 0.0), 0.0) / unit[:, None]
    target = np.log2(counts + 1)
    # The sum is convex and decreasing in 1 / sigma: Newton's method started at 0 never overshoots.
    inverse = np.zeros(len(mean))
    for _ in range(_NEWTON_STEPS):
        strengths = np.exp(-excess * inverse[:, None]) * lists.listed
        slope = np.einsum("ij,ij->i", excess, strengths)
        with np.errstate(over="ignore"):
            step = np.divide(strengths.sum(axis=1) - target, slope, out=np.full(len(mean), np.inf), where=slope > 0)
        inverse = np.minimum(inverse + np.maximum(step, 0.0), 1 / _NARROWEST)
        if np.all((step <= _CONVERGED * inverse) | (inverse == 1 / _NARROWEST)):
            break
    return np.exp(-excess * inverse[:, None]) * lists.listed


def jaccard_strengths(lists: Neighbors, fitted: Neighbors) -> np.ndarray:
    """Return the size of the intersection of two rows' lists over the size of their union; a row is not in its own list.

    This is the edge weight of PhenoGraph (Levine et al. 2015, Cell 162, 184-197, Experimental Procedures).
    """
    n_fitted = len(fitted.indices)
    owners = np.arange(n_fitted)[:, None]
    known = np.sort((owners * n_fitted + fitted.indices)[fitted.listed])
    shared = np.zeros(lists.indices.shape)
    for member in lists.indices.T:
        asked = lists.indices * n_fitted + member[:, None]
        at = np.minimum(np.searchsorted(known, asked), max(len(known) - 1, 0))
        shared += (known[at] == asked) & (member >= 0)[:, None] if len(known) else 0
    sizes = lists.listed.sum(axis=1)[:, None] + fitted.listed.sum(axis=1)[lists.indices]
    return np.where(lists.listed, shared / np.maximum(sizes - shared, 1), 0.0)


@np.errstate(under="ignore")
def gaussian_strengths(lists: Neighbors, fitted: Neighbors) -> np.ndarray:
    """Return the self-tuning kernel ``exp(-d_ij^2 / (s_i s_j))``, ``s_i`` being the distance to the last row in a list.

    Equation 1 of Zelnik-Manor & Perona (2004), Self-tuning spectral clustering, Advances in Neural Information Processing
    Systems 17. A scale of 0 (all neighbours are copies of the row) is replaced by the smallest positive one.
    """
    scales = _last_distance(fitted)
    smallest = np.min(scales, initial=np.inf, where=scales > 0)
    smallest = smallest if np.isfinite(smallest) else 1.0
    own, theirs = _last_distance(lists)[:, None], scales[lists.indices]
    own, theirs = np.where(own > 0, own, smallest), np.where(theirs > 0, theirs, smallest)
    # Two quotients instead of one avoid overflow and underflow for extreme distances.
    return np.exp(-(lists.distances / own) * (lists.distances / theirs))


def _last_distance(lists: Neighbors) -> np.ndarray:
    return np.max(lists.distances, axis=1, initial=0.0, where=lists.listed)


STRENGTHS = {
    "umap": umap_strengths,
    "jaccard": jaccard_strengths,
    "gaussian": gaussian_strengths,
    "binary": lambda lists, fitted: lists.listed.astype(float),
}
_SYMMETRISED = {
    "umap": lambda one, other: one + other - one.multiply(other),  # at least one of two independent edges exists
    "jaccard": lambda one, other: (one + other) / 2,
    "gaussian": lambda one, other: one.maximum(other),
    "binary": lambda one, other: one.maximum(other),
}


def connectivities(lists: Neighbors, weights: str) -> sparse.csr_matrix:
    """Return the weighted graph of nearest neighbours, symmetric, with zero diagonal and without explicit zeros.

    >>> from lineage_clust.clusterers.neighbors import nearest_neighbors
    >>> lists = nearest_neighbors(np.array([[0.0], [1.0], [3.0]]), n_listed=1)
    >>> connectivities(lists, "binary").toarray()
    array([[0., 1., 0.],
           [1., 0., 1.],
           [0., 1., 0.]])
    """
    n_rows = len(lists.indices)
    row, place = np.nonzero(lists.listed)
    strengths = STRENGTHS[weights](lists, lists)[row, place]
    directed = sparse.csr_matrix((strengths, (row, lists.indices[row, place])), shape=(n_rows, n_rows))
    graph = sparse.csr_matrix(_SYMMETRISED[weights](directed, directed.T))
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph
