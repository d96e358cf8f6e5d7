"""`resolution="auto"`: the number of clusters is found, with draws and without."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score

import lineage_clust as lc
from lineage_clust import GraphClusterer, TrendClusterer

AUTO = GraphClusterer(resolution="auto")


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
    for given in (draws(), None):
        clusterer = GraphClusterer(resolution="auto", random_state=0).fit(X, draws=given)
        assert clusterer.n_clusters_ == n_modules
        assert adjusted_rand_score(truth, clusterer.labels_) > 0.95
        assert clusterer.resolution_ in clusterer.stability_.resolutions


def test_one_module_is_one_cluster():
    X, _, draws = modules(1)
    clusterer = GraphClusterer(resolution="auto", random_state=0).fit(X, draws=draws())
    assert clusterer.n_clusters_ == 1
    assert np.isfinite(clusterer.stability_.reference)


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


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 5])
def test_few_rows(n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 6))
    assert GraphClusterer(resolution="auto", random_state=0).fit(X).labels_.shape == (n_rows,)


def test_wrong_draws():
    X, _, _ = modules(2)
    with pytest.raises(ValueError, match="finite array of shape"):
        AUTO.fit(X, draws=[X[:5], X[:5]])
    with pytest.raises(ValueError, match="at least two"):
        AUTO.fit(X, draws=[X])
    with pytest.raises(ValueError, match="finite array"):
        AUTO.fit(X, draws=[X, X * np.nan])


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


def test_consensus_and_uncertainty_are_options():
    X, truth, draws = modules(3)
    plain = GraphClusterer(random_state=0).fit(X, draws=draws())
    for options in ({"consensus": True}, {"uncertainty": True}, {"consensus": True, "uncertainty": True}):
        clusterer = GraphClusterer(random_state=0, **options).fit(X, draws=draws())
        assert adjusted_rand_score(truth, clusterer.labels_) > 0.95
        np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)
        assert adjusted_rand_score(clusterer.predict(X + 1e-3), plain.labels_) > 0.9


def test_uncertain_rows_are_near_to_all_others():
    X, _, draws = modules(2)
    wild = [draw + np.r_[np.full(1, 3.0), np.zeros(len(X) - 1)][:, None] * (-1) ** n for n, draw in enumerate(draws())]
    plain = GraphClusterer(10, resolution=0.5, random_state=0).fit(X, draws=wild)
    clusterer = GraphClusterer(10, resolution=0.5, uncertainty=True, random_state=0).fit(X, draws=wild)
    assert clusterer.graph_.degree(0) > 2 * plain.graph_.degree(0)


@pytest.mark.parametrize("structure, taken", [("modules", 10), ("continuum", 40)])
def test_more_draws_are_taken_where_ten_do_not_decide(structure, taken):
    X, _, _ = modules(3)
    if structure == "continuum":
        t = np.linspace(0, 1, 40)
        X = 1 / (1 + np.exp(-(t - np.linspace(0.1, 0.9, 90)[:, None]) / 0.1))
        X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, keepdims=True)
    rng, n_made = np.random.default_rng(0), 0

    def draws(n):
        nonlocal n_made
        for _ in range(n):
            n_made += 1
            yield X + 0.05 * rng.normal(size=(len(X), 3)) @ np.array([np.linspace(0, 1, 40) ** k for k in range(3)])

    clusterer = GraphClusterer(random_state=0).fit(X, draws=draws(100))
    assert n_made == taken
    n_made = 0
    fixed = GraphClusterer(resolution=0.1, random_state=0).fit(X, draws=draws(100))
    assert n_made == 10
    sequence = list(draws(12))
    assert GraphClusterer(random_state=0).fit(X, draws=sequence).confidence_ is not None  # all of them
    assert clusterer.confidence_.shape == fixed.confidence_.shape == (90,)


@pytest.mark.parametrize("parameters", [{}, {"n_components": 2}, {"uncertainty": True}, {"min_cluster_size": 25}])
def test_confidence_can_be_asked_for_later(parameters):
    X, _, draws = modules(4)
    clusterer = GraphClusterer(resolution=0.05, random_state=0, **parameters).fit(X, draws=draws())
    np.testing.assert_array_equal(clusterer.confidence(draws()), clusterer.confidence_)
    before = clusterer.predict(X + 0.01)
    clusterer.confidence(draws(seed=5))
    np.testing.assert_array_equal(clusterer.predict(X + 0.01), before)


def test_confidence_has_its_errors():
    X, _, draws = modules(2)
    with pytest.raises(NotFittedError):
        GraphClusterer().confidence(draws())
    clusterer = GraphClusterer(resolution=0.05, random_state=0).fit(X)
    with pytest.raises(ValueError, match="at least two"):
        clusterer.confidence(draws(1))
    with pytest.raises(ValueError, match="shape"):
        clusterer.confidence([X[:, :3]] * 2)
    del clusterer._row_communities  # as one that was saved before
    with pytest.raises(ValueError, match="older release"):
        clusterer.confidence(draws())
