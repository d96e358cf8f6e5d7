"""Figure of the trend of one gene, with cells and interval."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_hex
from sklearn.svm import SVR

from lineage_clust import GeneTrend
from lineage_clust.plotting import plot_gene_trend


def some_trend(model=None, lineage="Ery"):
    rng = np.random.default_rng(0)
    x, w = rng.uniform(0, 1, 80), rng.uniform(0.05, 0.5, 80)
    trend = GeneTrend("Klf1", lineage, x, np.sin(4 * x) + rng.normal(0, 0.1, 80), w, model=model)
    return trend.prepare(time_range=(0.1, 0.8), n_points=40).fit()


def of_type(ax, kind):
    return [artist for artist in ax.collections if isinstance(artist, kind)]


def test_cells_trend_and_interval_are_drawn():
    trend = some_trend()
    ax = plot_gene_trend(trend)
    assert isinstance(ax, Axes)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), trend.x_test)
    np.testing.assert_array_equal(line.get_ydata(), trend.y_test)
    (cells,) = of_type(ax, PathCollection)
    np.testing.assert_allclose(cells.get_offsets(), np.column_stack([trend.x, trend.y]))
    (band,) = [artist for artist in of_type(ax, PolyCollection) if not isinstance(artist, PathCollection)]
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(trend.conf_int.min())
    assert corners[:, 1].max() == pytest.approx(trend.conf_int.max())
    ax.figure.canvas.draw()


def test_cells_are_darker_the_more_they_belong_to_the_lineage():
    trend = some_trend()
    alpha = of_type(plot_gene_trend(trend), PathCollection)[0].get_facecolors()[:, 3]
    assert np.all(np.diff(alpha[np.argsort(trend.w)]) >= 0)
    assert 0 < alpha.min() < alpha.max() <= 1


def test_axes_say_what_they_show():
    ax = plot_gene_trend(some_trend())
    assert ax.get_title(loc="left") == "Klf1"
    assert ax.get_title(loc="right") == "Ery"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("pseudotime", "expression")
    assert ax.get_xlim() == pytest.approx((0.1, 0.8))
    assert plot_gene_trend(some_trend(lineage="")).get_title(loc="right") == ""
    assert plot_gene_trend(some_trend(lineage=None)).get_title(loc="right") == ""


def test_without_cells_or_interval():
    trend = some_trend()
    trend.x = trend.y = trend.w = None
    assert not of_type(plot_gene_trend(trend), PathCollection)
    assert not [
        artist for artist in plot_gene_trend(some_trend(SVR())).collections if not isinstance(artist, PathCollection)
    ]


def test_it_draws_where_it_is_told_to():
    _, (left, right) = plt.subplots(1, 2)
    assert plot_gene_trend(some_trend(), ax=right, color="#cc3311") is right
    assert not left.lines
    assert to_hex(right.lines[0].get_color()) == "#cc3311"
    assert len(plt.get_fignums()) == 1


def test_it_shows_nothing_by_itself(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("shown"))
    some_trend().plot()
