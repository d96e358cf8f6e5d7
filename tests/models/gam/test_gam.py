"""Laws of the Gaussian GAM, and comparisons with numpy, scipy and scikit-learn."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, optimize, sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from lineage_clust.errors import NoTrendError
from lineage_clust.expression import moments
from lineage_clust.models import GAM
from lineage_clust.models.gam import significance
from lineage_clust.smoothers import BSplineSmoother

GRID = np.linspace(0, 1, 41)[:, None]
settings = st.tuples(st.sampled_from(["reml", "gcv", 0.3]), st.sampled_from(["robust", "bayes"]), st.integers(0, 1000))


class Problem:
    """Cells with weights, a spline design, and genes from flat to wiggly, 40 % of their values zero."""

    def __init__(self, seed=0, n_cells=150, n_genes=7, n_splines=12):
        rng = np.random.default_rng(seed)
        self.t = rng.uniform(0, 1, (n_cells, 1))
        self.w = rng.uniform(0.05, 1, n_cells)
        waves = np.sin(2 * np.pi * self.t * rng.uniform(0, 2, n_genes) + rng.uniform(0, 6, n_genes))
        noisy = waves * rng.uniform(0, 3, n_genes) + 1 + rng.normal(size=(n_cells, n_genes))
        self.Y = noisy * (rng.random((n_cells, n_genes)) < 0.6)
        self.smoother = BSplineSmoother(n_splines, domain=(0, 1)).fit(self.t)
        self.B = self.smoother.transform(self.t)
        self.S = self.smoother.penalty_
        self.rows = self.smoother.transform(GRID)

    def fit(self, smoothing="reml", covariance="robust", cells=slice(None), Y=None, w=None, **more):
        Y, w = self.Y if Y is None else Y, self.w if w is None else w
        return GAM(smoothing=smoothing, covariance=covariance).fit(
            self.B[cells], Y[cells], sample_weight=w[cells], penalty=self.S, **more
        )


def assert_same_fit(one, other, rows, rtol=1e-6):
    """Same trends, standard errors, edf, scale, deviance explained and (in logarithms) p-values."""
    (fit, se), (other_fit, other_se) = one.predict(rows, return_std=True), other.predict(rows, return_std=True)
    np.testing.assert_allclose(fit, other_fit, atol=rtol * np.ptp(other_fit))
    np.testing.assert_allclose(se, other_se, rtol=10 * rtol)
    for name in ("edf_", "deviance_explained_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=10 * rtol)
    assert np.all(np.abs(np.log(one.pvalue_) - np.log(other.pvalue_)) < 1e-3 * (1 + np.abs(np.log(one.pvalue_))))


# ---- laws of weights and of storage


@given(settings)
def test_a_cell_of_weight_zero_is_as_if_absent(setting):
    smoothing, covariance, seed = setting
    problem = Problem(seed)
    kept = np.random.default_rng(seed).random(150) < 0.8
    zeroed = problem.fit(smoothing, covariance, w=np.where(kept, problem.w, 0.0))
    absent = problem.fit(smoothing, covariance, cells=kept)
    assert_same_fit(zeroed, absent, problem.rows)
    np.testing.assert_allclose(zeroed.scale_, absent.scale_, rtol=1e-6)


@given(settings, st.floats(1e-3, 1e3))
def test_only_ratios_of_weights_matter(setting, factor):
    smoothing, covariance, seed = setting
    problem = Problem(seed)
    plain = problem.fit(smoothing, covariance)
    scaled = problem.fit(
        smoothing if isinstance(smoothing, str) else factor * smoothing, covariance, w=factor * problem.w
    )
    assert_same_fit(scaled, plain, problem.rows, rtol=1e-5)


@given(settings)
def test_the_order_of_the_cells_does_not_matter(setting):
    smoothing, covariance, seed = setting
    problem = Problem(seed)
    order = np.random.default_rng(seed).permutation(150)
    assert_same_fit(problem.fit(smoothing, covariance, cells=order), problem.fit(smoothing, covariance), problem.rows)


def test_a_cell_twice_is_a_cell_of_double_weight():
    problem = Problem()
    twice = np.r_[np.arange(150), np.arange(150)]
    doubled, repeated = problem.fit(0.5, w=2 * problem.w), problem.fit(0.5, cells=twice)
    np.testing.assert_allclose(repeated.coef_, doubled.coef_, atol=1e-9)
    np.testing.assert_allclose(repeated.edf_, doubled.edf_, rtol=1e-9)
    np.testing.assert_allclose(repeated.deviance_explained_, doubled.deviance_explained_, rtol=1e-9)


@given(settings, st.floats(1e-6, 1e6), st.floats(-100, 100))
def test_unit_and_level_of_expression_pass_through(setting, unit, level):
    smoothing, covariance, seed = setting
    problem = Problem(seed)
    plain, moved = problem.fit(smoothing, covariance), problem.fit(smoothing, covariance, Y=unit * (problem.Y + level))
    (fit, se), (moved_fit, moved_se) = (gam.predict(problem.rows, return_std=True) for gam in (plain, moved))
    np.testing.assert_allclose(moved_fit / unit - level, fit, atol=1e-5 * np.ptp(fit))
    np.testing.assert_allclose(moved_se / unit, se, rtol=1e-4)
    np.testing.assert_allclose(moved.edf_, plain.edf_, atol=1e-4)


@pytest.mark.parametrize(
    "storage", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.coo_array, np.asfortranarray]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.first(5)
def test_storage_does_not_matter(storage, dtype):
    problem = Problem()
    values = np.round(8 * problem.Y).astype(dtype)
    stored, plain = (
        GAM().fit(problem.B, Y, sample_weight=problem.w, penalty=problem.S)
        for Y in (storage(values), values.astype(float))
    )
    assert_same_fit(stored, plain, problem.rows, rtol=1e-9)


@pytest.mark.parametrize("storage", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_blocks_do_not_matter(storage, monkeypatch):
    problem = Problem()
    whole = problem.fit(Y=storage(problem.Y))
    monkeypatch.setattr(moments, "_BLOCK_VALUES", 97)
    assert_same_fit(problem.fit(Y=storage(problem.Y)), whole, problem.rows, rtol=1e-9)


def test_a_sparse_design_is_a_dense_one():
    problem = Problem()
    dense = GAM().fit(problem.B.toarray(), problem.Y, sample_weight=problem.w, penalty=sparse.csr_matrix(problem.S))
    assert_same_fit(dense, problem.fit(), problem.rows, rtol=1e-9)
    np.testing.assert_allclose(dense.predict(problem.rows.toarray()), dense.predict(problem.rows))


def test_every_gene_is_fitted_by_itself():
    problem = Problem()
    together = problem.fit()
    for gene in range(7):
        alone = problem.fit(Y=problem.Y[:, gene])
        assert alone.coef_.shape == (12,)
        assert alone.predict(problem.rows).shape == (41,)
        np.testing.assert_allclose(alone.predict(problem.rows), together.predict(problem.rows)[:, gene], atol=1e-9)


def test_nothing_that_is_passed_in_changes():
    problem = Problem()
    Y, B = sparse.csr_matrix(problem.Y), problem.B.copy()
    before = Y.copy(), problem.w.copy(), problem.S.copy()
    GAM().fit(B, Y, sample_weight=problem.w, penalty=problem.S, offset=problem.t.ravel())
    assert abs(Y - before[0]).max() == 0
    assert abs(B - problem.B).max() == 0
    np.testing.assert_array_equal(problem.w, before[1])
    np.testing.assert_array_equal(problem.S, before[2])


# ---- against other implementations


def weighted_lstsq(X, Y, w):
    root = np.sqrt(w)[:, None]
    return linalg.lstsq(X * root, Y * root)[0]


def test_without_smoothing_it_is_least_squares():
    problem = Problem()
    B = problem.B.toarray()
    np.testing.assert_allclose(problem.fit(0).coef_.T, weighted_lstsq(B, problem.Y, problem.w), atol=1e-8)
    np.testing.assert_allclose(problem.fit(0).edf_, 12)


def test_with_endless_smoothing_it_is_a_straight_line():
    problem = Problem()
    gam = problem.fit(1e12)
    line = np.polynomial.polynomial.polyfit(problem.t.ravel(), problem.Y, 1, w=np.sqrt(problem.w))
    np.testing.assert_allclose(gam.predict(problem.rows), line[0] + GRID * line[1], atol=1e-6)
    np.testing.assert_allclose(gam.edf_, 2, atol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_endless_smoothing_leaves_the_penalty_s_null_space(order):
    problem = Problem()
    penalty = BSplineSmoother(12, penalty_order=order, domain=(0, 1)).fit(problem.t).penalty_
    gam = GAM(smoothing=1e12).fit(problem.B, problem.Y, sample_weight=problem.w, penalty=penalty)
    powers = weighted_lstsq(np.vander(problem.t.ravel(), order), problem.Y, problem.w)
    np.testing.assert_allclose(gam.predict(problem.rows), np.vander(GRID.ravel(), order) @ powers, atol=1e-4)


@given(settings, st.floats(-3, 5))
def test_a_fixed_lambda_is_the_closed_form(setting, log_lambda):
    _, covariance, seed = setting
    problem, lambda_ = Problem(seed), 10**log_lambda
    gam = problem.fit(lambda_, covariance)
    B, W = problem.B.toarray(), np.diag(problem.w)
    P = np.linalg.inv(B.T @ W @ B + lambda_ * problem.S)
    coef = P @ B.T @ W @ problem.Y
    deviance = problem.w @ (problem.Y - B @ coef) ** 2
    np.testing.assert_allclose(gam.coef_.T, coef, atol=1e-6)
    np.testing.assert_allclose(gam.edf_, np.trace(P @ B.T @ W @ B), rtol=1e-7)
    np.testing.assert_allclose(gam.lambda_, lambda_)
    if covariance == "bayes":
        np.testing.assert_allclose(gam.scale_, deviance / (150 - gam.edf_), rtol=1e-7)
    null = problem.w @ (problem.Y - np.average(problem.Y, axis=0, weights=problem.w)) ** 2
    np.testing.assert_allclose(gam.deviance_explained_, 1 - deviance / null, atol=1e-8)


def dense_reml(problem, y):
    """The REML criterion of mgcv's fixed-scale form with the scale profiled out, from log-determinants."""
    B, w, S = problem.B.toarray(), problem.w, problem.S
    values = linalg.eigvalsh(S)
    rank = int(np.sum(values > 1e-9 * values[-1]))
    log_det_s = np.sum(np.log(values[-rank:]))

    def criterion(log_lambda):
        lambda_ = np.exp(log_lambda)
        A = B.T @ (B * w[:, None]) + lambda_ * S
        beta = np.linalg.solve(A, B.T @ (w * y))
        penalised = np.sum(w * (y - B @ beta) ** 2) + lambda_ * beta @ S @ beta
        df = len(y) - (len(S) - rank)
        return 0.5 * (df * np.log(penalised) + np.linalg.slogdet(A)[1] - rank * log_lambda - log_det_s)

    return criterion


