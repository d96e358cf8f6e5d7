"""Errors of figures: invalid input is rejected with a message of this library."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.plotting import (
    lineage_colors,
    plot_clusters,
    plot_drivers,
    plot_gene_trend,
    plot_gene_trends,
    plot_graph,
    plot_heatmap,
    plot_stability,
)

V, G = np.random.default_rng(0).normal(size=(3, 5)), np.linspace(0, 1, 5)


@pytest.fixture(scope="module")
def adata(make_adata):
    return make_adata(n_cells=60, n_genes=8)


@pytest.fixture(scope="module")
def tc(adata):
    return lc.TrendClusterer(clusterer=lc.GraphClusterer(4), lineage="A", n_points=12, alpha=None, random_state=0).fit(
        adata
    )


FIGURE = [
    ({"figsize": "big"}, ValueError, "figsize must be None or .width, height. in inches, both positive; got 'big'"),
    ({"figsize": (1,)}, ValueError, r"got \(1,\)"),
    ({"figsize": (np.nan, 2)}, ValueError, "got .nan, 2"),
    ({"figsize": 3}, ValueError, "got 3"),
    ({"figsize": (True, 2)}, ValueError, "got .True, 2"),
    ({"dpi": 0}, ValueError, "dpi must be None or a positive number; got 0"),
    ({"dpi": "x"}, ValueError, "got 'x'"),
    ({"dpi": -1}, ValueError, "got -1"),
]
AXES = ({"ax": 3}, TypeError, "ax must be matplotlib Axes, as plt.subplots returns them, or None; got int")
METHODS = {
    "plot": lambda tc, **more: tc.plot(**more),
    "plot_heatmap": lambda tc, **more: tc.plot_heatmap(**more),
    "plot_genes": lambda tc, **more: tc.plot_genes(["rise0"], **more),
    "plot_graph": lambda tc, **more: tc.plot_graph(**more),
    "plot_stability": lambda tc, **more: tc.plot_stability(**more),
    "plot_drivers": lambda tc, **more: plot_drivers(DRIVERS, **more),
}
DRIVERS = lc.lineage_drivers(lc.datasets.simulate_lineage(60, 8, 2, random_state=0), "lineage_1")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("arguments", "error", "message"), [*FIGURE, AXES], ids=str)
def test_figures(method, arguments, error, message, tc):
    if "ax" in arguments and method in ("plot", "plot_genes"):
        arguments, error, message = {"ncols": 0.5}, ValueError, "ncols must be an integer of at least 1; got 0.5"
    with pytest.raises(error, match=message):
        METHODS[method](tc, **arguments)
    assert plt.get_fignums() == []


CALLS = {
    "label_genes -1": (lambda tc: tc.plot_heatmap(label_genes=-1), ValueError, "label_genes must be an integer .* got -1"),
    "label_genes 1.5": (lambda tc: tc.plot_heatmap(label_genes=1.5), ValueError, "got 1.5"),
    "genes of a heatmap": (lambda tc: tc.plot_heatmap(genes=3), TypeError, "a sequence of names; got 3"),
    "cmap": (lambda tc: tc.plot_heatmap(cmap="virids"), ValueError, "not a colour map .* Did you mean 'viridis"),
    "cmap 3": (lambda tc: tc.plot_heatmap(cmap=3), TypeError, "cmap must be the name of a colour map"),
    "no genes": (lambda tc: tc.plot_genes(None), TypeError, "genes must be a name or a sequence of names; got None"),
    "max_cells": (lambda tc: tc.plot_genes(["rise0"], max_cells="x"), ValueError, "max_cells must be an integer .* got 'x'"),
    "max_cells -1": (lambda tc: tc.plot_genes(["rise0"], max_cells=-1), ValueError, "got -1"),
    "hubs": (lambda tc: tc.plot_graph(label_hubs=-1), ValueError, "label_hubs must be an integer of at least 0; got -1"),
    "a trend": (lambda tc: plot_gene_trend(3), TypeError, "trend must be a fitted GeneTrend; got int"),
    "color": (lambda tc: plot_gene_trend(tc.models_["rise0"]["A"], color="nope"), ValueError, "color must be .* got 'nope'"),
    "axes of a trend": (lambda tc: plot_gene_trend(tc.models_["rise0"]["A"], ax=3), TypeError, "ax must be matplotlib Axes"),
    "trends": (lambda tc: plot_gene_trends(3), TypeError, "trends must be a mapping .* got int"),
    "clusters of trends": (lambda tc: plot_gene_trends(tc.models_, clusters=3), TypeError, "clusters must be a mapping"),
    "graph": (lambda tc: plot_graph(None, [0]), TypeError, "graph must be an igraph.Graph"),
    "labels of a graph": (
        lambda tc: plot_graph(tc.clusterer_.graph_, ["a"] * 8), TypeError, "labels must be integers, .* dtype is <U1",
    ),
    "curve": (lambda tc: plot_stability(3), TypeError, "curve must be the stability_ of a GraphClusterer; got int"),
    "NaN rows": (lambda tc: plot_heatmap(V * np.nan, [0, 1, 0], G), ValueError, "scaled must be finite; it contains NaN"),
    "text rows": (lambda tc: plot_clusters([["a"] * 5] * 3, [0, 1, 0], G), TypeError, "scaled must hold real numbers"),
    "center": (lambda tc: plot_heatmap(V, [0, 1, 0], G, center="x"), TypeError, "center must be None or a number; got 'x'"),
    "NaN labels": (lambda tc: plot_clusters(V, [np.nan, 1, 0], G), ValueError, "labels must be whole numbers"),
    "halves": (lambda tc: plot_clusters(V, [0.5, 1, 0], G), ValueError, "labels must be whole numbers"),
    "lineages": (lambda tc: lineage_colors("x"), ValueError, "n_lineages must be an integer of at least 0; got 'x'"),
    "lineages -1": (lambda tc: lineage_colors(-1), ValueError, "got -1"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_arguments(name, tc):
    call, error, message = CALLS[name]
    with pytest.raises(error, match=message):
        call(tc)
    assert plt.get_fignums() == []


def test_of_several_unknown_genes_the_first_one_is_named():
    """It was another one in each process."""
    unknown = [f"unknown{number}" for number in range(20)]
    with pytest.raises(lc.UnknownNameError, match="'unknown0'"):
        plot_heatmap(V, np.zeros(3, dtype=int), G, ["a", "b", "c"], label_genes=unknown)
