"""Shapes of trends: names of clear shapes, and invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.trends.shapes import DIRECTIONS, direction, half_max_flank, moved_times, peak_time, shapes

T = np.linspace(0, 1, 101)
BUMP = np.exp(-0.5 * ((T - 0.5) / 0.12) ** 2)
RISE = 1 / (1 + np.exp(-(T - 0.6) / 0.05))
CURVES = {
    "up": [T, RISE, T + 0.05 * np.sin(20 * T)],
    "down": [1 - T, 1 - RISE, -(T**3)],
    "transient up": [BUMP, T * (1 - T), np.maximum(BUMP, 0.3 * RISE)],
    "transient down": [-BUMP, 1 - 0.8 * BUMP],
    "up-down-up": [np.sin(8 * T), np.maximum(BUMP, 0.9 * RISE**8)],
    "down-up-down": [-np.sin(8 * T), np.cos(9 * T)],
    "two peaks": [np.sin(2 * np.pi * T) ** 2, np.sin(11 * T)],
    "two dips": [np.cos(4 * np.pi * T), np.cos(12 * T)],
    "three peaks": [np.sin(3 * np.pi * T) ** 2, np.sin(17 * T)],
    "three dips": [np.cos(6 * np.pi * T), -np.sin(17 * T)],
    "complex": [np.sin(14 * T), np.cos(20 * T), np.sin(26 * T)],
    "flat": [np.full_like(T, 3.0), np.zeros_like(T), 1e8 + 1e-9 * T],
}


@pytest.mark.parametrize(("name", "curve"), [(name, curve) for name, every in CURVES.items() for curve in every])
def test_directions_are_those_one_sees(name, curve):
    assert DIRECTIONS[direction(curve[None])[0]] == name


@given(st.floats(0.01, 100), st.floats(-50, 50), st.sampled_from(sorted(CURVES)))
def test_scale_and_level_do_not_matter(scale, level, name):
    curves = np.array(CURVES[name][:2])
    np.testing.assert_array_equal(direction(scale * curves + (level if name != "flat" else 0)), direction(curves))


@given(st.sampled_from([name for name in CURVES if name != "flat"]))
def test_upside_down_is_the_other_way(name):
    pairs = [
        ("up", "down"),
        ("transient up", "transient down"),
        ("up-down-up", "down-up-down"),
        ("two peaks", "two dips"),
        ("three peaks", "three dips"),
    ]
    turned = dict([*pairs, *(pair[::-1] for pair in pairs), ("complex", "complex")])
    assert {DIRECTIONS[code] for code in direction(-np.array(CURVES[name]))} == {turned[name]}


def test_times_of_a_rise():
    values = np.array([RISE, 1 - RISE])
    np.testing.assert_allclose(moved_times(values, T, [0.5])[0], 0.6, atol=1e-3)
    exact = 0.6 + 0.05 * np.log(0.1 / 0.9)
    np.testing.assert_allclose(moved_times(values, T, [0.1])[0], exact, atol=1e-3)
    assert peak_time(values, T).tolist() == [1.0, 0.0]


@given(st.floats(0.01, 0.5), st.integers(2, 40), st.floats(-3, 3), st.sampled_from([-2.0, 0.7]))
def test_between_points_of_the_grid_a_trend_is_a_line(share, n_points, level, slope):
    grid = np.linspace(1, 3, n_points)
    moved = moved_times(level + slope * grid[None], grid, [share])[0]
    np.testing.assert_allclose(moved, 1 + 2 * share, rtol=1e-6)


def test_a_step_across_the_start_counts_from_the_start():
    values = np.array([[0.0, -0.5, 2.0, 7.0], [0.0, 0.5, -2.0, -7.0]])
    np.testing.assert_allclose(moved_times(values, np.arange(4.0), [0.1])[0], 1 + 1.25 / 2.5)


def test_rounding_does_not_move_the_peak_of_a_flat_trend():
    values = 3.0 + 1e-14 * np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    assert peak_time(values, np.arange(3.0)).tolist() == [0.0, 0.0]
    assert peak_time(np.full((1, 3), 0.1), np.arange(3.0)).tolist() == [0.0]


def test_flat_trends_have_moved_from_the_first():
    assert moved_times(np.full((2, 5), 3.0), np.arange(5.0), [0.1, 0.5])[1].tolist() == [0.0, 0.0]


def test_a_trend_that_starts_in_the_middle_has_a_half_time():
    values = np.concatenate([np.linspace(0, -0.45, 50), np.linspace(-0.45, 0.55, 51)])[None]
    assert moved_times(values, T, [0.5])[0][0] > 0.9
    even = np.concatenate([np.linspace(0, -0.5, 50), np.linspace(-0.5, 0.49, 51)])[None]
    assert np.isfinite(moved_times(even, T, [0.5])[0]).all()


def test_table_of_shapes():
    table = shapes(np.array([2 * RISE, 5 * BUMP]), T)
    assert table["direction"].tolist() == ["up", "transient up"]
    np.testing.assert_allclose(table["amplitude"], [2, 5], rtol=0.01)
    assert table["peak"].tolist() == [1.0, 0.5]


def test_half_max_says_of_which_flank_and_there_is_the_other():
    """Of a bump, both are a half-width from the top; of one that starts high, only the way down goes so far."""
    width = 0.12 * np.sqrt(2 * np.log(2))
    falls = np.interp(T, [0, 0.3, 1], [0.7, 1, 0])
    table = shapes(np.array([BUMP, 1 - BUMP, falls, RISE, 1 - RISE, np.ones_like(T)]), T)
    np.testing.assert_allclose(table["half_max"][:2], 0.5 - width, atol=2e-3)
    np.testing.assert_allclose(table["half_back"][:2], 0.5 + width, atol=2e-3)
    assert table["half_max_flank"].tolist() == ["rising", "falling", "falling", "rising", "falling", ""]
    assert table["half_max"][2] > 0.8
    np.testing.assert_allclose(table["half_back"][2], 0.65)
    assert table["half_back"][3:].isna().all()


@given(st.integers(0, 500))
def test_the_flank_is_the_side_of_the_start_on_which_the_half_is_reached(seed):
    values = np.cumsum(np.random.default_rng(seed).normal(size=(5, 101)), axis=1)
    half = moved_times(values, T, [0.5])[0]
    there = [np.interp(time, T, row) - row[0] for time, row in zip(half, values, strict=True)]
    np.testing.assert_array_equal(half_max_flank(values), np.sign(there))


@given(st.integers(0, 500))
def test_compiled_directions_are_the_same(seed):
    compiled = pytest.importorskip("numba") and pytest.importorskip("lineage_clust.trends.shape_loops")
    rng = np.random.default_rng(seed)
    values = np.sin(rng.uniform(0, 40, (6, 1)) * T + rng.uniform(0, 6, (6, 1))) * np.exp(rng.normal(size=(6, 1)) * T)
    assert [compiled.find_direction.py_func(row, 0.2, 1e-10)[0] for row in values] == direction(values).tolist()
