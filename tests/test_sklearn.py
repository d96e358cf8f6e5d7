"""Estimators on AnnData in scikit-learn: checks, parameters, metadata and output."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.utils import estimator_checks as checks
from sklearn.utils import get_tags
from sklearn.utils._metadata_requests import get_routing_for_object

import lineage_clust as lc
from lineage_clust import DriverSelector, GraphClusterer, PseudotimeKFold, TrendClusterer

ESTIMATORS = [TrendClusterer(), DriverSelector()]
HAND_CHECKS = [
    checks.check_estimator_cloneable,
    checks.check_estimator_repr,
    checks.check_no_attributes_set_in_init,
    checks.check_do_not_raise_errors_in_init_or_set_params,
    checks.check_mixin_order,
    checks.check_parameters_default_constructible,
    checks.check_get_params_invariance,
    checks.check_set_params,
    checks.check_valid_tag_types,
    checks.check_estimator_tags_renamed,
]


def small(**parameters):
    defaults = {"lineage": "A", "clusterer": GraphClusterer(5, resolution=1.0), "n_points": 40, "random_state": 0}
    return TrendClusterer(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def adata(make_adata):
    made = make_adata(240, 32)
    made.obs["donor"] = np.random.default_rng(1).integers(0, 4, 240).astype(str)
    return made


@pytest.mark.parametrize("check", HAND_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_checks_that_apply_to_estimators_of_other_data(estimator, check):
    check(type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_all_checks_that_scikit_learn_itself_would_run(estimator):
    checks.check_estimator(clone(estimator))


def test_tags():
    tags = get_tags(TrendClusterer())
    assert not tags.input_tags.two_d_array
    assert tags.requires_fit
    assert not tags.target_tags.required
    assert tags.transformer_tags is not None
    assert get_tags(DriverSelector()).transformer_tags is not None


@pytest.mark.parametrize("method", ["transform", "predict", "trends_for", "score", "plot", "to_anndata", "gene_trends"])
def test_what_needs_a_fit_says_so(method, adata):
    arguments = [] if method in ("plot", "to_anndata", "gene_trends") else [adata]
    with pytest.raises(NotFittedError):
        getattr(TrendClusterer(), method)(*arguments)


def test_a_clone_is_unfitted_and_has_the_same_parameters(adata):
    tc = small(model=lc.GAM(smoothing=2.0), genes=["rise0", "fall0"], alpha=None).fit(adata)
    copy = clone(tc)
    assert not hasattr(copy, "labels_")
    assert copy.model is not tc.model
    assert repr(copy) == repr(tc)


def test_fit_changes_no_parameter_and_not_the_cells(adata):
    tc = small(model=lc.GAM(), smoother=lc.BSplineSmoother())
    shown, values, obs = repr(tc), adata.X.copy(), adata.obs.copy()
    tc.fit(adata)
    assert not hasattr(tc.model, "coef_")
    assert not hasattr(tc.clusterer, "labels_")
    assert repr(tc) == shown
    assert (adata.X != values).nnz == 0
    pd.testing.assert_frame_equal(adata.obs, obs)


# ---------------------------------------------------------------------------------------------------------- parameters


def test_parameters_of_a_component_that_is_none_can_be_read_and_set():
    tc = TrendClusterer()
    params = tc.get_params()
    assert params["smoother"] is None
    assert params["smoother__n_splines"] == 20
    assert params["model__family"] == "gaussian"
    assert params["clusterer__n_neighbors"] == 15
    tc.set_params(smoother__n_splines=9, clusterer__resolution=0.4)
    assert tc.smoother.n_splines == 9
    assert tc.clusterer.resolution == 0.4
    assert tc.model is None
    tc.set_params(clusterer=KMeans(), clusterer__n_clusters=3)
    assert tc.clusterer.n_clusters == 3
    tc.set_params(clusterer=None, clusterer__resolution=2.0)
    assert isinstance(tc.clusterer, GraphClusterer)
    assert clone(tc).get_params()["clusterer__resolution"] == 2.0


def test_a_wrong_parameter_is_named_and_nothing_is_set():
    tc = TrendClusterer()
    for wrong in ({"clusterer__nonsense": 1}, {"nonsense": 1}):
        with pytest.raises(ValueError, match="nonsense"):
            tc.set_params(**wrong)
    assert tc.clusterer is None


def test_html_shows_the_components(adata):
    tc = small(model=lc.GAM("poisson"), layer="counts", offset="size_factors")
    assert "GAM" in tc._repr_html_()
    assert "GraphClusterer" in make_pipeline(DriverSelector(), tc)._repr_html_()
    assert "TrendClusterer" in tc.fit(adata)._repr_html_()


# ------------------------------------------------------------------------------------------------------------ metadata


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_cells_are_data_and_not_metadata(estimator):
    requests = get_routing_for_object(estimator)
    for method in ("fit", "transform", "predict", "score"):
        assert "adata" not in getattr(requests, method).requests, method


@pytest.mark.filterwarnings("ignore:In adata.X the counts of a typical gene change")  # all that are left do
def test_genes_can_be_routed(adata):
    genes = ["rise0", "fall0", "peak0", "rise1", "fall1"]
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError):
            make_pipeline(small(), StandardScaler()).fit(adata, genes=genes)
        tc = small(alpha=None).set_fit_request(genes=True, lineage=True)
        search = GridSearchCV(tc, {"clusterer__resolution": [0.5, 1.0]}, cv=PseudotimeKFold(2)).fit(adata, genes=genes)
        assert search.best_estimator_.genes_ == genes
        scores = cross_val_score(small(), adata, cv=GroupKFold(2), params={"groups": adata.obs["donor"]})
        assert np.isfinite(scores).all()
        pipeline = make_pipeline(DriverSelector("A", n_genes=8), small(), StandardScaler(), LogisticRegression())
        assert pipeline.fit(adata, adata.obs["celltype"]).score(adata, adata.obs["celltype"]) > 0.6


# -------------------------------------------------------------------------------------------------------------- output


def test_output_is_an_array_or_a_table_with_names(adata):
    tc = small().fit(adata)
    names = [f"trendclusterer{number}" for number in range(tc.n_clusters_)]
    assert tc.get_feature_names_out().tolist() == names
    array = tc.transform(adata)
    assert isinstance(array, np.ndarray)
    table = tc.set_output(transform="pandas").transform(adata)
    assert list(table.columns) == names
    assert list(table.index) == list(adata.obs_names)
    np.testing.assert_array_equal(table.to_numpy(), array)
    assert isinstance(tc.set_output(transform="default").transform(adata), np.ndarray)
    assert tc.feature_names_in_.tolist() == list(adata.var_names)
    assert tc.n_features_in_ == adata.n_vars


PARTS = {
    "ours": {},
    "principal_components": {"clusterer": GraphClusterer(5, resolution=1.0, n_components=3)},
    "neighbors": {"clusterer": GraphClusterer(neighbors=KNeighborsTransformer(n_neighbors=4), resolution=1.0)},
    "pipelines": {
        "model": make_pipeline(SplineTransformer(5), LinearRegression()),
        "clusterer": KMeans(2, n_init=1, random_state=0),
        "scale": StandardScaler(),
    },
    "smoother": {"smoother": SplineTransformer(5).set_output(transform="pandas"), "model": LinearRegression()},
}


@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.first(2)
def test_tables_as_output_everywhere_change_nothing_within(parts, adata):
    """scikit-learn's global setting must not reach the components: bases are sparse, trends are arrays."""
    plain = small(alpha=None, **PARTS[parts]).fit(adata)
    with sklearn.config_context(transform_output="pandas"):
        tc = small(alpha=None, **PARTS[parts])
        table = tc.fit_transform(adata)
        predicted = tc.predict(adata)
        trend = tc.models_["rise0"]["A"].predict(np.array([0.1, 0.5]))
    assert isinstance(table, pd.DataFrame)
    np.testing.assert_array_equal(table.to_numpy(), plain.transform(adata))
    np.testing.assert_array_equal(predicted, plain.labels_)
    np.testing.assert_array_equal(trend, plain.models_["rise0"]["A"].predict(np.array([0.1, 0.5])))


@pytest.mark.filterwarnings("ignore:In adata.X the counts of a typical gene change")  # all that are left do
def test_output_of_a_pipeline_with_a_selector(adata):
    pipeline = make_pipeline(DriverSelector("A", n_genes=8), small(), StandardScaler()).set_output(transform="pandas")
    table = pipeline.fit_transform(adata)
    assert list(table.columns) == list(pipeline.get_feature_names_out())
    assert list(table.index) == list(adata.obs_names)
    selector = pipeline[0]
    assert isinstance(selector.transform(adata), ad.AnnData)
    chosen = selector.get_feature_names_out()
    assert list(chosen) == list(selector.transform(adata).var_names)
    assert sorted(chosen) == sorted(selector.genes_)
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(DriverSelector("A").fit_transform(adata), ad.AnnData)
