"""The graph of genes: who is near whom, in the colours of the clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lineage_clust.errors import UnknownNameError, did_you_mean

from ..utils.checking import check_seed
from .checking import check_count, check_figure
from .colors import UNASSIGNED, cluster_colors
from .graph_layout import DOT, graph_layout
from .labels import extents, shortened
from .placing import place

if TYPE_CHECKING:
    from igraph import Graph
    from matplotlib.axes import Axes

_SIDE, _SIDE_OF_MANY = 6.0, 8.0  # inches
_MANY = 12  # clusters
_MOST_EDGES = 20_000
_NAME = {"fontsize": 7.5, "fontstyle": "italic"}
_NUMBER = {"fontsize": 9, "fontweight": "bold"}


def plot_graph(
    graph: Graph,
    labels: np.ndarray,
    genes: Sequence[str] | None = None,
    *,
    label_hubs: int | Sequence[str] = 5,
    n_clusters: int | None = None,
    seed: int = 0,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw a weighted graph of genes.

    Parameters
    ----------
    graph : igraph.Graph
        One vertex a gene, edges with attribute "weight", as `GraphClusterer.graph_`.
    labels : ndarray of int, shape (n_vertices,)
        Cluster of each gene, -1 = not assigned.
    genes : sequence of str, optional
        Names of the vertices.
    label_hubs : int or sequence of str
        How many hubs of a cluster are named at most: the genes with the strongest edges within it. A name that would
        overlap another is left out. Or the genes to name, all of which are then.
    n_clusters : int, optional
        Number of clusters that the colours are for; `None` = those in `labels`.
    seed : int
        Of the layout.
    ax : matplotlib.axes.Axes, optional
        Where to draw; `None` = a new figure.
    figsize, dpi
        Inches and dots per inch of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    UnknownNameError
        If a gene to be named is not in the graph.
    ValueError
        If there are not as many labels or names as vertices.

    Notes
    -----
    The layout is that of Fruchterman and Reingold [1]_ under the edges' weights, turned so that its long side is
    horizontal and the earliest cluster left; dots that would lie on each other are pushed apart. Parts that no edge
    connects are laid out one by one, and stand in rows from the earliest to the latest: near means tied within a part,
    and nothing between parts. Of more than 20,000 edges the strongest are drawn.

    References
    ----------
    .. [1] Fruchterman & Reingold (1991), Graph drawing by force-directed placement, Software: Practice and Experience
       21, 1129-1164.

    Examples
    --------
    >>> import igraph
    >>> import numpy as np
    >>> graph = igraph.Graph(n=3, edges=[(0, 1), (1, 2)], edge_attrs={"weight": [1.0, 0.5]})
    >>> ax = plot_graph(graph, np.array([0, 0, 1]), ["a", "b", "c"])
    >>> sorted(text.get_text() for text in ax.texts)
    ['0', '1', 'a', 'b', 'c']
    """
    import matplotlib.pyplot as plt
    from matplotlib.collections import LineCollection

    check_figure(ax, figsize, dpi)
    check_seed("seed", seed)
    labels = np.asarray(labels)
    _check(graph, labels, genes, label_hubs)
    n_clusters = int(labels.max(initial=-1)) + 1 if n_clusters is None else n_clusters
    colors = np.array([*cluster_colors(n_clusters), UNASSIGNED], dtype=object)
    places = graph_layout(graph, labels, seed)
    strength = _strength(graph, labels)
    if ax is None:
        wide, high = np.ptp(places, axis=0)
        side = _SIDE if len(np.unique(labels[labels >= 0])) <= _MANY else _SIDE_OF_MANY
        size = (side, side * float(np.clip(high / max(wide, 1e-12) + 0.1, 0.5, 1.0)))
        _, ax = plt.subplots(figsize=figsize or size, dpi=dpi, layout="constrained")
    edges, weights = _strongest(graph)
    ax.add_collection(
        LineCollection(places[edges], colors="0.5", linewidths=0.2 + 0.6 * weights / max(weights.max(initial=0), 1e-12),
                       alpha=float(np.clip(600 / max(len(edges), 1), 0.06, 0.4)), zorder=1, rasterized=True)
    )  # fmt: skip
    dots = ax.scatter(places[:, 0], places[:, 1], c=list(colors[labels]), edgecolors="white", linewidths=0.3, zorder=2)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.08)
    ax.set_axis_off()
    ax.figure.figure.draw_without_rendering()
    unit = abs(ax.transData.transform([(1, 0)])[0, 0] - ax.transData.transform([(0, 0)])[0, 0]) * 72 / ax.figure.dpi
    largest = float(np.clip(DOT * unit, 2, 9))  # points
    dots.set_sizes(largest**2 * (0.5 + 0.5 * strength / max(strength.max(initial=0.0), 1e-12)))
    radius = largest / 2
    _draw_names(ax, places, labels, colors, genes, label_hubs, strength, radius)
    return ax


