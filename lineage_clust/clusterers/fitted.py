"""Base class of fitted clusterers: other levels of the hierarchy, prediction of new rows, confidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted, validate_data

from ..utils.constraints import is_number
from .canonical import rounded
from .labels import majority, numbered_by_size
from .material import along_axes, taken
from .neighbors import Neighbors, neighbors_of_queries
from .refinement import cluster_means
from .stability import confidence
from .tree import ClusterTree, with_leaves
from .weights import STRENGTHS

_FARTHEST = 400  # binary exponent up to which squared differences from fitted rows (below 2**200) are finite


class FittedClusters(ClusterMixin, BaseEstimator):
    """Base class of clusterers with a hierarchy, independent of the method that finds the clusters.

    Rows are in canonical order, divided by `2 ** _exponent` and rounded to multiples of `_step`.
    """

    n_neighbors: int
    metric: Any
    weights: str
    min_cluster_size: int
    tree_: ClusterTree

    _exponent = 0  # not present in files of older releases
    _step: float
    _order: np.ndarray  # given number of each row
    _rows: np.ndarray
    _pca: PCA | None
    _places: np.ndarray  # the rows in the space in which distances are computed
    _searcher: Any
    _lists: Neighbors  # of the rows
    _coordinates: np.ndarray  # the rows along their principal axes
    _draws: np.ndarray  # posterior samples, along the same axes

    def cut(self, n_clusters: int | None = None, min_support: float | None = None) -> Self:
        """Return a fitted copy with the clusters at another level of the hierarchy.

        Parameters
        ----------
        n_clusters : int, default=None
            Number of clusters. If the hierarchy has fewer leaves, they are split by k-means.
        min_support : float, default=None
            Clusters are split as long as there is a split further down with at least this support.

        Returns
        -------
        GraphClusterer
            Labels, confidence and predictions are those of the new clusters.

        Raises
        ------
        ValueError
            If not exactly one of the two is given, or it is out of range.

        Examples
        --------
        >>> import numpy as np
        >>> from lineage_clust import GraphClusterer
        >>> rows = np.repeat([[0.0, 1, 2], [2, 1, 0], [0, 2, 0]], 20, axis=0)
        >>> rows += np.random.default_rng(0).normal(0, 0.1, (60, 3))
        >>> clusterer = GraphClusterer(n_clusters=3, random_state=0).fit(rows)
        >>> np.bincount(clusterer.cut(n_clusters=2).labels_)
        array([40, 20])
        """
        check_is_fitted(self)
        if not hasattr(self, "tree_"):
            raise ValueError(
                "This clusterer was saved by an older release, which did not store the hierarchy. Fit it again."
            )
        other = copy(self)
        if (
            n_clusters is not None
            and is_number(n_clusters)
            and min_support is None
            and n_clusters not in range(1, self.tree_.n_leaves + 1)
        ):
            other.tree_ = with_leaves(self.tree_, self._rows[np.argsort(self._order)], n_clusters)
        other._set_labels(other.tree_.cut(n_clusters, min_support)[self._order])
        return other

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the cluster of new rows by a weighted vote of their nearest fitted rows.

        A row equal to a fitted one (after rounding) gets its label. Otherwise each of the ``n_neighbors - 1`` nearest
        fitted rows votes with the strength of the directed edge from the new row, computed by `weights`. If a fitted
        row is at distance 0, only such rows vote; if every strength is 0, all votes are equal. Unassigned rows vote for
        -1. Ties are broken in favour of the lowest cluster.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Trends on the same grid and with the same scaling.

        Returns
        -------
        ndarray of int, shape (n_rows,)
            Labels as in `labels_`.

        Raises
        ------
        TypeError
            If `neighbors` has no ``transform``.
        ValueError
            If the rows are so large that distances to the fitted rows are not finite.
        """
        return self._vote(X)[0]

    def confidence(self, draws: Iterable[ArrayLike]) -> np.ndarray:
        """Return the fraction of draws in which each fitted row is nearest to the mean of its own cluster.

        This is `confidence_` computed from other draws.

        Parameters
        ----------
        draws : iterable of array-like of shape (n_rows, n_columns)
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_rows,)
            From 0 to 1.

        Raises
        ------
        ValueError
            If there are no draws, or a draw does not have the shape of the rows.

        Examples
        --------
        >>> import numpy as np
        >>> from lineage_clust import GraphClusterer
        >>> rng = np.random.default_rng(0)
        >>> rows = np.repeat([[0.0, 1, 2], [2, 1, 0]], 10, axis=0) + rng.normal(0, 0.1, (20, 3))
        >>> clusterer = GraphClusterer(resolution=0.3, random_state=0).fit(rows)
        >>> clusterer.confidence(rows + rng.normal(0, 0.1, (5, 20, 3))).mean()
        np.float64(1.0)
        """
        check_is_fitted(self)
        if not hasattr(self, "_communities"):
            raise ValueError(
                "This clusterer was saved by an older release, which did not store the communities. Fit it again."
            )
        return self._confidence_over(*along_axes(self._places, self._taken(draws)))

    def _set_labels(self, communities: np.ndarray) -> None:
        self._communities = communities
        self._row_labels = numbered_by_size(communities, self.min_cluster_size)
        self.labels_ = np.empty_like(self._row_labels)
        self.labels_[self._order] = self._row_labels
        self.n_clusters_ = int(self.labels_.max()) + 1
        self.confidence_ = self._confidence_over(self._coordinates, self._draws) if len(self._draws) else None

    def _confidence_over(self, rows: np.ndarray, draws: np.ndarray) -> np.ndarray:
        found = np.empty(len(rows))
        found[self._order] = confidence(rows, draws, cluster_means(rows, self._communities), self._communities)
        return found

    def _vote(self, X: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Return the label of each row and its share of the votes, in (0, 1], see :meth:`predict`."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        largest = np.abs(X).max()
        if np.frexp(largest)[1] - self._exponent > _FARTHEST:
            raise ValueError(
                f"The largest value of X is {largest:.3g}: distances to the fitted rows are not finite. Scale X like "
                f"the fitted rows."
            )
        X = rounded(np.ldexp(X, -self._exponent), self._step)
        places = X if self._pca is None else rounded(np.asarray(self._pca.transform(X)), self._step)
        lists = neighbors_of_queries(self._places, places, self.n_neighbors - 1, self.metric, self._searcher)
        strengths = STRENGTHS[self.weights](lists, self._lists)
        at_zero = lists.distances == 0
        strengths = np.where(at_zero.any(axis=1)[:, None], at_zero, strengths)
        strengths = np.where(strengths.sum(axis=1)[:, None] > 0, strengths, lists.listed)
        found, share = majority(self._row_labels[lists.indices], strengths)
        # An exact look-up, because different rows may be at distance 0 in a metric such as cosine.
        known = {row.tobytes(): label for row, label in zip(self._rows, self._row_labels, strict=True)}
        for number, query in enumerate(X):
            if (key := query.tobytes()) in known:
                found[number], share[number] = known[key], 1.0
        return found, share

    def _taken(self, draws: Iterable | None) -> Iterator[np.ndarray] | None:
        return None if draws is None else map(self._as_rows, taken(draws))

    def _as_rows(self, draw) -> np.ndarray:
        draw = np.ldexp(np.asarray(draw, dtype=np.float64), -self._exponent)
        if draw.shape != self._rows.shape or not np.all(np.isfinite(draw)):
            raise ValueError(
                f"Each draw must be a finite array of the shape of X, {self._rows.shape}; got {draw.shape}."
            )
        draw = rounded(draw, self._step)[self._order]
        return draw if self._pca is None else np.asarray(self._pca.transform(draw))
