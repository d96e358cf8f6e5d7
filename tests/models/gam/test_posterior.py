import numpy as np
import pytest

from lineage_clust.models import GAM
from lineage_clust.models.gam.posterior import SharedPosterior
from lineage_clust.models.gam.spectral import diagonalise
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
    monkeypatch.setattr("lineage_clust.models.gam.posterior._CHUNK", 3)
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
