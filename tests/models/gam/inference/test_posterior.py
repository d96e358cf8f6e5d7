"""Posteriors of coefficients against dense matrices, and invariances of their samples."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage_clust.models import GAM
from lineage_clust.models.gam.inference.posterior import Noise, SharedPosterior, root
from lineage_clust.models.gam.smoothing.posterior import SmoothingPosterior
from lineage_clust.models.gam.smoothing.spectral import diagonalise
from lineage_clust.smoothers import BSplineSmoother

LAMBDA = np.array([1e-3, 1.0, 1e3, 1e9])
SCALE = np.array([0.5, 1.0, 2.0, 4.0])
VARIANCE = np.array([0.4, 1.2, 2.5, 3.0])


def posterior_and_dense(weights, kind):
    """The posterior of four genes, and the same covariances by plain matrix inverses."""
    t = np.random.default_rng(0).uniform(0, 1, (len(weights), 1))
    smoother = BSplineSmoother(9, domain=(0, 1)).fit(t)
    B = smoother.transform(t).toarray()
    gram, S = B.T @ (B * weights[:, None]), smoother.penalty_
    squared = B.T @ (B * weights[:, None] ** 2)
    spectrum = diagonalise(gram, S)
    inverses = [np.linalg.inv(gram + lambda_ * S) for lambda_ in LAMBDA]
    if kind == "bayes":
        posterior = SharedPosterior(spectrum, LAMBDA, SCALE)
        return smoother, posterior, [scale * P for scale, P in zip(SCALE, inverses, strict=True)]
    T = spectrum.basis
    posterior = SharedPosterior(spectrum, LAMBDA, SCALE, VARIANCE, T.T @ squared @ T)
    dense = [
        variance * P @ squared @ P + scale * lambda_ * P @ S @ P
        for variance, scale, lambda_, P in zip(VARIANCE, SCALE, LAMBDA, inverses, strict=True)
    ]
    return smoother, posterior, dense


@pytest.mark.parametrize("kind", ["bayes", "robust"])
def test_standard_errors_and_covariances_are_those_of_dense_matrices(kind):
    weights = np.random.default_rng(1).uniform(0.01, 1, 100)
    smoother, posterior, dense = posterior_and_dense(weights, kind)
    rows = smoother.transform(np.linspace(0, 1, 23)[:, None]).toarray()
    expected = np.stack([rows @ covariance @ rows.T for covariance in dense])
    np.testing.assert_allclose(posterior.std(rows), np.sqrt(np.einsum("gii->ig", expected)), rtol=1e-5)
    genes = np.array([2, 0])
    np.testing.assert_allclose(posterior.covariances(rows, genes), expected[genes], atol=1e-5 * np.abs(expected).max())


def test_with_unit_weights_and_one_scale_both_covariances_are_the_same():
    smoother, robust, _ = posterior_and_dense(np.ones(100), "robust")
    bayes = posterior_and_dense(np.ones(100), "bayes")[1]
    same = SharedPosterior(robust.spectrum, LAMBDA, SCALE, SCALE, robust.squared_weight_gram)
    rows = smoother.transform(np.linspace(-0.2, 1.2, 23)[:, None]).toarray()
    np.testing.assert_allclose(same.std(rows), bayes.std(rows), rtol=1e-9)


def test_standard_errors_do_not_depend_on_the_chunks(monkeypatch):
    smoother, posterior, _ = posterior_and_dense(np.random.default_rng(1).uniform(0.01, 1, 100), "robust")
    rows = smoother.transform(np.linspace(0, 1, 5)[:, None]).toarray()
    whole = posterior.std(rows)
    monkeypatch.setattr("lineage_clust.models.gam.inference.posterior._CHUNK", 3)
    np.testing.assert_allclose(posterior.std(rows), whole, rtol=1e-12)


@pytest.mark.parametrize("covariance", ["bayes", "robust"])
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_the_order_of_the_cells_does_not_change_the_draws(covariance, family):
    rng = np.random.default_rng(0)
    t, weights, y = rng.uniform(0, 1, 300), rng.uniform(0.05, 1, 300), rng.poisson(2.0, (300, 4)).astype(float)
    y[:, 0] = rng.poisson(np.exp(2 * t))
    smoother = BSplineSmoother(domain=(0, 1)).fit(t[:, None])
    grid, drawn = smoother.transform(np.linspace(0, 1, 20)[:, None]), []
    for order in (np.arange(300), rng.permutation(300)):
        gam = GAM(family=family, covariance=covariance)
        gam.fit(smoother.transform(t[order, None]), y[order], sample_weight=weights[order], penalty=smoother.penalty_)
        drawn.append(next(gam.sample(grid, random_state=0)))
    np.testing.assert_allclose(drawn[1], drawn[0], rtol=1e-6, atol=1e-7)


# ---- draws


@pytest.mark.parametrize("kind", ["bayes", "robust"])
def test_draws_have_the_covariance_of_dense_matrices(kind):
    """Draws with given smoothing parameters are linear in the noise: its unit vectors give a root of their covariance."""
    _, posterior, dense = posterior_and_dense(np.random.default_rng(1).uniform(0.01, 1, 100), kind)
    deviations, zero = posterior.from_noise(), np.zeros((9, 4))
    units = [np.repeat(np.eye(9)[:, [column]], 4, axis=1) for column in range(9)]
    columns = [deviations(Noise(np.zeros(4), unit, zero)) for unit in units]
    columns += [deviations(Noise(np.zeros(4), zero, unit)) for unit in units]
    roots = np.array(columns).transpose(2, 1, 0)
    for made, expected in zip(roots @ roots.transpose(0, 2, 1), dense, strict=True):
        np.testing.assert_allclose(made, expected, atol=1e-6 * np.abs(expected).max())


@given(st.integers(0, 2**32 - 1), st.sampled_from(["bayes", "robust"]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_draws_do_not_depend_on_signs_order_and_rotation_of_the_modes(seed, kind, unconditional):
    rng = np.random.default_rng(seed)
    posterior = posterior_and_dense(rng.uniform(0.01, 1, 100), kind)[1]
    spectrum, n_modes = posterior.spectrum, len(posterior.spectrum.gram)
    smoothing = SmoothingPosterior(spectrum, rng.normal(size=(n_modes, 4)), np.full(4, 50.0), 100)
    posterior = replace(posterior, smoothing=smoothing)
    turn = np.diag(rng.choice([-1.0, 1.0], n_modes))
    turn[:2, :2] = np.linalg.qr(rng.normal(size=(2, 2)))[0]  # constants and straight lines have one eigenvalue
    order = rng.permutation(n_modes)
    turn = turn[:, order]
    turned = replace(spectrum, basis=spectrum.basis @ turn, gram=spectrum.gram[order], penalty=spectrum.penalty[order])
    squared = posterior.squared_weight_gram
    other = replace(
        posterior, spectrum=turned, squared_weight_gram=None if squared is None else turn.T @ squared @ turn,
        smoothing=replace(posterior.smoothing, spectrum=turned, loadings=turn.T @ posterior.smoothing.loadings),
    )  # fmt: skip
    one, two = (np.array(list(each.draws(np.random.default_rng(0), 3, unconditional))) for each in (posterior, other))
    np.testing.assert_allclose(two, one, atol=1e-8 * np.abs(one).max())


def drawn_of_data_and_of_nearly_the_same(seed, n_cells, model, with_covariate=False, groups=None):
    """Return draws of trends of some cells, and of the same cells with every number changed in the thirteenth digit."""
    rng = np.random.default_rng(seed)
    t, weights = np.sort(rng.beta(0.7, 1.5, n_cells)), rng.uniform(0.01, 1, n_cells)
    Y = rng.poisson(np.exp(np.outer(np.sin(4 * t), [1, 0.5, -1]) + 1)).astype(float)
    smoother, depth = BSplineSmoother(domain=(0, 1)), rng.normal(size=(n_cells, 1))
    grid = smoother.fit(t[:, None]).transform(np.linspace(0, 1, 30)[:, None]).toarray()
    for size in (0.0, 1e-13):
        near_t, near_weights, near_y = (one * (1 + size * rng.uniform(-1, 1, one.shape)) for one in (t, weights, Y))
        design, rows = smoother.transform(near_t[:, None]).toarray(), grid
        if with_covariate:
            design, rows = np.hstack([design, depth]), np.hstack([grid, np.zeros((30, 1))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gam = model.fit(design, near_y, sample_weight=near_weights, penalty=smoother.penalty_, groups=groups)
        yield np.array(list(gam.sample(rows, 3, random_state=0, unconditional=True)))


@given(
    st.integers(0, 2**32 - 1), st.sampled_from([26, 60, 300]), st.sampled_from(["bayes", "robust"]),
    st.sampled_from(["gaussian", "gaussian", "poisson"]), st.booleans(),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_draws_move_as_little_as_the_data(seed, n_cells, covariance, family, with_covariate):
    """Few cells leave splines without any, and covariates turn the free modes: there rounding once decided on draws."""
    model = GAM(family, covariance=covariance)
    one, other = drawn_of_data_and_of_nearly_the_same(seed, n_cells, model, with_covariate)
    np.testing.assert_allclose(other, one, atol=1e-6 * np.abs(one).max())


@pytest.mark.slow
def test_draws_with_donors_move_as_little_as_the_data():
    one, other = drawn_of_data_and_of_nearly_the_same(1, 60, GAM(), groups=np.arange(60) % 4)
    np.testing.assert_allclose(other, one, atol=1e-6 * np.abs(one).max())


def test_a_root_follows_its_matrix_where_eigenvalues_are_zero():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(12, 7))
    matrix, noise = factor @ factor.T, rng.normal(size=(12, 12))
    np.testing.assert_allclose(root(matrix) @ root(matrix), matrix, atol=1e-10)
    np.testing.assert_allclose(root(matrix + 1e-15 * (noise + noise.T)), root(matrix), atol=1e-8)
