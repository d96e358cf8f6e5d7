"""Lineages of one key: combined ones, those in columns of obs, clipped weights, and lineages without cells."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import lineage_clust as lc
from lineage_clust.errors import UnknownNameError
from lineage_clust.lineage.weights.keys import available_lineages, check_distinct, find_weights
from lineage_clust.lineage.weights.source import (
    LineageSource,
    check_members,
    clip_weights,
    split_names,
    without_rounding,
)
from lineage_clust.trends.gene_trend import GeneTrend

from ...fits import QUICK

NAMES = ["A", "B", "C", "A, C"]


def source_of(weights, names=NAMES):
    return LineageSource("fates", list(names), lambda column: np.asarray(weights)[:, column])


probabilities = arrays(float, (6, 3), elements=st.floats(0, 1)).map(
    lambda values: (values + 1e-3) / (values + 1e-3).sum(axis=1, keepdims=True)
)


@given(probabilities, st.permutations(["A", "B"]), st.sampled_from([",", ", ", " ,", ", ,"]))
def test_probabilities_of_several_fates_add_up_in_any_order(values, names, comma):
    source = source_of(values, ["A", "B", "C"])
    members = source.members(comma.join(names))
    np.testing.assert_allclose(source.weights(members), values[:, 0] + values[:, 1], rtol=1e-12)


@given(arrays(bool, (6, 3)))
def test_cells_in_one_of_several_branches_count_once(masks):
    source = source_of(masks.astype(float), ["A", "B", "C"])
    np.testing.assert_array_equal(source.weights(["A", "C"]), (masks[:, 0] | masks[:, 2]).astype(float))


def test_weights_that_are_not_shares_are_not_cut():
    source = source_of([[3.0, 4.0, 0.0]], ["A", "B", "C"])
    assert source.weights(["A", "B"]).tolist() == [7]


def test_a_missing_weight_is_missing_in_the_sum():
    assert np.isnan(source_of([[np.nan, 0.5, 0.0]], ["A", "B", "C"]).weights(["A", "B"])).tolist() == [True]


def test_a_column_named_by_both_comes_before_their_sum():
    assert source_of(np.eye(4)).members("A, C") == ["A, C"]
    assert source_of(np.eye(4)).members("C, A") == ["A", "C"]


@pytest.mark.parametrize(
    ("asked", "members"), [("A", ["A"]), ("A ", None), ("A,", ["A"]), ("A, A", ["A"]), ("D", None), (",", None)]
)
def test_members(asked, members):
    assert source_of(np.eye(4)).members(asked) == members


@given(st.lists(st.text("AB, ", max_size=4), max_size=4))
def test_splitting_is_stable(parts):
    names = split_names(",".join(parts))
    assert split_names(", ".join(names)) == names


@given(arrays(float, 8, elements=st.floats(-1e-6, 1)))
def test_rounding_below_zero_is_zero_and_nothing_else_changes(weights):
    cleaned = without_rounding(weights)
    np.testing.assert_array_equal(cleaned, np.maximum(weights, 0))


def test_weights_below_zero_beyond_rounding_stay():
    assert without_rounding(np.array([-1e-3, np.nan]))[0] == -1e-3


BRANCHES = ["trunk", "Ery", "Ery", "Mono", None]


def cells(**obs):
    """Five cells; `obs` are their columns."""
    return ad.AnnData(np.ones((5, 2)), obs=pd.DataFrame(obs, index=list("vwxyz")))


def weights_of(adata, lineage, lineage_key):
    return find_weights(adata, lineage, lineage_key, False)[2].tolist()


@pytest.mark.parametrize(
    "make",
    [
        pd.Categorical,
        lambda names: pd.Categorical(names, categories=["Mono", "nobody", "Ery", "trunk"], ordered=True),
        lambda names: pd.array(names, dtype="string"),
        lambda names: np.array(names, dtype=object),
    ],
)
@pytest.mark.first(2)
def test_names_of_branches_are_one_hot_weights(make):
    adata = cells(branch=make(BRANCHES))
    assert weights_of(adata, "Ery", "branch") == [0, 1, 1, 0, 0]
    assert weights_of(adata, "Ery, trunk", "branch") == [1, 1, 1, 0, 0]
    assert sorted(available_lineages(adata, "branch")) == ["Ery", "Mono", "trunk"]
    with pytest.raises(ValueError, match="several lineages.*Choose one with lineage="):
        find_weights(adata, None, "branch", False)


def test_a_branch_that_is_not_there_gets_a_close_match():
    with pytest.raises(
        UnknownNameError, match=r"'ery' was not found: 'branch' contains 'Ery', 'Mono', 'trunk'. Did you mean"
    ):
        weights_of(cells(branch=pd.Categorical(BRANCHES)), "ery", "branch")


@pytest.mark.parametrize("number", [3, "3", np.int64(3)])
def test_branches_named_by_integers(number):
    assert weights_of(cells(cluster=[1, 3, 3, 2, 10]), number, "cluster") == [0, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ([0, 1, 1, 0, 1], "0", [1, 0, 0, 1, 0]),
        ([0, 1, 1, 0, 1], 1, [0, 1, 1, 0, 1]),
        ([True, False, True, False, False], "False", [0, 1, 0, 1, 1]),
        ([True, False, True, False, False], "Ery", [1, 0, 1, 0, 0]),
        (pd.array([0, 1, None, 0, 1], dtype="Int64"), "0", [1, 0, 0, 1, 0]),
    ],
)
def test_a_value_that_is_named_as_lineage_stands_for_its_cells(values, name, expected):
    adata = cells(w=values)
    assert weights_of(adata, name, "w") == expected


def test_integers_that_may_be_weights_or_names_are_not_guessed():
    adata = cells(cluster=[1, 3, 3, 2, 10])
    with pytest.raises(ValueError, match=r"integers, which may be names of branches or weights.*astype\('category'\)"):
        weights_of(adata, None, "cluster")
    adata.obs["votes"] = adata.obs["cluster"].astype(float)
    assert weights_of(adata, None, "votes") == [1, 3, 3, 2, 10]
    adata.obs["cluster"] = adata.obs["cluster"].astype("category")
    assert weights_of(adata, "10", "cluster") == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, 0.5, 0, 0, None], dtype=object),
        pd.array([1, 0.5, 0, 0, None], dtype="Float64"),
        [1, 0.5, 0, 0, np.nan],
    ],
)
def test_numbers_of_any_type_are_weights(values):
    np.testing.assert_array_equal(weights_of(cells(w=values), "Ery", "w"), [1, 0.5, 0, 0, np.nan])


@pytest.mark.parametrize(
    "values",
    [
        np.array([True, False, True, None, False], dtype=object),
        pd.array([True, False, True, None, False], dtype="boolean"),
        pd.Categorical([True, False, True, None, False]),
    ],
)
def test_membership_with_missing_values(values):
    np.testing.assert_array_equal(weights_of(cells(mask=values), None, "mask"), [1, 0, 1, np.nan, 0])


def test_a_list_of_columns_is_a_lineage_each():
    adata = cells(is_ery=[True, True, False, False, True], is_mono=[0.2, 0.1, 0.9, 1.0, 0])
    keys = ["is_ery", "is_mono"]
    assert weights_of(adata, "is_ery", keys) == [1, 1, 0, 0, 1]
    assert weights_of(adata, "is_mono", tuple(keys)) == [0.2, 0.1, 0.9, 1.0, 0]
    assert available_lineages(adata, keys) == keys
    assert find_weights(adata, None, ["is_ery"], False)[0] == "is_ery"
    with pytest.raises(UnknownNameError, match="lineage_key 'is_mon' is not in adata.obs, .*. Did you mean 'is_mono'"):
        weights_of(adata, "is_ery", ["is_ery", "is_mon"])
    adata.obs["branch"] = BRANCHES
    with pytest.raises(TypeError, match="Pass one such column as lineage_key, not a list"):
        weights_of(adata, "branch", ["branch"])
    assert weights_of(adata, "Ery", "branch") == [0, 1, 1, 0, 0]


@pytest.mark.parametrize("make", [lambda column: column, lambda column: column.to_numpy(), list])
def test_the_weights_themselves_are_put_into_obs_as_the_message_says(make):
    adata = cells(seg=list("ababb"))
    found = adata.obs["seg"] == "a"
    with pytest.raises(
        TypeError, match=r"adata.obs\['my_lineage'\] = ..., and pass lineage_key='my_lineage'"
    ) as caught:
        find_weights(adata, None, make(found), False)
    assert len(str(caught.value)) < 300
    adata.obs["my_lineage"] = found
    assert weights_of(adata, None, "my_lineage") == [1, 0, 1, 0, 0]


@pytest.mark.parametrize("values", [pd.date_range("2020", periods=5), np.ones(5) * 1j])
def test_other_values_are_refused(values):
    with pytest.raises(TypeError, match="must be numbers or booleans, or a single column with the names of branches"):
        weights_of(cells(w=values), None, "w")


def test_one_column_of_weights_is_not_two_lineages():
    adata = cells(w=[1, 0.5, 0, 0, 0], branch=pd.Categorical(BRANCHES), part=[0, 1, 1, 0, 0])
    with pytest.raises(ValueError, match=r"lineage_key='w' is a column of obs with the weights of one lineage, but 2"):
        check_distinct(adata, ["A", "B"], "w")
    for lineages, key in (
        (["A"], "w"),
        (["Ery", "Mono"], "branch"),
        (["A", "B"], None),
        (["w", "v"], ["w", "v"]),
        ([0, 1], "part"),
    ):
        check_distinct(adata, lineages, key)


def test_a_column_of_obs_named_as_lineage_is_offered():
    adata = cells(is_ery=[True, True, False, False, True])
    with pytest.raises(UnknownNameError, match="has a column 'is_ery': pass lineage_key='is_ery', or a list of such"):
        weights_of(adata, "is_ery", None)
    assert weights_of(adata, None, "is_ery") == weights_of(adata, "is_ery", ["is_ery"]) == [1, 1, 0, 0, 1]


@pytest.mark.parametrize("make", [pd.Categorical, lambda values: np.array([str(one) for one in values], dtype=object)])
@pytest.mark.parametrize("lineage", ["Ery", None])
def test_weights_that_are_read_as_names_are_told_how_to_be_numbers(make, lineage):
    adata = cells(fate=make([0.0, 0.25, 0.5, 0.75, 1.0]))
    advice = r"If 'fate' contains weights, convert it: adata.obs\['fate'\] = adata.obs\['fate'\].astype\(float\)"
    with pytest.raises(ValueError, match=advice):
        find_weights(adata, lineage, "fate", False)
    adata.obs["fate"] = adata.obs["fate"].astype(float)
    assert weights_of(adata, "Ery", "fate") == [0.0, 0.25, 0.5, 0.75, 1.0]


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
