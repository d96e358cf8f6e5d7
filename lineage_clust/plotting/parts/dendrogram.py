"""Layout of the tree of clusters: leaves ordered by time, divisions at heights that show how distinct the parts are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...clusterers.tree import ClusterTree
from ...contracts.capabilities import fitted_value
from ...results.result import FitResult
from ...results.tabulating import nodes_of, time_ranks
from .theme import ink

_GAP = 0.04  # between a division and those below it, as a fraction of the range of heights


@dataclass(frozen=True)
class Dendrogram:
    """The upper part of a tree, truncated at some nodes."""

    ends: list[int]  # undivided nodes, in the order in which they are drawn
    children: dict[int, tuple[int, int]]  # of each divided node, the upper one first
    place: dict[int, float]  # 0, 1, ... for the ends, the mean of the children for the others
    depth: dict[int, float]  # of each divided node, from 0 at the ends to 1 at the top, by the logarithm of height
    cluster: dict[int, int]  # cluster number of the nodes at and below each cluster of the current cut
    cut: float | None  # depth that separates the divisions above the clusters from those below, if one does


def upper_nodes(tree: ClusterTree, clusters: Sequence[int], n_ends: int) -> list[int]:
    """Return the nodes at which a tree is truncated: clusters of the current cut, divided further until there are `n_ends`.

    >>> from lineage_clust.clusterers.tree import ClusterTree
    >>> tree = ClusterTree(np.array([0, 1, 2]), np.array([[1, 2, 0.5, 2], [0, 3, 2.0, 3]]), np.array([0.4, 1.0]), 2)
    >>> upper_nodes(tree, [0, 3], 2), upper_nodes(tree, [0, 3], 9)
    ([0, 3], [0, 1, 2])
    """
    children = dict(enumerate(tree.linkage[:, :2].astype(int).tolist(), tree.n_leaves))
    reached = set(clusters)
    for node, pair in children.items():
        if not reached.isdisjoint(pair):
            reached.add(node)
    divided = reached.difference(clusters)  # all nodes above a cluster
    further = [node for node in reversed(children) if node not in divided]
    divided.update(further[: max(n_ends - len(divided) - 1, 0)])
    ends = {2 * tree.n_leaves - 2}.union(*(children[node] for node in divided))
    return sorted(ends - divided)


def lay_out(
    tree: ClusterTree,
    ends: Sequence[int],
    clusters: Sequence[int],
    rank: np.ndarray,
    names: Sequence[str] | None = None,
) -> Dendrogram:
    """Return the layout of a tree of undivided nodes `ends`, with the node of each cluster of the current cut.

    Children are ordered by the mean of the `rank` by time, `(n_nodes,)`, of their ends, or by names, "2.1" before "2.2".
    """
    first = tree.n_leaves
    children: dict[int, tuple[int, int]] = {}
    mean = {end: (float(order), 1) for order, end in enumerate(sorted(ends, key=lambda node: rank[node]))}
    for node, pair in enumerate(tree.linkage[:, :2].astype(int).tolist(), first):
        if node in mean or not all(child in mean for child in pair):
            continue
        (one, n_one), (other, n_other) = mean[pair[0]], mean[pair[1]]
        mean[node] = (one * n_one + other * n_other) / (n_one + n_other), n_one + n_other
        upper, lower = sorted(pair, key=lambda child: mean[child][0])
        if names is not None and names[upper].endswith(".2") and names[lower].endswith(".1"):
            upper, lower = lower, upper
        children[node] = (upper, lower)
    ordered = [node for node in _nodes_below(max(mean), children) if node not in children]
    place = {end: float(position) for position, end in enumerate(ordered)}
    for node in sorted(children):
        place[node] = (place[children[node][0]] + place[children[node][1]]) / 2
    height = {node: float(tree.linkage[node - first, 2]) for node in children}
    return Dendrogram(ordered, children, place, *_depths(height, clusters, children))


def _depths(height: dict[int, float], clusters: Sequence[int], children):
    """Return the depths of divisions, the clusters of nodes, and the depth of the cut."""
    cluster = {below: number for number, node in enumerate(clusters) for below in _nodes_below(int(node), children)}
    if not height:
        return {}, cluster, None
    logs = _apart({node: float(np.log(max(value, 1e-6))) for node, value in height.items()}, cluster, children)
    low, high = min(logs.values()), max(logs.values())
    step = (high - low) / max(len(logs), 4) or 1.0  # between the ends and the lowest division
    depth = {node: (value - low + step) / (high - low + step) for node, value in logs.items()}
    above = min((depth[node] for node in depth if node not in cluster), default=None)
    below = max((depth[node] for node in depth if node in cluster), default=0.0)
    if above is None:
        cut: float | None = 1.0 + 0.5 * step / (high - low + step)  # a single cluster
    else:
        cut = (above + below) / 2 if above > below else None
    return depth, cluster, cut


def _apart(logs: dict[int, float], cluster: Mapping[int, int], children) -> dict[int, float]:
    """Return positions in the same order, those of nodes away from those of their children, and from the cut."""
    gap = _GAP * (max(logs.values()) - min(logs.values()) or 1.0)
    moved: dict[int, float] = {}
    for node in sorted(logs):  # as in a linkage, children come first and heights increase
        floors = [moved[child] + gap for child in children[node] if child in moved]
        if node not in cluster:
            floors += [moved[below] + 2 * gap for below in moved if below in cluster]
        moved[node] = max(logs[node], *moved.values(), *floors) if moved else logs[node]
    return moved


def _nodes_below(node: int, children: dict[int, tuple[int, int]]) -> Iterator[int]:
    """Yield a node and all below it, from top to bottom as they are drawn."""
    waiting = [node]
    while waiting:
        here = waiting.pop()
        yield here
        waiting.extend(reversed(children.get(here, ())))


def dendrogram_of(result: FitResult) -> Dendrogram | None:
    """Return the dendrogram of the clusters of a fit, or `None` without a tree."""
    tree, rows = fitted_value(result.clusterer, "tree_"), result.grouped
    if tree is None or len(rows) == 0:
        return None
    nodes = nodes_of(tree, result.labels[rows])
    ends = upper_nodes(tree, nodes.tolist(), 1)
    if sorted(ends) != sorted(nodes.tolist()):  # clusters below the minimum size are not drawn
        return None
    rank = time_ranks(tree.means(result.scaled[rows]), result.pseudotime)
    return lay_out(tree, ends, nodes.tolist(), rank)


def draw_branches(
    ax, shape: Dendrogram, x, y, colors: Sequence[Any], *, width: float, stub: float, transform=None
) -> None:
    """Draw the branches: grey above the clusters, in the colour of a cluster within it.

    `x` and `y` map depth and position to coordinates, and the branch above the root has the length `stub`, in depth.
    """
    where = {} if transform is None else {"transform": transform}

    def paint(node: int, depths: tuple[float, float], places: tuple[float, float]) -> None:
        color = colors[shape.cluster[node]] if node in shape.cluster else ink(0.6)
        ax.plot([*map(x, depths)], [*map(y, places)], color=color, lw=width, solid_capstyle="round", clip_on=False,
                gid="branch", **where)  # fmt: skip

    for node, pair in shape.children.items():
        at = shape.depth[node]
        paint(node, (at, at), (shape.place[pair[0]], shape.place[pair[1]]))
        for child in pair:
            paint(child, (at, shape.depth.get(child, 0.0)), (shape.place[child],) * 2)
    top = max(shape.place)
    at = shape.depth.get(top, 0.0)
    paint(top, (at + stub, at), (shape.place[top],) * 2)