def _check(graph, labels, genes, label_hubs) -> None:
    if not hasattr(graph, "vcount"):
        raise TypeError(f"graph must be an igraph.Graph, as graph_ of a GraphClusterer; got {type(graph).__name__}.")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, -1 for genes without a cluster; their dtype is {labels.dtype}.")
    n_vertices = graph.vcount()
    for name, values in (("labels", labels), ("genes", genes)):
        if values is not None and len(values) != n_vertices:
            raise ValueError(f"{name} must have one entry a vertex: the graph has {n_vertices}, got {len(values)}.")
    if np.ndim(label_hubs) == 0 and not isinstance(label_hubs, str):
        check_count("label_hubs", label_hubs)
        return
    if genes is None:
        raise ValueError("label_hubs names genes, but the vertices have no names: pass genes= as well.")
    known = {str(gene) for gene in genes}
    for gene in [label_hubs] if isinstance(label_hubs, str) else label_hubs:
        if str(gene) not in known:
            raise UnknownNameError(
                f"label_hubs names {str(gene)!r}, which is not in the graph of {len(genes)} genes (only genes that are "
                f"clustered are).{did_you_mean(gene, known)}"
            )


def _strength(graph, labels: np.ndarray) -> np.ndarray:
    """Return the weight of the edges that each vertex has within its own cluster."""
    strength = np.zeros(graph.vcount())
    if graph.ecount():
        ends, weights = np.array(graph.get_edgelist()), np.array(graph.es["weight"])
        within = labels[ends[:, 0]] == labels[ends[:, 1]]
        for side in (0, 1):
            np.add.at(strength, ends[within, side], weights[within])
    return strength


def _strongest(graph) -> tuple[np.ndarray, np.ndarray]:
    weights = np.array(graph.es["weight"] if graph.ecount() else [], dtype=float)
    kept = np.sort(np.argsort(-weights, kind="stable")[:_MOST_EDGES])
    return np.array(graph.get_edgelist(), dtype=int).reshape(-1, 2)[kept], weights[kept]


def _hubs(labels: np.ndarray, strength: np.ndarray, n: int) -> list[int]:
    """Return up to `n` hubs of each cluster: first the first of all, then the second of all."""
    ranked = [
        members[np.argsort(-strength[members], kind="stable")][:n]
        for members in (np.flatnonzero(labels == cluster) for cluster in np.unique(labels[labels >= 0]))
    ]
    return [int(members[rank]) for rank in range(n) for members in ranked if rank < len(members)]


def _draw_names(ax, places, labels, colors, genes, label_hubs, strength, radius: float) -> None:
    """Write the number of each cluster in its middle, and the names of hubs where there is room for them.

    They take no part in the layout and the limits, which would otherwise move under them once they are placed.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patheffects import withStroke

    ax.figure.figure.draw_without_rendering()
    ax.autoscale(False)
    points, scale = ax.transData.transform(places), ax.figure.dpi / 72
    box = ax.get_window_extent()
    bounds, back = (box.x0, box.y0, box.x1, box.y1), ax.transData.inverted()
    clusters = [int(cluster) for cluster in np.unique(labels[labels >= 0])]
    middles = np.array([np.median(points[labels == cluster], axis=0) for cluster in clusters]).reshape(-1, 2)
    style = _NUMBER if len(clusters) <= _MANY else _NUMBER | {"fontsize": 7}
    sizes = (extents(ax, [str(c) for c in clusters], **style).max(axis=1, keepdims=True) + 0.09) * ax.figure.dpi
    sizes = np.repeat(sizes.reshape(-1, 1), 2, axis=1)
    found = place(
        middles, sizes, points[:0], bounds, distances=np.arange(2.0, 40.0, 4.0) * scale, centred=True, all_of_them=True
    )
    for cluster, middle in zip(clusters, found, strict=True):
        dark = np.dot(to_rgb(colors[cluster]), (0.299, 0.587, 0.114)) < 0.55
        badge = {"boxstyle": "circle,pad=0.25", "fc": colors[cluster], "ec": "white"}
        ax.text(*back.transform(middle), str(cluster), ha="center", va="center_baseline", bbox=badge, zorder=5,
                color="white" if dark else "black", gid="cluster", in_layout=False, **style)  # fmt: skip
    if genes is None:
        return
    if isinstance(label_hubs, (int, np.integer)):
        named, every = _hubs(labels, strength, int(label_hubs)), False
    else:
        wanted = {label_hubs} if isinstance(label_hubs, str) else {str(gene) for gene in label_hubs}
        named, every = [row for row, gene in enumerate(genes) if str(gene) in wanted], True
    texts = [shortened(genes[row], 18) for row in named]
    sizes_of_names = extents(ax, texts, **_NAME) * ax.figure.dpi
    taken = np.hstack([found - sizes / 2, found + sizes / 2])
    # among many clusters, a name far from its gene would stand beside another cluster
    away = (radius + np.array([1.5, 4.0, 9.0, 17.0, 27.0])[: None if len(clusters) <= _MANY else 3]) * scale
    spots = place(points[named], sizes_of_names, points, bounds, distances=away, taken=taken, all_of_them=every)
    for row, text, spot, size in zip(named, texts, spots, sizes_of_names, strict=True):
        if not np.isfinite(spot).all():
            continue
        near = np.clip(points[row], spot - size / 2, spot + size / 2)
        if np.hypot(*(near - points[row])) > (radius + 3) * scale:
            ax.plot(*back.transform([points[row], near]).T, color="0.2", lw=0.5, zorder=3)
        ax.text(*back.transform(spot), text, ha="center", va="center", color="0.1", zorder=6, gid="gene", in_layout=False,
                path_effects=[withStroke(linewidth=2, foreground="white", alpha=0.85)], **_NAME)  # fmt: skip
