"""Custom components: optional methods may be absent, and errors are one clear sentence."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.linear_model import LinearRegression
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

import lineage_clust as lc
from lineage_clust import contracts
from lineage_clust.errors import LineageClustWarning
from lineage_clust.models import ConditionGAM

GENES = ["rise0", "fall0", "peak0", "rise1", "fall1", "peak1"]


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata(120, 24)


def trends(adata, model=None, smoother=None, clusterer=None, **parameters):
    settings = {"lineage": "A", "genes": GENES, "n_points": 20, "alpha": None, "random_state": 0, **parameters}
    clusterer = KMeans(3, n_init=1) if clusterer is None else clusterer
    return lc.TrendClusterer(model, smoother, clusterer, **settings).fit(adata)


# ---------------------------------------------------------------------------------------------------------------- ours


@pytest.mark.parametrize(
    ("component", "contract"),
    [
        (lc.BSplineSmoother(), contracts.Smoother),
        (lc.BSplineSmoother().fit([[0.0], [1.0]]), contracts.PenalisedSmoother),
        (SplineTransformer(), contracts.Smoother),
        (LinearRegression(), contracts.Model),
        (lc.GAM(), contracts.SelectiveModel),
        (lc.PyGAM(), contracts.DesignModel),
        (lc.GraphClusterer(), contracts.DrawnClusterer),
        (KMeans(), contracts.Clusterer),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type) else value.__name__,
)
def test_components_keep_to_the_contracts(component, contract):
    assert isinstance(component, contract)
    assert not isinstance(object(), contract)


def test_each_contract_says_what_it_is():
    for name in contracts.__all__:
        assert len(getattr(contracts, name).__doc__) > 80, name


# -------------------------------------------------------------------------------------------------------------- models


class Line(BaseEstimator):
    """A straight line for every gene, with nothing that is optional; it takes arrays only."""

    reads = "design"

    def fit(self, X, y):
        assert isinstance(X, np.ndarray)
        assert isinstance(y, np.ndarray)
        self.coef_ = np.linalg.lstsq(X, y, rcond=None)[0]

    def predict(self, X):
        assert isinstance(X, np.ndarray)
        return X @ self.coef_


class Weighted(Line):
    def fit(self, X, y, sample_weight=None):
        root = np.sqrt(sample_weight)[:, None]
        super().fit(X * root, y * root)


class OfTime(Line):
    reads = "pseudotime"


class Sparse(Weighted):
    """One that says that it takes sparse matrices gets them."""

    takes_sparse_y = True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X, y, sample_weight=None):
        assert sparse.issparse(X)
        assert sparse.issparse(y)
        super().fit(X.toarray(), y.toarray(), sample_weight)

    def predict(self, X):
        assert sparse.issparse(X)
        return super().predict(X.toarray())


class Drawing(Weighted):
    """It has a posterior, but genes cannot be taken out of it."""

    def sample(self, X, n_draws, random_state):
        generator = np.random.default_rng(random_state)
        return np.array([X @ (self.coef_ + generator.normal(0, 0.01, self.coef_.shape)) for _ in range(n_draws)])


class Saying(Weighted):
    """It says something of each gene; `what` are attributes."""

    def __init__(self, what=None):
        self.what = what

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        vars(self).update(self.what)


class Flat(Weighted):
    def predict(self, X):
        return super().predict(X).ravel()


class Pairs(Weighted):
    def predict(self, X, return_std=False):
        mean = super().predict(X)
        return (mean, np.ones((len(X), 2))) if return_std else mean


class Few(Drawing):
    def sample(self, X, n_draws, random_state):
        return super().sample(X, 3, random_state)


class Other(Line):
    reads = "counts"


class Duck:
    """No scikit-learn class, but with its methods; `fit` returns nothing."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **params):
        return self

    def fit(self, X, y, sample_weight=None):
        root = np.sqrt(sample_weight)
        self.coef_ = np.linalg.lstsq(X * root[:, None], (y.T * root).T, rcond=None)[0]

    def predict(self, X):
        return X @ self.coef_


class DuckOfAll(Duck):
    reads = "design"


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("model", [Weighted(), Drawing(), Duck(), DuckOfAll()], ids=lambda model: type(model).__name__)
@pytest.mark.first(2)
def test_a_model_without_what_is_optional(make_adata, model, kind):
    adata = make_adata(120, 24, kind=kind)
    tc = trends(adata, model, SplineTransformer(5))
    expected = trends(adata, LinearRegression(fit_intercept=False), SplineTransformer(5))
    np.testing.assert_allclose(tc.trends_, expected.trends_, atol=1e-8)
    assert tc.trend_se_ is None
    assert tc.failed_ == {}
    assert (tc.labels_ >= 0).all()
    assert tc.gene_table_["pvalue"].isna().all()
    assert tc.cluster_table_["size"].sum() == len(GENES)
    trend = tc.models_["rise1"]["A"]
    np.testing.assert_allclose(trend.predict(), tc.trends_[3])
    np.testing.assert_allclose(trend.predict(tc.pseudotime_[:3]), tc.trends_[3, :3])
    assert trend.confidence_interval() is None
    np.testing.assert_allclose(tc.trends_for(adata, ["peak2"]).values.shape, (1, 20))


