import pickle

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.utils import estimator_checks

from lineage_clust import GAM, BSplineSmoother, GraphClusterer, LineageClustWarning, NoTrendError, TrendClusterer

N_POINTS = 200


def dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def kind_of(genes):
    return np.array([gene.rstrip("0123456789") for gene in genes])


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata(n_cells=300, n_genes=40)


@pytest.fixture(scope="module")
def fitted(adata):
    return TrendClusterer(lineage="A", random_state=0).fit(adata)


def fit(adata, **parameters):
    return TrendClusterer(**{"lineage": "A", "random_state": 0, **parameters}).fit(adata)


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


def test_the_order_of_the_genes_does_not_matter(adata, fitted):
    order = np.random.default_rng(0).permutation(40)
    shuffled = fit(adata[:, order].copy())
    assert shuffled.genes_ == [fitted.genes_[gene] for gene in order]
    np.testing.assert_array_equal(shuffled.labels_, fitted.labels_[order])


def test_the_order_of_the_cells_does_not_matter(adata, fitted):
    shuffled = fit(adata[np.random.default_rng(0).permutation(300)].copy())
    np.testing.assert_array_equal(shuffled.labels_, fitted.labels_)
    np.testing.assert_allclose(shuffled.trends_, fitted.trends_, atol=1e-9)


def test_a_view_is_as_good_as_its_copy(adata):
    view = adata[20:280, 5:35]
    on_view, on_copy = fit(view), fit(view.copy())
    assert view.is_view
    np.testing.assert_array_equal(on_view.trends_, on_copy.trends_)
    np.testing.assert_array_equal(on_view.labels_, on_copy.labels_)
    np.testing.assert_array_equal(on_view.transform(view), on_copy.transform(view))


@pytest.mark.parametrize("kind", ["csc", "dense"])
def test_storage_does_not_matter(make_adata, fitted, kind):
    other = fit(make_adata(n_cells=300, n_genes=40, kind=kind))
    np.testing.assert_allclose(other.trends_, fitted.trends_, atol=1e-6)
    np.testing.assert_array_equal(other.labels_, fitted.labels_)


# ---- what to read


@pytest.mark.filterwarnings("ignore:.*looks like counts")
def test_raw_and_layers(adata):
    genes = ["rise1", "fall1", "peak3"]
    counts = fit(adata, genes=genes, layer="counts", alpha=None)
    as_x = adata.copy()
    as_x.X = as_x.layers["counts"]
    np.testing.assert_allclose(counts.trends_, fit(as_x, genes=genes, alpha=None).trends_)
    np.testing.assert_allclose(counts.transform(adata), fit(as_x, genes=genes, alpha=None).transform(as_x), atol=1e-6)
    few = adata[:, ["flat0", "flat1"]].copy()  # raw keeps all genes
    from_raw = fit(few, genes=genes, use_raw=True, alpha=None)
    np.testing.assert_allclose(from_raw.trends_, fit(adata, genes=genes, alpha=None).trends_, atol=1e-9)
    assert from_raw.transform(few).shape == (300, from_raw.n_clusters_)


def test_fit_arguments_override_the_constructor(adata):
    tc = TrendClusterer(genes=["flat0"], lineage="B", alpha=None, random_state=0)
    tc.fit(adata, genes=["rise1", "fall1"], lineage="A")
    assert tc.genes_ == ["rise1", "fall1"]
    assert tc.lineage_ == "A"
    assert (tc.genes, tc.lineage) == (["flat0"], "B")


def test_duplicate_genes_are_fitted_once_in_the_order_given(adata):
    assert fit(adata, genes=["rise1", "fall1", "rise1"], alpha=None).genes_ == ["rise1", "fall1"]


@pytest.mark.parametrize("n_genes", [1, 2, 3, 4])
def test_few_genes(adata, n_genes):
    tc = fit(adata, genes=["rise1", "fall1", "peak1", "rise2"][:n_genes])
    assert tc.labels_.shape == (n_genes,)
    assert tc.transform(adata).shape == (300, tc.n_clusters_)


@pytest.mark.parametrize("n_points", [2, 3, 19, 20, 401])
@pytest.mark.first(2)
def test_any_number_of_points(adata, n_points):
    tc = fit(adata, n_points=n_points)
    assert tc.trends_.shape == (40, n_points)


