"""`cluster_lineage` and drivers equal CellRank's."""

import warnings
from contextlib import nullcontext

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.svm import SVR

import lineage_clust as lc
from lineage_clust import LineageClustWarning, cluster_lineage

from .runs import SILENT, pygam


def cellrank_data(data_dir):
    reference = np.load(data_dir / "cellrank" / "cellrank_2.0.7_reference.npz")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a file of an old anndata
        adata = ad.read_h5ad(data_dir / "cellrank" / "adata_100.h5ad")
    np.testing.assert_array_equal(adata.obs_names, reference["cflare_obs_names"])
    adata.obsm["lineages_fwd"] = reference["cflare_fate"]
    adata.uns["lineages_fwd_names"] = [str(name) for name in reference["cflare_names"]]
    return adata, reference


@pytest.mark.parametrize("lineage", ["0", pytest.param("1", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "model", "smoother", "tolerance"),
    [
        ("svr", lambda: SVR(kernel="rbf"), "passthrough", 1e-4),
        ("gamnorm", lambda: pygam("normal", "identity"), lc.BSplineSmoother(6), 1e-2),
        ("gam", lambda: pygam("gamma", "log"), lc.BSplineSmoother(6), 5e-2),
    ],
)
@pytest.mark.first(2)
def test_trends_equal_cellranks(data_dir, lineage, name, model, smoother, tolerance):
    adata, reference = cellrank_data(data_dir)
    stem = f"cflare_{name}_{lineage}"
    genes = [str(gene) for gene in reference[f"{stem}_genes"]]
    zeros = pytest.warns(
        LineageClustWarning, match="genes contain zeros, which have no likelihood under family 'gamma'"
    )
    with zeros if name == "gam" else nullcontext():
        cluster_lineage(adata, model(), genes, lineage, smoother=smoother, **SILENT)
    result = adata.uns[f"lineage_{lineage}_trend"]
    assert list(result.obs_names) == genes
    assert result.obs["converged"].all()
    np.testing.assert_allclose(result.var["x_test"], reference[f"{stem}_x_test"], rtol=1e-12)
    np.testing.assert_allclose(result.X, reference[f"{stem}_trendsZ"], atol=tolerance)


def test_drivers_equal_cellranks_up_to_its_known_factor(data_dir):
    adata, reference = cellrank_data(data_dir)
    drivers = lc.lineage_drivers(adata)
    stored = pd.DataFrame(
        reference["cflare_drivers"], index=reference["cflare_drivers_genes"], columns=reference["cflare_drivers_cols"]
    )
    assert list(drivers.columns) == list(stored.columns)
    drivers = drivers.loc[stored.index]
    for lineage in "01":
        np.testing.assert_allclose(drivers[f"{lineage}_corr"] * 100 / 99, stored[f"{lineage}_corr"], atol=1e-5)
        ours, theirs = (np.log10(table[f"{lineage}_pval"].astype(float)) for table in (drivers, stored))
        assert np.abs(ours - theirs).median() < 0.05
