import pickle

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from lineage_clust import GAM, BSplineSmoother, GraphClusterer, TrendClusterer

from .fits import dense, fit, kind_of

N_POINTS = 200


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata(n_cells=300, n_genes=40)


@pytest.fixture(scope="module")
def fitted(adata):
    return TrendClusterer(lineage="A", random_state=0).fit(adata)


# ---- what a fit finds and holds


def test_the_planted_modules_are_found(fitted):
    kinds = kind_of(fitted.genes_)
    changing = kinds != "flat"
    assert adjusted_rand_score(kinds[changing], fitted.labels_[changing]) > 0.9
    assert np.mean(fitted.labels_[~changing] == -1) > 0.85
    assert np.all(fitted.labels_[changing] >= 0)


def test_attributes(fitted, adata):
    n_genes, n_clusters = 40, fitted.n_clusters_
    assert fitted.genes_ == list(adata.var_names)
    assert fitted.failed_ == {}
    assert fitted.lineage_ == "A"
    assert fitted.pseudotime_.shape == (N_POINTS,)
    assert np.all(np.diff(fitted.pseudotime_) > 0)
    assert fitted.trends_.shape == fitted.trend_se_.shape == fitted.scaled_trends_.shape == (n_genes, N_POINTS)
    assert fitted.labels_.shape == (n_genes,)
    assert fitted.labels_.dtype.kind == "i"
    assert set(fitted.labels_) <= set(range(-1, n_clusters))
    assert fitted.cluster_centers_.shape == (n_clusters, N_POINTS)
    assert list(fitted.gene_table_.index) == fitted.genes_
    assert list(fitted.cluster_table_.index) == list(range(n_clusters))
    assert set(fitted.grid_lineage_) == {"A"}
    assert isinstance(fitted.model_, GAM)
    assert isinstance(fitted.smoother_, BSplineSmoother)
    assert isinstance(fitted.clusterer_, GraphClusterer)
    assert fitted.n_features_in_ == n_genes
    assert list(fitted.feature_names_in_) == list(adata.var_names)


def test_the_gene_table(fitted):
    table = fitted.gene_table_
    wanted = [
        "cluster",
        "edf",
        "deviance_explained",
        "pvalue",
        "qvalue",
        "peak",
        "onset",
        "converged",
        "lambda",
        "note",
    ]
    assert [name for name in table if name in wanted] == wanted
    np.testing.assert_array_equal(table["cluster"], fitted.labels_)
    np.testing.assert_array_equal(table["peak"], fitted.pseudotime_[fitted.trends_.argmax(axis=1)])
    assert table["pvalue"].between(0, 1).all()
    assert (table["qvalue"] >= table["pvalue"]).all()


def test_the_cluster_table(fitted):
    table = fitted.cluster_table_
    assert table["size"].tolist() == np.bincount(fitted.labels_[fitted.labels_ >= 0]).tolist()
    for cluster, genes in table["top_genes"].items():
        assert set(genes.split(", ")) <= set(np.array(fitted.genes_)[fitted.labels_ == cluster])


def test_clusters_are_numbered_by_the_peak_of_their_mean(fitted):
    for cluster, center in enumerate(fitted.cluster_centers_):
        np.testing.assert_allclose(center, fitted.scaled_trends_[fitted.labels_ == cluster].mean(axis=0))
    assert np.all(np.diff(fitted.cluster_centers_.argmax(axis=1)) >= 0)


def test_scaled_trends_are_z_scores(fitted):
    np.testing.assert_allclose(fitted.scaled_trends_, StandardScaler().fit_transform(fitted.trends_.T).T, atol=1e-9)


def test_trends_are_those_of_the_components_alone(fitted, adata):
    times = adata.obs["palantir_pseudotime"].to_numpy()
    start, end = fitted.pseudotime_[[0, -1]]
    cells = (times >= start) & (times <= end)
    smoother = BSplineSmoother(domain=(start, end)).fit(times[cells, None])
    weights = adata.obsm["palantir_fate_probabilities"]["A"].to_numpy()[cells]
    gam = GAM().fit(
        smoother.transform(times[cells, None]), adata.X[cells], sample_weight=weights, penalty=smoother.penalty_
    )
    trends, se = gam.predict(smoother.transform(fitted.pseudotime_[:, None]), return_std=True)
    np.testing.assert_allclose(fitted.trends_, trends.T, atol=1e-9)
    np.testing.assert_allclose(fitted.trend_se_, se.T, atol=1e-9)


# ---- what a fit leaves alone


