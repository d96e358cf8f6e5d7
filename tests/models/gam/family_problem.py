"""Simulated genes of any family around a spline."""

import numpy as np
import pytest
from scipy import stats

from lineage_clust.models import GAM
from lineage_clust.models.families import FAMILIES
from lineage_clust.smoothers import BSplineSmoother

GRID = np.linspace(0, 1, 41)[:, None]
DEFAULT_LINKS = [(family, FAMILIES[family].default_link) for family in FAMILIES if family != "gaussian"]
OTHER_LINKS = [
    ("gaussian", "log"),
    ("gaussian", "inverse"),
    ("poisson", "identity"),
    ("poisson", "inverse"),
    ("negative_binomial", "identity"),
    ("gamma", "inverse"),
    ("gamma", "identity"),
    ("binomial", "log"),
    ("inverse_gaussian", "inv_squared"),
    ("inverse_gaussian", "identity"),
]

COUNTED = [family for family, _ in DEFAULT_LINKS]
FAMILY = pytest.mark.parametrize("family", COUNTED)
PHI = 0.3
INVERSE_LINKS = {
    "identity": lambda eta: eta,
    "log": np.exp,
    "logit": lambda eta: 1 / (1 + np.exp(-eta)),
    "inverse": lambda eta: 1 / eta,
    "inv_squared": lambda eta: eta**-0.5,
}


def log_likelihood(family, y, mu, theta):
    """Times the scale, as lambda is in units of it."""
    if family == "gaussian":
        return PHI * stats.norm.logpdf(y, mu, np.sqrt(PHI))
    if family == "poisson":
        return stats.poisson.logpmf(y, mu)
    if family == "negative_binomial":
        return stats.nbinom.logpmf(y, theta, theta / (theta + mu))
    if family == "gamma":
        return PHI * stats.gamma.logpdf(y, 1 / PHI, scale=mu * PHI)
    if family == "binomial":
        return y * np.log(mu) + (1 - y) * np.log1p(-mu)
    return PHI * stats.invgauss.logpdf(y, mu * PHI, scale=1 / PHI)


class Problem:
    """Cells with weights, a spline design and genes whose expression is drawn from a family."""

    def __init__(self, family="poisson", link=None, seed=0, n_cells=250, n_genes=4, n_splines=12):
        self.family, self.link = family, link
        rng = np.random.default_rng(seed)
        self.t = rng.uniform(0, 1, (n_cells, 1))
        self.w = rng.uniform(0.05, 1, n_cells)
        self.offset = rng.normal(0, 0.3, n_cells)
        waves = np.sin(2 * np.pi * self.t * rng.uniform(0.3, 1.2, n_genes) + rng.uniform(0, 6, n_genes))
        mu = 0.45 + 0.3 * waves if family == "binomial" else np.exp(0.7 + 0.8 * waves)
        self.Y = self.draw(rng, mu)
        self.smoother = BSplineSmoother(n_splines, domain=(0, 1)).fit(self.t)
        self.B = self.smoother.transform(self.t)
        self.S = self.smoother.penalty_
        self.rows = self.smoother.transform(GRID)

    def draw(self, rng, mu):
        if self.family == "gaussian":
            return rng.normal(mu, 0.1)
        if self.family == "poisson":
            return rng.poisson(mu).astype(float)
        if self.family == "negative_binomial":
            return rng.negative_binomial(2.0, 2.0 / (2.0 + mu)).astype(float)
        if self.family == "gamma":
            return rng.gamma(1 / PHI, mu * PHI)
        if self.family == "binomial":
            return (rng.random(mu.shape) < mu).astype(float)
        return rng.wald(mu, 1 / PHI)

    def fit(self, smoothing="reml", Y=None, w=None, cells=slice(None), **options):
        Y, w = self.Y if Y is None else Y, self.w if w is None else w
        offset = options.pop("offset", None)
        return GAM(self.family, self.link, smoothing=smoothing, **options).fit(
            self.B[cells], Y[cells], w[cells], penalty=self.S, offset=None if offset is None else offset[cells]
        )


def assert_same_fit(one, other, rows, rtol=1e-6):
    (fit, se), (other_fit, other_se) = one.predict(rows, return_std=True), other.predict(rows, return_std=True)
    np.testing.assert_allclose(fit, other_fit, atol=rtol * np.ptp(other_fit))
    np.testing.assert_allclose(se, other_se, rtol=10 * rtol, atol=rtol * np.ptp(other_fit))
    for name in ("edf_", "deviance_explained_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=10 * rtol)
