"""GraphClusterer: communities of the nearest-neighbour graph of trends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from ..errors import warn
from ..utils.constraints import Constraints, check_constraints
from ..utils.types import Seed
from .canonical import canonical_order, extreme_exponent, identical_groups, rounded, rounding_step
from .communities import as_igraph, find_communities, modularity
from .distinctness import Bounds, Material, compare_pairs
from .fitted import FittedClusters
from .labels import agree
from .material import graph_of_nearest, make_material, ranks_of_edges
from .neighbors import groups_up_to_rounding, neighbors_of_rows
from .parameters import CONSTRAINTS, check_combinations
from .refinement import refine
from .search import finest_distinct, finest_groups, n_clusters_of, without_contradictions
from .tree import build_tree
from .weights import connectivities

_FINEST = 3.0  # resolution of the communities from which clusters are merged


class GraphClusterer(FittedClusters):
    """Communities of the k-nearest-neighbour graph of the rows, refined by their means.

    Every row is connected to its k nearest neighbours, the edges are weighted, and Leiden or Louvain finds communities.
    Because the boundaries of communities in a sparse graph are noisy, every row is then assigned to the nearest cluster
    mean. By default, the clusters are clear groups if there are any, or else divisions of a continuum that explain enough
    of the variance (see Notes). ``refine=False`` with a numeric `resolution` is the method of scanpy (``neighbors`` and
    ``leiden``), and with ``weights="jaccard"`` that of PhenoGraph.

    Parameters
    ----------
    n_neighbors : int, default=15
        Number of nearest neighbours, at least 2. The row itself is counted, as in umap-learn and scanpy: 15 means 14
        other rows. If there are fewer rows, all are used.
    n_components : int or None, default=None
        Number of principal components to which the rows are reduced first, at most the number of rows or columns; None
        uses the rows unchanged.
    metric : str or callable, default="euclidean"
        Distance between rows, as in `sklearn.neighbors.NearestNeighbors`.
    neighbors : object, default=None
        Unfitted transformer that searches the neighbours instead, such as `sklearn.neighbors.KNeighborsTransformer`.
        Its ``fit_transform`` returns a sparse graph of distances; `predict` also requires ``transform``. Its settings
        replace `n_neighbors` and `metric`.
    weights : {"umap", "jaccard", "gaussian", "binary"}, default="umap"
        Weight of an edge. "umap": the fuzzy simplicial set of [1]_ (scanpy's connectivities). "jaccard": the overlap of
        the two neighbourhoods, averaged over the two directions [2]_. "gaussian": the self-tuning kernel ``exp(-d^2 /
        (s_i s_j))`` with ``s`` the distance to the last neighbour [3]_. "binary": 1.
    method : {"leiden", "louvain"}, default="leiden"
        Algorithm [4]_.
    backend : {"igraph", "leidenalg"}, default="igraph"
        Library that runs it. leidenalg supports only Leiden.
    objective : str, default="modularity"
        Objective function: "modularity" or "CPM"; with leidenalg also "RBER", "RBConfiguration", "Surprise",
        "Significance", or the name of a partition class. Louvain supports only modularity.
    resolution : "auto" or float, default="auto"
        "auto" selects groups of rows if there are any, else it divides the continuum that they form (see Notes).
        With a number, clusters are the communities at this resolution; larger values give more clusters. scanpy's
        default is 1.0. "Surprise" and "Significance" ignore it.
    n_clusters : int or None, default=None
        Number of clusters. It overrides `resolution`; None uses `resolution`.
    refine : bool, default=True
        Whether to assign every row to the nearest cluster mean. Must be True with ``resolution="auto"``.
    min_support : float, default=0.3
        Two clusters are distinct only if independent halves of the data agree at least this well, beyond chance, on the
        cluster of each of their rows (Cohen's kappa). Larger values give fewer clusters.
    max_connectivity : float, default=1.0
        Two groups are distinct only if the edges between them have at most this multiple of the weight expected by
        chance. It is the resolution of modularity above which the two are separate. A continuum does not use it.
    max_correlation : float, default=0.9
        Two clusters are distinct only if the correlation of their mean rows is at most this value. Larger values give
        more clusters.
    min_explained : float, default=0.015
        A part of a continuum is divided only if the division explains at least this share of the variance of all rows
        (the squared deviations of each from its own mean). Larger values give fewer clusters.
    n_iterations : int, default=2
        Number of iterations of Leiden; -1 iterates until convergence, as Louvain always does.
    min_cluster_size : int, default=1
        Rows of smaller clusters are unassigned (label -1).
    random_state : int, RandomState instance or None, default=None
        Seed of the order in which vertices are visited. Pass an int for reproducible labels, for any number of threads.
        Python's and NumPy's global generators are not used.

    Attributes
    ----------
    labels_ : ndarray of int, shape (n_rows,)
        Clusters numbered from 0 by decreasing size; -1 for unassigned rows.
    n_clusters_ : int
        Number of clusters, excluding -1.
    graph_ : igraph.Graph
        Undirected graph with one vertex per row and the edge attribute "weight".
    connectivities_ : csr_matrix of shape (n_rows, n_rows)
        The edge weights as a symmetric matrix with zero diagonal.
    modularity_ : float
        Weighted modularity of the communities at resolution 1, before `min_cluster_size` is applied; 0 if the graph has
        no edges.
    resolution_ : float
        Resolution used; with "auto", the lowest resolution of modularity at which no two clusters would be merged.
    stability_ : StabilityCurve or None
        With ``resolution="auto"``: how distinct the clusters are and what their divisions explain, by their number.
        ``stability_.why`` explains why there are not more clusters.
    tree_ : ClusterTree
        Hierarchy of clusters around the selected partition; `cut` returns another level of it. Without draws, its
        ``support`` is NaN. `TrendClusterer` draws no posterior samples for `fit` if `n_clusters` or a numeric
        `resolution` is given.
    confidence_ : ndarray of shape (n_rows,) or None
        Fraction of draws in which a row is nearest to the mean of its own cluster; `None` without draws.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns seen in `fit`. Defined only if `X` is a DataFrame with string column names.

    See Also
    --------
    sklearn.cluster.KMeans : One of scikit-learn's clusterers, any of which can be used instead.

    Notes
    -----
    With ``resolution="auto"``, two clusters are distinct by three measures. *Connectivity*: the weight of the edges
    between them is at most that expected by chance [5]_. Each row counts at most as many edges, to its nearest
    neighbours, as its cluster has other rows. *Support*: each draw and its reflection at the rows are like estimates from
    independent halves of the data, and these halves agree on the cluster of each row [6]_. *Correlation*: the correlation
    of their means, corrected for noise, is small.

    - *Clear groups*: many communities are merged, repeatedly the two least distinct, which preserves small clusters. The
      merged clusters are clear groups if no cluster can be divided into two distinct ones, and all pairs are distinct by a
      factor of three or have a gap between them (a connectivity below 0.05). The largest number of these is used.
    - *Continuum*: otherwise boundaries are arbitrary. The rows are divided in two repeatedly by k-means, as long as the
      two are distinct by support and correlation and the division explains enough variance. This share hardly depends on
      the sample of cells, and further divisions leave other boundaries as they are, so that partitions of similar data
      agree. The last divisions must also explain 28 % of the variance within their cluster: the rows of a group that
      deviate from its mean in many directions stay together [8]_.
    - *Overlapping groups*: finally, rows move to the nearest mean, or merged clusters that would not be divided are used,
      if this explains clearly more: `min_explained`, where each cluster fewer counts as much too. In the same way, with
      draws, the parts of a continuum replace clear groups one of which could be divided like a continuum, since a graph of
      few rows cannot tell whether two groups are distinct.

    With at most ``2 * n_neighbors`` rows, every row starts as its own cluster. Connectivity is then evaluated on the graph
    that connects each row to its nearest, or not at all for fewer than 8 rows. Without draws, the errors of the rows are
    unknown. The support of a division in two is then the agreement of the divisions of two random halves of the rows
    [7]_, and other support is not evaluated.

    Labels depend neither on the order of the rows nor on rounding errors. `fit` uses a copy of `X` that is rounded to
    about 1e-6 of the range of the data (2**-20 of the mean range of the columns) and sorted by its columns. Distances that
    differ by less than 1e-8 of the longest in a list are ties, broken by this order. Rows that are equal after rounding or
    differ by one rounding step, such as straight lines, get the same label (with euclidean distances), by majority vote.
    Rows whose largest absolute value is above 2**200 or below 2**-200 are first divided by a power of two, so that squares
    neither overflow nor underflow.

    Rows without edges of positive weight form singleton clusters. With ``weights="jaccard"`` this includes two rows
    that have only each other as neighbours, because their neighbourhoods are disjoint.

    igraph has one random generator per process. It is seeded under a lock, so that `fit` may run in several threads,
    and reset to igraph's default, Python's `random`, afterwards.

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
    .. [5] Reichardt & Bornholdt (2006), Statistical mechanics of community detection, Physical Review E 74, 016110.
    .. [6] Neufeld, Dharamshi, Gao & Witten (2024), Data thinning for convolution-closed distributions, Journal of Machine
       Learning Research 25 (57), 1-35.
    .. [7] Tibshirani & Walther (2005), Cluster validation by prediction strength, Journal of Computational and Graphical
       Statistics 14, 511-528.
    .. [8] Flury (1990), Principal points, Biometrika 77, 33-41.

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
    """Whether `fit` uses `draws`."""
    _constraints: ClassVar[Constraints] = CONSTRAINTS

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
        n_clusters: int | None = None,
        refine: bool = True,
        min_support: float = 0.3,
        max_connectivity: float = 1.0,
        max_correlation: float = 0.9,
        min_explained: float = 0.015,
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
        self.n_clusters = n_clusters
        self.refine = refine
        self.min_support = min_support
        self.max_connectivity = max_connectivity
        self.max_correlation = max_correlation
        self.min_explained = min_explained
        self.n_iterations = n_iterations
        self.min_cluster_size = min_cluster_size
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None, draws: Iterable[ArrayLike] | None = None) -> Self:
        """Find the clusters of the rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Scaled trends, one gene per row.
        y : None
            Ignored.
        draws : iterable of array-like of shape (n_rows, n_columns), default=None
            Posterior samples of the rows, or estimates from halves of the data. They determine the number of clusters
            and `confidence_`. All elements of a sequence are used, and the first ten of an iterator.

        Returns
        -------
        GraphClusterer
            The fitted clusterer.

        Raises
        ------
        ValueError
            If a parameter is out of range, parameters contradict each other, or a distance is not finite.
        TypeError
            If `neighbors` has no ``fit_transform``, or it does not return a sparse graph.
        """
        check_constraints(self)
        check_combinations(self)
        rows: np.ndarray = validate_data(self, X, dtype=np.float64)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))

        self._exponent = extreme_exponent(rows)
        rows = np.ldexp(rows, -self._exponent)
        self._step = rounding_step(rows)
        snapped = rounded(rows, self._step)
        self._order = canonical_order(snapped)
        self._rows = snapped[self._order]
        self._places = self._fit_places()
        self._searcher = None if self.neighbors is None else clone(self.neighbors)
        self._lists = neighbors_of_rows(self._places, self.n_neighbors - 1, self.metric, self._searcher)

        weighted = connectivities(self._lists, self.weights)
        graph = as_igraph(weighted)
        metric = self.metric if self.neighbors is None else None
        few = self._few_rows()
        evaluated = graph_of_nearest(self._places, metric) if few else weighted
        ranks = None if few else ranks_of_edges(weighted, self._lists)
        material = make_material(self._rows, self._places, self._taken(draws), evaluated, ranks)
        communities, coarser = self._partition(graph, material)
        self.modularity_ = modularity(graph, communities)
        given = np.argsort(self._order)
        tree = build_tree(material, communities, self._finest, self._bounds(), coarser)
        self.tree_ = replace(tree, leaves=tree.leaves[given])
        self._coordinates, self._draws = material.rows, material.draws
        self._set_labels(communities)
        self.connectivities_ = weighted[given][:, given]
        self.connectivities_.sort_indices()
        self.graph_ = as_igraph(self.connectivities_)
        return self

    def _bounds(self) -> Bounds:
        return Bounds(self.max_connectivity, self.min_support, self.max_correlation, self.min_explained)

    @property
    def needs_draws(self) -> bool:
        """Whether draws determine the number of clusters and not only the confidence."""
        return self.resolution == "auto" and self.n_clusters is None

    def _few_rows(self) -> bool:
        return len(self._rows) <= 2 * self.n_neighbors

    def _partition(self, graph, material: Material) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the clusters of the rows and coarser ones; set the finest groups, the resolution and the curve."""
        bounds = self._bounds()
        self.stability_ = None
        alike = self._alike()
        if self._few_rows():
            finest = refine(material.rows, np.arange(len(alike)), 1)
        else:
            finest = finest_groups(material.rows, self._communities_at(graph, _FINEST, least_iterations=5))
        self._finest = agree(finest, alike)
        if self.n_clusters is None and self.resolution != "auto":
            self.resolution_ = float(self.resolution)
            communities = agree(self._communities_at(graph, self.resolution), alike)
            if not self.refine:
                return communities, []
            return agree(without_contradictions(material, refine(material.rows, communities), bounds), alike), []
        if self.n_clusters is not None:
            n_clusters = min(self.n_clusters, int(alike.max()) + 1)
            labels, coarser = n_clusters_of(material, self._finest, n_clusters, bounds), []
        else:
            labels, self.stability_, coarser = finest_distinct(material, self._finest, bounds)
        labels = agree(labels, alike)
        if self.n_clusters is not None and labels.max() + 1 < self.n_clusters:
            warn(
                f"n_clusters={self.n_clusters} was reduced to {labels.max() + 1}: of {len(alike)} rows, "
                f"{alike.max() + 1} {'is' if alike.max() == 0 else 'are'} distinct."
            )
        self.resolution_ = float(compare_pairs(material, labels, with_support=False).connectivity.max())
        return labels, coarser

    def _communities_at(self, graph, resolution, least_iterations=1) -> np.ndarray:
        iterations = int(self.n_iterations)
        return find_communities(
            graph, method=self.method, backend=self.backend, objective=self.objective, resolution=float(resolution),
            n_iterations=iterations if iterations < 0 else max(iterations, least_iterations), seed=self._seed,
        )  # fmt: skip

    def _alike(self):
        """Return groups of rows that are identical up to rounding; the rows of a group must get the same label."""
        if self.metric != "euclidean":
            return identical_groups(self._rows)[0]
        as_fitted = self.neighbors is None and self._pca is None
        return groups_up_to_rounding(self._rows, self._step, self._lists if as_fitted else None)

    def _fit_places(self):
        """Return the rows in the space in which distances are computed."""
        self._pca = None
        if self.n_components is None:
            return self._rows
        # A full decomposition uses no random numbers.
        self._pca = PCA(n_components=min(self.n_components, *self._rows.shape), svd_solver="full")
        with np.errstate(divide="ignore", invalid="ignore"):  # variance ratios may be undefined
            return rounded(np.asarray(self._pca.fit_transform(self._rows)), self._step)
