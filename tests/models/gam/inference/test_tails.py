"""Tail probabilities for integer degrees of freedom equal SciPy's general functions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from lineage_clust.models.gam.inference.tails import upper_tail


@given(
    df=st.integers(1, 60),
    residual_df=st.one_of(st.floats(1, 100), st.floats(100, 1e7)),
    statistic=st.floats(0, 3000),
)
def test_the_tail_is_that_of_f(df, residual_df, statistic):
    found = upper_tail(np.array([[statistic]]), np.array([df]), np.array([residual_df]))
    expected = special.betainc(residual_df / 2, df / 2, residual_df / (residual_df + statistic))
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-290)


def test_genes_and_points_are_independent_of_each_other():
    rng = np.random.default_rng(0)
    df, residual_df = rng.integers(1, 25, 50), 10 ** rng.uniform(0.5, 5, 50)
    statistic = rng.chisquare(df, (7, 50)) * 10 ** rng.uniform(-2, 2, 50)
    together = upper_tail(statistic, df, residual_df)
    for gene in range(50):
        alone = upper_tail(statistic[:, [gene]], df[[gene]], residual_df[[gene]])
        np.testing.assert_allclose(together[:, gene], alone[:, 0], rtol=1e-9)
    np.testing.assert_allclose(
        together, special.betainc(residual_df / 2, df / 2, 1 / (1 + statistic / residual_df)), rtol=1e-9
    )


@pytest.mark.parametrize("df", [1, 2, 7])
def test_ends(df):
    tails = upper_tail(np.array([[0.0], [np.inf]]), np.array([df]), np.array([50.0]))
    np.testing.assert_allclose(tails.ravel(), [1.0, 0.0], atol=1e-12)
    assert upper_tail(np.zeros((3, 0)), np.zeros(0, dtype=int), np.zeros(0)).shape == (3, 0)


def test_a_known_scale_is_chi_square():
    found = upper_tail(np.array([[3.0]]), np.array([4]), None)
    np.testing.assert_allclose(found, special.chdtrc(4, 3.0))
