"""Fits to draws of pseudotime, pooled by Rubin's rules."""

import numpy as np
import pytest
from scipy import stats

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.utils.combining import cauchy_combination

N, GRID = 300, np.linspace(0, 1, 30)


def fits(times, y, groups=None, family="gaussian"):
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    models = []
    for t in times:
        design = smoother.fit_transform(t[:, None])
        models.append(GAM(family).fit(design, y, penalty=smoother.penalty_, groups=groups))
    return models, smoother.transform(GRID[:, None])


def example(seed=0, scatter=0.05, number=4, n_genes=5):
    rng = np.random.default_rng(seed)
    base = rng.uniform(size=N)
    times = np.clip(base + scatter * rng.normal(size=(number, N)), 0, 1)
    y = np.sin(6 * base)[:, None] * np.linspace(0, 1, n_genes) + rng.normal(size=(N, n_genes))
    return times, y


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_the_rules_of_rubin(family):
    times, y = example()
    y = y if family == "gaussian" else np.random.default_rng(1).poisson(np.exp(y / 2)).astype(float)
    models, rows = fits(times, y, family=family)
    pooled = GAM.pool(models, N)
    link = (lambda values: values) if family == "gaussian" else np.log
    etas = np.array([link(one.predict(rows)) for one in models])
    errors = np.array([one._predictor(rows, True)[1] for one in models])
    within, between = (errors**2).mean(axis=0), etas.var(axis=0, ddof=1)
    total = within + (1 + 1 / 4) * between
    np.testing.assert_allclose(link(pooled.predict(rows)), etas.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(pooled._predictor(rows, True)[1], np.sqrt(total), rtol=1e-8)
    share = (1 + 1 / 4) * between / total
    known = N - pooled.edf_.mean()
    of_cells = (known + 1) / (known + 3) * known * (1 - share)
    df = 1 / (share**2 / 3 + 1 / of_cells)
    lower, upper = pooled.confidence_interval(rows, 0.9)
    half = (link(upper) - link(lower)) / 2
    np.testing.assert_allclose(half, stats.t.ppf(0.95, df) * np.sqrt(total), rtol=1e-8)
    assert pooled.edf_ == pytest.approx(np.mean([one.edf_ for one in models], axis=0))
    assert pooled.pvalue_ == pytest.approx(cauchy_combination(np.array([one.pvalue_ for one in models]))[1])


def test_equal_draws_are_one_fit():
    times, y = example(number=1)
    models, rows = fits(np.repeat(times, 3, axis=0), y)
    pooled, one = GAM.pool(models, N), models[0]
    for found, expected in zip(pooled.predict(rows, return_std=True), one.predict(rows, return_std=True), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(pooled.pvalue_, one.pvalue_, rtol=1e-6, atol=1e-12)
    ends = zip(pooled.confidence_interval(rows), one.confidence_interval(rows), strict=True)
    for found, expected in ends:
        np.testing.assert_allclose(found, expected, atol=0.01)


def test_samples_have_the_standard_errors_and_genes_go_together():
    models, rows = fits(*example(scatter=0.2))
    pooled = GAM.pool(models, N)
    draws = np.array(list(pooled.sample(rows, 3000, random_state=0)))
    mean, std = pooled.predict(rows, return_std=True)
    np.testing.assert_allclose(draws.std(axis=0), std, rtol=0.12)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.1 * std.max())
    some = pooled.take_genes([3, 1])
    np.testing.assert_allclose(some.predict(rows, return_std=True)[1], std[:, [3, 1]])
    assert some.pvalue_.tolist() == pooled.pvalue_[[3, 1]].tolist()
    np.testing.assert_allclose(some.confidence_interval(rows)[0], pooled.confidence_interval(rows)[0][:, [3, 1]])


@pytest.mark.slow
def test_donors_may_be_the_replicates():
    times, y = example(number=2, n_genes=20)
    groups = np.random.default_rng(0).integers(0, 6, N)
    y = y + np.random.default_rng(1).normal(0, 0.5, (6, 20))[groups]
    models, rows = fits(times, y, groups)
    pooled = GAM.pool(models, N)
    within = np.mean([one.predict(rows, return_std=True)[1] ** 2 for one in models], axis=0)
    assert np.all(pooled.predict(rows, return_std=True)[1] ** 2 >= within * (1 - 1e-9))
    assert next(pooled.sample(rows, random_state=0)).shape == (30, 20)


def test_a_gene_that_fails_in_one_draw_fails():
    times, y = example()
    models, rows = fits(times, y)
    models[2].coef_[1] = np.nan
    models[2].failed_ = {1: "the iterations diverged"}
    pooled = GAM.pool(models, N)
    assert pooled.failed_ == {1: "the iterations diverged (draw 2 of pseudotime)"}
    mean, std = pooled.predict(rows, return_std=True)
    assert np.isnan(mean[:, 1]).all()
    assert np.isnan(std[:, 1]).all()
    assert np.isfinite(np.delete(mean, 1, axis=1)).all()


@pytest.mark.slow
def test_genes_without_a_trend_are_rejected_at_the_level():
    rng = np.random.default_rng(5)
    base = rng.uniform(size=N)
    times = np.clip(base + 0.1 * rng.normal(size=(6, N)), 0, 1)
    models, _ = fits(times, rng.normal(size=(N, 1500)))
    p = GAM.pool(models, N).pvalue_
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(p < 0.01) == pytest.approx(0.01, abs=0.01)
