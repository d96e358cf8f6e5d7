"""How distinct and how reproducible the clusters are, as a function of their number."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import adjusted_rand_score

from ..errors import counted
from .distinctness import Bounds, Material
from .refinement import cluster_means, compact_partition, refine, scores, without_gaps

_SHARE = 0.8  # of the cells
_DEVIATION = (1 / _SHARE - 1) ** 0.5
_N_STARTS = 5
_N_SPLITS = 10


@dataclass(frozen=True)
class StabilityCurve:
    """How distinct and how reproducible the clusters of a partition are, as a function of the number of clusters.

    n_clusters : ndarray of shape (n_partitions,). Number of clusters of each partition, starting at 1.
    support : ndarray of shape (n_partitions,). Smallest support of any pair of clusters: agreement beyond chance
        between independent halves of the data; NaN without draws.
    connectivity : ndarray of shape (n_partitions,). Largest connectivity of any pair of clusters: weight of the edges
        between them divided by its expectation.
    correlation : ndarray of shape (n_partitions,). Largest correlation between the means of any pair of clusters.
    chosen : int. Selected number of clusters.
    bounds : Bounds. Thresholds that the partition had to satisfy.
    reproducibility : ndarray of shape (n_partitions,), default=None. Expected adjusted Rand index between the partition
        and that of 80 % of the cells or, without draws, between the partitions by two halves of the rows; NaN where it
        was not evaluated.
    n_divided : int, default=0. Number of selected clusters that were split off afterwards, because their genes
        contradict the mean of the cluster they were in.
    """

    n_clusters: np.ndarray
    support: np.ndarray
    connectivity: np.ndarray
    correlation: np.ndarray
    chosen: int
    bounds: Bounds = field(default_factory=Bounds)
    reproducibility: np.ndarray | None = None
    n_divided: int = 0

    def __post_init__(self):
        if self.reproducibility is None:
            object.__setattr__(self, "reproducibility", np.full(len(self.n_clusters), np.nan))

    @property
    def distinct(self) -> np.ndarray:
        """Which partitions `(n_partitions,)` have pairwise distinct clusters."""
        return (
            ~(self.support < self.bounds.support)
            & (self.connectivity <= self.bounds.connectivity)
            & (self.correlation <= self.bounds.correlation)
        )

    @property
    def why(self) -> str:
        """A sentence that explains why there are not more clusters.

        >>> one = np.array([1.0, 0.9, 0.2])
        >>> curve = StabilityCurve(np.arange(1, 4), one, np.array([0, 0.1, 0.4]), np.array([-1, 0.3, 0.95]), 2)
        >>> curve.why
        'With 3 clusters, support would be 0.20 (at least 0.3), correlation of means 0.95 (at most 0.9).'
        """
        selected = self.chosen - self.n_divided
        larger = np.flatnonzero(self.n_clusters > selected)
        if len(larger) == 0:
            return f"No partition into more than {counted(selected, 'cluster')} was evaluated.{self._division}"
        after, reasons = larger[0], []
        if self.support[after] < self.bounds.support:
            reasons.append(f"support would be {self.support[after]:.2f} (at least {self.bounds.support:g})")
        if self.connectivity[after] > self.bounds.connectivity:
            reasons.append(
                f"connectivity would be {self.connectivity[after]:.2f} (at most {self.bounds.connectivity:g})"
            )
        if self.correlation[after] > self.bounds.correlation:
            reasons.append(
                f"correlation of means would be {self.correlation[after]:.2f} (at most {self.bounds.correlation:g})"
            )
        if self.reproducibility is not None and self.reproducibility[after] < self.bounds.reproducibility:
            reasons.append(
                f"reproducibility would be {self.reproducibility[after]:.2f} (at least {self.bounds.reproducibility:g})"
            )
        text = ", ".join([reasons[0], *(reason.replace(" would be", "") for reason in reasons[1:])]) if reasons else ""
        return f"With {self.n_clusters[after]} clusters, {text}.{self._division}"

    @property
    def _division(self) -> str:
        """A sentence about clusters that were divided off, if there are any."""
        if not self.n_divided:
            return ""
        return (
            f" There are {self.chosen} clusters instead of {self.chosen - self.n_divided} because genes that contradict the "
            "mean of their cluster were divided off."
        )


def confidence(rows: np.ndarray, draws: np.ndarray, means: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the fraction of draws in which each row is nearest to the mean of its own cluster, `(n_rows,)`.

    rows : `(n_rows, n_columns)`.
    draws : `(n_draws, n_rows, n_columns)`; each draw is used together with its reflection at the rows.
    means : `(n_clusters, n_columns)`.
    labels : `(n_rows,)`.
    """
    stays = np.zeros(len(rows))
    for draw in draws:
        for half in (draw, 2 * rows - draw):
            stays += scores(half, means).argmax(axis=1) == labels
    return stays / (2 * len(draws))


