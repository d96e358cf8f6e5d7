"""Simulated genes around a spline for the tests of the Gaussian GAM."""

import numpy as np
from hypothesis import strategies as st

from lineage_clust.models import GAM
from lineage_clust.smoothers import BSplineSmoother

GRID = np.linspace(0, 1, 41)[:, None]
settings = st.tuples(st.sampled_from(["reml", "gcv", 0.3]), st.sampled_from(["robust", "bayes"]), st.integers(0, 1000))


class Problem:
    """Cells with weights, a spline design, and genes from flat to wiggly, 40 % of their values zero."""

    def __init__(self, seed=0, n_cells=150, n_genes=7, n_splines=12):
        rng = np.random.default_rng(seed)
        self.t = rng.uniform(0, 1, (n_cells, 1))
        self.w = rng.uniform(0.05, 1, n_cells)
        waves = np.sin(2 * np.pi * self.t * rng.uniform(0, 2, n_genes) + rng.uniform(0, 6, n_genes))
        noisy = waves * rng.uniform(0, 3, n_genes) + 1 + rng.normal(size=(n_cells, n_genes))
        self.Y = noisy * (rng.random((n_cells, n_genes)) < 0.6)
        self.smoother = BSplineSmoother(n_splines, domain=(0, 1)).fit(self.t)
        self.B = self.smoother.transform(self.t)
        self.S = self.smoother.penalty_
        self.rows = self.smoother.transform(GRID)

    def fit(self, smoothing="reml", covariance="robust", cells=slice(None), Y=None, w=None, **more):
        Y, w = self.Y if Y is None else Y, self.w if w is None else w
        return GAM(smoothing=smoothing, covariance=covariance).fit(
            self.B[cells], Y[cells], sample_weight=w[cells], penalty=self.S, **more
        )


def assert_same_fit(one, other, rows, rtol=1e-6):
    """Same trends, standard errors, edf, scale, deviance explained and (in logarithms) p-values."""
    (fit, se), (other_fit, other_se) = one.predict(rows, return_std=True), other.predict(rows, return_std=True)
    np.testing.assert_allclose(fit, other_fit, atol=rtol * np.ptp(other_fit))
    np.testing.assert_allclose(se, other_se, rtol=10 * rtol)
    for name in ("edf_", "deviance_explained_"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=10 * rtol)
    assert np.all(np.abs(np.log(one.pvalue_) - np.log(other.pvalue_)) < 1e-3 * (1 + np.abs(np.log(one.pvalue_))))
