"""Variance of test statistics for expression with heavy tails: formula, invariances, and calibration for rare genes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse, stats

from lineage_clust.models import GAM
from lineage_clust.models.gam.inference import kurtosis as module
from lineage_clust.models.gam.inference.kurtosis import higher_moments
from lineage_clust.smoothers import BSplineSmoother

SMOOTHER = BSplineSmoother(12, domain=(0, 1))


def cells(n_cells, seed, weighted=True):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.random(n_cells))
    weights = np.where(rng.random(n_cells) < 0.4, 0.02 * rng.random(n_cells), rng.random(n_cells))
    return rng, SMOOTHER.fit_transform(t[:, None]), weights if weighted else np.ones(n_cells)


def rare_counts(rng, n_cells, n_genes, n_expressing):
    depth = np.exp(rng.normal(0, 0.4, n_cells))[:, None]
    counts = rng.poisson(n_expressing / n_cells * depth * rng.gamma(2.0, 0.5, (n_cells, n_genes)))
    return np.log1p(counts / depth)


def fitted(B, Y, weights, **parameters):
    return GAM(**parameters).fit(B, Y, sample_weight=weights, penalty=SMOOTHER.penalty_)


def without(monkeypatch, B, Y, weights):
    with monkeypatch.context() as patch:
        patch.setattr("lineage_clust.models.gam.gaussian.higher_moments", lambda *sums: np.zeros((2, len(sums[0]))))
        return fitted(B, Y, weights)


def test_moments_are_those_of_scipy():
    values = np.random.default_rng(0).gamma(0.5, size=(400, 3))
    deviations = values - values.mean(axis=0)
    found = higher_moments(*((deviations**power).sum(axis=0) for power in (2, 3, 4)), 400.0)
    np.testing.assert_allclose(found, [stats.skew(values), stats.kurtosis(values)])


@pytest.mark.parametrize(("squares", "fourths"), [(0.0, 0.0), (1.0, np.inf), (1e-300, 0.0), (np.nan, np.nan)])
def test_moments_that_are_not_known_are_zero(squares, fourths):
    squares, fourths = np.array([squares]), np.array([fourths])
    assert np.array(higher_moments(squares, fourths, fourths, 5.0)).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize("n_covariates", [0, 2])
@pytest.mark.parametrize("smoothing", [1e-6, 0.1, 10.0, 1e12])
def test_factors_are_those_of_the_quadratic_form(smoothing, n_covariates, monkeypatch):
    """The variance of e'Ke from a matrix K over all cells; with a power of ten there is no interpolation."""
    rng, B, weights = cells(80, seed=1)
    B, found = np.hstack([B.toarray(), rng.normal(size=(80, n_covariates))]), []
    penalty = np.pad(SMOOTHER.penalty_, (0, n_covariates))
    monkeypatch.setattr(module, "variance_factors", lambda *given: found.append(given) or np.ones(len(given[1])))
    monkeypatch.setattr("lineage_clust.models.gam.gaussian.variance_factors", module.variance_factors)
    gam = fitted(B, np.random.default_rng(2).normal(size=(80, 2)), weights, smoothing=smoothing)
    monkeypatch.undo()
    posterior, _, to_effects, n_others, *_ = found[0]
    factors = module.variance_factors(posterior, np.ones(2), to_effects, n_others, *found[0][4:])
    assert n_others == 1 + n_covariates
    inverse = np.linalg.inv(B.T @ (B * weights[:, None]) + smoothing * penalty)
    effects = to_effects @ inverse @ (B * weights[:, None]).T  # of a unit of expression in each cell
    covariance = posterior.covariances(to_effects, np.array([0]))[0] / gam.scale_[0]
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    F = inverse @ B.T @ (B * weights[:, None])
    rank = max(np.trace(2 * F - F @ F) - n_others, 1.0)
    included = np.clip(rank - np.arange(len(values)), 0, 1)
    K = effects.T @ (vectors * (included / values)) @ vectors.T @ effects
    expected = 1 + np.sum(np.diag(K) ** 2) / (2 * rank)
    np.testing.assert_allclose(factors, expected, rtol=1e-3)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("share", [0.05, 0.15])
@pytest.mark.first(1)
def test_small_p_values_of_permuted_rare_genes_are_not_too_frequent(share, weighted, monkeypatch):
    rng, B, weights = cells(300, seed=3, weighted=weighted)
    values = np.where(rng.random(300) < share, rng.gamma(2.0, size=300), 0.0)
    Y = np.array([rng.permutation(values) for _ in range(20_000)]).T
    found, plain = fitted(B, Y, weights).pvalue_, without(monkeypatch, B, Y, weights).pvalue_
    assert np.mean(found < 1e-3) < 1.6e-3  # three standard errors
    assert np.mean(found < 1e-4) < 3e-4
    assert np.mean(plain < 1e-4) > 1.8 * np.mean(found < 1e-4)
    assert np.mean(found < 0.05) < 0.055


