"""Lineages as labelled branches, and the warning for one pseudotime over several branches."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust.errors import LineageClustWarning
from lineage_clust.lineage.weights.keys import available_lineages, find_weights

from ...fits import QUICK

SPANS = {"0": (0.0, 0.4), "1": (0.4, 1.0), "2": (0.35, 0.8)}  # scanpy: a trunk and two branches


def dpt_cells(spans=SPANS, n_cells=300):
    """Cells as scanpy.tl.dpt(n_branchings=1) leaves them."""
    rng = np.random.default_rng(0)
    group = rng.choice(list(spans), n_cells)
    t = np.array([rng.uniform(*spans[one]) for one in group])
    rates = np.column_stack([4 * t, np.where(group == "1", 4 * t, 2.0), 4 * (1 - t)] * 4)
    obs = pd.DataFrame(
        {"dpt_pseudotime": t, "dpt_groups": pd.Categorical(group)}, index=[f"c{i}" for i in range(n_cells)]
    )
    return ad.AnnData(np.log1p(rng.poisson(rates)), obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(12)]))


def test_segments_are_lineages_and_several_are_a_path():
    adata = dpt_cells()
    group = adata.obs["dpt_groups"]
    assert available_lineages(adata) == ["0", "1", "2"]
    np.testing.assert_array_equal(find_weights(adata, "1", None, False)[2], group == "1")
    name, key, weights = find_weights(adata, "0, 1", None, False)
    assert (name, key) == ("0, 1", "dpt_groups")
    np.testing.assert_array_equal(weights, group.isin(["0", "1"]))


def test_pseudotime_alone_says_that_it_mixes_branches_and_its_example_does_not():
    adata = dpt_cells()
    with pytest.warns(LineageClustWarning, match=r"overlap in pseudotime .*e.g. lineage='0, 2'"):
        lc.TrendClusterer(alpha=None, clusterer=QUICK).fit(adata)
    lc.TrendClusterer(alpha=None, lineage="0, 2", weight_threshold=(0.01, 0), clusterer=QUICK).fit(adata)


def test_segments_one_after_another_mix_nothing():
    adata = dpt_cells({"0": (0.0, 0.4), "1": (0.4, 0.7), "2": (0.7, 1.0)})
    lc.TrendClusterer(alpha=None, clusterer=QUICK).fit(adata)  # a warning is an error here


def test_the_cells_of_one_path_mix_nothing():
    adata = dpt_cells()
    lc.TrendClusterer(alpha=None, clusterer=QUICK).fit(adata[(adata.obs["dpt_groups"] != "2").to_numpy()].copy())


def test_weights_come_before_labels():
    adata = dpt_cells()
    adata.obsm["fate_probabilities"] = pd.DataFrame({"0": 0.25, "1": 0.75}, index=adata.obs_names)
    assert find_weights(adata, "1", None, False)[1] == "fate_probabilities"
    assert find_weights(adata, "2", None, False)[1] == "dpt_groups"
