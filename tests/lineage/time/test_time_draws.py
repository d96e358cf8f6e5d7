"""Draws of pseudotime: lists as time_key, and the common range."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineage_clust import UnknownNameError
from lineage_clust.lineage.time.pseudotime import check_time_draws, find_time_draws
from tests.fits import read_lineage

N = 40


def cells(**obs):
    index = [f"c{cell}" for cell in range(N)]
    adata = ad.AnnData(np.ones((N, 2)), obs=pd.DataFrame(obs, index=index))
    adata.var_names = ["a", "b"]
    return adata


def drawn(seed=0, number=3):
    rng = np.random.default_rng(seed)
    return np.linspace(0, 1, N)[:, None] + rng.normal(0, 0.05, (N, number))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.tuples(st.floats(0.1, 100), st.floats(-100, 100)), min_size=3, max_size=3))
def test_units_and_origins_of_draws_do_not_matter(seed, changes):
    draws = drawn(seed)
    factors, shifts = np.transpose(changes)
    adata = cells()
    adata.obsm["plain"], adata.obsm["changed"] = draws, draws * factors + shifts
    plain, changed = (read_lineage(adata, time_key=[key]) for key in ("plain", "changed"))
    assert (plain.start, plain.end) == (0.0, 1.0)
    np.testing.assert_allclose(plain.time_draws, changed.time_draws, atol=1e-9)
    np.testing.assert_allclose(plain.pseudotime, plain.time_draws.mean(axis=1))
    assert plain.time_draws.min() == 0
    assert plain.time_draws.max() == 1


def test_keys_are_columns_matrices_of_draws_and_matrices_by_lineage():
    draws = drawn()
    adata = cells(one=draws[:, 0], two=draws[:, 1])
    adata.obsm["more"] = draws
    adata.obsm["run"] = pd.DataFrame({"A": draws[:, 2], "B": -draws[:, 2]}, index=adata.obs_names)
    np.testing.assert_array_equal(find_time_draws(adata, ["one", "two"], None), draws[:, :2])
    np.testing.assert_array_equal(find_time_draws(adata, ("more",), None), draws)
    np.testing.assert_array_equal(find_time_draws(adata, ["one", "more"], "A"), np.column_stack([draws[:, 0], draws]))
    np.testing.assert_array_equal(find_time_draws(adata, ["one", "run"], "A"), draws[:, [0, 2]])


def test_cells_that_are_not_in_all_draws_are_used_where_they_are():
    draws = drawn()
    draws[:5, 0], draws[7] = np.nan, np.nan
    adata = cells()
    adata.obsm["draws"] = draws
    with pytest.warns(UserWarning, match="1 of 40 cells is excluded") as caught:
        lineage = read_lineage(adata, time_key=["draws"])
    assert [str(one.message) for one in caught] == [
        "1 of 40 cells is excluded: their pseudotime is NaN or infinite. "
        "In some draws of pseudotime, 5 of 40 cells have no time (NaN or infinite): these cells are fitted in the others."
    ]
    assert len(lineage.cells) == N - 1
    assert np.isnan(lineage.time_draws[:5, 0]).all()
    assert np.isfinite(lineage.time_draws[:, 1:]).all()
    assert np.isfinite(lineage.pseudotime).all()


def test_cells_outside_the_lineage_or_to_score_need_no_time_in_every_draw():
    draws = drawn()
    draws[:5, 0] = np.nan
    adata = cells(weight=np.where(np.arange(N) < 5, 0.0, 1.0))
    adata.obsm["draws"] = draws
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_lineage(adata, "A", time_key=["draws"], lineage_key="weight")
        read_lineage(adata, time_key=["draws"], to_fit=False)


def test_a_time_range_is_on_the_common_range():
    adata = cells()
    adata.obsm["draws"] = 50 + 7 * drawn()
    lineage = read_lineage(adata, time_key=["draws"], time_range=(0.2, 0.6))
    assert (lineage.start, lineage.end) == (0.2, 0.6)
    assert np.nanmin(lineage.time_draws) >= 0.2
    assert np.nanmax(lineage.time_draws) <= 0.6
    assert len(lineage.cells) < N


def test_other_cells_are_rescaled_as_the_fitted_ones():
    adata = cells()
    adata.obsm["draws"] = drawn()
    whole = read_lineage(adata, time_key=["draws"])
    some = read_lineage(
        adata[10:30].copy(), time_key=["draws"], time_range=(0.0, 1.0), draw_ranges={None: whole.draw_ranges}
    )
    np.testing.assert_allclose(some.time_draws, whole.time_draws[10:30])


def test_a_warning_that_most_draws_deserve_is_given_once():
    draws = drawn(number=5)
    draws[-1, :2] = 3.0  # one late cell
    adata = cells(weight=np.linspace(0.2, 1, N))
    adata.obsm["draws"] = draws
    settings = {"time_key": ["draws"], "lineage": "A", "lineage_key": "weight"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_lineage(adata, **settings)
    draws[-1] = 3.0
    adata.obsm["draws"] = draws
    with pytest.warns(UserWarning, match="In most draws of pseudotime: .*outliers") as caught:
        read_lineage(adata, **settings)
    assert len(caught) == 1


@pytest.mark.parametrize(
    "keys, error, message",
    [
        ([], TypeError, "got an empty list"),
        (["one"], ValueError, r"time_key=\['one'\] is one pseudotime"),
        (["one", "two", "reversed"], ValueError, "'reversed' of pseudotime runs against the others.*Reverse it"),
        (["one", "oen"], UnknownNameError, "Did you mean 'one'"),
        (["one", "flat"], ValueError, "Draw 1 of pseudotime has fewer than two distinct values"),
        (["one", "name"], TypeError, "must be numeric"),
        (["one", ["two"]], TypeError, "Each entry of time_key must be one name"),
    ],
)
def test_errors_say_what_to_do(keys, error, message):
    draws = drawn()
    adata = cells(one=draws[:, 0], two=draws[:, 2], reversed=-draws[:, 1], flat=np.ones(N), name=["x"] * N)
    with pytest.raises(error, match=message):
        read_lineage(adata, time_key=keys)


def test_as_many_keys_as_lineages_are_ambiguous():
    with pytest.raises(ValueError, match="not one pseudotime per lineage"):
        check_time_draws(["t_ery", "t_mono"], ["Ery", "Mono"])
    check_time_draws(["draws"], ["Ery", "Mono"])
    check_time_draws(["one", "two"], ["Ery"])
    check_time_draws("one", ["Ery"])


@pytest.mark.filterwarnings("ignore:In some draws of pseudotime")
def test_draws_without_a_cell_in_common_are_refused():
    draws = drawn(number=2)
    draws[:20, 0] = draws[20:, 1] = np.nan
    adata = cells()
    adata.obsm["draws"] = draws
    with pytest.raises(ValueError, match="no cell of the lineage in common"):
        read_lineage(adata, time_key=["draws"])


@pytest.mark.filterwarnings("ignore:In some draws of pseudotime")
def test_a_draw_that_is_squeezed_or_stretched_is_named():
    adata = cells()
    outlying, partial = drawn(), drawn()
    outlying[3, 1] = 1e6
    partial[13:, 2] = np.nan
    adata.obsm["outlying"], adata.obsm["partial"] = outlying, partial
    with pytest.warns(UserWarning, match="Draw 1 of pseudotime squeezes its cells .*outlying times"):
        read_lineage(adata, time_key=["outlying"])
    with pytest.warns(UserWarning, match="Draw 2 of pseudotime covers only .*missing"):
        read_lineage(adata, time_key=["partial"])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.6), st.integers(2, 5))
def test_draws_of_bootstrapped_cells_are_taken_without_complaint(seed, missing, number):
    draws = drawn(seed, number)
    draws[np.random.default_rng(seed).random(draws.shape) < missing] = np.nan
    draws[0], draws[-1] = 0.0, 1.0
    adata = cells()
    adata.obsm["draws"] = draws
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "(.* excluded|In some draws)")
        read_lineage(adata, time_key=["draws"])
