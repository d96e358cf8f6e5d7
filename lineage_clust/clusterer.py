"""TrendClusterer, which combines reading, fitting and clustering."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import metadata_routing

from .io import exports, gene_lists, results
from .io.files import persistence
from .lineage.cells.labels import labels_may_come_second
from .lineage.lineage import check_anndata
from .plotting import views
from .report.page import write_report
from .results import predicting
from .results.cells import held_out_deviance, module_scores
from .results.making import make_result
from .results.result import result_of
from .settings import FittedAttributes, Settings
from .utils.constraints import check_constraints
from .utils.output import wanted_output
from .utils.types import Names

if TYPE_CHECKING:
    from anndata import AnnData


class TrendClusterer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, FittedAttributes, Settings):
    """Fit one smooth expression trend per gene along a lineage, and cluster the genes by the shape of their trends.

    Parameters
    ----------
    model : estimator or mapping, default=None
        Fits all genes on the smoother's design; `None` = :class:`~lineage_clust.GAM`. Any scikit-learn regressor or
        pipeline works. `{gene: {lineage: model}}`, with "*" as wildcard at either level, sets models per gene of `adata`.
    smoother : transformer or "passthrough", default=None
        Basis and penalty for pseudotime; `None` = :class:`~lineage_clust.BSplineSmoother`, or "passthrough" (the model
        reads pseudotime) if the model is a pipeline.
    clusterer : clusterer, default=None
        Clusters the scaled trends; `None` = :class:`~lineage_clust.GraphClusterer`. Any scikit-learn
        clusterer works.
    genes : sequence of str, default=None
        Genes to fit; `None` = all. `fit(genes=)` overrides it. In a pipeline or a parameter search, set it here.
    lineage : str or list of str, default=None
        Lineage to fit; `None` = the only lineage. "A, B" is A and B together, with the sum of their weights. With a
        list, the trends along several lineages are clustered jointly.
    time_key : str or list of str, default=None
        Key of pseudotime in obs or obsm; `None` = the keys of common tools. A list contains draws of an uncertain
        pseudotime (bootstrap samples, seeds, methods): columns of obs, or one or more matrices in obsm whose columns are
        draws, such as `["time_draws"]`. Each draw is rescaled to 0..1 over the cells of the lineage and fitted. Trends
        are the mean of the fits. Standard errors, intervals and posterior samples include the variance between the fits
        (Rubin's rules), and p-values are combined. Requires :class:`~lineage_clust.GAM`.
    lineage_key : str or list of str, default=None
        Key of lineage weights: a matrix in obsm, a column of obs with weights, booleans or names of branches, or a list
        of columns of obs, one per lineage; `None` = the keys of common tools.
    layer : str, default=None
        Layer with the expression; `None` = `X`.
    use_raw : bool, default=False
        Whether to read `adata.raw`.
    backward : bool, default=False
        Whether to use CellRank's backward keys.
    time_range : None, float or (float, float), default=None
        Range of pseudotime: its end, or start and end (each may be `None`). It is never clipped to the cells.
    endpoint : {"plateau", "argmax"}, default="plateau"
        Rule for an automatic range. "plateau": it ends at the last cell that belongs to the lineage, i.e. has at least
        half of the lineage's highest weight. It starts at the first cell, or at the first with a positive weight if that
        is later by more than a tenth of pseudotime. "argmax" (CellRank's rule): from the first cell to the first time at
        which the smoothed weight is largest.
    endpoint_threshold : float, default=None
        Only cells with at least this weight determine the end; `None` = half of the lineage's highest weight, or the
        median weight for "argmax".
    weight_threshold : float or (float, float), default=(0.01, 0)
        `(a, b)`: weights below `a` are set to `b`. With `b > 0`, cells outside the lineage take part, and can outweigh
        the cells of a rare lineage.
    filter_cells : float, default=None
        For each gene, cells with at most this expression are excluded.
    gene_symbols : str, default=None
        Column of `adata.var` (or `adata.raw.var`) with the gene names used in all results, if `var_names` are
        identifiers such as those of Ensembl; `None` = `var_names`. Duplicated symbols are made unique as in anndata
        ("A", "A-1"); a gene without a symbol keeps its identifier. `genes` accepts both. In other cells, fitted genes
        are found by their identifiers.
    covariates : sequence of str, default=None
        obs keys of unpenalised terms. Trends are predicted at their weighted mean.
    offset : str, array of shape (n_cells,) or None, default="auto"
        Known term of the linear predictor: an obs key, "size_factors" or an array; `None` = no offset. "size_factors"
        is the log of each cell's total over all genes of `adata` (of the layer), minus its weighted mean. "auto" uses
        size factors if counts of a `layer` are modelled (families "poisson" and "negative_binomial" with a log link),
        else no offset. Trends are predicted at offset 0: with size factors, they are counts in a cell of average depth.
    n_points : int, default=200
        Number of grid points per lineage.
    scale : {"zscore", "minmax"}, None or transformer, default="zscore"
        Scaling of trends before clustering.
    alpha : float, default=0.01
        A gene is clustered only if its trend changes significantly (q-value below `alpha`). `None` clusters all genes
        whose fit converged and explains more than a constant. If the number of clusters is estimated, a cluster is left
        out if all its genes may be false discoveries; `note` in `gene_table_` marks these genes.
    min_deviance_explained : float, default=None
        A gene is clustered only if its trend explains at least this fraction of the deviance.
    min_range : float, default=None
        A gene is clustered only if its trend changes by at least this much, in units of expression.
    callback : callable or mapping, default=None
        `(trend, **prepare_kwargs) -> prepared trend`, which selects the cells of a gene, see
        :class:`lineage_clust.GeneTrend`; or `{gene: {lineage: callback}}` with "*" as wildcard.
    n_jobs : int, default=None
        Number of parallel jobs for computations per gene.
    backend : str, default="loky"
        joblib backend; the default can be changed by `joblib.parallel_config`.
    random_state : int, RandomState or None, default=None
        Seed for components without a seed of their own.
    show_progress_bar : bool, default=False
        Whether to show progress bars.
    memory_budget : int or str, default=None
        Expression in a file (`backed="r"`, zarr) that is larger than this, in bytes or as "500MB", stays there and is
        read in blocks that fit; `None` = 256 MB. dask arrays are never collected.
    sample_key : str, default=None
        obs key of the donor (animal, patient, sample) of each cell; at least four donors are required. Donors are then
        the replicates: p-values, standard errors, posterior samples and all results computed from them (selection of
        genes, confidence, intervals of shapes) refer to the population from which donors are sampled. Requires
        :class:`~lineage_clust.models.GAM`, without an expectile. `None` = cells are the replicates.

    Attributes
    ----------
    genes_ : list of str
        Genes with a trend, in input order.
    gene_ids_ : list of str
        Entries of `var_names` of these genes; identical to `genes_` without `gene_symbols`.
    failed_ : dict of str to str
        Reasons by gene, for genes without a trend.
    lineage_ : str, None or list of str
        The lineage(s).
    n_cells_ : int or dict of str to int
        Number of cells inside the time range with positive weight; with several lineages, by name.
    cell_density_ : ndarray of shape (n_points,)
        Density of cells: total weight of the cells nearest to each grid point, in cells.
    gene_location_, gene_scale_ : ndarray of shape (n_genes,)
        Location and scale removed by scaling: for z-scores, mean and standard deviation over the grid.
    pseudotime_ : ndarray of shape (n_points,)
        The grid, in units of pseudotime; several lineages are concatenated.
    grid_lineage_ : ndarray of str, shape (n_points,)
        The lineage of each grid point.
    trends_, trend_se_ : ndarray of shape (n_genes, n_points)
        Trends on the response scale, and their standard errors (`None` if the model has none).
    scaled_trends_ : ndarray of shape (n_genes, n_points)
        Scaled trends, the input of the clusterer.
    labels_ : ndarray of int, shape (n_genes,)
        Cluster of each gene, numbered by the peak time of the cluster's mean trend; -1 = not assigned.
    n_clusters_ : int
        Number of clusters.
    cluster_centers_ : ndarray of shape (n_clusters, n_points)
        Mean scaled trends.
    cluster_names_ : list of str
        Name of each cluster in the tree, which is the same at every level: "0", "1", ... after `fit`. After `cut` into
        more clusters, the parts of cluster 2 are "2.1" and "2.2", the earlier one first; after `cut` into fewer, "0+1"
        is the union of clusters 0 and 1, and "0-3" that of 0 to 3.
    tree_ : ClusterTree
        The tree of clusters of a GraphClusterer, with SciPy's `linkage`; its rows are the clustered genes.
    tree_table_ : DataFrame
        One row per node of the tree: name, parent, number at the current level (-1 above and below it), support and
        height of its split, and the columns of `cluster_table_`.
    gene_table_ : DataFrame
        One row per gene: cluster, cluster_name, confidence, agreement, edf, deviance_explained, pvalue, qvalue, peak,
        onset, half_max, half_max_flank, half_back, direction, amplitude, converged, lambda, note.

        - `confidence` is the proportion of posterior samples in which the gene is nearest to its own cluster: how
          reproducible this is, not how probably correct. `agreement` is the correlation with the mean trend of the cluster.
        - `direction` is "up", "down", "transient up", "transient down", "up-down-up", "down-up-down", "two peaks", "two
          dips", "three peaks", "three dips", "complex" or "flat". `onset` and `half_max` are the times at which the trend
          has first changed by 10 % and 50 % of its range (`amplitude`), "rising" or "falling" by `half_max_flank`.
          `half_back` is the time at which a transient trend has returned by half of its range.
        - If the model has a posterior, `peak_lower`, `peak_upper` and so on are 90 % intervals, and `direction_confidence`
          is the proportion of posterior samples with the same direction.
        - With several lineages, columns of one lineage have its name as suffix. Those without suffix are of the lineage in
          which the range is largest (`moves_most_in`). `changes_in` names the lineages in which it is at least a third of
          that. For draws of pseudotime, `attenuation` estimates, from differences between draws, the fraction by which the
          uncertainty of pseudotime reduces the range of the trend.

        This table and `cluster_table_` are computed on first access, because `fit` does not need their posterior samples.
    cluster_table_ : DataFrame
        One row per cluster: name, size, direction ("mixed" if less than two thirds of the genes share it) and the
        proportion of genes that share it, times as for genes, amplitude, confidence, mean deviance explained, and the
        genes that the mean trend explains best. With several lineages: direction and times in each, and the lineages in
        which the cluster changes, as names (`changes_in`) and in words (`specificity`: "only Ery", "Ery and Mono", "all").
    model_, smoother_, clusterer_ : fitted components
        With several lineages, `model_` and `smoother_` are dictionaries by lineage; with models by gene, by gene.
    models_ : mapping of str to mapping of str to GeneTrend
        Gene -> lineage -> :class:`lineage_clust.GeneTrend` (or a falsy `FailedTrend`), built on access.
    feature_names_in_ : ndarray of str
        Names of the genes of the AnnData seen in `fit`.

    Notes
    -----
    Without `sample_key`, p-values treat cells as replicates, not donors or animals. They do not show that a trend would
    replicate in other animals or patients.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> tc = lc.TrendClusterer(random_state=0).fit(adata, lineage="Ery")
    >>> tc.trends_.shape
    (240, 200)
    >>> tc.transform(adata).shape == (adata.n_obs, tc.n_clusters_)
    True
    """

    # AnnData arrives as the first positional argument, whatever its name: it is data and not metadata.
    __metadata_request__fit = {"adata": metadata_routing.UNUSED}
    __metadata_request__transform = {"adata": metadata_routing.UNUSED}
    __metadata_request__predict = {"adata": metadata_routing.UNUSED}
    __metadata_request__score = {"adata": metadata_routing.UNUSED}

    # Plotting, prediction and export are functions of the result, used as methods with the same arguments.
    predict = predicting.predict
    trends_for = predicting.trends_for
    cut = predicting.cut
    plot = views.plot
    plot_heatmap = views.plot_heatmap
    plot_genes = views.plot_genes
    plot_tree = views.plot_tree
    plot_graph = views.plot_graph
    plot_stability = views.plot_stability
    plot_embedding = views.plot_embedding
    plot_lineage = views.plot_lineage
    gene_trends = exports.gene_trends
    genes_by_cluster = gene_lists.genes_by_cluster
    write_gene_lists = gene_lists.write_gene_lists
    to_frame = exports.to_frame
    to_anndata = results.to_anndata
    write_to = results.write_to
    report = write_report
    save = persistence.save

    @labels_may_come_second
    def fit(self, adata: AnnData, genes: Sequence[str] | None = None, lineage: Names = None) -> Self:
        """Fit the trends and cluster them.

        Parameters
        ----------
        adata : AnnData of shape (n_cells, n_genes)
            Expression, pseudotime and fate probabilities. It is not modified.
        genes : sequence of str, default=None
            Overrides the constructor's `genes`. Labels of the cells are ignored if pipelines and searches pass them as
            second positional argument or as `y=`: a Series indexed by the cells, or one value per cell that is not the
            name of a gene. Ambiguous values raise an error; `genes=` is always interpreted as genes.
        lineage : str or list of str, default=None
            Overrides the constructor's `lineage`.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If `adata` is not an AnnData, `genes` is a string, or a component lacks required methods.
        UnknownNameError
            If a gene, key or lineage is missing (a `KeyError` and a `ValueError`; the message suggests close matches).
        ValueError
            If a parameter is invalid, or no cells remain to fit.
        NoTrendError
            If every gene fails (a `ValueError`).
        """
        check_constraints(self)
        check_anndata(adata)
        result = make_result(self, adata, genes, lineage)
        # nothing can fail from here on, so that an earlier fit is replaced completely or not at all
        self._result = result
        self.feature_names_in_, self.n_features_in_ = np.asarray(adata.var_names, dtype=object), adata.n_vars
        return self

    def fit_transform(
        self, adata: AnnData, y: Any = None, genes: Sequence[str] | None = None, lineage: Names = None
    ) -> np.ndarray:
        """Fit and return the module scores of the cells.

        Parameters
        ----------
        adata : AnnData of shape (n_cells, n_genes)
            As in `fit`.
        y : None
            Ignored; pipelines pass the labels of the cells here.
        genes, lineage
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_cells, n_clusters)
        """
        return self.fit(adata, genes=genes, lineage=lineage).transform(adata)

    @labels_may_come_second
    def fit_predict(self, adata: AnnData, genes: Sequence[str] | None = None, lineage: Names = None) -> np.ndarray:
        """Fit and return the cluster of each gene.

        Parameters
        ----------
        adata, genes, lineage
            As in `fit`.

        Returns
        -------
        ndarray of int, shape (n_genes,)
            `labels_` of the genes with a trend, in the order of `genes_`; -1 = not assigned.

        Examples
        --------
        >>> import lineage_clust as lc
        >>> tc = lc.TrendClusterer(random_state=0)
        >>> labels = tc.fit_predict(lc.datasets.bone_marrow(), lineage="Ery")
        >>> len(labels) == len(tc.genes_)
        True
        """
        return self.fit(adata, genes=genes, lineage=lineage).labels_

    def transform(self, adata: AnnData) -> np.ndarray:
        """Return a score per cell and cluster: the mean standardised expression of the cluster's genes.

        Parameters
        ----------
        adata : AnnData of shape (n_cells, n_genes)
            The same or other cells with the same genes.

        Returns
        -------
        ndarray of shape (n_cells, n_clusters)

        Raises
        ------
        ValueError
            If there are no clusters, or clustered genes are missing.
        """
        scores = module_scores(result_of(self), adata)
        # scikit-learn sets the column names; the names of the cells are set here
        return pd.DataFrame(scores, index=adata.obs_names) if wanted_output(self) == "pandas" else scores

    def score(self, adata: AnnData, y: Any = None) -> float:
        """Return the proportion of held-out deviance explained by the mean trends of the clusters.

        Parameters
        ----------
        adata : AnnData
            Cells that were not fitted.
        y : None
            Ignored.

        Returns
        -------
        float
            See :func:`lineage_clust.scoring.trend_deviance`. Use it to rank models and smoothers, not numbers of clusters.
        """
        return held_out_deviance(result_of(self), adata)

    @classmethod
    def load(cls, path: str | Path, *, max_bytes: int | str | None = None) -> Self:
        """Load a TrendClusterer written by :meth:`save`; untrusted files cannot run code or exhaust memory.

        Parameters
        ----------
        path : str or path
            Path of the file, written by this or an earlier release.
        max_bytes : int or str, default=None
            Maximum memory of the content, in bytes or as "2GB", which is checked before unpacking; `None` = 20 times
            the size of the file, which regular files do not reach, and at least 256 MiB.

        Returns
        -------
        TrendClusterer

        Raises
        ------
        ValueError
            If the file has another format, is damaged, incomplete, of a newer format or larger than `max_bytes`, or if
            its content is inconsistent with a fit.
        """
        return persistence.load(cls, path, max_bytes)

    @property
    def _n_features_out(self) -> int:
        return result_of(self).n_clusters

    def __sklearn_is_fitted__(self) -> bool:
        return "_result" in self.__dict__

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.sparse = True
        tags.requires_fit = True
        return tags
