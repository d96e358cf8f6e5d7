"""Joint fits of genes: detection of constant and failed genes."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.linear_model import QuantileRegressor
from sklearn.neural_network import MLPRegressor

from lineage_clust import GAM, LineageClustWarning, TrendClusterer
from lineage_clust.models import PyGAM
from lineage_clust.models.regressor import RegressorModel
from lineage_clust.smoothers import BSplineSmoother
from lineage_clust.trends.group_fit import _levelled, fit_group

from ..fits import QUICK, lineage_of

N_CELLS = 200
T = np.sort(np.random.default_rng(0).uniform(0, 1, N_CELLS))
W = np.ones(N_CELLS)
GRID = np.linspace(0, 1, 50)


def fit(model, Y, smoother=None):
    names = [f"g{gene}" for gene in range(Y.shape[1])]
    return fit_group(lineage_of(T, W, Y, names), GRID, BSplineSmoother() if smoother is None else smoother, model)


def waves(n_genes=12, seed=1):
    rng = np.random.default_rng(seed)
    return np.sin(4 * T[:, None] + rng.uniform(0, 6, n_genes)) + rng.normal(0, 0.3, (N_CELLS, n_genes)) + 3


class Reporting(BaseEstimator):
    """A model that says of each gene what it is told to say."""

    reads = "design"

    def __init__(self, converged=True, explained=0.5):
        self.converged, self.explained = converged, explained

    def fit(self, X, y, sample_weight=None, penalty=None):
        n_genes = y.shape[1]
        self.converged_ = np.broadcast_to(self.converged, n_genes).copy()
        self.deviance_explained_ = np.broadcast_to(self.explained, n_genes).astype(float)
        self.pvalue_, self.failed_, self.note_ = np.full(n_genes, 1e-9), {}, [""] * n_genes
        self.coef_ = np.linalg.lstsq(X.toarray() if hasattr(X, "toarray") else X, y, rcond=None)[0]
        return self

    def predict(self, X, return_std=False):
        mean = X @ self.coef_
        return (mean, None) if return_std else mean


@pytest.mark.parametrize(
    "model", [GAM(), PyGAM(), PyGAM(penalties=("derivative", "l2")), RegressorModel(QuantileRegressor())]
)
@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
@pytest.mark.first(4)
def test_a_constant_gene_has_a_constant_trend(model, level):
    Y = waves(3)
    Y[:, 1] = level
    found = fit(model, Y)
    assert np.ptp(found.values[1]) == 0
    assert np.ptp(found.values[[0, 2]], axis=1).min() > 0.1 or isinstance(model, RegressorModel)


@pytest.mark.slow
def test_an_unexpressed_gene_is_not_clustered_with_pygam():
    Y = np.column_stack([waves(20), np.zeros(N_CELLS)])
    adata = ad.AnnData(Y, obs=pd.DataFrame({"pseudotime": T}, index=[f"c{cell}" for cell in range(N_CELLS)]))
    tc = TrendClusterer(PyGAM(), alpha=None, random_state=0, clusterer=QUICK).fit(adata)
    assert tc.labels_[-1] == -1
    assert np.all(tc.labels_[:-1] >= 0)
    assert np.all(tc.scaled_trends_[-1] == 0)
    assert tc.gene_table_["direction"].iloc[-1] == "flat"
    assert tc.gene_table_["peak"].iloc[-1] == tc.pseudotime_[0]
    assert tc.gene_scale_[-1] == 0


@settings(max_examples=30, deadline=None)
@given(unit=st.sampled_from([1e-12, 1e-3, 1.0, 1e9]), height=st.sampled_from([1e-9, 1e-4, 1.0]))
def test_constant_is_judged_by_the_spread_of_expression(unit, height):
    values = unit * (2 + height * np.sin(GRID))[None]
    levelled = _levelled(values, np.array([unit]))
    assert (np.ptp(levelled) == 0) == (height == 1e-9)
    np.testing.assert_allclose(levelled, values, atol=1e-8 * unit)


def test_fits_that_did_not_succeed_are_not_clustered():
    Y = waves(30)
    adata = ad.AnnData(Y, obs=pd.DataFrame({"pseudotime": T}, index=[f"c{cell}" for cell in range(N_CELLS)]))
    converged, explained = np.ones(30, dtype=bool), np.full(30, 0.5)
    converged[0], explained[1], explained[2] = False, -0.2, -1e-9
    for alpha in (0.01, None):
        tc = TrendClusterer(Reporting(converged, explained), clusterer=QUICK, alpha=alpha, random_state=0).fit(adata)
        assert (tc.labels_ < 0).tolist() == [True, True, *[False] * 28]
        assert tc.gene_table_["pvalue"].isna().tolist() == [True, True, *[False] * 28]
        assert tc.gene_table_["converged"].tolist() == [False, False, *[True] * 28]
        assert tc.gene_table_["note"].tolist()[:3] == ["", "explains less than a constant does", ""]


def test_many_of_them_are_warned_of_once():
    Y = waves(30)
    adata = ad.AnnData(Y, obs=pd.DataFrame({"pseudotime": T}, index=[f"c{cell}" for cell in range(N_CELLS)]))
    explained = np.where(np.arange(30) < 5, -1.0, 0.5)
    with pytest.warns(LineageClustWarning) as caught:
        TrendClusterer(Reporting(True, explained), clusterer=QUICK, random_state=0).fit(adata)
    assert len(caught) == 1
    assert "5 of 30 fits did not converge" in str(caught[0].message)
    assert "5 of them: explains less than a constant does" in str(caught[0].message)


def test_a_regressor_that_stopped_early_says_so():
    model = RegressorModel(MLPRegressor(hidden_layer_sizes=(5,), max_iter=3, random_state=0))
    found = fit(model, waves(4))
    assert not found.table["converged"].any()
    assert all("stopped at its max_iter" in note for note in found.table["note"])


def test_a_regressor_with_another_loss_may_explain_less_squares_than_the_mean():
    Y = waves(4) + np.random.default_rng(2).normal(0, 1, (N_CELLS, 4))
    found = fit(RegressorModel(QuantileRegressor(quantile=0.95, alpha=0)), Y, BSplineSmoother(6))
    assert (found.table["deviance_explained"] < 0).any()
    assert found.table["converged"].all()


@pytest.mark.parametrize("family", ["gamma", "poisson", "inverse_gaussian"])
@pytest.mark.parametrize("last_digit", [0.0, 1e-15])
def test_the_peak_of_a_constant_gene_does_not_hang_on_the_last_digit(family, last_digit):
    weights = np.random.default_rng(3).uniform(0.1, 1, N_CELLS) * (1 + last_digit)
    Y = np.column_stack([np.full(N_CELLS, 3.0), np.random.default_rng(4).poisson(4, N_CELLS) + 1.0])
    found = fit_group(lineage_of(T, weights, Y, ["constant", "other"]), GRID, BSplineSmoother(), GAM(family))
    assert np.ptp(found.values[0]) == 0
    assert np.argmax(found.values[0]) == 0
    np.testing.assert_allclose(found.values[0], 3, rtol=1e-6)
