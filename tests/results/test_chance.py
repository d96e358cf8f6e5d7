"""Clusters that genes without a trend could form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

import lineage_clust as lc
from lineage_clust.cli import summary as said
from lineage_clust.report.facts import summary
from lineage_clust.report.methods import methods
from lineage_clust.results.chance import NOTE, in_clusters_by_chance


def test_one_gene_is_a_cluster_if_it_is_significant_among_all_tested():
    labels = np.r_[np.zeros(50, dtype=int), 1, np.full(949, -1)]
    for pvalue, found in ((9e-6, False), (1.1e-5, True)):  # Bonferroni: 0.01 / 1000
        by_chance = in_clusters_by_chance(labels, np.r_[np.full(50, 1e-12), pvalue, np.ones(949)], 0.01)
        assert by_chance.tolist() == [False] * 50 + [found] + [False] * 949


def test_genes_of_other_clusters_are_not_taken_for_genes_without_a_trend():
    """In a panel of genes that all change, a gene with a shape of its own was left out."""
    labels, pvalues = np.r_[np.zeros(29, dtype=int), 1], np.r_[np.full(29, 1e-12), 0.004]
    assert not in_clusters_by_chance(labels, pvalues, 0.01).any()
    flat = np.full(70, -1)
    assert in_clusters_by_chance(np.r_[labels, flat], np.r_[pvalues, np.linspace(0.05, 1, 70)], 0.01)[29]


def test_many_weak_genes_are_no_chance():
    pvalues = np.r_[np.full(40, 0.002), np.full(3, 0.002), np.ones(957)]
    labels = np.r_[np.zeros(40, dtype=int), np.ones(3, dtype=int), np.full(957, -1)]
    found = in_clusters_by_chance(labels, pvalues, 0.01)  # two genes are expected
    assert not found[:40].any()
    assert found[40:43].all()


@given(st.integers(0, 10**6), st.floats(0.001, 0.2))
def test_smaller_pvalues_and_larger_alpha_keep_more(seed, alpha):
    rng = np.random.default_rng(seed)
    pvalues, labels = rng.uniform(size=60) ** 4, rng.integers(-1, 4, 60)
    found = in_clusters_by_chance(labels, pvalues, alpha)
    assert not (in_clusters_by_chance(labels, pvalues / 2, alpha) & ~found).any()
    assert not (in_clusters_by_chance(labels, pvalues, min(2 * alpha, 1)) & ~found).any()
    assert not found[labels < 0].any()
    assert all(len(set(found[labels == cluster])) <= 1 for cluster in range(4))


def test_flat_genes_that_pass_seldom_form_a_cluster():
    """Those most significant of 300 flat genes, taken for a cluster of any size."""
    rng, kept = np.random.default_rng(0), 0
    for _ in range(400):
        pvalues = np.sort(rng.uniform(size=300))
        kept += any(
            not in_clusters_by_chance(np.r_[np.zeros(size, dtype=int), np.full(300 - size, -1)], pvalues, 0.05)[0]
            for size in (1, 2, 3, 5, 10)
        )
    assert kept / 400 <= 0.08


@pytest.fixture(scope="module")
def with_a_false_discovery():
    """One module; a flat gene that is significant by chance contradicts its mean."""
    return lc.datasets.simulate_lineage(1000, 300, 1, random_state=107001)


def test_a_false_discovery_is_no_cluster(with_a_false_discovery, tmp_path):
    adata = with_a_false_discovery
    tc = lc.TrendClusterer(lineage="lineage_1", random_state=0).fit(adata)
    table = tc.gene_table_
    excluded = table.index[table["note"].str.contains(NOTE, regex=False)]
    assert tc.n_clusters_ == 1
    assert len(excluded) > 0
    assert (adata.var.loc[excluded, "module"] < 0).all()
    assert (table.loc[excluded, "qvalue"] < 0.01).all()
    assert (table.loc[excluded, "cluster"] == -1).all()
    np.testing.assert_array_equal(tc.predict(adata), tc.labels_)
    number = f"{len(excluded)} gene{'s' * (len(excluded) > 1)}"
    assert methods(tc._result)[0].endswith(
        f"Clusters whose genes could all be false discoveries were left out ({number})."
    )
    assert f"without {len(excluded)} in clusters that may be false discoveries" in {
        row[2] for row in summary(tc._result)
    }
    assert f"  {len(excluded)} more not clustered: in clusters that may be false discoveries" in said(tc).splitlines()
    finer = tc.cut(n_clusters=2)
    assert (finer.gene_table_.loc[excluded, "note"] == table.loc[excluded, "note"]).all()
    tc.save(tmp_path / "fit.lc")
    loaded = lc.TrendClusterer.load(tmp_path / "fit.lc")
    np.testing.assert_array_equal(loaded.predict(adata), tc.labels_)
    assert loaded.gene_table_["note"].equals(table["note"])


@pytest.mark.parametrize(
    "parameters", [{"alpha": None}, {"clusterer": KMeans(2, random_state=0)}, {"clusterer__n_clusters": 2}]
)
def test_a_given_number_of_clusters_and_genes_not_tested_stay(with_a_false_discovery, parameters):
    tc = lc.TrendClusterer(lineage="lineage_1", random_state=0, clusterer=lc.GraphClusterer()).set_params(**parameters)
    tc.fit(with_a_false_discovery)
    passes = tc.gene_table_["qvalue"] < (1.1 if tc.alpha is None else tc.alpha)
    assert ((tc.labels_ >= 0) == passes).all()
    assert not tc.gene_table_["note"].str.contains(NOTE, regex=False).any()


def test_genes_of_too_small_clusters_do_not_replace_those_of_the_only_cluster(monkeypatch, with_a_false_discovery):
    """If every cluster might be by chance, all are kept, also if other genes are in none."""
    monkeypatch.setattr("lineage_clust.results.chance.in_clusters_by_chance", lambda labels, *_: labels >= 0)
    tc = lc.TrendClusterer(
        lc.GAM(), clusterer=lc.GraphClusterer(min_cluster_size=3), lineage="lineage_1", random_state=0
    )
    tc.fit(with_a_false_discovery)
    assert tc.n_clusters_ == 1
    assert (tc.labels_[tc._result.grouped] < 0).any()
