import random
import re
from concurrent.futures import ThreadPoolExecutor

import igraph
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsTransformer, RadiusNeighborsTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from lineage_clust.clusterers import GraphClusterer
from lineage_clust.errors import LineageClustWarning

from .graphs import ALGORITHMS, PRODUCT, WEIGHTS, Fixed, blobs, curves


# No check is expected to fail.
@parametrize_with_checks([Fixed()])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        Fixed(weights="jaccard", method="louvain", n_components=3),
        Fixed(weights="gaussian", backend="leidenalg", min_cluster_size=3),
        Fixed(weights="binary", neighbors=KNeighborsTransformer(n_neighbors=3, algorithm="brute")),
    ]
)
def test_scikit_learn_conventions_of_other_settings(estimator, check):
    check(estimator)


@pytest.mark.parametrize("weights, algorithm", PRODUCT)
@pytest.mark.first(4)
def test_planted_groups_are_recovered(weights, algorithm):
    X, truth = blobs()
    method, backend = algorithm
    clusterer = Fixed(weights=weights, method=method, backend=backend, random_state=0).fit(X)
    assert adjusted_rand_score(truth, clusterer.labels_) == 1
    assert clusterer.n_clusters_ == 3


def test_attributes_are_in_the_order_of_the_rows():
    X = curves()
    clusterer = Fixed(random_state=0).fit(X)
    weights = clusterer.connectivities_
    assert weights.format == "csr"
    assert abs(weights - weights.T).max() == 0
    assert not weights.diagonal().any()
    assert isinstance(clusterer.graph_, igraph.Graph)
    assert clusterer.graph_.vcount() == len(X)
    assert abs(clusterer.graph_.get_adjacency_sparse(attribute="weight") - weights).max() == 0

    distances = np.linalg.norm(X[:, None] - X, axis=2) + np.diag(np.full(len(X), np.inf))
    nearest = weights.toarray()[np.arange(len(X)), distances.argmin(axis=1)]
    np.testing.assert_allclose(nearest, 1, rtol=1e-12)  # umap ties a row to its nearest by 1

    sizes = np.bincount(clusterer.labels_)
    assert (np.diff(sizes) <= 0).all()
    assert len(sizes) == clusterer.n_clusters_
    assert clusterer.resolution_ == 1.0
    assert clusterer.n_features_in_ == X.shape[1]
    expected = clusterer.graph_.modularity(clusterer.labels_.tolist(), weights="weight")
    assert clusterer.modularity_ == pytest.approx(expected, abs=1e-12)


def test_n_neighbors_counts_the_row_itself():
    X = curves()
    nearest = np.linalg.norm(X[:, None] - X, axis=2).argsort(axis=1)[:, :5]
    listed = np.zeros((len(X), len(X)))
    listed[np.arange(len(X))[:, None], nearest] = 1
    np.fill_diagonal(listed, 0)
    assert (listed.sum(axis=1) == 4).all()
    clusterer = Fixed(n_neighbors=5, weights="binary").fit(X)
    assert np.array_equal(clusterer.connectivities_.toarray(), np.maximum(listed, listed.T))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(WEIGHTS), st.sampled_from(ALGORITHMS))
def test_labels_do_not_depend_on_the_order_of_rows(seed, weights, algorithm):
    X, order = curves(seed=seed), np.random.default_rng(seed).permutation(150)
    clusterer = Fixed(weights=weights, method=algorithm[0], backend=algorithm[1], random_state=seed)
    labels = clusterer.fit(X).labels_
    assert adjusted_rand_score(clusterer.fit(X[order]).labels_, labels[order]) == 1
    assert np.array_equal(clusterer.labels_, labels[order])


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(
    "X",
    [
        np.random.default_rng(0).integers(0, 3, size=(120, 4)).astype(float),
        np.repeat(curves(20), 8, axis=0),
        np.vstack([curves(60), np.zeros((60, 60))]),
    ],
    ids=["lattice", "copies", "zeros"],
)
@pytest.mark.first(2)
def test_ties_and_copies_do_not_bring_the_order_back(X, weights):
    clusterer = Fixed(weights=weights, random_state=0)
    labels = clusterer.fit(X).labels_
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(X))
        assert np.array_equal(clusterer.fit(X[order]).labels_, labels[order])
    _, copy = np.unique(X, axis=0, return_inverse=True)
    assert len(set(zip(copy.reshape(-1).tolist(), labels.tolist(), strict=True))) == copy.max() + 1


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.first(2)
def test_noise_in_the_last_digits_changes_no_label(weights):
    X = np.vstack([curves(), np.repeat(curves(10, seed=1), 5, axis=0)])
    clusterer = Fixed(weights=weights, random_state=0)
    labels = clusterer.fit(X).labels_
    for seed in range(3):
        noise = 1e-13 * np.random.default_rng(seed).normal(size=X.shape)
        assert np.array_equal(clusterer.fit(X + noise).labels_, labels)


