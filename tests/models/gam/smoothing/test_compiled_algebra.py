"""Components along eigenvectors equal LAPACK's; the functions are also run uncompiled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage_clust.models.gam.inference import significance

pytest.importorskip("numba", reason="numba (the extra fast) is not installed")


def compiled_modes():
    return significance.load_compiled()


@pytest.fixture(autouse=True, params=[pytest.param("compiled", marks=pytest.mark.slow), "as Python"])
def functions(request, monkeypatch):
    modes = compiled_modes()
    if request.param == "as Python":
        for name in ("make_tridiagonal", "make_diagonal", "step_back", "put_in_order", "project"):
            monkeypatch.setattr(modes, name, getattr(modes, name).py_func)
    return modes.project


def check(project, matrices, vectors):
    values, scores = np.empty(vectors.shape), np.empty(vectors.shape)
    assert project(matrices, vectors, values, scores)
    expected, rotation = np.linalg.eigh(matrices)
    size = np.abs(expected).max(axis=1, keepdims=True)
    np.testing.assert_allclose(values, expected[:, ::-1], atol=1e-13 * size.max())
    np.testing.assert_allclose((scores**2).sum(axis=1), (vectors**2).sum(axis=1), rtol=1e-12)
    # eigenvectors of close eigenvalues are not determined, but what the matrix makes of the vector is
    form = np.einsum("gi,gij,gj->g", vectors, matrices, vectors)
    np.testing.assert_allclose(
        (scores**2 * values).sum(axis=1), form, atol=1e-12 * (size[:, 0] * (vectors**2).sum(1)).max()
    )
    return expected[:, ::-1], np.einsum("gij,gi->gj", rotation, vectors)[:, ::-1], values, scores


@pytest.mark.parametrize("n", [1, 2, 3, 8, pytest.param(19, marks=pytest.mark.slow)])
def test_projections_are_those_of_lapack(functions, n):
    rng = np.random.default_rng(n)
    roots = rng.normal(size=(20, n, n + 2)) * 10 ** rng.uniform(-3, 0, (20, n, 1))
    _, expected, _, scores = check(functions, roots @ roots.transpose(0, 2, 1), rng.normal(size=(20, n)))
    np.testing.assert_allclose(np.abs(scores), np.abs(expected), atol=1e-8)


def test_special_matrices(functions):
    n = 6
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(n, n)))[0]
    low = turn[:, :2] @ turn[:, :2].T
    matrices = np.stack(
        [np.eye(n), np.diag(np.arange(6.0)), np.zeros((n, n)), low, turn @ np.diag([3, 3, 3, 1, 1, 0.0]) @ turn.T]
    )
    check(functions, matrices, rng.normal(size=(len(matrices), n)))


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_the_unit_does_not_matter(functions, size):
    rng = np.random.default_rng(1)
    root = rng.normal(size=(1, 5, 5))
    matrix, vector = root @ root.transpose(0, 2, 1), rng.normal(size=(1, 5))
    found = []
    for unit in (1.0, size):
        values, scores = np.empty((1, 5)), np.empty((1, 5))
        assert functions(matrix * unit, vector, values, scores)
        found.append((values / unit, np.abs(scores)))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10)


def test_what_is_not_a_number_does_not_converge(functions):
    values, scores = np.empty((2, 3)), np.empty((2, 3))
    matrices = np.stack([np.eye(3), np.full((3, 3), np.nan)])
    assert not functions(matrices, np.ones((2, 3)), values, scores)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 12), rank=st.floats(1, 8))
def test_p_values_are_the_same_with_and_without(seed, n, rank):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(5, n, n))
    covariances = root @ root.transpose(0, 2, 1)
    effects, ranks = 3 * rng.normal(size=(5, n)), np.minimum(np.full(5, rank), n)
    plain, fast = (
        significance.smooth_test(*significance.along_modes(covariances, effects, fast), ranks, np.full(5, 50.0))
        for fast in (False, True)
    )
    np.testing.assert_allclose(fast, plain, rtol=1e-5)


def test_where_it_does_not_converge_lapack_decides(monkeypatch):
    class Failing:
        project = staticmethod(lambda *arguments: False)

    monkeypatch.setattr(significance, "load_compiled", Failing)
    effects, covariances = np.array([[2.0, 0.1]]), np.diag([1.0, 0.5])[None]
    values, scores = significance.along_modes(covariances, effects, fast=True)
    np.testing.assert_allclose(values, [[1.0, 0.5]])
    np.testing.assert_allclose(np.abs(scores), np.abs(effects))