def dense_gcv(problem, y):
    """Generalised cross-validation from the hat matrix."""
    B, w, S = problem.B.toarray(), problem.w, problem.S

    def criterion(log_lambda):
        root = np.sqrt(w)[:, None] * B
        hat = root @ np.linalg.solve(root.T @ root + np.exp(log_lambda) * S, root.T)
        residual = np.sqrt(w) * y - hat @ (np.sqrt(w) * y)
        return np.log(residual @ residual) - 2 * np.log(len(y) - np.trace(hat))

    return criterion


@pytest.mark.parametrize(("method", "dense"), [("reml", dense_reml), ("gcv", dense_gcv)])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.first(3)
def test_lambda_minimises_the_dense_criterion(method, dense, seed):
    problem = Problem(seed)
    gam = problem.fit(method)
    for gene in range(7):
        criterion = dense(problem, problem.Y[:, gene])
        scan = np.linspace(-12, 16, 57)
        best = scan[np.argmin([criterion(point) for point in scan])]
        minimum = optimize.minimize_scalar(
            criterion, bounds=(best - 1, best + 1), method="bounded", options={"xatol": 1e-8}
        )
        assert criterion(min(np.log(gam.lambda_[gene]), 18.0)) <= minimum.fun + 1e-7
        if best < 12:  # not a straight line
            assert np.log(gam.lambda_[gene]) == pytest.approx(minimum.x, abs=1e-3)
    assert gam.converged_.all()