@pytest.mark.parametrize("resolution", [0.5, 2.0, 5.0])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=8)
@pytest.mark.first(1)
def test_rows_that_only_rounding_tells_apart_stay_together(resolution, seed):
    rng = np.random.default_rng(seed)
    t = np.linspace(-1.7, 1.7, 60)
    ways = np.repeat([1, -1], [200, 60])
    lines = ways[:, None] * t + 1e-8 * rng.normal(size=(260, 1)) * t**3  # some fall on the other side of a step
    bumps = np.exp(-(((t - rng.uniform(-1, 1, 80)[:, None]) / 0.4) ** 2))
    labels = GraphClusterer(resolution=resolution, random_state=0).fit(np.vstack([lines, bumps])).labels_
    assert len(np.unique(labels[:200])) == 1
    assert len(np.unique(labels[200:260])) == 1
    assert labels[0] != labels[200]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(WEIGHTS), st.floats(1e-9, 1e9))
def test_labels_do_not_depend_on_the_unit(seed, weights, scale):
    X = curves(seed=seed)
    clusterer = Fixed(weights=weights, random_state=0)
    assert np.array_equal(clusterer.fit(X * scale).labels_, clusterer.fit(X).labels_)


@pytest.mark.slow
def test_threads_give_the_same_labels():
    data = [curves(seed=seed) for seed in range(8)]

    def labels(X):
        return Fixed(random_state=0).fit(X).labels_.tolist()

    alone = [labels(X) for X in data]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(labels, data)) == alone


@pytest.mark.parametrize("X", [curves(600), np.random.default_rng(0).integers(0, 2, size=(600, 20)).astype(float)])
@pytest.mark.slow
def test_the_number_of_threads_of_the_search_does_not_matter(X):
    labels = []
    for limit in (1, 2, 4):
        with threadpool_limits(limit):
            labels.append(Fixed(random_state=0).fit(X).labels_)
    assert np.array_equal(labels[0], labels[1])
    assert np.array_equal(labels[0], labels[2])


def test_an_int_seed_repeats_and_leaves_global_generators_alone():
    X = curves()
    random.seed(3)
    np.random.seed(3)
    python_state, numpy_state = random.getstate(), np.random.get_state()[1].tolist()
    first, second = (Fixed(random_state=5).fit(X).labels_ for _ in range(2))
    assert np.array_equal(first, second)
    assert random.getstate() == python_state
    assert np.random.get_state()[1].tolist() == numpy_state


def test_a_random_state_instance_moves_on():
    X = curves()
    generator = np.random.RandomState(0)
    labels = {tuple(Fixed(random_state=generator).fit(X).labels_) for _ in range(8)}
    assert len(labels) > 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_min_cluster_size_only_takes_small_clusters_away(seed, min_cluster_size):
    X = curves(80, seed=seed)
    every = Fixed(n_neighbors=5, random_state=0).fit(X)
    large = clone(every).set_params(min_cluster_size=min_cluster_size).fit(X)
    size = np.bincount(every.labels_)[every.labels_]
    assert np.array_equal(large.labels_, np.where(size >= min_cluster_size, every.labels_, -1))
    assert large.n_clusters_ == (np.bincount(every.labels_) >= min_cluster_size).sum()
    assert large.modularity_ == every.modularity_