@pytest.mark.parametrize(
    ("time_range", "ends"), [((-0.5, 2.0), (-0.5, 2.0)), ((0.2, 0.7), (0.2, 0.7)), (0.6, (0.0, 0.6))]
)
def test_knots_and_grid_span_exactly_the_time_range(adata, time_range, ends):
    tc = fit(adata, time_range=time_range)
    assert tuple(tc.pseudotime_[[0, -1]]) == ends
    assert tc.smoother_.domain == ends
    np.testing.assert_allclose(tc.smoother_.bases_[0][[3, -4]], ends)


def test_a_domain_of_one_s_own_is_kept(adata):
    tc = fit(adata, smoother=BSplineSmoother(domain=(0, 0.9)))
    np.testing.assert_allclose(tc.smoother_.bases_[0][[3, -4]], (0, 0.9))


def test_without_lineage_data_there_is_one_trajectory(adata):
    cells = adata.copy()
    del cells.obsm["palantir_fate_probabilities"]
    tc = TrendClusterer(random_state=0).fit(cells)
    assert tc.lineage_ is None
    assert set(tc.grid_lineage_) == {""}
    assert tc.pseudotime_[-1] == cells.obs["palantir_pseudotime"].max()


def test_covariates_take_their_part(adata):
    cells = adata.copy()
    cells.X = dense(cells.X)
    second = (cells.obs["batch"] == "second").to_numpy()
    cells.X[second] += 3
    with_batch = fit(cells, covariates=["batch"])
    reference = fit(adata, covariates=["batch"])
    share = np.average(second, weights=adata.obsm["palantir_fate_probabilities"]["A"])
    np.testing.assert_allclose(with_batch.trends_ - 3 * share, reference.trends_, atol=0.05)
    assert np.ptp(with_batch.trends_ - reference.trends_, axis=1).max() < 1e-3
    np.testing.assert_allclose(with_batch.gene_table_["edf"], reference.gene_table_["edf"], rtol=1e-3)


def test_an_offset_is_taken_off(adata):
    cells = adata.copy()
    cells.X = dense(cells.X) + cells.obs[["depth"]].to_numpy()
    np.testing.assert_allclose(fit(cells, offset="depth").trends_, fit(adata).trends_, atol=1e-4)
    by_array = fit(cells, offset=cells.obs["depth"].to_numpy())
    np.testing.assert_array_equal(by_array.trends_, fit(cells, offset="depth").trends_)


def test_models_of_counts_take_size_factors_unless_told_otherwise(adata):
    def trends(**params):
        return fit(adata, model=GAM("negative_binomial"), layer="counts", **params).trends_

    np.testing.assert_array_equal(trends(), trends(offset="size_factors"))
    assert np.abs(trends() - trends(offset=None)).max() > 1e-3
    np.testing.assert_array_equal(fit(adata).trends_, fit(adata, offset=None).trends_)


# ---- which genes are clustered


@pytest.mark.parametrize("alpha", [1e-8, 0.01, 0.5])
def test_alpha_decides_which_genes_are_clustered(adata, alpha):
    tc = fit(adata, alpha=alpha)
    np.testing.assert_array_equal(tc.labels_ >= 0, tc.gene_table_["qvalue"] < alpha)


def test_without_alpha_every_gene_is_clustered(adata):
    assert np.all(fit(adata, alpha=None).labels_ >= 0)


def test_genes_without_evidence_do_not_touch_the_clusters(adata):
    changing = [gene for gene in adata.var_names if not gene.startswith("flat")]
    tc, without = fit(adata, alpha=1e-4), fit(adata, genes=changing, alpha=1e-4)
    assert np.array_equal(tc.labels_[np.isin(tc.genes_, changing)], without.labels_)


def test_nothing_significant_is_a_warning_and_no_cluster(adata):
    flat = ["flat0", "flat1", "flat2"]
    with pytest.warns(LineageClustWarning, match="No gene is clustered: none of 3 trends .* alpha=1e-12.*alpha=None"):
        tc = fit(adata, genes=flat, alpha=1e-12)
    assert tc.n_clusters_ == 0
    assert tc.labels_.tolist() == [-1, -1, -1]
    assert tc.cluster_centers_.shape == (0, N_POINTS)
    assert len(tc.cluster_table_) == 0
    with pytest.raises(ValueError, match=r"There is no cluster to score.*alpha=1e-12"):
        tc.transform(adata)
    with pytest.raises(ValueError, match="There is no cluster to draw"):
        tc.plot()
    assert tc.to_anndata().shape == (3, N_POINTS)


