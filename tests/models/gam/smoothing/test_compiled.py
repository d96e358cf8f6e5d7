"""Compiled REML finds the same smoothing parameters as the search by eigen-decompositions."""

import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.models.gam.smoothing.criteria import minimise, reml
from lineage_clust.models.gam.smoothing.spectral import diagonalise, diagonalise_each

pytest.importorskip("numba", reason="numba (the extra fast) is not installed")
from lineage_clust.models.gam.smoothing import compiled as compiled_smoothing

LOOPS = (
    "smooth_each",
    "smooth",
    "ends",
    "reduce_to_lines",
    "deepest",
    "descend",
    "criterion",
    "decompose",
    "forward",
    "backward",
)


def working_models(n_genes=12, n_cells=300, seed=0):
    """Gram matrices in the modes of the unweighted one, their right-hand sides, and the diagonal penalty."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 1, (n_cells, 1))
    smoother = lc.BSplineSmoother(12)
    B = smoother.fit_transform(t).toarray()
    spectrum = diagonalise(B.T @ B, smoother.penalty_)
    N = B @ spectrum.basis
    weights = rng.uniform(0.1, 3, (n_genes, n_cells))
    z = rng.normal(0, 2, n_genes) * np.sin(rng.uniform(1, 9, n_genes) * t) + rng.normal(0, 1, (n_cells, n_genes))
    return np.einsum("cm,gc,ck->gmk", N, weights, N), np.einsum("cm,gc,cg->gm", N, weights, z), spectrum


@pytest.fixture(autouse=True, params=[pytest.param("compiled", marks=pytest.mark.slow), "as Python"])
def way(request, monkeypatch):
    if request.param == "as Python":
        for name in LOOPS:
            monkeypatch.setattr(compiled_smoothing, name, getattr(compiled_smoothing, name).py_func)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_lambda_and_coefficients(scale):
    grams, cross, shared = working_models()
    penalty, n_genes = shared.penalty[:, 0], len(grams)
    log_lambda, coefficients = np.zeros(n_genes), np.zeros_like(cross)
    scales = np.full(n_genes, scale)
    compiled_smoothing.smooth_each(grams, cross, penalty, scales, True, True, 30, log_lambda, coefficients)
    each = diagonalise_each(grams, np.diag(penalty), shared.n_unpenalized)
    loadings = np.einsum("gcm,gc->mg", each.basis, cross)
    criterion = reml(each, loadings / np.sqrt(scale), np.zeros(n_genes), 300, known_scale=True)
    lambda_, _ = minimise(criterion, each, n_genes)
    own, best = (criterion(values, np.arange(n_genes))[0] for values in (log_lambda, np.log(lambda_)))
    np.testing.assert_allclose(own, best, atol=1e-5)  # where it is flat, lambda itself does not matter
    exact = [
        np.linalg.solve(A + np.exp(r) * np.diag(penalty), c) for A, r, c in zip(grams, log_lambda, cross, strict=True)
    ]
    np.testing.assert_allclose(coefficients, exact, rtol=1e-6, atol=1e-9)


def test_a_fixed_lambda_stays():
    grams, cross, shared = working_models()
    log_lambda = np.linspace(-3, 3, len(grams))
    coefficients = np.zeros_like(cross)
    compiled_smoothing.smooth_each(
        grams, cross, shared.penalty[:, 0], np.ones(len(grams)), False, False, 6, log_lambda, coefficients
    )
    np.testing.assert_array_equal(log_lambda, np.linspace(-3, 3, len(grams)))
    A = grams[3] + np.exp(log_lambda[3]) * np.diag(shared.penalty[:, 0])
    np.testing.assert_allclose(A @ coefficients[3], cross[3], rtol=1e-9)
