"""Selection of the genes to cluster, and clusters that genes without a trend could form."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

import lineage_clust as lc
from lineage_clust.cli import summary as said
from lineage_clust.report.facts import summary
from lineage_clust.report.methods import methods
from lineage_clust.results.gating import GATE_CONSTRAINTS, NOTE, Gate, in_clusters_by_chance
from lineage_clust.trends.trends import adjust
from lineage_clust.utils.constraints import check_constraints

from ..fits import QUICK


def table(pvalue, explained=0.5, amplitude=1.0):
    pvalue = np.asarray(pvalue, dtype=float)
    return pd.DataFrame(
        {"pvalue": pvalue, "qvalue": adjust(pvalue), "deviance_explained": explained, "amplitude": amplitude}
    )


def test_the_gate_is_that_of_the_qvalues():
    rng = np.random.default_rng(0)
    genes = table(np.r_[rng.uniform(0, 0.02, 30), rng.uniform(0, 1, 70)])
    for alpha in (0.01, 0.05, 0.2):
        gate = Gate(alpha).calibrated(genes)
        np.testing.assert_array_equal(gate.passes(genes), genes["qvalue"] < alpha)


def test_pvalues_of_zero_pass_and_nothing_passes_if_nothing_is_significant():
    assert Gate(0.01).calibrated(table([0.0, 0.5])).passes(table([0.0, 0.5])).tolist() == [True, False]
    gate = Gate(0.01).calibrated(table([0.4, 0.5]))
    assert not gate.passes(table([0.4, 0.0])).any()
    assert "alpha=0.01" in gate.why_none(table([0.4, 0.5]))


def test_a_model_without_tests_lets_all_pass():
    genes = table([np.nan, np.nan])
    assert Gate(0.01).calibrated(genes, has_test=False).passes(genes).all()


@pytest.mark.parametrize("family", ["gaussian", "gamma"])
def test_nothing_is_clustered_if_no_gene_can_be_tested(family):
    values = np.random.default_rng(0).gamma(2.0, 2.0, (6, 60))
    cells = AnnData(
        values + 1, obs=pd.DataFrame({"pseudotime": np.linspace(0, 1, 6)}, index=[f"c{n}" for n in range(6)])
    )
    model = lc.GAM(family, smoothing=0.0)
    tc = lc.TrendClusterer(model, random_state=0)
    with pytest.warns(lc.LineageClustWarning, match="could be tested. .* as many degrees of freedom as cells"):
        tc.fit(cells)
    assert tc.gene_table_["pvalue"].isna().all()
    assert tc.n_clusters_ == 0
    assert ("Genes that change", "not tested", "too few cells") in summary(tc._result)


def test_sizes_count_too():
    genes = table([1e-9] * 4, explained=[0.5, 0.01, np.nan, 0.5], amplitude=[2, 2, 2, 0.1])
    assert Gate(0.01, 0.1).calibrated(genes).passes(genes).tolist() == [True, False, True, True]
    assert Gate(0.01, 0.1, 1.0).calibrated(genes).passes(genes).tolist() == [True, False, True, False]
    none = Gate(None, 0.9, 5.0)
    assert "min_deviance_explained=0.9 and min_range=5" in none.why_none(genes)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, None, None), "alpha"), ((True, None, None), "alpha"), ((np.nan, None, None), "alpha"),
        ((0.01, "a", None), "min_deviance_explained"), ((0.01, 1.5, None), "min_deviance_explained"),
        ((0.01, None, -1), "min_range"), ((0.01, None, np.inf), "min_range"),
    ],
)  # fmt: skip
def test_bounds_are_checked(arguments, named):
    bounds = SimpleNamespace(**dict(zip(GATE_CONSTRAINTS, arguments, strict=True)))
    with pytest.raises(ValueError, match=named):
        check_constraints(bounds, GATE_CONSTRAINTS)


def test_trends_that_change_little_are_left_out_and_stay_out_of_predict():
    adata = lc.datasets.simulate_lineage(400, 60, 3, random_state=0)
    plain = lc.TrendClusterer(lineage="lineage_1", random_state=0, clusterer=QUICK).fit(adata)
    bound = float(plain.gene_table_["amplitude"][plain.labels_ >= 0].median())
    gated = lc.TrendClusterer(lineage="lineage_1", random_state=0, min_range=bound, clusterer=QUICK).fit(adata)
    expected = (plain.gene_table_["qvalue"] < 0.01) & (plain.gene_table_["amplitude"] >= bound)
    np.testing.assert_array_equal(gated.labels_ >= 0, expected)
    np.testing.assert_array_equal(gated.predict(adata), gated.labels_)
    with pytest.warns(lc.LineageClustWarning, match="min_deviance_explained=0.99"):
        lc.TrendClusterer(lineage="lineage_1", min_deviance_explained=0.99, random_state=0, clusterer=QUICK).fit(adata)


def test_what_did_not_converge_never_passes():
    genes = table([1e-9, 1e-9, 0.5]).assign(converged=[True, False, True], note="")
    for alpha, passed in ((0.01, [True, False, False]), (None, [True, False, True])):
        gate = Gate(alpha).calibrated(genes)
        assert gate.passes(genes).tolist() == passed
    none = genes.assign(converged=False)
    assert not Gate(None).passes(none).any()
    assert "none of 3 fits converged" in Gate(None).why_none(none)


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
    monkeypatch.setattr("lineage_clust.results.gating.in_clusters_by_chance", lambda labels, *_: labels >= 0)
    tc = lc.TrendClusterer(
        lc.GAM(), clusterer=lc.GraphClusterer(min_cluster_size=3), lineage="lineage_1", random_state=0
    )
    tc.fit(with_a_false_discovery)
    assert tc.n_clusters_ == 1
    assert (tc.labels_[tc._result.grouped] < 0).any()
