"""Results as an AnnData of genes and points in pseudotime."""

import json

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest

from lineage_clust import TrendClusterer
from lineage_clust.io.results import default_key, h5ad_bytes
from lineage_clust.plotting.parts.colors import UNASSIGNED_COLOR, cluster_colors

from ..fits import QUICK
from .formats import ANY_TEXT, cases, formats, only_results, round_trip


def test_what_to_anndata_holds(fitted_with):
    _, tc = fitted_with()
    result = tc.to_anndata()
    assert result.shape == (11, 200)
    assert list(result.obs_names) == tc.genes_
    np.testing.assert_array_equal(result.X, tc.scaled_trends_)
    np.testing.assert_array_equal(result.layers["trends"], tc.trends_)
    np.testing.assert_array_equal(result.layers["se"], tc.trend_se_)
    np.testing.assert_array_equal(result.var["x_test"], tc.pseudotime_)
    assert set(result.var["lineage"]) == {"A"}
    assert result.obs["clusters"].dtype == "category"
    assert result.obs["clusters"].astype(int).tolist() == tc.labels_.tolist()
    for column in ("edf", "pvalue", "qvalue", "peak", "onset", "lambda"):
        np.testing.assert_array_equal(result.obs[column], tc.gene_table_[column])
    assert result.uns["lineage_clust"]["failed_genes"].tolist() == ["flat0"]


def test_to_anndata_is_a_copy(fitted_with):
    _, tc = fitted_with()
    result = tc.to_anndata()
    result.X[:], result.layers["trends"][:] = 0, 0
    result.obs["edf"] = 0.0
    assert tc.scaled_trends_.any()
    assert tc.trends_.any()
    assert tc.gene_table_["edf"].all()


def test_clusters_have_our_colours_where_scanpy_looks_for_them(fitted_with):
    adata, tc = fitted_with()
    result = tc.to_anndata()
    categories = list(result.obs["clusters"].cat.categories)
    assert categories == sorted(categories, key=int)
    expected = [UNASSIGNED_COLOR if name == "-1" else cluster_colors(tc.n_clusters_)[int(name)] for name in categories]
    assert list(result.uns["clusters_colors"]) == expected
    key = tc.write_to(adata)
    assert list(adata.var[f"{key}_cluster"].cat.categories) == [int(name) for name in categories]
    assert list(adata.uns[f"{key}_cluster_colors"]) == expected
    named = dict(
        zip(adata.var[f"{key}_cluster_name"].cat.categories, adata.uns[f"{key}_cluster_name_colors"], strict=True)
    )
    assert named == dict(zip(["unassigned", *tc.cluster_names_], expected, strict=True))
    assert dict(zip(result.obs["cluster_name"].cat.categories, result.uns["cluster_name_colors"], strict=True)) == named


def test_colours_that_a_user_chose_are_kept_while_the_clusters_are_as_many(fitted_with):
    adata, tc = fitted_with()
    key = tc.write_to(adata)
    mine = ["black", *["pink"] * tc.n_clusters_]
    adata.uns[f"{key}_cluster_colors"] = mine
    tc.write_to(adata)
    assert list(adata.uns[f"{key}_cluster_colors"]) == mine
    tc.cut(1).write_to(adata)
    assert list(adata.uns[f"{key}_cluster_colors"]) == [UNASSIGNED_COLOR, *cluster_colors(1)]


def test_the_provenance_is_enough_to_repeat_it(fitted_with):
    _, tc = fitted_with(n_points=50)
    stored = tc.to_anndata().uns["lineage_clust"]
    parameters = json.loads(stored["parameters"])
    assert parameters["n_points"] == 50
    assert parameters["smoother__n_splines"] == 20
    assert parameters["model__smoothing"] == "reml"
    assert stored["lineage"] == ["A"]
    assert isinstance(stored["version"], str)


@cases
@pytest.mark.slow
def test_an_anndata_survives_a_file(fitted_with, tmp_path, suffix, name):
    _, tc = fitted_with(name)
    result = tc.to_anndata()
    back = round_trip(result, tmp_path, suffix)
    np.testing.assert_array_equal(back.X, result.X)
    np.testing.assert_array_equal(back.layers["trends"], result.layers["trends"])
    assert set(back.var["lineage"]) == {name}
    assert list(back.uns["lineage_clust"]["lineage"]) == [name]
    pd.testing.assert_frame_equal(back.obs, result.obs, **ANY_TEXT)


def test_h5ad_in_memory_is_what_anndata_writes(fitted_with, tmp_path):
    adata = fitted_with()[1].to_anndata()
    (tmp_path / "memory.h5ad").write_bytes(h5ad_bytes(adata))
    adata.write_h5ad(tmp_path / "file.h5ad")
    found = []
    for name in ("memory", "file"):
        found.append({})
        with h5py.File(tmp_path / f"{name}.h5ad") as file:
            file.visititems(
                lambda key, part: found[-1].update({key: part[()] if isinstance(part, h5py.Dataset) else None})
            )
    assert list(found[0]) == list(found[1])
    for key, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][key], err_msg=key)
    assert list(ad.read_h5ad(tmp_path / "memory.h5ad").obs_names) == list(adata.obs_names)


@formats
@pytest.mark.slow
def test_several_lineages_with_odd_names_survive_a_file(make_adata, tmp_path, suffix):
    adata = make_adata(n_cells=150, n_genes=8)
    adata.obsm["palantir_fate_probabilities"].columns = ["Mono/Mac", "B"]
    tc = TrendClusterer(lineage=["Mono/Mac", "B"], clusterer=QUICK, random_state=0, alpha=None).fit(adata)
    back = round_trip(tc.to_anndata(), tmp_path, suffix)
    assert list(back.uns["lineage_clust"]["lineage"]) == ["Mono/Mac", "B"]
    np.testing.assert_array_equal(back.obs["pvalue_B"], tc.gene_table_["pvalue_B"])
    np.testing.assert_array_equal(back.obs["pvalue_Mono_Mac"], tc.gene_table_["pvalue_Mono/Mac"])
    key = tc.write_to(adata)
    assert key == default_key(["Mono/Mac", "B"])
    again = round_trip(only_results(adata), tmp_path, suffix)
    assert again.varm[key].shape == (8, 400)
