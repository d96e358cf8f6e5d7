import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.clusterers.canonical import canonical_order, first_of, identical_groups, rounded, rounding_step


@given(st.integers(0, 10_000), st.floats(1e-6, 1e6))
def test_step_is_a_millionth_of_the_spread_and_a_power_of_two(seed, scale):
    X = np.random.default_rng(seed).normal(size=(20, 5)) * scale
    step = rounding_step(X)
    spread = np.ptp(X, axis=0).mean()
    assert 0.7 * 2**-20 < step / spread < 1.5 * 2**-20
    assert np.frexp(step)[0] == 0.5


@pytest.mark.parametrize("low, high", [(0, 1), (-1, 1), (-3, 3), (0, 100)])
def test_step_of_scaled_data_does_not_jump_under_noise(low, high):
    X = np.array([[low], [high]], dtype=float)
    noise = 1e-13 * np.array([[1.0], [-1.0]])
    assert rounding_step(X) == rounding_step(X + noise) == rounding_step(X - noise)


def test_step_of_constant_data_is_set_by_their_size():
    constant = np.full((5, 3), 7.0)
    step = rounding_step(constant)
    noise = np.random.default_rng(0).normal(size=(5, 3)) * 1e-14
    assert np.array_equal(rounded(constant + noise, step), rounded(constant, step))
    assert rounding_step(np.zeros((2, 2))) == 1.0


def test_rounding_moves_by_half_a_step_at_most_and_has_no_negative_zero():
    X = np.random.default_rng(1).normal(size=(50, 4))
    step = rounding_step(X)
    assert np.abs(rounded(X, step) - X).max() <= step / 2
    assert not np.signbit(rounded(np.array([-step / 4]), step)).any()
    assert np.array_equal(rounded(rounded(X, step), step), rounded(X, step))


def test_order_sorts_by_the_first_column_then_the_next():
    rows = np.array([[1.0, 2.0], [0.0, 5.0], [1.0, 1.0], [0.0, 5.0]])
    assert rows[canonical_order(rows)].tolist() == sorted(rows.tolist())


def test_groups_and_ranks_of_identical_rows():
    rows = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 2.0], [3.0, 2.0], [3.0, 2.0], [3.0, 2.0]])
    group, rank = identical_groups(rows)
    assert group.tolist() == [0, 0, 1, 2, 2, 2]
    assert rank.tolist() == [0, 1, 0, 0, 1, 2]


def test_ties_are_settled_by_a_draw():
    rows, draw = np.array([[1.0], [0.0], [1.0]]), np.array([[5.0], [9.0], [3.0]])
    assert canonical_order(rows, draw).tolist() == [1, 2, 0]
    assert canonical_order(rows[::-1], draw[::-1]).tolist() == [1, 0, 2]


def test_the_first_draw_is_not_lost():
    first, draws = first_of([1, 2, 3])
    assert (first, list(draws), list(draws)) == (1, [1, 2, 3], [1, 2, 3])
    first, draws = first_of(iter([1, 2, 3]))
    assert (first, iter(draws) is draws, list(draws)) == (1, True, [1, 2, 3])
    assert first_of([])[0] is None
