"""Clipping of lineage weights, and lineages to which no cell belongs."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st

import lineage_clust as lc
from lineage_clust.lineage.weights.values import check_members, clip_weights
from lineage_clust.trends.gene_trend import GeneTrend

from ...fits import QUICK


@pytest.mark.parametrize("threshold", [0.01, (0.01, 0.0), (0.01, 0.01), 0, (0.0, 0.5)])
@pytest.mark.parametrize("largest", [0.0, 1e-20, np.nan])
def test_weights_of_nothing_but_rounding_are_refused_under_any_threshold(threshold, largest):
    with pytest.raises(ValueError, match="No cell belongs to lineage 'A': the largest weight is"):
        check_members(np.array([0.0, largest, np.nan]), threshold, "A", "fates")


def test_small_weights_by_design_are_told_what_to_do():
    weights = np.full(500, 1 / 500)
    with pytest.raises(ValueError, match=r"excludes cells below 0.01. Check 'fates'; .* lower weight_threshold"):
        check_members(weights, (0.01, 0.01), "A", "fates")
    check_members(weights, 0.001, "A")
    check_members(weights, 0, "A")


def test_one_cell_that_belongs_is_enough():
    check_members(np.array([0.0, np.nan, 0.01]), (0.01, 0.0), "A")


def with_rare_lineage(share, n_cells=5000, n_genes=60, seed=3):
    """Genes that do not change along the lineage, whose share of the cells is small, and rise in all other cells."""
    rng = np.random.default_rng(seed)
    time, own = rng.random(n_cells), rng.random(n_cells) < share
    values = np.where(own, 1.0, 2 * time)[:, None] + rng.normal(0, 0.5, (n_cells, n_genes))
    names = [f"cell{cell}" for cell in range(n_cells)]
    return AnnData(values, obs=pd.DataFrame({"pseudotime": time, "rare": own.astype(float)}, index=names))


@pytest.mark.filterwarnings("ignore:No gene is clustered")
def test_cells_that_do_not_belong_have_no_say_by_default():
    """Of genes flat in a lineage of 2 % of the cells, and rising elsewhere, most were called with a floor of 0.01."""
    adata = with_rare_lineage(0.02)
    parameters = {"lineage_key": "rare", "time_range": (0, 1), "random_state": 0}
    tc = lc.TrendClusterer(**parameters).fit(adata)
    assert tc.n_cells_ == adata.obs["rare"].sum()
    assert np.mean(tc.gene_table_["qvalue"] < 0.01) < 0.02
    floored = lc.TrendClusterer(weight_threshold=(0.01, 0.01), **parameters).fit(adata)
    assert np.mean(floored.gene_table_["qvalue"] < 0.01) > 0.5  # what the default must not do


@pytest.mark.parametrize("value", [0.0, 1e-20])
@pytest.mark.parametrize("threshold", [(0.01, 0.0), (0.01, 0.01)])
def test_a_lineage_without_cells_is_refused(make_adata, value, threshold):
    adata = make_adata()
    adata.obsm["palantir_fate_probabilities"]["A"] = value
    with pytest.raises(ValueError, match="No cell belongs to lineage 'A'.*Check 'palantir_fate_probabilities'"):
        lc.TrendClusterer(lineage="A", weight_threshold=threshold, clusterer=QUICK).fit(adata)
    with pytest.raises(ValueError, match="No cell belongs to lineage 'A'"):
        lc.cluster_lineage(adata, lc.GAM(), ["rise0", "fall0"], "A", time_key="palantir_pseudotime")
    with pytest.raises(ValueError, match="No cell belongs to lineage 'A'"):
        GeneTrend("g", "A", np.arange(9.0), np.arange(9.0), np.full(9, value)).prepare(weight_threshold=threshold)


def test_a_range_in_which_no_cell_belongs_is_refused(make_adata):
    adata = make_adata()
    late = adata.obs["palantir_pseudotime"] > 0.5
    adata.obsm["palantir_fate_probabilities"].loc[late, "A"] = 0.0
    with pytest.raises(ValueError, match=r"No cell in \[0.6, 1\] belongs to lineage 'A'"):
        lc.TrendClusterer(lineage="A", weight_threshold=(0.01, 0.01), time_range=(0.6, 1), clusterer=QUICK).fit(adata)


def test_cluster_lineage_keeps_the_floor_of_cellrank(make_adata):
    adata = make_adata()
    adata.obsm["palantir_fate_probabilities"].iloc[:50, 0] = 0.0
    models = lc.cluster_lineage(
        adata, lc.GAM(), ["rise0", "fall0"], "A", time_key="palantir_pseudotime", time_range=1.0, return_models=True,
        neighbors_kwargs={"n_neighbors": 2}, show_progress_bar=False,
    )  # fmt: skip
    assert np.isclose(models["rise0"]["A"].w, 0.01).sum() >= 50
    assert (GeneTrend("g", "A", np.arange(9.0), np.arange(9.0), np.arange(9) / 9).prepare().w > 0.01).all()


@given(weights=st.lists(st.floats(0, 1), min_size=1, max_size=30), below=st.floats(0, 1), value=st.floats(0, 1))
def test_weights_below_the_threshold_become_its_value(weights, below, value):
    clipped = clip_weights(np.array(weights), (below, value))
    assert clipped.tolist() == [value if weight < below else weight for weight in weights]
    np.testing.assert_array_equal(clip_weights(np.array(weights), below), np.maximum(weights, below))


def test_clipping_leaves_nan_and_the_input_alone():
    weights = np.array([np.nan, 0.0, 1.0])
    np.testing.assert_array_equal(clip_weights(weights, 0.5), [np.nan, 0.5, 1.0])
    np.testing.assert_array_equal(weights, [np.nan, 0.0, 1.0])


@pytest.mark.parametrize(
    "threshold", [-0.1, (0.1, -0.1), (0.1, np.inf), np.nan, (0.1, 0.1, 0.1), "low", None, (None, 0.1)]
)
def test_wrong_weight_thresholds(threshold):
    with pytest.raises(ValueError, match="weight_threshold must be a non-negative number or a pair"):
        clip_weights(np.ones(3), threshold)


def test_negative_weights_are_an_error():
    with pytest.raises(ValueError, match=r"must not be negative; the smallest is -0.5"):
        clip_weights(np.array([0.1, -0.5]), 0.01)