def test_normal_expression_is_hardly_affected(monkeypatch):
    rng, B, weights = cells(1000, seed=5, weighted=False)
    Y = rng.normal(size=(1000, 300))
    found, plain = fitted(B, Y, weights).pvalue_, without(monkeypatch, B, Y, weights).pvalue_
    assert np.all(np.abs(np.log(found / plain)) < 0.02 * (1 + np.abs(np.log(plain))))


def test_a_gene_with_a_peak_remains_significant():
    rng, B, weights = cells(1000, seed=6, weighted=False)
    t = np.sort(np.random.default_rng(6).random(1000))
    Y = np.log1p(rng.poisson(0.8 * np.exp(-0.5 * ((t - 0.6) / 0.05) ** 2)))[:, None] * np.ones(2)
    assert fitted(B, Y, weights).pvalue_[0] < 1e-10


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize(("factor", "level"), [(1.0, 0.0), (1e3, 0.0), (2.0**-40, 0.0), (1.0, 1e4), (-1.0, 3.0)])
def test_unit_level_and_storage_do_not_matter(kind, factor, level):
    rng, B, weights = cells(200, seed=7)
    Y = rare_counts(rng, 200, 20, 30)
    expected, found = fitted(B, Y, weights), fitted(B, kind(factor * Y + level), weights)
    tested = expected.pvalue_ < 1  # a gene without zeros is expressed in enough cells
    assert tested.sum() > 15
    np.testing.assert_allclose(np.log(found.pvalue_[tested]), np.log(expected.pvalue_[tested]), rtol=1e-3, atol=1e-3)


def test_the_unit_of_weights_does_not_matter():
    rng, B, weights = cells(200, seed=7)
    Y = rare_counts(rng, 200, 20, 30)
    expected, found = fitted(B, Y, weights).pvalue_, fitted(B, Y, 7 * weights).pvalue_
    np.testing.assert_allclose(np.log(found), np.log(expected), rtol=1e-6, atol=1e-6)


def test_genes_and_cells_in_any_order_and_number():
    rng, B, weights = cells(200, seed=8)
    Y = rare_counts(rng, 200, 30, 30)
    expected, order = fitted(B, Y, weights).pvalue_, rng.permutation(200)
    np.testing.assert_allclose(fitted(B, Y[:, 7:8], weights).pvalue_, expected[7:8], rtol=1e-6)
    np.testing.assert_allclose(fitted(B, Y[:, ::-1], weights).pvalue_, expected[::-1], rtol=1e-6)
    np.testing.assert_allclose(fitted(B[order], Y[order], weights[order]).pvalue_, expected, rtol=1e-5)


def test_the_test_of_mgcv_assumes_normal_expression():
    rng, B, weights = cells(200, seed=9, weighted=False)
    Y = rare_counts(rng, 200, 20, 15)
    robust, bayes = (fitted(B, Y, weights, covariance=covariance) for covariance in ("robust", "bayes"))
    robust.pvalue_, bayes.pvalue_  # noqa: B018 - computed on first access
    np.testing.assert_allclose(robust.statistic_, bayes.statistic_, rtol=1e-4)
    small = bayes.pvalue_ < 0.05
    assert small.any()
    assert np.all(robust.pvalue_[small] > bayes.pvalue_[small])


@pytest.mark.first(1)
def test_small_p_values_are_not_too_frequent_with_covariates():
    rng, B, weights = cells(300, seed=12)
    values = np.where(rng.random(300) < 0.07, rng.gamma(2.0, size=300), 0.0)
    Y = np.array([rng.permutation(values) for _ in range(20_000)]).T
    batch = rng.integers(0, 4, 300)[:, None] == np.arange(3)
    wide = sparse.hstack([B, sparse.csr_matrix(np.column_stack([rng.normal(size=300), batch]))], format="csr")
    gam = fitted(wide, Y, weights)
    plain = replace(gam._tests, factors=None, others=None).run()[1]
    assert np.mean(gam.pvalue_ < 1e-3) < 1.6e-3  # three standard errors
    assert np.mean(gam.pvalue_ < 1e-4) < 3e-4
    assert np.mean(plain < 1e-4) > 4e-4


def test_an_unrelated_covariate_hardly_changes_p_values():
    rng, B, weights = cells(400, seed=13)
    Y = rare_counts(rng, 400, 40, 40)
    wide = sparse.hstack([B, sparse.csr_matrix(rng.normal(size=(400, 1)))], format="csr")
    found, expected = (fitted(design, Y, weights).pvalue_ for design in (wide, B))
    assert np.median(np.abs(np.log(found / expected))) < 0.15


def test_with_an_offset_kurtosis_is_not_known():
    rng, B, weights = cells(200, seed=10)
    gam = GAM().fit(B, rare_counts(rng, 200, 5, 30), weights, SMOOTHER.penalty_, offset=np.zeros(200))
    np.testing.assert_array_equal(gam._tests.factors, 1.0)
