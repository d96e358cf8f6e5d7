"""Degenerate genes, invalid parameters and invalid input of the Gaussian GAM."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from lineage_clust.errors import NoTrendError
from lineage_clust.models import GAM
from lineage_clust.models.gam.inference import significance
from lineage_clust.smoothers import BSplineSmoother

from .gaussian_problem import Problem


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gene_with_nan_fails_alone(storage, bad):
    problem = Problem()
    Y = problem.Y.copy()
    Y[3, 2] = bad
    gam = problem.fit(Y=storage(Y))
    assert gam.failed_ == {2: "expression holds NaN or infinite values"}
    trends, se = gam.predict(problem.rows, return_std=True)
    assert np.isnan(trends[:, 2]).all()
    assert np.isnan(se[:, 2]).all()
    assert np.isnan(gam.coef_[2]).all()
    for name in ("lambda_", "edf_", "scale_", "deviance_explained_", "statistic_", "pvalue_"):
        assert np.flatnonzero(np.isnan(getattr(gam, name))).tolist() == [2]
    others = np.delete(np.arange(7), 2)
    alone = problem.fit(Y=problem.Y[:, others])
    np.testing.assert_allclose(trends[:, others], alone.predict(problem.rows), atol=1e-9)


def test_nan_where_the_weight_is_zero_does_no_harm():
    problem = Problem()
    Y, w = problem.Y.copy(), problem.w.copy()
    Y[:5], w[:5] = np.nan, 0
    assert problem.fit(Y=Y, w=w).failed_ == {}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("family", ["gaussian", "poisson", "negative_binomial", "gamma"])
@pytest.mark.parametrize("covariance", ["robust", "bayes", "cluster", "donors"])
def test_without_smoothing_a_gap_of_pseudotime_is_filled_by_the_penalty(family, covariance):
    """No cell determines some coefficients: the limit of a vanishing lambda, and as many degrees of freedom as the others."""
    rng = np.random.default_rng(0)
    t = np.r_[rng.uniform(0, 0.2, 90), rng.uniform(0.8, 1, 90)][:, None]
    donors = np.arange(180) % 6 if covariance in ("cluster", "donors") else None
    smoother = BSplineSmoother(domain=(0, 1)).fit(t)
    Y, rows = rng.poisson(5, (180, 20)) + 1.0, smoother.transform(np.r_[t[:50], [[0.5]]])
    model = GAM(family, smoothing=0.0, covariance="robust" if covariance == "donors" else covariance)
    gam = model.fit(smoother.transform(t), Y, penalty=smoother.penalty_, groups=donors)
    np.testing.assert_allclose(gam.edf_, 14, atol=1e-3)
    trends, se = gam.predict(rows, return_std=True)
    assert np.isfinite(trends).all()
    assert np.isfinite(se).all()
    np.testing.assert_allclose(trends[:50].mean(), 6, atol=0.5)
    assert np.isfinite(gam.pvalue_).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("smoothing", ["reml", "gcv", 1.0, 0.0])
def test_poor_genes_are_fitted_with_a_note(storage, smoothing):
    problem = Problem(n_genes=4)
    Y = problem.Y.copy()
    Y[:, 0], Y[:, 1], Y[:, 2] = 0, 3.7, 0
    Y[10, 2] = 2.5
    gam = problem.fit(smoothing, Y=storage(Y))
    assert gam.note_ == ["expressed in no cell", "constant expression", "expressed in 1 cell only", ""]
    assert gam.failed_ == {}
    trends, se = gam.predict(problem.rows, return_std=True)
    np.testing.assert_allclose(trends[:, :2], [[0, 3.7]] * 41, atol=1e-9)
    np.testing.assert_allclose(se[:, :2], 0, atol=1e-6)
    assert np.isfinite(trends).all()
    assert np.isfinite(se).all()
    assert gam.pvalue_[:2].tolist() == [1, 1]
    assert gam.deviance_explained_[:2].tolist() == [0, 0]


def test_when_every_gene_fails_the_reason_is_given():
    problem = Problem(n_genes=2)
    with pytest.raises(
        NoTrendError, match="None of the 2 genes could be fitted; 2 of them because: expression holds NaN"
    ):
        problem.fit(Y=np.full((150, 2), np.nan))


@pytest.mark.parametrize("smoothing", ["reml", "gcv", 1.0])
def test_fewer_cells_than_basis_functions(smoothing):
    problem = Problem(n_cells=6, n_splines=20)
    gam = problem.fit(smoothing)
    trends, se = gam.predict(problem.rows, return_std=True)
    assert np.isfinite(trends).all()
    assert np.isfinite(se).all()
    assert np.all(gam.edf_ <= 6 + 1e-6)


def test_a_stretch_without_cells():
    problem = Problem()
    kept = (problem.t.ravel() < 0.3) | (problem.t.ravel() > 0.8)
    trends, se = problem.fit(cells=kept).predict(problem.rows, return_std=True)
    assert np.isfinite(trends).all()
    assert np.all(se[20] > se[[4, -4]].max(axis=0))  # less is known in the gap


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"family": "gauss"}, "family must be one of .*gaussian.*got 'gauss'"),
        ({"smoothing": "ml"}, "smoothing must be 'reml', 'gcv' or a non-negative number; got 'ml'"),
        ({"smoothing": None}, "smoothing must be"),
        ({"smoothing": True}, "smoothing must be"),
        ({"smoothing": -1.0}, "non-negative number; got -1.0"),
        ({"smoothing": np.inf}, "It must be finite"),
        ({"smoothing": np.nan}, "It must be finite"),
        ({"covariance": "sandwich"}, "covariance must be 'robust', 'bayes' or 'cluster'; got 'sandwich'"),
        ({"fit_intercept": "yes"}, "fit_intercept must be True, False or 'auto'; got 'yes'"),
    ],
)
def test_wrong_parameters(parameters, message):
    problem = Problem(n_genes=1)
    with pytest.raises(ValueError, match=message):
        GAM(**parameters).fit(problem.B, problem.Y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_weight": np.zeros(150)}, "Every sample_weight is 0|at least one non-zero"),
        ({"sample_weight": np.full(150, -1.0)}, "[Nn]egative"),
        ({"sample_weight": np.ones(3)}, "sample_weight"),
        ({"sample_weight": np.full(150, np.nan)}, "NaN"),
        ({"penalty": np.eye(13)}, r"square matrix for the leading columns of X; got shape \(13, 13\) for 12 columns"),
        ({"penalty": np.ones((3, 12))}, "penalty must be a square matrix"),
        ({"penalty": np.triu(np.ones((12, 12)))}, "finite and symmetric"),
        ({"penalty": np.full((12, 12), np.nan)}, "finite and symmetric"),
        ({"offset": np.zeros(3)}, r"offset must have shape \(150,\), one value per cell; got \(3,\)"),
        ({"offset": np.full(150, np.inf)}, "offset must be finite"),
        ({"y": np.ones(3)}, "150 and 3"),
        ({"y": np.ones((150, 2, 2))}, "one or two dimensions; got 3"),
        ({"y": np.ones((150, 0))}, "y has no columns"),
        ({"y": np.full((150, 1), "a")}, "y must be numeric"),
        ({"y": None}, "y is None"),
        ({"X": np.full((150, 2), np.nan)}, "NaN"),
    ],
)
def test_wrong_input(arguments, message):
    problem = Problem(n_genes=1)
    arguments = {"X": problem.B, "y": problem.Y, **arguments}
    with pytest.raises(ValueError, match=message):
        GAM().fit(**arguments)


def test_a_penalty_that_is_not_semi_definite_is_refused():
    problem = Problem(n_genes=1)
    with pytest.raises(ValueError, match="penalty"):
        GAM().fit(problem.B, problem.Y, penalty=-problem.S)


def test_cloning_keeps_parameters_and_forgets_the_fit():
    gam = Problem().fit("gcv", "bayes")
    copy = clone(gam)
    assert copy.get_params() == gam.get_params()
    assert not hasattr(copy, "coef_")


@parametrize_with_checks([GAM()])  # none is expected to fail
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([GAM(smoothing=1.0, covariance="bayes")])
def test_scikit_learn_s_checks_of_other_settings(estimator, check):
    check(estimator)


def test_tests_are_made_when_they_are_asked_for(monkeypatch):
    calls = []
    run = significance.SmoothTests.run
    monkeypatch.setattr(significance.SmoothTests, "run", lambda self: calls.append(self) or run(self))
    X, y = np.column_stack([np.ones(30), np.linspace(0, 1, 30)]), np.random.default_rng(0).normal(size=(30, 3))
    gam = GAM().fit(X, y)
    gam.predict(X, return_std=True)
    assert not calls
    copied = pickle.loads(pickle.dumps(gam))
    pvalue = gam.pvalue_
    assert len(calls) == 1
    assert (gam.statistic_ > 0).all()
    assert gam.pvalue_ is pvalue
    assert len(calls) == 1  # once
    np.testing.assert_array_equal(copied.pvalue_, pvalue)
    np.testing.assert_array_equal(GAM().fit(X, y).take_genes([2, 0]).pvalue_, pvalue[[2, 0]])


def test_another_fit_has_tests_of_its_own():
    X, rng = np.column_stack([np.ones(30), np.linspace(0, 1, 30)]), np.random.default_rng(0)
    y = rng.normal(size=(30, 3))
    gam = GAM().fit(X, y)
    before = gam.pvalue_
    assert (gam.fit(X, y + 3 * X[:, 1:]).pvalue_ < before).all()
    gam.set_params(family="gamma").fit(X, np.exp(y))
    np.testing.assert_array_equal(gam.pvalue_, GAM(family="gamma").fit(X, np.exp(y)).pvalue_)
    gam.set_params(family="gaussian").fit(X, y)
    np.testing.assert_array_equal(gam.pvalue_, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_draws": -1}, "n_draws must be an integer of at least 0; got -1"),
        ({"n_draws": 2.0}, "n_draws must be an integer"),
        ({"random_state": "a"}, "random_state must be None, an integer from 0"),
    ],
)
def test_wrong_arguments_of_sample(arguments, message):
    X = np.linspace(0, 1, 20)[:, None]
    with pytest.raises(ValueError, match=message):
        list(GAM().fit(X, X**2).sample(X, **arguments))


def test_without_a_fit_there_are_no_tests():
    with pytest.raises(NotFittedError):
        GAM().pvalue_  # noqa: B018
    assert not hasattr(GAM(), "statistic_")
    gam = GAM()
    with pytest.raises(ValueError, match="could be fitted"):
        gam.fit(np.ones((5, 1)), np.full((5, 2), np.nan))
    assert not hasattr(gam, "pvalue_")
