import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from lineage_clust.models.spectral import diagonalise
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
