"""The time range of a lineage: forms of the parameter, both rules for its end, and invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from lineage_clust.errors import LineageClustWarning
from lineage_clust.lineage.time.time_range import find_time_range, parse_time_range

seeds = st.integers(0, 10_000)
rules = pytest.mark.parametrize("endpoint", ["plateau", "argmax"])


def rising_cells(seed, n_cells=150):
    """Cells in random order, with ties, whose weight rises with noise to a plateau."""
    rng = np.random.default_rng(seed)
    times = np.round(rng.uniform(0, 1, n_cells), 2)
    weights = np.clip(2 * times - 0.3 + rng.normal(0, 0.1, n_cells), 0.01, 1)
    return times, weights


def smoothed_by_hand(times, weights, threshold, n_points):
    """Times and smoothed weights by the formula that CellRank uses, on the cells above the threshold."""
    order = np.lexsort((weights, times))
    order = order[weights[order] >= threshold]
    window = max(1, n_points // 20)
    return times[order], ndimage.convolve(weights[order], np.ones(window) / window, mode="nearest")


# ---- parsing


@pytest.mark.parametrize(
    ("given_range", "expected"),
    [
        (None, (None, None)),
        (0.8, (None, 0.8)),
        (1, (None, 1.0)),
        (np.float32(0.5), (None, 0.5)),
        ((None, None), (None, None)),
        ((0.1, None), (0.1, None)),
        ((None, 0.9), (None, 0.9)),
        ([0.1, 0.9], (0.1, 0.9)),
        (np.array([0.25, 0.75]), (0.25, 0.75)),
    ],
)
def test_forms_of_a_time_range(given_range, expected):
    assert parse_time_range(given_range) == expected


@pytest.mark.parametrize(
    ("given_range", "error", "message"),
    [
        ("0.8", TypeError, "must be None, a number .* got '0.8'"),
        (True, TypeError, "must be None, a number"),
        ((0.1, 0.5, 0.9), TypeError, "a pair"),
        ((0.1,), TypeError, "a pair"),
        ({0.1, 0.9}, TypeError, "a pair"),
        (("a", 0.9), TypeError, "must be numbers or None; got 'a'"),
        ((0.1, True), TypeError, "must be numbers or None"),
        (np.nan, ValueError, "must be finite"),
        ((0.0, np.inf), ValueError, "must be finite"),
        ((0.9, 0.1), ValueError, "start 0.9 and end 0.1. Swap"),
        ((0.5, 0.5), ValueError, "must start before it ends"),
    ],
)
def test_wrong_time_ranges(given_range, error, message):
    with pytest.raises(error, match=message):
        parse_time_range(given_range)


# ---- a range that is given


@rules
@given(seed=seeds, start=st.floats(-5, 0.4), end=st.floats(0.5, 5))
def test_a_given_range_is_never_clipped_to_the_cells(endpoint, seed, start, end):
    times, weights = rising_cells(seed)
    assert find_time_range(times, weights, time_range=(start, end), endpoint=endpoint) == (start, end)


def test_a_given_bound_leaves_the_other_automatic():
    times, weights = rising_cells(0)
    start, end = find_time_range(times, weights)
    assert find_time_range(times, weights, time_range=(0.2, None)) == (0.2, end)
    assert find_time_range(times, weights, time_range=0.6) == (start, 0.6)
    assert start == times.min()


# ---- the automatic end


@given(seed=seeds, n_points=st.integers(2, 600))
def test_argmax_is_the_rule_of_cellrank(seed, n_points):
    times, weights = rising_cells(seed)
    end = find_time_range(times, weights, endpoint="argmax", n_points=n_points)[1]
    by_hand, smoothed = smoothed_by_hand(times, weights, np.median(weights), n_points)
    assert end in by_hand[np.isclose(smoothed, smoothed.max(), rtol=1e-12)]


def test_the_two_rules_on_a_lineage_that_fades_at_its_end():
    times = np.linspace(0, 1, 501)
    weights = np.interp(times, [0, 0.5, 0.8, 0.9, 1], [0.1, 1, 1, 0, 0])
    assert find_time_range(times, weights, endpoint="argmax")[1] == pytest.approx(0.51, abs=0.015)
    assert find_time_range(times, weights, endpoint="plateau")[1] == pytest.approx(0.85, abs=0.005)


@pytest.mark.parametrize("n_cells", [50, 200, 2000])
@pytest.mark.parametrize("seed", range(3))
def test_the_end_does_not_depend_on_the_number_of_points(n_cells, seed):
    times, weights = rising_cells(seed, n_cells)
    assert len({find_time_range(times, weights, n_points=n_points)[1] for n_points in (2, 20, 50, 200, 5000)}) == 1


@rules
@given(seed=seeds)
def test_the_order_of_the_cells_does_not_matter(endpoint, seed):
    times, weights = rising_cells(seed)
    shuffled = np.random.default_rng(seed + 1).permutation(len(times))
    assert find_time_range(times[shuffled], weights[shuffled], endpoint=endpoint) == find_time_range(
        times, weights, endpoint=endpoint
    )


@rules
@given(seed=seeds, unit=st.sampled_from([0.01, 1.0, 10.0, 1e6]), shift=st.sampled_from([-20.0, 0.0, 5.0]))
def test_the_unit_of_pseudotime_does_not_matter(endpoint, seed, unit, shift):
    times, weights = rising_cells(seed)
    plain = np.array(find_time_range(times, weights, endpoint=endpoint))
    np.testing.assert_allclose(find_time_range(unit * times + shift, weights, endpoint=endpoint), unit * plain + shift)


@rules
@given(seed=seeds, factor=st.floats(0.01, 0.99))
def test_only_the_ratios_of_the_weights_matter(endpoint, seed, factor):
    times, weights = rising_cells(seed)
    plain, scaled = (find_time_range(times, weights * scale, endpoint=endpoint)[1] for scale in (1, factor))
    if endpoint == "plateau":
        assert scaled == plain
    else:
        by_hand, smoothed = smoothed_by_hand(times, weights, np.median(weights), 200)
        assert scaled in by_hand[np.isclose(smoothed, smoothed.max(), rtol=1e-12)]  # equal maxima, apart by rounding


# ---- traps


@rules
@pytest.mark.parametrize("weight", [1.0, 0.3, 1e-3])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 10.0), (5.0, 6.0), (-3.0, -1.0)])
def test_equal_weights_mean_the_whole_range(endpoint, weight, low, high):
    times = np.linspace(low, high, 70)
    weights = np.full(70, weight)
    assert find_time_range(times, weights, endpoint=endpoint) == (low, high)
    middle = (low + high) / 2
    assert find_time_range(times, weights, endpoint=endpoint, time_range=middle) == (low, middle)
    assert find_time_range(times, weights, endpoint=endpoint, time_range=(middle, None)) == (middle, high)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
@pytest.mark.parametrize("outside", [0.0, 0.01])
@rules
def test_weights_of_0_and_1_end_with_the_last_cell_of_the_lineage(endpoint, outside, share):
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(size=3000))
    belongs = (rng.uniform(size=3000) < share) & (times < 0.8)
    end = find_time_range(times, np.where(belongs, 1.0, outside), endpoint=endpoint)[1]
    assert end == times[belongs].max()


def test_weights_that_fall_with_time_do_not_collapse_the_range():
    times = np.linspace(0, 1, 200)
    weights = 1 - 0.9 * times
    with pytest.warns(
        LineageClustWarning, match=r"'argmax', lineage 'early' would end at .* 0,.* starts at 0.*Set time_range"
    ):
        start, end = find_time_range(times, weights, endpoint="argmax", lineage="early")
    assert start == 0
    assert end == times[weights >= np.median(weights)].max()


@rules
@pytest.mark.parametrize("n_points", [2, 3, 19, 20, 21, 5000])
def test_any_number_of_points_works(endpoint, n_points):
    times, weights = rising_cells(3)
    start, end = find_time_range(times, weights, endpoint=endpoint, n_points=n_points)
    assert start == times.min()
    assert 0.5 < end <= times.max()


@rules
def test_few_cells_and_ties(endpoint):
    times, weights = np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.1, 0.8, 0.9, 1.0])
    assert find_time_range(times, weights, endpoint=endpoint, n_points=2) == (0.0, 1.0)


def test_a_start_after_the_rule_s_end_is_obeyed():
    times = np.linspace(0, 1, 201)
    weights = np.where(times <= 0.5, 1.0, 0.4 - 0.2 * times)
    with pytest.warns(
        LineageClustWarning, match=r"at least 0.5 is at pseudotime 0.5, but the lineage starts at 0.6.*Set time_range"
    ):
        assert find_time_range(times, weights, time_range=(0.6, None)) == (0.6, 1.0)


def test_only_cells_above_the_threshold_decide():
    times = np.linspace(0, 1, 301)
    weights = np.where(times <= 0.7, 1.0, 0.9)
    assert find_time_range(times, weights, threshold=0.9)[1] == 1.0
    with pytest.warns(LineageClustWarning, match="28% of its weight lies later"):
        assert find_time_range(times, weights, threshold=0.95)[1] == pytest.approx(0.7, abs=0.005)
    weights = 0.2 + 0.8 * times
    assert find_time_range(times, weights, threshold=1.0)[1] == 1.0
    assert find_time_range(times, weights, threshold=0.0, endpoint="argmax")[1] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"endpoint": "last"}, "endpoint must be 'plateau' or 'argmax'; got 'last'"),
        (
            {"threshold": 2.0},
            r"No cell of lineage 'A' has a weight of at least endpoint_threshold=2 \(the largest is 1\)",
        ),
        ({"time_range": -1.0}, r"'A' is empty: it starts at 0 and ends at -1.*span \[0, 1\]"),
        ({"time_range": (2.0, None)}, "starts at 2 and ends at 1"),
    ],
)
def test_errors_say_what_was_found(arguments, message):
    times = np.linspace(0, 1, 50)
    with pytest.raises(ValueError, match=message):
        find_time_range(times, np.minimum(1, 0.1 + times), lineage="A", **arguments)


def test_a_branch_starts_at_its_first_cell():
    t = np.linspace(0, 1, 101)
    weights = np.where(t >= 0.6, 1.0, 0.0)
    assert find_time_range(t, weights) == (0.6, 1.0)
    assert find_time_range(t, np.where(t >= 0.6, 1.0, 0.02)) == (0.0, 1.0)
    assert find_time_range(t, t) == (0.0, 1.0)
    assert find_time_range(t, weights, endpoint="argmax")[0] == 0.0
    assert find_time_range(t, weights, time_range=(0.0, None)) == (0.0, 1.0)
