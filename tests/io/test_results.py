import re
import warnings
from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust import TrendClusterer
from lineage_clust.io.results import default_key, distinct_key, safe_key

from ..fits import QUICK
from .formats import cases, formats, only_results, round_trip


@pytest.mark.parametrize(
    ("name", "key"), [("Ery", "Ery"), ("a/b\\c\0d", "a_b_c_d"), ("..", "__"), (".", "_"), ("", "_"), (7, "7")]
)
def test_safe_keys(name, key):
    assert safe_key(name) == key or re.fullmatch(f"{key}_[0-9a-f]{{6}}", safe_key(name))


def test_other_names_have_other_keys_that_files_can_be_called():
    names = [
        "a/b",
        "a_b",
        "a\\b",
        "a\0b",
        "..",
        "__",
        ".",
        "_",
        "",
        "x" * 300,
        "x" * 301,
        "\u00e9" * 200,
        "\u00e9" * 201,
    ]
    keys = [distinct_key(name) for name in names]
    assert len(set(keys)) == len(names)
    assert max(len(key.encode()) for key in keys) < 160
    assert keys[1] == "a_b"


@pytest.mark.parametrize(
    ("lineage", "key"),
    [("Ery", "trends_Ery"), (None, "trends"), (["A", "B/C"], "trends_A_B_C"), ("Mono/Mac", "trends_Mono_Mac")],
)
def test_default_keys_name_the_lineage(lineage, key):
    assert default_key(lineage) == key


@cases
@pytest.mark.slow
def test_what_is_written_survives_a_file(fitted_with, tmp_path, suffix, name):
    adata, tc = fitted_with(name)
    key = tc.write_to(adata)
    assert key == default_key(name)
    back = round_trip(only_results(adata), tmp_path, suffix)
    failed = back.var_names == "flat0"
    rows = back.var_names.get_indexer(tc.genes_)
    np.testing.assert_array_equal(back.varm[key][rows], tc.trends_)
    np.testing.assert_array_equal(back.varm[f"{key}_se"][rows], tc.trend_se_)
    assert np.isnan(back.varm[key][failed]).all()
    np.testing.assert_array_equal(back.var[f"{key}_qvalue"].to_numpy()[rows], tc.gene_table_["qvalue"])
    assert np.isnan(back.var[f"{key}_qvalue"][failed]).all()
    assert back.var[f"{key}_cluster"].isna().tolist() == failed.tolist()
    assert back.var[f"{key}_cluster"].iloc[rows].astype(int).tolist() == tc.labels_.tolist()
    np.testing.assert_array_equal(back.uns[key]["pseudotime"], tc.pseudotime_)
    assert list(back.uns[key]["lineage"]) == [name]
    assert list(back.uns[key]["failed_genes"]) == ["flat0"]
    assert set(back.uns[key]["grid_lineage"]) == {name}


def test_numbers_and_names_select_the_same_genes_as_in_memory(fitted_with, tmp_path):
    adata, tc = fitted_with()
    cut = tc.cut(2)
    key = cut.write_to(adata, "cut")
    back = round_trip(only_results(adata), tmp_path, "h5ad")
    for cells in (adata, back):
        for labels, lists in (
            (cells.var[f"{key}_cluster"], cut.genes_by_cluster()),
            (cells.var[f"{key}_cluster_name"], cut.genes_by_cluster(names=True)),
        ):
            for cluster, genes in lists.items():
                assert set(cells[:, labels == cluster].var_names) == set(genes) != set()


def test_scores_of_the_cells_are_written_under_the_names_of_the_clusters(fitted_with):
    adata, tc = fitted_with()
    cut = tc.cut(2)
    key = cut.write_to(adata)
    for name, scores in zip(cut.cluster_names_, cut.transform(adata).T, strict=True):
        np.testing.assert_array_equal(adata.obs[f"{key}_score_{name}"], scores)
    before = [name for name in adata.obs if "_score_" not in name]
    adata.obs[f"{key}_score_mine"] = 1.0
    tc.write_to(adata)
    written = [f"{key}_score_{name}" for name in tc.cluster_names_]
    assert list(adata.obs) == [*before, f"{key}_score_mine", *written]
    tc.write_to(adata, scores=False)
    assert list(adata.obs) == [*before, f"{key}_score_mine"]


