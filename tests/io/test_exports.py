"""Exports of a fitted TrendClusterer: gene lists and tables of trends."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsRegressor

import lineage_clust as lc

from ..fits import QUICK

LONG = ["gene", "lineage", "pseudotime", "trend", "lower", "upper", "scaled", "cluster"]


@pytest.fixture(scope="module")
def adata(make_adata):
    adata = make_adata(n_cells=150, n_genes=16, kind="dense")
    adata.X[0, adata.var_names.get_loc("flat0")] = np.nan
    return adata


@pytest.fixture(scope="module")
def tc(adata):
    return lc.TrendClusterer(lineage="A", n_points=40, clusterer=KMeans(3, random_state=0)).fit(adata)


@pytest.fixture(scope="module")
def joint(adata):
    fitter = lc.TrendClusterer(lineage=["A", "B"], n_points=40, clusterer=KMeans(3, random_state=0))
    return fitter.fit(adata)


# ---- lists of genes


def test_lists_agree_with_the_tables(tc):
    lists = tc.genes_by_cluster()
    assert list(lists) == list(tc.cluster_table_.index)
    for cluster, genes in lists.items():
        rows = tc.gene_table_.loc[genes]
        assert (rows["cluster"] == cluster).all()
        assert len(genes) == tc.cluster_table_.loc[cluster, "size"]
        most = rows["direction"].value_counts(normalize=True)
        astray = rows["direction"] != most.index[0] if most.iloc[0] >= 2 / 3 else np.zeros(len(rows), dtype=bool)
        assert list(astray) == sorted(astray)
        of_the_mean = rows["deviance_explained"] * rows["agreement"].clip(0) ** 2
        assert of_the_mean[~np.asarray(astray)].is_monotonic_decreasing
        assert tc.cluster_table_.loc[cluster, "top_genes"] == ", ".join(genes[:5])


def test_all_genes_are_in_one_list(tc):
    lists = tc.genes_by_cluster(unassigned=True)
    assert sorted(gene for genes in lists.values() for gene in genes) == sorted(tc.genes_)
    assert set(lists[-1]) == {gene for gene, label in zip(tc.genes_, tc.labels_, strict=True) if label < 0}


def test_lists_have_numbers_or_names_for_keys(joint, adata):
    tc = lc.TrendClusterer(lineage="A", n_points=40, alpha=None, random_state=0, clusterer=QUICK).fit(adata).cut(2)
    by_number, by_name = tc.genes_by_cluster(unassigned=True), tc.genes_by_cluster(unassigned=True, names=True)
    assert list(by_name.values()) == list(by_number.values())
    assert list(by_name)[: tc.n_clusters_] == tc.cluster_names_
    for lists, column in ((by_number, "cluster"), (by_name, "cluster_name")):  # one kind everywhere
        for key, genes in lists.items():
            assert set(tc.gene_table_.index[tc.gene_table_[column] == key]) == set(genes)
    assert list(joint.genes_by_cluster(unassigned=True, names=True))[-1] == "unassigned"


def test_gene_sets_are_named_by_lineage_and_cluster(tc, joint, adata, tmp_path):
    tc.write_gene_lists(tmp_path / "a.gmt")
    lines = (tmp_path / "a.gmt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["A_cluster_0", "A_cluster_1", "A_cluster_2"]
    assert [line.split("\t")[2:] for line in lines] == list(tc.genes_by_cluster().values())
    joint.write_gene_lists(tmp_path / "ab.csv", unassigned=True)
    assert set(pd.read_csv(tmp_path / "ab.csv")["gene_set"]) >= {"A_B_cluster_0", "A_B_unassigned"}


def test_a_trajectory_without_a_name_needs_none(adata, tmp_path):
    bare = adata.copy()
    del bare.obsm["palantir_fate_probabilities"]
    tc = lc.TrendClusterer(clusterer=KMeans(2, random_state=0), alpha=None).fit(bare)
    tc.write_gene_lists(tmp_path / "all.gmt")
    assert (tmp_path / "all.gmt").read_text().startswith("cluster_0\t")
    assert set(tc.to_frame()["lineage"]) == {""}


# ---- tables of trends


def test_the_long_table_has_a_row_for_each_gene_and_time(tc):
    frame = tc.to_frame()
    assert list(frame) == LONG
    assert len(frame) == len(tc.genes_) * 40
    for gene, rows in frame.groupby("gene"):
        at = tc.genes_.index(gene)
        np.testing.assert_array_equal(rows["pseudotime"], tc.pseudotime_)
        np.testing.assert_array_equal(rows["trend"], tc.trends_[at])
        np.testing.assert_array_equal(rows["scaled"], tc.scaled_trends_[at])
        assert set(rows["cluster"]) == {tc.labels_[at]}
        assert set(rows["lineage"]) == {"A"}
    assert frame["gene"].drop_duplicates().tolist() == tc.genes_


@pytest.mark.parametrize(
    "model", [lc.GAM(), lc.GAM("poisson"), lc.PyGAM(lam=1.0)], ids=["gaussian", "poisson", "pygam"]
)
@pytest.mark.filterwarnings("ignore:.*looks like counts")
@pytest.mark.first(1)
def test_intervals_are_those_of_the_single_trends(adata, model):
    tc = lc.TrendClusterer(model, lineage="A", layer="counts", n_points=20, alpha=None, clusterer=QUICK).fit(
        adata, genes=adata.var_names[:6]
    )
    frame, narrow = tc.to_frame(), tc.to_frame(level=0.5)
    for gene, rows in frame.groupby("gene"):
        expected = tc.models_[gene]["A"].to_frame()
        for column in ("pseudotime", "trend", "lower", "upper"):
            np.testing.assert_allclose(rows[column], expected[column], rtol=1e-10, atol=1e-12)
    assert (frame["lower"] < frame["trend"]).all()
    assert (narrow["upper"] - narrow["lower"] < frame["upper"] - frame["lower"]).all()


def test_intervals_of_genes_with_models_of_their_own(adata):
    models = {"peak0": KNeighborsRegressor(), "rise0": lc.GAM(smoothing=1.0), "*": lc.GAM()}
    with pytest.warns(lc.LineageClustWarning, match="sample weights"):
        tc = lc.TrendClusterer(models, lineage="A", n_points=20, alpha=None, clusterer=QUICK).fit(adata)
    frame = tc.to_frame().set_index("gene")
    assert frame.loc["peak0", ["lower", "upper"]].isna().all(axis=None)
    for gene in ("rise0", "fall1"):
        np.testing.assert_allclose(frame.loc[gene, "upper"], tc.models_[gene]["A"].conf_int[:, 1])


def test_several_lineages_stand_one_after_the_other(joint):
    frame = joint.to_frame()
    assert len(frame) == len(joint.genes_) * 80
    for name in ("A", "B"):
        rows = frame[(frame["gene"] == "rise1") & (frame["lineage"] == name)]
        expected = joint.models_["rise1"][name]
        np.testing.assert_allclose(rows["trend"], expected.y_test)
        np.testing.assert_allclose(rows[["lower", "upper"]], expected.conf_int)


@pytest.mark.parametrize("values", ["trend", "lower", "upper", "scaled"])
def test_the_wide_table_is_the_long_one_turned(tc, values):
    wide = tc.to_frame(wide=True, values=values)
    assert wide.index.name == "gene"
    assert wide.columns.name == "pseudotime"
    turned = tc.to_frame().pivot(index="gene", columns="pseudotime", values=values).loc[tc.genes_]
    np.testing.assert_array_equal(wide, turned)
    np.testing.assert_array_equal(wide.columns, tc.pseudotime_)


def test_wide_tables_of_several_lineages_name_them(joint):
    wide = joint.to_frame(wide=True)
    assert wide.columns.names == ["lineage", "pseudotime"]
    np.testing.assert_array_equal(wide["B"], joint.trends_[:, 40:])


def test_tables_are_copies(tc):
    wide = tc.to_frame(wide=True)
    wide.iloc[:] = 0
    tc.to_frame()["trend"] = 0
    assert tc.trends_.any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"values": "se"}, "'trend', 'lower'"), ({"level": 95}, "between 0 and 1"), ({"level": 0}, "between 0 and 1")],
)
def test_wrong_options_are_refused(tc, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        tc.to_frame(**options)


@pytest.mark.parametrize("method", ["genes_by_cluster", "to_frame"])
def test_what_is_not_fitted_has_nothing_to_give(method):
    with pytest.raises(NotFittedError):
        getattr(lc.TrendClusterer(), method)()
