"""Tests of smooths that are penalised as a whole: equal to mgcv's, and right for genes without a trend."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lineage_clust import GAM, BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother
from lineage_clust.models.gam.design import make_design
from lineage_clust.models.gam.inference.significance import is_penalised, penalised_test

GOLDEN = Path(__file__).parents[3] / "golden" / "penalised"
SMOOTHERS = {
    "cyclic": CyclicSplineSmoother(10, domain=(0.0, 1.0)),
    "order1": BSplineSmoother(n_splines=12, penalty_order=1, domain=(0.0, 1.0)),
    "gaussian process": GaussianProcessSmoother(0.3),
}


@pytest.mark.parametrize("kind", ["value", "count"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smooth", ["cyclic", "order1"])
def test_p_values_are_those_of_mgcv(kind, weighted, smooth):
    cells = pd.read_csv(GOLDEN / "data.csv")
    genes = [name for name in cells if name.startswith(kind)]
    expected = pd.read_csv(GOLDEN / "pvalues.csv", skipinitialspace=True).query(
        "weighted == @weighted and smooth == @smooth"
    )
    expected = expected.set_index("gene").loc[genes]
    smoother = SMOOTHERS[smooth].fit(cells[["t"]].to_numpy())
    gam = GAM("gaussian" if kind == "value" else "poisson", covariance="bayes", discretize=False)
    gam.fit(
        smoother.transform(cells[["t"]].to_numpy()), cells[genes].to_numpy(float), cells["w"] if weighted else None,
        penalty=smoother.penalty_,
    )  # fmt: skip
    # mgcv's lambda of counts maximises a Laplace approximation, and that of nearly flat genes can be another maximum
    alike = np.abs(gam.edf_ - expected["edf"].to_numpy()) < (0.15 if kind == "count" else 0.02)
    assert alike.sum() >= (7 if kind == "count" else 8)
    theirs = expected["pvalue"].to_numpy()
    flat = expected["edf"].to_numpy() < 1.2  # mgcv stops before lambda is infinite
    known = alike & (theirs > 1e-3) & ~flat  # the error of mgcv's integration is 2e-5
    assert known.sum() >= 2
    tolerance = 0.1 if kind == "count" else 0.02
    np.testing.assert_allclose(np.log10(gam.pvalue_[known]), np.log10(theirs[known]), atol=tolerance)
    np.testing.assert_allclose(gam.pvalue_[theirs <= 1e-3], theirs[theirs <= 1e-3], atol=1e-4)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smooth", list(SMOOTHERS))
@pytest.mark.slow
def test_p_values_of_genes_without_a_trend_are_uniform(family, weighted, smooth):
    rng = np.random.default_rng(11)
    n_cells, n_genes = 400, 1500
    t = rng.uniform(0, 1, (n_cells, 1))
    t[:2, 0] = 0, 1
    weights = rng.beta(2, 1, n_cells) if weighted else np.ones(n_cells)
    y = rng.normal(size=(n_cells, n_genes)) if family == "gaussian" else rng.poisson(1.0, (n_cells, n_genes))
    smoother = SMOOTHERS[smooth].fit(t)
    pvalue = GAM(family).fit(smoother.transform(t), y.astype(float), weights, penalty=smoother.penalty_).pvalue_
    for level, low, high in ((0.5, 0.45, 0.58), (0.05, 0.03, 0.075), (0.01, 0.003, 0.022)):
        assert low < np.mean(pvalue < level) < high, level


def test_the_test_is_that_of_a_simulation():
    rng = np.random.default_rng(0)
    values, df = np.array([1.0, 0.4, 0.1, 0.0]), 25.0
    sums = (values * rng.normal(size=(400_000, 4)) ** 2).sum(axis=1) / (rng.chisquare(df, 400_000) / df)
    for quantile in (0.5, 0.05, 0.001):
        square = np.quantile(sums, 1 - quantile)
        scores = np.sqrt(np.array([[square, 0, 0, 0]]))
        _, pvalue = penalised_test(values[None], scores, np.array([df]))
        assert pvalue[0] == pytest.approx(quantile, rel=0.1)


def test_a_smooth_without_effects_has_a_p_value_of_one():
    statistic, pvalue = penalised_test(np.zeros((2, 3)), np.zeros((2, 3)), None)
    assert statistic.tolist() == [0, 0]
    assert pvalue.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("smoother", "expected"),
    [
        (CyclicSplineSmoother(), True), (BSplineSmoother(penalty_order=1), True), (GaussianProcessSmoother(0.3), True),
        (BSplineSmoother(), False), (BSplineSmoother(penalty_order=3), False), (CubicSplineSmoother(), False),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("covariate", [False, True])
def test_which_smooths_are_penalised_as_a_whole(smoother, expected, covariate):
    t = np.random.default_rng(0).uniform(0, 1, (100, 1))
    X = np.asarray(smoother.fit(t).transform(t).todense()) if hasattr(smoother.fit(t).transform(t), "todense") else (
        smoother.fit(t).transform(t)
    )  # fmt: skip
    if covariate:
        X = np.column_stack([X, np.arange(100) % 2, np.arange(100) % 2])  # collinear
    weights = np.ones(100)
    design = make_design(X, smoother.penalty_, weights, "auto")
    assert is_penalised(design, design.bands.gram(weights)) == expected


@pytest.mark.parametrize("penalty", [None, np.zeros((0, 0)), np.zeros((3, 3))])
def test_without_a_penalty_no_smooth_is(penalty):
    X = np.random.default_rng(0).normal(size=(50, 3))
    design = make_design(X, penalty, np.ones(50), "auto")
    assert not is_penalised(design, design.bands.gram(np.ones(50)))
