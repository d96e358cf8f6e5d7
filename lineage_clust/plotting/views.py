"""Figures of a fit, called by the methods of TrendClusterer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnknownNameError, counted, did_you_mean
from ..lineage.annotations import stored_colors
from ..lineage.lineage import check_anndata
from ..results.cells import at_offset_zero, module_scores
from ..results.result import FitResult, Fitted, result_of
from ..utils.documenting import parameters_as
from . import embedding, lineage_cells, of_result, stability, tree
from .genes import panels as gene_panels
from .graph import graph
from .heatmap import heatmap
from .panels import panels
from .parts.captions import captions_of, own_labels
from .parts.dendrogram import dendrogram_of

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@parameters_as(own_labels, panels.plot_clusters)
def plot(
    fitted: Fitted | FitResult,
    clusters: Sequence[int] | None = None,
    adata: AnnData | None = None,
    covariate_key: str | Sequence[str] | None = None,
    *,
    ratio: float = 0.05,
    cmap: Any = "viridis",
    ncols: int | None = None,
    sharey: bool | str = True,
    labels: Any = None,
    palette: Any = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Figure:
    """Draw one panel per cluster: scaled trends of its genes, their mean, the middle 80 %, and the density of cells.

    Parameters
    ----------
    adata : AnnData, default=None
        The cells, required for covariates.
    covariate_key : str or sequence of str, default=None
        obs keys drawn as strips under every panel, on its time axis: the lineage-weighted mean of numbers,
        the locally dominant category.
    cmap : str, default="viridis"
        Colour map of numeric covariates.

    Raises
    ------
    ValueError
        If a cluster does not exist, there are no clusters, or covariates are requested without `adata`.
    """
    result = result_of(fitted)
    strips = of_result.strips_of(result, adata, covariate_key, cmap)
    return panels.plot_clusters(
        result.scaled, result.labels, result.pseudotime, genes=result.genes, grid_lineage=result.grid_lineage,
        importance=result.importance, clusters=clusters, captions=captions_of(result, labels),
        density=result.cell_density, palette=palette, ncols=ncols, sharey=sharey, figsize=figsize, dpi=dpi,
        ylabel=of_result.value_label(result), strips=strips, ratio=ratio,
    )  # fmt: skip


@parameters_as(own_labels, heatmap.plot_heatmap)
def plot_heatmap(
    fitted: Fitted | FitResult,
    genes: Sequence[str] | None = None,
    adata: AnnData | None = None,
    covariate_key: str | Sequence[str] | None = None,
    clusters: Sequence[int] | None = None,
    *,
    label_genes: Sequence[str] | int | None = None,
    dendrogram: bool = True,
    cells: bool = False,
    labels: Any = None,
    palette: Any = None,
    cmap: Any = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw scaled trends as a heatmap, with genes ordered by cluster and by the time at which they are high.

    Parameters
    ----------
    genes : sequence of str, default=None
        Genes to draw; `None` = all genes in clusters.
    adata : AnnData, default=None
        The cells, required for covariates and `cells=True`.
    covariate_key : str or sequence of str, default=None
        obs keys drawn as bars above the rows, as in :meth:`lineage_clust.TrendClusterer.plot`.
    label_genes : sequence of str or int, default=None
        Genes to name, or their maximum number; `None` = as many as fit, those that are explained best by the mean trend
        of their cluster first.
    dendrogram : bool, default=True
        Whether to draw the tree of the clusters and the cut, if the clusterer has a tree. It determines the order of
        the clusters unless `clusters` is given.
    cells : bool, default=False
        Whether to show the cells' expression, averaged in bins of pseudotime, beside the trends, with the same scale
        and rows, for comparison with the smooth trends. Requires `adata`.

    Raises
    ------
    UnknownNameError
        If a gene was not fitted, or a gene to be named is not drawn.
    ValueError
        If a cluster does not exist, there are no clusters, or covariates are requested without `adata`.
    """
    result = result_of(fitted)
    upper = dendrogram_of(result) if dendrogram and clusters is None and result.n_clusters > 1 else None
    rows = np.arange(len(result.genes)) if genes is None else of_result.rows_of(result, genes)
    if genes is not None and clusters is None:
        clusters = sorted(set(result.labels[rows].tolist()), key=lambda label: (label < 0, label))
    scaled, grid, lineages = result.scaled, result.pseudotime, result.grid_lineage
    strips = of_result.strips_of(result, adata, covariate_key)
    two_sided = result.scale != "minmax" and result.scale is not None and scaled.min() < 0 < scaled.max()
    if cells:
        scaled, grid, lineages, strips = of_result.with_cells_beside(result, adata, strips)
    return heatmap.plot_heatmap(
        scaled[rows], result.labels[rows], grid, [result.genes[row] for row in rows],
        grid_lineage=lineages, clusters=clusters, n_clusters=result.n_clusters,
        label_genes=result.named(label_genes), importance=result.importance[rows], strips=strips,
        n_leading=len(result.pseudotime), names=own_labels(labels, result.cluster_names), palette=palette,
        confidence=None if np.isnan(result.confidence).all() else result.confidence[rows], dendrogram=upper,
        center=0.0 if two_sided else None, cmap=cmap, value_label=of_result.value_label(result), ax=ax, figsize=figsize,
        dpi=dpi,
    )  # fmt: skip