def test_a_model_of_arrays_gets_arrays_from_our_smoother(adata):
    found, expected = (
        trends(adata, model, lc.BSplineSmoother(6)).trends_ for model in (Weighted(), lc.GAM(smoothing=0))
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_model_of_sparse_matrices_gets_them(adata):
    smoother = lc.BSplineSmoother(6)
    expected = trends(adata, Weighted(), smoother).trends_
    np.testing.assert_allclose(trends(adata, Sparse(), smoother).trends_, expected, atol=1e-8)


@pytest.mark.parametrize("model", [Line(), OfTime()], ids=lambda model: type(model).__name__)
def test_a_model_without_weights_warns(adata, model):
    with pytest.warns(LineageClustWarning, match=f"{type(model).__name__} does not support sample weights"):
        tc = trends(adata, model)
    assert np.isfinite(tc.trends_).all()


def test_draws_of_a_model_that_cannot_take_genes(adata):
    """They reach the clusterer and the tables in the order of the genes."""
    tc = trends(adata, Drawing(), SplineTransformer(5), lc.GraphClusterer(3, resolution=1.0))
    assert tc.gene_table_["confidence"].between(0, 1).all()
    middle = tc.gene_table_[["peak_lower", "peak_upper"]].mean(axis=1)
    np.testing.assert_allclose(middle, tc.gene_table_["peak"], atol=0.1)


def test_one_gene_may_be_predicted_flat(adata):
    assert trends(adata, Flat(), genes=["rise0"], clusterer=KMeans(1)).trends_.shape == (1, 20)


def test_what_a_model_says_of_genes_goes_into_the_table(adata):
    note = ["few cells"] + [""] * 5
    tc = trends(adata, Saying({"edf_": np.arange(6.0), "note_": note, "failed_": {2: "no cells"}, "pvalue_": None}))
    assert tc.failed_ == {"peak0": "no cells"}
    assert tc.gene_table_["edf"].tolist() == [0.0, 1.0, 3.0, 4.0, 5.0]
    assert tc.gene_table_.loc["rise0", "note"] == "few cells"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Flat(), r"predict of Flat must return .* one column per gene, \(20, 6\); .* shape \(120,\)"),
        (Pairs(), r"predict\(return_std=True\) of Pairs must return .* shape \(20, 2\)"),
        (Other(), "reads of a model must be 'design' or 'pseudotime'; Other declares 'counts'"),
        (Saying({"edf_": np.ones(3)}), r"edf_ of Saying must have one value per gene, 6; its shape is \(3,\)"),
        (
            Saying({"failed_": {"rise0": "no"}}),
            r"failed_ of Saying must be a dictionary from the positions of genes, 0 to 5",
        ),
        (Saying({"failed_": {17: "no"}}), "positions of genes, 0 to 5, to reasons; got {17: 'no'}"),
        (Saying({"failed_": [3]}), "failed_ of Saying must be a dictionary"),
        (
            ConditionGAM(),
            "model must have a fit without other arguments .* ConditionGAM needs 'conditions'. The default is GAM",
        ),
        (make_pipeline(StandardScaler(), ConditionGAM()), "ConditionGAM needs 'conditions'"),
        (Few(), "sample of Few must yield 40 draws; it yielded 3"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_model_is_said(adata, model, message):
    with pytest.raises((TypeError, ValueError), match=message):
        _ = trends(adata, model, lc.BSplineSmoother(6), lc.GraphClusterer(3)).gene_table_


def test_expression_in_a_file_is_not_made_dense_beyond_the_budget(adata, tmp_path):
    adata.write_h5ad(tmp_path / "cells.h5ad")
    import anndata

    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with pytest.raises(MemoryError, match="memory_budget"):
        trends(backed, Weighted(), memory_budget=4000)
    backed.file.close()


# ---------------------------------------------------------------------------------------------------------- clusterers


class Named(ClusterMixin, BaseEstimator):
    """Clusters of the labels that it is told, for the genes in their order."""

    def __init__(self, labels=None):
        self.labels = labels

    def fit(self, X):
        self.rows_, self.labels_ = X, self.labels


class Predicting(Named):
    def predict(self, X):
        return np.asarray(self.labels)[[np.abs(self.rows_ - row).sum(axis=1).argmin() for row in X]]


class Silent(BaseEstimator):
    def fit(self, X, y=None):
        return self


class NoDraws(Named):
    uses_draws = True


class Sure(Named):
    def fit(self, X):
        super().fit(X)
        self.confidence_ = np.ones(2)


class Wrong(Named):
    def predict(self, X):
        return np.zeros(1)


SAME = [2, 0, 1, 2, 0, 1]  # falling, peaking and rising genes, as TrendClusterer numbers them


@pytest.mark.parametrize("base", [Named, Predicting])
@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["rise", "fall", "peak", "rise", "fall", "peak"], SAME),
        (np.array(["rise", "fall", "peak", "rise", "fall", "peak"]), SAME),
        ([7, 3, 5, 7, 3, 5], SAME),
        ([0.5, 2.0, 1.0, 0.5, 2.0, 1.0], SAME),
        (np.array([7, 3, 5, 7, 3, 5], dtype=np.uint8), SAME),
        ([True, False, True, True, False, True], [1, 0, 1, 1, 0, 1]),
        (["rise", None, "peak", "rise", None, "peak"], [1, -1, 0, 1, -1, 0]),
        ([1, np.nan, 0, 1, np.nan, 0], [1, -1, 0, 1, -1, 0]),
        ([1, -1, 0, 1, -2, 0], [1, -1, 0, 1, -1, 0]),
        (np.array([1, -1, 0, 1, None, 0], dtype=object), [1, -1, 0, 1, -1, 0]),
        ([-1] * 6, [-1] * 6),
        ([None] * 6, [-1] * 6),
    ],
    ids=str,
)
@pytest.mark.slow
def test_labels_may_be_anything(adata, base, labels, expected):
    tc = trends(adata, clusterer=base(labels))
    assert tc.labels_.tolist() == expected
    assert tc.labels_.dtype.kind == "i"
    np.testing.assert_array_equal(tc.predict(adata), expected)
    assert tc.cluster_table_["size"].sum() == sum(label >= 0 for label in expected)


