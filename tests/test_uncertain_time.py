"""TrendClusterer with draws of pseudotime."""

import anndata
import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.report.methods import methods
from lineage_clust.results.result import result_of

from .fits import QUICK


@pytest.fixture(scope="module")
def adata():
    adata = lc.datasets.simulate_lineage(400, 25, 3, random_state=0)
    rng = np.random.default_rng(0)
    time = adata.obs["pseudotime"].to_numpy()[:, None]
    adata.obsm["draws"] = 10 * (time + 0.08 * rng.normal(size=(adata.n_obs, 4)))
    for number in range(3):
        adata.obs[f"draw_{number}"] = adata.obsm["draws"][:, number]
    adata.obs["donor"] = np.array(list("abcdef"))[rng.integers(0, 6, adata.n_obs)]
    return adata


@pytest.fixture(scope="module")
def fitted(adata):
    return lc.TrendClusterer(time_key=["draws"], random_state=0, clusterer=QUICK).fit(adata, lineage="lineage_1")


def test_trends_are_means_and_errors_are_wider(adata, fitted):
    assert fitted.pseudotime_[[0, -1]].tolist() == [0.0, 1.0]
    own = adata.obsm["draws"][adata.obsm["fate_probabilities"]["lineage_1"] >= 0.01]
    rescaled = (adata.obsm["draws"] - own.min(axis=0)) / np.ptp(own, axis=0)
    alone = []
    for times in rescaled.T:
        cells = adata.copy()
        cells.obs["time"] = times
        alone.append(
            lc.TrendClusterer(clusterer=QUICK, time_key="time", time_range=(0.0, 1.0), alpha=None).fit(
                cells, lineage="lineage_1"
            )
        )
    np.testing.assert_allclose(fitted.trends_, np.mean([one.trends_ for one in alone], axis=0), atol=1e-8)
    assert np.all(fitted.trend_se_ >= np.sqrt(np.mean([one.trend_se_**2 for one in alone], axis=0)) * (1 - 1e-9))
    assert fitted.gene_table_["attenuation"].between(0, 1).all()
    assert fitted.gene_table_["pvalue"].notna().all()
    assert fitted.gene_table_["peak_lower"].notna().any()


def test_equal_draws_are_one_pseudotime(adata):
    cells = adata.copy()
    time = cells.obs["pseudotime"].to_numpy()
    cells.obsm["equal"] = np.column_stack([time, 3 * time, time + 2])
    one, other = (
        lc.TrendClusterer(clusterer=QUICK, time_key=key, random_state=0).fit(cells, lineage="lineage_1")
        for key in ("pseudotime", ["equal"])
    )
    np.testing.assert_allclose(other.trends_, one.trends_, atol=1e-8)
    np.testing.assert_allclose(other.trend_se_, one.trend_se_, rtol=1e-6)
    np.testing.assert_allclose(other.gene_table_["pvalue"], one.gene_table_["pvalue"], rtol=1e-6)
    np.testing.assert_allclose(other.gene_table_["confidence"], one.gene_table_["confidence"])
    np.testing.assert_array_equal(other.labels_, one.labels_)
    assert (other.gene_table_["attenuation"] == 0).all()


def test_columns_are_draws_as_a_matrix_is(adata):
    adata = adata[:, :10].copy()
    adata.obsm["three"] = adata.obsm["draws"][:, :3]
    one, other = (
        lc.TrendClusterer(clusterer=QUICK, time_key=key, random_state=0).fit(adata, lineage="lineage_1")
        for key in (["draw_0", "draw_1", "draw_2"], ["three"])
    )
    np.testing.assert_array_equal(one.trends_, other.trends_)
    np.testing.assert_array_equal(one.labels_, other.labels_)


def test_a_saved_clusterer_reads_other_cells_alike(adata, fitted, tmp_path):
    fitted.save(tmp_path / "fit.lclust")
    again = lc.TrendClusterer.load(tmp_path / "fit.lclust")
    np.testing.assert_array_equal(again.trend_se_, fitted.trend_se_)
    np.testing.assert_array_equal(again.predict(adata), fitted.labels_)
    part = adata[adata.obs["pseudotime"] < 0.7]
    assert again.score(part) == fitted.score(part)
    assert again.models_[fitted.genes_[0]]["lineage_1"].conf_int.shape == (200, 2)


def test_the_methods_of_the_report_tell_of_draws(fitted):
    text, works = methods(result_of(fitted))
    assert "given as 4 draws" in text
    assert any("Rubin DB (1987)" in work for work in works)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:In some draws of pseudotime")
def test_a_file_gives_the_same(adata, fitted, tmp_path):
    adata = adata.copy()
    adata.obsm["draws"][::7, 1] = np.nan
    adata.obsm["draws"][1::5, 2] = np.nan
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    settings = {"time_key": ["draws"], "random_state": 0, "memory_budget": 50_000}
    genes = fitted.genes_[:8]
    found, expected = (
        lc.TrendClusterer(**settings, clusterer=QUICK, alpha=None).fit(cells, genes, "lineage_1")
        for cells in (backed, adata)
    )
    np.testing.assert_allclose(found.trends_, expected.trends_, atol=1e-6)
    np.testing.assert_allclose(found.trend_se_, expected.trend_se_, rtol=1e-3)
    backed.file.close()


@pytest.mark.slow
def test_lineages_are_joined_and_counts_and_donors_go_with_draws(adata):
    joint = lc.TrendClusterer(time_key=["draws"], random_state=0, clusterer=QUICK).fit(
        adata, lineage=["lineage_1", "lineage_2"]
    )
    assert {"attenuation_lineage_1", "attenuation_lineage_2"} <= set(joint.gene_table_)
    counts = lc.TrendClusterer(
        lc.GAM("negative_binomial"), layer="counts", time_key=["draw_0", "draw_1"], random_state=0, clusterer=QUICK
    )
    assert np.isfinite(counts.fit(adata, genes=adata.var_names[:4].tolist(), lineage="lineage_1").trend_se_).all()
    donors = lc.TrendClusterer(
        time_key=["draw_0", "draw_1"], sample_key="donor", alpha=None, random_state=0, clusterer=QUICK
    )
    donors.fit(adata, adata.var_names[:20].tolist(), "lineage_1")
    assert np.isfinite(donors.trend_se_).all()
    assert donors.gene_table_["pvalue"].notna().all()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"model": lc.PyGAM()}, "PyGAM cannot pool fits to draws"),
        (
            {"callback": lambda trend, **keywords: trend.prepare(**keywords)},
            "cannot be combined with draws of pseudotime",
        ),
        ({"time_key": ["draw_0", "draw_1"], "lineage": ["lineage_1", "lineage_2"]}, "not one pseudotime per lineage"),
        ({"time_key": ["draw_0"]}, "is one pseudotime"),
    ],
)
def test_what_cannot_go_with_draws_is_refused(adata, settings, message):
    with pytest.raises(ValueError, match=message):
        lc.TrendClusterer(**{"time_key": ["draws"], "lineage": "lineage_1", **settings}).fit(adata)