@pytest.mark.parametrize("fit_intercept", [True, False, "auto"])
@pytest.mark.parametrize("weighted", [True, False])
def test_without_a_penalty_it_is_linear_regression(fit_intercept, weighted):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(60, 3)), rng.normal(size=(60, 4)) + 5
    w = rng.uniform(0.1, 1, 60) if weighted else None
    ours = GAM(fit_intercept=fit_intercept).fit(X, Y, sample_weight=w)
    theirs = LinearRegression(fit_intercept=bool(fit_intercept)).fit(X, Y, sample_weight=w)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-10)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-10)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-10)
    assert ours.score(X, Y, sample_weight=w) == pytest.approx(theirs.score(X, Y, sample_weight=w))


def test_an_intercept_is_added_only_where_the_design_has_no_constant():
    problem = Problem()
    assert np.all(problem.fit().intercept_ == 0)
    without = GAM().fit(problem.t, problem.Y)
    np.testing.assert_allclose(without.intercept_, LinearRegression().fit(problem.t, problem.Y).intercept_, atol=1e-10)


def test_standard_errors_and_test_of_a_straight_line_are_those_of_textbooks():
    problem = Problem(n_genes=5)
    gam = GAM(covariance="bayes").fit(problem.t, problem.Y)
    X = np.column_stack([np.ones(150), problem.t])
    for gene in range(5):
        beta, rss = linalg.lstsq(X, problem.Y[:, gene])[:2]
        covariance = rss / 148 * np.linalg.inv(X.T @ X)
        rows = np.column_stack([np.ones(41), GRID])
        se = gam.predict(GRID, return_std=True)[1][:, gene]
        np.testing.assert_allclose(se, np.sqrt(np.einsum("ij,jk,ik->i", rows, covariance, rows)), rtol=1e-8)
        assert gam.statistic_[gene] == pytest.approx(beta[1] ** 2 / covariance[1, 1], rel=1e-6)


