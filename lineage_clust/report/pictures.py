"""Figures of the report, drawn by the methods of TrendClusterer and embedded as PNG, and positions in them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np

from ..contracts.capabilities import fitted_value
from ..errors import counted
from ..plotting import views
from ..plotting.places import PLACES
from ..results.result import FitResult

SIZE = 10_000  # width and height of a figure, in units of positions
_DPI = 120
_CSS_DPI = 96  # a CSS pixel is 1/96 inch
_N_LEADING = 12
_NARROW = 3.6  # inches
_PALETTE_PIXELS = 50_000
_CELLS = (
    "; dots are cells, darker with a higher weight in the lineage. A trend is the mean of all cells, including those without "
    "expression (at the bottom)"
)


@dataclass(frozen=True)
class Picture:
    """One figure of the report: its HTML id, texts, and functions that return a Figure or Axes, also for narrow screens."""

    anchor: str
    title: str
    caption: str
    alt: str
    draw: Callable
    draw_narrow: Callable | None = None

    @property
    def draws(self) -> dict[str, Callable]:
        """The functions by the ending of the name of their image."""
        return {"": self.draw} | ({"-narrow": self.draw_narrow} if self.draw_narrow else {})


def pictures(result: FitResult, adata=None) -> Iterator[Picture]:
    """Yield the figures for which the fit has content, with the cells behind trends if they are given."""
    if result.n_clusters == 0:
        return
    clusters = "; ".join(
        f"cluster {cluster}, {counted(row['size'], 'gene')}, peaks at {row['peak']:.2g}"
        for cluster, row in result.cluster_table.iterrows()
    )
    yield Picture(
        "panels", "Clusters",
        "One panel per cluster: thin lines are genes, the thick line is their mean, and the band contains the middle "
        "80 % of them. The circle marks half of the change. Grey at the bottom: density of cells. All scales are equal.",
        f"One panel per cluster with the trends of its genes over pseudotime: {clusters}.",
        partial(views.plot, result),
        partial(views.plot, result, ncols=1, figsize=(_NARROW, 1.75 * result.n_clusters + 0.8)),
    )  # fmt: skip
    has_tree = fitted_value(result.clusterer, "tree_") is not None and result.n_clusters > 1
    column = ", the column on the right is how often the gene stays with its cluster"
    column = "" if np.isnan(result.confidence).all() else column
    tree = " On the left are the tree of the clusters and the cut." if has_tree else ""
    yield Picture(
        "heatmap", "Heatmap",
        f"One row per gene, sorted by cluster and time of high values; the colour is scaled expression{column}.{tree}",
        f"Heatmap of {counted(int((result.labels >= 0).sum()), 'gene')} over pseudotime, sorted by cluster: the high values "
        "run from the upper left, genes that peak early, to the lower right, genes that peak late.",
        partial(views.plot_heatmap, result),
        partial(views.plot_heatmap, result, figsize=(_NARROW, 5.5)),
    )  # fmt: skip
    leading, behind = leading_genes(result), "" if adata is None else _CELLS
    yield Picture(
        "leading", "Leading genes",
        f"The genes of each cluster that its mean trend explains best: trend and 95 % interval{behind}.",
        f"Expression over pseudotime of {', '.join(leading)}: the trend and its 95 % interval.",
        partial(views.plot_genes, result, leading, adata),
    )  # fmt: skip
    if has_tree:
        yield Picture(
            "tree", "Tree of clusters",
            "From all genes (left) to clusters and their parts (right). The parts of a division are more distinct if it is "
            "farther left. Numbers: support of the division. Coloured dots: the clusters of this report.",
            f"Tree of {counted(result.n_clusters, 'cluster')} and how they are joined.",
            partial(views.plot_tree, result),
        )  # fmt: skip
    graph = fitted_value(result.clusterer, "graph_")
    if graph is not None:
        yield Picture(
            "graph", "Graph of genes",
            "One point per gene, connected to the genes with the most similar trends; the colour is the cluster. A wider "
            "grey line between two clusters means more connections between their genes.",
            f"Graph of {graph.vcount():,} genes and {graph.ecount():,} edges between neighbours, coloured by cluster.",
            partial(views.plot_graph, result),
        )  # fmt: skip
    curve = fitted_value(result.clusterer, "stability_")
    if curve is not None:
        shown = "Support, connectivity and correlation of the two least distinct clusters"
        if curve.of_continuum:
            shown = "Support and correlation of the two clusters of each division, and the share of the variance it explains"
        yield Picture(
            "stability", "Stability",
            f"How distinct the clusters are, for each number of clusters. {curve.why}",
            f"{shown}, for 2 to {curve.n_clusters.max()} clusters; chosen were {curve.chosen}. {curve.why}",
            partial(views.plot_stability, result),
        )  # fmt: skip


def leading_genes(result: FitResult) -> list[str]:
    """Return some genes of each cluster, or of the best explained clusters if there are many, explained best by its mean."""
    importance, each = result.importance, max(1, _N_LEADING // result.n_clusters)
    members = [np.flatnonzero(result.labels == cluster) for cluster in range(result.n_clusters)]
    chosen = np.concatenate([rows[np.argsort(-importance[rows])][:each] for rows in members])
    best = set(chosen[np.argsort(-importance[chosen])][:_N_LEADING].tolist())
    return [result.genes[row] for row in chosen.tolist() if row in best]


@dataclass(frozen=True)
class Image:
    """A figure as data URI, its width and height in CSS pixels, and the positions of its elements."""

    uri: str
    width: int
    height: int
    spots: dict[str, list]


def embedded(draw: Callable, genes: list[str], settle: bool = False) -> Image:
    """Return a drawn figure, after computing its layout if this is to `settle`; `genes` are all genes of the page."""
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    # texts are not hinted, which is slow: browsers scale the image anyway
    with plt.rc_context({"figure.dpi": _DPI, "text.hinting": "no_hinting"}):
        drawn = draw()
        figure = drawn if hasattr(drawn, "savefig") else drawn.figure.figure
        if settle:
            figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the layout has been applied, and would be computed again
        canvas = figure.canvas if isinstance(figure.canvas, FigureCanvasAgg) else FigureCanvasAgg(figure)
        try:
            canvas.draw()
            places = spots(figure, genes)
        finally:
            plt.close(figure)
    width, height = canvas.get_width_height()
    in_css = round(width * _CSS_DPI / _DPI), round(height * _CSS_DPI / _DPI)
    data = _fewer_colors(np.asarray(canvas.buffer_rgba()))
    return Image(f"data:image/png;base64,{b64encode(data).decode()}", *in_css, places)


def _fewer_colors(pixels: np.ndarray) -> bytes:
    """Return an image, `(height, width, 4)`, with 256 colours as PNG, which has a third of the size and looks the same.

    The palette is found for the means of similar colours (equal in their six highest bits), which are few.
    """
    from PIL import Image as Pillow

    packed = np.ascontiguousarray(pixels).view("<u4")[..., 0]
    similar = (packed >> 2 & 0x3F) | (packed >> 4 & 0xFC0) | (packed >> 6 & 0x3F000)
    number = np.bincount(similar.ravel())
    found = np.flatnonzero(number)
    sums = [np.bincount(similar.ravel(), pixels[..., channel].ravel())[found] for channel in range(3)]
    means = np.rint(np.stack(sums, axis=1) / number[found, None]).astype(np.uint8)
    weight = 1 + number[found] * _PALETTE_PIXELS // similar.size
    reduced = Pillow.fromarray(np.repeat(means, weight, axis=0)[None]).quantize(256, dither=Pillow.Dither.NONE)
    index = np.zeros(len(number), dtype=np.uint8)
    index[found] = np.asarray(reduced)[0, np.cumsum(weight) - 1]
    image, png = Pillow.fromarray(index[similar]), BytesIO()
    image.putpalette(reduced.getpalette() or [])
    image.save(png, "png")
    return png.getvalue()


def spots(figure: Any, genes: list[str]) -> dict[str, list]:
    """Return where in a drawn figure clusters can be clicked and genes, by their number on the page, are marked.

    `areas`: cluster and corners; `curves`: cluster, position of its axes (left, top, right, bottom), ends of each lineage
    from left to right, and the scaled expression at bottom and top; `rows`: gene, left, right and height; `dots`: gene and
    position.
    """
    index = {gene: number for number, gene in enumerate(genes)}
    found: dict[str, list] = {"areas": [], "curves": [], "rows": [], "dots": []}
    for ax in filter(PLACES.__contains__, figure.axes):
        places = PLACES[ax]
        outlines = [_whole(_outline(ax, corners)) for _, corners in places.areas]
        found["areas"] += [[cluster, corners] for (cluster, _), corners in zip(places.areas, outlines, strict=True)]
        if places.curves:
            left, top, right, _, _, bottom, *_ = _whole(_outline(ax, None))
            frame = [left, top, right, bottom]
            ends = _in_figure(ax, np.array([[end, np.nan] for pair in places.curves for end in pair]))[:, 0]
            levels = [round(y, 4) for y in map(float, ax.get_ylim())]
            found["curves"] += [[cluster, frame, _whole(ends), levels] for cluster, _ in places.areas]
        across = [x for corners in outlines for x in corners[::2]]
        is_row = np.isnan(places.at[:, 0])
        at = np.reshape(_whole(_in_figure(ax, places.at)), (-1, 2)).tolist()
        for gene, row, (x, y) in zip(places.genes, is_row, at, strict=True):
            if gene in index and row:
                found["rows"].append([index[gene], min(across), max(across), y])
            elif gene in index:
                found["dots"].append([index[gene], x, y])
    return {kind: listed for kind, listed in found.items() if listed}


def _outline(ax: Any, corners: np.ndarray | None) -> np.ndarray:
    """Return the corners of an area, `None` = all of the axes, as :func:`_in_figure`."""
    if corners is not None:
        return _in_figure(ax, np.asarray(corners, dtype=float))
    box = ax.get_position()
    return np.array([[box.x0, 1 - box.y1], [box.x1, 1 - box.y1], [box.x1, 1 - box.y0], [box.x0, 1 - box.y0]])


def _in_figure(ax: Any, points: np.ndarray) -> np.ndarray:
    """Return points, `(n_points, 2)`, as fractions of the figure from its upper left corner; NaN is preserved."""
    pixels = ax.transData.transform(np.nan_to_num(points))
    width, height = ax.figure.figure.bbox.size
    shares = np.column_stack([pixels[:, 0] / width, 1 - pixels[:, 1] / height])
    return np.where(np.isnan(points), np.nan, shares)


def _whole(shares: np.ndarray) -> list[int]:
    """Return fractions of a figure as a flat list of integers."""
    return [0 if np.isnan(share) else round(float(share) * SIZE) for share in np.ravel(shares)]
