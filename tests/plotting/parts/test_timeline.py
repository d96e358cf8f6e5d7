"""Time axis with one or several lineages."""

import numpy as np
import pytest

from lineage_clust.plotting.parts.timeline import evenly, segments


def test_one_lineage_is_on_its_own_time():
    (part,) = segments(np.linspace(0.2, 0.8, 13))
    assert part.name == ""
    assert part.shift == 0
    assert part.ends == pytest.approx((0.175, 0.825))


def test_lineages_have_a_gap_and_the_same_scale():
    grid = np.r_[np.linspace(0, 1, 11), np.linspace(0.5, 1, 6)]
    first, second = segments(grid, np.array(["a"] * 11 + ["b"] * 6))
    assert (first.name, second.name) == ("a", "b")
    assert second.ends[0] - first.ends[1] == pytest.approx(0.03 * 1.5)
    assert np.ptp(second.ends) == pytest.approx(0.6)  # half a step beyond each end
    np.testing.assert_array_equal(grid[second.columns], second.grid)


def test_an_image_is_even_in_time():
    even = np.linspace(0, 1, 5)
    values = np.arange(10.0).reshape(2, 5)
    assert evenly(values, even) is values
    np.testing.assert_allclose(evenly(even[None] ** 2, even**2), [even], atol=0.1)
