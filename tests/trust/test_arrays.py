"""Invalid parameters and arrays of components on arrays: models, smoothers, GraphClusterer."""

import numpy as np
import pytest
from scipy import sparse

from lineage_clust import (
    GAM,
    BSplineSmoother,
    CubicSplineSmoother,
    CyclicSplineSmoother,
    GaussianProcessSmoother,
    GraphClusterer,
    MgcvGAM,
    NoTrendError,
    PyGAM,
)

pytestmark = pytest.mark.slow

T = np.linspace(0, 1, 50)[:, None]
Y = np.abs(np.column_stack([np.sin(5 * T[:, 0]) + 1.2, T[:, 0]]) + np.random.default_rng(0).normal(0, 0.1, (50, 2)))
B = BSplineSmoother(8).fit(T)
X, S = B.transform(T), B.penalty_
Z = np.random.default_rng(0).normal(size=(30, 6))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"family": "normal"}, "family must be one of gaussian, poisson, .* got 'normal'"),
        ({"family": None}, "got None"),
        ({"link": "probit"}, "link must be None or one of identity, .* got 'probit'"),
        ({"smoothing": "REML"}, "smoothing must be 'reml', 'gcv' or a non-negative number; got 'REML'"),
        ({"smoothing": -1}, "smoothing must be .* or a non-negative number; got -1"),
        ({"smoothing": np.nan}, "got nan"),
        ({"smoothing": [1.0]}, r"got \[1.0\]"),
        ({"covariance": "bayesian"}, "covariance must be 'robust', 'bayes' or 'cluster'; got 'bayesian'"),
        ({"fit_intercept": "yes"}, "fit_intercept must be True, False or 'auto'; got 'yes'"),
        ({"fit_intercept": np.array([True, False])}, "got array"),
        ({"dispersion": None}, "dispersion must be 'gene', 'shrunk' or a non-negative number; got None"),
        ({"dispersion": []}, r"got \[\]"),
        ({"dispersion": np.inf}, "got inf"),
        ({"expectile": "x"}, "expectile must be between 0 and 1; got 'x'"),
        ({"expectile": 1}, "got 1"),
        ({"expectile": [0.5]}, r"got \[0.5\]"),
        ({"max_iter": 0}, "max_iter must be a positive integer; got 0"),
        ({"max_iter": np.inf}, "got inf"),
        ({"n_jobs": "x", "family": "poisson"}, "n_jobs must be None, a positive integer, .* got 'x'"),
        ({"n_jobs": 0, "family": "poisson"}, "got 0"),
    ],
    ids=str,
)
def test_parameters_of_gam(parameters, message, refuses):
    refuses(lambda: GAM(**parameters).fit(X, Y, penalty=S), ValueError, message)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"X": None}, ValueError, "Expected 2D array"),
        ({"X": T[:, 0]}, ValueError, "Expected 2D array, got 1D array"),
        ({"X": X[:40]}, ValueError, "inconsistent numbers of samples: 40 and 50"),
        ({"X": X.toarray() * np.nan}, ValueError, "Input X contains NaN"),
        ({"X": X * 1e200}, ValueError, r"largest value of X is .*e\+199, .*Divide it"),
        ({"X": X * 1e-200}, ValueError, "largest value of X is .*e-201"),
        ({"X": X[:, :0]}, ValueError, "0 feature"),
        ({"X": X * 1j}, ValueError, "Complex data not supported"),
        ({"y": None}, ValueError, "requires y to be passed"),
        ({"y": Y[:40]}, ValueError, "inconsistent numbers of samples: 50 and 40"),
        ({"y": [["a", "b"]] * 50}, ValueError, "y must be numeric; its dtype is <U1"),
        ({"y": Y * 1j}, ValueError, "y must be numeric; its dtype is complex128"),
        ({"y": Y[..., None]}, ValueError, "y must have one or two dimensions; got 3"),
        ({"y": 3}, ValueError, "y must have one or two dimensions; got 0"),
        ({"y": Y[:, :0]}, ValueError, "y has no columns"),
        ({"y": Y * np.nan}, NoTrendError, "2 of them because: expression holds NaN"),
        ({"y": Y * 1e200}, NoTrendError, "so large that its squares overflow"),
        ({"sample_weight": np.ones(49)}, ValueError, r"sample_weight.shape == \(49,\), expected \(50,\)"),
        ({"sample_weight": np.zeros(50)}, ValueError, "at least one non-zero|Every sample_weight is 0"),
        ({"sample_weight": -np.ones(50)}, ValueError, "Negative values .* `sample_weight`"),
        ({"sample_weight": np.full(50, np.nan)}, ValueError, "sample_weight contains NaN"),
        ({"sample_weight": np.ones((50, 1))}, ValueError, "Sample weights must be 1D"),
        ({"sample_weight": np.full(50, 1e300)}, ValueError, r"sample_weight is 1e\+300, .*Divide it by its largest"),
        ({"sample_weight": np.full(50, 1e-300)}, ValueError, "sample_weight is 1e-300"),
        ({"penalty": np.eye(9)}, ValueError, r"got shape \(9, 9\) for 8 columns"),
        ({"penalty": np.ones((8, 7))}, ValueError, r"square matrix .* got shape \(8, 7\)"),
        ({"penalty": -S}, ValueError, "positive semi-definite; its smallest eigenvalue is -"),
        ({"penalty": S * np.nan}, ValueError, "penalty must be finite and symmetric"),
        ({"penalty": S + np.triu(S)}, ValueError, "penalty must be finite and symmetric"),
        ({"penalty": S * 1e-300}, ValueError, "largest value of penalty is .*e-300"),
        ({"penalty": "x"}, TypeError, "penalty must hold real numbers; got 'x'"),
        ({"penalty": S * 1j}, TypeError, "penalty must hold real numbers"),
        ({"offset": np.zeros(49)}, ValueError, r"offset must have shape \(50,\), one value per cell; got \(49,\)"),
        ({"offset": np.full(50, np.nan)}, ValueError, "offset must be finite"),
        ({"offset": ["a"] * 50}, TypeError, "offset must hold real numbers"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_arrays_of_gam(changed, error, message, refuses):
    arguments = {"X": X, "y": Y, "penalty": S, **changed}
    refuses(lambda: GAM().fit(arguments.pop("X"), arguments.pop("y"), **arguments), error, message)


def test_a_penalty_on_no_column_is_none():
    found = GAM(smoothing=1.0).fit(X, Y, penalty=np.zeros((0, 0))).predict(X)
    np.testing.assert_allclose(found, GAM(smoothing=1.0).fit(X, Y).predict(X), atol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda gam: gam.predict(X[:, :5]), "X has 5 features, but GAM is expecting 8"),
        (lambda gam: gam.predict(X.toarray() * np.nan), "contains NaN"),
        (lambda gam: gam.predict(T[:, 0]), "got 1D array"),
        (lambda gam: gam.confidence_interval(X, "x"), "level must be between 0 and 1; got 'x'"),
        (lambda gam: gam.confidence_interval(X, 1), "got 1"),
        (lambda gam: gam.take_genes([5]), r"genes must be positions from 0 to 1; got \[5\]"),
        (lambda gam: gam.take_genes([-1]), r"got \[-1\]"),
        (lambda gam: gam.take_genes(["a"]), r"got \['a'\]"),
        (lambda gam: gam.take_genes([True, False]), r"got \[True, False\]"),
        (lambda gam: GAM().predict(X), "not fitted yet"),
    ],
)
def test_methods_of_gam(call, message, refuses):
    gam = GAM().fit(X, Y, penalty=S)
    refuses(lambda: call(gam), ValueError, message)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_predictions_far_outside_make_no_noise():
    trend, std = GAM().fit(X, Y, penalty=S).predict(X * 1e200, return_std=True)
    assert np.isfinite(trend).all()
    assert not np.any(std < 0)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (PyGAM(distribution="x"), "distribution must be one of normal, .* got 'x'"),
        (PyGAM(link=None), "link must be one of identity, .* got None"),
        (PyGAM(lam=-1), "lam must be a non-negative number, .* got -1"),
        (PyGAM(lam=[]), r"got \[\]"),
        (PyGAM(penalties="x"), "penalties must be one of auto, .* got 'x'"),
        (PyGAM(grid="x"), "grid must be None, 'default', a sequence .* got 'x'"),
        (PyGAM(grid=[1, -1]), "got -1"),
        (PyGAM(expectile="x"), "expectile must be between 0 and 1; got 'x'"),
        (PyGAM(constraints="x"), "constraints must be one of convex, .* got 'x'"),
        (PyGAM(basis="x"), "basis must be one of ps, cp; got 'x'"),
        (PyGAM(max_iter=0), "max_iter must be a positive integer; got 0"),
        (PyGAM(tol=np.nan), "tol must be a positive number; got nan"),
        (PyGAM(n_jobs=0), "n_jobs must be None, a positive integer, .* got 0"),
        (MgcvGAM(k=1), "k must be None or an integer of at least 2; got 1"),
        (MgcvGAM(family="x"), "family must be one of gaussian, .* got 'x'"),
        (MgcvGAM(method="x"), "method must be one of REML, .* got 'x'"),
        (MgcvGAM(sp=-1), "sp must be None or a non-negative number; got -1"),
        (MgcvGAM(gamma=0), "gamma must be a positive number; got 0"),
    ],
    ids=repr,
)
def test_parameters_of_models_by_gene(model, message, refuses):
    if isinstance(model, MgcvGAM):
        pytest.importorskip("rpy2", reason="rpy2 (the extra mgcv) is not installed")
    refuses(lambda: model.fit(T, Y), ValueError, message)


