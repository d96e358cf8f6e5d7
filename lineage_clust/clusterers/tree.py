"""Hierarchy of clusters, from all rows together to the finest groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..utils.constraints import is_number
from .distinctness import Bounds, Material, least_distinct, support_of_two
from .refinement import cluster_means, scores, without_gaps

_CLEAREST = 20.0  # upper bound of heights


@dataclass(frozen=True)
class ClusterTree:
    """A hierarchy of clusters: every finer partition divides clusters of the coarser one.

    leaves : ndarray of int, shape (n_rows,). Leaf of each row. Leaves are the finest groups.
    linkage : ndarray of shape (n_leaves - 1, 4). As returned by `scipy.cluster.hierarchy.linkage`: the two merged
        nodes, the height and the number of leaves. The height measures how distinct the two nodes are: at least 1 for
        merges at and above the selected partition, less than 1 below it.
    support : ndarray of shape (n_leaves - 1,). For each row of `linkage`, the agreement beyond chance between
        independent halves of the data on the node that each row belongs to; NaN without draws.
    n_clusters : int. Number of clusters of the selected partition.

    >>> tree = ClusterTree(np.array([0, 1, 2]), np.array([[1, 2, 0.5, 2], [0, 3, 2.0, 3]]), np.array([0.4, 1.0]), 2)
    >>> tree.cut(n_clusters=2).tolist(), tree.cut(min_support=0.3).tolist()
    ([0, 1, 1], [0, 1, 2])
    >>> tree.sizes.tolist()
    [1, 1, 1, 2, 3]
    """

    leaves: np.ndarray
    linkage: np.ndarray
    support: np.ndarray
    n_clusters: int

    @property
    def n_leaves(self) -> int:
        """Number of leaves."""
        return len(self.linkage) + 1

    @property
    def sizes(self) -> np.ndarray:
        """Number of rows of each node `(2 * n_leaves - 1,)`, leaves first, then the nodes created by `linkage`."""
        sizes = np.zeros(2 * self.n_leaves - 1, dtype=int)
        sizes[: self.n_leaves] = np.bincount(self.leaves, minlength=self.n_leaves)
        for row, children in enumerate(self.linkage[:, :2].astype(int)):
            sizes[self.n_leaves + row] = sizes[children].sum()
        return sizes

    def means(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean of the rows of each node, `(2 * n_leaves - 1, n_columns)`, in the order of `sizes`."""
        sizes = self.sizes
        sums = np.zeros((len(sizes), rows.shape[1]))
        order = np.argsort(self.leaves, kind="stable")
        starts = np.append(0, np.cumsum(sizes[: self.n_leaves])[:-1])
        sums[: self.n_leaves] = np.add.reduceat(rows[order], starts, axis=0)
        for row, children in enumerate(self.linkage[:, :2].astype(int)):
            sums[self.n_leaves + row] = sums[children].sum(axis=0)
        return sums / sizes[:, None]

    def rows(self) -> list[np.ndarray]:
        """Return the rows of each node, in the order of `sizes`."""
        found = [np.flatnonzero(self.leaves == leaf) for leaf in range(self.n_leaves)]
        for first, second in self.linkage[:, :2].astype(int):
            found.append(np.sort(np.concatenate([found[first], found[second]])))
        return found

    def cut(self, n_clusters: int | None = None, min_support: float | None = None) -> np.ndarray:
        """Return the labels `(n_rows,)` of another partition of the hierarchy, from 0 without gaps.

        n_clusters : Number of clusters, from 1 to `n_leaves`.
        min_support : Nodes are divided as far down as there is a division with at least this support.
        raises ValueError : If not exactly one of both is given, or it is out of range.
        """
        if (n_clusters is None) == (min_support is None):
            raise ValueError("Pass one of n_clusters and min_support.")
        if n_clusters is not None:
            if not is_number(n_clusters) or n_clusters not in range(1, self.n_leaves + 1):
                raise ValueError(
                    f"n_clusters must be an integer from 1 to {self.n_leaves}, the number of leaves; got "
                    f"{n_clusters!r}."
                )
            divided = np.zeros(len(self.linkage), dtype=bool)
            divided[len(self.linkage) - (int(n_clusters) - 1) :] = True
        else:
            if not is_number(min_support) or not 0 <= min_support <= 1:
                raise ValueError(f"min_support must be a number from 0 to 1; got {min_support!r}.")
            if len(self.support) and np.isnan(self.support).all():
                raise ValueError("min_support needs draws: without them the support is not known. Pass n_clusters.")
            divided = self._divided(self.support >= min_support)
        return without_gaps(self._top(divided)[self.leaves])

    def _divided(self, passes: np.ndarray) -> np.ndarray:
        """Return which nodes are divided: those that pass, and all above them."""
        divided = passes.copy()
        for row, children in enumerate(self.linkage[:, :2].astype(int)):
            for child in children:
                if child >= self.n_leaves:
                    divided[row] |= divided[child - self.n_leaves]
        return divided

    def _top(self, divided: np.ndarray) -> np.ndarray:
        """Return, for each leaf, the node below the last division above it."""
        top = np.arange(2 * self.n_leaves - 1)
        for row in range(len(self.linkage) - 1, -1, -1):
            if not divided[row]:
                top[self.linkage[row, :2].astype(int)] = top[self.n_leaves + row]
        return top[: self.n_leaves]


