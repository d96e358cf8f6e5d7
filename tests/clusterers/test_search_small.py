"""The number of clusters of few genes, and of modules of few genes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from lineage_clust import GraphClusterer, TrendClusterer
from lineage_clust.datasets import bone_marrow

from .shapes import TIME, bumps, noisy

SEEDS = st.integers(0, 10**6)


@pytest.mark.parametrize("draws_given", [True, False])
@settings(max_examples=12)
@given(st.integers(2, 4), st.data())
@pytest.mark.slow
def test_panels_of_few_genes_give_the_exact_number(draws_given, n_shapes, data):
    sizes = data.draw(st.lists(st.integers(2, 7), min_size=n_shapes, max_size=n_shapes))
    X, draws, truth = noisy(bumps(n_shapes), sizes, 0.1, seed=data.draw(SEEDS))
    labels = GraphClusterer(random_state=0).fit(X, draws=draws if draws_given else None).labels_
    assert adjusted_rand_score(truth, labels) == 1


def test_two_genes_of_different_shape_are_two_clusters():
    X, draws, _ = noisy(bumps(2), [1, 1], 0.1)
    assert GraphClusterer(random_state=0).fit(X, draws=draws).n_clusters_ == 2
    X, draws, _ = noisy(bumps(1), [2], 0.1)
    assert GraphClusterer(random_state=0).fit(X, draws=draws).n_clusters_ == 1


@pytest.mark.slow
@settings(max_examples=5)
@given(SEEDS, st.integers(10, 15))
def test_a_small_module_beside_many_genes_is_found(seed, size):
    X, draws, truth = noisy(bumps(3), [size, 250, 250], 0.3, seed=seed, n_draws=5)
    labels = GraphClusterer(random_state=0).fit(X, draws=draws).labels_
    assert adjusted_rand_score(truth, labels) == 1


@pytest.mark.parametrize("noise", [0.2, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_modules_smaller_than_a_neighbourhood_are_told_apart_from_similar_ones(seed, noise):
    """Edges to genes that are no neighbours made them one with the larger module: two or three clusters."""
    peaks = np.array([0.2, 0.24, 0.7, 0.74])[:, None]
    X, draws, truth = noisy(np.exp(-(((TIME - peaks) / 0.05) ** 2)), (200, 10, 60, 5), noise, seed=seed)
    assert adjusted_rand_score(truth, GraphClusterer(random_state=0).fit(X, draws=draws).labels_) == 1


@pytest.mark.parametrize(
    "seed, falls, peaks",
    [(2, ["Apoe", "Pkm2"], ["H2afy", "Ly6e"]), (5, ["Apoe", "Srgn", "Nkg7", "Pkm2"], ["H2-K1", "Ly6e"])],
)  # fmt: skip
def test_clear_groups_of_few_genes_are_divided_if_the_parts_explain_clearly_more(seed, falls, peaks):
    """Genes with a peak and genes that fall were one group beside those that rise, though their trends hardly correlate."""
    adata = bone_marrow()
    genes = list(np.random.default_rng(seed).choice(varying(adata), 40, replace=False))
    clusters = TrendClusterer(random_state=0).fit(adata, genes=genes, lineage="Ery").gene_table_["cluster"]
    found = [set(clusters[names]) for names in (falls, peaks)]
    assert [len(labels) for labels in found] == [1, 1]
    assert found[0] != found[1]


def varying(adata):
    """Return the genes that change along the erythroid lineage."""
    table = TrendClusterer(random_state=0).fit(adata, lineage="Ery").gene_table_
    return table.index[table["cluster"] >= 0]
