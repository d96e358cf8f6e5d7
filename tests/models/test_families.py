import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lineage_clust.models.families import FAMILIES, check_family

FAMILY = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
THETA = np.float64(1.7)
PHI = 0.6  # scale of the families that have one

# Log-likelihoods of scipy's distributions, in terms of mean and scale
LOG_LIKELIHOOD = {
    "gaussian": lambda y, mu: stats.norm.logpdf(y, mu, np.sqrt(PHI)),
    "poisson": stats.poisson.logpmf,
    "negative_binomial": lambda y, mu: stats.nbinom.logpmf(y, THETA, THETA / (THETA + mu)),
    "gamma": lambda y, mu: stats.gamma.logpdf(y, 1 / PHI, scale=mu * PHI),
    "binomial": stats.bernoulli.logpmf,
    "inverse_gaussian": lambda y, mu: stats.invgauss.logpdf(y, mu * PHI, scale=1 / PHI),
}
VALUES = {
    "gaussian": [-3.0, 0.0, 2.5],
    "poisson": [0.0, 1.0, 7.0],
    "negative_binomial": [0.0, 1.0, 7.0],
    "gamma": [0.1, 1.0, 7.0],
    "binomial": [0.0, 1.0],
    "inverse_gaussian": [0.1, 1.0, 7.0],
}


@FAMILY
@given(one=st.floats(0.02, 0.98), other=st.floats(0.02, 0.98))
def test_the_loss_is_minus_twice_the_log_likelihood(family, one, other):
    """Up to what does not depend on the mean: so differences between two means agree."""
    y = np.array(VALUES[family.name])
    scale = 1.0 if family.known_scale else PHI
    expected = 2 * scale * (LOG_LIKELIHOOD[family.name](y, one) - LOG_LIKELIHOOD[family.name](y, other))
    losses = [family.loss(y, np.full(len(y), mu), THETA) for mu in (one, other)]
    np.testing.assert_allclose(losses[1] - losses[0], expected, rtol=1e-7, atol=1e-9)


@FAMILY
@given(mu=st.floats(0.02, 0.98))
def test_no_mean_fits_better_than_the_value_itself(family, mu):
    y = np.array(VALUES[family.name])
    deviance = family.loss(y, np.full(len(y), mu), THETA) - family.least_loss(y, THETA)
    assert np.all(deviance >= -1e-9)
    inside = np.array([0.2, 0.5, 0.8])
    np.testing.assert_allclose(family.loss(inside, inside, THETA), family.least_loss(inside, THETA), atol=1e-12)


@FAMILY
@given(mu=st.floats(0.05, 0.95))
def test_the_slope_of_the_loss_is_that_of_an_exponential_family(family, mu):
    """`d loss / d mu = -2 (y - mu) / V(mu)`: ties the variance function to the deviance."""
    y, step = np.array(VALUES[family.name]), 1e-5
    numeric = (family.loss(y, mu + step, THETA) - family.loss(y, mu - step, THETA)) / (2 * step)
    np.testing.assert_allclose(numeric, -2 * (y - mu) / family.variance(np.float64(mu), THETA), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("poisson", lambda mu: stats.poisson(mu)),
        ("negative_binomial", lambda mu: stats.nbinom(THETA, THETA / (THETA + mu))),
        ("gamma", lambda mu: stats.gamma(1 / PHI, scale=mu * PHI)),
        ("binomial", lambda mu: stats.bernoulli(mu)),
        ("inverse_gaussian", lambda mu: stats.invgauss(mu * PHI, scale=1 / PHI)),
    ],
)
@given(mu=st.floats(0.05, 0.95))
def test_the_variance_is_the_distribution_s(name, distribution, mu):
    family = FAMILIES[name]
    scale = 1.0 if family.known_scale else PHI
    assert distribution(mu).mean() == pytest.approx(mu)
    assert distribution(mu).var() == pytest.approx(scale * family.variance(np.float64(mu), THETA), rel=1e-9)