def test_constant_genes_are_fitted_with_a_note_but_not_clustered(adata):
    cells = adata.copy()
    cells.X = dense(cells.X)
    cells.X[:, :2] = [0, 7]
    tc = fit(cells, alpha=None)
    assert tc.gene_table_["note"].iloc[:3].tolist() == ["expressed in no cell", "constant expression", ""]
    assert tc.labels_[:2].tolist() == [-1, -1]
    np.testing.assert_allclose(tc.trends_[:2], [[0] * N_POINTS, [7] * N_POINTS], atol=1e-5)


def test_only_constant_genes(adata):
    cells = adata.copy()
    cells.X = np.ones(cells.shape, dtype=np.float32)
    with pytest.warns(LineageClustWarning, match="No gene is clustered") as warned:
        tc = fit(cells, alpha=None)
    assert tc.n_clusters_ == 0
    assert not any("alpha=None" in str(one.message) for one in warned)  # it is None already


def test_a_gene_with_nan_fails_alone(adata, fitted):
    cells = adata.copy()
    cells.X = dense(cells.X)
    cells.X[0, 3] = np.nan
    tc = fit(cells)
    name = adata.var_names[3]
    assert list(tc.failed_) == [name]
    assert "NaN" in tc.failed_[name]
    assert name not in tc.genes_
    assert name not in tc.gene_table_.index
    np.testing.assert_allclose(tc.trends_, np.delete(fitted.trends_, 3, axis=0), atol=1e-6)
    assert tc.transform(cells).shape == (300, tc.n_clusters_)


def test_all_genes_failing_is_an_error(adata):
    cells = adata.copy()
    cells.X = np.full(cells.shape, np.nan, dtype=np.float32)
    with pytest.raises(NoTrendError, match=r"None of the 40 genes could be fitted; 40 of them because: .*NaN"):
        fit(cells)


# ---- components


@pytest.mark.parametrize(
    "clusterer",
    [
        KMeans(3, n_init=5),
        AgglomerativeClustering(3),
        HDBSCAN(min_cluster_size=3, copy=True),
        DBSCAN(eps=5.0, min_samples=2),
    ],
    ids=lambda clusterer: type(clusterer).__name__,
)
def test_clusterers_of_scikit_learn(adata, clusterer):
    tc = fit(adata, clusterer=clusterer, alpha=1e-4)
    kinds = kind_of(tc.genes_)
    assigned = tc.labels_ >= 0
    assert adjusted_rand_score(kinds[assigned], tc.labels_[assigned]) > 0.8
    assert np.all(np.diff(tc.cluster_centers_.argmax(axis=1)) >= 0)
    assert tc.transform(adata).shape == (300, tc.n_clusters_)
    assert type(tc.clusterer_) is type(clusterer)


def test_noise_of_a_clusterer_is_not_assigned(adata):
    tc = fit(adata, clusterer=DBSCAN(eps=1e-9, min_samples=2))
    assert np.all(tc.labels_ == -1)
    assert tc.n_clusters_ == 0


def test_the_seed_goes_to_components_without_one(adata):
    assert fit(adata, random_state=5).clusterer_.random_state == 5
    assert fit(adata, random_state=5, clusterer=GraphClusterer(random_state=9)).clusterer_.random_state == 9
    assert fit(adata, random_state=5, clusterer=KMeans(2)).clusterer_.random_state == 5


@pytest.mark.parametrize("scale", ["zscore", "minmax", None, RobustScaler()], ids=str)
@pytest.mark.first(2)
def test_scales(adata, fitted, scale):
    tc = fit(adata, scale=scale)
    np.testing.assert_array_equal(tc.trends_, fitted.trends_)
    expected = {"zscore": fitted.scaled_trends_, None: fitted.trends_}.get(
        scale if not hasattr(scale, "fit") else "", None
    )
    if expected is not None:
        np.testing.assert_allclose(tc.scaled_trends_, expected)
    elif scale == "minmax":
        np.testing.assert_allclose([tc.scaled_trends_.min(), tc.scaled_trends_.max()], [0, 1], atol=1e-12)
    else:
        np.testing.assert_allclose(np.median(tc.scaled_trends_, axis=1), 0, atol=1e-9)


# ---- several lineages


