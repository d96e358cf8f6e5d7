"""Tails of weighted sums of squared normals, divided by an estimate of their variance or not."""

import numpy as np
import pytest
from scipy import integrate, stats

from lineage_clust.models.gam.inference.weighted_tails import weighted_tail

WEIGHTS = ([1.0, 0.3], [1.0, 0.9, 0.8, 0.2, 0.05], [1.0, 1.0, 1.0, 1.0], [1.0, 0.01])


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("df", [30.0, 200.0])
@pytest.mark.parametrize("size", [0.5, 1.0, 2.0, 6.0, 100.0, 2000.0])
def test_an_estimated_variance_is_integrated_over(weights, df, size):
    statistic, weights = size * np.sum(weights), np.array(weights)
    logs = np.linspace(-6, 2.5, 10001)
    each = np.tile(weights[:, None], len(logs))
    density = stats.chi2.pdf(df * np.exp(logs), df) * df * np.exp(logs)
    expected = integrate.simpson(weighted_tail(statistic * np.exp(logs), each) * density, x=logs)
    np.testing.assert_allclose(weighted_tail(np.array([statistic]), weights, df), expected, rtol=0.08)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("df", [5.0, 120.0, 1e5, np.inf])
def test_larger_statistics_have_smaller_tails(weights, df):
    """Tails were corrected by a ratio of other tails, which made the clearest trends have p = 1."""
    tails = weighted_tail(np.geomspace(1e-3, 1e4, 400), np.array(weights)[:, None], df)
    assert (np.diff(tails) <= 0).all()
    assert tails[0] <= 1


def test_equal_weights_are_an_f_distribution():
    statistic = np.array([2.0, 8.0, 40.0, 1000.0])
    np.testing.assert_allclose(weighted_tail(statistic, np.ones(4), 30.0), stats.f.sf(statistic / 4, 4, 30), rtol=0.04)
    np.testing.assert_allclose(weighted_tail(statistic, np.ones(1), 30.0), stats.f.sf(statistic, 1, 30), rtol=1e-10)


def test_many_degrees_of_freedom_are_a_known_variance():
    statistic, weights = np.array([0.1, 1.25, 8.0, 40.0]), np.array([1.0, 0.25])
    np.testing.assert_allclose(weighted_tail(statistic, weights, 1e12), weighted_tail(statistic, weights), rtol=1e-6)
