"""Figures of the cells of a fit: lineage weights over pseudotime, and module scores on an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnknownNameError, counted, did_you_mean
from ..lineage.annotations import stored_colors
from ..lineage.lineage import check_anndata
from ..results import module_scores
from ..results.result import FitResult, Fitted, result_of
from ..utils.documenting import parameters_as
from . import embedding, lineage_cells
from .parts.captions import own_labels

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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
    scores = module_scores.transform(result, adata)
    chosen = range(result.n_clusters) if clusters is None else np.atleast_1d(np.asarray(clusters)).tolist()
    for cluster in chosen:
        if cluster not in range(result.n_clusters):
            raise ValueError(f"There is no cluster {cluster!r}; the clusters are {list(range(result.n_clusters))}.")
    names = own_labels(labels, result.cluster_names)
    sizes = np.bincount(result.labels[result.labels >= 0], minlength=result.n_clusters)
    prefix = "cluster " if labels is None else ""
    titles = [f"{prefix}{names[cluster]} ({counted(sizes[cluster], 'gene')})" for cluster in chosen]
    return embedding.plot_embedding(
        np.asarray(adata.obsm[key]), scores[:, list(chosen)], titles, axes_label=key.removeprefix("X_"), cmap=cmap,
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
