"""Conditions of cells, read from obs."""

import anndata
import numpy as np
import pandas as pd
import pytest

from lineage_clust.errors import UnknownNameError
from lineage_clust.lineage.cells.samples import read_conditions


def cells(**columns):
    n_cells = len(next(iter(columns.values())))
    return anndata.AnnData(np.ones((n_cells, 1)), obs=pd.DataFrame(columns, index=[f"c{n}" for n in range(n_cells)]))


def test_categories_keep_their_order_and_unused_ones_do_not_count():
    drug = pd.Categorical(["low", "none", None, "low"], categories=["none", "low", "high"])
    codes, names = read_conditions(cells(drug=drug), "drug")
    assert names == ["none", "low"]
    assert codes.tolist() == [1, 0, -1, 1]


def test_a_choice_has_the_reference_first():
    codes, names = read_conditions(cells(day=[0, 3, 7, 3]), "day", ["7", "3"])
    assert names == ["7", "3"]
    assert codes.tolist() == [-1, 1, 0, 1]


def test_booleans_are_conditions():
    codes, names = read_conditions(cells(treated=[True, False]), "treated")
    assert (codes.tolist(), names) == ([1, 0], ["False", "True"])


@pytest.mark.parametrize(
    ("key", "conditions", "error", "message"),
    [
        ("dug", None, UnknownNameError, "Did you mean 'drug'"),
        (["drug"], None, TypeError, "a key of adata.obs"),
        ("age", None, TypeError, "cut a dose or an age into groups"),
        ("one", None, ValueError, "has 1 condition "),
        ("drug", ["a", "c"], UnknownNameError, "'c' is not in"),
        ("drug", "a", TypeError, "a list of names"),
        ("many", None, ValueError, "two to 10"),
    ],
)
def test_what_names_no_conditions_is_refused(key, conditions, error, message):
    adata = cells(
        drug=list("ab") * 10,
        age=np.arange(20) + 0.5,
        one=["x"] * 20,
        many=[f"condition {number}" for number in range(20)],
    )
    with pytest.raises(error, match=message):
        read_conditions(adata, key, conditions)


def test_whole_numbers_have_their_name_beside_missing_values():
    codes, names = read_conditions(cells(dose=[10.0, 0.0, np.nan, 10.0]), "dose", conditions=[0, 10])
    assert names == ["0", "10"]
    assert codes.tolist() == [1, 0, -1, 1]


def test_values_that_are_written_alike_are_refused():
    with pytest.raises(ValueError, match="written alike: '1'"):
        read_conditions(cells(dose=pd.Series([1, "1", "2", 3], dtype=object).to_numpy()), "dose")


@pytest.mark.parametrize(
    ("conditions", "error", "message"),
    [
        (3, TypeError, "a list of names, the reference first; got 3"),
        (["a", "a"], ValueError, r"^conditions names 1 condition \('a'\); two to 10"),
        ([], ValueError, "^conditions names 0 conditions; two to 10"),
    ],
)
def test_lists_that_name_no_two_conditions_are_refused(conditions, error, message):
    with pytest.raises(error, match=message):
        read_conditions(cells(drug=["a", "b"]), "drug", conditions)
