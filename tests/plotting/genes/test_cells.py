"""Cells drawn behind a trend: their colours, and the strip of cells without expression."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PathCollection

import lineage_clust as lc
from lineage_clust import GeneTrend
from lineage_clust.plotting.genes.cells import cell_colors, with_zeros_apart

from ...fits import QUICK


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
