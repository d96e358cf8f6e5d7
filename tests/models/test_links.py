import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.models.links import LINKS

means = st.floats(1e-3, 1 - 1e-3)  # a mean that every link can have
LINK = pytest.mark.parametrize("link", LINKS.values(), ids=list(LINKS))


def test_the_links_of_pygam_are_there():
    from pygam.links import LINKS as THEIRS

    assert set(LINKS) == set(THEIRS)


@LINK
@given(mu=means)
def test_the_mean_inverts_the_predictor(link, mu):
    assert link.mean(link.predictor(np.float64(mu))) == pytest.approx(mu, rel=1e-9)


@LINK
@given(mu=means)
def test_the_slope_is_the_derivative_of_the_mean(link, mu):
    eta = float(link.predictor(np.float64(mu)))
    step = 1e-5 * max(abs(eta), 1.0)
    numeric = (link.mean(np.float64(eta + step)) - link.mean(np.float64(eta - step))) / (2 * step)
    assert float(link.slope(np.float64(mu))) == pytest.approx(numeric, rel=1e-4)


@pytest.mark.parametrize("name", ["identity", "log", "logit", "inverse", "inv_squared"])
@given(mu=means)
def test_predictors_are_those_of_pygam(name, mu):
    from pygam.distributions import BinomialDist
    from pygam.links import LINKS as THEIRS

    theirs = THEIRS[name]().link(np.array([mu]), BinomialDist(levels=1))
    np.testing.assert_allclose(LINKS[name].predictor(np.array([mu])), theirs, rtol=1e-9)


@LINK
@given(eta=st.floats(allow_nan=False))
def test_means_are_finite_wherever_the_iterations_go(link, eta):
    mu = link.mean(np.float64(eta))
    assert np.isfinite(mu) or link.name == "identity"
    assert link.name == "identity" or 0 <= mu < np.inf
