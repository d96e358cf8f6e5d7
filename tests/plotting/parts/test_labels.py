"""Labels without overlap, truncated texts, and positions beside an axes."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.plotting.parts.labels import extents, fit_text, inches_beside, shortened, spaced, thinned

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
