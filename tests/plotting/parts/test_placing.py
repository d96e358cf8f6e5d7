"""Labels beside points overlap neither each other nor what is drawn."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.plotting.parts.placing import place

BOUNDS = (0, 0, 400, 300)


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