def build_tree(
    material: Material, labels: np.ndarray, finest: np.ndarray, bounds: Bounds, coarser: list[np.ndarray]
) -> ClusterTree:
    """Return the hierarchy around a partition: its clusters are split below it and merged above it.

    The two least distinct clusters are merged, above the partition first those that are in one cluster of the finest
    coarser partition.

    labels : Labels `(n_rows,)` of the partition, numbered from 0 without gaps.
    finest : Labels `(n_rows,)` of finer groups. Each group becomes a leaf of the cluster that contains most of its
        rows.
    coarser : Partitions `(n_rows,)` that led to this one by division, the coarsest first; may be empty.
    """
    leaves = _leaves_within(material.rows, labels, finest)
    cluster_of = labels[np.unique(leaves, return_index=True)[1]]
    n_leaves = len(cluster_of)
    node, groups = np.arange(n_leaves), leaves.copy()  # node of each present group; present group of each row
    merges: list[tuple[int, int, float, float]] = []
    height = np.zeros(2 * n_leaves - 1)
    while groups.max() > 0:
        blur = least_distinct(material, groups, bounds)
        apart = cluster_of[:, None] != cluster_of[None, :]
        below = not apart.all(where=~np.eye(len(node), dtype=bool))
        if below:
            open_pairs = np.where(apart, -1.0, blur)
        else:
            open_pairs = _together(groups, coarser) + blur / (1 + blur.max())
        np.fill_diagonal(open_pairs, -2.0)
        first, second = sorted(int(index) for index in np.unravel_index(np.argmax(open_pairs), blur.shape))
        clear = min(1 / max(blur[first, second], 1 / _CLEAREST), _CLEAREST)
        clear = min(clear, np.nextafter(1.0, 0.0)) if below else max(clear, 1.0)
        new = n_leaves + len(merges)
        height[new] = max(clear, height[node[first]], height[node[second]])
        merges.append((node[first], node[second], height[new], support_of_two(material, groups, first, second)))
        groups = np.where(groups == second, first, groups)
        groups = np.where(groups > second, groups - 1, groups)
        node[first] = new
        node, cluster_of = np.delete(node, second), np.delete(cluster_of, second)
    return _in_order(merges, leaves, int(labels.max()) + 1)


def _together(groups: np.ndarray, coarser: list[np.ndarray]) -> np.ndarray:
    """Return the number of the partitions in which most rows of two groups are in one cluster, for each pair of groups."""
    together = np.zeros((groups.max() + 1,) * 2)
    for labels in coarser:
        table = np.zeros((len(together), labels.max() + 1))
        np.add.at(table, (groups, labels), 1)
        home = table.argmax(axis=1)
        together += home[:, None] == home
    return together


def _leaves_within(rows: np.ndarray, labels: np.ndarray, finest: np.ndarray) -> np.ndarray:
    """Return leaves `(n_rows,)` nested in clusters: each row is assigned to the nearest finer group of its cluster."""
    table = np.zeros((finest.max() + 1, labels.max() + 1))
    np.add.at(table, (finest, labels), 1)
    home, means = table.argmax(axis=1), cluster_means(rows, finest)
    leaves = np.empty(len(rows), dtype=int)
    for cluster in range(labels.max() + 1):
        members, own = np.flatnonzero(labels == cluster), np.flatnonzero(home == cluster)
        nearest = scores(rows[members], means[own]).argmax(axis=1) if len(own) else np.zeros(len(members), dtype=int)
        leaves[members] = cluster * (len(means) + 1) + nearest
    return without_gaps(leaves)


def _in_order(merges: list[tuple[int, int, float, float]], leaves: np.ndarray, n_clusters: int) -> ClusterTree:
    """Return the hierarchy with its merges ordered by height, as in SciPy."""
    n_leaves = len(merges) + 1
    order = np.argsort([merge[2] for merge in merges], kind="stable")
    renamed = np.arange(2 * n_leaves - 1)
    renamed[n_leaves + order] = n_leaves + np.arange(len(order))
    n_below = np.ones(2 * n_leaves - 1, dtype=int)
    linkage = np.empty((len(merges), 4))
    for row, index in enumerate(order):
        first, second, height, _ = merges[index]
        pair = sorted((renamed[first], renamed[second]))
        n_below[n_leaves + row] = n_below[pair[0]] + n_below[pair[1]]
        linkage[row] = (*pair, height, n_below[n_leaves + row])
    return ClusterTree(leaves, linkage, np.array([merges[index][3] for index in order]), n_clusters)
