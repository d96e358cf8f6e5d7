"""Search for the finest reproducible partition whose clusters are pairwise distinct."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from .distinctness import Bounds, Material, Pairs, compare_pairs, least_distinct, support_of_two
from .refinement import cluster_means, compact_partition, refine, without_gaps
from .stability import StabilityCurve, confidence, reproducibility

_MOST_LEAVES = 60
_STEPS_BETWEEN_MERGES = 3
_TWICE_AS_CLEAR = 0.5
_CERTAIN = 0.95  # confidence of a row
_MOST_MISSES = 3  # the search stops after this many consecutive numbers of clusters without a distinct partition


class Found(NamedTuple):
    """The selected partition, and the measures of all evaluated partitions."""

    labels: np.ndarray
    curve: StabilityCurve


def finest_groups(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the groups from which clusters are merged: refined communities, at most 60.

    rows : `(n_rows, n_columns)`.
    labels : `(n_rows,)` communities at a high resolution.
    """
    groups = refine(rows, labels, 5)
    if groups.max() >= _MOST_LEAVES:
        joined = AgglomerativeClustering(_MOST_LEAVES).fit(cluster_means(rows, groups)).labels_
        groups = refine(rows, without_gaps(joined[groups]), 5)
    return groups


def merging_path(material: Material, labels: np.ndarray, bounds: Bounds) -> dict[int, np.ndarray]:
    """Return partitions by number of clusters, obtained by repeatedly merging the two least distinct clusters.

    After every merge, rows move to the nearest mean. Support is computed only once every pair is distinct by
    connectivity and correlation.

    labels : Labels `(n_rows,)` of the finest partition.
    """
    path = {}
    while labels.max() > 0:
        path[int(labels.max()) + 1] = labels
        blur = least_distinct(material, labels, bounds)
        first, second = np.unravel_index(np.argmax(blur), blur.shape)
        merged = without_gaps(np.where(labels == max(first, second), min(first, second), labels))
        labels = refine(material.rows, merged, _STEPS_BETWEEN_MERGES)
    path[1] = np.zeros(len(labels), dtype=int)
    return path


def finest_distinct(material: Material, finest: np.ndarray, bounds: Bounds) -> Found:
    """Return the reproducible partition with the largest number of pairwise distinct clusters.

    For each number of clusters, the partition with the smallest within-cluster variance is evaluated. This criterion
    tends to split large clusters and to miss small ones. If its clusters are not distinct, those of the merging path are
    accepted if they are distinct by a factor of two. Reproducibility, which takes longest, is evaluated from the largest
    number of clusters down.

    finest : Labels `(n_rows,)` of the initial partition, numbered from 0 without gaps.
    """
    path = merging_path(material, finest, bounds)
    n_tried, measured, misses = [1], [_least(None)], 0
    accepted: dict[int, tuple[np.ndarray, bool]] = {}  # by position among the numbers: labels, and whether of k-means
    clear = {n: (labels, pairs) for n, labels in path.items() if n > 1 and (pairs := _clear(material, labels, bounds))}
    for n_clusters in range(2, max(path) + 1):
        if misses >= _MOST_MISSES and n_clusters > max(clear, default=0):
            break
        labels = compact_partition(material.rows, n_clusters)
        if labels.max() + 1 < n_clusters:
            break
        pairs = compare_pairs(material, labels)
        compact = pairs.blur(bounds).max() <= 1
        if not compact and n_clusters in clear:
            labels, pairs = clear[n_clusters]
        if compact or n_clusters in clear:
            accepted[len(n_tried)], misses = (labels, compact), 0
        else:
            misses += 1
        n_tried.append(n_clusters)
        measured.append(_least(pairs))

    best, expected = path[1], np.full(len(n_tried), np.nan)
    for place, (labels, compact) in reversed(accepted.items()):
        expected[place] = reproducibility(material, labels, compact)
        if not expected[place] < bounds.reproducibility:
            best = labels
            break
    selected = int(best.max()) + 1
    best = without_contradictions(material, best, bounds)
    support, connectivity, correlation = (np.array(values) for values in zip(*measured, strict=True))
    if len(material.draws) == 0:
        support = np.full(len(n_tried), np.nan)
    n_found = int(best.max()) + 1
    n_divided = max(n_found - selected, 0)
    return Found(
        best,
        StabilityCurve(np.array(n_tried), support, connectivity, correlation, n_found, bounds, expected, n_divided),
    )


def without_contradictions(material: Material, labels: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return labels in which no row correlates negatively with the mean of its cluster.

    The rows of a cluster that correlate negatively with its mean become a new cluster if independent halves of the data
    agree that they differ from the other rows, or if at least one of them does so beyond its noise.

    labels : `(n_rows,)` labels numbered from 0 without gaps.
    """
    for _ in range(int(labels.max()) + 1):
        along = np.einsum("ij,ij->i", material.curves, cluster_means(material.curves, labels)[labels])
        split, changed = labels, False
        for cluster in np.unique(labels[along < 0]):
            opposite = (labels == cluster) & (along < 0)
            tried = np.where(opposite, split.max() + 1, split)
            supported = not support_of_two(material, tried, cluster, tried.max()) < bounds.support
            if supported or _surest(material, tried, opposite) >= _CERTAIN:
                split, changed = tried, True
        if not changed:
            break
        labels = refine(material.rows, split)
    return labels


def _surest(material: Material, labels: np.ndarray, chosen: np.ndarray) -> float:
    """Return the largest confidence of some rows, from draws."""
    return confidence(material.rows, material.draws, cluster_means(material.rows, labels), labels)[chosen].max()


def n_clusters_of(material: Material, finest: np.ndarray, n_clusters: int, bounds: Bounds) -> np.ndarray:
    """Return a partition into `n_clusters`: that of the merging path if it is clearly distinct, else by k-means."""
    path = merging_path(material, finest, bounds)
    if n_clusters in path and n_clusters > 1 and _clear(material, path[n_clusters], bounds):
        return path[n_clusters]
    return compact_partition(material.rows, n_clusters)


def _clear(material: Material, labels: np.ndarray, bounds: Bounds) -> Pairs | None:
    """Return the pairwise measures if all clusters are distinct by a factor of two, else `None`."""
    if compare_pairs(material, labels, with_support=False).blur(bounds).max() > _TWICE_AS_CLEAR:
        return None
    pairs = compare_pairs(material, labels)
    return pairs if pairs.blur(bounds).max() <= _TWICE_AS_CLEAR else None


def _least(pairs: Pairs | None) -> tuple[float, float, float]:
    """Return the smallest support, the largest connectivity and the largest correlation of any pair of clusters."""
    if pairs is None or len(pairs.support) < 2:
        return 1.0, 0.0, -1.0
    return float(pairs.support.min()), float(pairs.connectivity.max()), float(pairs.correlation.max())