def assert_unchanged(adata, before):
    np.testing.assert_array_equal(dense(adata.X), dense(before.X))
    np.testing.assert_array_equal(dense(adata.raw.X), dense(before.raw.X))
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    pd.testing.assert_frame_equal(adata.var, before.var)
    for part in ("layers", "obsm", "varm", "obsp", "uns"):
        assert list(getattr(adata, part)) == list(getattr(before, part))
    for key in before.layers:
        np.testing.assert_array_equal(dense(adata.layers[key]), dense(before.layers[key]))
    for key in before.obsm:
        pd.testing.assert_frame_equal(adata.obsm[key], before.obsm[key])


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.filterwarnings("ignore:.*looks like counts", "ignore:The offset is the log of each cell's depth")
@pytest.mark.first(1)
def test_nothing_in_the_anndata_changes(make_adata, kind):
    cells, before = make_adata(kind=kind), make_adata(kind=kind)
    tc = fit(cells, covariates=["batch"], offset="size_factors", weight_threshold=(0.2, 0.1), layer="counts")
    tc.transform(cells)
    tc.plot()
    tc.to_anndata()
    assert_unchanged(cells, before)


def test_parameters_and_components_that_were_passed_do_not_change(adata):
    parts = {
        "smoother": BSplineSmoother(12),
        "model": GAM(smoothing="gcv"),
        "clusterer": GraphClusterer(resolution=0.7),
    }
    genes, state = ["rise1", "fall1", "rise1", "peak1", "rise2"], np.random.RandomState(3)
    tc = TrendClusterer(**parts, genes=genes, lineage="A", random_state=state)
    before = {name: pickle.dumps(value) for name, value in tc.get_params().items() if name != "random_state"}
    tc.fit(adata)
    assert {name: pickle.dumps(value) for name, value in tc.get_params().items() if name != "random_state"} == before
    for name, part in parts.items():
        assert getattr(tc, name) is part
        assert not [attribute for attribute in vars(part) if attribute.endswith("_")]
    assert genes == ["rise1", "fall1", "rise1", "peak1", "rise2"]
    assert tc.random_state is state


def test_a_fitted_clusterer_does_not_share_memory_with_the_data(make_adata):
    cells = make_adata(kind="dense")
    tc = fit(cells)
    scores, trends = tc.transform(cells), tc.trends_.copy()
    copy = cells.copy()
    cells.X[:] = 0
    cells.obsm["palantir_fate_probabilities"].iloc[:] = 0
    np.testing.assert_array_equal(tc.trends_, trends)
    np.testing.assert_array_equal(tc.transform(copy), scores)


def test_fitting_again_forgets_the_first_fit(adata):
    tc = TrendClusterer(random_state=0).fit(adata, lineage="B")
    tc.fit(adata, lineage="A", genes=list(adata.var_names[:12]))
    once = fit(adata, genes=list(adata.var_names[:12]))
    assert tc.genes_ == once.genes_
    np.testing.assert_array_equal(tc.labels_, once.labels_)
    pd.testing.assert_frame_equal(tc.gene_table_, once.gene_table_)


# ---- invariance


def test_a_seed_decides(adata, fitted):
    again = fit(adata)
    np.testing.assert_array_equal(again.labels_, fitted.labels_)
    np.testing.assert_array_equal(again.trends_, fitted.trends_)


def test_a_view_is_as_good_as_its_copy(adata):
    view = adata[20:280, 5:35]
    on_view, on_copy = fit(view), fit(view.copy())
    assert view.is_view
    np.testing.assert_array_equal(on_view.trends_, on_copy.trends_)
    np.testing.assert_array_equal(on_view.labels_, on_copy.labels_)
    np.testing.assert_array_equal(on_view.transform(view), on_copy.transform(view))


# ---- pictures and files


def test_plot_shows_the_clusters(fitted):
    figure = fitted.plot()
    assert isinstance(figure, Figure)
    titles = [ax.get_title(loc="left").split(" · ")[0] for ax in figure.axes]
    assert titles == [str(cluster) for cluster in range(fitted.n_clusters_)]
    top = fitted.cluster_table_["top_genes"].iloc[0].split(", ")[0]
    assert any(text.get_text().startswith(top) for text in figure.axes[0].texts)
    assert len(fitted.plot(clusters=[1]).axes) == 1


def test_write_to_names_the_lineage(make_adata):
    cells = make_adata()
    tc = fit(cells)
    assert tc.write_to(cells) == "trends_A"
    assert {"trends_A", "trends_A_se"} <= set(cells.varm)
    assert cells.var["trends_A_cluster"].astype(int).tolist() == tc.labels_.tolist()


def test_results_are_an_anndata(fitted):
    result = fitted.to_anndata()
    assert isinstance(result, ad.AnnData)
    assert result.shape == (40, N_POINTS)
