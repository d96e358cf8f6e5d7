"""Selection of the genes to cluster."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust.results.gating import GATE_CONSTRAINTS, Gate
from lineage_clust.trends.trends import adjust
from lineage_clust.utils.constraints import check_constraints

from ..fits import QUICK


def table(pvalue, explained=0.5, amplitude=1.0):
    pvalue = np.asarray(pvalue, dtype=float)
    return pd.DataFrame(
        {"pvalue": pvalue, "qvalue": adjust(pvalue), "deviance_explained": explained, "amplitude": amplitude}
    )


def test_the_gate_is_that_of_the_qvalues():
    rng = np.random.default_rng(0)
    genes = table(np.r_[rng.uniform(0, 0.02, 30), rng.uniform(0, 1, 70)])
    for alpha in (0.01, 0.05, 0.2):
        gate = Gate(alpha).calibrated(genes)
        np.testing.assert_array_equal(gate.passes(genes), genes["qvalue"] < alpha)


def test_pvalues_of_zero_pass_and_nothing_passes_if_nothing_is_significant():
    assert Gate(0.01).calibrated(table([0.0, 0.5])).passes(table([0.0, 0.5])).tolist() == [True, False]
    gate = Gate(0.01).calibrated(table([0.4, 0.5]))
    assert not gate.passes(table([0.4, 0.0])).any()
    assert "alpha=0.01" in gate.why_none(table([0.4, 0.5]))


def test_a_model_without_tests_lets_all_pass():
    genes = table([np.nan, np.nan])
    assert Gate(0.01).calibrated(genes).passes(genes).all()


def test_sizes_count_too():
    genes = table([1e-9] * 4, explained=[0.5, 0.01, np.nan, 0.5], amplitude=[2, 2, 2, 0.1])
    assert Gate(0.01, 0.1).calibrated(genes).passes(genes).tolist() == [True, False, True, True]
    assert Gate(0.01, 0.1, 1.0).calibrated(genes).passes(genes).tolist() == [True, False, True, False]
    none = Gate(None, 0.9, 5.0)
    assert "min_deviance_explained=0.9 and min_range=5" in none.why_none(genes)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, None, None), "alpha"), ((True, None, None), "alpha"), ((np.nan, None, None), "alpha"),
        ((0.01, "a", None), "min_deviance_explained"), ((0.01, 1.5, None), "min_deviance_explained"),
        ((0.01, None, -1), "min_range"), ((0.01, None, np.inf), "min_range"),
    ],
)  # fmt: skip
def test_bounds_are_checked(arguments, named):
    bounds = SimpleNamespace(**dict(zip(GATE_CONSTRAINTS, arguments, strict=True)))
    with pytest.raises(ValueError, match=named):
        check_constraints(bounds, GATE_CONSTRAINTS)


def test_trends_that_change_little_are_left_out_and_stay_out_of_predict():
    adata = lc.datasets.simulate_lineage(400, 60, 3, random_state=0)
    plain = lc.TrendClusterer(lineage="lineage_1", random_state=0, clusterer=QUICK).fit(adata)
    bound = float(plain.gene_table_["amplitude"][plain.labels_ >= 0].median())
    gated = lc.TrendClusterer(lineage="lineage_1", random_state=0, min_range=bound, clusterer=QUICK).fit(adata)
    expected = (plain.gene_table_["qvalue"] < 0.01) & (plain.gene_table_["amplitude"] >= bound)
    np.testing.assert_array_equal(gated.labels_ >= 0, expected)
    np.testing.assert_array_equal(gated.predict(adata), gated.labels_)
    with pytest.warns(lc.LineageClustWarning, match="min_deviance_explained=0.99"):
        lc.TrendClusterer(lineage="lineage_1", min_deviance_explained=0.99, random_state=0, clusterer=QUICK).fit(adata)


def test_what_did_not_converge_never_passes():
    genes = table([1e-9, 1e-9, 0.5]).assign(converged=[True, False, True], note="")
    for alpha, passed in ((0.01, [True, False, False]), (None, [True, False, True])):
        gate = Gate(alpha).calibrated(genes)
        assert gate.passes(genes).tolist() == passed
    none = genes.assign(converged=False)
    assert not Gate(None).passes(none).any()
    assert "none of 3 fits converged" in Gate(None).why_none(none)