@pytest.mark.parametrize("weights, algorithm", PRODUCT)
@pytest.mark.parametrize("n_rows", [1, 2, 3])
@pytest.mark.first(12)
def test_few_rows(n_rows, weights, algorithm):
    X = np.arange(n_rows * 4.0).reshape(n_rows, 4) ** 1.5
    clusterer = Fixed(weights=weights, method=algorithm[0], backend=algorithm[1], random_state=0).fit(X)
    # Two rows that have only each other share no neighbour.
    expected = [0, 1] if weights == "jaccard" and n_rows == 2 else [0] * n_rows
    assert clusterer.labels_.tolist() == expected
    assert clusterer.connectivities_.shape == (n_rows, n_rows)
    assert clusterer.predict(X).tolist() == expected
    assert set(clusterer.predict(X + 100)) <= set(expected)
    assert np.isfinite(clusterer.modularity_)


@pytest.mark.parametrize("n_components", [None, 2])
@pytest.mark.parametrize("weights, algorithm", PRODUCT)
@pytest.mark.filterwarnings("error")
@pytest.mark.first(8)
def test_identical_rows_are_one_cluster(weights, algorithm, n_components):
    X = np.tile([1.0, 2.0, 0.5], (40, 1)) * (1 + 1e-14 * np.arange(40)[:, None])
    clusterer = Fixed(
        weights=weights,
        method=algorithm[0],
        backend=algorithm[1],
        n_components=n_components,
        resolution=1.0,
        random_state=0,
    ).fit(X)
    assert set(clusterer.labels_) == {0}
    assert set(clusterer.predict(X)) == {0}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.filterwarnings("error")
def test_a_row_beyond_reach_does_no_harm(weights):
    X = np.vstack([curves(60), np.full((1, 60), 1e6)])
    clusterer = Fixed(weights=weights, random_state=0).fit(X)
    assert (clusterer.labels_ >= 0).all()
    assert np.array_equal(clusterer.predict(X), clusterer.labels_)


def test_components_are_those_of_pca():
    X = curves()
    reduced = Fixed(n_components=4, random_state=0).fit(X)
    by_hand = Fixed(random_state=0).fit(PCA(4, svd_solver="full").fit_transform(X))
    np.testing.assert_allclose(reduced.connectivities_.toarray(), by_hand.connectivities_.toarray(), atol=1e-4)
    everything = Fixed(n_components=1000, random_state=0).fit(X)
    plain = Fixed(random_state=0).fit(X)
    np.testing.assert_allclose(everything.connectivities_.toarray(), plain.connectivities_.toarray(), atol=1e-4)


def test_neighbors_may_be_searched_by_another_object():
    X, new = curves(), curves(30, seed=4)
    transformer = KNeighborsTransformer(n_neighbors=14)
    ours = Fixed(random_state=0).fit(X)
    theirs = Fixed(neighbors=transformer, random_state=0).fit(X)
    np.testing.assert_allclose(theirs.connectivities_.toarray(), ours.connectivities_.toarray(), atol=1e-6)
    assert np.array_equal(theirs.labels_, ours.labels_)
    assert np.array_equal(theirs.predict(X), theirs.labels_)
    # transform of new rows lists one more than fit_transform has others.
    shorter = Fixed(n_neighbors=16, random_state=0)
    shorter.__dict__ |= {name: value for name, value in vars(ours).items() if name not in ours.get_params()}
    assert np.array_equal(theirs.predict(new), shorter.predict(new))
    assert not hasattr(transformer, "n_samples_fit_")


def test_neighbors_of_unequal_number():
    X = np.r_[np.linspace(0, 1, 20), np.linspace(5, 6, 20), 50.0][:, None]
    clusterer = Fixed(neighbors=RadiusNeighborsTransformer(radius=0.3), resolution=0.01, random_state=0).fit(X)
    assert clusterer.labels_.tolist() == [0] * 20 + [1] * 20 + [2]
    assert clusterer.predict([[0.5], [5.5], [30.0]]).tolist() == [0, 1, -1]


def test_fit_does_not_change_its_input():
    X = curves()
    before = X.copy()
    Fixed(n_components=2, random_state=0).fit(X).predict(X)
    assert np.array_equal(X, before)


