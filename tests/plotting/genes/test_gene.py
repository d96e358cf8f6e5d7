"""Figure of one gene: cells, their colours, the strip of cells without expression, trend and interval."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_hex
from sklearn.svm import SVR

import lineage_clust as lc
from lineage_clust import GeneTrend
from lineage_clust.plotting import plot_gene_trend
from lineage_clust.plotting.genes.gene import cell_colors, with_zeros_apart

from ...fits import QUICK


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


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=60))
def test_only_zeros_move_and_only_below_zero(values):
    y = np.array(values)
    places, height = with_zeros_apart(y)
    np.testing.assert_array_equal(places[y > 0], y[y > 0])
    assert (places >= -height).all()
    if height:
        assert (places[y == 0] < 0).all()


def test_values_that_may_be_negative_have_no_strip():
    y = np.array([-1.0, 0.0, 0.0, 2.0])
    assert with_zeros_apart(y)[1] == 0
    np.testing.assert_array_equal(with_zeros_apart(y)[0], y)


def test_categories_and_numbers_have_colours():
    found = cell_colors("type", pd.Series(["a", "b", None, "a"]), ["red", "blue"])
    np.testing.assert_allclose(found.colors[[0, 1, 3]], [[1, 0, 0], [0, 0, 1], [1, 0, 0]])
    assert list(found.categories) == ["a", "b"]
    numbers = cell_colors("score", pd.Series([0.0, 1.0, np.nan]))
    assert numbers.limits[0] < numbers.limits[1]
    assert not np.allclose(numbers.colors[0], numbers.colors[1])


def trend_with_cells(offset=0.0):
    generator = np.random.default_rng(5)
    t = generator.uniform(0, 1, 80)
    y = np.maximum(generator.normal(0.1, 0.3, 80), 0) + offset
    return GeneTrend("g", "A", np.append(t, np.nan), np.append(y, 1.0)).prepare().fit()


def test_the_band_of_expression_ends_at_zero():
    trend = trend_with_cells()
    trend.conf_int = trend.conf_int - 1.0  # an interval that leaves the range of expression
    _, ax = plt.subplots()
    trend.plot(ax)
    [band] = [one for one in ax.collections if not isinstance(one, PathCollection)]
    assert band.get_paths()[0].vertices[:, 1].min() >= 0


@pytest.fixture(scope="module")
def fitted(make_adata):
    adata = make_adata(n_cells=120, n_genes=12, kind="dense")
    adata.obs["batch"] = pd.Categorical(np.where(np.arange(120) % 3, "one", "two"))
    return lc.TrendClusterer(lineage="A", alpha=None, n_points=30, clusterer=QUICK).fit(adata), adata


def test_each_cell_has_the_colour_of_its_category(fitted):
    tc, adata = fitted
    figure = tc.plot_genes(tc.genes_[:1], adata, color="batch")
    [cells] = [one for one in figure.axes[0].collections if isinstance(one, PathCollection)]
    trend = tc.gene_trends(adata)[tc.genes_[0]]["A"]
    batch = dict(zip(trend.x.tolist(), adata.obs["batch"].to_numpy()[trend.cells], strict=True))
    colors = cell_colors("batch", adata.obs["batch"]).categories
    from matplotlib.colors import to_rgb

    for (x, _), color in zip(cells.get_offsets(), cells.get_facecolors(), strict=True):
        np.testing.assert_allclose(color[:3], to_rgb(colors[batch[float(x)]]), atol=1e-6)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_slopes_are_drawn(fitted):
    tc, _ = fitted
    gene = tc.genes_[0]
    figure = tc.plot_genes(gene, derivative=True)
    slope, _ = tc.models_[gene]["A"].derivative()
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), slope)


def test_colour_needs_the_cells_and_a_key_that_is_there(fitted):
    tc, adata = fitted
    with pytest.raises(ValueError, match="pass adata="):
        tc.plot_genes(tc.genes_[0], color="batch")
    with pytest.raises(lc.UnknownNameError, match="batch"):
        tc.plot_genes(tc.genes_[0], adata, color="bach")