def reproducibility(material: Material, labels: np.ndarray, compact: bool) -> float:
    r"""Return the expected agreement between a partition and that of 80 % of the cells or, without draws, of half the rows.

    Estimates from a share :math:`s` of the cells deviate from those of all cells with a variance of about :math:`(1/s -
    1) \sigma^2`, where :math:`\sigma^2` is the posterior variance: for 80 % that is half of the deviation of a posterior
    sample. The rows are moved by it and divided again.

    material : Rows and draws.
    labels : Labels `(n_rows,)`, numbered from 0 without gaps.
    compact : Whether the partition is that of k-means, which is then repeated from the means of the clusters and from
        random starts; otherwise from the means only.
    returns : float. Mean adjusted Rand index [1]_ over the draws.

    References
    ----------
    .. [1] Hubert & Arabie (1985). Comparing partitions. Journal of Classification 2, 193-218.
    """
    if len(material.draws) == 0:
        return _agreement_of_halves(material.rows, labels, compact)
    rows = material.rows.astype(np.float32)
    found = []
    for draw in material.draws:
        moved = rows + _DEVIATION * (draw - rows)
        found.append(adjusted_rand_score(labels, _divided_again(moved, labels, compact)))
    return float(np.mean(found))


def _agreement_of_halves(rows: np.ndarray, labels: np.ndarray, compact: bool) -> float:
    """Return the mean agreement of two partitions of all rows, each by the nearest cluster mean of one half of them.

    Rows without draws have no known error: only other rows can tell whether groups would be found again. Each half
    contains half of the rows of every cluster, so that none misses a small one by chance.
    """
    generator = np.random.default_rng(0)
    found = []
    for _ in range(_N_SPLITS):
        shuffled = generator.permutation(len(rows))
        by_cluster = shuffled[np.argsort(labels[shuffled], kind="stable")]
        halves = by_cluster[::2], by_cluster[1::2]
        one, other = (
            scores(rows, cluster_means(rows[half], _divided_again(rows[half], without_gaps(labels[half]), compact)))
            for half in halves
        )
        found.append(adjusted_rand_score(one.argmax(axis=1), other.argmax(axis=1)))
    return float(np.mean(found))


def _divided_again(rows: np.ndarray, labels: np.ndarray, compact: bool) -> np.ndarray:
    """Return the partition of other rows that is found from the means of a partition or, if compact, better by k-means."""
    again = refine(rows, labels)
    if not compact:
        return again
    anew = compact_partition(rows, labels.max() + 1, _N_STARTS)
    return max(again, anew, key=lambda partition: _between(rows, partition))


def _between(rows: np.ndarray, labels: np.ndarray) -> float:
    """Return the sum of squares of the cluster means over the rows: the larger, the smaller the variance within."""
    return float(np.bincount(labels) @ (cluster_means(rows, labels) ** 2).sum(axis=1))
