"""Cluster-robust covariances against statsmodels and against the formulas of the papers."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cluster_robust import cluster_robust, satterthwaite_df

GOLDEN = json.loads((Path(__file__).parents[0] / "golden/donors/statsmodels.json").read_text(encoding="utf-8"))


def golden_sums():
    """Return the sums of the golden script's data, which are written out there."""
    rng = np.random.default_rng(20)
    n = 120
    donors = np.sort(rng.choice(5, n, p=[0.4, 0.2, 0.2, 0.1, 0.1]))
    time = rng.uniform(size=n)
    Z = np.column_stack([np.ones(n), time, time**2])
    Y = rng.standard_normal((n, 3)) + 0.5 * rng.standard_normal((5, 3))[donors]
    w = rng.uniform(0.2, 1, n)
    rows = [donors == donor for donor in range(5)]
    grams = np.stack([Z[own].T @ (Z[own] * w[own, None]) for own in rows])
    products = np.stack([Z[own].T @ (Y[own] * w[own, None]) for own in rows])
    return grams, products, n


@pytest.mark.parametrize("kind", ["CR1", "CR2"])
def test_covariances_are_those_of_the_reference(kind):
    grams, products, n = golden_sums()
    _, covariances = cluster_robust(grams, products, n, kind)
    np.testing.assert_allclose(covariances, GOLDEN[kind], rtol=1e-8)


def test_degrees_of_freedom_are_those_of_the_reference():
    grams, _, _ = golden_sums()
    found = [satterthwaite_df(grams, contrast) for contrast in np.eye(3)]
    np.testing.assert_allclose(found, GOLDEN["df"][0], rtol=1e-8)


def test_a_donor_without_cells_in_a_column_is_no_obstacle():
    grams, products, n = golden_sums()
    grams[4, 2], grams[4, :, 2], products[4, 2] = 0.0, 0.0, 0.0
    _, covariances = cluster_robust(grams, products, n)
    assert np.isfinite(covariances).all()


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="CR2"):
        cluster_robust(*golden_sums(), kind="CR3")
