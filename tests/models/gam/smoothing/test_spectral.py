"""The Demmler-Reinsch basis: diagonal matrices, unpenalised modes, and collinear columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from lineage_clust.models.gam.smoothing.spectral import diagonalise, diagonalise_each, without_information
from lineage_clust.smoothers import BSplineSmoother


def gram_and_penalty(seed=0, n_splines=12, order=2, gap=False):
    """The gram matrix of weighted cells, with a stretch without cells if there is to be a gap."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 1, 150)
    t = np.where((t > 0.35) & (t < 0.75), t / 3, t) if gap else t
    smoother = BSplineSmoother(n_splines, penalty_order=order, domain=(0, 1)).fit(t[:, None])
    B = smoother.transform(t[:, None]).toarray()
    return B.T @ (B * rng.uniform(0.01, 1, (150, 1))), smoother.penalty_


def diagonals(spectrum):
    return spectrum.gram.ravel(), spectrum.penalty.ravel()


cases = st.builds(gram_and_penalty, st.integers(0, 500), st.integers(4, 20), st.integers(0, 3), st.booleans())


@given(cases)
def test_both_matrices_become_diagonal(matrices):
    gram, penalty = matrices
    spectrum = diagonalise(gram, penalty)
    T, (g, s) = spectrum.basis, diagonals(spectrum)
    np.testing.assert_allclose(T.T @ gram @ T, np.diag(g), atol=1e-8)
    np.testing.assert_allclose(T.T @ penalty @ T, np.diag(s), atol=1e-8 * max(s.max(), 1.0))


@given(cases, st.sampled_from([1e-3, 1.0, 1e4]))
def test_the_inverse_for_any_lambda_comes_from_the_diagonals(matrices, lambda_):
    gram, penalty = matrices
    spectrum = diagonalise(gram, penalty)
    g, s = diagonals(spectrum)
    inverse = spectrum.basis / (g + lambda_ * s) @ spectrum.basis.T
    whole = gram + lambda_ * penalty
    if np.linalg.cond(whole) < 1e9:
        np.testing.assert_allclose(inverse @ whole, np.eye(len(gram)), atol=1e-5)
    solved = linalg.lstsq(whole, gram.sum(axis=0), cond=1e-13)[0]
    np.testing.assert_allclose(whole @ (inverse @ gram.sum(axis=0)), whole @ solved, atol=1e-6 * np.abs(gram).max())


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("gap", [False, True])
def test_the_free_modes_are_the_null_space_of_the_penalty(order, gap):
    gram, penalty = gram_and_penalty(order=order, gap=gap)
    spectrum = diagonalise(gram, penalty)
    assert spectrum.n_unpenalized == order
    assert spectrum.n_penalized == len(gram) - order
    free = spectrum.basis[:, :order]
    np.testing.assert_allclose(penalty @ free, 0, atol=1e-6 * np.abs(free).max(initial=1))


