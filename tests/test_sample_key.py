"""TrendClusterer with donors as replicates."""

import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.errors import UnknownNameError

from .fits import QUICK


@pytest.fixture(scope="module")
def adata():
    """Cells of six donors, who differ in half of the genes, flat ones among them."""
    adata = lc.datasets.simulate_lineage(600, 40, 3, n_lineages=1, random_state=0)
    rng = np.random.default_rng(0)
    donor = rng.integers(0, 6, adata.n_obs)
    time = adata.obs["pseudotime"].to_numpy()
    slopes = rng.normal(0, 1.0, (6, adata.n_vars)) * (np.arange(adata.n_vars) % 2)
    adata.X = np.asarray(adata.X.todense() if hasattr(adata.X, "todense") else adata.X) + slopes[donor] * time[:, None]
    adata.obs["donor"] = np.array(list("abcdef"))[donor]
    return adata


@pytest.fixture(scope="module")
def fitted(adata):
    return lc.TrendClusterer(clusterer=QUICK, sample_key="donor", random_state=0).fit(adata)


def test_donors_are_what_the_gate_sees(adata, fitted):
    alone = lc.TrendClusterer(clusterer=QUICK, random_state=0).fit(adata)
    differ = np.arange(adata.n_vars) % 2 == 1
    wider = fitted.trend_se_.mean(axis=1) / alone.trend_se_.mean(axis=1)
    assert np.median(wider[differ]) > 2
    assert np.median(wider[~differ]) < 1.5
    assert np.sum(fitted.labels_[differ] >= 0) < np.sum(alone.labels_[differ] >= 0)
    assert fitted.gene_table_["pvalue"].notna().all()


@pytest.mark.slow
def test_a_saved_clusterer_knows_its_donors(adata, fitted, tmp_path):
    fitted.save(tmp_path / "fit.lclust")
    again = lc.TrendClusterer.load(tmp_path / "fit.lclust")
    assert again.sample_key == "donor"
    np.testing.assert_array_equal(again.trend_se_, fitted.trend_se_)
    np.testing.assert_array_equal(again.predict(adata), fitted.labels_)
    rows = again.smoother_.transform(again.pseudotime_[:3, None])
    drawn, expected = (next(one.model_.sample(rows, random_state=0)) for one in (again, fitted))
    np.testing.assert_array_equal(drawn, expected)


def test_cells_of_one_donor_can_be_scored(adata, fitted):
    assert np.isfinite(fitted.score(adata[adata.obs["donor"] == "a"]))


@pytest.mark.slow
def test_a_file_gives_the_same(adata, fitted, tmp_path):
    anndata = pytest.importorskip("anndata")
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    found = lc.TrendClusterer(clusterer=QUICK, sample_key="donor", random_state=0, memory_budget=50_000).fit(backed)
    np.testing.assert_allclose(found.trends_, fitted.trends_, atol=1e-6)
    np.testing.assert_allclose(found.gene_table_["pvalue"], fitted.gene_table_["pvalue"], rtol=1e-3, atol=1e-12)
    backed.file.close()


@pytest.mark.slow
def test_counts_have_donors_too(adata):
    rng = np.random.default_rng(1)
    adata = adata[:, :24].copy()
    adata.layers["counts"] = rng.poisson(np.exp(np.clip(adata.X, -1, 3))).astype(float)
    model = lc.GAM("poisson")
    fitted = lc.TrendClusterer(
        model, clusterer=QUICK, layer="counts", sample_key="donor", offset=None, random_state=0
    ).fit(adata)
    alone = lc.TrendClusterer(model, clusterer=QUICK, layer="counts", offset=None, random_state=0).fit(adata)
    differ = np.arange(adata.n_vars) % 2 == 1
    wider = fitted.trend_se_.mean(axis=1) / alone.trend_se_.mean(axis=1)
    assert np.median(wider[differ]) > 1.5 * np.median(wider[~differ])
    assert fitted.gene_table_["pvalue"].notna().all()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"sample_key": "donors"}, UnknownNameError, "Did you mean 'donor'"),
        ({"sample_key": "donor", "model": lc.PyGAM()}, ValueError, "does not support donors as replicates"),
        (
            {"sample_key": "donor", "callback": lambda trend, **kwargs: trend},
            ValueError,
            "cannot be combined with sample_key",
        ),
    ],
)
def test_what_cannot_go_with_donors_is_refused(adata, settings, error, message):
    with pytest.raises(error, match=message):
        lc.TrendClusterer(**settings).fit(adata)


