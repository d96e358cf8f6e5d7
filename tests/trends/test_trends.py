import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from lineage_clust.trends.trends import (
    Trends,
    adjust,
    arranged_by_name,
    check_scale,
    columns_by_name,
    columns_of_each,
    concatenate,
    names_along,
    seed_of,
)

GRID = np.linspace(0, 1, 21)
matrices = arrays(float, st.tuples(st.integers(1, 6), st.integers(2, 20)), elements=st.integers(-1000, 1000).map(float))


def some_trends(values=None, genes=None, failed=None, lineage="A", p=0.01):
    values = np.stack([GRID, 1 - GRID, np.sin(3 * GRID)]) if values is None else np.asarray(values, dtype=float)
    genes = list("xyz")[: len(values)] if genes is None else genes
    table = pd.DataFrame(
        {"edf": 3.0, "deviance_explained": 0.5, "pvalue": p, "converged": True, "lambda": 1.0, "note": ""},
        index=pd.Index(genes, name="gene"),
    )
    grid = np.linspace(0, 1, values.shape[1])
    return Trends(values, grid, genes, 0.1 + 0 * values, np.full(len(grid), lineage, dtype=object), failed or {}, table)


def test_degrees_of_freedom_and_p_values_are_those_of_the_table():
    trends = some_trends(p=[0.1, 0.2, 0.3])
    assert trends.edf.tolist() == [3.0] * 3
    assert trends.p.tolist() == [0.1, 0.2, 0.3]
    assert Trends(trends.values, trends.grid, trends.genes).p is None


# ---- scaling


@given(matrices)
def test_z_scores_are_those_of_sklearn(values):
    scaled = some_trends(values, genes=[str(row) for row in range(len(values))]).scaled("zscore")
    np.testing.assert_allclose(scaled, StandardScaler().fit_transform(values.T).T, atol=1e-9)


@given(matrices)
def test_minmax_is_that_of_sklearn(values):
    scaled = some_trends(values, genes=[str(row) for row in range(len(values))]).scaled("minmax")
    np.testing.assert_allclose(scaled, MinMaxScaler().fit_transform(values.T).T, atol=1e-9)


@pytest.mark.parametrize("scale", ["zscore", "minmax"])
@pytest.mark.parametrize("level", [0.0, 0.1, 1e9, -5.0, 1e-200])
def test_a_constant_trend_becomes_zero(scale, level):
    rounded = level * (1 + 1e-14 * np.sin(np.arange(21)))  # constant but for rounding
    assert not some_trends([rounded]).scaled(scale).any()


@pytest.mark.parametrize("scale", ["zscore", "minmax"])
@given(unit=st.floats(1e-9, 1e9), level=st.floats(-1e3, 1e3))
def test_unit_and_level_of_expression_do_not_matter(scale, unit, level):
    trends = some_trends()
    moved = some_trends(unit * (trends.values + level))
    np.testing.assert_allclose(moved.scaled(scale), trends.scaled(scale), atol=1e-6)


def test_no_scaling_gives_a_copy():
    trends = some_trends()
    scaled = trends.scaled(None)
    np.testing.assert_array_equal(scaled, trends.values)
    assert not np.shares_memory(scaled, trends.values)


def test_a_transformer_sees_one_gene_a_column_and_is_not_fitted_itself():
    scaler = RobustScaler()
    trends = some_trends()
    np.testing.assert_array_equal(trends.scaled(scaler), RobustScaler().fit_transform(trends.values.T).T)
    assert not hasattr(scaler, "center_")


@pytest.mark.parametrize("scale", ["z", 1, True, ["zscore"], object()])
def test_wrong_scales(scale):
    with pytest.raises(ValueError, match="scale must be 'zscore', 'minmax', None or a scikit-learn transformer; got"):
        check_scale(scale)


# ---- when


def test_peak_is_the_first_maximum():
    trends = some_trends([[0, 2, 1, 2, 0], [0, 0, 0, 0, 9], [5, 5, 5, 5, 5]])
    assert trends.peak().tolist() == [0.25, 1.0, 0.0]


def test_onset_is_the_first_move_by_a_tenth_of_the_range():
    rise = np.r_[np.zeros(10), np.linspace(0, 1, 11)]
    trends = some_trends([rise, -rise, 1 + 0 * rise])
    np.testing.assert_allclose(trends.onset(), [0.55, 0.55, 0.0])


def test_times_of_several_lineages_are_of_the_one_in_which_a_gene_moves_most():
    rise, early = np.r_[np.zeros(10), np.linspace(0, 1, 11)], np.linspace(0, 1, 21)
    joined = concatenate([some_trends([rise]), some_trends([5 * early], lineage="B")], ["A", "B"])
    assert joined.onset()[0] == pytest.approx(0.1)
    joined = concatenate([some_trends([-5 * rise]), some_trends([early], lineage="B")], ["A", "B"])
    assert joined.onset()[0] == pytest.approx(0.55)
    assert joined.peak()[0] == 0.0


