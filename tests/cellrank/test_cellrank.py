"""`cluster_lineage`: signature and results of CellRank's function, except where those are wrong."""

import inspect

import anndata as ad
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.svm import SVR

import lineage_clust as lc
from lineage_clust import GAM, FailedTrend, GeneTrend, LineageClustWarning, UnknownNameError, cluster_lineage

from .runs import GENES, SILENT, pygam, run


def test_signature_is_the_seeds():
    parameters = inspect.signature(cluster_lineage).parameters
    seed = (
        "adata model genes lineage backward time_range clusters n_points time_key covariate_key ratio cmap norm recompute "
        "callback ncols sharey key random_state use_leiden show_progress_bar n_jobs backend figsize dpi save pca_kwargs "
        "neighbors_kwargs clustering_kwargs return_models"
    ).split()
    assert list(parameters) == [*seed, "smoother", "kwargs"]
    defaults = {name: parameters[name].default for name in seed[4:]}
    expected = {
        "backward": False, "time_range": None, "clusters": None, "n_points": 200, "time_key": "latent_time",
        "covariate_key": None, "ratio": 0.05, "cmap": "viridis", "norm": True, "recompute": False, "callback": None,
        "ncols": 3, "sharey": False, "key": None, "random_state": None, "use_leiden": False, "show_progress_bar": True,
        "n_jobs": 1, "backend": "loky", "figsize": None, "dpi": None, "save": None,
        "pca_kwargs": {"svd_solver": "arpack"}, "neighbors_kwargs": {"use_rep": "X"}, "clustering_kwargs": {},
        "return_models": False,
    }  # fmt: skip
    assert {name: dict(v) if "kwargs" in name else v for name, v in defaults.items()} == expected


def test_result(adata):
    assert run(adata) is None
    result = adata.uns["lineage_Ery_trend"]
    assert result.shape == (len(GENES), 200)
    assert list(result.obs_names) == GENES
    assert isinstance(result.obs["clusters"].dtype, pd.CategoricalDtype)
    np.testing.assert_allclose(result.X.mean(axis=1), 0, atol=1e-10)
    np.testing.assert_allclose(result.X.std(axis=1), 1, atol=1e-10)
    assert {"trends", "se"} <= set(result.layers)
    assert result.var["x_test"].is_monotonic_increasing


def test_a_seed_decides_all_that_is_by_chance(adata):
    run(adata)
    first = adata.uns["lineage_Ery_trend"].obs
    run(adata, recompute=True)
    pd.testing.assert_frame_equal(adata.uns["lineage_Ery_trend"].obs, first)


@pytest.mark.slow
def test_without_norm_x_holds_the_trends(adata):
    run(adata, norm=False)
    result = adata.uns["lineage_Ery_trend"]
    np.testing.assert_array_equal(result.X, result.layers["trends"])


@pytest.mark.slow
def test_adata_as_keyword(adata):
    cluster_lineage(adata=adata, model=GAM(), genes=GENES, lineage="Ery", time_key="palantir_pseudotime", **SILENT)
    assert "lineage_Ery_trend" in adata.uns


@pytest.mark.parametrize("n_genes", [1, 2, 3])
@pytest.mark.slow
def test_few_genes(adata, n_genes):
    run(adata, GENES[:n_genes])
    assert adata.uns["lineage_Ery_trend"].n_obs == n_genes


class Broken(SVR):
    """Fails where it is told to."""

    def __init__(self, where="fit"):
        super().__init__()
        self.where = where

    def fit(self, X, y, sample_weight=None):
        if self.where == "fit":
            raise RuntimeError("no luck")
        return super().fit(X, y, sample_weight)

    def predict(self, X):
        if self.where == "predict":
            raise RuntimeError("no luck either")
        return np.full(len(X), np.nan) if self.where == "nan" else super().predict(X)


@pytest.mark.parametrize(
    "where", ["fit", *(pytest.param(where, marks=pytest.mark.slow) for where in ("predict", "nan"))]
)
def test_a_failing_first_gene_costs_that_gene_only(adata, where):
    models, genes = {GENES[0]: Broken(where), "*": SVR()}, GENES[:5]
    trends = run(adata, genes, model=models, smoother="passthrough", return_models=True)
    result = adata.uns["lineage_Ery_trend"]
    assert list(result.obs_names) == genes[1:]
    assert np.isfinite(result.X).all()
    assert np.isfinite(result.var["x_test"]).all()
    assert list(trends) == genes
    assert not trends[GENES[0]]["Ery"]
    assert isinstance(trends[GENES[0]]["Ery"], FailedTrend)
    assert all(isinstance(trends[gene]["Ery"], GeneTrend) for gene in genes[1:])
    assert models.keys() == {GENES[0], "*"}
    run(adata, genes, model=models, smoother="passthrough", recompute=True)  # the mapping works a second time