def test_scores_that_cannot_be_computed_are_left_out_unless_asked_for(fitted_with, caplog):
    adata, tc = fitted_with()
    other = adata[:, :3].copy()
    before, written = list(other.obs), other.var.copy()
    with pytest.raises(ValueError, match="of the .* clustered genes are not in adata"):
        tc.write_to(other, scores=True)
    pd.testing.assert_frame_equal(other.var, written)
    with caplog.at_level("INFO", "lineage_clust"):
        tc.write_to(other)
    assert list(other.obs) == before
    assert any("No module scores are written: " in record.getMessage() for record in caplog.records)
    with pytest.raises(TypeError, match="scores must be True or False"):
        tc.write_to(adata, scores="no")


class Lineage(np.ndarray):
    """A class of arrays that anndata cannot write, as CellRank's, with the names of its columns."""

    names = ["A", "other"]


def test_a_live_lineage_is_named_with_what_to_do(fitted_with, tmp_path):
    adata, tc = fitted_with()
    adata.obsm["lineages_fwd"] = adata.obsm.pop("palantir_fate_probabilities").to_numpy().view(Lineage)
    with pytest.warns(
        lc.LineageClustWarning, match="live Lineage object, which AnnData files do not support"
    ) as caught:
        tc.write_to(adata)
    assert caught[0].filename == __file__
    advice = re.search(r"for instance by (.*)\.$", str(caught[0].message))[1]
    exec(advice, {"adata": adata, "np": np, "pd": pd})  # what the sentence says works
    tc.write_to(adata)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    assert list(ad.read_h5ad(tmp_path / "cells.h5ad").obsm["lineages_fwd"].columns) == Lineage.names


def test_results_of_two_lineages_stand_side_by_side(fitted_with):
    adata, tc = fitted_with()
    other = TrendClusterer(lineage="other", clusterer=QUICK, random_state=0, alpha=None).fit(adata)
    assert tc.write_to(adata) != other.write_to(adata)
    assert {"trends_A", "trends_other"} <= set(adata.varm)


def test_a_key_of_one_s_own_is_made_safe(fitted_with):
    adata, tc = fitted_with()
    assert tc.write_to(adata, key="mine/new") == safe_key("mine/new")
    assert safe_key("mine/new") in adata.varm


@formats
@pytest.mark.slow
def test_every_column_of_the_gene_table_is_written(fitted_with, tmp_path, suffix):
    adata, tc = fitted_with()
    table = tc.gene_table_.assign(direction="up", shown=True, count=2, missing=[None, *["x"] * 10])
    tc._result = replace(tc._result, made={"tables": (table, tc.cluster_table_)})
    key = tc.write_to(adata)
    back = round_trip(only_results(adata), tmp_path, suffix)
    for column in tc.gene_table_.drop(columns="cluster"):
        written, expected = back.var[f"{key}_{column}"], tc.gene_table_[column]
        assert written.dtype == "category" or pd.api.types.is_numeric_dtype(written)  # bool counts as numeric
        assert written["flat0"] is pd.NA or pd.isna(written["flat0"])
        rows = written.loc[tc.genes_]
        if written.dtype == "category":
            given = expected.astype(object).where(expected.notna(), None)  # pandas 3 makes NaN of None
            assert rows.astype(object).where(rows.notna(), None).tolist() == given.tolist()
        else:
            np.testing.assert_allclose(rows.astype(float), expected.astype(float))


