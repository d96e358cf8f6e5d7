"""Matrices of weights and pseudotimes: R's columns of obs, and names from CellRank's terminal states."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.errors import LineageClustWarning, UnknownNameError
from lineage_clust.lineage.time.pseudotime import find_pseudotime
from lineage_clust.lineage.weights.keys import available_lineages, find_weights
from lineage_clust.lineage.weights.matrices import columns_of_matrix

WEIGHTS = np.array([[1.0, 0.0], [1.0, 1.0], [0.3, 0.7], [0.0, 1.0]])
TIMES = np.array([[0.0, np.nan], [0.2, 0.2], [0.5, 0.4], [np.nan, 1.0]])


def converted(**matrices):
    """What zellkonverter makes of a SingleCellExperiment with matrices of two lineages in its colData."""
    columns = {
        f"{name}.Lineage{lineage + 1}": values[:, lineage] for name, values in matrices.items() for lineage in range(2)
    }
    return ad.AnnData(np.ones((4, 2)), obs=pd.DataFrame(columns, index=list("wxyz")))


@pytest.mark.parametrize("key", ["cellWeights", "cell_weights", "slingshot_cell_weights"])
def test_weights_that_r_spread_over_columns(key):
    adata = converted(**{key: WEIGHTS, "pseudotime": TIMES})
    for column, name in enumerate(["Lineage1", "Lineage2"]):
        found, where, weights = find_weights(adata, name, None, False)
        assert (found, where) == (name, key)
        np.testing.assert_array_equal(weights, WEIGHTS[:, column])
        np.testing.assert_array_equal(find_pseudotime(adata, None, name), TIMES[:, column])
    assert available_lineages(adata) == ["Lineage1", "Lineage2"]


def test_columns_of_a_matrix_of_any_name():
    adata = converted(mine=WEIGHTS)
    np.testing.assert_array_equal(find_weights(adata, "Lineage2", "mine", False)[2], WEIGHTS[:, 1])
    np.testing.assert_array_equal(find_weights(adata, "Lineage1, Lineage2", "mine", False)[2], np.ones(4))


def test_slingshot_s_pseudotimes_go_with_weights_of_the_same_lineage():
    adata = converted(cellWeights=WEIGHTS)
    adata.obs["slingPseudotime_1"], adata.obs["slingPseudotime_2"] = TIMES.T
    name, key, _ = find_weights(adata, "Lineage2", None, False)
    assert key == "cellWeights"
    np.testing.assert_array_equal(find_pseudotime(adata, None, name), TIMES[:, 1])


def test_slingshot_s_pseudotimes_without_weights_say_which_cells_belong():
    adata = ad.AnnData(np.ones((4, 2)), obs=pd.DataFrame(index=list("wxyz")))
    adata.obs["slingPseudotime_1"], adata.obs["slingPseudotime_2"] = TIMES.T
    assert find_weights(adata, "Lineage2", None, False)[2].tolist() == [0, 1, 1, 1]
    assert available_lineages(adata) == ["Lineage1", "Lineage2"]
    assert find_weights(adata, None, None, False)[0] is None  # time_key="slingPseudotime_1" takes its cells


def test_a_matrix_of_pseudotimes_without_weights_says_which_cells_belong():
    adata = ad.AnnData(np.ones((4, 2)), obs=pd.DataFrame(index=list("wxyz")))
    adata.obsm["slingshot_pseudotime"] = pd.DataFrame(TIMES, adata.obs_names, ["early", "late"])
    assert find_weights(adata, "late", None, False)[2].tolist() == [0, 1, 1, 1]
    np.testing.assert_array_equal(find_pseudotime(adata, None, "late"), TIMES[:, 1])
    assert available_lineages(adata) == ["early", "late"]
    adata.obsm["cell_weights"] = pd.DataFrame(WEIGHTS, adata.obs_names, ["early", "late"])
    np.testing.assert_array_equal(find_weights(adata, "late", None, False)[2], WEIGHTS[:, 1])


def test_a_matrix_of_pseudotimes_of_all_cells_does_not_say_which_cells_belong():
    adata = ad.AnnData(np.ones((4, 2)), obs=pd.DataFrame(index=list("wxyz")))
    adata.obsm["slingshot_pseudotime"] = pd.DataFrame(np.nan_to_num(TIMES), adata.obs_names, ["early", "late"])
    with pytest.raises(UnknownNameError, match="contains no lineage weights"):
        find_weights(adata, "late", None, False)


def test_columns_of_other_names_are_no_matrix():
    adata = converted(cellWeightsX=WEIGHTS)
    adata.obs["slingPseudotime_x"] = 1.0
    assert columns_of_matrix(adata, "cellWeights") == columns_of_matrix(adata, "slingPseudotime") == {}


NAMES = ["Ery", "Mono", "Neu"]


def cells(categories=NAMES, key="lineages_fwd", states="term_states_fwd", n_per_state=5, n_others=15):
    """Fate probabilities as a file keeps them: an array, terminal cells being certain, and categories with its names."""
    rng = np.random.default_rng(0)
    own = np.repeat(np.arange(3), n_per_state)
    fates = np.vstack([np.eye(3)[own], rng.dirichlet(np.ones(3), n_others)])
    labels = [NAMES[state] for state in own] + [None] * n_others
    adata = ad.AnnData(np.ones((len(fates), 2)), obs=pd.DataFrame(index=[f"c{cell}" for cell in range(len(fates))]))
    adata.obs[states] = pd.Categorical(labels, categories=categories)
    adata.obsm[key] = fates
    return adata, fates


KEYS = [
    ("lineages_fwd", "term_states_fwd", False),
    ("to_terminal_states", "terminal_states", False),
    ("lineages_bwd", "term_states_bwd", True),
    ("from_initial_states", "initial_states", True),
]


@pytest.mark.parametrize(("key", "states", "backward"), KEYS)
def test_categories_that_were_reordered_do_not_exchange_lineages(key, states, backward):
    adata, fates = cells(["Ery", "Neu", "Mono"], key, states)
    with pytest.raises(
        ValueError, match=r"cells of 'Neu' have the highest mean in column 2 .*were reordered"
    ) as caught:
        find_weights(adata, "Mono", None, backward)
    assert f"Set adata.uns['{key}_names'] to ['Ery', 'Mono', 'Neu']" in str(caught.value)
    adata.uns[f"{key}_names"] = ["Ery", "Mono", "Neu"]
    np.testing.assert_array_equal(find_weights(adata, "Mono", None, backward)[2], fates[:, 1])


@given(st.permutations(NAMES))
def test_only_the_order_of_the_columns_is_believed(order):
    adata, fates = cells(order)
    if list(order) != NAMES:
        with pytest.raises(ValueError, match="cannot be named"):
            find_weights(adata, "Mono", None, False)
        adata.obs["term_states_fwd"] = adata.obs["term_states_fwd"].cat.reorder_categories(NAMES)
    for column, name in enumerate(NAMES):
        np.testing.assert_array_equal(find_weights(adata, name, None, False)[2], fates[:, column])


def test_memberships_are_named_by_the_states_they_belong_to():
    adata, fates = cells(key="term_states_fwd_memberships")
    np.testing.assert_array_equal(find_weights(adata, "Neu", "term_states_fwd_memberships", False)[2], fates[:, 2])
    adata, _ = cells(["Neu", "Mono", "Ery"], key="term_states_fwd_memberships")
    with pytest.raises(ValueError, match="cannot be named"):
        find_weights(adata, "Neu", "term_states_fwd_memberships", False)


def test_probabilities_that_are_missing_contradict_nothing():
    adata, _ = cells()
    adata.obsm["lineages_fwd"][:5] = np.nan
    np.testing.assert_array_equal(find_weights(adata, "Mono", None, False)[2], adata.obsm["lineages_fwd"][:, 1])


def without_neu():
    whole, fates = cells()
    kept = np.flatnonzero((whole.obs["term_states_fwd"] != "Neu").to_numpy())
    return whole, whole[kept].copy(), fates[kept]


def test_a_subset_without_a_terminal_state_says_that_names_are_lost():
    whole, subset, fates = without_neu()
    with pytest.raises(
        UnknownNameError, match=r"'Mono' was not found.*names of the 3 columns .* are lost: .*of which 2 remain"
    ) as caught:
        find_weights(subset, "Mono", None, False)
    assert "after taking a subset" in str(caught.value)
    assert "Set adata.uns['lineages_fwd_names'] to the list of all 3 names" in str(caught.value)
    subset.uns["lineages_fwd_names"] = list(whole.obs["term_states_fwd"].cat.categories)
    np.testing.assert_array_equal(find_weights(subset, "Mono", None, False)[2], fates[:, 1])


def test_a_lineage_by_number_says_that_names_are_lost():
    _, subset, fates = without_neu()
    with pytest.warns(LineageClustWarning, match="Lineages are numbered. The names of the 3 columns"):
        weights = find_weights(subset, "1", None, False)[2]
    np.testing.assert_array_equal(weights, fates[:, 1])
    with pytest.raises(ValueError, match="several lineages.*'0', '1', '2'.*names of the 3 columns"):
        find_weights(subset, None, None, False)


def test_an_array_that_never_had_names_says_nothing_of_them():
    adata, fates = cells()
    del adata.obs["term_states_fwd"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(find_weights(adata, "1", None, False)[2], fates[:, 1])
        assert available_lineages(adata) == ["0", "1", "2"]


@pytest.mark.parametrize("unit", ["datetime64[ns]", "timedelta64[ns]"])
def test_dates_are_no_numbers(unit):
    cells = ad.AnnData(np.ones((4, 2)), obs=pd.DataFrame(index=list("wxyz")))
    dates = pd.DataFrame({"A": np.arange(4).astype(unit), "B": np.arange(4).astype(unit)}, index=cells.obs_names)
    cells.obsm["dates"] = dates
    with pytest.raises(TypeError, match=r"adata.obsm\['dates'\], column 0, must hold real numbers"):
        find_pseudotime(cells, "dates", "A")
    with pytest.raises(TypeError, match=r"adata.obsm\['dates'\], column 1, must hold real numbers"):
        find_weights(cells, "B", "dates", False)
