"""Donors of cells, and whether they can be replicates."""

import anndata
import numpy as np
import pandas as pd
import pytest

from lineage_clust.errors import LineageClustWarning, UnknownNameError
from lineage_clust.lineage.cells.samples import donors_of, read_donors


def cells(donors):
    n = len(donors)
    return pd.Series(donors, name="donor"), np.arange(n), np.linspace(0, 1, n), np.ones(n)


def test_a_key_that_is_not_there_is_named():
    adata = anndata.AnnData(np.ones((2, 1)), obs=pd.DataFrame({"donor": ["a", "b"]}, index=["x", "y"]))
    with pytest.raises(UnknownNameError, match="Did you mean 'donor'"):
        read_donors(adata, "donors")
    with pytest.raises(TypeError, match="key of adata.obs"):
        read_donors(adata, ["donor"])
    assert read_donors(adata, None) is None


def test_numbers_with_fractions_name_no_donor():
    adata = anndata.AnnData(np.ones((2, 1)), obs=pd.DataFrame({"score": [0.5, 1.0]}, index=["x", "y"]))
    with pytest.raises(TypeError, match="fractions"):
        read_donors(adata, "score")


def test_three_donors_are_too_few():
    with pytest.raises(ValueError, match="at least 4"):
        donors_of(*cells(["a", "b", "c"] * 10))


def test_only_donors_of_the_cells_that_take_part_count():
    column, _, times, weights = cells(list("abcd") * 5)
    kept = np.flatnonzero(column != "d")
    with pytest.raises(ValueError, match="names 3 donors"):
        donors_of(column, kept, times[kept], weights[kept])


def test_cells_without_a_donor_are_counted():
    with pytest.raises(ValueError, match="no donor for 2 of the 22 cells"):
        donors_of(*cells(list("abcd") * 5 + [None, np.nan]))


def test_donors_that_are_stretches_of_time_are_named():
    with pytest.warns(LineageClustWarning, match="lies between the donors of adata.obs.*'a' 0 to"):
        donors_of(*cells(np.repeat(list("abcd"), 10).tolist()))


@pytest.mark.filterwarnings("error")
def test_mixed_donors_are_no_reason_to_warn():
    assert donors_of(*cells([1, 2, 3, 4] * 10))[0] == "1"
