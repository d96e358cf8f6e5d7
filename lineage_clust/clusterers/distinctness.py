"""Distinctness of clusters: in the graph, over posterior samples, and by the shape of their means.

`labels` `(n_rows,)` are numbered from 0 without gaps, and measures of pairs are `(n_clusters, n_clusters)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .refinement import cluster_means, membership, scores, two_halves

_CLEAR = 1 / 3  # clear groups are three times as distinct as two clusters have to be
_GAP = 0.05  # connectivity of groups with a gap between them, which are clear even if their means are similar
_N_SPLITS = 10  # of the rows in halves


class Bounds(NamedTuple):
    """Thresholds for the distinctness of two clusters, and for the variance that the division of a continuum explains.

    connectivity : Upper bound of the weight of the edges between two clusters divided by its expectation by chance, in a
        random graph with the same degrees.
    support : Lower bound of the agreement beyond chance between independent halves of the data on the cluster of each row.
    correlation : Upper bound of the Pearson correlation of the mean rows of two clusters.
    explained : Lower bound of the share of the squared deviations of all curves that a division explains.
    within : Lower bound of the share of the squared deviations in a cluster that its division explains, if its parts are
        not divided further. The best division of a normal distribution explains 2 / pi of the share of the first
        principal component [1]_. If that is less than 0.44, rows deviate from their mean in many directions, and no division
        is better than others. Parts with opposite means have none.

    .. [1] Flury (1990), Principal points, Biometrika 77, 33-41.
    """

    connectivity: float = 1.0
    support: float = 0.3
    correlation: float = 0.9
    explained: float = 0.015
    within: float = 0.28


@dataclass(frozen=True)
class Pairs:
    """Pairwise measures of the clusters of a partition, which :class:`Bounds` bound; 0, 1 and -1 on the diagonals."""

    connectivity: np.ndarray
    support: np.ndarray
    correlation: np.ndarray

    def blur(self, bounds: Bounds) -> np.ndarray:
        """Return the largest ratio of each pair, at most 1 for distinct ones; 0 on the diagonal."""
        found = np.max(self._ratios(bounds), axis=0)
        np.fill_diagonal(found, 0.0)
        return found

    def are_clear(self, bounds: Bounds) -> bool:
        """Return whether all pairs are distinct by a factor of three, or those with a gap between them by support only."""
        connectivity, unsure, near = self._ratios(bounds)
        clear = (np.maximum(connectivity, near) <= _CLEAR) | ((connectivity <= _GAP) & (near <= 1))
        return bool(np.all((clear & (unsure <= _CLEAR)) | np.eye(len(clear), dtype=bool)))

    def _ratios(self, bounds: Bounds) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return connectivity, lack of support and closeness of the means, each divided by its threshold."""
        near = (1 - bounds.correlation) / np.maximum(1 - self.correlation, 1e-12)
        unsure = (1 - self.support) / max(1 - bounds.support, 1e-12)
        return self.connectivity / bounds.connectivity, unsure, near


class Material(NamedTuple):
    """Data by which partitions are evaluated.

    rows : `(n_rows, n_columns)`.
    draws : `(n_draws, n_rows, n_columns)` posterior samples of the rows; may be empty.
    curves : `(n_rows, n_points)` curves for correlations, each with mean 0.
    connectivities : `(n_rows, n_rows)` edge weights of the graph, or `None` if there are too few rows for an
        informative graph.
    noise : `(n_rows,)` squared norm of the error of each curve, or `None` if unknown.
    ranks : As for :func:`connectivity_of`.
    """

    rows: np.ndarray
    draws: np.ndarray
    curves: np.ndarray
    connectivities: sparse.csr_matrix | None
    noise: np.ndarray | None = None
    ranks: np.ndarray | None = None