def test_several_lineages_are_clustered_together(adata, fitted):
    tc = fit(adata, lineage=["A", "B"], n_points=100)
    alone = {name: fit(adata, lineage=name, n_points=100) for name in "AB"}
    assert tc.lineage_ == ["A", "B"]
    assert tc.trends_.shape == tc.trend_se_.shape == tc.scaled_trends_.shape == (40, 200)
    assert tc.grid_lineage_.tolist() == ["A"] * 100 + ["B"] * 100
    np.testing.assert_array_equal(tc.pseudotime_, np.r_[alone["A"].pseudotime_, alone["B"].pseudotime_])
    np.testing.assert_array_equal(tc.trends_, np.hstack([alone["A"].trends_, alone["B"].trends_]))
    for name in "AB":
        np.testing.assert_array_equal(tc.gene_table_[f"pvalue_{name}"], alone[name].gene_table_["pvalue"])
        np.testing.assert_array_equal(tc.model_[name].coef_, alone[name].model_.coef_)
    assert {"pvalue", "qvalue", "peak"} <= set(tc.gene_table_)
    assert tc.transform(adata).shape == (300, tc.n_clusters_)
    assert tc.to_anndata().shape == (40, 200)
    assert isinstance(tc.plot(), Figure)


def test_a_gene_that_is_expressed_in_one_lineage_only_is_clustered(adata):
    cells = adata.copy()
    cells.X = dense(cells.X)
    in_b = np.arange(300) % 3 == 0
    cells.obsm["palantir_fate_probabilities"].loc[~in_b, "B"] = 0.0
    cells.X[in_b, cells.var_names.get_loc("rise1")] = 0
    tc = fit(cells, lineage=["A", "B"], weight_threshold=0)
    row = tc.gene_table_.loc["rise1"]
    assert row["pvalue_B"] == 1
    assert row["pvalue_A"] < row["pvalue"] < 3 * row["pvalue_A"] < 1e-4
    assert row["note"] == "B: expressed in no cell"
    assert row["cluster"] >= 0


@pytest.mark.parametrize(
    ("lineage", "message"), [([], "lineage is an empty list"), (["A", "A"], "lineage contains duplicates")]
)
def test_wrong_lists_of_lineages(adata, lineage, message):
    with pytest.raises(ValueError, match=message):
        fit(adata, lineage=lineage)


# ---- as scikit-learn expects


def test_transform_gives_the_mean_standardised_expression_of_each_cluster(fitted, adata):
    scores = fitted.transform(adata)
    standardised = StandardScaler().fit_transform(dense(adata.X).astype(float))
    for cluster in range(fitted.n_clusters_):
        np.testing.assert_allclose(
            scores[:, cluster], standardised[:, fitted.labels_ == cluster].mean(axis=1), atol=1e-5
        )
    np.testing.assert_allclose(fitted.transform(adata[:10]), scores[:10], atol=1e-6)


def test_fit_transform_ignores_the_labels_of_the_cells(adata, fitted):
    scores = TrendClusterer(lineage="A", random_state=0).fit_transform(adata, adata.obs["celltype"])
    np.testing.assert_array_equal(scores, fitted.transform(adata))


def test_fit_predict_returns_the_labels_of_the_genes(adata, fitted):
    pipeline = make_pipeline(TrendClusterer(lineage="A", random_state=0))
    for one, y in ((TrendClusterer(lineage="A", random_state=0), None), (pipeline, adata.obs["celltype"])):
        np.testing.assert_array_equal(one.fit_predict(adata, y), fitted.labels_)
    some = fitted.genes_[:9][::-1]
    tc = TrendClusterer(alpha=None, random_state=0)
    np.testing.assert_array_equal(tc.fit_predict(adata, genes=some, lineage="B"), tc.labels_)
    assert (tc.genes_, tc.lineage_) == (some, "B")


def test_labels_of_cells_are_not_taken_for_genes(adata):
    plain = TrendClusterer(lineage="A", random_state=0).fit(adata)
    assert TrendClusterer(lineage="A", random_state=0).fit(adata, adata.obs["celltype"]).genes_ == plain.genes_


def test_a_pipeline_from_anndata_to_a_classifier(adata):
    pipeline = make_pipeline(TrendClusterer(lineage="A", random_state=0), StandardScaler(), LogisticRegression())
    pipeline.fit(adata[:200], adata.obs["celltype"][:200])
    assert pipeline.score(adata[200:], adata.obs["celltype"][200:]) > 0.75


