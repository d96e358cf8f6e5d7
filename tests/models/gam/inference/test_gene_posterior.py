"""Draws of families other than the Gaussian, smoothing parameters included, against dense matrices and brute force."""

import numpy as np
import pytest
from scipy import integrate, linalg

from lineage_clust.models import GAM
from lineage_clust.models.gam.inference.posterior import Noise
from lineage_clust.smoothers import BSplineSmoother

RNG = np.random.default_rng(3)
T = np.sort(RNG.random(250))
MEANS = np.exp(np.column_stack([np.sin(5 * T), 2 * T, np.zeros(len(T)), 2 / (1 + np.exp(30 * (0.5 - T)))]))
COUNTS = RNG.poisson(RNG.gamma(3, MEANS / 3)).astype(float)
WEIGHTS = RNG.uniform(0.2, 1, len(T))
SMOOTHER = BSplineSmoother(n_splines=10, domain=(0.0, 1.0)).fit(T[:, None])
B, S = SMOOTHER.transform(T[:, None]).toarray(), np.asarray(SMOOTHER.penalty_)
N_FREE = 2
INVERSE_VARIANCES = {
    "poisson": lambda mu, theta: 1 / mu,
    "negative_binomial": lambda mu, theta: 1 / (mu + mu**2 / theta),
    "gamma": lambda mu, theta: 1 / mu**2,
}


def fitted(family, discretize=False, weights=WEIGHTS, y=None, **options):
    y = COUNTS + (family == "gamma") if y is None else y
    gam = GAM(family, "log", discretize=discretize, tolerance=1e-6, **options)
    return gam.fit(B, y, weights, penalty=S)


def log_density(rho, gam, family, gene):
    """Restricted likelihood of the working model with dense matrices, and the derivative of the degrees of freedom."""
    eta = B @ gam.coef_[gene]
    mu, y, theta = np.exp(eta), COUNTS[:, gene] + (family == "gamma"), getattr(gam, "theta_", np.ones(4))[gene]
    residual = WEIGHTS * INVERSE_VARIANCES[family](mu, theta) * mu
    working = residual * mu
    scale = gam.posterior_.working.known_scale[gene]
    A, score = B.T @ (B * working[:, None]) / scale, B.T @ (working * eta + residual * (y - mu)) / scale
    P = A + np.exp(rho) / scale * S
    value = 0.5 * (np.linalg.slogdet(P)[1] - (len(S) - N_FREE) * rho - score @ linalg.solve(P, score, assume_a="pos"))
    share = linalg.solve(P, A, assume_a="pos")
    return -value + np.log(max(np.trace(share @ (np.eye(len(S)) - share)), 1e-30))


@pytest.mark.parametrize(
    ("family", "discretize"),
    [("poisson", False), ("negative_binomial", False), ("negative_binomial", True), ("gamma", False)],
)
@pytest.mark.first(2)
def test_the_distribution_is_that_of_brute_force(family, discretize):
    gam = fitted(family, discretize)
    grid, cumulative = gam.posterior_.working.posterior()[0].smoothing.distribution()
    for gene in (0, 3):
        fine = np.linspace(grid[0, gene], grid[-1, gene], 200)
        logs = np.array([log_density(rho, gam, family, gene) for rho in fine])
        expected = integrate.cumulative_trapezoid(np.exp(logs - logs.max()), fine, initial=0)
        exact = np.interp(grid[:, gene], fine, expected / expected[-1])
        np.testing.assert_allclose(cumulative[:, gene], exact, atol=0.03)


@pytest.mark.parametrize("weights", [WEIGHTS, np.ones(len(T))], ids=["weighted", "unit"])
@pytest.mark.parametrize("discretize", [False, True])
@pytest.mark.parametrize("covariance", ["robust", "bayes"])
@pytest.mark.first(3)
def test_at_the_smoothing_parameters_of_the_fit_draws_have_its_covariances(covariance, discretize, weights):
    gam = fitted("negative_binomial", discretize, weights, covariance=covariance)
    posterior, to_modes = gam.posterior_.working.posterior()
    deviations, zero = posterior.from_noise(False, to_modes), np.zeros((10, 4))
    units = [np.repeat(np.eye(10)[:, [column]], 4, axis=1) for column in range(10)]
    columns = [deviations(Noise(np.zeros(4), unit, zero)) for unit in units]
    if posterior.squared_weight_gram is not None:
        columns += [deviations(Noise(np.zeros(4), zero, unit)) for unit in units]
    roots = np.array(columns).transpose(2, 1, 0)
    for made, expected in zip(roots @ roots.transpose(0, 2, 1), gam.posterior_.matrices, strict=True):
        np.testing.assert_allclose(made, expected, atol=1e-5 * np.abs(expected).max())
    centre = np.einsum("gcm,mg->gc", posterior.spectrum.basis, posterior.smoothing.loadings / posterior.precision)
    np.testing.assert_allclose(centre, gam.coef_, atol=1e-4 * np.abs(gam.coef_).max())


@pytest.mark.parametrize("discretize", [False, True])
def test_genes_that_fail_do_not_touch_the_others(discretize):
    y = COUNTS.copy()
    y[:, 1] = 0.0
    gam, rows = fitted("poisson", discretize, y=y), B[::50]
    drawn = next(gam.sample(rows, 1, 0, unconditional=True))
    assert np.isnan(drawn[:, 1]).all()
    assert np.isfinite(drawn[:, [0, 2, 3]]).all()
    some, alone = gam.take_genes([3, 0]), fitted("poisson", discretize, y=y[:, [3, 0]])
    one, other = (next(each.sample(rows, 1, 0, unconditional=True)) for each in (some, alone))
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_where_the_smoothness_is_hardly_known_draws_bend():
    """A gene fitted by a straight line need not be one: draws of the smoothing parameter say so."""
    rows = SMOOTHER.transform(np.linspace(0, 1, 50)[:, None]).toarray()
    rng = np.random.default_rng(0)
    y = rng.poisson(np.repeat(np.exp(T)[:, None], 20, axis=1)).astype(float)
    gam = fitted("poisson", weights=None, y=y)
    line = np.argmin(gam.edf_)
    bending = [
        np.abs(np.diff([np.log(draw[:, line]) for draw in gam.sample(rows, 200, 0, unconditional=u)], 2, axis=1)).sum(
            axis=1
        )
        for u in (True, False)
    ]
    assert gam.edf_[line] < 2.1
    assert np.quantile(bending[0], 0.9) > 3 * np.quantile(bending[1], 0.9)


def test_given_smoothing_parameters_are_not_drawn():
    gam = fitted("poisson", smoothing=3.0)
    assert gam.posterior_.working is None
    for one, other in zip(gam.sample(B[:5], 3, 0, unconditional=True), gam.sample(B[:5], 3, 0), strict=True):
        np.testing.assert_array_equal(one, other)