def least_distinct(material: Material, labels: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return `Pairs.blur`; support, which takes longest, counts only if every pair is distinct by the other measures."""
    blur = compare_pairs(material, labels, with_support=False).blur(bounds)
    return blur if blur.max() > 1 else compare_pairs(material, labels).blur(bounds)


def compare_two(material: Material, labels: np.ndarray, first: int, second: int) -> Pairs:
    """Return the measures `(2, 2)` of two clusters, which k-means has found; without draws, support is by halves of rows."""
    chosen, pair = (labels == first) | (labels == second), np.ix_([first, second], [first, second])
    noise = None if material.noise is None else material.noise[chosen]
    two = Material(material.rows[chosen], material.draws[:, chosen], material.curves[chosen], None, noise)
    found = compare_pairs(two, (labels[chosen] == second).astype(int))
    if len(material.draws) == 0:
        kappa = support_by_rows(two.rows, labels[chosen] == second)
        found = Pairs(found.connectivity, np.array([[1.0, kappa], [kappa, 1.0]]), found.correlation)
    if material.connectivities is None:
        return found
    together = np.bincount(labels)
    together[[first, second]] = together[[first, second]].sum()  # rows of one cluster would be connected to each other
    connectivity = connectivity_of(material.connectivities, labels, material.ranks, together)[pair]
    return Pairs(connectivity, found.support, found.correlation)


def support_of_two(material: Material, labels: np.ndarray, first: int, second: int) -> float:
    """Return the support of two clusters; NaN without draws."""
    if len(material.draws) == 0:
        return np.nan
    chosen = (labels == first) | (labels == second)
    found = support_of(material.rows[chosen], material.draws[:, chosen], (labels[chosen] == second).astype(int))
    return float(found[0, 1])


def compare_pairs(material: Material, labels: np.ndarray, with_support: bool = True) -> Pairs:
    """Return the pairwise measures of clusters; support, which takes longest, is 1 unless asked for."""
    n_clusters = labels.max() + 1
    support = support_of(material.rows, material.draws, labels) if with_support else np.ones((n_clusters, n_clusters))
    if material.connectivities is None:
        connectivity = np.zeros((n_clusters, n_clusters))
    else:
        connectivity = connectivity_of(material.connectivities, labels, material.ranks)
    return Pairs(connectivity, support, correlation_of(material.curves, labels, material.noise))


def connectivity_of(
    connectivities: sparse.csr_matrix, labels: np.ndarray, ranks: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Return the weight of the edges between clusters divided by its expectation.

    The expectation is that of a random graph with the same degrees (the null model of modularity), so that the ratio
    equals the modularity resolution above which separating the two increases modularity [1]_. For cells, PAGA calls
    this ratio connectivity [2]_.

    Rows of a cluster that has fewer other rows than they have neighbours are connected to other clusters, however distinct
    theirs is. With `ranks`, each row of a cluster of `m` rows contributes only the edges to its `m - 1` nearest neighbours;
    an edge counts if either of its rows contributes it. Rows alone or in pairs contribute all edges, since any two rows can
    be nearest to each other.

    ranks : `(2, n_edges)`, for each stored entry of `connectivities`: the position of the second row in the list of
        neighbours of the first one, nearest first, and of the first row in that of the second one; -1 if it is not in the
        list.
    sizes : `(n_clusters,)` numbers of rows that replace `m`.

    References
    ----------
    .. [1] Reichardt & Bornholdt (2006). Statistical mechanics of community detection. Physical Review E 74, 016110.
    .. [2] Wolf et al. (2019). PAGA: graph abstraction reconciles clustering with trajectory inference through a topology
       preserving map of single cells. Genome Biology 20, 59.

    >>> graph = sparse.csr_matrix(np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]))
    >>> connectivity_of(graph, np.array([0, 0, 1, 1])).tolist(), connectivity_of(graph, np.array([0, 1, 0, 1])).tolist()
    ([[0.0, 0.0], [0.0, 0.0]], [[0.0, 2.0], [2.0, 0.0]])
    """
    edges, n_clusters = connectivities.tocoo(), labels.max() + 1
    pairs, weights = labels[edges.row] * n_clusters + labels[edges.col], edges.data
    if ranks is not None:
        others = (np.bincount(labels) if sizes is None else sizes) - 1.0
        others[others <= 1] = np.inf  # any two rows can be nearest to each other
        if others.min() <= ranks.max(initial=-1):
            most = others[labels[np.array([edges.row, edges.col])]]
            weights = weights * ((ranks >= 0) & (ranks < most)).any(axis=0)
    between = np.bincount(pairs, weights=weights, minlength=n_clusters**2).reshape(n_clusters, n_clusters)
    between = between.astype(np.float64)  # without edges, NumPy returns integers
    degree = between.sum(axis=1)
    expected = np.outer(degree, degree) / max(degree.sum(), np.finfo(float).tiny)
    found = np.divide(between, expected, out=np.zeros_like(between), where=expected > 0)
    np.fill_diagonal(found, 0.0)
    return found


def support_of(rows: np.ndarray, draws: np.ndarray, labels: np.ndarray) -> np.ndarray:
    r"""Return the agreement between independent halves of the data on the cluster of each row, per pair of clusters.

    If a row is observed as :math:`x + e`, with an error of variance :math:`\sigma^2`, and `d` is a posterior sample
    around it with the same variance, then `d` and its reflection :math:`2 (x + e) - d` have independent errors around
    `x`, like estimates from two halves of the cells [1]_. Clusters that differ only by errors have a support of about
    0.

    It is Cohen's kappa of the two assignments to the nearer of two means, over draws and rows [2]_; 1 on the diagonal, and
    without draws.

    References
    ----------
    .. [1] Neufeld, Dharamshi, Gao & Witten (2024). Data thinning for convolution-closed distributions. JMLR 25 (57), 1-35.
    .. [2] Cohen (1960). A coefficient of agreement for nominal scales. Educational and Psychological Measurement 20, 37-46.
    """
    n_clusters = labels.max() + 1
    if len(draws) == 0:
        return np.ones((n_clusters, n_clusters))
    means, members = cluster_means(rows, labels), membership(labels)
    sizes, every = members.sum(axis=1), np.arange(len(rows))
    same, kept = np.zeros((n_clusters, n_clusters)), np.zeros((n_clusters, n_clusters))
    for draw in draws:
        stays = []
        for half in (draw, 2 * rows - draw):
            found = scores(half, means)
            stays.append(found[every, labels][:, None] >= found)
            kept += members @ stays[-1]
        same += members @ (stays[0] == stays[1])
    n_votes = len(draws) * (sizes[:, None] + sizes[None, :])
    agreed = (same + same.T) / n_votes
    votes_for_first = kept + (2 * len(draws) * sizes[:, None] - kept).T
    first = votes_for_first / (2 * n_votes)
    chance = first**2 + (1 - first) ** 2
    kappa = np.divide(agreed - chance, 1 - chance, out=np.zeros_like(agreed), where=chance < 1)
    np.fill_diagonal(kappa, 1.0)
    return kappa


def support_by_rows(rows: np.ndarray, second: np.ndarray) -> float:
    """Return the agreement of the divisions of two random halves of the rows on all rows, beyond chance.

    Rows without draws have no known error: only other rows can tell whether two groups, of which the mask `second` is one,
    would be found again [1]_. Each half contains half of the rows of either group, so that none misses a small one by chance.
    It is the mean of Cohen's kappa over random halves; 1 if a group has a single row, which no half can divide off.

    References
    ----------
    .. [1] Tibshirani & Walther (2005). Cluster validation by prediction strength. Journal of Computational and Graphical
       Statistics 14, 511-528.
    """
    if min(second.sum(), (~second).sum()) < 2:
        return 1.0
    generator = np.random.default_rng(0)
    found = []
    # an order of rows and groups that does not depend on the signs of the rows
    by_distance = np.argsort(((rows - rows.mean(axis=0)) ** 2).sum(axis=1), kind="stable")
    second = second == second[by_distance[-1]]
    for _ in range(_N_SPLITS):
        shuffled = by_distance[generator.permutation(len(rows))]
        by_group = shuffled[np.argsort(second[shuffled], kind="stable")]
        assigned = []
        for half in (by_group[::2], by_group[1::2]):
            halves = two_halves(rows[half])
            halves = second[half] if halves is None else halves
            assigned.append(scores(rows, cluster_means(rows[half], halves.astype(int))).argmax(axis=1))
        found.append(_kappa(*assigned))
    return float(np.mean(found))


def _kappa(one: np.ndarray, other: np.ndarray) -> float:
    """Return Cohen's kappa of two divisions in two, whose groups are in the order that agrees better."""
    agreed, first, second = np.mean(one == other), one.mean(), other.mean()
    if agreed < 0.5:
        agreed, second = 1 - agreed, 1 - second
    chance = first * second + (1 - first) * (1 - second)
    return (agreed - chance) / (1 - chance) if chance < 1 else 0.0


def correlation_of(curves: np.ndarray, labels: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
    """Return the correlations of the mean rows, each with mean 0; -1 on the diagonal, 0 for constant means.

    Noise attenuates correlations, in particular those of means of few rows (Spearman 1904, American Journal of Psychology
    15, 72-101). With `noise`, the squared norm of the error of each row, they are corrected: its expectation is subtracted
    from the squared norm of each mean, by at most half of it.
    """
    means = cluster_means(curves, labels)
    length = (means**2).sum(axis=1)
    if noise is not None:
        sizes = np.bincount(labels)
        length = np.maximum(length - np.bincount(labels, weights=noise) / sizes**2, length / 2)
    length = np.sqrt(length)
    scaled = means / np.where(length > 0, length, 1.0)[:, None]
    found = np.clip(scaled @ scaled.T, -1.0, 1.0)
    np.fill_diagonal(found, -1.0)
    return found