def test_a_search_through_a_pipeline(adata):
    pipeline = make_pipeline(TrendClusterer(lineage="A", random_state=0), LogisticRegression())
    grid = {"trendclusterer__clusterer__resolution": [0.5, 2.0], "trendclusterer__smoother__n_splines": [8]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(adata, adata.obs["celltype"])
    best = search.best_estimator_[0]
    assert best.smoother_.n_splines == 8
    assert best.clusterer_.resolution == search.best_params_["trendclusterer__clusterer__resolution"]
    assert search.best_score_ > 0.6


def test_pandas_output(adata, fitted):
    frame = clone(fitted).set_output(transform="pandas").fit(adata).transform(adata)
    assert list(frame.columns) == [f"trendclusterer{cluster}" for cluster in range(fitted.n_clusters_)]
    assert list(frame.columns) == list(fitted.get_feature_names_out())
    np.testing.assert_array_equal(frame.to_numpy(), fitted.transform(adata))


def test_pandas_output_carries_the_names_of_the_cells(adata, fitted):
    frame = clone(fitted).set_output(transform="pandas").fit(adata).transform(adata)
    assert list(frame.index) == list(adata.obs_names)


def test_cloning_keeps_parameters_and_forgets_the_fit(fitted):
    copy = clone(fitted)
    assert copy.get_params(deep=False) == fitted.get_params(deep=False)
    assert not hasattr(copy, "labels_")


def test_pickling_keeps_the_fit(fitted, adata):
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copy.transform(adata), fitted.transform(adata))
    np.testing.assert_array_equal(copy.labels_, fitted.labels_)


def test_a_saved_clusterer_does_not_grow_with_the_cells(make_adata):
    sizes = [len(pickle.dumps(fit(make_adata(n_cells=n, n_genes=8), alpha=None))) for n in (200, 2000)]
    assert sizes[1] < 1.2 * sizes[0]


def test_parameters_of_components_that_are_none_are_there():
    params = TrendClusterer().get_params()
    assert params["clusterer"] is None
    assert params["clusterer__resolution"] == GraphClusterer().resolution
    assert params["smoother__n_splines"] == 20
    assert params["model__smoothing"] == "reml"
    assert "clusterer__resolution" not in TrendClusterer().get_params(deep=False)


def test_setting_parameters_of_components_that_are_none():
    tc = TrendClusterer().set_params(clusterer__resolution=0.3, smoother__n_splines=9, alpha=0.05)
    assert isinstance(tc.clusterer, GraphClusterer)
    assert (tc.clusterer.resolution, tc.smoother.n_splines, tc.alpha, tc.model) == (0.3, 9, 0.05, None)
    tc.set_params(clusterer=None, clusterer__n_neighbors=4)
    assert (tc.clusterer.resolution, tc.clusterer.n_neighbors) == (GraphClusterer().resolution, 4)
    tc.set_params(clusterer=KMeans(5), clusterer__n_init=2)
    assert (tc.clusterer.n_clusters, tc.clusterer.n_init) == (5, 2)
    tc.set_params(clusterer=None)
    assert tc.clusterer is None


def test_setting_does_not_touch_a_component_of_another():
    clusterer = GraphClusterer()
    one = TrendClusterer(clusterer=clusterer)
    clone(one).set_params(clusterer__resolution=9.0)
    assert clusterer.resolution == GraphClusterer().resolution


@pytest.mark.parametrize("name", ["resolution", "clusterer__resolutio", "scaler__x"])
def test_unknown_parameters(name):
    with pytest.raises(ValueError, match="Invalid parameter"):
        TrendClusterer().set_params(**{name: 1})


@pytest.mark.parametrize("method", ["transform", "plot", "to_anndata", "write_to", "get_feature_names_out"])
def test_before_fit(adata, method):
    with pytest.raises(NotFittedError):
        getattr(TrendClusterer(), method)(*([adata] if method in ("transform", "write_to") else []))


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_mixin_order",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_valid_tag_types",
    ],
)
def test_checks_of_scikit_learn_that_need_no_array(check):
    getattr(estimator_checks, check)("TrendClusterer", TrendClusterer())


def test_set_params_gives_what_get_params_gave():
    tc = TrendClusterer()
    before = tc.get_params(deep=False)
    tc.set_params(**tc.get_params(deep=False))
    assert tc.get_params(deep=False) == before


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