@pytest.fixture(scope="module")
def robust(adata):
    """A fit with the cluster-robust covariance, and the settings of other fits like it."""
    settings = {"model": lc.GAM(covariance="cluster"), "clusterer": QUICK, "sample_key": "donor", "random_state": 0}
    return lc.TrendClusterer(**settings).fit(adata), settings


def test_the_cluster_robust_covariance_sees_donors_too(adata, fitted, robust):
    alone = lc.TrendClusterer(clusterer=QUICK, random_state=0).fit(adata)
    np.testing.assert_allclose(robust[0].trends_, alone.trends_, rtol=1e-8)
    differ = np.arange(adata.n_vars) % 2 == 1
    wider = robust[0].trend_se_.mean(axis=1) / alone.trend_se_.mean(axis=1)
    assert np.median(wider[differ]) > 2
    assert np.sum(robust[0].labels_[differ] >= 0) < np.sum(alone.labels_[differ] >= 0)
    assert robust[0].gene_table_["pvalue"].notna().all()
    gene = robust[0].genes_[0]
    trend = next(iter(robust[0].models_[gene].values()))
    half = np.diff(trend.confidence_interval(), axis=1)[:, 0] / 2
    np.testing.assert_allclose(half, 1.96 * robust[0].trend_se_[0], rtol=1e-3)
    assert robust[0].cut(n_clusters=2).n_clusters_ == 2


def test_the_cluster_robust_covariance_is_saved_and_applied_to_other_genes(adata, robust, tmp_path):
    fitted, settings = robust
    fitted.save(tmp_path / "fit.lclust")
    again = lc.TrendClusterer.load(tmp_path / "fit.lclust")
    assert again.model.covariance == "cluster"
    np.testing.assert_array_equal(again.trend_se_, fitted.trend_se_)
    rows = again.smoother_.transform(again.pseudotime_[:3, None])
    for one, other in zip(again.model_.predict(rows, True), fitted.model_.predict(rows, True), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again.predict(adata), fitted.labels_)
    few = lc.TrendClusterer(**settings, genes=list(adata.var_names[:3]), alpha=None).fit(adata)
    np.testing.assert_allclose(few.gene_table_["pvalue"], fitted.gene_table_["pvalue"][:3], rtol=1e-6)


@pytest.mark.parametrize("form", ["file", "dask"])
def test_the_cluster_robust_covariance_is_that_of_blocks(adata, robust, form, tmp_path):
    fitted, settings = robust
    if form == "dask":
        array = pytest.importorskip("dask.array")
        stored = adata.copy()
        stored.X = array.from_array(np.asarray(adata.X), chunks=(100, adata.n_vars))
    else:
        adata.write_h5ad(tmp_path / "cells.h5ad")
        stored = pytest.importorskip("anndata").read_h5ad(tmp_path / "cells.h5ad", backed="r")
    found = lc.TrendClusterer(**settings, memory_budget=50_000).fit(stored)
    np.testing.assert_allclose(found.trend_se_, fitted.trend_se_, rtol=1e-4)
    np.testing.assert_allclose(found.gene_table_["pvalue"], fitted.gene_table_["pvalue"], rtol=1e-4)
    if form == "file":
        stored.file.close()


@pytest.mark.slow
def test_covariances_are_searched_and_draws_of_time_pooled(adata, robust):
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(
        lc.TrendClusterer(**robust[1]), {"model__covariance": ["robust", "cluster"]}, cv=lc.PseudotimeKFold(2)
    ).fit(adata)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    adata = adata.copy()
    adata.obs["again"] = adata.obs["pseudotime"] ** 1.02
    pooled = lc.TrendClusterer(**robust[1], time_key=["pseudotime", "again"]).fit(adata)
    assert np.all(pooled.trend_se_.mean(axis=1) > 0.8 * robust[0].trend_se_.mean(axis=1))


def test_the_cluster_robust_covariance_needs_donors(adata):
    with pytest.raises(ValueError, match="sample_key to TrendClusterer"):
        lc.TrendClusterer(lc.GAM(covariance="cluster")).fit(adata)
