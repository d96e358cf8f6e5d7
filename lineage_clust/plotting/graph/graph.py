"""Figure of the graph of genes, coloured by cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull

from ...utils.checking import check_seed
from ...utils.documenting import parameters_as
from ..heatmap.heatmap import plot_heatmap
from ..parts import mpl
from ..parts.checking import axes_for, check_named
from ..parts.colors import UNASSIGNED_COLOR, palette_colors
from ..parts.labels import extents, place, plain, shortened
from ..parts.theme import ink, is_dark, mixed, paper, tint
from ..places import PLACES, Places
from .layout import DOT, graph_layout

if TYPE_CHECKING:
    from igraph import Graph
    from matplotlib.axes import Axes

_SIDE, _SIDE_OF_MANY = 6.0, 8.0  # inches
_MANY = 12  # clusters
_EDGES = 900  # about as many as are legible
_HALO = 0.45  # width around dots, in units of the layout
_BUNDLE = 6.0  # width in points of the line between two clusters with as many edges as expected by chance
_LEAST = 0.02  # of this number of edges; fewer are not drawn
_SHADE = 0.3  # fraction of the text colour in edges within a cluster
_TINT = 0.45  # fraction of the cluster's colour in the names of its genes, which may stand beside another cluster
_NAME: dict[str, Any] = {"fontsize": 7.5, "fontstyle": "italic"}
_NUMBER: dict[str, Any] = {"fontsize": 9, "fontweight": "bold"}


@parameters_as(axes_for, plot_heatmap)
def plot_graph(
    graph: Graph,
    labels: np.ndarray,
    genes: Sequence[str] | None = None,
    *,
    label_hubs: int | Sequence[str] = 5,
    n_clusters: int | None = None,
    names: Sequence[str] | None = None,
    importance: np.ndarray | None = None,
    palette: Any = None,
    seed: int = 0,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw a weighted graph of genes.

    Parameters
    ----------
    graph : igraph.Graph
        One vertex per gene, edges with attribute "weight", as in `GraphClusterer.graph_`.
    labels : ndarray of int, shape (n_vertices,)
        Cluster of each gene, -1 = not assigned.
    genes : sequence of str, default=None
        Names of the vertices.
    label_hubs : int or sequence of str, default=5
        Maximum number of named hubs per cluster: the genes with the strongest edges within it or, with `importance`,
        the most important ones of the half with stronger edges. (Genes with practically the same trend, such as
        straight lines, have edges of equal strength, so that ties would otherwise be resolved by order.) Names that
        would overlap others are left out. Alternatively, the genes to name, all of which are drawn.
    importance : ndarray of shape (n_vertices,), default=None
        Importance by which hubs are named.
    seed : int, default=0
        Seed of the layout.

    Raises
    ------
    UnknownNameError
        If a gene to be named is not in the graph.
    ValueError
        If numbers of labels, names and vertices differ.

    Notes
    -----
    Each cluster is laid out separately by the algorithm of Fruchterman and Reingold [1]_ with edge weights. Overlapping
    dots are then separated, and the cluster gets a halo of its colour. Clusters are placed near those to which they
    have many edges, with the earliest on the left; unconnected clusters are arranged in rows by time. Distances within
    clusters reflect edges, those between clusters only roughly. Within clusters, the strongest edges of each gene
    are drawn: three, or with more than 300 genes fewer. Those between two clusters are bundled into a grey line, whose
    width is their weight relative to that expected by chance, the connectivity that is at most 1 for distinct clusters.

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
    check_seed("seed", seed)
    labels = np.asarray(labels)
    _check(graph, labels, genes)
    hubs: Any = check_named("label_hubs", label_hubs, genes, "graph", " (only genes that are clustered are)")
    n_clusters = int(labels.max(initial=-1)) + 1 if n_clusters is None else n_clusters
    names = [str(cluster) for cluster in range(n_clusters)] if names is None else list(names)
    colors = np.array([*palette_colors(palette, n_clusters, names), UNASSIGNED_COLOR], dtype=object)
    places = graph_layout(graph, labels, seed)
    strength = _strength(graph, labels)
    outlines = {int(cluster): halo(places[labels == cluster]) for cluster in np.unique(labels[labels >= 0])}
    wide, high = np.ptp(places, axis=0)
    side = _SIDE if len(outlines) <= _MANY else _SIDE_OF_MANY
    ax = axes_for(ax, (side, side * float(np.clip(high / max(wide, 1e-12) + 0.1, 0.5, 1.0))), figsize, dpi)
    edges = _strongest(graph, labels)
    tones = [mixed(ink(), color, _SHADE) for color in colors[labels[edges[:, 0]]]]
    style = {"colors": tones, "linewidths": 0.3, "zorder": 1, "rasterized": True, "gid": "edges"}
    ax.add_collection(mpl.collections.LineCollection(places[edges], **style))
    for cluster, outline in outlines.items():
        face = mixed(colors[cluster], paper(), 0.1)
        ax.fill(*outline.T, fc=face, ec=tint(colors[cluster]), lw=0.8, zorder=0.5, gid="halo")
    _draw_bundles(ax, graph, labels, places, list(outlines))
    dots = ax.scatter(
        places[:, 0], places[:, 1], c=list(colors[labels]), edgecolors=[paper()], linewidths=0.3, zorder=2
    )
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.08)
    ax.set_axis_off()
    ax.figure.figure.draw_without_rendering()
    unit = abs(ax.transData.transform([(1, 0)])[0, 0] - ax.transData.transform([(0, 0)])[0, 0]) * 72 / ax.figure.dpi
    largest = float(np.clip(DOT * unit, 2, 9))  # points
    dots.set_sizes(largest**2 * (0.5 + 0.5 * strength / max(strength.max(initial=0.0), 1e-12)))
    ax.figure.figure.draw_without_rendering()
    ax.autoscale(False)  # the limits do not depend on labels, which would move if they changed later
    points = ax.transData.transform(places)
    taken = _name_clusters(ax, points, outlines, names, colors)
    if genes is not None:
        if every := isinstance(hubs, list):
            rows = [row for row, gene in enumerate(genes) if str(gene) in hubs]
        else:
            rows = _hubs(labels, strength, importance, int(hubs))
        inks = [mixed(colors[labels[row]], ink(), _TINT) for row in rows]
        _name_genes(ax, points, rows, [shortened(genes[row], 18) for row in rows], inks, every, taken, largest / 2)
    named = ([], places[:0]) if genes is None else (list(genes), places)
    PLACES[ax] = Places(list(outlines.items()), *named)
    return ax


def _check(graph, labels, genes) -> None:
    if not hasattr(graph, "vcount"):
        raise TypeError(f"graph must be an igraph.Graph, as graph_ of a GraphClusterer; got {type(graph).__name__}.")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, -1 for genes without a cluster; their dtype is {labels.dtype}.")
    n_vertices = graph.vcount()
    for name, values in (("labels", labels), ("genes", genes)):
        if values is not None and len(values) != n_vertices:
            raise ValueError(f"{name} must have one entry per vertex: the graph has {n_vertices}, got {len(values)}.")


def _outer(outline: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the point of an outline that is farthest from the centre, or the highest if the outline surrounds it."""
    away = np.hypot(*(outline - centre).T)
    around = np.ptp(away) < 0.35 * away.max()
    return outline[np.argmax(outline[:, 1])] if around else outline[np.argmax(away)]