def test_what_an_earlier_fit_left_is_removed(fitted_with):
    adata, tc = fitted_with()
    made = {"tables": (tc.gene_table_.assign(extra=1.0), tc.cluster_table_)}
    tc._result = replace(tc._result, made=made)
    key = tc.write_to(adata)
    adata.var[f"{key}_mine"] = 1
    del tc.gene_table_["extra"]
    tc._result = replace(tc._result, trends=replace(tc._result.trends, se=None), made=tc._result.made)
    assert tc.write_to(adata) == key
    assert f"{key}_extra" not in adata.var
    assert f"{key}_mine" in adata.var  # somebody else's
    assert f"{key}_se" not in adata.varm


def test_writing_into_a_view(fitted_with):
    adata, tc = fitted_with()
    view = adata[:50]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the view becomes a copy
        key = tc.write_to(view)
        tc.write_to(view)
    assert view.varm[key].shape == (12, 200)
    assert key not in adata.varm


def test_writing_twice_replaces(fitted_with):
    adata, tc = fitted_with()
    tc.write_to(adata)
    columns = list(adata.var)
    tc.write_to(adata)
    assert list(adata.var) == columns


def test_writing_into_other_cells_with_other_genes(fitted_with):
    adata, tc = fitted_with()
    other = adata[:40, ["rise0", "flat0", "peak1"]].copy()
    other.var_names = ["rise0", "flat0", "unknown"]
    key = tc.write_to(other)
    np.testing.assert_array_equal(other.varm[key][0], tc.trends_[tc.genes_.index("rise0")])
    assert np.isnan(other.varm[key][1:]).all()
    assert other.var[f"{key}_cluster"].isna().tolist() == [False, True, True]


def test_trends_without_errors_are_written_without(fitted_with):
    adata, tc = fitted_with()
    assert "se" in tc.to_anndata().layers
    tc._result = replace(tc._result, lineage=None, trends=replace(tc._result.trends, se=None))
    assert set(tc.to_anndata().layers) - {None} == {"trends"}  # the name that anndata 0.13 gives X
    adata = ad.AnnData(adata.X, var=adata.var[[]])
    assert tc.write_to(adata) == "trends"
    assert list(adata.varm) == ["trends"]
    assert adata.uns["trends"]["lineage"] == [""]


@pytest.mark.parametrize("key", [["a"], {"a": 1}])
def test_a_key_is_one_name(fitted_with, key):
    adata, fitted = fitted_with()
    with pytest.raises(TypeError, match="key must be one name"):
        fitted.write_to(adata, key)


def test_entries_that_write_to_did_not_write_are_named_when_they_are_replaced(fitted_with, tmp_path):
    adata, tc = fitted_with()
    key = tc.write_to(adata.copy())
    adata.obs[f"{key}_score_0"] = 7.0
    adata.uns[key] = "mine"
    with pytest.warns(UserWarning, match=rf"replaces obs\['{key}_score_0'\], uns\['{key}'\], which it did not write"):
        tc.write_to(adata)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    again = ad.read_h5ad(tmp_path / "cells.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tc.write_to(again)  # its own, also from a file
        tc.cut(n_clusters=1).write_to(again)


@pytest.mark.parametrize("stored", [{"lineage": None}, {"lineage": 3, "version": "x"}])
@pytest.mark.first(1)
def test_odd_entries_of_others_do_not_stop_it(fitted_with, stored):
    adata, tc = fitted_with()
    key = tc.write_to(adata.copy())
    adata.uns[key], adata.uns[f"{key}_cluster_colors"] = stored, 5
    adata.var[f"{key}_cluster"] = 1
    assert tc.write_to(adata).startswith(key)


def test_genes_that_are_repeated_or_all_missing_are_an_error(fitted_with):
    adata, tc = fitted_with()
    repeated, renamed = adata.copy(), adata.copy()
    repeated.var_names = ["g"] * adata.n_vars
    renamed.var_names = [f"ENS{number}" for number in range(adata.n_vars)]
    with pytest.raises(ValueError, match="'g' more than once.*var_names_make_unique"):
        tc.write_to(repeated)
    with pytest.raises(ValueError, match="none of the .* genes that were fitted.*ENS0"):
        tc.write_to(renamed)
