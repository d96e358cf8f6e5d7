"""Estimators on AnnData in searches and pipelines of scikit-learn."""

from __future__ import annotations

import os
import threading

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler
from threadpoolctl import threadpool_limits

import lineage_clust as lc
from lineage_clust import DriverSelector, GraphClusterer, PseudotimeKFold, TrendClusterer

from .fits import QUICK


def small(**parameters):
    defaults = {"lineage": "A", "clusterer": GraphClusterer(5, resolution=1.0), "n_points": 40, "random_state": 0}
    return TrendClusterer(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def adata(make_adata):
    made = make_adata(240, 32)
    made.obs["donor"] = np.random.default_rng(1).integers(0, 4, 240).astype(str)
    return made


# ------------------------------------------------------------------------------------------------------------ searches

GRIDS = {
    "smoother__n_splines": [5, 20],
    "model__smoothing": ["reml", 1e6],
    "clusterer__n_neighbors": [3, 8],
    "clusterer__resolution": [0.1, 8.0],
    "smoother": [None, lc.CubicSplineSmoother(n_splines=6), SplineTransformer(4)],
    "model": [None, lc.GAM("gaussian", "log"), LinearRegression()],
    "clusterer": [GraphClusterer(5, resolution=1.0), KMeans(2, n_init=1, random_state=0)],
    "scale": ["zscore", "minmax"],
}


@pytest.mark.parametrize("parameter", GRIDS)
@pytest.mark.slow
def test_each_searched_parameter_changes_the_score(parameter, adata):
    search = GridSearchCV(small(), {parameter: GRIDS[parameter]}, cv=PseudotimeKFold(2), error_score="raise").fit(adata)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores.tolist())) == len(scores)
    assert search.best_score_ == scores.max()
    assert search.predict(adata).shape == (adata.n_vars,)
    assert search.transform(adata).shape == (240, search.best_estimator_.n_clusters_)
    assert np.isfinite(search.score(adata))


def test_nested_parameters_of_default_components_can_be_searched(adata):
    tc = TrendClusterer(lineage="A", n_points=30, random_state=0, clusterer=QUICK)
    grid = {"smoother__n_splines": [5, 12], "clusterer__resolution": [0.5, 2.0], "model__smoothing": ["gcv"]}
    search = RandomizedSearchCV(tc, grid, n_iter=2, cv=PseudotimeKFold(2), random_state=0, error_score="raise")
    assert search.fit(adata).best_estimator_.model.smoothing == "gcv"


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.first(1)
def test_folds_of_any_storage_are_fitted(kind, make_adata):
    cells = make_adata(160, 12, kind=kind)
    assert np.isfinite(cross_val_score(small(), cells, cv=3)).all()
    train, test = train_test_split(cells, random_state=0)
    assert np.isfinite(small().fit(train).score(test))


@pytest.mark.slow
def test_halving_search(adata):
    search = HalvingGridSearchCV(
        small(), {"clusterer__resolution": [0.3, 1.0, 2.0]}, cv=PseudotimeKFold(2), min_resources=80, factor=3,
        random_state=0, error_score="raise",
    ).fit(adata)  # fmt: skip
    assert search.n_resources_ == [80, 240]
    assert np.isfinite(search.best_score_)


