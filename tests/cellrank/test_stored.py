"""Stored results of `cluster_lineage`, and when they are recomputed."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust import GAM, LineageClustWarning

from .runs import ANY_TEXT, GENES, run


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"genes": GENES[:8]}, "genes"),
        ({"model": GAM(smoothing=3.0)}, "model"),
        ({"smoother": lc.BSplineSmoother(8)}, "smoother"),
        ({"time_key": "other_time"}, "time_key"),
        ({"time_range": 0.7}, "time_range"),
        ({"n_points": 50}, "n_points"),
        ({"norm": False}, "scale"),
        ({"random_state": 1}, "clusterer"),
        ({"weight_threshold": 0.05}, "weight_threshold"),
        ({"callback": lambda trend, **kwargs: trend.prepare(**kwargs)}, "callback"),
        ({"clustering_kwargs": {"resolution": 2.0}}, "clusterer"),
    ],
)
@pytest.mark.slow
def test_a_stored_result_of_another_question_is_recomputed(adata, change, named):
    adata.obs["other_time"] = adata.obs["palantir_pseudotime"] ** 2
    run(adata)
    before = adata.uns["lineage_Ery_trend"]
    run(adata)
    assert adata.uns["lineage_Ery_trend"] is before
    change = dict(change)
    with pytest.warns(LineageClustWarning, match=named):
        run(adata, change.pop("genes", GENES), **change)
    assert adata.uns["lineage_Ery_trend"] is not before


@pytest.mark.slow
def test_other_data_under_the_same_names_is_recomputed(adata):
    run(adata)
    adata.X = adata.X * 2
    with pytest.warns(LineageClustWarning, match="expression"):
        run(adata)


def test_recompute_says_nothing(adata):
    run(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(adata, n_points=50, recompute=True)
    assert adata.uns["lineage_Ery_trend"].n_vars == 50


@pytest.mark.slow
def test_a_foreign_result_under_the_key_is_recomputed(adata):
    adata.uns["mine"] = ad.AnnData(np.zeros((2, 2)))
    with pytest.warns(LineageClustWarning, match="not written by"):
        run(adata, key="mine")


@pytest.mark.slow
def test_lineage_names_with_a_slash(adata, tmp_path):
    fates = adata.obsm["palantir_fate_probabilities"]
    adata.obsm["palantir_fate_probabilities"] = fates.rename(columns={"Ery": "Ery/Meg"})
    run(adata, lineage="Ery/Meg")
    result = adata.uns["lineage_Ery_Meg_trend"]
    assert result.uns["lineage_clust"]["lineage"] == ["Ery/Meg"]


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
@pytest.mark.slow
def test_the_result_survives_files(adata, tmp_path, kind):
    if kind == "zarr":
        pytest.importorskip("zarr")
    run(adata)
    before = adata.uns["lineage_Ery_trend"].copy()
    getattr(adata, f"write_{kind}")(tmp_path / f"cells.{kind}")
    back = getattr(ad, f"read_{kind}")(tmp_path / f"cells.{kind}")
    result = back.uns["lineage_Ery_trend"]
    np.testing.assert_array_equal(result.X, before.X)
    pd.testing.assert_frame_equal(result.obs, before.obs, **ANY_TEXT)
    pd.testing.assert_frame_equal(result.var, before.var, **ANY_TEXT)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LineageClustWarning)
        run(back)  # still the answer to the same question
    assert back.uns["lineage_Ery_trend"] is result


@pytest.mark.slow
def test_a_view_gets_its_own_result(adata):
    view = adata[: adata.n_obs - 100]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(view)
    assert "lineage_Ery_trend" in view.uns
    assert "lineage_Ery_trend" not in adata.uns