# ---- covariances


@pytest.mark.parametrize("smoothing", ["reml", "gcv", 0.0, 5.0])
@pytest.mark.parametrize("constant", [1.0, 0.2])
def test_with_equal_weights_both_covariances_are_the_same(smoothing, constant):
    problem = Problem()
    fits = [problem.fit(smoothing, covariance, w=np.full(150, constant)) for covariance in ("robust", "bayes")]
    assert_same_fit(*fits, problem.rows, rtol=1e-7)


def test_the_robust_covariance_is_the_sandwich():
    problem = Problem()
    gam = problem.fit("reml", "robust")
    B, w = problem.B.toarray(), problem.w
    rows = problem.rows.toarray()
    se = gam.predict(problem.rows, return_std=True)[1]
    for gene in range(7):
        lambda_ = gam.lambda_[gene]
        P = np.linalg.inv(B.T @ (B * w[:, None]) + lambda_ * problem.S)
        squared = B.T @ (B * w[:, None] ** 2)
        deviance = np.sum(w * (problem.Y[:, gene] - B @ gam.coef_[gene]) ** 2)
        phi = deviance / (150 - np.trace(P @ B.T @ (B * w[:, None])))
        variance = deviance / (w.sum() - np.trace(P @ squared))
        covariance = variance * P @ squared @ P + phi * lambda_ * P @ problem.S @ P
        np.testing.assert_allclose(se[:, gene], np.sqrt(np.einsum("ij,jk,ik->i", rows, covariance, rows)), rtol=1e-4)
        assert gam.scale_[gene] == pytest.approx(variance, rel=1e-5)