def test_a_flag_that_is_text(refuses):
    refuses(lambda: PyGAM(fit_intercept="no").fit(T, Y), TypeError, "fit_intercept must be True or False; got 'no'")


@pytest.mark.parametrize(
    ("smoother", "message"),
    [
        (BSplineSmoother(n_splines=3), "n_splines must be an integer of at least 4; got 3"),
        (BSplineSmoother(n_splines="x"), "got 'x'"),
        (BSplineSmoother(n_splines=10**9), "n_splines must be at most 1,000; got 1000000000"),
        (CubicSplineSmoother(n_splines=10**9), "n_splines must be at most 1,000"),
        (CyclicSplineSmoother(n_splines=10**9), "n_splines must be at most 1,000"),
        (GaussianProcessSmoother(n_landmarks=10**9), "n_landmarks must be at most 10,000"),
        (BSplineSmoother(degree=-1), "degree must be an integer of at least 0; got -1"),
        (BSplineSmoother(penalty_order=20), "penalty_order must be below n_splines; got penalty_order=20"),
        (BSplineSmoother(knots=None), "knots must be 'uniform' or 'quantile'; got None"),
        (BSplineSmoother(domain=(1, 0)), r"domain must be None or \(start, end\) .* got \(1, 0\)"),
        (BSplineSmoother(domain=("a", "b")), r"got \('a', 'b'\)"),
        (BSplineSmoother(domain=(0, np.inf)), "got .0, inf."),
        (BSplineSmoother(domain=(0, 1e200)), r"Knots cannot be placed on \[0.0, 1e\+200\]"),
        (BSplineSmoother(domain=(1e20, 1e20 + 1e6)), "too narrow or too wide for floating point. Shift"),
        (CubicSplineSmoother(n_splines=2), "n_splines must be an integer of at least 3; got 2"),
        (CubicSplineSmoother(knots=[]), r"got \[\]"),
        (CubicSplineSmoother(domain=(None, 1)), r"got \(None, 1\)"),
        (CyclicSplineSmoother(domain=(1e17, 1e17 + 64)), "Knots cannot be placed"),
        (GaussianProcessSmoother(length_scale=0), "length_scale must be a positive number; got 0"),
        (GaussianProcessSmoother(length_scale=np.inf), "got inf"),
        (GaussianProcessSmoother(kernel=None), "kernel must be 'matern52' or 'rbf'; got None"),
        (GaussianProcessSmoother(n_landmarks=1), "n_landmarks must be an integer of at least 2; got 1"),
    ],
    ids=repr,
)
def test_parameters_of_smoothers(smoother, message, refuses):
    refuses(lambda: smoother.fit(T), ValueError, message)


