"""The scale of gamma and inverse Gaussian models maximises the restricted likelihood."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from lineage_clust.models.families import FAMILIES
from lineage_clust.models.gam.pirls.scale import ScaleEquation


def best_scale(name, y, mu, weights, n_unpenalized, penalty):
    """Maximise `log likelihood(phi) - penalty / (2 phi) + M0 / 2 log(phi)` with scipy's densities.

    That is what REML has of the scale at a given fit; weights are precisions, `phi / w` the scale of an observation.
    """

    def negative(log_phi):
        phi = np.exp(log_phi)
        own = phi / weights
        if name == "gamma":
            likelihood = stats.gamma.logpdf(y, 1 / own, scale=mu * own).sum()
        else:
            likelihood = stats.invgauss.logpdf(y, mu * own, scale=1 / own).sum()
        return -(likelihood - penalty / (2 * phi) + n_unpenalized / 2 * log_phi)

    return np.exp(optimize.minimize_scalar(negative, bounds=(-8, 6), method="bounded", options={"xatol": 1e-10}).x)


@pytest.mark.parametrize("name", ["gamma", "inverse_gaussian"])
@given(
    phi=st.sampled_from([0.05, 0.4, 2.0]),
    weighted=st.booleans(),
    n_unpenalized=st.integers(0, 3),
    penalty=st.sampled_from([0.0, 1.5]),
    seed=st.integers(0, 20),
)
def test_the_solution_maximises_the_restricted_likelihood(name, phi, weighted, n_unpenalized, penalty, seed):
    rng = np.random.default_rng(seed)
    mu = rng.uniform(0.5, 3, 150)
    weights = rng.uniform(0.2, 1, 150) if weighted else np.ones(150)
    y = rng.gamma(1 / phi, mu * phi) if name == "gamma" else rng.wald(mu, 1 / phi)
    y = np.maximum(y, 1e-3)
    family = FAMILIES[name]
    deviance = weights @ (family.loss(y, mu) - family.least_loss(y)) + penalty
    found = ScaleEquation(family, weights, n_unpenalized).solve(np.array([deviance]))
    assert found[0] == pytest.approx(best_scale(name, y, mu, weights, n_unpenalized, penalty), rel=1e-3)


def test_all_genes_at_once():
    weights = np.random.default_rng(0).uniform(0.1, 1, 80)
    equation = ScaleEquation(FAMILIES["gamma"], weights, 2)
    deviances = np.array([0.5, 20.0, 300.0])
    together = equation.solve(deviances)
    np.testing.assert_allclose(together, [equation.solve(deviances[[gene]])[0] for gene in range(3)])
    assert np.all(np.diff(together) > 0)


@pytest.mark.parametrize("name", ["gamma", "inverse_gaussian"])
def test_any_deviance_has_a_positive_finite_scale(name):
    equation = ScaleEquation(FAMILIES[name], np.ones(50), 2)
    scale = equation.solve(np.array([0.0, 1e-200, 1e10, np.inf, np.nan]))
    assert np.all(scale > 0)
    assert np.isfinite(scale).all()
