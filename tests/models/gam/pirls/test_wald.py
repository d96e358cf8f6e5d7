"""Tests after the iterations, and what they make of a single cell that a trend follows."""

import numpy as np
import pytest
from scipy import sparse

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.models.gam.pirls import runs, wald
from lineage_clust.utils import compiling

DRAW = {
    "negative_binomial": lambda mu, rng: rng.poisson(mu * rng.gamma(2, 0.5, mu.shape)),
    "poisson": lambda mu, rng: rng.poisson(mu),
    "gamma": lambda mu, rng: mu * rng.gamma(1, 1, mu.shape),
}


class Lineage:
    """Genes without a trend in cells of which the last one is isolated."""

    def __init__(self, family="negative_binomial", n_cells=80, n_genes=600, seed=0):
        rng = np.random.default_rng(seed)
        self.family, self.t = family, np.r_[rng.uniform(0, 0.5, n_cells - 1), 1.0]
        self.w, self.offset = np.r_[rng.uniform(0.2, 1, n_cells - 1), 1.0], rng.normal(0, 0.3, n_cells)
        self.mu = np.exp(self.offset[:, None] + rng.normal(-1, 0.7, n_genes))
        self.Y = DRAW[family](self.mu, rng).astype(float)
        self.smoother = BSplineSmoother(domain=(0, 1)).fit(self.t[:, None])
        batch = rng.integers(0, 2, (n_cells, 1))
        self.X = sparse.hstack([self.smoother.transform(self.t[:, None]), batch], format="csr")

    def fit(self, Y=None, **options):
        Y = sparse.csr_array(self.Y) if Y is None else Y
        return GAM(self.family, **options).fit(self.X, Y, self.w, self.smoother.penalty_, self.offset)

    def plain(self, monkeypatch, **options):
        """Fit without the bound."""
        with monkeypatch.context() as patch:
            patch.setattr(wald, "FOLLOWED", np.inf)
            return self.fit(**options)


@pytest.mark.parametrize("family", ["negative_binomial", "poisson"])
def test_no_gene_is_significant_because_of_one_isolated_cell(family, monkeypatch):
    some = Lineage(family, n_genes=60)
    some.Y = DRAW[family](0.1 * some.mu / some.mu.mean(axis=0), np.random.default_rng(1)).astype(float)
    some.Y[-1] = 3 + np.arange(60) % 4
    assert np.median(some.plain(monkeypatch).pvalue_) < 1e-5
    assert some.fit().pvalue_.min() > 1 / 80


def test_p_values_of_gamma_distributed_expression_are_small_as_often_as_they_should(monkeypatch):
    some = Lineage("gamma", n_genes=1500)
    plain, pvalue = some.plain(monkeypatch).pvalue_, some.fit().pvalue_
    assert np.mean(plain < 0.001) > 0.01
    assert np.mean(pvalue < 0.001) < 0.003
    assert np.mean(pvalue < 0.05) < 0.06
    assert np.all(pvalue >= plain)