# ---- parts and wholes


@pytest.mark.parametrize("rows", [[2, 0], np.array([True, False, True]), slice(1, None)])
def test_a_subset_by_position_or_mask(rows):
    trends = some_trends(failed={"w": "no reason"})
    chosen = np.arange(3)[rows]
    part = trends.subset(chosen if isinstance(rows, slice) else rows)
    np.testing.assert_array_equal(part.values, trends.values[chosen])
    np.testing.assert_array_equal(part.se, trends.se[chosen])
    assert part.genes == [list("xyz")[row] for row in chosen]
    assert list(part.table.index) == part.genes
    assert part.failed == trends.failed


def test_trends_are_frozen():
    with pytest.raises(AttributeError):
        some_trends().genes = []


def test_lineages_side_by_side():
    first, second = some_trends(), some_trends(lineage="B", values=np.ones((3, 5)), genes=list("zyx"))
    joined = concatenate([first, second], ["A", "B"])
    assert joined.genes == ["x", "y", "z"]
    assert joined.values.shape == joined.se.shape == (3, 26)
    np.testing.assert_array_equal(joined.values[:, :21], first.values)
    np.testing.assert_array_equal(joined.grid, np.r_[first.grid, second.grid])
    assert joined.grid_lineage.tolist() == ["A"] * 21 + ["B"] * 5
    assert {"pvalue_A", "pvalue_B", "pvalue", "edf_A", "lambda_B"} <= set(joined.table)


def test_rows_are_matched_by_name_and_not_by_place():
    first, second = (
        some_trends(np.diag([1.0, 2.0, 3.0])),
        some_trends(np.diag([3.0, 2.0, 1.0])[::-1], genes=list("zyx")),
    )
    joined = concatenate([first, second], ["A", "B"])
    reference = pd.DataFrame(second.values, index=second.genes).loc[joined.genes].to_numpy()
    np.testing.assert_array_equal(joined.values[:, 3:], reference)


def test_a_gene_that_failed_in_one_lineage_failed():
    second = some_trends(np.ones((2, 5)), genes=["x", "z"], failed={"y": "NaN"})
    joined = concatenate([some_trends(), second], ["A", "B"])
    assert joined.genes == ["x", "z"]
    assert joined.failed == {"y": "B: NaN"}


def test_notes_and_convergence_of_several_lineages():
    first, second = some_trends(), some_trends()
    first.table.loc["x", "note"], second.table.loc["x", "note"] = "rare", "constant"
    second.table.loc["y", "converged"] = False
    table = concatenate([first, second], ["A", "B"]).table
    assert table["note"].tolist() == ["A: rare; B: constant", "", ""]
    assert table["converged"].tolist() == [True, False, True]


def test_without_errors_in_one_lineage_there_are_none():
    first = some_trends()
    without = Trends(first.values, first.grid, first.genes, None, first.grid_lineage, {}, first.table)
    assert concatenate([first, without], ["A", "B"]).se is None


# ---- p-values


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_q_values_are_those_of_scipy(pvalues):
    pvalues = np.array(pvalues)
    with_gaps = np.insert(pvalues, 0, np.nan)
    adjusted = adjust(with_gaps)
    np.testing.assert_allclose(adjusted[1:], stats.false_discovery_control(pvalues))
    assert np.isnan(adjusted[0])


def test_no_p_value_is_no_problem():
    assert np.isnan(adjust(np.full(2, np.nan))).all()
    assert adjust(np.zeros(0)).shape == (0,)


NAMES = st.lists(st.sampled_from(["Ery", "Mono", "Neu", "Baso", "A, B"]), min_size=1, max_size=5, unique=True)


@given(NAMES, st.data())
def test_the_arrangement_is_that_of_the_names(names, data):
    sizes = {name: len(name) for name in names}
    columns = {name: np.arange(sizes[name]) + 100.0 * number for number, name in enumerate(sorted(names))}
    for order in (names, data.draw(st.permutations(names))):
        values = np.concatenate([columns[name] for name in order])[None]
        along = np.repeat(order, [sizes[name] for name in order])
        assert names_along(along) == order
        assert list(columns_of_each(along)) == sorted(names)
        assert (np.diff(arranged_by_name(values, along)) > 0).all()
        back = np.empty_like(values)
        back[:, columns_by_name(along)] = arranged_by_name(values, along)
        np.testing.assert_array_equal(back, values)


def test_one_lineage_is_left_as_it_is():
    values = np.ones((2, 3))
    assert arranged_by_name(values, None) is values
    assert arranged_by_name(values, ["A"] * 3) is values
    assert columns_of_each(None) == {None: slice(None)}


def test_lineages_have_seeds_of_their_own():
    assert len({seed_of(seed, name) for seed in (0, 1) for name in ("Ery", "Mono", "Neu")}) == 6