def test_a_large_size_is_the_poisson_family():
    y, mu = np.array([0.0, 2.0, 9.0]), np.array([0.5, 1.0, 4.0])
    negative_binomial, poisson = FAMILIES["negative_binomial"], FAMILIES["poisson"]
    np.testing.assert_allclose(negative_binomial.variance(mu, 1e12), poisson.variance(mu))
    deviances = [
        f.loss(y, mu, np.float64(1e8)) - f.least_loss(y, np.float64(1e8)) for f in (negative_binomial, poisson)
    ]
    np.testing.assert_allclose(*deviances, rtol=1e-5, atol=1e-5)


# ---- zeros, starting values


@FAMILY
def test_zeros_have_a_finite_reported_deviance(family):
    y = np.array([[0.0, 0.0], [0.2, 0.0], [0.8, 0.0]])
    floored = family.floored(y)
    deviance = family.loss(floored, np.full_like(y, 0.4), THETA) - family.least_loss(floored, THETA)
    assert np.isfinite(deviance).all()
    np.testing.assert_array_equal(floored[1:, 0], y[1:, 0])
    if family.name in ("gamma", "inverse_gaussian"):
        assert floored[0, 0] == 0.1  # half of the least positive value


@FAMILY
def test_deviances_differ_as_what_the_iterations_decrease(family):
    """So that a fit that is better than a constant never explains less than nothing."""
    y = np.array([[0.0, 0.0], [0.2, 0.0], [0.8, 0.01]])
    level = y.mean(axis=0)
    best = family.best_loss(y, level, THETA)
    assert np.isfinite(best).all()
    assert np.all(family.loss(y, np.full_like(y, level), THETA) - best >= 0)  # of the constant, at least
    np.testing.assert_allclose(best[y > 0], family.least_loss(y[y > 0], THETA))
    assert family.without_likelihood(y).any() == (family.name in ("gamma", "inverse_gaussian"))


@FAMILY
def test_starting_means_are_inside_of_the_range(family):
    mu = family.bounded(np.array([[-5.0, 0.3], [0.5, 7.0]]), np.array([0.5, 3.0]), family.default_link)
    if family.name == "gaussian":
        assert mu[0, 0] == -5
    else:
        assert np.all(mu > 0)
    if family.name == "binomial":
        assert np.all(mu < 1)


# ---- what a family cannot have


@pytest.mark.parametrize(
    ("name", "values", "link", "reason"),
    [
        ("gaussian", (-1.0, 2.0), "identity", None),
        ("gaussian", (0.0, 0.0), "identity", None),
        ("gaussian", (0.0, 0.0), "log", "no expression in any cell: no finite trend under a log link"),
        ("gaussian", (np.nan, np.nan), "identity", "expression holds NaN or infinite values"),
        ("poisson", (0.0, np.inf), "log", "expression holds NaN or infinite values"),
        ("poisson", (-0.5, 3.0), "log", "family 'poisson' needs expression of at least 0; found -0.5"),
        ("poisson", (0.0, 0.0), "log", "no expression in any cell: no finite trend under a log link"),
        ("poisson", (0.0, 0.0), "identity", None),
        ("poisson", (0.0, 0.0), "inverse", "no expression in any cell: no finite trend under an inverse link"),
        ("gamma", (0.0, 0.0), "inv_squared", "no expression in any cell: no finite trend under an inv_squared link"),
        ("gamma", (-2.0, 3.0), "log", "family 'gamma' needs expression of at least 0; found -2"),
        ("binomial", (0.0, 3.0), "logit", "family 'binomial' needs expression between 0 and 1; found 3"),
        ("binomial", (0.0, 0.0), "logit", "no expression in any cell: no finite trend under a logit link"),
        ("binomial", (1.0, 1.0), "logit", "expression is 1 in every cell: no finite trend under a logit link"),
        ("binomial", (0.0, 1.0), "logit", None),
    ],
)
def test_refusals(name, values, link, reason):
    assert FAMILIES[name].refuse(*values, link) == reason


@pytest.mark.parametrize(
    ("family", "link", "message"),
    [
        ("normal", None, "family must be one of gaussian, poisson.*got 'normal'"),
        (None, None, "family must be one of"),
        (["poisson"], None, "family must be one of"),
        ("poisson", "sqrt", "link must be None or one of identity, log.*got 'sqrt'"),
        ("poisson", 3, "link must be None or one of"),
    ],
)
def test_unknown_families_and_links(family, link, message):
    check_family("poisson", "log")
    with pytest.raises(ValueError, match=message):
        check_family(family, link)
