"""Fits, errors, degrees of freedom and tests of the Gaussian GAM against R's mgcv (`tests/golden/gaussian`)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lineage_clust.models import GAM
from lineage_clust.smoothers import BSplineSmoother

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "gaussian"


class Case:
    """One method and one set of weights: our fit, mgcv's curves and mgcv's numbers by gene."""

    def __init__(self, method, weights):
        data = pd.read_csv(GOLDEN / "data.csv")
        genes = [name for name in data if name.startswith("y")]
        curves = pd.read_csv(GOLDEN / "results" / f"curves_{method}_{weights}.csv.gz")
        numbers = pd.read_csv(GOLDEN / "results" / "genes.csv.gz")
        chosen = (numbers["method"] == method.upper()) & (numbers["weights"] == weights)
        self.mgcv = numbers[chosen].set_index("gene").loc[genes]
        self.mgcv_fit = curves[[f"fit_{gene}" for gene in genes]].to_numpy()
        self.mgcv_se = curves[[f"se_{gene}" for gene in genes]].to_numpy()

        smoother = BSplineSmoother(n_splines=10, domain=(0, 1)).fit(data[["t"]].to_numpy())
        self.design = smoother.transform(data[["t"]].to_numpy())
        w = data["w"].to_numpy() if weights == "fate" else None
        self.gam = GAM(smoothing=method, covariance="bayes")
        self.gam.fit(self.design, data[genes].to_numpy(), sample_weight=w, penalty=smoother.penalty_)
        self.fit, self.se = self.gam.predict(smoother.transform(curves[["t"]].to_numpy()), return_std=True)


@pytest.fixture(
    scope="module", params=[(method, w) for method in ("reml", "gcv") for w in ("fate", "unit")], ids="-".join
)
def case(request):
    return Case(*request.param)


def test_the_basis(case):
    stored = pd.read_csv(GOLDEN / "results" / "design.csv.gz").drop(columns="t").to_numpy()
    np.testing.assert_allclose(case.design.toarray(), stored, atol=1e-12)


def test_trends(case):
    error = np.abs(case.fit - case.mgcv_fit).max(axis=0) / np.ptp(case.mgcv_fit, axis=0)
    assert np.median(error) < 1e-12
    assert error.max() < 1e-5


def test_standard_errors(case):
    error = np.abs(case.se / case.mgcv_se - 1).max(axis=0)
    assert np.median(error) < 1e-12
    assert error.max() < 1e-4


@pytest.mark.parametrize(
    ("ours", "theirs", "absolute", "relative"),
    [("edf_", "edf", 1e-3, 0), ("scale_", "scale", 0, 1e-3), ("deviance_explained_", "deviance_explained", 1e-4, 0)],
)
def test_numbers_of_each_gene(case, ours, theirs, absolute, relative):
    np.testing.assert_allclose(getattr(case.gam, ours), case.mgcv[theirs], atol=absolute, rtol=relative)


def test_smoothing_parameters(case):
    finite = ~case.mgcv["at_infinity"].to_numpy()
    np.testing.assert_allclose(case.gam.lambda_[finite], case.mgcv["lambda"][finite], rtol=1e-3)
    assert np.all(case.gam.edf_[~finite] < 2 + 1e-6)  # a straight line
    assert case.gam.converged_.all()


def test_p_values(case):
    mgcv, ours = case.mgcv["pvalue"].to_numpy(), case.gam.pvalue_
    known = mgcv > 1e-12
    difference = np.abs(np.log10(ours[known]) - np.log10(mgcv[known]))
    assert known.sum() > 10
    assert np.median(difference) < 1e-3
    assert difference[mgcv[known] > 1e-6].max() < 0.02
    assert np.all(ours[mgcv <= 1e-6] < 1e-6)  # mgcv's integration loses its digits there, and then returns 0


def test_p_values_of_straight_lines_are_plain_f_tests(case):
    lines = case.mgcv["at_infinity"].to_numpy()
    expected = stats.f.sf(case.mgcv["F"][lines], 1, case.design.shape[0] - 2)
    np.testing.assert_allclose(np.log10(case.gam.pvalue_[lines]), np.log10(expected), atol=0.1)


def test_the_genes_are_of_every_kind(case):
    assert len(case.mgcv) >= 30
    assert case.mgcv["at_infinity"].any()
    assert (case.mgcv["pvalue"] > 0.05).sum() > 3
    assert (case.mgcv["pvalue"] < 1e-12).sum() > 10