class DenseDistances(KNeighborsTransformer):
    def fit_transform(self, X, y=None):
        return super().fit_transform(X).toarray()


class FitOnly:
    def get_params(self, deep=True):
        return {}

    def fit_transform(self, X, y=None):
        return sparse.csr_matrix(np.abs(X[:, :1] - X[:, :1].T))


@pytest.mark.parametrize(
    "settings, error, message",
    [
        (
            {"n_neighbors": 1},
            ValueError,
            "n_neighbors must be an integer of at least 2 (it counts the row itself); got 1",
        ),
        ({"n_neighbors": 5.0}, ValueError, "n_neighbors must be an integer of at least 2"),
        ({"n_neighbors": True}, ValueError, "n_neighbors must be an integer of at least 2"),
        ({"n_components": 0}, ValueError, "n_components must be an integer of at least 1 (or None); got 0"),
        ({"min_cluster_size": 0}, ValueError, "min_cluster_size must be an integer of at least 1; got 0"),
        ({"n_iterations": 0}, ValueError, "n_iterations must be a positive integer, or -1"),
        ({"resolution": 0}, ValueError, "resolution must be 'auto' or a positive number; got 0"),
        ({"resolution": np.nan}, ValueError, "resolution must be 'auto' or a positive number; got nan"),
        ({"resolution": "automatic"}, ValueError, "resolution must be 'auto' or a positive number; got 'automatic'"),
        (
            {"weights": "jacard"},
            ValueError,
            "weights must be one of 'umap', 'jaccard', 'gaussian', 'binary'; got 'jacard'",
        ),
        ({"weights": None}, ValueError, "weights must be one of 'umap'"),
        ({"method": "louvain", "backend": "leidenalg"}, ValueError, "leidenalg has no Louvain algorithm"),
        ({"objective": "Surprise"}, ValueError, "Use backend='leidenalg' with it"),
        ({"metric": "precomputed"}, ValueError, "metric='precomputed' is not supported"),
        ({"metric": "euclid"}, ValueError, "got 'euclid'. Did you mean"),
        ({"metric": "correlation"}, ValueError, "metric='correlation' gives distances that are not finite"),
        ({"random_state": "a"}, ValueError, "random_state must be None, an integer from 0"),
        ({"random_state": -1}, ValueError, "random_state must be None, an integer from 0"),
        ({"neighbors": 15}, TypeError, "neighbors must have fit_transform"),
        ({"neighbors": KNeighborsTransformer(mode="connectivity")}, ValueError, "neighbors must have mode='distance'"),
        (
            {"neighbors": DenseDistances()},
            TypeError,
            "neighbors must return a sparse graph of distances between the 41",
        ),
    ],
)
def test_wrong_parameters_are_named(settings, error, message):
    X = np.vstack([curves(40), np.ones((1, 60))])
    with pytest.raises(error, match=re.escape(message)):
        Fixed(**settings).fit(X)


def test_predict_says_what_neighbors_lacks():
    clusterer = Fixed(neighbors=FitOnly(), random_state=0).fit(curves(20))
    with pytest.raises(TypeError, match="predict needs neighbors with transform; FitOnly has none"):
        clusterer.predict(curves(20))


def test_more_clusters_than_rows_are_named():
    X = np.repeat(np.eye(3), 4, axis=0)
    with pytest.warns(LineageClustWarning, match="n_clusters=5 was reduced to 3: of 12 rows, 3 are distinct"):
        assert GraphClusterer(n_clusters=5, random_state=0).fit(X).n_clusters_ == 3


def test_tables_as_output_change_nothing_within():
    rows = np.random.default_rng(5).normal(size=(40, 6))
    plain = GraphClusterer(5, n_components=3, random_state=0).fit(rows, draws=[rows, rows + 0.1])
    with config_context(transform_output="pandas"):
        found = GraphClusterer(5, n_components=3, random_state=0).fit(rows, draws=[rows, rows + 0.1])
        np.testing.assert_array_equal(found.predict(rows), plain.predict(rows))
    np.testing.assert_array_equal(found.labels_, plain.labels_)
