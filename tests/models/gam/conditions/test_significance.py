"""Tests of conditions with cells as replicates: skewness and kurtosis of expression, and calibration for rare genes."""

import numpy as np
import pytest
from scipy import stats

from lineage_clust import BSplineSmoother
from lineage_clust.models import ConditionGAM
from lineage_clust.models.gam.conditions import significance
from lineage_clust.models.gam.conditions.curves import fit_curves
from lineage_clust.models.gam.conditions.fit import fit_conditions
from lineage_clust.models.gam.conditions.significance import contrasts
from lineage_clust.models.gam.donors.significance import modes_of
from lineage_clust.models.gam.inference.weighted_tails import skewed_tails

SMOOTHER = BSplineSmoother(8, domain=(0, 1))
LINE = np.column_stack([np.ones(200), np.tile([-1.0, 1.0], 100)])  # has the same mean in both conditions


def cells(n_cells, seed, share=0.15, weighted=False):
    rng = np.random.default_rng(seed)
    basis = SMOOTHER.fit_transform(rng.random(n_cells)[:, None])
    weights = np.where(rng.random(n_cells) < 0.4, 0.02 * rng.random(n_cells), rng.random(n_cells))
    return rng, basis, (rng.random(n_cells) < share).astype(int), weights if weighted else np.ones(n_cells)