@pytest.mark.parametrize(
    "clusterer",
    [
        GaussianMixture(3, random_state=0),
        make_pipeline(StandardScaler(), KMeans(3, n_init=1, random_state=0)),
        make_pipeline(StandardScaler(), AgglomerativeClustering(3)),
        DBSCAN(eps=3, min_samples=2),
    ],
    ids=lambda clusterer: type(clusterer).__name__,
)
def test_clusterers_of_scikit_learn_that_have_no_labels_of_their_own(adata, clusterer):
    tc = trends(adata, clusterer=clusterer, smoother=lc.BSplineSmoother(6))
    assert tc.labels_.tolist() == SAME
    np.testing.assert_array_equal(tc.predict(adata), SAME)


@pytest.mark.parametrize(
    ("clusterer", "message"),
    [
        (Named([0, 1]), r"labels_ of Named must have one value per row, 6; the shape is \(2,\)"),
        (Named([0] * 7), r"labels_ of Named must have one value per row, 6; the shape is \(7,\)"),
        (Named([[0, 1]] * 6), r"labels_ of Named must have one value per row, 6; the shape is \(6, 2\)"),
        (Named(3), r"labels_ of Named must have one value per row, 6; the shape is \(\)"),
        (Silent(), "clusterer must have labels_ after fit; Silent has none"),
        (NoDraws([0] * 6), "NoDraws declares uses_draws, but its fit has no argument draws"),
        (Sure([0] * 6), r"confidence_ of Sure must have one value per row, 6; the shape is \(2,\)"),
        (Wrong([0] * 6), r"predict of Wrong must have one value per row, 6; the shape is \(1,\)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_wrong_with_a_clusterer_is_said(adata, clusterer, message):
    with pytest.raises((TypeError, ValueError), match=message):
        trends(adata, clusterer=clusterer).predict(adata)


# ----------------------------------------------------------------------------------------------------------- smoothers


class Powers(TransformerMixin, BaseEstimator):
    """Powers of time, without penalty, domain and y."""

    def __init__(self, wrong=None):
        self.wrong = wrong

    def fit(self, X):
        return None

    def transform(self, X):
        return {"one": X[:1], "flat": X[:, 0]}.get(self.wrong, X ** np.arange(4))


def test_a_smoother_without_what_is_optional(adata):
    tc = trends(adata, lc.GAM(), Powers())
    np.testing.assert_allclose(tc.trends_, trends(adata, Weighted(), Powers()).trends_, atol=1e-6)


@pytest.mark.parametrize("wrong", ["one", "flat"])
def test_what_is_wrong_with_a_smoother_is_said(adata, wrong):
    with pytest.raises(ValueError, match=r"transform of Powers must return one row per time .* shape is \(1"):
        trends(adata, lc.GAM(), Powers(wrong))