def _strength(graph, labels: np.ndarray) -> np.ndarray:
    """Return the total weight of the edges of each vertex within its cluster."""
    strength = np.zeros(graph.vcount())
    if graph.ecount():
        ends, weights = np.array(graph.get_edgelist()), np.array(graph.es["weight"])
        within = labels[ends[:, 0]] == labels[ends[:, 1]]
        for side in (0, 1):
            np.add.at(strength, ends[within, side], weights[within])
    return strength


def _strongest(graph, labels: np.ndarray) -> np.ndarray:
    """Return the strongest edges of each vertex within its cluster, `(n_edges, 2)`."""
    ends = np.array(graph.get_edgelist(), dtype=int).reshape(-1, 2)
    ends = ends[np.argsort(-np.array(graph.es["weight"] if len(ends) else []), kind="stable")]
    ends = ends[labels[ends[:, 0]] == labels[ends[:, 1]]]
    both = pd.Series(ends.ravel())
    rank = both.groupby(both).cumcount().to_numpy().reshape(-1, 2)  # among the edges of each end
    return ends[rank.min(axis=1) < np.clip(_EDGES // max(len(labels), 1), 1, 3)]


def _draw_bundles(ax, graph, labels: np.ndarray, places: np.ndarray, clusters: list[int]) -> None:
    """Draw one line per pair of clusters, below their halos, as wide as they are connected."""
    from ...clusterers.distinctness import connectivity_of

    if len(clusters) < 2 or not graph.ecount():
        return
    grouped = np.flatnonzero(labels >= 0)
    number = np.searchsorted(clusters, labels[grouped])
    tie = connectivity_of(graph.get_adjacency_sparse("weight")[grouped][:, grouped], number)
    middles = np.array([places[labels == cluster].mean(axis=0) for cluster in clusters])
    for one, other in zip(*np.nonzero(np.triu(tie, 1) >= _LEAST), strict=True):
        ax.plot(*middles[[one, other]].T, color=tint(ink()), lw=max(_BUNDLE * min(tie[one, other], 1.0), 0.5), zorder=0.4,
                solid_capstyle="butt", gid="bundle")  # fmt: skip


def halo(places: np.ndarray) -> np.ndarray:
    """Return a rounded outline around points, `(n_corners, 2)`: the convex hull of circles around them."""
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circles = (places[:, None] + _HALO * np.column_stack([np.cos(around), np.sin(around)])).reshape(-1, 2)
    return circles[ConvexHull(circles).vertices]


def _hubs(labels: np.ndarray, strength: np.ndarray, importance: np.ndarray | None, n: int) -> list[int]:
    """Return up to `n` hubs of each cluster: first the first hub of every cluster, then the second, and so on."""
    ranked = []
    for cluster in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == cluster)
        if importance is not None:
            members = members[strength[members] >= np.median(strength[members])]
        by = strength if importance is None else np.nan_to_num(np.asarray(importance, dtype=float))
        ranked.append(members[np.argsort(-by[members], kind="stable")][:n])
    return [int(members[rank]) for rank in range(n) for members in ranked if rank < len(members)]


def _letters(ax, style: dict[str, Any], least: float) -> dict[str, Any]:
    """Return a style with a smaller font in narrow axes, down to a fraction `least`."""
    share = ax.get_window_extent().width / ax.figure.dpi / 4.5
    return style | {"fontsize": style["fontsize"] * float(np.clip(share, least, 1.0))}


def _name_clusters(ax, points, outlines: dict[int, np.ndarray], names, colors) -> np.ndarray:
    """Write the name of each cluster at its outer edge, and return the boxes of the labels, `(n_clusters, 4)`."""
    scale, back = ax.figure.dpi / 72, ax.transData.inverted()
    written = [names[cluster] for cluster in outlines]
    style = _letters(ax, _NUMBER if len(outlines) <= _MANY else _NUMBER | {"fontsize": 7}, 0.7)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    edges = [_outer(ax.transData.transform(outline), centre) for outline in outlines.values()]
    sizes = (extents(ax, written, **style).reshape(-1, 2) + 0.11) * ax.figure.dpi
    found = place(
        np.array(edges).reshape(-1, 2), sizes, points, ax.get_window_extent().extents,
        distances=np.arange(0.0, 40.0, 4.0) * scale, centred=True, all_of_them=True,
    )  # fmt: skip
    for cluster, name, middle in zip(outlines, written, found, strict=True):
        badge = {"boxstyle": "round,pad=0.25,rounding_size=0.6", "fc": colors[cluster], "ec": paper()}
        ax.text(*back.transform(middle), plain(name), ha="center", va="center_baseline", bbox=badge, zorder=5,
                color="white" if is_dark(colors[cluster]) else "black", gid="cluster", in_layout=False, **style)  # fmt: skip
    return np.hstack([found - sizes / 2, found + sizes / 2])


def _name_genes(
    ax, points, rows: list[int], texts: list[str], tones: list, every: bool, taken: np.ndarray, radius: float
) -> None:
    """Write names beside their dots if there is space, or `every` one, with a line to the dot if it is distant."""
    scale, back, style = ax.figure.dpi / 72, ax.transData.inverted(), _letters(ax, _NAME, 0.72)
    glow = [mpl.patheffects.withStroke(linewidth=2, foreground=paper(), alpha=0.85)]
    sizes = extents(ax, texts, **style) * ax.figure.dpi
    # with many clusters, a label far from its gene may be next to another cluster
    away = (radius + np.array([1.5, 4.0, 9.0, 17.0, 27.0])[: None if len(taken) <= _MANY else 3]) * scale
    spots = place(
        points[rows], sizes, points, ax.get_window_extent().extents, distances=away, taken=taken, all_of_them=every
    )
    for row, text, tone, spot, size in zip(rows, texts, tones, spots, sizes, strict=True):
        if not np.isfinite(spot).all():
            continue
        near = np.clip(points[row], spot - size / 2, spot + size / 2)
        if np.hypot(*(near - points[row])) > (radius + 3) * scale:
            ax.plot(*back.transform([points[row], near]).T, color=ink(0.8), lw=0.5, zorder=3)
        ax.text(*back.transform(spot), plain(text), ha="center", va="center", color=tone, zorder=6, gid="gene",
                in_layout=False, path_effects=glow, **style)  # fmt: skip
