"""GraphClusterer: communities of the nearest-neighbour graph of trends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..utils.types import Seed
from .canonical import canonical_order, extreme_exponent, first_of, identical_groups, rounded, rounding_step
from .communities import as_igraph, modularity
from .cutting import Cutting
from .labels import majority, numbered_by_size
from .neighbors import nearest_neighbors, neighbors_from_graph, uncertain_neighbors
from .parameters import check_parameters
from .stability import confidence
from .weights import STRENGTHS, connectivities

_FEW = 5  # neighbours among rows that are not copies
_FARTHEST = 400  # binary exponent up to which squares of differences from fitted rows, below 2**200, are finite


class GraphClusterer(Cutting, ClusterMixin, BaseEstimator):
    """Communities of the nearest-neighbour graph of the rows.

    Every row is tied to its nearest neighbours, the ties are weighted, and the graph is cut into communities by Leiden
    or Louvain. With the defaults this is the path of scanpy (``neighbors`` and ``leiden``); with ``weights="jaccard"``,
    PhenoGraph's.

    Parameters
    ----------
    n_neighbors : int, default=15
        Number of nearest rows, at least 2. It counts the row itself, as umap-learn and scanpy do: 15 means 14 others.
        With fewer rows all are used.
    n_components : int or None, default=None
        Number of principal components to which the rows are reduced first, as many as there are at most. None uses the
        rows as they are.
    metric : str or callable, default="euclidean"
        Distance between rows, as in `sklearn.neighbors.NearestNeighbors`.
    neighbors : object, default=None
        Searches the neighbours instead: an unfitted transformer such as `sklearn.neighbors.KNeighborsTransformer`,
        whose ``fit_transform`` returns a sparse graph of distances. Its own number of neighbours and metric are then
        used, `n_neighbors` and `metric` are not. It must also have ``transform`` if `predict` is to be called.
    weights : {"umap", "jaccard", "gaussian", "binary"}, default="umap"
        Weight of an edge. "umap": the fuzzy simplicial set of [1]_ (scanpy's connectivities). "jaccard": the overlap of
        both neighbourhoods, averaged over the two directions [2]_. "gaussian": the self-tuning kernel
        ``exp(-d^2 / (s_i s_j))`` with ``s`` the distance to the last neighbour [3]_. "binary": 1.
    method : {"leiden", "louvain"}, default="leiden"
        Algorithm [4]_.
    backend : {"igraph", "leidenalg"}, default="igraph"
        Library that runs it. leidenalg has Leiden only.
    objective : str, default="modularity"
        What is optimised: "modularity" or "CPM"; with leidenalg also "RBER", "RBConfiguration", "Surprise",
        "Significance", or the name of a partition class. Louvain has modularity only.
    resolution : "auto" or float, default="auto"
        Greater values give more clusters. Without effect on "Surprise" and "Significance". "auto" takes the finest of
        a grid of resolutions at which every cluster comes back when the trends are drawn anew, see Notes. scanpy's
        default is 1.0.
    merge_correlation : float or None, default=0.95
        With ``resolution="auto"``, clusters whose mean rows correlate above this, and that the draws do not tell apart,
        become one. None never merges.
    consensus : bool, default=False
        Whether each row goes to the cluster that it is in most often over the draws, instead of the one that the rows as
        they are put it in.
    uncertainty : bool, default=False
        Whether distances are measured in standard deviations of the difference of two rows, as the draws show it. Rows
        that are known badly are then near to all others. Needs draws and the Euclidean metric; all pairs are compared.
    n_iterations : int, default=2
        Iterations of Leiden; -1 repeats until nothing improves, as Louvain always does.
    min_cluster_size : int, default=1
        Rows of smaller clusters are not assigned (label -1).
    random_state : int, RandomState instance or None, default=None
        Seed of the order in which vertices are visited. An int gives the same labels in every call, on any number of
        threads, and leaves Python's and NumPy's global generators alone.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_rows,)
        Clusters from 0, by decreasing size; -1 for rows that are not assigned.
    n_clusters_ : int
        Number of clusters, not counting -1.
    graph_ : igraph.Graph
        Undirected, one vertex a row in the order of the rows, edges with attribute "weight".
    connectivities_ : csr_matrix of shape (n_rows, n_rows)
        The same weights: symmetric, diagonal zero.
    modularity_ : float
        Weighted modularity at resolution 1 of the communities, before `min_cluster_size` is applied; 0 if the graph has
        no edges.
    resolution_ : float
        Resolution used.
    stability_ : StabilityCurve or None
        With ``resolution="auto"``: number of clusters and reproducibility along the grid of resolutions.
    confidence_ : ndarray of shape (n_rows,) or None
        How often a row stays with its cluster over the draws; `None` without draws and with a fixed resolution.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`, if it was given a DataFrame with string names.

    See Also
    --------
    sklearn.cluster.KMeans : Any other clusterer of scikit-learn can take this one's place.

    Notes
    -----
    Labels do not depend on the order of the rows. `fit` works on a copy of `X` that is rounded to about a millionth of the
    spread of the data (2**-20 of the mean range of the columns) and sorted by its columns, and distances that differ by
    less than 1e-8 of the longest in a list are ties, settled by that order. Rows that are identical then are sorted by the
    first draw. Noise in the last digits of a double therefore
    does not change the labels either. Rows that are the same after rounding or a step of it apart, as straight lines are,
    get the same label (with euclidean distances): the one that most of them would have. Rows of which the largest value is
    beyond 2**200 or below 2**-200 are divided by a power of two first, so that squares stay within floating point.

    With ``resolution="auto"``, each draw of the trends (or, without draws, a random four fifths of the rows) is cut at
    each resolution. Among the cuts whose mean adjusted Rand index over all pairs of draws is within 0.05 of the best, it
    is the finest of which every cluster has a mean Jaccard index of at least 0.85 with its best match in the draws [5]_,
    [6]_ (0.95, if its rows do not go together in the sense below); the best must reach 0.4, and do better than rows of the
    same mean and covariance without clusters. Where no cut comes back so well, the rows lie on a continuum, and no number
    of clusters is the right one: of the cuts in which nine of ten rows correlate with the mean of their cluster by at
    least 0.8, it is the one that comes back best in the typical pair of draws. If they do so all together, and no cut is
    good in the sense above, they are one cluster. ``stability_.rule`` says what decided.

    Of what is chosen, duplicates are merged: two clusters whose mean rows correlate above `merge_correlation`, and of
    which a row of one and a row of the other are drawn together at least half as often as two rows of the looser one.
    Resolutions that come back badly in the first four draws are not tried in the others, and those that cut the rows
    alike are tried once.

    Rows without neighbours of positive weight are clusters of their own; with ``weights="jaccard"`` that includes two
    rows that have only each other, for their neighbourhoods share nothing.

    igraph has one random generator for the whole process. It is seeded under a lock, so `fit` may run in several
    threads, and draws from Python's `random` afterwards, as it does by default.

    References
    ----------
    .. [1] McInnes, Healy & Melville (2018), UMAP: uniform manifold approximation and projection for dimension
       reduction, arXiv:1802.03426, section 3.1 and algorithms 2 and 3.
    .. [2] Levine et al. (2015), Data-driven phenotypic dissection of AML reveals progenitor-like cells that correlate
       with prognosis, Cell 162, 184-197.
    .. [3] Zelnik-Manor & Perona (2004), Self-tuning spectral clustering, Advances in Neural Information Processing
       Systems 17, equation 1.
    .. [4] Traag, Waltman & van Eck (2019), From Louvain to Leiden: guaranteeing well-connected communities, Scientific
       Reports 9, 5233.
    .. [5] Hubert & Arabie (1985), Comparing partitions, Journal of Classification 2, 193-218.
    .. [6] Hennig (2007), Cluster-wise assessment of cluster stability, Computational Statistics and Data Analysis 52,
       258-271.

    Examples
    --------
    >>> import numpy as np
    >>> from lineage_clust.clusterers import GraphClusterer
    >>> time = np.linspace(0, 1, 50)
    >>> peaks = np.r_[np.linspace(0.1, 0.2, 15), np.linspace(0.7, 0.8, 10)]
    >>> trends = np.exp(-((time - peaks[:, None]) ** 2) / 0.02)
    >>> clusterer = GraphClusterer(resolution=0.5, random_state=0).fit(trends)
    >>> np.bincount(clusterer.labels_)
    array([15, 10])
    >>> clusterer.predict(np.exp(-((time[None] - 0.78) ** 2) / 0.02))
    array([1])
    """

    uses_draws = True
    """Whether `fit` makes use of `draws`."""

    def __init__(
        self,
        n_neighbors: int = 15,
        *,
        n_components: int | None = None,
        metric: Any = "euclidean",
        neighbors: Any = None,
        weights: str = "umap",
        method: str = "leiden",
        backend: str = "igraph",
        objective: str = "modularity",
        resolution: str | float = "auto",
        merge_correlation: float | None = 0.95,
        consensus: bool = False,
        uncertainty: bool = False,
        n_iterations: int = 2,
        min_cluster_size: int = 1,
        random_state: Seed = None,
    ):
        self.n_neighbors = n_neighbors
        self.n_components = n_components
        self.metric = metric
        self.neighbors = neighbors
        self.weights = weights
        self.method = method
        self.backend = backend
        self.objective = objective
        self.resolution = resolution
        self.merge_correlation = merge_correlation
        self.consensus = consensus
        self.uncertainty = uncertainty
        self.n_iterations = n_iterations
        self.min_cluster_size = min_cluster_size
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None, draws: Iterable[ArrayLike] | None = None) -> Self:
        """Find the clusters of the rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Scaled trends, one gene a row.
        y : None
            Ignored.
        draws : iterable of array-like of shape (n_rows, n_columns), default=None
            Trends drawn anew from what is known of them. They decide on ``resolution="auto"`` and on `confidence_`.
            Without them, "auto" leaves out a fifth of the rows at random, and there is no confidence for a fixed
            resolution. A sequence is used whole; of an iterator ten are taken, and thirty more where "auto" finds
            that ten do not decide clearly.

        Returns
        -------
        GraphClusterer
            The fitted clusterer itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, parameters contradict each other, or a distance is not finite.
        TypeError
            If `neighbors` has no ``fit_transform``, or this returns no sparse graph.
        """
        check_parameters(self)
        X = validate_data(self, X, dtype=np.float64)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))

        self._exponent = extreme_exponent(X)
        X = np.ldexp(X, -self._exponent)
        self._step = rounding_step(X)
        snapped = rounded(X, self._step)
        tie_breaker, draws = self._tie_breaker(draws, X.shape)
        self._order = order = canonical_order(snapped, tie_breaker)
        self._rows = snapped[order]
        self._places = self._fit_places()
        drawn, further = self._drawn_places(draws, order)
        self._row_variance = self._variance_over(drawn)
        self._lists = self._fit_lists()

        weighted = connectivities(self._lists, self.weights)
        graph, group = as_igraph(weighted), self._alike()
        self.resolution_, self._row_communities = self._cut(graph, drawn, further, group, self._seed)
        self.modularity_ = modularity(graph, self._row_communities)
        self._row_labels = numbered_by_size(self._row_communities, self.min_cluster_size)

        self.labels_ = np.empty_like(self._row_labels)
        self.labels_[order] = self._row_labels
        self.n_clusters_ = int(self.labels_.max()) + 1
        self.confidence_ = None
        if self._drawn_labels is not None:
            self.confidence_ = self._confidence_over(self._drawn_labels, order)
        del self._drawn_labels
        given = np.argsort(order)
        self.connectivities_ = weighted[given][:, given]
        self.connectivities_.sort_indices()
        self.graph_ = as_igraph(self.connectivities_)
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the cluster of new rows, by a weighted vote of their nearest fitted rows.

        A row equal to a fitted one (after rounding) gets its label. Otherwise each of the ``n_neighbors - 1`` nearest
        fitted rows has a vote, as strong as the new row would be tied to it in the graph: by `weights`, before the two
        directions are combined. If a fitted row is at distance 0, only such rows vote; if every strength is 0, all
        votes are equal. Rows that were not assigned vote for -1. Of labels with the same share the lowest cluster wins.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Trends on the same grid, scaled in the same way.

        Returns
        -------
        ndarray of int, shape (n_rows,)
            Labels as in `labels_`.

        Raises
        ------
        TypeError
            If `neighbors` has no ``transform``.
        ValueError
            If the rows are so large that distances to the fitted ones are not finite.
        """
        return self._vote(X)[0]

    def confidence(self, draws: Iterable[ArrayLike]) -> np.ndarray:
        """Return how often each fitted row stays with its cluster when the trends are drawn anew.

        At the resolution of the fit; it is what `confidence_` would be, had these draws been passed to `fit`.

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
            If there are fewer than two draws, or one does not have the shape of the rows.

        Examples
        --------
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> rows = np.repeat([[0.0, 1, 2], [2, 1, 0]], 10, axis=0) + rng.normal(0, 0.1, (20, 3))
        >>> clusterer = GraphClusterer(resolution=0.3, random_state=0).fit(rows)
        >>> clusterer.confidence(rows + rng.normal(0, 0.1, (5, 20, 3))).mean()
        np.float64(1.0)
        """
        check_is_fitted(self)
        if not hasattr(self, "_row_communities"):
            raise ValueError(
                "This clusterer was saved by an older release, which did not keep all it takes. Fit it again."
            )
        tie_breaker, draws = self._tie_breaker(draws, self._rows.shape)
        order = self._order  # in which identical rows, whose cluster is the same, change places
        if tie_breaker is not None:
            order = order[canonical_order(self._rows, tie_breaker[order])]
        drawn, _ = self._drawn_places(draws, order)
        graphs = self._drawn_graphs(drawn)
        return self._confidence_over(self._partitions(graphs, np.array([self.resolution_]), self._seed)[:, 0], order)

    def _confidence_over(self, drawn_labels, order):
        found = np.empty(len(order))
        found[order] = confidence(self._row_communities, drawn_labels)
        return found

    def _tie_breaker(self, draws, shape):
        """Return the first draw, rounded as the rows, to settle their ties (`None` if there is none), and all draws."""
        if draws is None:
            return None, None
        first, draws = first_of(draws)
        first = None if first is None else np.asarray(first, dtype=np.float64)
        if first is None or first.shape != shape or not np.all(np.isfinite(first)):  # it is refused later
            return None, draws
        return rounded(np.ldexp(first, -self._exponent), self._step), draws

    def _vote(self, X):
        """Return the label of each row and the share of the votes that it has, in (0, 1]."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        largest = np.abs(X).max()
        if np.frexp(largest)[1] - self._exponent > _FARTHEST:
            raise ValueError(
                f"The largest value of X is {largest:.3g}: distances to the fitted rows are not finite. Scale X as the rows "
                "that were fitted."
            )
        X = np.ldexp(X, -self._exponent)
        X = rounded(X, self._step)
        lists = self._query_lists(X if self._pca is None else rounded(self._pca.transform(X), self._step))
        strengths = STRENGTHS[self.weights](lists, self._lists)
        at_zero = lists.distances == 0
        strengths = np.where(at_zero.any(axis=1)[:, None], at_zero, strengths)
        strengths = np.where(strengths.sum(axis=1)[:, None] > 0, strengths, lists.listed)
        labels, share = majority(self._row_labels[lists.indices], strengths)

        # An exact look-up, for rows that differ may be at distance 0 in a metric such as cosine.
        known = {row.tobytes(): label for row, label in zip(self._rows, self._row_labels, strict=True)}
        for number, row in enumerate(X):
            if (key := row.tobytes()) in known:
                labels[number], share[number] = known[key], 1.0
        return labels, share

    def _alike(self):
        """Return groups of rows that are identical, or were before rounding: they must not be told apart by it."""
        group, rank = identical_groups(self._rows)
        if self.metric != "euclidean":
            return group
        unlike, lists = self._rows[rank == 0], self._lists
        if rank.any() or self.neighbors is not None or self._row_variance is not None or self._pca is not None:
            lists = nearest_neighbors(unlike, _FEW)  # copies list nothing but each other, and distances may be others
        near = lists.distances <= self._step * np.sqrt(unlike.shape[1])
        ends = np.nonzero(near)[0], lists.indices[near]
        ties = sparse.coo_array((np.ones(len(ends[0])), ends), shape=(len(unlike), len(unlike)))
        return connected_components(ties, directed=False)[1][group]

    def _fit_places(self):
        """Return the rows in the space where distances are measured."""
        self._pca = None
        if self.n_components is None:
            return self._rows
        # A full decomposition draws no random numbers.
        self._pca = PCA(n_components=min(self.n_components, *self._rows.shape), svd_solver="full")
        with np.errstate(divide="ignore", invalid="ignore"):  # ratios of variances of one row, or of identical rows
            return rounded(self._pca.fit_transform(self._rows), self._step)

    def _fit_lists(self):
        self._searcher = None if self.neighbors is None else clone(self.neighbors)
        return self._lists_of(self._places, self._searcher, self._row_variance)

    def _lists_of(self, places, searcher, variance):
        if variance is not None:
            return uncertain_neighbors(places, self.n_neighbors - 1, variance)
        if searcher is None:
            return nearest_neighbors(places, self.n_neighbors - 1, self.metric)
        graph = searcher.fit_transform(places)
        if not sparse.issparse(graph) or graph.shape != (len(places), len(places)):
            raise TypeError(
                f"neighbors must return a sparse graph of distances between the {len(places)} rows; "
                f"{type(searcher).__name__} returned {type(graph).__name__} of shape {np.shape(graph)}."
            )
        return neighbors_from_graph(graph, without_self=True)

    def _query_lists(self, places):
        if self._row_variance is not None:  # nothing is known of a new row but that it is one of these
            typical = np.full(len(places), np.median(self._row_variance))
            return uncertain_neighbors(
                self._places, self.n_neighbors - 1, self._row_variance, queries=places, query_variance=typical
            )
        if self._searcher is None:
            return nearest_neighbors(self._places, self.n_neighbors - 1, self.metric, queries=places)
        if not hasattr(self._searcher, "transform"):
            raise TypeError(f"predict needs neighbors with transform; {type(self._searcher).__name__} has none.")
        return neighbors_from_graph(self._searcher.transform(places), without_self=False)