def recorded(monkeypatch, basis, Y, conditions, weights, **parameters):
    """Return p-values, and those before skewness and kurtosis are allowed for."""
    plain, allow = {}, significance.allow_for_moments

    def record(statistics, pvalues, *rest, **options):
        plain.update(pvalues)
        allow(statistics, pvalues, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr("lineage_clust.models.gam.conditions.fit.allow_for_moments", record)
        gam = ConditionGAM().fit(basis, Y, conditions, sample_weight=weights, penalty=SMOOTHER.penalty_, **parameters)
    return gam.pvalues_, plain


def permuted(rng, n_cells, n_genes, share):
    values = np.where(rng.random(n_cells) < share, rng.gamma(2.0, size=n_cells), 0.0)
    return np.array([rng.permutation(values) for _ in range(n_genes)]).T


@pytest.mark.parametrize("with_covariates", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.first(1)
def test_small_p_values_of_permuted_rare_genes_are_not_too_frequent(weighted, with_covariates, monkeypatch):
    rng, basis, conditions, weights = cells(400, seed=1, weighted=weighted)
    covariates = rng.normal(size=(400, 2)) if with_covariates else None
    Y = permuted(rng, 400, 10_000, 0.2 if weighted else 0.07)
    found, plain = recorded(monkeypatch, basis, Y, conditions, weights, covariates=covariates)
    for name, pvalue in found.items():
        assert np.mean(pvalue < 1e-3) < 2.5e-3
        assert np.mean(pvalue < 0.05) < 0.06
        if name != "both":
            assert np.mean(pvalue < 1e-4) < 6e-4
            assert np.mean(plain[name] < 1e-3) > 2e-3


def test_of_two_means_the_level_has_the_skewness_of_their_difference():
    """A difference of means of two values, whose kurtosis is not larger than that of the skewed distribution."""
    rng = np.random.default_rng(2)
    conditions = np.repeat([0, 1], [180, 20])
    Y = (rng.random((200, 30)) < 0.2).astype(float)
    fit = fit_conditions(LINE, Y, conditions)
    # each value's weight in the difference of means, divided by the standard error of the difference
    each = np.where(conditions == 0, -1 / 180, 1 / 20) / np.sqrt(1 / 180 + 1 / 20)
    size = np.sqrt(fit.curves.statistics["level"])
    skewness = np.abs(stats.skew(Y) * np.sum(each**3))
    expected = stats.pearson3.sf(size, skewness) + stats.pearson3.cdf(-size, skewness)
    expected *= stats.t.sf(size, fit.sums.by_sample.df) / stats.norm.sf(size)
    np.testing.assert_allclose(fit.curves.pvalues["level"], expected, rtol=0.01)


def test_of_two_means_of_equal_size_the_level_has_the_kurtosis_of_their_difference():
    Y, conditions = np.random.default_rng(3).gamma(0.1, size=(200, 30)), np.repeat([0, 1], 100)
    fit = fit_conditions(LINE, Y, conditions)
    factor = 1 + stats.kurtosis(Y) / 200 / 2  # every cell has 1 / 200 of the squared weights
    expected = stats.f.sf(fit.curves.statistics["level"], 1 / factor, fit.sums.by_sample.df)
    np.testing.assert_allclose(fit.curves.pvalues["level"], expected, rtol=1e-4)


def test_of_few_cells_the_level_is_that_of_the_t_test():
    """The variance was treated as known: of 80 cells, twice as many genes had p < 0.001 as should."""
    Y, conditions = np.random.default_rng(8).uniform(size=(30, 40)), np.repeat([0, 1], 15)
    found = fit_conditions(np.ones((30, 1)), Y, conditions).curves.pvalues["level"]
    np.testing.assert_allclose(found, stats.ttest_ind(Y[:15], Y[15:]).pvalue, rtol=1e-4)


def test_of_few_cells_small_p_values_are_not_too_frequent():
    rng, basis, conditions, _ = cells(80, seed=9, share=0.5)
    fit = fit_conditions(basis, rng.normal(size=(80, 10_000)), conditions, penalty=SMOOTHER.penalty_)
    for pvalue in fit.curves.pvalues.values():
        assert np.mean(pvalue < 0.01) < 0.0125
        assert np.mean(pvalue < 0.001) < 0.0016


def test_the_clearest_differences_have_the_smallest_p_values():
    """They had p = 1: tails were corrected by a ratio of tails, whose size is not bounded."""
    rng, basis, conditions, weights = cells(400, seed=1, weighted=True)
    bend = np.sin(6 * basis @ np.linspace(0, 1, basis.shape[1]))
    rare = permuted(rng, 400, 1, 0.07)
    Y = rare + np.geomspace(0.05, 50, 40) * ((conditions == 1) * bend)[:, None]
    found = ConditionGAM().fit(basis, Y, conditions, sample_weight=weights, penalty=SMOOTHER.penalty_).pvalues_
    for name in ("level", "shape"):
        clear = found[name][found[name] < 1e-3]
        assert (np.diff(clear) <= 0).all()
    assert found["shape"][-1] < 1e-100


@pytest.mark.parametrize("skewness", [1e-9, 1e-5, 0.03, 0.3, 1.0])
def test_tails_of_skewed_variables_are_those_of_scipy(skewness):
    size = np.array([0.0, 1e-4, 0.01, 0.5, 2.0, 5.0, 12.0, 30.0])
    expected = stats.pearson3.sf(size, skewness) + stats.pearson3.cdf(-size, skewness)
    if skewness < 1e-3:  # incomplete gamma functions are not accurate there
        expected = 2 * stats.norm.sf(size)
    np.testing.assert_allclose(skewed_tails(size**2, np.full(8, skewness**2)), expected, rtol=0.02)


@pytest.mark.parametrize("with_covariates", [False, True])
def test_factors_are_those_of_the_quadratic_form(with_covariates, monkeypatch):
    """Genes with the value 1 in one cell each have the statistic K_ii."""
    rng, basis, conditions, weights = cells(120, seed=4, share=0.4, weighted=True)
    found, covariates = [], rng.normal(size=(120, 2)) if with_covariates else None
    monkeypatch.setattr(significance, "with_variance", lambda *given: found.append(given) or given[0])
    monkeypatch.setattr(significance, "_ROWS", 50)
    Y = np.eye(120)
    fit = fit_conditions(basis, Y, conditions, penalty=SMOOTHER.penalty_, weights=weights, covariates=covariates)
    curves = fit_curves(fit.sums, False, np.zeros(120))
    sums, contrast = fit.sums.by_sample, contrasts(fit.sums)["shape"]
    free = slice(sums.n_determined)
    shares = modes_of(contrast, sums.gram[:, free, free])[2][0]
    diagonal = curves.statistics["shape"] * shares.max() * curves.scale
    moments = weights / weights.sum()
    variance = moments * (1 - moments)
    kurtosis = (moments * (1 - moments) ** 4 + (1 - moments) * moments**4) / variance**2 - 3
    *_, factors, _ = found[1]
    expected = 1 + np.maximum(kurtosis, 0) * np.sum(diagonal**2) / (2 * np.sum(shares**2))
    np.testing.assert_allclose(factors, expected, rtol=1e-6)


@pytest.mark.parametrize("share", [0.5, 0.15])
def test_normal_expression_is_hardly_affected(share, monkeypatch):
    rng, basis, conditions, weights = cells(1000, seed=5, share=share)
    Y = rng.normal(size=(1000, 300)) + 0.3 * conditions[:, None] * rng.normal(size=300)
    Y[:, 0] = 3.0
    found, plain = recorded(monkeypatch, basis, Y, conditions, weights)
    for name in plain:
        assert found[name][0] == 1
        assert np.all(np.abs(np.log(found[name] / plain[name])) < 0.03 * (1 + np.abs(np.log(plain[name]))))


def test_more_than_two_conditions_and_constant_genes(monkeypatch):
    rng, basis, _, weights = cells(600, seed=6)
    Y = permuted(rng, 600, 10_000, 0.05)
    Y[:, :2] = 3.0
    found, plain = recorded(monkeypatch, basis, Y, rng.choice(3, 600, p=[0.7, 0.2, 0.1]), weights)
    assert np.all([pvalue[:2] == 1 for pvalue in found.values()])
    assert np.mean(plain["shape"] < 1e-3) > 3e-3
    assert np.all([np.mean(pvalue < 1e-3) < 2e-3 for pvalue in found.values()])


def test_differences_of_rare_genes_are_found():
    rng, basis, conditions, _ = cells(1000, seed=7, share=0.5)
    Y = np.where(rng.random((1000, 20)) < np.where(conditions == 0, 0.005, 0.1)[:, None], 1.0, 0.0)
    gam = ConditionGAM().fit(basis, Y, conditions, penalty=SMOOTHER.penalty_)
    assert np.median(gam.pvalues_["level"]) < 1e-8
