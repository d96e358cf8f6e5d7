"""`resolution="auto"`: the most clusters that are all pairwise distinct, with and without posterior samples."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import RadiusNeighborsTransformer

import lineage_clust as lc
from lineage_clust import GraphClusterer, TrendClusterer
from lineage_clust.clusterers.communities import as_igraph, find_communities
from lineage_clust.clusterers.distinctness import Bounds, Material
from lineage_clust.clusterers.labels import numbered_by_size
from lineage_clust.clusterers.search import finest_distinct, merging_path, without_contradictions

from .shapes import TIME, bumps, noisy, smooth_noise, zscored

AUTO = GraphClusterer(resolution="auto")
SEEDS = st.integers(0, 10**6)


def modules(n_modules, n_rows=90, noise=0.12, seed=0):
    """Rows around a few smooth curves, and a function that draws them anew."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, 40)
    centres = np.array([np.sin(2 * np.pi * (t * (1 + k // 4) - k / 4)) for k in range(n_modules)])
    truth = np.arange(n_rows) % n_modules
    X = centres[truth] + noise * rng.normal(size=(n_rows, 5)) @ np.array([t**k for k in range(5)])
    spread = noise * np.array([t**k for k in range(5)])  # as uncertain as the rows are

    def draws(n=6, seed=1):
        generator = np.random.default_rng(seed)
        for _ in range(n):
            yield X + generator.normal(size=(n_rows, 5)) @ spread

    return X, truth, draws


@pytest.mark.parametrize("n_modules", [2, 3, 4, 6])
def test_the_number_of_clusters_is_found(n_modules):
    X, truth, draws = modules(n_modules)
    for drawn in (draws(), None):
        clusterer = GraphClusterer(resolution="auto", random_state=0).fit(X, draws=drawn)
        assert clusterer.n_clusters_ == n_modules
        assert adjusted_rand_score(truth, clusterer.labels_) > 0.95
        assert clusterer.stability_.chosen == n_modules
        assert clusterer.resolution_ <= clusterer.max_connectivity
        assert (np.isnan(clusterer.stability_.support[:-1]) == (drawn is None)).all()


def test_one_module_is_one_cluster():
    X, _, draws = modules(1)
    clusterer = GraphClusterer(resolution="auto", random_state=0).fit(X, draws=draws())
    assert clusterer.n_clusters_ == 1
    assert clusterer.stability_.chosen == 1
    assert "With 2 clusters, support would be" in clusterer.stability_.why


def test_confidence_with_draws_and_a_fixed_resolution():
    X, _, draws = modules(3)
    clusterer = GraphClusterer(resolution=0.05, random_state=0).fit(X, draws=draws())
    assert clusterer.stability_ is None
    assert clusterer.confidence_.shape == (len(X),)
    assert ((clusterer.confidence_ >= 0) & (clusterer.confidence_ <= 1)).all()
    assert clusterer.confidence_.mean() > 0.9
    assert GraphClusterer(resolution=0.05, random_state=0).fit(X).confidence_ is None
    plain = GraphClusterer(resolution=0.05, random_state=0).fit(X)
    np.testing.assert_array_equal(plain.labels_, clusterer.labels_)


def test_a_row_between_two_modules_is_less_sure():
    X, truth, _ = modules(2)
    X[0] = 0.5 * (X[truth == 0].mean(axis=0) + X[truth == 1].mean(axis=0))
    rng = np.random.default_rng(3)
    draws = [X + 0.3 * rng.normal(size=(len(X), 1)) * (X[truth == 0].mean(axis=0)) for _ in range(8)]
    sure = GraphClusterer(resolution="auto", random_state=0).fit(X, draws=draws).confidence_
    assert sure[0] < np.median(sure)


def test_the_order_of_rows_does_not_matter():
    X, _, draws = modules(4)
    order = np.random.default_rng(2).permutation(len(X))
    plain = GraphClusterer(resolution="auto", random_state=0).fit(X, draws=draws())
    mixed = GraphClusterer(resolution="auto", random_state=0).fit(X[order], draws=(draw[order] for draw in draws()))
    assert adjusted_rand_score(plain.labels_[order], mixed.labels_) == 1.0
    np.testing.assert_allclose(plain.confidence_[order], mixed.confidence_)


@settings(max_examples=5)
@given(SEEDS, st.booleans())
@pytest.mark.slow
def test_tied_rows_do_not_bring_the_order_back(seed, draws_given):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, size=(30, 5)).astype(float)
    X, order = np.repeat(kinds, 3, axis=0), rng.permutation(90)
    draws = [X + (kinds @ rng.normal(0, 0.2, (5, 5))).repeat(3, axis=0) for _ in range(4)] if draws_given else None
    clusterer = GraphClusterer(8, random_state=0)
    labels = clusterer.fit(X, draws=draws).labels_
    mixed = clusterer.fit(X[order], draws=[draw[order] for draw in draws] if draws_given else None).labels_
    np.testing.assert_array_equal(labels[order], mixed)
    np.testing.assert_array_equal(labels, labels[::3].repeat(3))


def test_a_seed_repeats():
    X, draws, _ = noisy(bumps(4), [30] * 4, 0.5)
    first, second = (GraphClusterer(random_state=3).fit(X, draws=draws) for _ in range(2))
    np.testing.assert_array_equal(first.labels_, second.labels_)
    np.testing.assert_array_equal(first.confidence_, second.confidence_)
    np.testing.assert_array_equal(first.tree_.linkage, second.tree_.linkage)


@pytest.mark.parametrize("parameters", [{}, {"n_clusters": 2}, {"resolution": 1.0}], ids=str)
@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 5])
@pytest.mark.filterwarnings("ignore:n_clusters=2 was reduced")
@pytest.mark.filterwarnings("error")
def test_few_rows(n_rows, parameters):
    X = np.random.default_rng(0).normal(size=(n_rows, 6))
    clusterer = GraphClusterer(random_state=0, **parameters).fit(X)
    assert clusterer.labels_.shape == (n_rows,)
    np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)
    if "n_clusters" in parameters:
        assert clusterer.n_clusters_ == min(2, n_rows)


@pytest.mark.parametrize("n_rows", [1, 6, 60])
@pytest.mark.parametrize("parameters", [{}, {"n_clusters": 3}, {"resolution": 1.0}], ids=str)
@pytest.mark.filterwarnings("ignore:n_clusters=3 was reduced")
@pytest.mark.filterwarnings("error")
def test_identical_rows_are_one_cluster(n_rows, parameters):
    for row in (np.linspace(0, 1, 7), np.zeros(7)):
        X = np.tile(row, (n_rows, 1))
        clusterer = GraphClusterer(random_state=0, **parameters).fit(X, draws=[X, X])
        assert clusterer.n_clusters_ == 1
        assert clusterer.tree_.n_leaves == 1
        np.testing.assert_array_equal(clusterer.confidence_, 1.0)


def test_wrong_draws():
    X, _, _ = modules(2)
    with pytest.raises(ValueError, match="finite array of the shape of X"):
        AUTO.fit(X, draws=[X[:5], X[:5]])
    with pytest.raises(ValueError, match="draws is empty. Pass at least one array, or draws=None"):
        AUTO.fit(X, draws=[])
    with pytest.raises(ValueError, match="finite array"):
        AUTO.fit(X, draws=[X, X * np.nan])
    assert AUTO.fit(X, draws=[X]).confidence_.min() == 1  # one draw is enough: it has a reflection


@pytest.mark.parametrize(
    "name", ["min_support", "max_connectivity", "max_correlation", "min_explained", "n_clusters", "refine"]
)
def test_wrong_bounds_are_named(name):
    X, _, _ = modules(2)
    for value in (-2, np.nan, "x", None, True) if name != "refine" else (1, "yes", None):
        if not (name == "n_clusters" and value is None):
            with pytest.raises(ValueError, match=f"{name} must be .*; got {re.escape(repr(value))}"):
                GraphClusterer(**{name: value}).fit(X)
    with pytest.raises(ValueError, match="resolution='auto' needs refine=True"):
        GraphClusterer(refine=False).fit(X)


def test_groups_that_nothing_connects_are_merged_even_if_correlation_is_not_limited():
    """The search did not end, because no pair was less distinct than a cluster is from itself."""
    X = np.random.default_rng(0).normal(0, 0.01, (80, 3)) + np.repeat([[0.0, 1, 2], [2, 1, 0]], 40, axis=0)
    assert GraphClusterer(random_state=0, max_correlation=1.0).fit(X).n_clusters_ == 2


@settings(max_examples=6)
@given(SEEDS, st.integers(5, 150), st.sampled_from([0.1, 0.5, 1.0]))
def test_genes_of_one_module_are_one_cluster(seed, n_rows, noise):
    X, draws, _ = noisy(bumps(3)[1:2], [n_rows], noise, seed=seed)
    assert GraphClusterer(random_state=0).fit(X, draws=draws).n_clusters_ == 1


@pytest.mark.slow
@settings(max_examples=8)
@given(SEEDS, st.integers(1, 9), st.booleans())
def test_the_number_that_was_asked_for_is_given(seed, n_clusters, draws_given):
    X, draws, _ = noisy(bumps(3), [20, 15, 10], 0.4, seed=seed, n_draws=3)
    given_draws = draws if draws_given else None
    clusterer = GraphClusterer(n_clusters=n_clusters, random_state=0).fit(X, draws=given_draws)
    assert clusterer.n_clusters_ == n_clusters
    assert clusterer.stability_ is None
    assert not clusterer.needs_draws
    whatever = GraphClusterer(n_clusters=n_clusters, resolution=1.0, random_state=0).fit(X, draws=given_draws)
    np.testing.assert_array_equal(whatever.labels_, clusterer.labels_)


@settings(max_examples=8)
@given(SEEDS, st.sampled_from([0.3, 1.0, 3.0]))
def test_without_refinement_the_clusters_are_the_communities(seed, resolution):
    X, draws, _ = noisy(bumps(4), [20] * 4, 0.8, seed=seed, n_draws=2)
    clusterer = GraphClusterer(resolution=resolution, refine=False, random_state=0).fit(X, draws=draws)
    order = clusterer._order  # in which Leiden visits the rows
    graph = as_igraph(clusterer.connectivities_[order][:, order].sorted_indices())
    plain = find_communities(
        graph, method="leiden", backend="igraph", objective="modularity", resolution=resolution, n_iterations=2,
        seed=clusterer._seed,
    )  # fmt: skip
    np.testing.assert_array_equal(numbered_by_size(plain), clusterer.labels_[order])


@settings(max_examples=10)
@given(SEEDS, st.integers(100, 300), st.floats(0.02, 0.5), st.floats(0.05, 0.6), st.booleans())
@pytest.mark.slow
def test_no_row_is_in_a_cluster_whose_mean_it_contradicts(seed, n_rows, minority, noise, draws_given):
    """A few genes that go the opposite way are not swallowed, however few."""
    n_opposite = max(2, round(minority * n_rows))
    X, draws, truth = noisy(np.array([TIME, -TIME]), [n_rows, n_opposite], noise, seed=seed, n_draws=5)
    for parameters in ({}, {"resolution": 0.2}):
        clusterer = GraphClusterer(random_state=0, **parameters).fit(X, draws=draws if draws_given else None)
        assert not set(clusterer.labels_[truth == 0]) & set(clusterer.labels_[truth == 1])
        means = np.array([X[clusterer.labels_ == k].mean(axis=0) for k in range(clusterer.n_clusters_)])
        assert np.einsum("ij,ij->i", X, means[clusterer.labels_]).min() > 0


@settings(max_examples=3)
@given(SEEDS)
@pytest.mark.slow
def test_greater_demands_give_fewer_clusters(seed):
    rng = np.random.default_rng(seed)
    X = zscored(1 / (1 + np.exp(-(TIME - rng.uniform(0.1, 0.9, 60)[:, None]) / 0.1)))
    draws = [X + smooth_noise(rng, 60, 0.3) for _ in range(4)]

    def number(**bounds):
        return GraphClusterer(random_state=0, **bounds).fit(X, draws=draws).n_clusters_

    by_default = number()
    assert number(min_support=0.95) <= by_default <= number(min_support=0.2)
    assert number(max_connectivity=0.1) <= by_default <= number(max_connectivity=2.0)
    assert number(max_correlation=0.0) <= by_default <= number(max_correlation=0.99)
    assert number(min_explained=1.0) <= by_default <= number(min_explained=0.0)


def test_a_certain_contradiction_is_divided_off_though_most_genes_are_uncertain():
    """As in joint fits of lineages some of which hold noise: the support of the division is low, some genes are certain."""
    rng = np.random.default_rng(0)
    rising = np.repeat([True, False], [70, 30])
    noise = np.where(rng.random(100) < 0.1, 0.1, 6.0)[:, None]
    X = zscored(np.where(rising[:, None], TIME, -TIME) + noise * smooth_noise(rng, 100, 0.3))
    draws = [X + noise * smooth_noise(rng, 100, 0.3) for _ in range(10)]
    material = Material(X, np.array(draws), zscored(X), None)
    labels = without_contradictions(material, np.zeros(100, dtype=int), Bounds(support=0.99))
    along = np.einsum("ij,ij->i", X, np.array([X[labels == k].mean(axis=0) for k in range(labels.max() + 1)])[labels])
    assert labels.max() >= 1
    assert along[noise[:, 0] < 1].min() > 0


@given(SEEDS)
@settings(max_examples=10)
def test_the_merging_path_has_ever_fewer_clusters(seed):
    X, draws, truth = noisy(bumps(3), [10, 10, 10], 0.3, seed=seed, n_draws=3)
    material = Material(X, np.array(draws), zscored(X), None)
    path = merging_path(material, np.arange(30), Bounds())
    assert list(path) == sorted(path, reverse=True)
    for n_clusters, labels in path.items():
        np.testing.assert_array_equal(np.unique(labels), np.arange(n_clusters))
    assert 1 in path
    assert adjusted_rand_score(path[3], truth) == 1


def test_the_curve_tells_what_was_looked_at():
    X, draws, truth = noisy(bumps(3), [10, 10, 10], 0.3)
    found = finest_distinct(Material(X, np.array(draws), zscored(X), None), np.arange(30), Bounds())
    assert adjusted_rand_score(found.labels, truth) == 1
    curve = found.curve
    np.testing.assert_array_equal(curve.n_clusters, np.arange(1, len(curve.n_clusters) + 1))
    assert curve.chosen == 3
    assert curve.n_clusters[curve.distinct].max() == 3
    assert curve.distinct[0]


@pytest.mark.slow
def test_a_graph_without_edges_does_no_harm():
    X = np.linspace(0, 1, 40)[:, None] * np.ones((1, 4))
    clusterer = GraphClusterer(4, neighbors=RadiusNeighborsTransformer(radius=1e-9), random_state=0).fit(X)
    assert isinstance(clusterer.connectivities_, sparse.csr_matrix)
    assert clusterer.connectivities_.nnz == 0
    assert clusterer.n_clusters_ >= 1


@pytest.mark.slow
def test_planted_modules_are_found_from_cells():
    adata = lc.datasets.simulate_lineage(800, 240, 5, random_state=3)
    tc = TrendClusterer(clusterer=AUTO, lineage="lineage_1", random_state=0).fit(adata)
    truth = adata.var.loc[tc.genes_, "module"].to_numpy()
    dynamic = (truth >= 0) & (tc.labels_ >= 0)
    assert tc.n_clusters_ == 5
    assert adjusted_rand_score(truth[dynamic], tc.labels_[dynamic]) > 0.9
    assert (tc.labels_[truth < 0] < 0).mean() >= 0.95
    assert tc.gene_table_["confidence"][dynamic].between(0, 1).all()
    assert tc.gene_table_["confidence"][tc.labels_ < 0].isna().all()


def test_gene_order_does_not_matter_with_draws():
    adata = lc.datasets.simulate_lineage(500, 120, 4, random_state=5)
    order = np.random.default_rng(0).permutation(adata.n_vars)
    plain = TrendClusterer(clusterer=AUTO, lineage="lineage_1", random_state=0).fit(adata)
    mixed = TrendClusterer(clusterer=AUTO, lineage="lineage_1", random_state=0).fit(adata[:, order])
    np.testing.assert_array_equal(plain.labels_[order], mixed.labels_)


def test_flat_genes_form_no_cluster():
    adata = lc.datasets.simulate_lineage(600, 150, 0, random_state=6)
    with pytest.warns(lc.LineageClustWarning, match="No gene is clustered"):
        tc = TrendClusterer(clusterer=AUTO, lineage="lineage_1", random_state=0).fit(adata)
    assert tc.n_clusters_ == 0
    assert (tc.labels_ == -1).all()


def test_rising_and_falling_genes_on_a_continuum_are_not_one_cluster():
    """Times of half-maximum spread evenly: no number of clusters is right, but up and down must not be mixed."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 40)
    rises = 1 / (1 + np.exp(-(t - rng.uniform(0.1, 0.9, 120)[:, None]) / 0.12))
    X = np.concatenate([rises, 1 - rises[:60]])
    X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    draws = [X + 0.05 * rng.normal(size=(180, 4)) @ np.array([t**k for k in range(4)]) for _ in range(6)]
    clusterer = GraphClusterer(random_state=0).fit(X, draws=draws)
    assert 2 <= clusterer.n_clusters_ <= 10
    assert not set(clusterer.labels_[:120]) & set(clusterer.labels_[120:])
    for cluster in range(clusterer.n_clusters_):
        members = X[clusterer.labels_ == cluster]
        assert np.median(members @ members.mean(axis=0)) > 0


@pytest.mark.parametrize("parameters, needs", [({}, True), ({"resolution": 0.1}, False), ({"n_clusters": 3}, False)])
@pytest.mark.first(1)
def test_ten_draws_are_taken_of_an_iterator(parameters, needs):
    X, _, _ = modules(3)
    rng, n_made = np.random.default_rng(0), 0

    def draws():
        nonlocal n_made
        while True:
            n_made += 1
            yield X + smooth_noise(rng, len(X), 0.1)

    clusterer = GraphClusterer(random_state=0, **parameters).fit(X, draws=draws())
    assert n_made == 10
    assert clusterer.confidence_.shape == (90,)
    assert clusterer.needs_draws == needs


@pytest.mark.parametrize(
    "parameters", [{}, {"n_components": 2}, {"refine": False}, {"n_clusters": 5}, {"min_cluster_size": 25}]
)
def test_confidence_can_be_asked_for_later(parameters):
    X, _, draws = modules(4)
    clusterer = GraphClusterer(resolution=0.05, random_state=0, **parameters).fit(X, draws=draws())
    np.testing.assert_array_equal(clusterer.confidence(draws()), clusterer.confidence_)
    coarser = clusterer.cut(n_clusters=2)
    np.testing.assert_array_equal(coarser.confidence(draws()), coarser.confidence_)
    before = clusterer.predict(X + 0.01)
    clusterer.confidence(draws(seed=5))
    np.testing.assert_array_equal(clusterer.predict(X + 0.01), before)


def test_confidence_has_its_errors():
    X, _, draws = modules(2)
    with pytest.raises(NotFittedError):
        GraphClusterer().confidence(draws())
    clusterer = GraphClusterer(resolution=0.05, random_state=0).fit(X)
    with pytest.raises(ValueError, match="draws is empty"):
        clusterer.confidence([])
    with pytest.raises(ValueError, match="shape"):
        clusterer.confidence([X[:, :3]] * 2)
    del clusterer._communities  # as one that was saved before
    with pytest.raises(ValueError, match="older release"):
        clusterer.confidence(draws())
