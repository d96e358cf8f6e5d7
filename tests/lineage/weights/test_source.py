"""Combined lineages of one key: sums of their weights, names, and rounding errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lineage_clust.lineage.weights.source import LineageSource, split_names, without_rounding

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
