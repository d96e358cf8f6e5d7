"""Matrices of weights and pseudotimes that R stored as columns of obs."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from lineage_clust.errors import UnknownNameError
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
