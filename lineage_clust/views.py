"""The pictures of a fitted TrendClusterer, as its methods; `plotting` draws them from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .errors import UnknownNameError, did_you_mean
from .lineage.annotations import read_annotations
from .plotting.covariates import covariate_strips
from .results.gating import Gate
from .results.tables import top_order

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Views:
    """The part of TrendClusterer that draws what it found."""

    def plot(
        self,
        clusters: Sequence[int] | None = None,
        adata: AnnData | None = None,
        covariate_key: str | Sequence[str] | None = None,
        *,
        ratio: float = 0.05,
        cmap: Any = "viridis",
        ncols: int = 3,
        sharey: bool | str = False,
        figsize: tuple[float, float] | None = None,
        dpi: int | None = None,
    ) -> Figure:
        """Draw one panel a cluster: every gene's scaled trend, the cluster's mean and a band of one standard deviation.

        Parameters
        ----------
        clusters : sequence of int, default=None
            Which clusters, in which order; `None` = all.
        adata : AnnData, default=None
            Where the covariates of the cells are, if `covariate_key` is given.
        covariate_key : str or sequence of str, default=None
            obs keys that are drawn as strips under every panel, on its time axis: the lineage-weighted mean of numbers,
            the locally dominant one of categories.
        ratio : float, default=0.05
            Height of a strip, in heights of a panel.
        cmap : str, default="viridis"
            Colour map of numeric covariates.
        ncols : int, default=3
            Panels a row, at most.
        sharey : bool or {"row", "col", "all", "none"}, default=False
            Whether panels share the y axis.
        figsize : (float, float), default=None
            Inches; `None` = by the number of panels.
        dpi : int, default=None
            Dots per inch.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ValueError
            If a cluster is not there, there is none, or covariates are asked for without `adata`.
        """
        from .plotting import plot_clusters

        check_is_fitted(self)
        strips = self._strips(adata, covariate_key, cmap)
        return plot_clusters(
            self.scaled_trends_,
            self.labels_,
            self.pseudotime_,
            genes=self.genes_,
            grid_lineage=self.grid_lineage_,
            importance=top_order(self.gene_table_),
            clusters=clusters,
            ncols=ncols,
            sharey=sharey,
            figsize=figsize,
            dpi=dpi,
            ylabel=self._value_label(),
            strips=strips,
            ratio=ratio,
        )

    def plot_heatmap(
        self,
        genes: Sequence[str] | None = None,
        adata: AnnData | None = None,
        covariate_key: str | Sequence[str] | None = None,
        clusters: Sequence[int] | None = None,
        *,
        label_genes: Sequence[str] | int | None = None,
        cmap: Any = None,
        ax: Axes | None = None,
        figsize: tuple[float, float] | None = None,
        dpi: int | None = None,
    ) -> Axes:
        """Draw scaled trends as rows of colours, ordered by cluster and by peak.

        Parameters
        ----------
        genes : sequence of str, default=None
            Which genes; `None` = all that are in a cluster.
        adata : AnnData, default=None
            Where the covariates of the cells are, if `covariate_key` is given.
        covariate_key : str or sequence of str, default=None
            obs keys that are drawn as bars above the rows, as in :meth:`plot`.
        clusters : sequence of int, default=None
            Which clusters, in which order; `None` = all. -1 stands for the genes that are not assigned.
        label_genes : sequence of str or int, default=None
            Genes to name; or how many at most; `None` = as many as there is room for, those that the trend explains
            best first.
        cmap : str or Colormap, default=None
            Of the trends; `None` = "RdBu_r" around 0 for z-scores, else "viridis".
        ax : matplotlib.axes.Axes, default=None
            Where the rows are drawn; `None` = a new figure.
        figsize : (float, float), default=None
            Inches of a new figure; `None` = by the number of genes.
        dpi : int, default=None
            Dots per inch of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        UnknownNameError
            If a gene was not fitted, or one to be named is not drawn.
        ValueError
            If a cluster is not there, there is none, or covariates are asked for without `adata`.
        """
        from .plotting import plot_heatmap

        check_is_fitted(self)
        rows = np.arange(len(self.genes_)) if genes is None else self._rows_of(genes)
        if genes is not None and clusters is None:
            clusters = sorted(set(self.labels_[rows].tolist()), key=lambda label: (label < 0, label))
        scaled = self.scaled_trends_
        two_sided = self.scale != "minmax" and self.scale is not None and scaled.min() < 0 < scaled.max()
        return plot_heatmap(
            scaled[rows],
            self.labels_[rows],
            self.pseudotime_,
            [self.genes_[row] for row in rows],
            grid_lineage=self.grid_lineage_,
            clusters=clusters,
            n_clusters=self.n_clusters_,
            label_genes=self._named(label_genes),
            importance=top_order(self.gene_table_)[rows],
            strips=self._strips(adata, covariate_key),
            center=0.0 if two_sided else None,
            cmap=cmap,
            value_label=self._value_label(),
            ax=ax,
            figsize=figsize,
            dpi=dpi,
        )

    def plot_genes(
        self,
        genes: str | Sequence[str],
        adata: AnnData | None = None,
        lineages: str | Sequence[str] | None = None,
        *,
        ncols: int = 4,
        sharey: bool = False,
        max_cells: int = 3000,
        ax: Axes | Sequence[Axes] | None = None,
        figsize: tuple[float, float] | None = None,
        dpi: int | None = None,
    ) -> Figure:
        """Draw the trends of genes with their 95 % intervals, one panel a gene, all lineages together.

        Parameters
        ----------
        genes : str or sequence of str
            Which genes, in which order.
        adata : AnnData, default=None
            The cells that were fitted; they are drawn, the darker the more they belong to the lineage.
        lineages : str or sequence of str, default=None
            Which of several lineages; `None` = all.
        ncols : int, default=4
            Panels a row, at most.
        sharey : bool, default=False
            Whether panels share the y axis.
        max_cells : int, default=3000
            Of more cells of a lineage, this many are drawn, chosen at random.
        ax : Axes or sequence of Axes, default=None
            One a gene; `None` = a new figure.
        figsize : (float, float), default=None
            Inches of a new figure; `None` = by the number of genes.
        dpi : int, default=None
            Dots per inch of a new figure.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        UnknownNameError
            If a gene or lineage was not fitted.
        ValueError
            If no gene is given, or none of them has a trend.
        """
        from .plotting import plot_gene_trends

        check_is_fitted(self)
        genes = self._named(_names(genes))
        trends = self.models_
        if adata is not None:
            known = [gene for gene in genes if gene in trends]  # an unknown one is reported below
            names = self.lineage_ if isinstance(self.lineage_, list) else [self.lineage_]
            cells = [self._read(adata, name, known) for name in names] if known else None
            trends = trends.with_data(cells, self._prepare_kwargs())
        return plot_gene_trends(
            trends,
            genes,
            clusters=dict(zip(self.genes_, self.labels_.tolist(), strict=True)),
            lineages=lineages,
            max_cells=max_cells,
            ncols=ncols,
            sharey=sharey,
            ax=ax,
            figsize=figsize,
            dpi=dpi,
        )

    def plot_graph(
        self,
        ax: Axes | None = None,
        label_hubs: int | Sequence[str] = 5,
        *,
        seed: int = 0,
        figsize: tuple[float, float] | None = None,
        dpi: int | None = None,
    ) -> Axes:
        """Draw the graph of genes that was cut into clusters.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; `None` = a new figure.
        label_hubs : int or sequence of str, default=5
            How many hubs of a cluster are named at most, those with the strongest ties within it, as far as their names
            do not overlap; or the genes to name.
        seed : int, default=0
            Of the layout.
        figsize : (float, float), default=None
            Inches of a new figure.
        dpi : int, default=None
            Dots per inch of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If the clusterer has no graph, or no gene was clustered.
        """
        from .plotting import plot_graph

        check_is_fitted(self)
        rows = self._clustered_rows()
        graph = self._of_clusterer("graph_", "graph of genes", "GraphClusterer()")
        return plot_graph(
            graph,
            self.labels_[rows],
            [self.genes_[row] for row in rows],
            label_hubs=self._named(label_hubs),
            n_clusters=self.n_clusters_,
            seed=seed,
            ax=ax,
            figsize=figsize,
            dpi=dpi,
        )

    def plot_stability(
        self, ax: Axes | None = None, *, figsize: tuple[float, float] | None = None, dpi: int | None = None
    ) -> Axes:
        """Draw how distinct the clusters are, by their number.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; `None` = a new figure.
        figsize : (float, float), default=None
            Inches of a new figure.
        dpi : int, default=None
            Dots per inch of a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If the clusterer has no stability curve, or no gene was clustered.
        """
        from .plotting import plot_stability

        check_is_fitted(self)
        curve = self._of_clusterer("stability_", "stability curve", 'GraphClusterer(resolution="auto")')
        return plot_stability(curve, ax=ax, figsize=figsize, dpi=dpi)

    def _strips(self, adata, covariate_key, cmap="viridis") -> list:
        """Return the strips of covariates."""
        if covariate_key is None:
            return []
        if adata is None:
            raise ValueError("covariate_key needs the cells: pass adata= as well (a fitted clusterer holds none).")
        annotations = read_annotations(
            adata, covariate_key, dict.fromkeys(self.grid_lineage_), time_key=self.time_key,
            lineage_key=self.lineage_key, backward=self.backward, weight_threshold=self.weight_threshold,
        )  # fmt: skip
        return covariate_strips(annotations, self.pseudotime_, self.grid_lineage_, cmap)

    def _value_label(self) -> str:
        scale = self.scale if isinstance(self.scale, str) else ""
        return {"zscore": "scaled expression (z)", "minmax": "scaled expression (0-1)"}.get(scale, "expression")

    def _rows_of(self, genes) -> np.ndarray:
        """Return the rows of genes, or raise an error that says why one has none."""
        rows = {gene: row for row, gene in enumerate(self.genes_)}
        wanted = list(dict.fromkeys(self._named(_names(genes))))
        if not wanted:
            raise ValueError("genes is empty. Name at least one, or pass None for all.")
        for gene in wanted:
            if gene in self.failed_:
                raise UnknownNameError(f"{gene!r} has no trend: {self.failed_[gene]}")
            if gene not in rows:
                raise UnknownNameError(f"There is no trend of {gene!r}: it was not fitted.{did_you_mean(gene, rows)}")
        return np.array([rows[gene] for gene in wanted])

    def _named(self, genes):
        """Return the names by which genes go in the results, of genes that may be given by their identifiers."""
        ids = getattr(self, "_gene_ids", None)
        if ids is None or not isinstance(genes, (list, tuple, np.ndarray)):
            return genes
        names = {gene_id: name for name, gene_id in ids.items()}
        return [gene if gene in ids else names.get(gene, gene) for gene in genes]

    def _clustered_rows(self) -> np.ndarray:
        """Return the rows that the clusterer was given: those that pass all bounds and are not constant."""
        gate = Gate(self.alpha, self.min_deviance_explained, self.min_range, self._pvalue_limit)
        passed = (np.ptp(self.scaled_trends_, axis=1) > 0) & gate.passes(self.gene_table_)
        if not passed.any():
            raise ValueError(
                "There is nothing to draw: no gene was clustered. Look at gene_table_, or fit with alpha=None."
            )
        return np.flatnonzero(passed)

    def _of_clusterer(self, attribute: str, what: str, instead: str):
        """Return a result that not every clusterer has, or raise an error that says which one has it."""
        self._clustered_rows()
        found = getattr(self.clusterer_, attribute, None)
        if found is None:
            raise ValueError(f"{type(self.clusterer_).__name__} has no {what} to draw. Fit with clusterer={instead}.")
        return found


def _names(genes) -> list:
    if isinstance(genes, str):
        return [genes]
    if np.ndim(genes) != 1:
        raise TypeError(f"genes must be a name or a sequence of names; got {genes!r}.")
    return list(genes)
