"""Names of lineages from CellRank's terminal states, also if categories were reordered or lost."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.errors import LineageClustWarning, UnknownNameError
from lineage_clust.lineage.weights.keys import available_lineages, find_weights

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