def test_without_a_penalty_every_mode_is_free():
    gram = gram_and_penalty()[0]
    spectrum = diagonalise(gram, np.zeros_like(gram))
    assert spectrum.n_unpenalized == len(gram)
    np.testing.assert_allclose(spectrum.basis @ spectrum.basis.T, np.linalg.inv(gram), rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
def test_collinear_columns_lose_a_mode_whatever_their_units(unit):
    x = np.random.default_rng(0).normal(size=(50, 3))
    Z = np.column_stack([x, unit * x[:, :1], unit * x[:, 1:2] - unit * x[:, 2:3]])
    spectrum = diagonalise(Z.T @ Z, np.zeros((5, 5)))
    assert len(spectrum.gram) == 3
    y = np.random.default_rng(1).normal(size=50)
    fitted = Z @ spectrum.basis @ (spectrum.basis.T @ (Z.T @ y) / diagonals(spectrum)[0])
    np.testing.assert_allclose(fitted, x @ linalg.lstsq(x, y)[0], atol=1e-8)


def test_a_column_without_values_is_harmless():
    gram, penalty = np.diag([4.0, 0.0]), np.zeros((2, 2))
    spectrum = diagonalise(gram, penalty)
    np.testing.assert_allclose(np.abs(spectrum.basis), [[0.5], [0.0]])


# ---- one gram matrix a gene


def penalised_inverses(spectrum, lambda_):
    return np.einsum(
        "gcm,mg,gdm->gcd", spectrum.basis, 1 / (spectrum.gram + lambda_ * spectrum.penalty), spectrum.basis
    )


@pytest.mark.parametrize("lambda_", [1e-3, 1.0, 1e8])
def test_each_gene_is_diagonalised_as_it_would_be_alone(lambda_):
    grams, penalty = zip(*(gram_and_penalty(seed) for seed in range(4)), strict=True)
    penalty = penalty[0]
    grams = np.array(grams) * np.array([1.0, 1e-6, 1e3, 10.0])[:, None, None]
    together = diagonalise_each(grams, penalty, 2)
    assert together.n_unpenalized == 2
    found = penalised_inverses(together, lambda_)
    for gene in range(4):
        alone = diagonalise(grams[gene], penalty)
        expected = alone.basis / (alone.gram + lambda_ * alone.penalty).ravel() @ alone.basis.T
        np.testing.assert_allclose(found[gene], expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_the_unit_of_an_unpenalised_column_does_not_matter(unit):
    gram, penalty = gram_and_penalty()
    cross = np.random.default_rng(0).normal(size=len(gram))
    units = np.append(np.ones(len(gram)), unit)
    gram = np.block([[gram, cross[:, None]], [cross, 400.0]])
    penalty = np.pad(penalty, (0, 1))
    grams = np.array([gram, gram * np.outer(units, units)])
    plain, scaled = penalised_inverses(diagonalise_each(grams, penalty, 3), 2.0)
    np.testing.assert_allclose(scaled * np.outer(units, units), plain, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(plain, np.linalg.inv(gram + 2 * penalty), rtol=1e-6, atol=1e-9)


def test_gram_matrices_without_information_are_known():
    grams = np.array([np.eye(2), np.zeros((2, 2)), [[1, np.nan], [np.nan, 1]], np.full((2, 2), np.inf)])
    assert without_information(grams).tolist() == [False, True, True, True]


@pytest.mark.parametrize("trace", [0.0, 1e-30, 1e-12])
def test_a_basis_function_that_hardly_any_cell_touches_frees_no_others(trace):
    gram, penalty = gram_and_penalty()
    gram[4], gram[:, 4] = 0, 0
    gram[4, 4] = trace
    assert diagonalise(gram, penalty).n_unpenalized == 2
    found = penalised_inverses(diagonalise_each(gram[None], penalty, 2), 1.0)[0]
    np.testing.assert_allclose(found, np.linalg.inv(gram + penalty), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("knots", "n_cells"), [("uniform", 300), ("quantile", 60), ("quantile", 2000)])
@pytest.mark.parametrize("n_splines", [20, 100, pytest.param(900, marks=pytest.mark.slow)])
def test_only_straight_lines_are_free_however_many_splines_there_are(n_splines, knots, n_cells):
    """The smoothest curve that bends has little of the penalty: with 900 splines it was once taken for a free one."""
    rng = np.random.default_rng(n_splines + n_cells)
    t = np.sort(rng.beta(0.5, 2, n_cells))
    smoother = BSplineSmoother(n_splines, knots=knots)
    design = smoother.fit_transform(t[:, None]).toarray()
    weights = rng.random(n_cells) ** 4 + 1e-3
    spectrum = diagonalise(design.T @ (design * weights[:, None]), smoother.penalty_)
    assert spectrum.n_unpenalized <= 2
    if spectrum.n_penalized == n_splines - 2:  # otherwise cells did not determine all, and knots lie very close
        assert spectrum.n_unpenalized == 2
    level = spectrum.basis[:, : spectrum.n_unpenalized]
    assert np.abs(smoother.penalty_ @ level).max() < 1e-6 * np.abs(smoother.penalty_).max() * np.abs(level).max()
