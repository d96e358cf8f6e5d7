import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from lineage_clust import BSplineSmoother, GraphClusterer, TrendClusterer

from .fits import QUICK, dense
from .fits import quick_fit as fit

SETTINGS = {"lineage": "A", "clusterer": QUICK, "random_state": 0}


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata(n_cells=300, n_genes=40)


@pytest.fixture(scope="module")
def fitted(adata):
    return fit(adata)


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
    scores = TrendClusterer(**SETTINGS).fit_transform(adata, adata.obs["celltype"])
    np.testing.assert_array_equal(scores, fitted.transform(adata))


def test_fit_predict_returns_the_labels_of_the_genes(adata, fitted):
    pipeline = make_pipeline(TrendClusterer(**SETTINGS))
    for one, y in ((TrendClusterer(**SETTINGS), None), (pipeline, adata.obs["celltype"])):
        np.testing.assert_array_equal(one.fit_predict(adata, y), fitted.labels_)
    some = fitted.genes_[:9][::-1]
    tc = TrendClusterer(clusterer=QUICK, alpha=None, random_state=0)
    np.testing.assert_array_equal(tc.fit_predict(adata, genes=some, lineage="B"), tc.labels_)
    assert (tc.genes_, tc.lineage_) == (some, "B")


def test_labels_of_cells_are_not_taken_for_genes(adata):
    plain = TrendClusterer(**SETTINGS).fit(adata)
    assert TrendClusterer(**SETTINGS).fit(adata, adata.obs["celltype"]).genes_ == plain.genes_


def test_a_pipeline_from_anndata_to_a_classifier(adata):
    pipeline = make_pipeline(TrendClusterer(**SETTINGS), StandardScaler(), LogisticRegression())
    pipeline.fit(adata[:200], adata.obs["celltype"][:200])
    assert pipeline.score(adata[200:], adata.obs["celltype"][200:]) > 0.75


def test_a_search_through_a_pipeline(adata):
    pipeline = make_pipeline(TrendClusterer(**SETTINGS), LogisticRegression())
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
    assert str(copy.get_params()) == str(fitted.get_params())
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


class SmoothedByFew(BSplineSmoother):
    def __init__(self, n_splines=7):
        super().__init__(n_splines=n_splines)


class Narrow(TrendClusterer):
    """A subclass that fixes most of the parameters."""

    def __init__(self, lineage="A", clusterer=QUICK, random_state=0):
        super().__init__(lineage=lineage, smoother=SmoothedByFew(), clusterer=clusterer, random_state=random_state)


def test_subclasses_may_have_fewer_parameters(adata):
    tc = clone(Narrow().set_params(clusterer__n_neighbors=6)).fit(adata)
    assert set(tc.get_params(deep=False)) == {"lineage", "clusterer", "random_state"}
    assert tc._repr_html_()
    assert tc.smoother_.n_splines == 7
    assert tc.cut(n_clusters=2).n_clusters_ == 2
    assert np.isfinite(cross_val_score(tc, adata, cv=2)).all()


def test_a_component_may_clone_itself(adata):
    """It was refused for want of get_params, which scikit-learn's clone does not need."""

    class Halves:
        def fit(self, X):
            self.labels_ = (X[:, -1] > X[:, 0]).astype(int)
            return self

        def predict(self, X):
            return (X[:, -1] > X[:, 0]).astype(int)

        def __sklearn_clone__(self):
            return Halves()

    assert fit(adata, clusterer=Halves()).n_clusters_ == 2
