"""Where the genes of a graph lie: parts laid out one by one, no dot on another, and packed side by side."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

DOT = 0.4  # least distance of two vertices; a part of n vertices has sides of about the root of n
_ROUNDS = 100
_GAP = 1.2  # between parts
_WIDE = 1.6  # the whole is about so many times wider than high


def graph_layout(graph, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the place of each vertex.

    Parameters
    ----------
    graph : igraph.Graph
        Edges may have an attribute "weight".
    labels : ndarray of int, shape (n_vertices,)
        Cluster of each vertex: parts come in their order, from left to right and from top to bottom.
    seed : int
        igraph's global random generator is left as it was.

    Returns
    -------
    ndarray of shape (n_vertices, 2)
        Two vertices are at least about :data:`DOT` apart.

    Examples
    --------
    >>> import igraph
    >>> graph = igraph.Graph(n=4, edges=[(0, 1), (2, 3)])
    >>> graph_layout(graph, np.array([1, 1, 0, 0]))[:, 0].argmax() in (0, 1)
    True
    """
    parts = [np.array(members) for members in graph.connected_components()]
    # few genes by themselves come last: one in a row of large parts would take as much room as they
    parts.sort(key=lambda members: (len(members) < 3, labels[members].min() < 0, labels[members].mean(), members[0]))
    found = [_one_part(graph.subgraph(members), labels[members], seed) for members in parts]
    places = np.zeros((graph.vcount(), 2))
    corners = _packed(np.array([np.ptp(part, axis=0) for part in found]).reshape(-1, 2) + _GAP)
    for members, part, corner in zip(parts, found, corners, strict=True):
        places[members] = part - part.min(axis=0) + corner
    return places


def _one_part(part, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the places of connected vertices, the long side horizontal and low labels on the left."""
    from lineage_clust.clusterers.communities import seeded_igraph

    if part.vcount() == 1:
        return np.zeros((1, 2))
    with seeded_igraph(seed):
        weights = part.es["weight"] if "weight" in part.es.attributes() else None
        places = np.array(part.layout_fruchterman_reingold(weights=weights, niter=500).coords)
    places = _turned(places, labels)
    return _apart(places / max(np.ptp(places, axis=0).max(), 1e-12) * max(np.sqrt(len(places)), 2 * DOT))


def _turned(places: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return places with the long side horizontal and low labels on the left."""
    centred = places - places.mean(axis=0)
    turned = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    return turned * np.where((turned * (labels - labels.mean())[:, None]).sum(axis=0) < 0, -1.0, 1.0)


def _apart(places: np.ndarray) -> np.ndarray:
    """Return places of which none is much closer to another than a dot: ties that are strong pull genes onto each other."""
    rows = np.arange(len(places))
    # points on a spiral tell vertices at the same place in which direction to part
    places = places + 1e-3 * DOT * np.column_stack([np.cos(2.4 * rows), np.sin(2.4 * rows)])
    for _ in range(_ROUNDS):
        pairs = cKDTree(places).query_pairs(DOT, output_type="ndarray")
        if not len(pairs):
            break
        one, other = pairs.T
        between = places[one] - places[other]
        distance = np.maximum(np.hypot(*between.T), 1e-9)[:, None]
        push = 0.5 * (DOT - distance) * between / distance
        # where a vertex has many on it, the mean of what they ask for: the sum would throw it far away
        moved, n_pairs = np.zeros_like(places), np.bincount(pairs.ravel(), minlength=len(places))
        np.add.at(moved, one, push)
        np.add.at(moved, other, -push)
        places = places + moved / np.maximum(n_pairs, 1)[:, None] ** 0.5
        if np.hypot(*moved.T).max() < 0.01 * DOT:
            break
    return places


def _packed(sizes: np.ndarray) -> np.ndarray:
    """Return the lower left corner of each box, `(n_boxes, 2)`: in rows, as the words of a text, each row centred."""
    if len(sizes) == 0:
        return np.zeros((0, 2))
    widest = sizes[:, 0].max()
    tried = [_rows(sizes, width) for width in np.linspace(widest, max(sizes[:, 0].sum(), widest), 60)]
    return min(tried, key=lambda found: _badness(found, sizes))


def _badness(corners: np.ndarray, sizes: np.ndarray) -> float:
    """Return the width of the figure that the boxes need, if its sides are as they should be."""
    wide, high = (corners + sizes).max(axis=0) - corners.min(axis=0)
    return max(wide, high * _WIDE)


def _rows(sizes: np.ndarray, width: float) -> np.ndarray:
    corners, top, first = np.zeros_like(sizes), 0.0, 0
    while first < len(sizes):
        ends = np.cumsum(sizes[first:, 0])
        row = slice(first, first + max(1, int(np.searchsorted(ends, width + 1e-9, side="right"))))
        n_boxes, height = len(sizes[row]), sizes[row, 1].max()
        corners[row, 0] = ends[:n_boxes] - sizes[row, 0] + (width - ends[n_boxes - 1]) / 2
        corners[row, 1] = top - height / 2 - sizes[row, 1] / 2
        top, first = top - height, row.stop
    return corners
