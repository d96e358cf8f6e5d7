"""Grids of panels: how many stand in a row, and that nothing in them overlaps."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.plotting import plot_embedding, plot_gene_trends
from lineage_clust.plotting.parts.labels import settle_layout
from lineage_clust.plotting.parts.layout import grid_of_panels, lay_out_panels, panels_a_row
from lineage_clust.trends.trends import Trends


@given(st.integers(1, 200))
def test_no_panel_stands_alone_below_longer_rows(n_panels):
    ncols = panels_a_row(n_panels)
    assert 1 <= ncols <= min(5, n_panels)
    alone = n_panels % ncols == 1 < ncols
    assert not alone or all(n_panels % other == 1 for other in (2, 3, 4, 5))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 9))
def test_a_number_that_is_asked_for_is_kept(n_panels, ncols, most):
    assert panels_a_row(n_panels, ncols) == min(ncols, n_panels)
    assert panels_a_row(n_panels, ncols, most=most) == min(ncols, n_panels, most)


@pytest.mark.parametrize(("n_panels", "rows"), [(3, [3]), (4, [2, 2]), (5, [3, 2]), (7, [4, 3]), (8, [4, 4])])
@pytest.mark.first(3)
def test_all_grids_have_the_same_rows(n_panels, rows):
    grid = np.linspace(0, 1, 9)
    trends = Trends(np.tile(grid, (n_panels, 1)), grid, [f"g{number}" for number in range(n_panels)])
    cells = np.random.default_rng(0).normal(size=(5, 2 + n_panels))
    for figure in (plot_gene_trends(trends), plot_embedding(cells[:, :2], cells[:, 2:], trends.genes)):
        bottoms = [round(ax.get_position().y0, 3) for ax in figure.axes[:n_panels]]
        assert [bottoms.count(bottom) for bottom in dict.fromkeys(bottoms)] == rows
    assert lay_out_panels(n_panels).ncols == rows[0]


@pytest.mark.parametrize("figsize", [(3.5, 4.0), (8.0, 3.0)])
@pytest.mark.first(1)
def test_tick_labels_have_their_room(figsize):
    figure, axes = grid_of_panels(4, 2, figsize, 80)
    for ax, top in zip(axes, (1.0, 10_000.0, 0.001, 70.0), strict=True):
        ax.set(xlim=(0, 1), ylim=(0, top))
    layout = figure.get_layout_engine()
    layout.xlabel, layout.ylabel = figure.supxlabel("time"), figure.supylabel("value")
    settle_layout(figure)  # as pictures do; there may be more ticks in the room that it gives
    figure.canvas.draw()
    boxes = [ax.get_tightbbox() for ax in axes] + [layout.xlabel.get_window_extent(), layout.ylabel.get_window_extent()]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y0 >= figure.bbox.y0 for box in boxes)
    assert all(ax.get_in_layout() for ax in axes)
    plt.close(figure)
