import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler
from sklearn.svm import SVR

from lineage_clust.errors import LineageClustWarning, NoTrendError
from lineage_clust.models.regressor import RegressorModel, weight_keyword

GRID = np.linspace(0, 1, 21)[:, None]
AT_ONCE = {
    "linear": LinearRegression(),
    "ridge": Ridge(0.1),
    "kernel ridge": KernelRidge(kernel="rbf"),
    "forest": RandomForestRegressor(5, random_state=0),
    "pipeline": make_pipeline(SplineTransformer(), Ridge(0.1)),
}
ONE_BY_ONE = {"svr": SVR(), "boosting": GradientBoostingRegressor(n_estimators=5, random_state=0)}


class Fragile(RegressorMixin, BaseEstimator):
    """The weighted mean, but it raises where the first cell expresses 7, and predicts nothing where it expresses 8."""

    def fit(self, X, y, sample_weight=None):
        if y[0] == 7:
            raise RuntimeError("no seven\nplease")
        self.mean_, self.silent_ = np.average(y, weights=sample_weight), y[0] == 8
        return self

    def predict(self, X):
        if self.silent_:
            raise RuntimeError("no prediction")
        return np.full(len(X), self.mean_)


def some_data(n_cells=60, n_genes=20, seed=0):
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 1, (n_cells, 1))
    Y = np.sin(t * rng.uniform(0, 6, n_genes)) + rng.normal(0, 0.2, (n_cells, n_genes))
    return t, Y, rng.uniform(0.1, 1, n_cells)


@pytest.mark.parametrize("estimator", [*AT_ONCE.values(), *ONE_BY_ONE.values()], ids=[*AT_ONCE, *ONE_BY_ONE])
def test_every_gene_is_fitted_as_by_the_regressor_itself(estimator):
    t, Y, w = some_data(n_genes=5)
    model = RegressorModel(estimator).fit(t, Y, w)
    keyword = {weight_keyword(estimator): w}
    found = model.predict(GRID)
    assert found.shape == (21, 5)
    if estimator in AT_ONCE.values():
        np.testing.assert_allclose(found, clone(estimator).fit(t, Y, **keyword).predict(GRID))
        assert len(model.estimators_) == 1
    else:
        for gene in range(5):
            np.testing.assert_allclose(found[:, gene], clone(estimator).fit(t, Y[:, gene], **keyword).predict(GRID))
        assert len({id(one) for one in model.estimators_}) == 5
    assert model.failed_ == {}
    assert model.note_ == [""] * 5


def test_the_regressor_that_was_passed_is_not_fitted():
    t, Y, _ = some_data()
    for estimator in (Ridge(), SVR(), make_pipeline(StandardScaler(), Ridge())):
        RegressorModel(estimator).fit(t, Y)
        with pytest.raises(NotFittedError):
            estimator.predict(t)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_jobs_do_not_matter(backend):
    t, Y, w = some_data(n_genes=40)
    one = RegressorModel(SVR()).fit(t, Y, w)
    two = RegressorModel(SVR(), n_jobs=2, backend=backend).fit(t, Y, w)
    np.testing.assert_array_equal(one.predict(GRID), two.predict(GRID))


@pytest.mark.parametrize("estimator", [Ridge(), SVR()], ids=["at once", "one by one"])
@pytest.mark.parametrize("storage", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
@pytest.mark.first(3)
def test_storage_does_not_matter(estimator, storage):
    t, Y, w = some_data()
    Y[Y < 0.3] = 0
    dense, found = RegressorModel(estimator).fit(t, Y, w), RegressorModel(estimator).fit(storage(t), storage(Y), w)
    np.testing.assert_allclose(found.predict(storage(GRID)), dense.predict(GRID))
    np.testing.assert_allclose(found.deviance_explained_, dense.deviance_explained_)


@pytest.mark.parametrize("estimator", [Ridge(), make_pipeline(SplineTransformer(5), Ridge())])
def test_weights_are_used_also_if_metadata_are_routed(estimator):
    X, y, weights = np.linspace(0, 1, 40)[:, None], np.linspace(0, 1, 80).reshape(40, 2) ** 2, np.linspace(0.1, 1, 40)
    expected = RegressorModel(estimator).fit(X, y, sample_weight=weights).predict(X)
    with config_context(enable_metadata_routing=True):
        routed = RegressorModel(estimator).fit(X, y, sample_weight=weights).predict(X)
    assert np.array_equal(routed, expected)


def test_one_gene():
    t, Y, w = some_data(n_genes=1)
    for estimator in (Ridge(), SVR()):
        assert RegressorModel(estimator).fit(t, Y, w).predict(GRID).shape == (21, 1)


@pytest.mark.parametrize("estimator", [Ridge(0.1), SVR()], ids=["at once", "one by one"])
def test_deviance_explained_is_scikit_learn_s_weighted_r2(estimator):
    t, Y, w = some_data()
    model = RegressorModel(estimator).fit(t, Y, w)
    expected = r2_score(Y, model.predict(t), sample_weight=w, multioutput="raw_values")
    np.testing.assert_allclose(model.deviance_explained_, expected, atol=1e-12)


def test_there_are_no_standard_errors():
    t, Y, _ = some_data()
    mean, std = RegressorModel(Ridge()).fit(t, Y).predict(GRID, return_std=True)
    assert mean.shape == (21, 20)
    assert std is None


# ---- weights


@pytest.mark.parametrize(
    ("estimator", "keyword"),
    [
        (Ridge(), "sample_weight"),
        (SVR(), "sample_weight"),
        (KNeighborsRegressor(), None),
        (make_pipeline(StandardScaler(), Ridge()), "ridge__sample_weight"),
        (make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), SVR())), "pipeline__svr__sample_weight"),
        (make_pipeline(StandardScaler(), KNeighborsRegressor()), None),
        (make_pipeline(StandardScaler(), "passthrough"), None),
        (GridSearchCV(Ridge(), {"alpha": [1.0]}), None),
    ],
)
def test_where_weights_go(estimator, keyword):
    assert weight_keyword(estimator) == keyword


