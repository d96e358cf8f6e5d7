"""Fits of conditions against linear mixed models by statsmodels (`tests/golden/conditions`)."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from lineage_clust.models.gam.conditions.fit import fit_conditions
from lineage_clust.models.gam.donors.curves import at_covariance

GOLDEN = Path(__file__).parents[3] / "golden" / "conditions"


@pytest.fixture(scope="module")
def golden():
    return json.loads((GOLDEN / "statsmodels.json").read_text(encoding="utf-8"))


def golden_data(paired):
    spec = importlib.util.spec_from_file_location("golden_conditions", GOLDEN / "golden_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.data(paired)


@pytest.mark.parametrize("design", ["between", "paired"])
@pytest.mark.first(1)
def test_curves_are_those_of_a_linear_mixed_model(golden, design):
    donor, condition, time, Y = golden_data(design == "paired")
    line = np.column_stack([np.ones(len(time)), time - time.mean()])
    many = np.tile(Y, 7)  # how donors differ is learned from twenty genes or more
    fit = fit_conditions(line, many, condition, donor)
    sums = fit.sums.by_donor() if design == "paired" else fit.sums.by_sample
    mode = np.zeros((fit.random.shape[1],) * 2)
    likelihoods = []
    for gene, expected in enumerate(golden[design]):
        level = mode.copy()
        level[0, 0] = expected["of_donors"] + expected["of_samples"]
        shared = expected["of_donors"] / max(level[0, 0], 1e-300)
        covariance = np.kron((1 - shared) * np.eye(2) + shared, level) if design == "paired" else level
        found = at_covariance(sums.take(np.array([gene])), covariance)
        rows = np.vstack([fit.rows(line[:2], 0), fit.rows(line[:2], 1)]) @ sums.fixed
        curves = rows @ found.coefficients[0] + fit.level[gene]
        theirs = np.array([[1, 0, t, 0] for t in line[:2, 1]] + [[1, 1, t, t] for t in line[:2, 1]])
        np.testing.assert_allclose(curves[:, 0], theirs @ expected["coefficients"], atol=1e-4)
        scale = found.scale()[0, 0]
        assert scale == pytest.approx(expected["scale"], rel=1e-3)
        ours = scale * rows @ np.linalg.inv(found.gram[0]) @ rows.T
        np.testing.assert_allclose(ours, theirs @ np.array(expected["covariance"]) @ theirs.T, rtol=5e-3, atol=1e-4)
        likelihoods.append(found.likelihood()[0])
        for factor in (0.7, 1.4):  # theirs is the maximum of ours as well
            assert at_covariance(found.sums, factor * covariance).likelihood()[0] < found.likelihood()[0]
    expected = np.diff([one["likelihood"] for one in golden[design]])
    np.testing.assert_allclose(np.diff(likelihoods), expected, atol=1e-2)
