"""Pseudotime under the keys of common tools, and errors that list what was found."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from lineage_clust.errors import UnknownNameError
from lineage_clust.lineage.time.pseudotime import TIME_KEYS, find_pseudotime

TIMES = np.array([0.0, 0.2, 0.5, 1.0])
OTHERS = np.array([np.nan, 0.1, 0.4, 0.9])  # slingshot: the first cell is not in the lineage


def cells(**obs):
    """Four cells; `obs` are their columns."""
    return ad.AnnData(np.ones((4, 2)), obs=pd.DataFrame(obs, index=list("wxyz")))


def with_matrix(values, columns=None, **obs):
    adata = cells(**obs)
    adata.obsm["slingshot_pseudotime"] = (
        values if columns is None else pd.DataFrame(values, index=adata.obs_names, columns=columns)
    )
    return adata


def slingshot_cells(**obs):
    return cells(slingPseudotime_1=TIMES, slingPseudotime_2=OTHERS, **obs)


@pytest.mark.parametrize("key", TIME_KEYS)
def test_time_keys_are_found(key):
    np.testing.assert_array_equal(find_pseudotime(cells(**{key: TIMES}), None, None), TIMES)


def test_a_pseudotime_matrix_of_other_lineages_is_not_taken():
    adata = with_matrix(np.column_stack([TIMES, OTHERS]), ["myeloid", "erythroid"], palantir_pseudotime=TIMES)
    np.testing.assert_array_equal(find_pseudotime(adata, None, "A"), TIMES)
    with pytest.raises(UnknownNameError, match="no pseudotime for lineage 'A'; its columns are 'myeloid', 'erythroid'"):
        find_pseudotime(adata, "slingshot_pseudotime", "A")


def test_a_pseudotime_matrix_of_one_column_needs_no_lineage():
    adata = with_matrix(TIMES[:, None])
    np.testing.assert_array_equal(find_pseudotime(adata, "slingshot_pseudotime", None), TIMES)


def test_several_pseudotimes_are_listed():
    adata = cells(dpt_pseudotime=TIMES, latent_time=TIMES)
    with pytest.raises(
        ValueError, match=r"several pseudotimes: 'dpt_pseudotime', 'latent_time'. Choose one with time_key="
    ):
        find_pseudotime(adata, None, None)
    np.testing.assert_array_equal(find_pseudotime(adata, "latent_time", None), TIMES)


def test_no_pseudotime_lists_what_was_looked_for_and_what_is_there():
    with pytest.raises(
        UnknownNameError, match=r"none of 'palantir_pseudotime', .*numeric columns of obs: 'age', 'day'"
    ) as caught:
        find_pseudotime(
            cells(age=TIMES, label=list("aabb"), day=[1, 2, 3, 4], mask=[True, False, True, True]), None, None
        )
    assert "mask" not in str(caught.value)


@pytest.mark.parametrize("values", [list("abcd"), [True, False, True, False], pd.Categorical([1, 2, 3, 4])])
def test_pseudotime_must_be_numeric(values):
    with pytest.raises(TypeError, match=r"\['pseudotime'\] must be numeric; its dtype is"):
        find_pseudotime(cells(pseudotime=values), None, None)


def test_numbers_of_another_type_can_be_converted_as_the_message_says():
    adata = cells(pseudotime=pd.Categorical([1, 2, 3, 4]))
    with pytest.raises(TypeError, match=r"Convert it: adata.obs\['pseudotime'\] = .*astype\(float\)"):
        find_pseudotime(adata, None, None)
    adata.obs["pseudotime"] = adata.obs["pseudotime"].astype(float)
    assert find_pseudotime(adata, None, None).tolist() == [1, 2, 3, 4]


def test_labels_cannot_be_converted_and_the_message_names_columns_that_are_times():
    with pytest.raises(TypeError, match="pass another time_key=.*numeric columns of obs: 'age'"):
        find_pseudotime(cells(pseudotime=list("abcd"), age=TIMES), None, None)


def test_integer_times_are_pseudotime():
    assert find_pseudotime(cells(day=[1, 2, 4, 8]), "day", None).dtype == float


# ---- columns that R writes


def test_slingshot_s_only_column_is_a_known_name():
    np.testing.assert_array_equal(find_pseudotime(cells(slingPseudotime_1=OTHERS), None, None), OTHERS)


def test_slingshot_s_columns_are_listed_and_chosen_by_time_key():
    with pytest.raises(ValueError, match="several pseudotimes: 'slingPseudotime_1', 'slingPseudotime_2'"):
        find_pseudotime(slingshot_cells(), None, None)
    np.testing.assert_array_equal(find_pseudotime(slingshot_cells(), "slingPseudotime_2", None), OTHERS)


@pytest.mark.parametrize("lineage", ["Lineage2", "curve2"])
def test_slingshot_s_columns_belong_to_lineages_by_number(lineage):
    np.testing.assert_array_equal(find_pseudotime(slingshot_cells(), None, lineage), OTHERS)
    np.testing.assert_array_equal(find_pseudotime(slingshot_cells(), "slingPseudotime", lineage), OTHERS)


def test_a_column_of_another_lineage_is_not_taken():
    with pytest.raises(UnknownNameError, match="No pseudotime was found"):
        find_pseudotime(cells(slingPseudotime_1=TIMES), None, "Lineage2")
    with pytest.raises(
        UnknownNameError, match="no pseudotime for lineage 'Lineage3'; its columns are 'Lineage1', 'Lineage2'"
    ):
        find_pseudotime(slingshot_cells(), "slingPseudotime", "Lineage3")


def test_a_matrix_that_r_spread_over_columns():
    adata = cells(**{"pseudotime.Lineage1": TIMES, "pseudotime.Lineage2": OTHERS})
    np.testing.assert_array_equal(find_pseudotime(adata, None, "Lineage2"), OTHERS)
    np.testing.assert_array_equal(find_pseudotime(adata, "pseudotime", "Lineage1"), TIMES)


def test_the_column_itself_is_not_its_name():
    adata = cells(day=TIMES)
    with pytest.raises(
        TypeError, match="time_key must be one name; got .* Pass the name of the column, 'day'"
    ) as caught:
        find_pseudotime(adata, adata.obs["day"], None)
    assert "\n" not in str(caught.value)


def test_numbers_of_dtype_object_are_pseudotime():
    values = np.array([0, 0.2, None, 1.0], dtype=object)
    np.testing.assert_array_equal(find_pseudotime(cells(pseudotime=values), None, None), [0, 0.2, np.nan, 1])


@pytest.mark.parametrize(
    "make",
    [lambda days: days, lambda days: pd.Timestamp("2026-01-01", tz="Europe/Berlin") + days],
    ids=["spans", "dates"],
)
def test_dates_are_told_how_to_be_numbers(make):
    adata = cells(pseudotime=make(pd.to_timedelta(TIMES, unit="D")))
    with pytest.raises(TypeError, match=r"Convert it, for instance to days: (.+)\.$") as caught:
        find_pseudotime(adata, None, None)
    exec(str(caught.value).partition("days: ")[2].removesuffix("."), {"adata": adata, "pandas": pd})
    np.testing.assert_allclose(find_pseudotime(adata, None, None), TIMES)


def test_a_column_that_is_there_twice_is_named():
    adata = cells(pseudotime=TIMES)
    adata.obs = pd.concat([adata.obs, adata.obs], axis=1)
    with pytest.raises(ValueError, match=r"adata.obs has 2 columns named 'pseudotime'. Keep .*~adata.obs.columns.dup"):
        find_pseudotime(adata, None, None)
    adata.obs.columns = ["other", "other"]
    with pytest.raises(UnknownNameError, match="numeric columns of obs: 'other', 'other'"):
        find_pseudotime(adata, None, None)
