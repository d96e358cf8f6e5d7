"""Search for the number of clusters: clear groups of rows, or a continuum that is divided in two again and again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from sklearn.cluster import AgglomerativeClustering

from .distinctness import Bounds, Material, Pairs, compare_pairs, compare_two, least_distinct, support_of_two
from .refinement import cluster_means, compact_partition, refine, two_halves, without_gaps
from .stability import StabilityCurve, confidence

_MOST_LEAVES = 60
_STEPS_BETWEEN_MERGES = 3
_CERTAIN = 0.95  # confidence of a row
_MOST_MOVES = 10
_Measures = tuple[float, float, float, float]  # support, connectivity, correlation, share that is explained


class Found(NamedTuple):
    """The selected partition, the measures of all evaluated ones, and coarser partitions whose clusters it divides."""

    labels: np.ndarray
    curve: StabilityCurve
    coarser: list[np.ndarray]


class _Division(NamedTuple):
    """A cluster, the rows `(n_rows,)` to split off, how distinct the two are, and what the division explains."""

    cluster: int
    second: np.ndarray
    pairs: Pairs
    explained: float


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
    """Return the clear groups of the rows if there are any, else the parts of the continuum that the rows form.

    Groups are clear, whatever their sizes, if all pairs are distinct by a factor of three, or have a gap between them, and
    none of them can be divided into two that are distinct. In a continuum, boundaries are arbitrary. It is divided in two
    again and again, because the partitions of similar data then agree even if their numbers differ: a further division leaves
    all other boundaries as they are.

    finest : Labels `(n_rows,)` of the initial partition, numbered from 0 without gaps.
    """
    path = merging_path(material, finest, bounds)
    for n_clusters in sorted(path, reverse=True)[:-1]:
        if not _clear(material, path[n_clusters], bounds):
            continue
        divisions = _divisions(material, path[n_clusters], range(n_clusters))
        following = min(divisions, key=lambda one: one.pairs.blur(bounds).max(), default=None)
        if following is None or following.pairs.blur(bounds).max() > 1:
            partitions = [path[n] for n in sorted(path) if n <= n_clusters]
            measured = [_least(compare_pairs(material, labels)) for labels in partitions]
            return _found(material, partitions, measured, following, bounds)
    return divided(material, bounds)


def divided(material: Material, bounds: Bounds) -> Found:
    """Return the partition by division in two again and again, that which explains most first.

    A cluster is divided if this explains enough of the squared deviations of all curves, which hardly depends on the
    sample of cells, and if the two are distinct by support and correlation. Connectivity is not used, because the weight
    expected by chance depends on the size of the cluster. Finally, boundaries are moved by k-means if this explains as much
    as a division has to: then the first divisions cut through groups.
    """
    labels = np.zeros(len(material.rows), dtype=int)
    partitions, measured, possible = [labels], [_least(None)], _divisions(material, labels, [0])
    while made := [division for division in possible if _is_made(division, bounds)]:
        division = max(made, key=lambda one: one.explained)
        labels = np.where(division.second, len(partitions), labels)
        possible = [one for one in possible if one is not division]
        possible += _divisions(material, labels, [division.cluster, len(partitions)])
        partitions.append(labels)
        measured.append(_of_continuum(division))
    moved = refine(material.rows, labels)
    if moved.max() == labels.max() and _explained(material, moved) - _explained(material, labels) >= bounds.explained:
        partitions[-1] = moved
    following = max(possible, key=lambda one: one.explained, default=None)
    return _found(material, partitions, measured, following, bounds, continuum=True)


def _found(
    material: Material, partitions: list[np.ndarray], measured: list[_Measures], following: _Division | None,
    bounds: Bounds, continuum: bool = False,
) -> Found:  # fmt: skip
    """Return the last partition without contradictions, and the measures including those of the division not made."""
    selected = int(partitions[-1].max()) + 1
    best = without_contradictions(material, partitions[-1], bounds)
    numbers = [int(labels.max()) + 1 for labels in partitions]
    if following is not None:
        numbers.append(selected + 1)
        measured = [*measured, _of_continuum(following) if continuum else _least(following.pairs)]
    support, connectivity, correlation, explained = (np.array(values) for values in zip(*measured, strict=True))
    if len(material.draws) == 0 and not continuum:
        support[: len(partitions)] = np.nan  # that of the division is known, from halves of the rows
    n_found = int(best.max()) + 1
    curve = StabilityCurve(
        np.array(numbers), support, connectivity, correlation, n_found, bounds, explained, max(n_found - selected, 0)
    )
    return Found(best, curve, partitions if continuum else [])


def _divisions(material: Material, labels: np.ndarray, clusters: Iterable[int]) -> list[_Division]:
    """Return the divisions in two of those clusters whose rows are not all identical."""
    found, before = [], _explained(material, labels)
    for cluster in clusters:
        members = np.flatnonzero(labels == cluster)
        halves = two_halves(material.rows[members])
        if halves is None:
            continue
        second = np.zeros(len(labels), dtype=bool)
        second[members[halves]] = True
        tried = np.where(second, labels.max() + 1, labels)
        pairs = compare_two(material, tried, cluster, int(tried.max()))
        found.append(_Division(cluster, second, pairs, _explained(material, tried) - before))
    return found


def _explained(material: Material, labels: np.ndarray) -> float:
    """Return the share of the squared deviations of all curves that the means of the clusters explain."""
    between = np.bincount(labels) @ (cluster_means(material.curves, labels) ** 2).sum(axis=1)
    return float(between / max((material.curves**2).sum(), np.finfo(float).tiny))


def _is_made(division: _Division, bounds: Bounds) -> bool:
    """Return whether a part of a continuum is divided."""
    support, _, correlation, explained = _of_continuum(division)
    return explained >= bounds.explained and support >= bounds.support and correlation <= bounds.correlation


def _of_continuum(division: _Division) -> _Measures:
    """Return the measures by which a continuum is divided."""
    support, _, correlation, _ = _least(division.pairs)
    return support, np.nan, correlation, division.explained


def without_contradictions(material: Material, labels: np.ndarray, bounds: Bounds, divide: bool = True) -> np.ndarray:
    """Return labels in which no row correlates negatively with the mean of its cluster.

    Such rows move to the cluster with whose mean they correlate most. Those that correlate negatively with all means
    become a new cluster if independent halves of the data agree that they differ from the other rows of their cluster, or
    if at least one of them does so beyond its noise.

    labels : `(n_rows,)` labels numbered from 0 without gaps.
    divide : If False, rows only move, and the number of clusters stays: a move that would empty a cluster is not made.
    """
    for _ in range(_MOST_MOVES):
        means = cluster_means(material.curves, labels)
        along = material.curves @ (means / np.maximum(np.linalg.norm(means, axis=1), np.finfo(float).tiny)[:, None]).T
        against = along[np.arange(len(labels)), labels] < 0
        elsewhere = against & (along.max(axis=1) > 0)
        split = np.where(elsewhere, along.argmax(axis=1), labels)
        if not divide and len(np.unique(split)) <= labels.max():
            break
        for cluster in np.unique(labels[against & ~elsewhere]) if divide else ():
            opposite = (labels == cluster) & against & ~elsewhere
            tried = np.where(opposite, labels.max() + 1, labels)
            supported = not support_of_two(material, tried, cluster, tried.max()) < bounds.support
            if supported or _surest(material, tried, opposite) >= _CERTAIN:
                split = np.where(opposite, split.max() + 1, split)
        if np.array_equal(split, labels):
            break
        labels = without_gaps(split)
    return labels


def _surest(material: Material, labels: np.ndarray, chosen: np.ndarray) -> float:
    """Return the largest confidence of some rows, from draws."""
    return confidence(material.rows, material.draws, cluster_means(material.rows, labels), labels)[chosen].max()


def n_clusters_of(material: Material, finest: np.ndarray, n_clusters: int, bounds: Bounds) -> np.ndarray:
    """Return a partition into `n_clusters`: that of the merging path if it is clearly distinct, else by k-means.

    Rows that contradict the mean of their cluster then move to one that they agree with, if there is any.
    """
    path = merging_path(material, finest, bounds)
    if n_clusters in path and n_clusters > 1 and _clear(material, path[n_clusters], bounds):
        labels = path[n_clusters]
    else:
        labels = compact_partition(material.rows, n_clusters)
    return without_contradictions(material, labels, bounds, divide=False)


def _clear(material: Material, labels: np.ndarray, bounds: Bounds) -> bool:
    """Return whether all clusters are clearly distinct; support, which takes longest, is computed if the others hold."""
    return all(compare_pairs(material, labels, with_support).are_clear(bounds) for with_support in (False, True))


def _least(pairs: Pairs | None) -> _Measures:
    """Return the smallest support, the largest connectivity and the largest correlation of any pair; the last is NaN."""
    if pairs is None or len(pairs.support) < 2:
        return 1.0, 0.0, -1.0, np.nan
    return float(pairs.support.min()), float(pairs.connectivity.max()), float(pairs.correlation.max()), np.nan