@pytest.mark.parametrize("cls", [BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (T[:, 0], "got 1D array"),
        (T * np.nan, "contains NaN"),
        (T + np.inf, "contains infinity"),
        (T[:1], "1 sample"),
        (T * 1j, "Complex data not supported"),
        (T * 1e200, "Knots cannot be placed"),
        (T * 1e-200, "Knots cannot be placed"),
        (T + 1e16, "Knots cannot be placed"),
    ],
    ids=["1d", "nan", "inf", "one", "complex", "huge", "tiny", "far"],
)
def test_times_of_smoothers(cls, x, message, refuses):
    refuses(lambda: cls().fit(x), ValueError, message)


@pytest.mark.parametrize("length_scale", [1e-300, 1e-6, 1e300])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_extreme_length_scales_give_a_finite_basis(length_scale):
    basis = GaussianProcessSmoother(length_scale, n_landmarks=10).fit(T).transform([[0.5], [1e300]])
    assert basis.shape[1] > 0
    assert np.isfinite(basis.toarray()).all()


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_neighbors": 1}, ValueError, "n_neighbors must be an integer of at least 2 .* got 1"),
        ({"n_neighbors": "x"}, ValueError, "got 'x'"),
        ({"n_components": 0}, ValueError, "n_components must be an integer of at least 1 .* got 0"),
        ({"metric": "euclidian"}, ValueError, "metric must be one of .*; got 'euclidian'. Did you mean 'euclidean'"),
        ({"metric": "mahalanobis"}, ValueError, "needs a covariance matrix .*KNeighborsTransformer"),
        ({"metric": "seuclidean"}, ValueError, "needs a variance per column"),
        ({"metric": "haversine"}, ValueError, "needs rows that are two angles"),
        ({"metric": "pyfunc"}, ValueError, "metric= takes the function itself"),
        ({"metric": None}, TypeError, "metric must be the name of a distance metric or a function of two rows"),
        ({"metric": ["cosine"]}, TypeError, r"got \['cosine'\]"),
        ({"metric": "precomputed"}, ValueError, "metric='precomputed' is not supported"),
        ({"weights": None}, ValueError, "weights must be one of 'umap', .* got None"),
        ({"method": "walktrap"}, ValueError, "method must be one of 'leiden', 'louvain'; got 'walktrap'"),
        ({"backend": []}, ValueError, r"backend must be one of 'igraph', 'leidenalg'; got \[\]"),
        ({"objective": "x"}, ValueError, "objective 'x' is not known to igraph, which has"),
        ({"objective": 3}, ValueError, "objective must be a string .* got 3"),
        ({"resolution": np.nan}, ValueError, "resolution must be 'auto' or a positive number; got nan"),
        ({"resolution": [1]}, ValueError, r"got \[1\]"),
        ({"n_iterations": 0}, ValueError, "n_iterations must be a positive integer, .* got 0"),
        ({"min_cluster_size": 0}, ValueError, "min_cluster_size must be an integer of at least 1; got 0"),
        ({"neighbors": 3}, TypeError, "neighbors must have fit_transform, .* got 3"),
    ],
    ids=str,
)
def test_parameters_of_the_graph(parameters, error, message, refuses):
    refuses(lambda: GraphClusterer(**{"n_neighbors": 5, "resolution": 1.0, **parameters}).fit(Z), error, message)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (Z[0], ValueError, "got 1D array"),
        (Z * np.nan, ValueError, "contains NaN"),
        (np.where(Z > 2, np.inf, Z), ValueError, "contains infinity"),
        (Z[:0], ValueError, "0 sample"),
        (Z[:, :0], ValueError, "0 feature"),
        (sparse.csr_matrix(Z), TypeError, "Sparse data was passed"),
        (Z * 1j, ValueError, "Complex data not supported"),
    ],
    ids=["1d", "nan", "inf", "no rows", "no columns", "sparse", "complex"],
)
def test_rows_of_the_graph(rows, error, message, refuses):
    refuses(lambda: GraphClusterer(5, resolution=1.0).fit(rows), error, message)


