"""Hierarchy of clusters, from all rows together to the finest groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..utils.constraints import is_number
from .distinctness import Bounds, Material, least_distinct, support_of_two
from .refinement import cluster_means, scores, two_halves, without_gaps

_CLEAREST = 20.0  # upper bound of heights


@dataclass(frozen=True)
class ClusterTree:
    """A hierarchy of clusters: every finer partition divides clusters of the coarser one.

    leaves : `(n_rows,)` leaf of each row. Leaves are the finest groups.
    linkage : `(n_leaves - 1, 4)` as returned by `scipy.cluster.hierarchy.linkage`: the two merged nodes, the height and
        the number of leaves. The height measures how distinct the two nodes are: at least 1 for merges at and above the
        selected partition, less than 1 below it.
    support : `(n_leaves - 1,)` agreement beyond chance between independent halves of the data on the node that each row
        belongs to; NaN without draws.
    n_clusters : Number of clusters of the selected partition.

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
        """Return the labels `(n_rows,)` of another partition, from 0 without gaps; a ValueError is raised if there is none.

        With `min_support`, nodes are divided as far down as there is a division with at least this support.
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
        divided = np.append(np.zeros(self.n_leaves, dtype=bool), passes)
        for row, children in enumerate(self.linkage[:, :2].astype(int)):
            divided[self.n_leaves + row] |= divided[children].any()
        return divided[self.n_leaves :]

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

    The two least distinct clusters are merged, above the partition first those that are in one cluster of the finest of
    the `coarser` partitions that led to this one by division. Each group of `finest` becomes a leaf of the cluster that
    contains most of its rows.
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


def with_leaves(tree: ClusterTree, rows: np.ndarray, n_leaves: int) -> ClusterTree:
    """Return the hierarchy of some rows with more leaves; a ValueError is raised if there are fewer distinct rows.

    The leaf with the largest sum of squares is split in two by k-means until there are enough. A tree with fewer leaves
    is therefore the upper part of one with more. The support of the new splits is not evaluated (NaN), and their heights are
    below all others.

    >>> tree = ClusterTree(np.zeros(3, dtype=int), np.zeros((0, 4)), np.zeros(0), 1)
    >>> with_leaves(tree, np.array([[0.0], [1.0], [5.0]]), 3).cut(n_clusters=2).tolist()
    [1, 1, 0]
    """
    n_distinct = len(np.unique(rows, axis=0))
    if n_leaves not in range(1, n_distinct + 1):
        raise ValueError(
            f"n_clusters must be an integer from 1 to {n_distinct}, the number of distinct rows; got {n_leaves!r}."
        )
    leaves = tree.leaves.copy()
    within = [_sum_of_squares(rows[leaves == leaf]) for leaf in range(tree.n_leaves)]
    divided = []
    while len(within) < n_leaves:
        widest = int(np.argmax(within))
        members = np.flatnonzero(leaves == widest)
        leaves[members[two_halves(rows[members])]] = len(within)
        within[widest] = _sum_of_squares(rows[leaves == widest])
        within.append(_sum_of_squares(rows[leaves == len(within)]))
        divided.append(widest)
    return _joined(tree, leaves, divided)


def _sum_of_squares(rows: np.ndarray) -> float:
    """Return the sum of squared distances from the mean; -1 for rows that are identical and cannot be divided."""
    return float(((rows - rows.mean(axis=0)) ** 2).sum()) if (rows != rows[0]).any() else -1.0


def _joined(tree: ClusterTree, leaves: np.ndarray, divided: list[int]) -> ClusterTree:
    """Return the tree in which each new leaf is first merged with the leaf from which it was split off."""
    n_new = len(divided)
    n_leaves = tree.n_leaves + n_new
    node = np.arange(n_leaves)  # node of what is left of each leaf
    linkage = np.empty((n_leaves - 1, 4))
    lowest = min(tree.linkage[:, 2].min(initial=1.0), np.nextafter(1.0, 0.0))
    for row, leaf in enumerate(reversed(divided)):
        linkage[row, :3] = *sorted((node[leaf], node[n_leaves - 1 - row])), lowest * (row + 1) / (n_new + 1)
        node[leaf] = n_leaves + row
    nodes = np.append(node[: tree.n_leaves], n_leaves + n_new + np.arange(len(tree.linkage)))
    linkage[n_new:, :2] = np.sort(nodes[tree.linkage[:, :2].astype(int)], axis=1)
    linkage[n_new:, 2] = tree.linkage[:, 2]
    below = np.ones(2 * n_leaves - 1)
    for row, children in enumerate(linkage[:, :2].astype(int)):
        linkage[row, 3] = below[n_leaves + row] = below[children].sum()
    return ClusterTree(leaves, linkage, np.append(np.full(n_new, np.nan), tree.support), tree.n_clusters)
