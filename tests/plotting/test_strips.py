import numpy as np
import pandas as pd
import pytest

from lineage_clust.plotting import make_strip
from lineage_clust.plotting.strips import legend_entries

T = np.linspace(0, 1, 200)
GRID = np.linspace(0, 1, 20)


def test_the_same_limits_give_the_same_colours():
    low, high = (make_strip("x", pd.Series(values), T, np.ones(200), GRID, limits=(0, 2)) for values in (T, T + 1))
    assert low.limits == high.limits == (0, 2)
    np.testing.assert_allclose(low.colors[-1], high.colors[0], atol=0.03)
    own = make_strip("x", pd.Series(T + 1), T, np.ones(200), GRID)
    assert own.limits == pytest.approx((1, 2), abs=0.03)


def test_a_legend_of_very_many_categories_is_cut():
    values = pd.Series([f"type {int(40 * time):02d}" for time in T])
    handles, labels, title = legend_entries(make_strip("x" * 40, values, T, np.ones(200), np.linspace(0, 1, 400)))
    assert len(handles) == len(labels) == 25
    assert labels[-1].startswith("and ")
    assert len(title) == 22
