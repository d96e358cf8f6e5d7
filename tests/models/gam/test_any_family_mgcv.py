"""Fits of non-Gaussian families against R's mgcv (`tests/golden/families`)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lineage_clust.models import GAM
from lineage_clust.smoothers import BSplineSmoother

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "families"
FAMILIES = {"nb": "negative_binomial", "poisson": "poisson", "gamma": "gamma", "binomial": "binomial"}
CASES = [(family, weights) for family in FAMILIES for weights in ("unit", "fate")] + [("inverse_gaussian", "unit")]


class Case:
    """One family with one set of weights (those of a fate come with an offset): our fit, mgcv's curves and numbers."""

    def __init__(self, family, weights):
        data = pd.read_csv(GOLDEN / "data.csv.gz")
        numbers = pd.read_csv(GOLDEN / "results" / "genes.csv.gz")
        curves = pd.read_csv(GOLDEN / "results" / f"curves_{family}_{weights}.csv.gz")
        self.mgcv = numbers[(numbers["family"] == family) & (numbers["weights"] == weights)].set_index("gene")
        genes = list(self.mgcv.index)
        self.mgcv_trend, self.mgcv_link, self.mgcv_se = (
            curves[[f"{kind}_{gene}" for gene in genes]].to_numpy() for kind in ("response", "link", "se")
        )
        smoother = BSplineSmoother(n_splines=10, domain=(0, 1)).fit(data[["t"]].to_numpy())
        self.design, self.y = smoother.transform(data[["t"]].to_numpy()), data[genes].to_numpy()
        self.offset = data["offset"].to_numpy() * (weights == "fate")
        self.gam = GAM(FAMILIES.get(family, family), covariance="bayes").fit(
            self.design,
            self.y,
            sample_weight=data["w"] if weights == "fate" else None,
            offset=self.offset if weights == "fate" else None,
            penalty=smoother.penalty_,
        )
        rows = smoother.transform(curves[["t"]].to_numpy())
        self.trend, response_se = self.gam.predict(rows, return_std=True)
        self.se = response_se / np.abs(self.gam._link.slope(self.trend))
        self.range = np.ptp(self.mgcv_trend, axis=0)
        self.level = np.abs(self.mgcv_trend).max(axis=0)


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request):
    return Case(*request.param)


@pytest.mark.first(3)
def test_trends(case):
    """Relative to the trend's range, or to 5 % of its level where it hardly changes."""
    error = np.abs(case.trend - case.mgcv_trend).max(axis=0) / np.maximum(case.range, 0.05 * case.level)
    assert len(error) >= 12
    assert np.median(error) < 0.005
    assert np.quantile(error, 0.9) < 0.03
    assert case.gam.converged_.all()
    assert case.gam.failed_ == {}


def test_standard_errors_on_the_link_scale(case):
    error = np.abs(case.se / case.mgcv_se - 1).max(axis=0)
    assert np.median(error) < 0.03
    assert np.quantile(error, 0.9) < 0.1


def test_p_values(case):
    mgcv, ours = case.mgcv["pvalue"].to_numpy(), case.gam.pvalue_
    known = mgcv > 1e-12  # below, mgcv's are rounding
    difference = np.abs(np.log10(ours[known]) - np.log10(mgcv[known]))
    assert known.sum() >= 2
    assert np.median(difference) < 0.1
    assert np.all(ours[mgcv < 1e-6] < 1e-5)


def test_degrees_of_freedom_and_deviance_explained(case):
    difference = np.abs(case.gam.edf_ - case.mgcv["edf"])
    assert np.median(difference) < 0.05
    assert difference.max() < 0.2
    np.testing.assert_allclose(case.gam.deviance_explained_, case.mgcv["deviance_explained"], atol=0.005)


def test_scale(case):
    """Ours is Pearson's estimate; mgcv divides it by Fletcher's factor, of the mean of `V'(mu) (y - mu) / V(mu)`."""
    order = {"gamma": 2, "inverse_gaussian": 3}.get(case.gam.family, 0)  # V = mu^order
    fitted = case.gam.predict(case.design) * np.exp(case.offset)[:, None]
    fletcher = 1 + np.maximum(-0.9, np.mean(order * (case.y / fitted - 1), axis=0))
    error = np.abs(case.gam.scale_ / fletcher / case.mgcv["scale"] - 1)
    assert np.median(error) < 1e-3
    assert error.max() < 0.02


@pytest.mark.parametrize("weights", ["unit", "fate"])
def test_sizes_of_the_negative_binomial(weights):
    case = Case("nb", weights)
    error = np.abs(case.gam.theta_ / case.mgcv["theta"] - 1)
    assert np.median(error) < 0.1
    assert np.quantile(error, 0.9) < 0.25


def test_the_genes_are_of_every_kind():
    genes = pd.read_csv(GOLDEN / "genes.csv")
    assert set(genes["shape"]) == {"flat", "linear", "smooth", "peaked", "switch"}
    assert set(genes["family"]) == {*FAMILIES, "inverse_gaussian"}
