"""Partitions finer than the leaves of a hierarchy."""

from __future__ import annotations

import numpy as np

from .refinement import two_halves
from .tree import ClusterTree


def with_leaves(tree: ClusterTree, rows: np.ndarray, n_leaves: int) -> ClusterTree:
    """Return the hierarchy with more leaves.

    The leaf with the largest sum of squares is split in two by k-means until there are enough. A tree with fewer leaves
    is therefore the upper part of one with more.

    rows : `(n_rows, n_columns)`, from which the tree was built.
    n_leaves : At most the number of distinct rows.
    returns : ClusterTree. The support of the new splits is not evaluated (NaN), and their heights are below all others.
    raises ValueError : If there are fewer distinct rows.

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
