"""Every figure of real data with default parameters: nothing overlaps or is cut off."""

from itertools import combinations

import pytest
from matplotlib.text import Text

from lineage_clust import TrendClusterer, datasets, lineage_drivers
from lineage_clust.clusterers import GraphClusterer
from lineage_clust.plotting import plot_drivers


@pytest.fixture(scope="module")
def cells():
    return datasets.bone_marrow()


def fit(cells, resolution, lineage="Ery", **settings):
    return TrendClusterer(
        clusterer=GraphClusterer(resolution=resolution, refine=resolution == "auto"), random_state=0, **settings
    ).fit(cells, lineage=lineage)


@pytest.fixture(scope="module", params=["one cluster", "some", "thirty", "joint", "three genes", "long names"])
def fitted(request, cells):
    if request.param == "joint":
        return fit(cells, 1.0, ["Ery", "Myeloid"]), cells
    if request.param == "three genes":
        return fit(cells, 1.0, genes=["Klf1", "Mpo", "Car2"]), cells
    if request.param == "long names":
        cells = cells.copy()
        cells.var_names = [f"ENSMUSG{number:011d}_{gene}_isoform" for number, gene in enumerate(cells.var_names)]
        return fit(cells, 1.0), cells
    tc = fit(cells, {"one cluster": 0.001, "some": 1.0, "thirty": 6.0}[request.param])
    assert {"one cluster": tc.n_clusters_ == 1, "some": 4 < tc.n_clusters_ < 10}.get(request.param, tc.n_clusters_ > 24)
    return tc, cells


def check(figure):
    """Draw the figure and compare the boxes of all texts; labels of ticks beyond the limits of an axis are not shown."""
    figure.canvas.draw()
    hidden = {
        label
        for ax in figure.findobj(lambda artist: hasattr(artist, "xaxis"))
        for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim()))
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
        if not ax.axison or not ax.get_visible() or not min(limits) - 1e-9 <= tick.get_loc() <= max(limits) + 1e-9
    }
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text() and text not in hidden]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    assert len(boxes) > 3
    assert not [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]
    whole = figure.bbox
    assert not [
        name for name, box in boxes
        if box.x0 < whole.x0 or box.y0 < whole.y0 or box.x1 > whole.x1 or box.y1 > whole.y1
    ]  # fmt: skip


@pytest.mark.slow
def test_heatmap_graph_and_genes(fitted):
    tc, cells = fitted
    check(tc.plot_heatmap(adata=cells, covariate_key=["celltype", "palantir_entropy"]).figure)
    check(tc.plot_graph().figure)
    check(tc.plot_genes(tc.genes_[:3], cells))


@pytest.mark.slow
def test_stability(cells):
    check(fit(cells, "auto").plot_stability().figure)


def test_drivers(cells):
    check(plot_drivers(lineage_drivers(cells, "Ery")).figure)