@pytest.mark.parametrize("steps", [[], [StandardScaler()]], ids=["alone", "pipeline"])
def test_a_regressor_without_weights_is_fitted_with_a_warning_and_a_note(steps):
    t, Y, w = some_data()
    estimator = make_pipeline(*steps, KNeighborsRegressor()) if steps else KNeighborsRegressor()
    with pytest.warns(
        LineageClustWarning, match="KNeighborsRegressor does not support sample weights: all cells are weighted equally"
    ):
        model = RegressorModel(estimator).fit(t, Y, w)
    assert not model.weighted_
    assert model.note_ == ["fitted without weights"] * 20
    np.testing.assert_allclose(model.predict(GRID), clone(estimator).fit(t, Y).predict(GRID))


@pytest.mark.parametrize("weights", [None, np.full(60, 0.3)], ids=["none", "equal"])
def test_equal_weights_need_no_warning(weights):
    t, Y, _ = some_data()
    assert RegressorModel(KNeighborsRegressor()).fit(t, Y, weights).note_ == [""] * 20


# ---- failures


@pytest.mark.parametrize("estimator", [Ridge(), SVR()], ids=["at once", "one by one"])
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gene_with_nan_fails_alone(estimator, storage, bad):
    t, Y, w = some_data(n_genes=4)
    broken = Y.copy()
    broken[3, 1] = bad
    model = RegressorModel(estimator).fit(t, storage(broken), w)
    assert model.failed_ == {1: "expression holds NaN or infinite values"}
    trends = model.predict(GRID)
    assert np.isnan(trends[:, 1]).all()
    others = [0, 2, 3]
    np.testing.assert_allclose(trends[:, others], RegressorModel(estimator).fit(t, Y, w).predict(GRID)[:, others])
    assert np.flatnonzero(np.isnan(model.deviance_explained_)).tolist() == [1]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_gene_on_which_the_regressor_raises_fails_alone(n_jobs):
    t, Y, _ = some_data(n_genes=5)
    Y[0, 1], Y[0, 3] = 7, 8
    model = RegressorModel(Fragile(), n_jobs=n_jobs, backend="threading").fit(t, Y)
    trends = model.predict(GRID)
    assert model.failed_ == {1: "fit: RuntimeError: no seven please", 3: "predict: RuntimeError: no prediction"}
    np.testing.assert_allclose(trends[:, [0, 2, 4]], [Y[:, [0, 2, 4]].mean(axis=0)] * 21)
    assert np.isnan(trends[:, [1, 3]]).all()


def test_when_every_gene_fails_the_reason_is_given():
    t, Y, _ = some_data(n_genes=3)
    Y[0] = 7
    message = "None of the 3 genes could be fitted; 3 of them because: fit: RuntimeError: no seven"
    with pytest.raises(NoTrendError, match=message) as caught:
        RegressorModel(Fragile()).fit(t, Y)
    assert set(caught.value.reasons) == {0, 1, 2}


def test_a_step_that_raises_for_all_genes_says_so():
    def refuse(X):
        raise ValueError("wrong unit")

    t, Y, _ = some_data(n_genes=3)
    with pytest.raises(NoTrendError, match="fit: ValueError: wrong unit"):
        RegressorModel(make_pipeline(FunctionTransformer(refuse), Ridge())).fit(t, Y)


def test_before_fit():
    with pytest.raises(NotFittedError):
        RegressorModel(Ridge()).predict(GRID)


class Near(LinearRegression):
    """Many targets at once, but it refuses to predict beyond 1."""

    def predict(self, X):
        if X.max() > 1:
            raise RuntimeError("too far")
        return super().predict(X)


def test_a_shared_model_that_fails_to_predict_fails_for_every_gene():
    t, Y, _ = some_data(n_genes=3)
    model = RegressorModel(Near()).fit(t, Y)
    assert np.isfinite(model.predict(GRID)).all()
    assert model.failed_ == {}
    assert np.isnan(model.predict(GRID + 1)).all()
    assert model.failed_ == dict.fromkeys(range(3), "predict: RuntimeError: too far")