# ---- offset and covariates


def test_an_offset_is_subtracted_and_trends_are_without_it():
    problem = Problem()
    offset = np.random.default_rng(1).normal(size=150)
    with_offset = problem.fit(Y=problem.Y + offset[:, None], offset=offset)
    assert_same_fit(with_offset, problem.fit(), problem.rows, rtol=1e-7)
    dense, csr = problem.fit(offset=offset), problem.fit(Y=sparse.csr_matrix(problem.Y), offset=offset)
    assert_same_fit(csr, dense, problem.rows, rtol=1e-7)


def test_covariates_are_unpenalised_columns():
    problem = Problem()
    batch = (np.random.default_rng(2).random(150) < 0.5).astype(float) - 0.5
    design = sparse.hstack([problem.B, sparse.csr_matrix(batch[:, None])], format="csr")
    shifted = problem.Y + 7 * batch[:, None]
    plain, moved = (GAM().fit(design, Y, sample_weight=problem.w, penalty=problem.S) for Y in (problem.Y, shifted))
    np.testing.assert_allclose(moved.coef_[:, 12] - plain.coef_[:, 12], 7, atol=1e-6)
    np.testing.assert_allclose(moved.coef_[:, :12], plain.coef_[:, :12], atol=1e-6)
    np.testing.assert_allclose(moved.lambda_, plain.lambda_, rtol=1e-3)
    np.testing.assert_allclose(moved.pvalue_, plain.pvalue_, rtol=1e-3)  # the test is of the smooth alone


def test_covariates_may_be_redundant():
    problem = Problem()
    batch = np.random.default_rng(2).normal(size=(150, 1))
    once, twice = (
        GAM().fit(
            sparse.hstack([problem.B, *[batch] * n], format="csr"),
            problem.Y,
            sample_weight=problem.w,
            penalty=problem.S,
        )
        for n in (1, 2)
    )
    np.testing.assert_allclose(twice.predict(sparse.hstack([problem.B, batch, batch], format="csr")),
                               once.predict(sparse.hstack([problem.B, batch], format="csr")), atol=1e-6)  # fmt: skip


# ---- poor genes


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


# ---- parameters and shapes


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"family": "gauss"}, "family must be one of .*gaussian.*got 'gauss'"),
        ({"smoothing": "ml"}, "smoothing must be 'reml', 'gcv' or a non-negative number; got 'ml'"),
        ({"smoothing": None}, "smoothing must be"),
        ({"smoothing": True}, "smoothing must be"),
        ({"smoothing": -1.0}, "must be finite and not negative; got -1.0"),
        ({"smoothing": np.inf}, "must be finite and not negative"),
        ({"smoothing": np.nan}, "must be finite and not negative"),
        ({"covariance": "sandwich"}, "covariance must be 'robust' or 'bayes'; got 'sandwich'"),
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
        ({"offset": np.zeros(3)}, r"offset must have shape \(150,\), one value a cell; got \(3,\)"),
        ({"offset": np.full(150, np.inf)}, "offset must be finite"),
        ({"y": np.ones(3)}, "150 and 3"),
        ({"y": np.ones((150, 2, 2))}, "one or two dimensions; got 3"),
        ({"y": np.ones((150, 0))}, "y has no columns"),
        ({"y": np.full((150, 1), "a")}, "y must hold numbers"),
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


# ---- tests when they are asked for


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


def test_without_a_fit_there_are_no_tests():
    with pytest.raises(NotFittedError):
        GAM().pvalue_  # noqa: B018
    assert not hasattr(GAM(), "statistic_")
    gam = GAM()
    with pytest.raises(ValueError, match="could be fitted"):
        gam.fit(np.ones((5, 1)), np.full((5, 2), np.nan))
    assert not hasattr(gam, "pvalue_")
