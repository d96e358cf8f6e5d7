"""Search for the number of clusters: groups of rows, or a continuum that is divided in two again and again."""

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
_Measures = tuple[float, float, float, float, float]  # as the arrays of a StabilityCurve, in its order


class Found(NamedTuple):
    """The selected partition, the measures of all evaluated ones, and coarser partitions whose clusters it divides."""

    labels: np.ndarray
    curve: StabilityCurve
    coarser: list[np.ndarray]


class _Division(NamedTuple):
    """A cluster, the rows `(n_rows,)` to split off, and how distinct the two are.

    explained : Share of the squared deviations of all curves that the division explains.
    within : Share of the squared deviations of the curves of the cluster from their mean that it explains.
    """

    cluster: int
    second: np.ndarray
    pairs: Pairs
    explained: float
    within: float

    def least_rows(self, labels: np.ndarray) -> int:
        """Return the number of rows of the smaller of the two, with the labels `(n_rows,)` that are divided."""
        return min(self.second.sum(), (labels == self.cluster).sum() - self.second.sum())


def finest_groups(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the groups from which clusters are merged, at most 60: refined communities (`labels`) of a high resolution."""
    groups = refine(rows, labels, 5)
    if groups.max() >= _MOST_LEAVES:
        joined = AgglomerativeClustering(_MOST_LEAVES).fit(cluster_means(rows, groups)).labels_
        groups = refine(rows, without_gaps(joined[groups]), 5)
    return groups


def merging_path(material: Material, labels: np.ndarray, bounds: Bounds) -> dict[int, np.ndarray]:
    """Return partitions by number of clusters, obtained by repeatedly merging the two least distinct clusters.

    After every merge, rows move to the nearest mean. `labels` are those of the finest partition.
    """
    path = {}
    while labels.max() > 0:
        path[int(labels.max()) + 1] = labels
        blur = least_distinct(material, labels, bounds)
        np.fill_diagonal(blur, -1.0)  # where all pairs are perfectly distinct, two are merged as well
        first, second = np.unravel_index(np.argmax(blur), blur.shape)
        merged = without_gaps(np.where(labels == max(first, second), min(first, second), labels))
        labels = refine(material.rows, merged, _STEPS_BETWEEN_MERGES)
    path[1] = np.zeros(len(labels), dtype=int)
    return path


def finest_distinct(material: Material, finest: np.ndarray, bounds: Bounds) -> Found:
    """Return the clear groups of the rows if there are any, else the parts of the continuum, or overlapping groups.

    Groups are clear, whatever their sizes, if all pairs are distinct by a factor of three, or have a gap between them, and
    none of them can be divided into two that are distinct. In a continuum, boundaries are arbitrary. It is divided in two
    again and again, because the partitions of similar data then agree even if their numbers differ: a further division leaves
    all other boundaries as they are.

    A graph of few rows cannot tell whether two groups are distinct. If one of the clear groups would be divided into two of
    more than one row as a continuum is, the parts of the continuum are used if they explain as much more as a division has
    to, where each cluster more counts as much as well. Without draws, it is not known whether this division is noise.
    """
    path = merging_path(material, finest, bounds)
    for n_clusters in sorted(path, reverse=True)[:-1]:
        groups = path[n_clusters]
        if not _clear(material, groups, bounds):
            continue
        divisions = _divisions(material, groups, range(n_clusters))
        following = min(divisions, key=lambda one: one.pairs.blur(bounds).max(), default=None)
        if following is not None and following.pairs.blur(bounds).max() <= 1:
            continue
        if len(material.draws) and any(_is_lasting(one, bounds) and one.least_rows(groups) > 1 for one in divisions):
            parts = divided(material, bounds, path)
            if _score(material, parts.labels, bounds) >= _score(material, groups, bounds) + bounds.explained:
                return parts
        partitions = [path[n] for n in sorted(path) if n <= n_clusters]
        measured = [_least(compare_pairs(material, labels)) for labels in partitions]
        if following is not None:
            measured.append(_least(following.pairs))
        return _found(material, partitions, measured, bounds)
    return divided(material, bounds, path)


def divided(material: Material, bounds: Bounds, path: dict[int, np.ndarray] | None = None) -> Found:
    """Return the partition by division in two again and again, that which explains most first.

    A cluster is divided if this explains enough of the squared deviations of all curves, which hardly depends on the
    sample of cells, and if the two are distinct by support and correlation. Connectivity is not used, because the weight
    expected by chance depends on the size of the cluster. Divisions of clusters without a leading direction are undone if
    their parts are not divided: those of several groups, in many directions, are needed to reach the groups.

    Finally, boundaries are moved by k-means, or a merged partition is used, if the divisions cut through overlapping
    groups: if this explains as much more as a division has to, where each cluster less counts as much as well.

    path : Partitions by number of clusters, as returned by :func:`merging_path`.
    """
    labels, made = np.zeros(len(material.rows), dtype=int), list[_Division]()
    possible = _divisions(material, labels, [0])
    while passing := [division for division in possible if _is_made(division, bounds)]:
        made.append(max(passing, key=lambda one: one.explained))
        labels = np.where(made[-1].second, len(made), labels)
        possible = [one for one in possible if one is not made[-1]]
        possible += _divisions(material, labels, [made[-1].cluster, len(made)])
    kept = _with_direction(made, bounds)
    partitions = [np.zeros_like(labels)]
    for n_clusters, division in enumerate(kept, 1):
        partitions.append(np.where(division.second, n_clusters, partitions[-1]))
    if len(kept) < len(made):
        possible = _divisions(material, partitions[-1], range(len(partitions)))
    moved = refine(material.rows, partitions[-1])
    best = _best_alternative(material, partitions[-1], [moved, *(path or {}).values()], bounds)
    measured = [_least(None), *(_of_continuum(one) for one in kept)]
    if best is moved:
        partitions[-1] = moved
    elif best is not None and path is not None:
        partitions = [path[n] for n in sorted(path) if n <= best.max() + 1]
        least = [_least(compare_pairs(material, one)) for one in partitions]
        measured = [(support, np.nan, correlation, np.nan, np.nan) for support, _, correlation, *_ in least]
        possible = _divisions(material, best, range(best.max() + 1))
    if possible:
        measured.append(_of_continuum(max(possible, key=lambda one: one.explained)))
    return _found(material, partitions, measured, bounds, nested=best is None or best is moved)


def _with_direction(made: list[_Division], bounds: Bounds) -> list[_Division]:
    """Return the divisions without the last ones of clusters that have no leading direction."""
    later = [{one.cluster for one in made[number:]} for number in range(1, len(made) + 1)]
    return [
        one for number, one in enumerate(made, 1)
        if _has_direction(one, bounds) or {one.cluster, number} & later[number - 1]
    ]  # fmt: skip


def _has_direction(division: _Division, bounds: Bounds) -> bool:
    """Return whether rows deviate from their mean in one direction above all, or have no mean: those of the parts oppose."""
    return division.within >= bounds.within or division.pairs.correlation.max() <= 0


def _best_alternative(
    material: Material, labels: np.ndarray, others: list[np.ndarray], bounds: Bounds
) -> np.ndarray | None:
    """Return which of some partitions, the first of which is `labels` moved by k-means, describes the curves clearly better.

    Others have distinct clusters that would not be divided. Returns `None` if there is no such partition.
    """
    scores = np.array([_score(material, one, bounds) for one in others])
    least = _score(material, labels, bounds) + bounds.explained
    for number in np.argsort(-scores, kind="stable").tolist():
        if scores[number] < least:
            break
        one = others[number]
        if number == 0:
            suits = one.max() == labels.max()
        else:
            suits = 0 < one.max() <= labels.max() and _is_final(material, one, bounds)
        if suits:
            return one
    return None


def _is_final(material: Material, labels: np.ndarray, bounds: Bounds) -> bool:
    """Return whether clusters are distinct by support and correlation, and none of them would be divided."""
    support, _, correlation, *_ = _least(compare_pairs(material, labels))
    if support < bounds.support or correlation > bounds.correlation:
        return False
    divisions = _divisions(material, labels, range(labels.max() + 1))
    return not any(_is_lasting(one, bounds) for one in divisions)


def _is_lasting(division: _Division, bounds: Bounds) -> bool:
    """Return whether a part of a continuum is divided, also if its parts are not divided further."""
    return _is_made(division, bounds) and _has_direction(division, bounds)


def _found(
    material: Material, partitions: list[np.ndarray], measured: list[_Measures], bounds: Bounds, nested: bool = False
) -> Found:
    """Return the last partition without contradictions, and the measures, the last of which may be of a division not made."""
    selected = int(partitions[-1].max()) + 1
    best = without_contradictions(material, partitions[-1], bounds)
    numbers = np.array([*(labels.max() + 1 for labels in partitions), selected + 1][: len(measured)])
    support, connectivity, correlation, explained, within = (np.array(values) for values in zip(*measured, strict=True))
    if len(material.draws) == 0 and not nested:
        support[: len(partitions)] = np.nan  # that of the division is known, from halves of the rows
    n_found = int(best.max()) + 1
    n_divided = max(n_found - selected, 0)
    curve = StabilityCurve(numbers, support, connectivity, correlation, n_found, bounds, explained, n_divided, within)
    return Found(best, curve, partitions if nested else [])


def _divisions(material: Material, labels: np.ndarray, clusters: Iterable[int]) -> list[_Division]:
    """Return the divisions in two of those clusters whose rows are not all identical."""
    found, tiny = [], np.finfo(float).tiny
    total = max((material.curves**2).sum(), tiny)
    for cluster in clusters:
        members = np.flatnonzero(labels == cluster)
        halves = two_halves(material.rows[members])
        if halves is None:
            continue
        second = np.zeros(len(labels), dtype=bool)
        second[members[halves]] = True
        tried = np.where(second, labels.max() + 1, labels)
        pairs = compare_two(material, tried, cluster, int(tried.max()))
        curves = material.curves[members]
        between = curves[halves].mean(axis=0) - curves[~halves].mean(axis=0)
        explained = halves.mean() * (~halves).sum() * (between**2).sum()
        within = max(((curves - curves.mean(axis=0)) ** 2).sum(), tiny)
        found.append(_Division(cluster, second, pairs, explained / total, explained / within))
    return found


def _score(material: Material, labels: np.ndarray, bounds: Bounds) -> float:
    """Return the share of the squared deviations of all curves that a partition explains, less its clusters' least shares."""
    between = np.bincount(labels) @ (cluster_means(material.curves, labels) ** 2).sum(axis=1)
    explained = float(between / max((material.curves**2).sum(), np.finfo(float).tiny))
    return explained - bounds.explained * (labels.max() + 1)


def _is_made(division: _Division, bounds: Bounds) -> bool:
    """Return whether a part of a continuum is divided."""
    support, _, correlation, explained, _ = _of_continuum(division)
    return explained >= bounds.explained and support >= bounds.support and correlation <= bounds.correlation


def _of_continuum(division: _Division) -> _Measures:
    """Return the measures by which a continuum is divided."""
    support, _, correlation, *_ = _least(division.pairs)
    return support, np.nan, correlation, division.explained, division.within


def without_contradictions(material: Material, labels: np.ndarray, bounds: Bounds, divide: bool = True) -> np.ndarray:
    """Return labels in which no row correlates negatively with the mean of its cluster.

    Such rows move to the cluster with whose mean they correlate most. Those that correlate negatively with all means
    become a new cluster if independent halves of the data agree that they differ from the other rows of their cluster, or
    if at least one of them does so beyond its noise. Unless `divide`, rows only move, and the number of clusters stays: a
    move that would empty a cluster is not made.
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
            means = cluster_means(material.rows, tried)
            if supported or confidence(material.rows, material.draws, means, tried)[opposite].max() >= _CERTAIN:
                split = np.where(opposite, split.max() + 1, split)
        if np.array_equal(split, labels):
            break
        labels = without_gaps(split)
    return labels


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
    """Return the smallest support, the largest connectivity and the largest correlation of any pair; others are NaN."""
    if pairs is None or len(pairs.support) < 2:
        return 1.0, 0.0, -1.0, np.nan, np.nan
    least = pairs.support.min(), pairs.connectivity.max(), pairs.correlation.max()
    return float(least[0]), float(least[1]), float(least[2]), np.nan, np.nan
