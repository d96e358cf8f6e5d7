"""Combination of dependent p-values."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from lineage_clust.utils.combining import cauchy_combination


@given(st.lists(st.floats(1e-6, 0.89), min_size=1, max_size=5))
def test_the_combined_p_value_is_liu_and_xie_s(pvalues):
    statistic = np.mean(stats.cauchy.isf(pvalues))
    assert cauchy_combination(np.array(pvalues))[1] == pytest.approx(stats.cauchy.sf(statistic), rel=1e-6)


@given(st.floats(1e-300, 1.0), st.integers(1, 5))
@example(2e-14, 1)
def test_equal_p_values_combine_to_themselves(pvalue, n):
    combined = cauchy_combination(np.full(n, pvalue))[1]
    assert combined == pytest.approx(min(pvalue, 0.9), rel=1e-6)


@pytest.mark.parametrize("small", [1e-3, 1e-12, 1e-100, 1e-300])
@pytest.mark.parametrize("other", [0.3, 0.999, 1.0])
def test_evidence_in_one_lineage_survives_its_absence_in_another(small, other):
    assert small < cauchy_combination(np.array([small, other]))[1] < 2.3 * small


def test_extreme_and_missing_p_values():
    _, combined = cauchy_combination(np.array([[0.0, 0.5], [1.0, 1.0], [np.nan, 0.1]]), axis=1)
    assert 0 < combined[0] < 1e-290
    assert combined[1] == pytest.approx(0.9)
    assert np.isnan(combined[2])
    assert cauchy_combination(np.zeros((0, 2)), axis=1)[1].shape == (0,)


def test_combined_p_values_are_calibrated_also_when_dependent():
    rng = np.random.default_rng(0)
    for correlation in (0.0, 0.5, 0.9):
        z = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 40_000)
        _, combined = cauchy_combination(stats.norm.sf(z), axis=1)
        assert np.mean(combined < 0.01) == pytest.approx(0.01, abs=0.003)
        assert np.mean(combined < 0.05) == pytest.approx(0.05, abs=0.01)