@parameters_as(gene_panels.plot_gene_trends)
def plot_genes(
    fitted: Fitted | FitResult,
    genes: str | Sequence[str],
    adata: AnnData | None = None,
    lineages: str | Sequence[str] | None = None,
    *,
    color: str | None = None,
    derivative: bool = False,
    ncols: int | None = None,
    sharey: bool = False,
    max_cells: int = 3000,
    ax: Axes | Sequence[Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Figure:
    """Draw the trends of genes with their 95 % intervals, with one panel per gene for all lineages.

    Parameters
    ----------
    genes : str or sequence of str
        Genes to draw, in this order.
    adata : AnnData, default=None
        The fitted cells, which are drawn darker with higher lineage weight. With an offset, their expression is that at
        offset 0, as are the trends: counts are divided by the size factors. Several lineages have the colours of
        `uns[f"{lineage_key}_colors"]` or of CellRank's terminal states, if available.
    color : str, default=None
        obs key for the colour of cells, numbers or categories; requires `adata`. Categories have the colours of
        `uns[f"{color}_colors"]`, if available.

    Raises
    ------
    UnknownNameError
        If a gene or lineage was not fitted.
    ValueError
        If no gene is given, none of them has a trend, or `color` is given without `adata`.
    """
    result = result_of(fitted)
    genes = result.named(of_result.names_in(genes))
    trends = result.models
    tones = None if color is None else of_result.colors_of_cells(adata, color)
    if adata is not None and not derivative:
        known = [gene for gene in genes if gene in trends]  # an unknown one is reported below
        cells = result.of_cells(adata, known) if known else []
        if not result.fitter.filter_cells:  # thresholds of expression refer to expression as stored
            cells = [at_offset_zero(result.fitter.model, one) for one in cells]
        trends = trends.with_data(cells, result.fitter)
    palette = None if adata is None else stored_colors(adata, result.names, result.reader)
    clusters = dict(zip(result.genes, result.labels.tolist(), strict=True))
    return gene_panels.plot_gene_trends(
        trends, genes, clusters=clusters, lineages=lineages, max_cells=max_cells, ncols=ncols, sharey=sharey,
        cell_colors=tones, derivative=derivative, palette=palette, ax=ax, figsize=figsize, dpi=dpi,
    )  # fmt: skip


@parameters_as(own_labels, graph.plot_graph)
def plot_graph(
    fitted: Fitted | FitResult,
    ax: Axes | None = None,
    label_hubs: int | Sequence[str] = 5,
    *,
    labels: Any = None,
    palette: Any = None,
    seed: int = 0,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw the graph of genes, coloured by cluster.

    Parameters
    ----------
    label_hubs : int or sequence of str, default=5
        Maximum number of named hubs per cluster, those with the strongest edges within it, if their names do not
        overlap; or the genes to name.

    Raises
    ------
    ValueError
        If the clusterer has no graph, or no gene was clustered.
    """
    result = result_of(fitted)
    found, rows = of_result.of_clusterer(result, "graph_", "graph of genes", "GraphClusterer()"), result.grouped
    return graph.plot_graph(
        found, result.labels[rows], [result.genes[row] for row in rows], label_hubs=result.named(label_hubs),
        n_clusters=result.n_clusters, names=own_labels(labels, result.cluster_names),
        importance=result.importance[rows], palette=palette, seed=seed, ax=ax, figsize=figsize, dpi=dpi,
    )  # fmt: skip


@parameters_as(stability.plot_stability)
def plot_stability(
    fitted: Fitted | FitResult,
    ax: Axes | None = None,
    *,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw how distinct the clusters are, by number of clusters.

    Raises
    ------
    ValueError
        If the clusterer has no stability curve, or no gene was clustered.
    """
    result = result_of(fitted)
    curve = of_result.of_clusterer(
        result, "stability_", "stability curve", 'GraphClusterer(n_clusters=None, resolution="auto")'
    )
    return stability.plot_stability(curve, ax=ax, figsize=figsize, dpi=dpi)


@parameters_as(tree.plot_tree)
def plot_tree(
    fitted: Fitted | FitResult,
    n_leaves: int | None = None,
    ax: Axes | None = None,
    *,
    labels: Any = None,
    palette: Any = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Axes:
    """Draw the tree of clusters, the support of its divisions, and the current cut.

    Raises
    ------
    ValueError
        If the clusterer has no tree, or no gene was clustered.
    """
    result = result_of(fitted)
    found = of_result.of_clusterer(result, "tree_", "tree of clusters", "GraphClusterer()")
    return tree.plot_tree(
        found, result.tree_table, found.means(result.scaled[result.grouped]), result.pseudotime,
        grid_lineage=result.grid_lineage, n_leaves=n_leaves, labels=labels, palette=palette, ax=ax, figsize=figsize, dpi=dpi,
    )  # fmt: skip


@parameters_as(own_labels, embedding.plot_embedding)
def plot_embedding(
    fitted: Fitted | FitResult,
    adata: AnnData,
    basis: str = "X_umap",
    clusters: int | Sequence[int] | None = None,
    *,
    labels: Any = None,
    cmap: Any = "viridis",
    ncols: int | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> Figure:
    """Draw the cells on an embedding, coloured by module score, with one panel per cluster.

    Parameters
    ----------
    adata : AnnData
        The cells, with all clustered genes; cells outside all lineages are drawn too.
    basis : str, default="X_umap"
        Key of `adata.obsm`; the prefix ``"X_"`` may be omitted.
    clusters : int or sequence of int, default=None
        Clusters to draw, in this order; `None` = all.

    Raises
    ------
    UnknownNameError
        If the embedding does not exist.
    ValueError
        If there are no clusters, a cluster does not exist, or clustered genes are missing.

    See Also
    --------
    lineage_clust.TrendClusterer.transform : Module scores.
    """
    result = result_of(fitted)
    check_anndata(adata)
    key = basis if basis in adata.obsm else f"X_{basis}"
    if key not in adata.obsm:
        raise UnknownNameError(f"basis {basis!r} is not in adata.obsm.{did_you_mean(basis, adata.obsm.keys())}")
    scores = module_scores(result, adata)
    chosen = panels.check_clusters(clusters, result.labels[result.labels >= 0])
    names = own_labels(labels, result.cluster_names)
    sizes = np.bincount(result.labels[result.labels >= 0], minlength=result.n_clusters)
    prefix = "cluster " if labels is None else ""
    titles = [f"{prefix}{names[cluster]} ({counted(sizes[cluster], 'gene')})" for cluster in chosen]
    return embedding.plot_embedding(
        np.asarray(adata.obsm[key]), scores[:, chosen], titles, axes_label=key.removeprefix("X_"), cmap=cmap,
        ncols=ncols, figsize=figsize, dpi=dpi,
    )  # fmt: skip


@parameters_as(lineage_cells.plot_lineage)
def plot_lineage(
    fitted: Fitted | FitResult,
    adata: AnnData,
    *,
    max_cells: int = 5000,
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
) -> list[Axes]:
    """Draw the weight of every cell over pseudotime and the fitted time range, for each lineage.

    Inspect this figure first. Cells on grey background are outside the range and were not fitted; if many of them have
    high weights, set `time_range`.

    Parameters
    ----------
    adata : AnnData
        The fitted cells. Lineages have the colours of `uns[f"{lineage_key}_colors"]` or of CellRank's terminal
        states, if available.
    """
    result = result_of(fitted)
    check_anndata(adata)
    read = []
    for lineage in result.of_cells(adata, result.genes[:1]):
        pseudotime, weights, *_ = lineage.whole
        weights = np.asarray(weights, dtype=float)
        fitted_weights = np.zeros(len(weights))  # with thresholds applied
        fitted_weights[lineage.cells] = lineage.weights
        beyond = ~((pseudotime >= lineage.start) & (pseudotime <= lineage.end))
        drawn = np.where(beyond, weights, fitted_weights)
        read.append(lineage_cells.LineageCells(lineage.name, np.asarray(pseudotime), drawn, lineage.start, lineage.end))
    palette = stored_colors(adata, result.names, result.reader)
    return lineage_cells.plot_lineage(read, max_cells=max_cells, palette=palette, figsize=figsize, dpi=dpi)
