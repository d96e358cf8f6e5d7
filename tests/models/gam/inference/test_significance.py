"""Tests of smooths: null distribution against simulation, accuracy of small p-values, and invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from lineage_clust.models.gam.inference.significance import _tail, along_modes, smooth_test, with_variance

LARGER = {  # eigenvalues of [[1, b], [b, nu]] with b^2 = nu (1 - nu) / 2, by numpy
    nu: np.linalg.eigvalsh([[1, np.sqrt(nu * (1 - nu) / 2)], [np.sqrt(nu * (1 - nu) / 2), nu]])
    for nu in (0.05, 0.3, 0.5, 0.9)
}
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(400)
FEW_NODES, FEW_WEIGHTS = np.polynomial.legendre.leggauss(60)


def outcome_of(effects, covariances, rank, residual_df):
    return smooth_test(*along_modes(covariances, effects), rank, residual_df)


def spread_covariances(n_genes, n, seed=0):
    """Random covariances with eigenvalues from 1 to 1e-3."""
    rng = np.random.default_rng(seed)
    rotations = np.linalg.qr(rng.normal(size=(n_genes, n, n)))[0]
    return rotations * np.geomspace(1, 1e-3, n) @ rotations.transpose(0, 2, 1)


# ---- the tail of a weighted sum of squared normals


@pytest.mark.parametrize("nu", list(LARGER))
@pytest.mark.parametrize("whole", [1, 2, 3, 6])
@pytest.mark.parametrize("residual_df", [None, 30.0])
@pytest.mark.first(3)
def test_the_tail_is_that_of_a_simulation(nu, whole, residual_df):
    rng = np.random.default_rng(whole)
    n = 400_000
    sums = rng.chisquare(whole - 1, n) if whole > 1 else np.zeros(n)
    sums += rng.normal(size=(n, 2)) ** 2 @ LARGER[nu]
    if residual_df is not None:
        sums /= rng.chisquare(residual_df, n) / residual_df
    levels = np.array([0.9, 0.5, 0.1, 0.01])
    points = np.quantile(sums, 1 - levels)
    df = None if residual_df is None else np.full(4, residual_df)
    np.testing.assert_allclose(_tail(points, whole, np.full(4, nu), df), levels, atol=0.004, rtol=0.04)


@pytest.mark.parametrize("nu", list(LARGER))
@pytest.mark.parametrize("whole", [1, 2, 3, 6])
def test_the_far_tail_keeps_its_relative_accuracy(nu, whole):
    """P(C + a x^2 + b z^2 > s), C chi-square, x and z normal, by Gauss-Legendre: a sum of positive terms."""
    z, weights = 5 * (1 + NODES), 10 * NODE_WEIGHTS * stats.norm.pdf(5 * (1 + NODES))
    smaller, larger = LARGER[nu]
    for point in (20.0, 45.0):
        if whole == 1:
            expected = weights @ special.chdtrc(1, (point - smaller * z**2).clip(0) / larger)
        else:
            rest = point - np.add.outer(larger * z**2, smaller * z**2)
            expected = weights @ special.chdtrc(whole - 1, rest.clip(0)) @ weights
        assert _tail(np.array([point]), whole, np.array([nu]), None)[0] == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("nu", list(LARGER))
@pytest.mark.parametrize("whole", [1, 2])
def test_the_far_tail_with_an_estimated_scale(nu, whole):
    """The same sum over a chi-square R with r degrees of freedom: P(R < r sum / s) for given normals."""
    z, weights = 5 * (1 + FEW_NODES), 10 * FEW_WEIGHTS * stats.norm.pdf(5 * (1 + FEW_NODES))
    total = np.add.outer(LARGER[nu][0] * z**2, LARGER[nu][1] * z**2)
    chance = np.multiply.outer(weights, weights)
    if whole == 2:
        total, chance = np.add.outer(z**2, total), np.multiply.outer(weights, chance)
    for point in (10.0, 60.0):
        expected = np.sum(chance * special.chdtr(30, 30 * total / point))
        found = _tail(np.array([point]), whole, np.array([nu]), np.array([30.0]))[0]
        assert found == pytest.approx(expected, rel=2e-3)


@given(st.integers(1, 12), st.floats(0.1, 200), st.sampled_from([None, 5.0, 80.0]))
def test_a_whole_rank_is_chi_square_or_f(whole, point, residual_df):
    df = None if residual_df is None else np.array([residual_df])
    found = _tail(np.array([point]), whole, np.zeros(1), df)[0]
    exact = stats.chi2.sf(point, whole) if residual_df is None else stats.f.sf(point / whole, whole, residual_df)
    assert found == pytest.approx(exact, rel=1e-10)


@given(st.integers(1, 8), st.floats(0.5, 100))
def test_a_fractional_rank_lies_between_the_whole_ones(whole, point):
    fractions = np.array([1e-6, 0.25, 0.5, 0.75, 1 - 1e-6])
    tails = _tail(np.full(5, point), whole, fractions, None)
    assert tails[0] == pytest.approx(stats.chi2.sf(point, whole), rel=2e-2)
    assert tails[-1] == pytest.approx(stats.chi2.sf(point, whole + 1), rel=2e-2)


def test_mixed_whole_and_fractional_genes():
    tails = _tail(np.array([4.0, 4.0]), 2, np.array([0.0, 0.4]), None)
    assert tails[0] == pytest.approx(stats.chi2.sf(4, 2), rel=1e-12)
    assert tails[1] == pytest.approx(_tail(np.array([4.0]), 2, np.array([0.4]), None)[0], rel=1e-12)


# ---- the test


@pytest.mark.parametrize("residual_df", [None, 25.0])
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_a_whole_rank_uses_the_leading_modes(rank, residual_df):
    covariances = spread_covariances(5, 6)
    effects = np.random.default_rng(1).normal(size=(5, 6)) * 0.3
    df = None if residual_df is None else np.full(5, residual_df)
    statistic, pvalue = outcome_of(effects, covariances, np.full(5, float(rank)), df)
    values, vectors = np.linalg.eigh(covariances)
    inverse = (vectors[:, :, -rank:] / values[:, None, -rank:]) @ vectors[:, :, -rank:].transpose(0, 2, 1)
    expected = np.einsum("gi,gij,gj->g", effects, inverse, effects)
    np.testing.assert_allclose(statistic, expected, rtol=1e-8)
    tail = stats.chi2.sf(expected, rank) if residual_df is None else stats.f.sf(expected / rank, rank, residual_df)
    np.testing.assert_allclose(pvalue, tail, rtol=1e-6)


@given(st.floats(1, 6), st.integers(0, 1000))
def test_rotating_the_coordinates_does_not_matter(rank, seed):
    rng = np.random.default_rng(seed)
    covariances, effects = spread_covariances(3, 6, seed), rng.normal(size=(3, 6)) * 0.3
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    plain = outcome_of(effects, covariances, np.full(3, rank), None)[1]
    turned = outcome_of(effects @ rotation.T, rotation @ covariances @ rotation.T, np.full(3, rank), None)[1]
    np.testing.assert_allclose(turned, plain, rtol=1e-6)


@given(st.floats(1, 6), st.floats(1e-6, 1e6))
def test_the_unit_of_expression_does_not_matter(rank, unit):
    covariances, effects = spread_covariances(3, 6), np.random.default_rng(0).normal(size=(3, 6)) * 0.3
    plain = outcome_of(effects, covariances, np.full(3, rank), np.full(3, 40.0))
    scaled = outcome_of(unit * effects, unit**2 * covariances, np.full(3, rank), np.full(3, 40.0))
    np.testing.assert_allclose(np.sort(scaled[1]), np.sort(plain[1]), rtol=1e-6)


@pytest.mark.parametrize("residual_df", [None, 40.0])
@pytest.mark.parametrize("rank", [1.0, 3.0, 1.4, 2.7, 5.5])
@pytest.mark.first(4)
def test_p_values_where_nothing_happens(rank, residual_df):
    """They are uniform at a whole rank; the mean of two uniform ones, at a fractional rank, is rarely very small."""
    n_genes = 10_000
    rng = np.random.default_rng(5)
    covariance = np.diag(np.geomspace(1, 1e-3, 6))
    effects = rng.normal(size=(n_genes, 6)) * np.sqrt(np.diag(covariance))
    spread = np.ones(n_genes) if residual_df is None else rng.chisquare(residual_df, n_genes) / residual_df
    covariances = covariance[None] * spread[:, None, None]
    df = None if residual_df is None else np.full(n_genes, residual_df)
    pvalue = outcome_of(effects, covariances, np.full(n_genes, rank), df)[1]
    for level in (0.01, 0.05, 0.5):
        chance = 4 * np.sqrt(level * (1 - level) / n_genes)
        assert np.mean(pvalue < level) < level + chance
        assert np.mean(pvalue < level) > (level if rank % 1 == 0 else level / 3) - chance


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("residual_df", [None, np.array([10.0])])
def test_no_covariance_means_no_evidence(residual_df):
    _, pvalue = outcome_of(np.zeros((1, 3)), np.zeros((1, 3, 3)), np.array([2.0]), residual_df)
    assert pvalue.tolist() == [1.0]


def test_tiny_p_values_remain_positive_if_the_variance_is_larger():
    """Products of two such p-values would be 0."""
    found = with_variance(np.array([1e-200]), np.array([911.0]), np.array([1.0]), np.array([1.01]))
    assert 1e-200 < found[0] < 1e-196