@pytest.mark.slow
def test_returned_trends_hold_their_cells(adata):
    trend = run(adata, return_models=True)["Klf1"]["Ery"]
    assert len(trend.x) == len(trend.y) == len(trend.w) > 600
    assert len(trend.x_all) == adata.n_obs
    stored = adata.uns["lineage_Ery_trend"]
    np.testing.assert_allclose(trend.y_test, stored["Klf1"].layers["trends"].ravel())
    np.testing.assert_array_equal(trend.x_test, stored.var["x_test"])


@pytest.mark.slow
def test_ties_in_pseudotime_are_kept(adata):
    adata.obs["palantir_pseudotime"] = adata.obs["palantir_pseudotime"].round(2)
    trend = run(adata, return_models=True, time_range=(0.0, 1.0))["Klf1"]["Ery"]
    assert len(np.unique(trend.x)) < 102
    assert len(trend.x) == adata.n_obs


@pytest.mark.slow
def test_constant_weights_take_the_whole_range_and_obey_the_users(adata):
    adata.obsm["lineages_fwd"] = pd.DataFrame({"all": np.ones(adata.n_obs)}, index=adata.obs_names)
    adata.obs["scaled_time"] = 10 + 5 * adata.obs["palantir_pseudotime"]
    run(adata, lineage="all", time_key="scaled_time")
    assert adata.uns["lineage_all_trend"].var["x_test"].iloc[-1] == adata.obs["scaled_time"].max()
    run(adata, lineage="all", time_key="scaled_time", time_range=12.5, recompute=True)
    assert adata.uns["lineage_all_trend"].var["x_test"].iloc[-1] == 12.5


def test_a_collapsing_range_is_warned_of(adata):
    falling = 1 - 0.9 * adata.obs["palantir_pseudotime"]
    adata.obsm["lineages_fwd"] = pd.DataFrame({"early": falling}, index=adata.obs_names)
    with pytest.warns(LineageClustWarning, match="early"):
        run(adata, lineage="early")
    assert np.ptp(adata.uns["lineage_early_trend"].var["x_test"]) > 0.1


@pytest.mark.parametrize("n_points", [2, 5, 19])
@pytest.mark.slow
def test_few_points(adata, n_points):
    run(adata, n_points=n_points)
    assert adata.uns["lineage_Ery_trend"].n_vars == n_points


@pytest.mark.slow
def test_keyword_mappings_are_merged_over_the_defaults(adata):
    run(adata, neighbors_kwargs={"n_neighbors": 5}, use_leiden=True)
    merged = adata.uns["lineage_Ery_trend"].obs["clusters"].astype(str).tolist()
    run(adata, neighbors_kwargs={"n_neighbors": 5, "use_rep": "X"}, use_leiden=True, recompute=True)
    assert adata.uns["lineage_Ery_trend"].obs["clusters"].astype(str).tolist() == merged


@pytest.mark.parametrize(
    "kwargs",
    [
        {"neighbors_kwargs": {"n_neighbours": 5}},
        {"pca_kwargs": {"n_component": 5}},
        {"clustering_kwargs": {"key_added": "x"}},
        {"weight_treshold": 0.1},
    ],
)
@pytest.mark.first(2)
def test_unknown_keywords_are_refused_with_the_known_ones(adata, kwargs):
    with pytest.raises(TypeError, match="unknown"):
        run(adata, **kwargs)


@pytest.mark.slow
def test_pca_and_weights_reach_the_graph(adata):
    for kwargs in (
        {"neighbors_kwargs": {"use_rep": "X_pca"}, "pca_kwargs": {"n_comps": 4}},
        {"neighbors_kwargs": {"n_pcs": 3, "metric": "cosine", "method": "gauss"}},
        {"clustering_kwargs": {"flavor": "leidenalg", "n_iterations": -1}, "use_leiden": True},
    ):
        run(adata, recompute=True, **kwargs)
        assert adata.uns["lineage_Ery_trend"].obs["clusters"].notna().all()


