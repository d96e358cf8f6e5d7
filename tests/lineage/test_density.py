import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.lineage.lineage import Lineage


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=30), st.integers(2, 20))
def test_no_cell_is_lost_and_each_is_near_its_point(cells, n_points):
    times, weights = np.array(cells).T
    lineage = Lineage("A", times, weights, np.zeros((len(times), 0)), [], 0.0, 1.0, np.arange(len(times)))
    found, grid = lineage.cells_on_grid(n_points), lineage.grid(n_points)
    assert found.shape == (n_points,)
    assert found.sum() == pytest.approx(weights.sum())
    assert found @ grid == pytest.approx(weights @ times, abs=weights.sum() * (grid[1] - grid[0]) / 2 + 1e-9)
