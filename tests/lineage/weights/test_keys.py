"""Weights of lineages under the keys of common tools: precedence of keys, combined lineages and errors."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from lineage_clust.errors import UnknownNameError
from lineage_clust.lineage.time.pseudotime import find_pseudotime
from lineage_clust.lineage.weights.keys import (
    BACKWARD_KEYS,
    FORWARD_KEYS,
    available_lineages,
    distinct_names,
    find_weights,
)
from lineage_clust.lineage.weights.matrices import matrix_source

WEIGHTS = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.0, 1.0]])
TIMES = np.array([0.0, 0.2, 0.5, 1.0])


class NamedArray(np.ndarray):
    """Fate probabilities as CellRank keeps them: an array that knows the names of its columns."""

    names = None

    @classmethod
    def of(cls, values, names):
        array = np.asarray(values).view(cls)
        array.names = np.array(names)
        return array


def cells(**obs):
    """Four cells; `obs` are their columns."""
    return ad.AnnData(np.ones((4, 2)), obs=pd.DataFrame(obs, index=list("wxyz")))


def with_weights(key, values, **obs):
    adata = cells(**obs)
    adata.obsm[key] = values
    return adata


def frame(columns=("A", "B"), values=WEIGHTS):
    return pd.DataFrame(values, index=list("wxyz"), columns=list(columns))


def weights_of(adata, lineage=None, lineage_key=None, backward=False):
    return find_weights(adata, lineage, lineage_key, backward)


# ---- the keys of the field's tools


@pytest.mark.parametrize("key", FORWARD_KEYS)
def test_forward_keys_are_found(key):
    name, found, weights = weights_of(with_weights(key, frame()), "B")
    assert (name, found) == ("B", key)
    np.testing.assert_array_equal(weights, WEIGHTS[:, 1])


@pytest.mark.parametrize("key", BACKWARD_KEYS)
def test_backward_keys_are_found_only_when_asked_for(key):
    adata = with_weights(key, frame())
    np.testing.assert_array_equal(weights_of(adata, "A", backward=True)[2], WEIGHTS[:, 0])
    with pytest.raises(UnknownNameError, match="contains no lineage weights"):
        weights_of(adata, "A")


def test_forward_and_backward_keys_side_by_side():
    adata = with_weights("lineages_fwd", frame())
    adata.obsm["lineages_bwd"] = frame(values=WEIGHTS[::-1])
    assert weights_of(adata, "A")[1] == "lineages_fwd"
    _, key, weights = weights_of(adata, "A", backward=True)
    assert key == "lineages_bwd"
    np.testing.assert_array_equal(weights, WEIGHTS[::-1, 0])


# ---- containers of weights


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, lambda values: frame(values=values)])
def test_array_sparse_and_frame_hold_the_same_weights(make):
    adata = with_weights("lineages_fwd", make(WEIGHTS))
    adata.uns["lineages_fwd_names"] = ["A", "B"]
    np.testing.assert_array_equal(weights_of(adata, "B")[2], WEIGHTS[:, 1])


@pytest.mark.parametrize("suffix", ["names", "columns", "colnames"])
def test_names_of_an_array_in_uns(suffix):
    adata = with_weights("fate_probabilities", WEIGHTS)
    adata.uns[f"fate_probabilities_{suffix}"] = np.array(["Ery", "Mono"])
    assert matrix_source(adata, "fate_probabilities").names == ["Ery", "Mono"]
    np.testing.assert_array_equal(weights_of(adata, "Mono")[2], WEIGHTS[:, 1])


def test_names_of_cellrank_s_own_array():
    adata = with_weights("lineages_fwd", NamedArray.of(WEIGHTS, ["Alpha", "Beta"]))
    assert matrix_source(adata, "lineages_fwd").names == ["Alpha", "Beta"]
    weights = weights_of(adata, "Beta")[2]
    np.testing.assert_array_equal(weights, WEIGHTS[:, 1])
    assert type(weights) is np.ndarray


@pytest.mark.parametrize(
    ("key", "states"),
    [
        ("lineages_fwd", "term_states_fwd"),
        ("to_terminal_states", "terminal_states"),
        ("lineages_bwd", "init_states_bwd"),
        ("from_initial_states", "initial_states"),
    ],
)
def test_names_from_cellrank_s_states_when_the_array_lost_them(key, states):
    labels = pd.Categorical(["Ery", None, None, "Mono"], categories=["Ery", "Mono"])
    adata = with_weights(key, WEIGHTS, **{states: labels})
    assert matrix_source(adata, key).names == ["Ery", "Mono"]
    np.testing.assert_array_equal(weights_of(adata, "Ery", backward=key in BACKWARD_KEYS)[2], WEIGHTS[:, 0])


def test_names_of_another_length_are_not_believed():
    adata = with_weights("lineages_fwd", WEIGHTS)
    adata.uns["lineages_fwd_names"] = ["A", "B", "C"]
    assert matrix_source(adata, "lineages_fwd").names == ["0", "1"]


@pytest.mark.parametrize("asked", ["1", 1, np.int64(1)])
def test_columns_without_names_are_numbered(asked):
    adata = with_weights("lineages_fwd", WEIGHTS)
    name, _, weights = weights_of(adata, asked)
    assert name == "1"
    np.testing.assert_array_equal(weights, WEIGHTS[:, 1])


def test_columns_named_by_numbers():
    assert weights_of(with_weights("lineages_fwd", frame([3, 7])), 7)[0] == "7"


@pytest.mark.parametrize("make", [np.asarray, lambda masks: frame(values=masks)])
def test_boolean_branch_masks(make):
    adata = with_weights("branch_masks", make(WEIGHTS > 0.45))
    adata.uns["branch_masks_columns"] = ["A", "B"]
    weights = weights_of(adata, "A")[2]
    assert weights.dtype == float
    assert weights.tolist() == [1, 0, 1, 0]


def test_slingshot_s_pair_of_matrices():
    adata = with_weights("slingshot_cell_weights", frame())
    times = np.column_stack([TIMES, 2 * TIMES])
    times[0, 1] = np.nan  # slingshot: a cell that is not in the lineage
    adata.obsm["slingshot_pseudotime"] = frame(values=times)
    name, key, _ = weights_of(adata, "B")
    assert key == "slingshot_cell_weights"
    np.testing.assert_array_equal(find_pseudotime(adata, None, name), times[:, 1])
    np.testing.assert_array_equal(find_pseudotime(adata, "slingshot_pseudotime", "A"), TIMES)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_missing_values_become_nan(missing):
    nullable = pd.array([0.1, missing, 0.5, 1.0], dtype="Float64")
    adata = cells(pseudotime=nullable, weight=nullable)
    assert np.isnan(find_pseudotime(adata, None, None)).tolist() == [False, True, False, False]
    assert np.isnan(weights_of(adata, None, "weight")[2]).tolist() == [False, True, False, False]
    adata.obsm["fate_probabilities"] = pd.DataFrame({"A": nullable}, index=adata.obs_names)
    assert np.isnan(weights_of(adata, "A")[2]).tolist() == [False, True, False, False]


# ---- weights in obs


@pytest.mark.parametrize(
    "values", [WEIGHTS[:, 0], WEIGHTS[:, 0].astype(np.float32), [True, False, True, False], [1, 0, 1, 0]]
)
def test_weights_in_a_column_of_obs(values):
    adata = cells(to_ery=values)
    name, key, weights = weights_of(adata, None, "to_ery")
    assert (name, key, weights.dtype) == ("to_ery", "to_ery", float)
    np.testing.assert_array_equal(weights, np.asarray(values, dtype=float))
    assert weights_of(adata, "Ery", "to_ery")[0] == "Ery"


def test_obsm_is_looked_at_before_obs():
    adata = with_weights("fates", frame(["A"], WEIGHTS[:, :1]), fates=[1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(weights_of(adata, None, "fates")[2], WEIGHTS[:, 0])


# ---- choosing


def test_without_lineage_data_all_cells_are_one_trajectory():
    name, key, weights = weights_of(cells(pseudotime=TIMES))
    assert name is None
    assert key is None
    assert weights.tolist() == [1, 1, 1, 1]


def test_the_only_lineage_needs_no_name():
    assert weights_of(with_weights("lineages_fwd", frame(["Ery"], WEIGHTS[:, :1])))[0] == "Ery"


def test_several_lineages_are_listed():
    with pytest.raises(ValueError, match=r"several lineages \('lineages_fwd': 'A', 'B'\). Choose one with lineage="):
        weights_of(with_weights("lineages_fwd", frame()))


def test_a_name_under_two_keys_needs_lineage_key():
    adata = with_weights("palantir_fate_probabilities", frame())
    adata.obsm["lineages_fwd"] = frame(values=WEIGHTS[::-1])
    with pytest.raises(
        ValueError,
        match=r"'A' is stored under several keys: 'lineages_fwd', 'palantir_fate_probabilities'.*lineage_key=",
    ):
        weights_of(adata, "A")
    np.testing.assert_array_equal(weights_of(adata, "A", "lineages_fwd")[2], WEIGHTS[::-1, 0])


@pytest.mark.parametrize("probabilities", ["palantir_fate_probabilities", "lineages_fwd"])
def test_probabilities_come_before_the_masks_made_from_them(probabilities, caplog):
    adata = with_weights(probabilities, frame())
    adata.obsm["branch_masks"] = (
        WEIGHTS > 0.45
    )  # as palantir.presults.select_branch_cells writes it with save_as_df=False
    adata.uns["branch_masks_columns"] = ["A", "B"]
    with caplog.at_level("INFO", logger="lineage_clust"):
        _, key, weights = weights_of(adata, "A")
    assert key == probabilities
    np.testing.assert_array_equal(weights, WEIGHTS[:, 0])
    assert f"taken from {probabilities!r}, not from the masks 'branch_masks'" in caplog.text
    assert weights_of(adata, "A", "branch_masks")[2].tolist() == [1, 0, 1, 0]
    assert available_lineages(adata) == ["A", "B"]


def test_masks_of_lineages_without_probabilities_are_read():
    adata = with_weights("palantir_fate_probabilities", frame())
    adata.obsm["branch_masks"] = frame(["A", "C"], WEIGHTS > 0.45)
    assert weights_of(adata, "C")[1] == "branch_masks"


@pytest.mark.parametrize("key", ["lineages_fwd", "palantir_fate_probabilities", "branch_masks"])
def test_lineages_together(key):
    adata = with_weights(key, pd.DataFrame(np.eye(4)[:, :3], index=list("wxyz"), columns=["Ery", "Mono", "Neu"]))
    name, found, weights = weights_of(adata, "Neu, Mono")
    assert (name, found, weights.tolist()) == ("Neu, Mono", key, [0, 1, 1, 0])
    with pytest.raises(UnknownNameError, match=r"Lineage 'Neuu' was not found: .* Did you mean 'Neu'"):
        weights_of(adata, "Mono, Neuu")


def test_lineages_of_two_keys_are_not_put_together():
    adata = with_weights("palantir_fate_probabilities", frame())
    adata.obsm["slingshot_cell_weights"] = frame(["C", "D"])
    with pytest.raises(UnknownNameError, match="Lineages that are combined must be under one key"):
        weights_of(adata, "A, C")


def test_rounding_below_zero_is_no_negative_weight():
    adata = with_weights("lineages_fwd", frame(values=WEIGHTS - np.array([[0, 0], [0, 0], [0, 0], [1e-9, 0]])))
    assert weights_of(adata, "A")[2].tolist() == [0.9, 0.4, 0.5, 0.0]


def test_a_name_under_one_of_two_keys_is_found():
    adata = with_weights("palantir_fate_probabilities", frame())
    adata.obsm["slingshot_cell_weights"] = frame(["C", "D"])
    assert weights_of(adata, "D")[1] == "slingshot_cell_weights"


def test_a_misspelt_lineage_gets_the_list_and_a_close_match():
    adata = with_weights("lineages_fwd", frame(["Ery", "Mono"]))
    with pytest.raises(
        UnknownNameError, match=r"'ery' was not found: 'lineages_fwd' contains 'Ery', 'Mono'. Did you mean 'Ery'"
    ):
        weights_of(adata, "ery")


def test_a_misspelt_key_gets_a_close_match():
    adata = with_weights("lineages_fwd", frame(), pseudotime=TIMES)
    with pytest.raises(UnknownNameError, match=r"neither in adata.obsm nor in adata.obs. Did you mean 'lineages_fwd'"):
        weights_of(adata, "A", "lineage_fwd")
    with pytest.raises(UnknownNameError, match=r"'pseudotim' is neither.*Did you mean 'pseudotime'"):
        find_pseudotime(adata, "pseudotim", None)


# ---- the names of all lineages


def test_all_lineages_of_the_only_key():
    assert available_lineages(with_weights("lineages_fwd", frame())) == ["A", "B"]
    assert available_lineages(with_weights("lineages_bwd", frame()), backward=True) == ["A", "B"]
    assert available_lineages(with_weights("mine", frame()), "mine") == ["A", "B"]


def test_a_column_of_obs_is_its_own_lineage():
    assert available_lineages(cells(toward=WEIGHTS[:, 0]), "toward") == ["toward"]


def test_no_lineages():
    with pytest.raises(UnknownNameError, match="contains no lineage weights .none of .*Pass their key as lineage_key="):
        available_lineages(cells())
    with pytest.raises(UnknownNameError, match="lineage_key 'mine' is neither in adata.obsm nor in adata.obs"):
        available_lineages(cells(), "mine")


def test_lineages_of_several_keys():
    adata = with_weights("lineages_fwd", frame())
    adata.obsm["palantir_fate_probabilities"] = frame()
    with pytest.raises(
        ValueError, match="Several keys contain lineages: 'lineages_fwd', .*Choose one with lineage_key="
    ):
        available_lineages(adata)
    assert available_lineages(adata, "lineages_fwd") == ["A", "B"]


@pytest.mark.parametrize("lineage", [["A", "B"], ("A",), np.array(["A"])])
def test_one_lineage_is_one_name(lineage):
    with pytest.raises(TypeError, match="A lineage must be one name; got .*Pass one of them"):
        weights_of(with_weights("lineages_fwd", frame()), lineage)


def test_a_name_that_several_columns_have():
    with pytest.raises(ValueError, match="'lineages_fwd' has 2 columns named 'A'. Give its columns unique names"):
        weights_of(with_weights("lineages_fwd", frame(("A", "A"))), "A")


def test_weights_of_three_dimensions():
    adata = with_weights("lineages_fwd", np.ones((4, 2, 2)))
    adata.uns["lineages_fwd_names"] = ["A", "B"]
    with pytest.raises(ValueError, match="must have one or two dimensions|lineage"):
        weights_of(adata, "A", "lineages_fwd")


@pytest.mark.parametrize(
    "other", ["lower_Ery", "upper_Ery", "flank_Ery", "confidence_Ery", "share_Ery", "lower", "flank"]
)
def test_lineages_whose_columns_would_have_the_names_of_others_are_refused(other):
    with pytest.raises(ValueError, match=f"columns of lineage '{other}' would have the same names"):
        distinct_names(["Ery", other])
    assert distinct_names([other]) == [other]
