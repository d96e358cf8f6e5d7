import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import RobustScaler

from lineage_clust import GAM, BSplineSmoother, GraphClusterer, LineageClustWarning, NoTrendError, TrendClusterer

from .fits import dense, kind_of
from .fits import quick_fit as fit

N_POINTS = 200


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata(n_cells=300, n_genes=40)


@pytest.fixture(scope="module")
def fitted(adata):
    return fit(adata)


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
    ("time_range", "ends"), [((-0.5, 1.4), (-0.5, 1.4)), ((0.2, 0.7), (0.2, 0.7)), (0.6, (0.0, 0.6))]
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
    tc = fit(cells, lineage=None)
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


@pytest.mark.slow
def test_models_of_counts_take_size_factors_unless_told_otherwise(adata):
    def trends(**params):
        return fit(adata, model=GAM("negative_binomial"), layer="counts", **params).trends_

    np.testing.assert_array_equal(trends(), trends(offset="size_factors"))
    assert np.abs(trends() - trends(offset=None)).max() > 1e-3
    np.testing.assert_array_equal(fit(adata).trends_, fit(adata, offset=None).trends_)


# ---- which genes are clustered


@pytest.mark.parametrize("alpha", [1e-8, 0.01, 0.5])
@pytest.mark.first(2)
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


def test_without_a_gate_constant_trends_are_the_reason_for_no_score(adata):
    cells = adata.copy()
    cells.X = np.ones(cells.shape)
    with pytest.warns(LineageClustWarning, match="trends are constant"):
        tc = fit(cells, genes=["flat0", "flat1"], alpha=None)
    with pytest.raises(ValueError, match=r"There is no cluster to score: no gene is in one. See gene_table_"):
        tc.transform(cells)


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
    assert fit(adata, random_state=5, clusterer=None, genes=adata.var_names[:9]).clusterer_.random_state == 5
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
