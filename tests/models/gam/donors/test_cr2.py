"""Cluster-robust covariances against statsmodels and against the formulas of the papers."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import linalg, stats

from lineage_clust import GAM
from lineage_clust.models.gam.donors.cluster_robust import degrees_of_freedom, half_of, hotelling_test, steps_of_donors

GOLDEN = json.loads((Path(__file__).parents[3] / "golden/donors/statsmodels.json").read_text(encoding="utf-8"))


def golden_data():
    """Return the golden script's data, which are written out there."""
    rng = np.random.default_rng(20)
    n = 120
    donors = np.sort(rng.choice(5, n, p=[0.4, 0.2, 0.2, 0.1, 0.1]))
    time = rng.uniform(size=n)
    Z = np.column_stack([np.ones(n), time, time**2])
    Y = rng.standard_normal((n, 3)) + 0.5 * rng.standard_normal((5, 3))[donors]
    return donors, Z, Y, rng.uniform(0.2, 1, n)


def golden_sums():
    donors, Z, Y, w = golden_data()
    rows = [donors == donor for donor in range(5)]
    grams = np.stack([Z[own].T @ (Z[own] * w[own, None]) for own in rows])[None]
    products = np.stack([Z[own].T @ (Y[own] * w[own, None]) for own in rows])[None]
    half = half_of(grams.sum(axis=1))
    return grams, products, half, products - grams @ (half[0] @ half[0].T @ products.sum(axis=1))[:, None]


def covariances(grams, scores, half, power=-0.5):
    steps = half @ steps_of_donors(grams, scores, half, power)[2]
    return np.einsum("mdig,mdjg->gij", steps, steps)


def test_covariances_are_those_of_the_references():
    grams, _, half, scores = golden_sums()
    np.testing.assert_allclose(covariances(grams, scores, half), GOLDEN["CR2"], rtol=1e-8)
    n, n_columns, n_donors = 120, 3, 5
    factor = n_donors / (n_donors - 1) * (n - 1) / (n - n_columns)  # CR1's
    np.testing.assert_allclose(factor * covariances(grams, scores, half, 0.0), GOLDEN["CR1"], rtol=1e-8)


def test_degrees_of_freedom_are_those_of_the_reference():
    grams, _, half, scores = golden_sums()
    inner, factors, _ = steps_of_donors(grams, scores, half)
    found = [degrees_of_freedom(inner, factors, half[:, [column]])[0] for column in range(3)]
    np.testing.assert_allclose(found, GOLDEN["df"][0], rtol=1e-8)


def test_a_test_of_one_coefficient_is_the_t_test():
    grams, products, half, _ = golden_sums()
    coefficients = (half[0] @ half[0].T @ products.sum(axis=1))[0, 2]
    t = coefficients / np.sqrt(np.array(GOLDEN["CR2"])[:, 2, 2])
    statistic, pvalue = hotelling_test(grams, products, 1)
    np.testing.assert_allclose(statistic, t**2, rtol=1e-8)
    np.testing.assert_allclose(pvalue, 2 * stats.t.sf(np.abs(t), GOLDEN["df"][0][2]), rtol=1e-7)
    each = np.repeat(grams, 3, axis=0), np.moveaxis(products, -1, 0)[..., None].reshape(3, 5, 3, 1)
    np.testing.assert_allclose(hotelling_test(*each, 1)[1], pvalue, rtol=1e-10)


def test_a_test_of_two_coefficients_is_that_of_the_paper():
    donors, Z, Y, w = golden_data()
    grams, products, _, _ = golden_sums()
    X, V = Z * np.sqrt(w)[:, None], Y * np.sqrt(w)[:, None]
    M = np.linalg.inv(X.T @ X)
    left = np.eye(len(X)) - X @ M @ X.T
    contrast = np.eye(3)[1:]
    white = linalg.inv(linalg.sqrtm(contrast @ M @ contrast.T).real)
    maps = []  # from responses to each donor's share in the estimate
    for donor in range(5):
        rows = donors == donor
        A = linalg.inv(linalg.sqrtm(left[np.ix_(rows, rows)]).real)
        maps.append(white @ contrast @ M @ X[rows].T @ A @ left[rows])
    cross = np.array([[one @ other.T for other in maps] for one in maps])
    variances = np.einsum("dess,dett->st", cross, cross) + np.einsum("dest,dets->st", cross, cross)
    df = 2 * 3 / variances.sum()
    steps = np.array(maps) @ V
    effects = white @ contrast @ M @ X.T @ V
    for gene in range(3):
        q = effects[:, gene] @ np.linalg.solve(steps[..., gene].T @ steps[..., gene], effects[:, gene])
        expected = stats.f.sf((df - 1) / (2 * df) * q, 2, df - 1)
        assert hotelling_test(grams, products, 2)[1][gene] == pytest.approx(expected, rel=1e-7)


def test_an_unpenalised_gam_has_this_covariance():
    donors, Z, Y, w = golden_data()
    fit = GAM(covariance="cluster", fit_intercept=False).fit(Z, Y, w, groups=donors)
    ratio = fit.posterior_.matrices / np.array(GOLDEN["CR2"])
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1, :1], ratio.shape), rtol=1e-8)
    assert np.all(ratio > 1)  # for quantiles of a t instead of a normal distribution


def test_donors_without_cells_or_residuals_are_no_obstacle():
    grams, products, _, _ = golden_sums()
    grams[:, 4, 2], grams[:, 4, :, 2], products[:, 4, 2] = 0.0, 0.0, 0.0
    grams[:, :, 1], grams[:, :, :, 1], products[:, :, 1] = 0.0, 0.0, 0.0
    grams[:, 0, 1, 1], products[:, 0, 1] = 1.0, 2.0  # a coefficient of one donor
    statistic, pvalue = hotelling_test(grams, products, 2)
    assert np.isfinite(statistic).all()
    assert np.all((pvalue >= 0) & (pvalue <= 1))
    np.testing.assert_array_equal(hotelling_test(grams, 0 * products, 2)[1], 1.0)
