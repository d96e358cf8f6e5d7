"""Figures of the report, drawn by the methods of TrendClusterer and embedded as PNG."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import numpy as np

from ..contracts.capabilities import fitted_value
from ..errors import counted
from ..plotting import views
from ..results.result import FitResult, Fitted, result_of
from .spots import spots

_DPI = 120
_CSS_DPI = 96  # a CSS pixel is 1/96 inch
_N_LEADING = 12
_NARROW = 3.6  # inches
_PALETTE_PIXELS = 50_000
_CELLS = (
    "; dots are cells, darker with a higher weight in the lineage. A trend is the mean of all cells, also of those without "
    "expression (at the foot)"
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


def pictures(fitted: Fitted | FitResult, adata=None) -> Iterator[Picture]:
    """Yield the figures for which the fit has content, with the cells behind trends if they are given."""
    result = result_of(fitted)
    if result.n_clusters == 0:
        return
    clusters = "; ".join(
        f"cluster {cluster}, {counted(row['size'], 'gene')}, peaks at {row['peak']:.2g}"
        for cluster, row in result.cluster_table.iterrows()
    )
    yield Picture(
        "panels", "Clusters",
        "One panel per cluster: thin lines are genes, the thick line is their mean, the band the middle 80 % of them; "
        "the circle marks half of the change. Grey at the foot: where the cells are. All panels have the same scale.",
        f"One panel per cluster with the trends of its genes over pseudotime: {clusters}.",
        partial(views.plot, result),
        partial(views.plot, result, ncols=1, figsize=(_NARROW, 1.75 * result.n_clusters + 0.8)),
    )  # fmt: skip
    yield Picture(
        "heatmap", "Heatmap",
        "One row per gene, by cluster and by when it is high; the colour is scaled expression, the column on the right "
        "how often the gene stays with its cluster. Left of them the tree of the clusters, and the cut.",
        f"Heatmap of {counted(int((result.labels >= 0).sum()), 'gene')} over pseudotime, sorted by cluster: the high values "
        "run from the upper left, genes that peak early, to the lower right, genes that peak late.",
        partial(views.plot_heatmap, result),
        partial(views.plot_heatmap, result, figsize=(_NARROW, 5.5)),
    )  # fmt: skip
    leading, behind = leading_genes(fitted), "" if adata is None else _CELLS
    yield Picture(
        "leading", "Leading genes",
        f"Of each cluster, the genes that its mean trend explains best: trend and 95 % interval{behind}.",
        f"Expression over pseudotime of {', '.join(leading)}: the trend and its 95 % interval.",
        partial(views.plot_genes, result, leading, adata),
    )  # fmt: skip
    if fitted_value(result.clusterer, "tree_") is not None and result.n_clusters > 1:
        yield Picture(
            "tree", "Tree of clusters",
            "From all genes (left) to clusters and their parts (right); the farther left a division stands, the more "
            "distinct are its parts. Numbers: support of the division. Coloured dots: the clusters of this report.",
            f"Tree of {counted(result.n_clusters, 'cluster')} and how they are joined.",
            partial(views.plot_tree, result),
        )  # fmt: skip
    graph = fitted_value(result.clusterer, "graph_")
    if graph is not None:
        yield Picture(
            "graph", "Graph of genes",
            "One point per gene, connected to the genes with the most similar trends; the colour is the cluster. The wider "
            "the grey line between two clusters, the more connections between their genes.",
            f"Graph of {graph.vcount():,} genes and {graph.ecount():,} edges between neighbours, coloured by cluster.",
            partial(views.plot_graph, result),
        )  # fmt: skip
    curve = fitted_value(result.clusterer, "stability_")
    if curve is not None:
        shown = "Support, connectivity and correlation of the least distinct two clusters"
        if curve.of_continuum:
            shown = "Support and correlation of the two clusters of each division, and the share of the variance it explains"
        yield Picture(
            "stability", "Stability",
            f"How distinct the clusters are, by their number. {curve.why}",
            f"{shown}, for 2 to {curve.n_clusters.max()} clusters; chosen were {curve.chosen}. {curve.why}",
            partial(views.plot_stability, result),
        )  # fmt: skip


def leading_genes(fitted: Fitted | FitResult) -> list[str]:
    """Return some genes of each cluster, or of the best explained clusters if there are many, explained best by its mean."""
    result = result_of(fitted)
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


def embedded(draw: Callable, genes: list[str]) -> Image:
    """Return a drawn figure as an image; `genes` are all genes of the page.

    Texts are measured once, for layout and image, and not hinted, which is slow: browsers scale the image anyway.
    """
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with plt.rc_context({"figure.dpi": _DPI, "text.hinting": "no_hinting"}):
        drawn = draw()
        figure = drawn if hasattr(drawn, "savefig") else drawn.figure.figure
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
