"""Lanes are the same compiled as in Python."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lineage_clust.utils import lanes
from lineage_clust.utils.lanes import choose, holds_anywhere, line_up, load, magnitude, root, spread, store

numba = pytest.importorskip("numba", reason="numba (the extra fast) is not installed")


def everything(rows, found, number):
    """Use every function and operator once; rows of `found` are left as they come."""
    one, other = load(rows, 0), load(rows, 1)
    results = (
        one + other, one - other, one * other, one / other, root(magnitude(one)), magnitude(other), spread(number),
        choose(one < other, one, other), choose(one <= other, one, other), choose(one > other, one, other),
        choose(one >= other, one, other), choose(one == other, one, other), choose(one != other, one, other),
        choose((one < other) & (one < spread(number)), one, other),
    )  # fmt: skip
    for row in range(14):
        store(found, row, results[row])
    return holds_anywhere(one < other)


compiled = numba.njit(error_model="numpy")(everything)
numbers = st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0])


@settings(max_examples=100)
@given(rows=arrays(float, (2, 8), elements=numbers), number=st.floats(-10, 10))
def test_compiled_they_do_what_they_do_in_python(rows, number):
    found, expected = np.full((15, 8), 7.0), np.full((15, 8), 7.0)
    with np.errstate(all="ignore"):
        assert compiled(rows, found, number) == everything(rows, expected, number)
    np.testing.assert_array_equal(found, expected)
    assert (found[14] == 7.0).all()  # what was not stored there


@pytest.mark.parametrize("n", [0, 1, 5])
def test_rows_are_lined_up_with_the_cache(n):
    for rows in (line_up(n), numba.njit(line_up)(n)):
        assert rows.shape == (n, lanes.N_LANES)
        assert not rows.any()
        assert n == 0 or rows.ctypes.data % 64 == 0


def test_a_row_that_was_loaded_is_not_the_array():
    rows = np.ones((1, 8))
    row = load(rows, 0)
    rows[0] = 2.0
    assert (row == 1.0).all()