@pytest.mark.slow
def test_gene_symbols(adata):
    adata.var["symbol"] = [f"{gene}:gs" for gene in adata.var_names]
    symbols = [f"{gene}:gs" for gene in GENES]
    trends = run(
        adata, symbols, gene_symbols="symbol", model={symbols[0]: GAM(smoothing=1.0), "*": GAM()}, return_models=True
    )
    assert list(adata.uns["lineage_Ery_trend"].obs_names) == symbols
    assert list(trends) == symbols
    assert adata.uns["lineage_Ery_trend"].obs["gene_ids"].tolist() == GENES
    by_id = run(
        adata, GENES, gene_symbols="symbol", model={GENES[0]: GAM(smoothing=1.0), "*": GAM()}, return_models=True
    )
    assert list(by_id) == symbols
    np.testing.assert_array_equal(by_id[symbols[0]]["Ery"].y_test, trends[symbols[0]]["Ery"].y_test)
    with pytest.raises(UnknownNameError, match=r"var\['symbol'\]"):
        run(adata, ["Klf2"], gene_symbols="symbol")


@pytest.mark.filterwarnings("ignore:.*looks like counts")
def test_data_key_and_raw(adata):
    adata.raw = adata.copy()
    run(adata, GENES[:3], data_key="counts", key="counts")
    run(adata, GENES[:3], key="x")
    run(adata, GENES[:3], use_raw=True, key="raw")
    np.testing.assert_array_equal(adata.uns["raw"].X, adata.uns["x"].X)
    assert not np.allclose(adata.uns["counts"].layers["trends"], adata.uns["x"].layers["trends"])


@pytest.mark.slow
def test_time_range_in_either_order(adata):
    run(adata, time_range=(0.6, 0.1))
    x_test = adata.uns["lineage_Ery_trend"].var["x_test"]
    assert (x_test.iloc[0], x_test.iloc[-1]) == (0.1, 0.6)


@pytest.mark.slow
def test_save_and_panels(adata, tmp_path):
    run(adata, save=tmp_path / "new" / "figure", clusters=["1", "0"], sharey="row", ncols=2, figsize=(5, 3), dpi=60)
    assert (tmp_path / "new" / "figure.png").stat().st_size > 1000
    titles = [ax.get_title(loc="left") for ax in plt.gcf().axes]
    assert titles == ["cluster 1", "cluster 0"]
    with pytest.raises(ValueError, match="no cluster 'nine'"):
        run(adata, clusters=["nine"])


def test_unknown_names(adata):
    with pytest.raises(UnknownNameError, match="Did you mean 'Ery'"):
        run(adata, lineage="Erys")
    with pytest.raises(UnknownNameError, match="time_key 'latent_time'"):
        cluster_lineage(adata, GAM(), GENES, "Ery", **SILENT)
    with pytest.raises(UnknownNameError, match="covariate_key 'cell_type'.*Did you mean 'celltype'"):
        run(adata, covariate_key="cell_type")


@pytest.mark.slow
def test_strips_share_the_panels_time_axis(adata):
    run(adata, covariate_key=["celltype", "palantir_pseudotime"])
    figure = plt.gcf()
    panels = [ax for ax in figure.axes if ax.get_title(loc="left").startswith("cluster")]
    strips = [ax for ax in figure.axes if ax.get_title(loc="left") == "" and len(ax.collections) == 1]
    assert len(strips) >= 2 * len(panels)
    for panel in panels:
        below = [s for s in strips if np.isclose(s.get_position().x0, panel.get_position().x0)]
        assert all(s.get_xlim() == panel.get_xlim() for s in below)
        assert all(np.isclose(s.get_position().width, panel.get_position().width) for s in below)


def test_a_gene_that_no_cell_of_the_lineage_expresses_is_exactly_zero(data_dir):
    """As CellRank has it: iterations leave 1e-10, which z-scoring would blow up to a shape."""
    adata = ad.read_h5ad(data_dir / "paul15_tradeseq.h5ad")
    run(adata, ["Chi3l3", "Klf1", "Mpo", "Apoe"], model=pygam("normal", "identity"), smoother=lc.BSplineSmoother(6))
    result = adata.uns["lineage_Ery_trend"]
    assert np.all(result["Chi3l3"].X == 0)
    assert result.obs.loc["Chi3l3", "note"] == "expressed in no cell"
    np.testing.assert_allclose(result["Klf1"].X.std(), 1)
