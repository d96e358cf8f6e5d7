from decimal import Decimal

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.lineage.columns import check_levels, numbers_in, numbers_or_levels

NUMBERS = [1.5, 2.0, 4.0]


@pytest.mark.parametrize(
    "values",
    [
        pd.Series(NUMBERS),
        pd.Series(NUMBERS, dtype=object),
        pd.Series(NUMBERS, dtype="Float32"),
        pd.Series([Decimal("1.5"), Decimal(2), Decimal(4)], dtype=object),
        pd.Series([np.float32(1.5), 2, 4.0], dtype=object),
        pd.Series(NUMBERS, dtype=pd.SparseDtype(float)),
    ],
)
def test_numbers_are_numbers_whatever_the_dtype(values):
    assert numbers_in(values).tolist() == NUMBERS
    assert numbers_or_levels(values).dtype == float


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True), st.integers(-(10**9), 10**9)), min_size=1))
def test_a_column_of_objects_is_read_as_one_of_numbers(values):
    expected = np.array([np.nan if value is None else float(value) for value in values])
    found = numbers_in(pd.Series(values, dtype=object))
    if found is None:  # nothing known in it
        assert np.isnan(expected).all()
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (pd.Series(["1", "2", "1"]), ["1", "2"]),
        (pd.Series([1, 2, 1], dtype="category"), [1, 2]),
        (pd.Series([True, False, True]), [False, True]),
        (pd.Series([True, False, None], dtype=object), [False, True]),
        (pd.Series(pd.Categorical(["b", "a", "b"], categories=["b", "a", "c"])), ["b", "a"]),
        (pd.Series(["x", 1, "x"], dtype=object), ["x", 1]),
    ],
)
def test_what_is_no_number_has_levels(values, levels):
    assert numbers_in(values) is None
    found = numbers_or_levels(values).cat.categories.tolist()
    assert sorted(map(str, found)) == sorted(map(str, levels))


def test_complex_numbers_are_refused():
    with pytest.raises(TypeError, match="Column 'z' contains complex numbers"):
        numbers_or_levels(pd.Series([1j, 2.0], name="z"))


@pytest.mark.parametrize(
    ("n_levels", "n_cells", "refused"), [(2, 5, False), (3, 20, False), (3, 19, True), (99, 99, True)]
)
def test_one_level_more_per_ten_cells(n_levels, n_cells, refused):
    values = numbers_or_levels(pd.Series([f"level{cell % n_levels}" for cell in range(n_cells)], name="donor"))
    if refused:
        with pytest.raises(ValueError, match=f"covariate 'donor' has {n_levels} levels in {n_cells} cells.*astype"):
            check_levels(values, "covariate")
    else:
        check_levels(values, "covariate")


def test_advice_for_too_many_dates_can_be_followed():
    adata = ad.AnnData(obs=pd.DataFrame({"day": pd.date_range("2024-01-01", periods=30)}, index=map(str, range(30))))
    with pytest.raises(ValueError, match=r"Convert dates to days, \(.*\)\.dt\.days, or merge levels") as error:
        check_levels(numbers_or_levels(adata.obs["day"]), "covariate")
    advice = str(error.value).split("to days, ")[1].split(", or")[0]
    assert numbers_in(eval(advice, {"adata": adata})).tolist() == list(range(30))