def test_the_p_value_is_that_without_the_cell_or_the_largest_fraction_of_such_cells(monkeypatch):
    """The two are computed by a weighted least squares fit to the other cells, and from moments."""
    some, found = Lineage(n_genes=300), []
    bounded = wald.bounded

    def kept(pvalue, state, fits):
        found.append((state, fits, pvalue, bounded(pvalue, state, fits)))
        return found[-1][-1]

    monkeypatch.setattr("lineage_clust.models.gam.pirls.results.bounded", kept)
    some.fit()
    n_raised = 0
    for state, fits, plain, pvalue in found:
        X, y, w = some.X.toarray(), some.Y[:, state.genes], some.w
        mu = np.exp(X @ fits.problem.basis @ fits.coefficients.T + some.offset[:, None])
        working = w[:, None] * mu / (1 + mu / state.theta)
        response = X @ fits.problem.basis @ fits.coefficients.T + (y - mu) / mu
        scaled = y / np.exp(some.offset)[:, None]
        level = np.average(scaled, axis=0, weights=w)
        variance = np.average((scaled - level) ** 2, axis=0, weights=w)
        for gene in np.flatnonzero(pvalue > plain):
            own = working[:-1, gene]
            modes = (X @ fits.problem.basis)[:-1]
            precision = modes.T @ (own[:, None] * modes) + np.diag(fits.pulls[gene])
            expected = np.linalg.solve(precision, modes.T @ (own * response[:-1, gene]))
            without = fits.without(
                np.array([gene]), X[-1:], w[-1:] * (y[-1:, gene] - mu[-1:, gene]) / (1 + mu[-1:, gene] / state.theta[gene]),
                working[-1:, gene], w[-1:] * working[-1:, gene],
            )  # fmt: skip
            np.testing.assert_allclose(modes @ without.coefficients[0], modes @ expected, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(without.plain[0], X[:-1].T @ (own[:, None] * X[:-1]), atol=1e-6)
            np.testing.assert_allclose(without.squared[0], X[:-1].T @ ((w[:-1] * own)[:, None] * X[:-1]), atol=1e-6)
            share = variance[gene] / (variance[gene] + (scaled[-1, gene] - level[gene]) ** 2)
            assert share >= w[-1] / w.sum()
            if pvalue[gene] == pytest.approx(min(share, without.test(np.ones(1, bool))[1][0]), rel=1e-6):
                n_raised += 1
    assert n_raised >= 5


def test_changes_that_many_cells_show_stay_significant(monkeypatch):
    some = Lineage()
    rise = np.exp(3 * np.exp(-0.5 * ((some.t - 0.25) / 0.08) ** 2))
    some.Y = DRAW["negative_binomial"](some.mu * rise[:, None], np.random.default_rng(1)).astype(float)
    plain, pvalue = some.plain(monkeypatch).pvalue_, some.fit().pvalue_
    assert np.mean(pvalue < 1e-3) > np.mean(plain < 1e-3) - 0.01 > 0.5


@pytest.mark.parametrize("covariance", ["bayes", "robust"])
def test_the_test_of_mgcv_is_what_it_is(covariance, monkeypatch):
    some = Lineage()
    same = some.plain(monkeypatch, covariance=covariance).pvalue_ == some.fit(covariance=covariance).pvalue_
    assert np.all(same) == (covariance == "bayes")


@pytest.mark.parametrize("family", ["negative_binomial", "poisson"])
@pytest.mark.first(1)
def test_the_bound_is_the_same_for_any_storage_order_and_loops(family, monkeypatch):
    some, order = Lineage(family, n_cells=300, n_genes=120), np.random.default_rng(0).permutation(120)
    expected = some.fit(discretize=True).pvalue_
    assert np.any(expected != some.plain(monkeypatch, discretize=True).pvalue_)
    zarr, dask = pytest.importorskip("zarr"), pytest.importorskip("dask.array")
    for Y in (
        sparse.csc_array(some.Y),
        BlockedExpression(zarr.array(some.Y, chunks=(37, 50)), memory_budget="100KB"),
        BlockedExpression(dask.from_array(some.Y, chunks=(90, 60))),
    ):
        np.testing.assert_allclose(some.fit(Y, discretize=True).pvalue_, expected, rtol=1e-5)
    reordered = some.fit(sparse.csr_array(some.Y[:, order]), discretize=True).pvalue_
    np.testing.assert_allclose(reordered, expected[order], rtol=1e-4)
    from_cells = some.fit(discretize=False).pvalue_  # some of which have another minimum
    assert np.mean(np.abs(np.log(from_cells / expected)) < 0.01) > 0.95
    monkeypatch.setattr(runs, "_NODE_VALUES", 1)
    np.testing.assert_allclose(some.fit(discretize=True).pvalue_, expected, rtol=1e-4)
    if pytest.importorskip("numba"):
        monkeypatch.setattr(compiling, "_WORTHWHILE", 0)
        compiled = some.fit(discretize=True).pvalue_
        assert np.mean(np.abs(np.log(compiled / expected)) < 1e-3) > 0.98


def test_leverages_of_one_are_no_error():
    some = Lineage(n_genes=50)
    with np.errstate(all="raise", under="ignore"):
        pvalue = some.fit(smoothing=0.0).pvalue_
    assert np.all((pvalue > 0) | np.isnan(pvalue))
