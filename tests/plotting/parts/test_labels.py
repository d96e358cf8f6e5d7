"""Labels without overlap, also beside points, truncated texts, and positions beside an axes."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.plotting.parts.labels import extents, fit_text, inches_beside, place, shortened, spaced, thinned

BOUNDS = (0, 0, 400, 300)
positions = st.lists(st.floats(0, 10), min_size=1, max_size=30).map(lambda values: np.sort(np.array(values)))


@given(positions, st.floats(0.01, 0.3))
def test_labels_are_spread_in_their_order(wanted, gap):
    found = spaced(wanted, gap, 0.0, 10.0)
    assert np.all(np.diff(found) >= gap - 1e-9)
    assert found[0] >= -1e-9
    assert found[-1] <= 10 + 1e-9


def test_labels_with_room_stay_where_they_are():
    wanted = np.array([1.0, 2.0, 9.0])
    np.testing.assert_allclose(spaced(wanted, 0.5, 0, 10), wanted)
    np.testing.assert_allclose(spaced(np.array([0.0, 0.0]), 1.0, 0, 10), [0, 1])
    assert len(spaced(np.zeros(0), 1.0, 0, 1)) == 0


@given(positions, st.floats(0.05, 2), st.integers(0, 5))
def test_labels_are_thinned_to_the_most_important_that_fit(places, gap, at_most):
    importance = np.random.default_rng(0).permutation(len(places))
    kept = thinned(places, importance, gap)
    assert np.argmax(importance) in kept
    assert np.all(np.diff(places[kept]) >= gap)
    for other in set(range(len(places))) - set(kept):  # each that was left out is close to one that counts more
        assert any(abs(places[other] - places[row]) < gap and importance[row] > importance[other] for row in kept)
    assert len(thinned(places, importance, gap, at_most)) == min(at_most, len(kept))


def test_texts_are_cut():
    assert shortened("Klf1") == "Klf1"
    assert len(shortened("x" * 100, 10)) == 10
    assert shortened("ENSMUSG00000020661", 12) != shortened("ENSMUSG00000020662", 12)
    assert "late rise in Ery".startswith(shortened("late rise in Ery", 12)[:-1])
    _, ax = plt.subplots()
    text = ax.text(0, 0, "a very long name that goes on and on")
    fit_text(text, 80)
    assert text.get_window_extent().width <= 80
    assert text.get_text().startswith("a v")
    assert text.get_text().endswith("…")


def test_extents_leave_nothing_behind():
    _, ax = plt.subplots()
    narrow, wide = extents(ax, ["i", "WWWW"], fontsize=8)
    assert wide[0] > 3 * narrow[0]
    assert not ax.texts


@pytest.mark.parametrize("size", [(4, 3), (8, 6)])
def test_distances_beside_an_axes_are_in_inches(size):
    _, ax = plt.subplots(figsize=size, dpi=50)
    box = ax.get_window_extent()
    np.testing.assert_allclose(inches_beside(ax, "left").transform((-0.5, 1)), (box.x0 - 25, box.y1))
    np.testing.assert_allclose(inches_beside(ax, "right").transform((0.5, 0)), (box.x1 + 25, box.y0))
    np.testing.assert_allclose(inches_beside(ax, "top").transform((1, 0.1)), (box.x1, box.y1 + 5))
    np.testing.assert_allclose(inches_beside(ax, "bottom left").transform((1, -1)), (box.x0 + 50, box.y0 - 50))


def apart(one, other, sizes):
    i, j = one[0], other[0]
    return np.any(np.abs(one[1] - other[1]) >= (sizes[i] + sizes[j]) / 2)


@given(st.integers(1, 40), st.integers(0, 5), st.booleans())
def test_names_never_overlap_and_stay_inside(n_names, seed, every):
    rng = np.random.default_rng(seed)
    anchors = rng.uniform((60, 60), (340, 240), (n_names, 2))
    sizes = np.column_stack([rng.uniform(20, 60, n_names), np.full(n_names, 10.0)])
    found = place(anchors, sizes, anchors, BOUNDS, distances=np.array([4.0, 10.0]), all_of_them=every)
    placed = [(row, middle) for row, middle in enumerate(found) if np.isfinite(middle).all()]
    assert len(placed) == n_names or not every
    assert np.isfinite(found[0]).all()
    assert all(apart(one, other, sizes) for one, other in combinations(placed, 2))
    for row, middle in placed:
        assert np.all(middle - sizes[row] / 2 >= BOUNDS[:2])
        assert np.all(middle + sizes[row] / 2 <= BOUNDS[2:])


def test_what_is_taken_stays_free():
    taken = np.array([[0, 0, 400, 200]])
    anchor, size = np.array([[200.0, 190.0]]), np.array([[30.0, 10.0]])
    assert np.isnan(place(anchor, size, anchor, BOUNDS, distances=np.array([2.0]), taken=taken)).all()
    moved = place(anchor, size, anchor, BOUNDS, distances=np.array([2.0]), taken=taken, all_of_them=True)
    assert moved[0, 1] >= 205


def test_a_name_takes_the_side_without_points():
    points = np.random.default_rng(0).uniform((200, 100), (300, 200), (300, 2))
    (found,) = place(np.array([[200.0, 150.0]]), np.array([[40.0, 10.0]]), points, BOUNDS, distances=np.array([3.0]))
    assert found[0] < 200


def test_a_number_lies_on_its_cluster_if_it_can():
    middle = np.array([[200.0, 150.0]])
    found = place(middle, np.array([[10.0, 10.0]]), middle[:0], BOUNDS, distances=np.array([3.0]), centred=True)
    np.testing.assert_array_equal(found, middle)