@pytest.mark.parametrize("metric", ["euclidean", "correlation", "cityblock"])
@pytest.mark.parametrize("parameters", [{}, {"n_components": 3}, {"resolution": 1.0, "weights": "jaccard"}], ids=str)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_rows_in_any_unit_get_the_same_labels(metric, parameters):
    centres = np.exp(-((np.linspace(0, 1, 20)[None] - np.array([[0.2], [0.5], [0.8]])) ** 2) / 0.02)
    rng = np.random.default_rng(0)
    rows = np.repeat(centres, 15, axis=0) + rng.normal(0, 0.05, (45, 20))
    draws = [rows + rng.normal(0, 0.05, rows.shape) for _ in range(4)]
    expected = GraphClusterer(5, metric=metric, random_state=0, **parameters).fit(rows, draws=draws)
    assert expected.n_clusters_ >= 3
    for exponent in (-990, -600, -201, -200, 200, 201, 600, 1022):
        unit = [np.ldexp(array, exponent) for array in (rows, *draws)]
        found = GraphClusterer(5, metric=metric, random_state=0, **parameters).fit(unit[0], draws=unit[1:])
        np.testing.assert_array_equal(found.labels_, expected.labels_)
        np.testing.assert_array_equal(found.confidence_, expected.confidence_)
        np.testing.assert_array_equal(found.predict(unit[1]), expected.predict(draws[0]))


def test_new_rows_far_beyond_the_fitted_ones(refuses):
    fitted = GraphClusterer(5, resolution=1.0, random_state=0).fit(Z)
    refuses(lambda: fitted.predict(Z * 1e300), ValueError, r"largest value of X is .*e\+300: .* not finite. Scale X")
    tiny = GraphClusterer(5, resolution=1.0, random_state=0).fit(Z * 1e-300)
    refuses(lambda: tiny.predict(Z * 1e300), ValueError, "not finite")
    refuses(lambda: tiny.predict(Z), ValueError, "not finite")


@pytest.mark.parametrize("weights", ["umap", "jaccard", "gaussian", "binary"])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_degenerate_rows_are_clustered(weights):
    for rows, n_clusters in ((Z[:1], 1), (Z * 0, 1), (np.repeat(Z[:3], 10, axis=0), 3)):
        found = GraphClusterer(5, resolution=1.0, weights=weights, random_state=0).fit(rows)
        assert found.n_clusters_ == n_clusters
        assert len(found.labels_) == len(rows)
