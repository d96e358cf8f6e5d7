"""Properties of the Gaussian GAM."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.expression.sums import moments
from lineage_clust.models import GAM

from .gaussian_problem import Problem, assert_same_fit, settings


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


@pytest.mark.parametrize("smoothing", ["reml", "gcv", 0.0, 5.0])
@pytest.mark.parametrize("constant", [1.0, 0.2])
def test_with_equal_weights_both_covariances_are_the_same(smoothing, constant):
    problem = Problem()
    robust, bayes = (problem.fit(smoothing, covariance, w=np.full(150, constant)) for covariance in ("robust", "bayes"))
    robust._tests = replace(robust._tests, factors=None)  # "bayes" assumes normal expression
    assert_same_fit(robust, bayes, problem.rows, rtol=1e-7)


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


def test_an_offset_is_subtracted_and_trends_are_without_it():
    problem = Problem()
    offset = np.random.default_rng(1).normal(size=150)
    with_offset = problem.fit(Y=problem.Y + offset[:, None], offset=offset)
    assert_same_fit(with_offset, problem.fit(offset=np.zeros(150)), problem.rows, rtol=1e-7)
    dense, csr = problem.fit(offset=offset), problem.fit(Y=sparse.csr_matrix(problem.Y), offset=offset)
    assert_same_fit(csr, dense, problem.rows, rtol=1e-7)


# the kurtosis for which "robust" allows is that of expression, which includes the part of the covariate
@pytest.mark.parametrize(("covariance", "rtol"), [("robust", 0.15), ("bayes", 1e-3)])
def test_covariates_are_unpenalised_columns(covariance, rtol):
    problem = Problem()
    batch = (np.random.default_rng(2).random(150) < 0.5).astype(float) - 0.5
    design = sparse.hstack([problem.B, sparse.csr_matrix(batch[:, None])], format="csr")
    plain, moved = (
        GAM(covariance=covariance).fit(design, Y, sample_weight=problem.w, penalty=problem.S)
        for Y in (problem.Y, problem.Y + 7 * batch[:, None])
    )
    np.testing.assert_allclose(moved.coef_[:, 12] - plain.coef_[:, 12], 7, atol=1e-6)
    np.testing.assert_allclose(moved.coef_[:, :12], plain.coef_[:, :12], atol=1e-6)
    np.testing.assert_allclose(moved.lambda_, plain.lambda_, rtol=1e-3)
    np.testing.assert_allclose(moved.pvalue_, plain.pvalue_, rtol=rtol)  # the test is of the smooth alone
    np.testing.assert_allclose(moved.statistic_, plain.statistic_, rtol=1e-3)


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