@pytest.mark.slow
def test_processes_give_what_one_gives(adata):
    grid = {"clusterer__resolution": [0.3, 1.0, 2.0]}
    one, two = (
        GridSearchCV(small(), grid, cv=PseudotimeKFold(2), n_jobs=n_jobs, error_score="raise").fit(adata)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(one.best_estimator_.labels_, two.best_estimator_.labels_)


def test_donors_are_kept_together(adata):
    scores = cross_val_score(small(), adata, groups=adata.obs["donor"], cv=GroupKFold(4), error_score="raise")
    assert scores.shape == (4,)
    assert np.isfinite(scores).all()


def test_genes_of_the_constructor_are_not_split_with_the_cells(make_adata):
    """A list as long as the number of cells is sliced by a search, if it is given to fit."""
    cells = make_adata(60, 60)
    tc = small(genes=list(cells.var_names), alpha=None, clusterer=KMeans(2, n_init=1))
    search = GridSearchCV(tc, {"n_points": [20, 30]}, cv=PseudotimeKFold(2), error_score="raise").fit(cells)
    assert len(search.best_estimator_.genes_) + len(search.best_estimator_.failed_) == 60


# ----------------------------------------------------------------------------------------------------------- pipelines


@pytest.mark.filterwarnings("ignore:In adata.X the counts of a typical gene change")  # all that are left do
@pytest.mark.slow
def test_pipeline_from_drivers_to_a_classifier(adata):
    pipeline = make_pipeline(DriverSelector("A", n_genes=8), small(), StandardScaler(), LogisticRegression())
    y = adata.obs["celltype"].to_numpy()
    assert pipeline.fit(adata, y).score(adata, y) > 0.6
    assert pipeline[-1].n_features_in_ == pipeline[1].n_clusters_
    search = GridSearchCV(
        pipeline, {"driverselector__n_genes": [6, 10], "trendclusterer__clusterer__resolution": [0.5, 1.0]}, cv=2,
        error_score="raise",
    ).fit(adata, y)  # fmt: skip
    assert len(search.cv_results_["params"]) == 4


LABELS = {
    "strings": lambda adata: adata.obs["celltype"].to_numpy(),
    "series": lambda adata: adata.obs["celltype"],
    "categorical": lambda adata: pd.Categorical(adata.obs["celltype"]),
    "integers": lambda adata: (adata.obs["celltype"] == "A").to_numpy(dtype=int),
    "booleans": lambda adata: (adata.obs["celltype"] == "A").to_numpy(),
    "numbers": lambda adata: adata.obs["depth"].to_numpy(),
    "several": lambda adata: np.column_stack([adata.obs["depth"], adata.obs["depth"]]),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.slow
def test_labels_are_not_taken_for_genes(kind, adata):
    """Pipelines and searches hand y to fit by position, in the place of genes."""
    y = LABELS[kind](adata)
    alone = small().fit(adata)
    np.testing.assert_array_equal(small().fit(adata, y).labels_, alone.labels_)
    np.testing.assert_array_equal(small().fit_transform(adata, y), alone.transform(adata))
    middle = make_pipeline(FunctionTransformer(), small(), StandardScaler()).fit(adata, y)
    assert middle[1].genes_ == alone.genes_
    last = make_pipeline(FunctionTransformer(), small())
    np.testing.assert_array_equal(last.fit(adata, y).predict(adata), alone.labels_)
    np.testing.assert_array_equal(last.fit_transform(adata, y), alone.transform(adata))
    genes = alone.genes_[:9]
    assert last.fit(adata, y, trendclusterer__genes=genes)[-1].genes_ == genes


def test_labels_go_to_the_first_step(adata):
    y = adata.obs["celltype"].to_numpy()
    assert make_pipeline(small(), LogisticRegression()).fit(adata, y)[0].genes_ == small().fit(adata).genes_


def test_labels_after_a_step_that_leaves_out_cells(adata):
    steps = make_pipeline(FunctionTransformer(keep_early), small())
    plain = steps.fit(adata)[-1].labels_
    np.testing.assert_array_equal(steps.fit(adata, adata.obs["celltype"])[-1].labels_, plain)


@pytest.mark.parametrize("kind", ["strings", "integers", "booleans"])
@pytest.mark.slow
def test_searches_with_labels(kind, adata):
    y = LABELS[kind](adata)
    last = make_pipeline(FunctionTransformer(), small())
    plain = cross_val_score(last, adata, cv=PseudotimeKFold(3), error_score="raise")
    np.testing.assert_array_equal(cross_val_score(last, adata, y, cv=PseudotimeKFold(3), error_score="raise"), plain)
    assert np.isfinite(cross_val_score(small(), adata, y, cv=3, error_score="raise")).all()
    grid = {"trendclusterer__n_points": [20, 30]}
    search = GridSearchCV(last, grid, cv=3, error_score="raise").fit(adata, y)
    assert search.best_estimator_[-1].genes_ == small().fit(adata).genes_


def test_a_mask_of_genes_is_one(adata):
    mask = np.arange(adata.n_vars) % 2 == 0
    chosen = list(adata.var_names[mask])
    assert small().fit(adata, mask).genes_ == small().fit(adata, genes=mask).genes_ == small().fit(adata, chosen).genes_
    square = adata[: adata.n_vars].copy()
    assert small(alpha=None).fit(square, genes=mask).genes_ == chosen
    with pytest.raises(ValueError, match="genes=mask"):
        small().fit(square, mask)


def keep_early(cells):
    return cells[cells.obs["palantir_pseudotime"] < 0.9]


def add_layer(cells, name):
    cells = cells.copy()
    cells.layers[name] = cells.layers["counts"].log1p()
    return cells


def test_functions_on_cells_go_before(adata):
    pipeline = Pipeline(
        [("layer", FunctionTransformer(add_layer, kw_args={"name": "logged"})), ("trends", small(layer="logged"))]
    )
    assert "logged" not in adata.layers
    scores = pipeline.fit_transform(adata)
    assert scores.shape[0] == adata.n_obs
    early = make_pipeline(FunctionTransformer(keep_early), small()).fit(adata)
    assert early[-1].pseudotime_[-1] < 0.9


@pytest.mark.filterwarnings("ignore:In adata.X the counts of a typical gene change")  # all that are left do
def test_a_pipeline_caches_its_steps(adata, tmp_path):
    def steps():
        return [("drivers", DriverSelector("A", n_genes=8)), ("trends", small()), ("scale", StandardScaler())]

    plain = Pipeline(steps()).fit_transform(adata)
    cached = Pipeline(steps(), memory=str(tmp_path))
    for _ in range(2):
        np.testing.assert_array_equal(cached.fit_transform(adata), plain)
    assert any(tmp_path.rglob("output.pkl"))


# ---------------------------------------------------------------------------------------------------------- parallelism

MODELS = {
    "gaussian": {},
    "negative_binomial": {"model": lc.GAM("negative_binomial"), "layer": "counts"},
    "per_gene": {"model": {"*": LinearRegression()}, "smoother": SplineTransformer(5), "alpha": None},
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("jobs", [{"n_jobs": 2, "backend": "loky"}, {"n_jobs": 2, "backend": "threading"}], ids=str)
@pytest.mark.slow
def test_results_do_not_depend_on_jobs(model, jobs, adata):
    one = small(n_jobs=1, **MODELS[model]).fit(adata)
    other = small(**jobs, **MODELS[model]).fit(adata)
    np.testing.assert_array_equal(one.trends_, other.trends_)
    np.testing.assert_array_equal(one.labels_, other.labels_)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.slow
def test_clusters_do_not_depend_on_threads(model, adata):
    found = []
    for limit in (1, 2):
        with threadpool_limits(limit):
            found.append(small(**MODELS[model]).fit(adata))
    np.testing.assert_allclose(found[0].trends_, found[1].trends_, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(found[0].labels_, found[1].labels_)
    pd.testing.assert_frame_equal(found[0].cluster_table_, found[1].cluster_table_, rtol=1e-6)


class Where(RegressorMixin, BaseEstimator):
    """Predicts whether it was fitted in another thread or process than the one that asks."""

    def fit(self, X, y):
        self.where_ = [os.getpid(), threading.get_ident()]
        return self

    def predict(self, X):
        pid, thread = self.where_
        return np.full(len(X), 2.0 * (pid != os.getpid()) + (thread != threading.get_ident()))


@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning")
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_joblib_s_configuration_decides_where_genes_are_fitted(n_jobs, adata):
    """As for `joblib.parallel_config("dask")`: a backend that is set around the call is used."""
    tc = small(model=Where(), n_jobs=n_jobs, alpha=None, scale=None)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert tc.fit(adata).trends_.tolist() == np.ones((32, 40)).tolist()
    assert np.all(small(model=Where(), alpha=None, scale=None).fit(adata).trends_ == 0)


@pytest.mark.slow
def test_a_dask_cluster_can_be_used(adata):
    distributed = pytest.importorskip("distributed")
    with distributed.Client(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None):
        with joblib.parallel_config("dask"):
            found = small(n_jobs=2, **MODELS["per_gene"]).fit(adata)
    np.testing.assert_array_equal(found.trends_, small(**MODELS["per_gene"]).fit(adata).trends_)
