"""Lineages of scFates' tree: one per tip, with the segments that lead to it."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust.errors import LineageClustWarning, UnknownNameError
from lineage_clust.lineage.weights.keys import available_lineages, find_weights

from ...fits import QUICK

# root 0 -1-> fork 5 -2-> tip 9 (Ery); 5 -3-> fork 12 -4-> tip 15 (Mono), 12 -5-> tip 18, which has no milestone
FROM, TO = [0, 5, 5, 12, 12], [5, 9, 12, 15, 18]
PATHS = {"Ery": ["1", "2"], "Mono": ["1", "3", "4"], "18": ["1", "3", "5"]}
START, END = [0.0, 1.0, 1.0, 2.0, 2.0], [1.0, 2.5, 2.0, 3.0, 3.0]


def tree_cells(n_cells=300, seed=0):
    """Cells as scFates leaves them after tl.tree, tl.root, tl.pseudotime and tl.rename_milestones."""
    rng = np.random.default_rng(seed)
    segment = rng.integers(5, size=n_cells)
    t = rng.uniform(np.take(START, segment), np.take(END, segment))
    first_half = t < (np.take(START, segment) + np.take(END, segment)) / 2
    node = np.where(first_half, np.take(FROM, segment), np.take(TO, segment))
    milestones = {"root": 0, "fork": 5, "Ery": 9, "fork2": 12, "Mono": 15}
    names = {node: name for name, node in milestones.items()}
    obs = pd.DataFrame(
        {
            "t": t,
            "seg": pd.Categorical([str(one + 1) for one in segment]),
            "milestones": pd.Categorical([names.get(one, "18") for one in node]),
        },
        index=[f"cell{cell}" for cell in range(n_cells)],
    )
    in_ery, in_mono = np.isin(segment, [0, 1]), np.isin(segment, [0, 2, 3])
    rates = np.column_stack([np.where(in_ery, t, 0.5), np.where(in_mono, t, 0.5), np.where(in_ery, 2.5 - t, 1.0)])
    X = np.log1p(rng.poisson(4 * np.tile(rates, 4)))
    adata = ad.AnnData(X, obs=obs, var=pd.DataFrame(index=[f"g{gene}" for gene in range(X.shape[1])]))
    number = [str(one) for one in range(1, 6)]
    adata.uns["graph"] = {
        "pp_seg": pd.DataFrame({"n": number, "from": FROM, "to": TO, "d": np.subtract(END, START)}, index=range(1, 6)),
        "tips": np.array([0, 9, 15, 18]),
        "forks": np.array([5, 12]),
        "root": 0,
        "milestones": milestones,
    }
    return adata


def written(adata, folder, form):
    if form == "memory":
        return adata
    if form == "h5ad":
        adata.uns["graph"]["pp_seg"].index = adata.uns["graph"]["pp_seg"].index.astype(str)
        adata.write_h5ad(folder / "tree.h5ad")
        return ad.read_h5ad(folder / "tree.h5ad")
    adata.obs["seg"] = adata.obs["seg"].astype(int)  # scFates' unroll_circle writes numbers
    adata.uns["graph"]["pp_seg"]["n"] = adata.uns["graph"]["pp_seg"]["n"].astype(int)
    return adata


@pytest.mark.parametrize("form", ["memory", "h5ad", "integers"])
def test_each_tip_is_a_lineage_that_holds_the_segments_leading_to_it(form, tmp_path):
    adata = written(tree_cells(), tmp_path, form)
    segment = adata.obs["seg"].astype(str)
    for tip, path in PATHS.items():
        name, key, weights = find_weights(adata, tip, None, False)
        assert (name, key) == (tip, "graph")
        np.testing.assert_array_equal(weights, segment.isin(path))
    for key in (None, "graph", "milestones"):
        assert available_lineages(adata, key) == list(PATHS)


def test_tips_together_count_their_trunk_once():
    adata = tree_cells()
    weights = find_weights(adata, "Ery, Mono", None, False)[2]
    np.testing.assert_array_equal(weights, adata.obs["seg"].isin(["1", "2", "3", "4"]))


def test_segments_can_be_put_together_by_hand():
    adata = tree_cells()
    weights = find_weights(adata, "1, 2", "seg", False)[2]
    np.testing.assert_array_equal(weights, find_weights(adata, "Ery", "graph", False)[2])


@pytest.mark.parametrize("name", ["root", "fork", "Erry"])
def test_only_tips_are_lineages(name):
    with pytest.raises(UnknownNameError, match=f"'{name}' was not found: 'graph' contains 'Ery', 'Mono', '18'"):
        find_weights(tree_cells(), name, None, False)


def test_two_roots_that_meet_are_both_on_the_way():
    adata = tree_cells()
    graph = adata.uns["graph"]
    graph["pp_seg"].loc[2, ["from", "to"]] = [9, 5]  # from a second root at node 9
    graph["root2"], graph["meeting"] = 9, 5
    assert available_lineages(adata) == ["Mono", "18"]
    np.testing.assert_array_equal(
        find_weights(adata, "Mono", None, False)[2], adata.obs["seg"].isin(["1", "2", "3", "4"])
    )


def test_a_named_tip_is_fitted_along_its_own_path():
    adata = tree_cells()
    settings = {"weight_threshold": (0.01, 0), "alpha": None, "time_range": (0, 2.5)}
    tc = lc.TrendClusterer(lineage="Ery", genes=["g0", "g1", "g2"], **settings).fit(adata)
    assert tc.n_cells_ == int(adata.obs["seg"].isin(PATHS["Ery"]).sum())
    assert tc.trends_[0, -1] - tc.trends_[0, 0] > 1.5  # log1p(4 t) from 0 to 2.5
    both = lc.TrendClusterer(lineage=["Ery", "Mono"], **settings).fit(adata)
    assert both.lineage_ == ["Ery", "Mono"]


def test_t_alone_says_that_it_mixes_branches():
    with pytest.warns(LineageClustWarning, match="scFates. has 3 branches.*lineage=...: 'Ery', 'Mono', '18'"):
        lc.TrendClusterer(alpha=None, clusterer=QUICK).fit(tree_cells())


@pytest.mark.parametrize("path", PATHS.values())
@pytest.mark.first(1)
def test_the_cells_of_one_path_mix_nothing(path):
    adata = tree_cells()
    lc.TrendClusterer(alpha=None, clusterer=QUICK).fit(
        adata[adata.obs["seg"].isin(path).to_numpy()].copy()
    )  # a warning is an error here


def test_another_tool_s_graph_is_not_taken_for_a_tree():
    adata = tree_cells()
    for graph in ({"edges": [1, 2]}, np.ones(3), {"pp_seg": adata.uns["graph"]["pp_seg"]}):
        adata.uns["graph"] = graph
        with pytest.raises(UnknownNameError, match="contains no lineage weights"):
            find_weights(adata, "Ery", None, False)
