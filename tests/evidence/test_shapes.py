"""Shapes of trends: named by eye, invariant where they must be, and known with a stated uncertainty."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lineage_clust.evidence import shapes as module
from lineage_clust.evidence.shapes import DIRECTIONS, direction, moved_times, peak_time, shapes, uncertainty

T = np.linspace(0, 1, 101)
BUMP = np.exp(-0.5 * ((T - 0.5) / 0.12) ** 2)
RISE = 1 / (1 + np.exp(-(T - 0.6) / 0.05))
CURVES = {
    "up": [T, RISE, T + 0.05 * np.sin(20 * T)],
    "down": [1 - T, 1 - RISE, -(T**3)],
    "transient up": [BUMP, T * (1 - T), np.maximum(BUMP, 0.3 * RISE)],
    "transient down": [-BUMP, 1 - 0.8 * BUMP],
    "complex": [np.sin(9 * T), np.cos(12 * T)],
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
    turned = {"up": "down", "down": "up", "transient up": "transient down", "transient down": "transient up"}
    curves = np.array(CURVES[name])
    assert {DIRECTIONS[code] for code in direction(-curves)} == {turned.get(name, name)}


def test_times_of_a_rise():
    values = np.array([RISE, 1 - RISE])
    np.testing.assert_allclose(moved_times(values, T, [0.5])[0], 0.6, atol=0.011)
    exact = 0.6 + 0.05 * np.log(0.1 / 0.9)
    np.testing.assert_allclose(moved_times(values, T, [0.1])[0], exact, atol=0.011)
    assert peak_time(values, T).tolist() == [1.0, 0.0]


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


def test_intervals_widen_with_noise_and_hold_the_truth():
    rng = np.random.default_rng(0)
    values = np.array([BUMP, BUMP])
    basis = np.array([np.sin(np.pi * k * T) for k in range(1, 5)])
    draws = [values + np.array([[0.01], [0.15]]) * (rng.normal(size=(2, 4)) @ basis) for _ in range(60)]
    table = uncertainty(values, draws, T)
    width = table["peak_upper"] - table["peak_lower"]
    assert width[1] > 2 * width[0]
    assert (table["peak_lower"] <= 0.5).all()
    assert (table["peak_upper"] >= 0.5).all()
    assert table["direction_confidence"][0] == 1.0 > table["direction_confidence"][1] > 0
    assert (table["amplitude_lower"] <= table["amplitude_upper"]).all()


@given(
    hnp.arrays(
        float,
        st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(2, 30)),
        elements=st.one_of(st.floats(-5, 5), st.integers(-3, 3).map(float)),
    ),
    st.booleans(),
)
def test_the_compiled_loop_finds_the_same_shapes(values, as_python):
    pytest.importorskip("numba", reason="numba (the extra fast) is not installed")
    grid = np.linspace(0, 1, values.shape[-1])
    functions = module.compiled()
    with pytest.MonkeyPatch.context() as patch:
        if as_python:
            patch.setattr(functions, "find_shapes", functions.find_shapes.py_func)
        compiled = module._look_compiled(values, grid)
    for name, expected in module._look(values, grid).items():
        np.testing.assert_array_equal(compiled[name], expected, err_msg=name)


def test_uncertainty_is_the_same_with_and_without_numba(monkeypatch):
    pytest.importorskip("numba", reason="numba (the extra fast) is not installed")
    rng = np.random.default_rng(0)
    values = np.cumsum(rng.normal(size=(7, 40)), axis=1)
    draws = [values + rng.normal(0, 0.5, values.shape) for _ in range(20)]
    plain = uncertainty(values, draws, np.linspace(0, 1, 40))
    monkeypatch.setattr(module, "_WORTHWHILE", 0)
    pd.testing.assert_frame_equal(uncertainty(values, draws, np.linspace(0, 1, 40)), plain)
    monkeypatch.setattr(module, "compiled", lambda: None)
    pd.testing.assert_frame_equal(uncertainty(values, draws, np.linspace(0, 1, 40)), plain)
