"""Layout of a graph of genes: clusters are laid out separately and placed near connected ones, without overlap."""

from __future__ import annotations

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

DOT = 0.4  # minimum distance of two vertices; a part with n vertices has sides of about sqrt(n)
_ROUNDS = 100
_GAP = 1.2  # between connected components
_BETWEEN = 1.0  # between connected clusters
_WIDE = 1.6  # target ratio of width to height
_STEPS, _PULL = 400, 0.03  # attraction between clusters


def graph_layout(graph, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the positions of the vertices, `(n_vertices, 2)`, at least about :data:`DOT` apart.

    Each cluster is laid out separately, vertices with label -1 as clusters of their own. Clusters are then placed as discs
    near those to which they have many edges, and rotated so that genes with edges to another cluster are on its side.
    Unconnected clusters are arranged in rows, by their numbers.
    """
    labels = np.asarray(labels)
    alone = np.flatnonzero(labels < 0)
    groups = labels.copy()
    groups[alone] = labels.max(initial=-1) + 1 + np.arange(len(alone))
    numbers, groups = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(groups == group) for group in range(len(numbers))]
    places = np.zeros((graph.vcount(), 2))
    for own in members:
        places[own] = _one_cluster(graph.subgraph(own), labels[own], seed)
    ends = np.array(graph.get_edgelist(), dtype=int).reshape(-1, 2)
    weights = graph.es["weight"] if "weight" in graph.es.attributes() else np.ones(len(ends))
    ties = np.zeros((len(members), len(members)))
    np.add.at(ties, (groups[ends[:, 0]], groups[ends[:, 1]]), weights)
    ties = ties + ties.T
    np.fill_diagonal(ties, 0)
    n_parts, part_of = connected_components(ties > 0, directed=False)
    parts = [np.flatnonzero(part_of == part) for part in range(n_parts)]
    # small components come last: in a row with large ones they would take as much space
    of_part = [np.concatenate([members[group] for group in part]) for part in parts]
    order = sorted(range(len(parts)), key=lambda part: (
        len(of_part[part]) < 3, labels[of_part[part]].min() < 0, labels[of_part[part]].mean(), of_part[part][0]
    ))  # fmt: skip
    for part in order:
        if len(parts[part]) > 1:
            _around_each_other(places, members, parts[part], groups, ties, ends, seed)
    boxes = np.array([np.ptp(places[of_part[part]], axis=0) for part in order]).reshape(-1, 2) + _GAP
    for part, corner in zip(order, _packed(boxes), strict=True):
        own = of_part[part]
        places[own] += corner - places[own].min(axis=0)
    return places


def _one_cluster(graph, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the positions of the vertices of a cluster, with components side by side, centred at 0."""
    parts = sorted((np.array(part) for part in graph.connected_components()), key=lambda part: (-len(part), part[0]))
    found = [_one_part(graph.subgraph(part), labels[part], seed) for part in parts]
    places = np.zeros((graph.vcount(), 2))
    corners = _packed(np.array([np.ptp(part, axis=0) for part in found]).reshape(-1, 2) + 2 * DOT)
    for part, own, corner in zip(parts, found, corners, strict=True):
        places[part] = own - own.min(axis=0) + corner
    return places - (places.min(axis=0) + places.max(axis=0)) / 2


def _around_each_other(places, members, part, groups, ties, ends, seed) -> None:
    """Move connected clusters, as discs that touch without overlap."""
    from igraph import Graph

    from lineage_clust.clusterers.communities import seeded_igraph

    radii = np.array([np.hypot(*places[members[group]].T).max() + _BETWEEN / 2 for group in part])
    sizes = np.array([len(members[group]) for group in part], dtype=float)
    strength = ties[np.ix_(part, part)] / np.sqrt(np.outer(sizes, sizes))
    first, second = np.nonzero(np.triu(strength))
    with seeded_igraph(seed):
        meta = Graph(n=len(part), edges=list(zip(first.tolist(), second.tolist(), strict=True)))
        middles = np.array(meta.layout_fruchterman_reingold(weights=strength[first, second], niter=500).coords)
    middles = _turned(middles, np.arange(len(part), dtype=float))
    middles = middles / max(np.ptp(middles, axis=0).max(), 1e-12) * 2.5 * np.sqrt((radii**2).sum())
    middles = middles + 1e-3 * np.column_stack([np.cos(2.4 * np.arange(len(part))), np.sin(2.4 * np.arange(len(part)))])
    pull = strength / strength.max()
    for step in range(_STEPS):
        away = middles[:, None] - middles[None]
        distance = np.maximum(np.hypot(away[..., 0], away[..., 1]), 1e-9)
        gap = distance - (radii[:, None] + radii[None])
        np.fill_diagonal(gap, 0)
        last = step > 0.8 * _STEPS  # only repulsion, so that the result has no overlap
        move = np.where(gap < 0, -0.5 * gap, 0.0 if last else -_PULL * np.maximum(gap, 0) * (0.1 + pull))
        middles = middles + ((move / distance)[..., None] * away).sum(axis=1)
    middles = _turned(middles, np.arange(len(part), dtype=float))
    middle_of = np.zeros((len(members), 2))
    middle_of[part] = middles
    pulled = np.zeros_like(places)
    across = groups[ends[:, 0]] != groups[ends[:, 1]]
    for one, other in (ends[across].T, ends[across].T[::-1]):
        toward = middle_of[groups[other]] - middle_of[groups[one]]
        np.add.at(pulled, one, toward / np.maximum(np.hypot(*toward.T), 1e-9)[:, None])
    for group, middle in zip(part, middles, strict=True):
        own = members[group]
        turn, _ = orthogonal_procrustes(places[own], pulled[own])  # towards connected clusters
        places[own] = places[own] @ turn + middle


def _one_part(part, labels: np.ndarray, seed: int) -> np.ndarray:
    """Return the positions of connected vertices, with the long side horizontal and low labels on the left."""
    from lineage_clust.clusterers.communities import seeded_igraph

    if part.vcount() == 1:
        return np.zeros((1, 2))
    with seeded_igraph(seed):
        weights = part.es["weight"] if "weight" in part.es.attributes() else None
        places = np.array(part.layout_fruchterman_reingold(weights=weights, niter=500).coords)
    places = _turned(places, labels)
    return _apart(places / max(np.ptp(places, axis=0).max(), 1e-12) * max(np.sqrt(len(places)), 2 * DOT))


def _turned(places: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rotate positions such that the long side is horizontal and low labels are on the left."""
    centred = places - places.mean(axis=0)
    turned = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    return turned * np.where((turned * (labels - labels.mean())[:, None]).sum(axis=0) < 0, -1.0, 1.0)


def _apart(places: np.ndarray) -> np.ndarray:
    """Separate positions closer than a dot, as strong edges pull vertices together."""
    rows = np.arange(len(places))
    # offsets on a spiral define the direction in which coinciding vertices are separated
    places = places + 1e-3 * DOT * np.column_stack([np.cos(2.4 * rows), np.sin(2.4 * rows)])
    for _ in range(_ROUNDS):
        pairs = cKDTree(places).query_pairs(DOT, output_type="ndarray")
        if not len(pairs):
            break
        one, other = pairs.T
        between = places[one] - places[other]
        distance = np.maximum(np.hypot(*between.T), 1e-9)[:, None]
        push = 0.5 * (DOT - distance) * between / distance
        # average the displacements of a vertex with many close neighbours; their sum would move it too far
        moved, n_pairs = np.zeros_like(places), np.bincount(pairs.ravel(), minlength=len(places))
        np.add.at(moved, one, push)
        np.add.at(moved, other, -push)
        places = places + moved / np.maximum(n_pairs, 1)[:, None] ** 0.5
        if np.hypot(*moved.T).max() < 0.01 * DOT:
            break
    return places


def _packed(sizes: np.ndarray) -> np.ndarray:
    """Return the lower left corners of boxes arranged in centred rows, `(n_boxes, 2)`."""
    if len(sizes) == 0:
        return np.zeros((0, 2))
    widest = sizes[:, 0].max()
    tried = [_rows(sizes, width) for width in np.linspace(widest, max(sizes[:, 0].sum(), widest), 60)]
    extents = [(corners + sizes).max(axis=0) - corners.min(axis=0) for corners in tried]
    widths = [max(wide, high * _WIDE) for wide, high in extents]  # of figures with the target ratio of sides
    return tried[int(np.argmin(widths))]


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
