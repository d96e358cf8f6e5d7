"""The pictures of a fitted TrendClusterer, as its methods; `plotting` draws them from arrays."""

from __future__ import annotations

from sklearn.utils.validation import check_is_fitted

from .annotations import covariate_strips
from .tables import top_order


class Views:
    """The part of TrendClusterer that draws what it found."""

    def plot(
        self, clusters=None, adata=None, covariate_key=None, *, ratio=0.05, cmap="viridis", ncols=3, sharey=False,
        figsize=None, dpi=None,
    ):  # fmt: skip
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
        strips = []
        if covariate_key is not None:
            if adata is None:
                raise ValueError("covariate_key needs the cells: pass adata= as well (a fitted clusterer holds none).")
            strips = covariate_strips(
                adata, covariate_key, self.pseudotime_, self.grid_lineage_, time_key=self.time_key,
                lineage_key=self.lineage_key, backward=self.backward, weight_threshold=self.weight_threshold, cmap=cmap,
            )  # fmt: skip
        scale = self.scale if isinstance(self.scale, str) else ""
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
            ylabel={"zscore": "scaled expression (z)", "minmax": "scaled expression (0-1)"}.get(scale, "expression"),
            strips=strips,
            ratio=ratio,
        )
