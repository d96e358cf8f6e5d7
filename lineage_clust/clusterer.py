"""TrendClusterer: reads, fits, clusters; it composes the parts and holds no mathematics."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, metadata_routing
from sklearn.utils.validation import check_is_fitted

from . import components
from .contracts.slots import with_defaults
from .errors import LineageClustWarning, UnknownNameError
from .io.exports import Exports
from .lineage.gene_names import FittedSymbols, gene_ids
from .lineage.labels_of_cells import labels_may_come_second
from .lineage.lineage import check_anndata, read_lineage, resolve_genes
from .lineage.lineage_keys import check_distinct
from .lineage.value_checks import check_values
from .models.mapping import entries
from .results import module_scores
from .results.assigning import assign
from .results.gating import Gate, check_gate, warn_of_unsuccessful
from .results.own_labels import one_a_row, own_labels
from .results.tables import cluster_table, deciding_table, order_clusters
from .results.tabulating import Tables, can_wait
from .trends import drawing
from .trends.gene_trends import GeneTrends
from .trends.group_fit import fixed_basis
from .trends.lineage_fit import fit_trends
from .trends.pairing import families, resolve_pair
from .trends.trends import check_scale, concatenate
from .utils.checking import check_flag, check_jobs, check_number, check_seed
from .utils.memory import check_points
from .utils.progress import bar, progress_bars
from .utils.threads import few_threads
from .utils.types import Names, Predicted, Seed, TimeRange, WeightThreshold
from .views import Views

if TYPE_CHECKING:
    from anndata import AnnData

    from .lineage.lineage import Lineage
    from .trends.trends import Trends


_log = logging.getLogger(__name__)
_AS_FITTED: Any = object()


class TrendClusterer(Views, Exports, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Fit one smooth expression trend per gene along a lineage, and group the genes whose trends go together.

    Parameters
    ----------
    model : estimator or mapping, default=None
        Fits all genes on the smoother's design; `None` = :class:`~lineage_clust.models.GAM`. Any scikit-learn regressor
        or pipeline works. `{gene: {lineage: model}}`, with "*" as wildcard at either level, gives genes their own.
    smoother : transformer or "passthrough", default=None
        Basis and penalty for pseudotime; `None` = :class:`~lineage_clust.smoothers.BSplineSmoother`, or "passthrough" (the
        model sees pseudotime itself) if the model is a pipeline.
    clusterer : clusterer, default=None
        Groups the scaled trends; `None` = :class:`~lineage_clust.clusterers.GraphClusterer`. Any scikit-learn
        clusterer works.
    genes : sequence of str, default=None
        Genes to fit; `None` = all. `fit(genes=)` overrides it. Under a pipeline or a search, set it here.
    lineage : str or list of str, default=None
        Lineage to fit; `None` = the only one there is. "A, B" is A and B together, their weights being added. A list
        clusters the concatenated trends of several lineages.
    time_key : str, default=None
        Where pseudotime is, in obs or obsm; `None` = found by the names of the usual tools.
    lineage_key : str or list of str, default=None
        Where lineage weights are: a matrix in obsm, a column of obs with weights, True and False, or the names of
        branches, or a list of columns of obs, one a lineage; `None` = found by the names of the usual tools.
    layer : str, default=None
        Layer with the expression; `None` = `X`.
    use_raw : bool, default=False
        Whether to read `adata.raw`.
    backward : bool, default=False
        Whether to look for CellRank's backward keys.
    time_range : None, float or (float, float), default=None
        Range of pseudotime: its end, or start and end (each may be `None`). It is never clipped to the cells.
    endpoint : {"plateau", "argmax"}, default="plateau"
        Rule for an automatic end: the last of the lineage's own cells, those with at least half of its highest weight,
        or the time at which the smoothed weight is largest for the first time (CellRank's rule).
    endpoint_threshold : float, default=None
        Only cells with at least this weight decide on the end; `None` = half of the lineage's highest weight, and with
        "argmax" the median weight.
    weight_threshold : float or (float, float), default=(0.01, 0)
        `(a, b)`: weights below `a` become `b`. With `b > 0`, cells that do not belong take part, and outweigh the own
        cells of a rare lineage.
    filter_cells : float, default=None
        Cells in which a gene's expression is at most this are left out for that gene.
    gene_symbols : str, default=None
        Column of `adata.var` (or `adata.raw.var`) with the names by which genes go in all results, where `var_names`
        are identifiers such as those of Ensembl; `None` = `var_names`. Symbols that several genes share are made unique
        as anndata does ("A", "A-1"), a gene without one goes by its identifier. `genes` takes both. In other cells,
        fitted genes are found by their identifiers.
    covariates : sequence of str, default=None
        obs keys of unpenalised terms; trends are predicted at their weighted average.
    offset : str or array of shape (n_cells,), default=None
        Known part of the linear predictor: an obs key, "size_factors" or an array. Trends are predicted at offset 0.
    n_points : int, default=200
        Number of grid points of a lineage.
    scale : {"zscore", "minmax"}, None or transformer, default="zscore"
        How trends are made comparable before they are clustered.
    alpha : float, default=0.01
        A gene is clustered only if its trend changes significantly (q-value below `alpha`); `None` clusters all whose fit
        converged and explains more than a constant does.
    min_deviance_explained : float, default=None
        A gene is clustered only if its trend explains at least this share of the deviance.
    min_range : float, default=None
        A gene is clustered only if its trend changes by at least this much, in units of expression.
    callback : callable or mapping, default=None
        `(trend, **prepare_kwargs) -> prepared trend` chooses the cells of a gene, see :class:`lineage_clust.GeneTrend`;
        or `{gene: {lineage: callback}}` with "*" as wildcard.
    n_jobs : int, default=None
        Number of parallel jobs where work is per gene.
    backend : str, default="loky"
        joblib's backend for them; with the default, `joblib.parallel_config` around the call decides, if there is one.
    random_state : int, RandomState or None, default=None
        Seed for components that have none of their own.
    show_progress_bar : bool, default=False
        Whether long work shows a bar.
    memory_budget : int or str, default=None
        Expression in a file (`backed="r"`, zarr) that is larger than this, in bytes or as "500MB", stays there and is
        read in blocks that fit; `None` = 256 MB. What dask holds is never gathered.

    Attributes
    ----------
    genes_ : list of str
        Genes with a trend, in input order.
    gene_ids_ : list of str
        What `var_names` has for them: the same, unless there are `gene_symbols`.
    failed_ : dict of str to str
        Reason by gene, for genes without one.
    lineage_ : str, None or list of str
        The lineage(s).
    n_cells_ : int or dict of str to int
        Number of cells inside the time range with a positive weight; of several lineages, by name.
    gene_location_, gene_scale_ : ndarray of shape (n_genes,)
        What scaling took off each trend: its mean and standard deviation over the grid, for z-scores.
    pseudotime_ : ndarray of shape (n_points,)
        The grid, in units of pseudotime; of several lineages one after the other.
    grid_lineage_ : ndarray of str, shape (n_points,)
        The lineage of each grid point.
    trends_, trend_se_ : ndarray of shape (n_genes, n_points)
        Trends on the response scale, and their standard errors (`None` if the model has none).
    scaled_trends_ : ndarray of shape (n_genes, n_points)
        What is clustered.
    labels_ : ndarray of int, shape (n_genes,)
        Cluster of each gene, numbered by the peak time of the cluster's mean trend; -1 = not assigned.
    n_clusters_ : int
        Number of clusters.
    cluster_centers_ : ndarray of shape (n_clusters, n_points)
        Mean scaled trends.
    gene_table_ : DataFrame
        By gene: cluster, confidence, edf, deviance_explained, pvalue, qvalue, peak, onset, half_max, direction,
        amplitude, converged, lambda, note. `direction` is "up", "down", "transient up", "transient down", "complex" or
        "flat"; onset and half_max are when the trend has moved by 10 % and 50 % of its range (amplitude). If the model has
        a posterior, `peak_lower`, `peak_upper` and so on are 90 % intervals, and `direction_confidence` is the share of
        draws that go the same way. `confidence` is the share of draws in which the gene stays with its cluster: it says
        how reproducible the assignment is, not how probable it is that it is right. The table, and `cluster_table_`, are
        made when they are first looked at: `fit` ends before the draws that only they need.
    cluster_table_ : DataFrame
        By cluster: size, direction and the share of genes that follow it, peak, onset, half_max, amplitude, confidence,
        mean deviance explained, top genes. With several lineages: direction in each, `changes_in` and `specificity`.
    model_, smoother_, clusterer_ : fitted components
        With several lineages, `model_` and `smoother_` are dictionaries by lineage; with models by gene, by gene.
    models_ : mapping of str to mapping of str to GeneTrend
        Gene -> lineage -> :class:`lineage_clust.GeneTrend` (or a false `FailedTrend`), built when asked for.
    feature_names_in_ : ndarray of str
        Names of the genes of the AnnData seen in `fit`.

    Notes
    -----
    P-values treat cells as replicates; they are not replicates of donors, and say nothing about other animals or
    patients.

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

    def __init__(
        self,
        model: Any = None,
        smoother: Any = None,
        clusterer: Any = None,
        *,
        genes: Sequence[str] | None = None,
        lineage: Names = None,
        time_key: str | None = None,
        lineage_key: Names = None,
        layer: str | None = None,
        use_raw: bool = False,
        backward: bool = False,
        time_range: TimeRange = None,
        endpoint: str = "plateau",
        endpoint_threshold: float | None = None,
        weight_threshold: WeightThreshold = (0.01, 0.0),
        filter_cells: float | None = None,
        gene_symbols: str | None = None,
        covariates: Sequence[str] | None = None,
        offset: str | ArrayLike | None = None,
        n_points: int = 200,
        scale: Any = "zscore",
        alpha: float | None = 0.01,
        min_deviance_explained: float | None = None,
        min_range: float | None = None,
        callback: Any = None,
        n_jobs: int | None = None,
        backend: str = "loky",
        random_state: Seed = None,
        show_progress_bar: bool = False,
        memory_budget: int | str | None = None,
    ):
        self.model = model
        self.smoother = smoother
        self.clusterer = clusterer
        self.genes = genes
        self.lineage = lineage
        self.time_key = time_key
        self.lineage_key = lineage_key
        self.layer = layer
        self.use_raw = use_raw
        self.backward = backward
        self.time_range = time_range
        self.endpoint = endpoint
        self.endpoint_threshold = endpoint_threshold
        self.weight_threshold = weight_threshold
        self.filter_cells = filter_cells
        self.gene_symbols = gene_symbols
        self.covariates = covariates
        self.offset = offset
        self.n_points = n_points
        self.scale = scale
        self.alpha = alpha
        self.min_deviance_explained = min_deviance_explained
        self.min_range = min_range
        self.callback = callback
        self.n_jobs = n_jobs
        self.backend = backend
        self.random_state = random_state
        self.show_progress_bar = show_progress_bar
        self.memory_budget = memory_budget

    @labels_may_come_second
    def fit(self, adata: AnnData, genes: Sequence[str] | None = None, lineage: Names = None) -> Self:
        """Fit the trends and cluster them.

        Parameters
        ----------
        adata : AnnData of shape (n_cells, n_genes)
            Expression, pseudotime and fate probabilities. It is not changed.
        genes : sequence of str, default=None
            Overrides the constructor's `genes`. By position, labels of the cells may come in its place, as pipelines and
            searches of scikit-learn hand them over (`y`), and are ignored: a Series indexed by the cells, or one value
            a cell that is no name of a gene. What could be either is refused; `genes=` is always genes.
        lineage : str or list of str, default=None
            Overrides the constructor's `lineage`.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If `adata` is not an AnnData, `genes` is one string, or a component does not fit its slot.
        UnknownNameError
            If a gene, key or lineage is not there (a `KeyError` and a `ValueError`; close matches are offered).
        ValueError
            If a parameter is wrong, or there is nothing to fit.
        NoTrendError
            If every gene fails (a `ValueError`).
        """
        self._check_parameters()
        check_anndata(adata)
        chosen = self.lineage if lineage is None else lineage
        several = isinstance(chosen, (list, tuple))
        names: list = _unique_names(chosen) if several else [chosen]
        check_distinct(adata, names, self.lineage_key)
        smoother, model = resolve_pair(self.smoother, self.model, covariates=self.covariates, offset=self.offset)
        clusterer = with_defaults(components.resolve("clusterer", self.clusterer), random_state=self.random_state)
        model = with_defaults(model, random_state=self.random_state)
        self._check_callback()
        symbols = self.gene_symbols
        genes = resolve_genes(adata, self.genes if genes is None else genes, use_raw=self.use_raw, gene_symbols=symbols)
        ids = None if symbols is None else gene_ids(adata, genes, self.use_raw, symbols)
        check_points(self.n_points, len(genes) * len(names))
        lineages = [self._read(adata, name, genes, symbols=symbols) for name in names]
        check_values(adata, lineages, families(self.model), layer=self.layer, use_raw=self.use_raw, offset=self.offset)
        fits = [self._fit_lineage(one, smoother, model) for one in lineages]
        names = [one.name for one in lineages]
        trends = concatenate([fit.trends for fit in fits], names) if several else fits[0].trends
        scaled, table = trends.scaled(self.scale), deciding_table(trends)
        gate = Gate(self.alpha, self.min_deviance_explained, self.min_range).calibrated(table)
        passed = gate.passes(table)
        warn_of_unsuccessful(table)
        # a constant trend goes with no other: scaled, it is the origin, the nearest neighbour of all noise
        grouped = np.flatnonzero(passed & (np.ptp(scaled, axis=1) > 0))
        if len(grouped) == 0:
            constant = f"the {int(passed.sum())} trends that could be are constant. Look at gene_table_."
            reason = constant if passed.any() else gate.why_none(table)
            warnings.warn(f"No gene is clustered: {reason}", LineageClustWarning, stacklevel=3)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        draws = self._draws(fits, lineages, smoother, model, trends, seed)
        labels, order = self._cluster(clusterer, scaled, grouped, trends, draws)
        centers = _means(scaled, labels)
        scores = module_scores.moments(adata, trends.genes, self.layer, self.use_raw, lineages[0])

        # nothing can fail from here on: an earlier fit is replaced whole or not at all
        self.lineage_ = names if several else names[0]
        self.smoother_ = dict(zip(names, (fit.smoother for fit in fits), strict=True)) if several else fits[0].smoother
        self.model_ = dict(zip(names, (fit.model for fit in fits), strict=True)) if several else fits[0].model
        self.models_ = GeneTrends(fits)
        self.genes_, self.failed_ = list(trends.genes), dict(trends.failed)
        self._gene_ids = ids
        self.n_cells_ = {one.name: len(one.cells) for one in lineages} if several else len(lineages[0].cells)
        self.pseudotime_, self.grid_lineage_ = trends.grid, trends.grid_lineage
        self.trends_, self.trend_se_, self.scaled_trends_ = trends.values, trends.se, scaled
        self.gene_location_, self.gene_scale_ = trends.location_and_scale(self.scale)
        self._pvalue_limit, self._grouped = gate.pvalue_limit, grouped
        self._adopt(clusterer, labels, order, centers)
        for name in ("gene_table_", "cluster_table_"):  # of an earlier fit
            self.__dict__.pop(name, None)
        self._tables = Tables(
            fits, trends, labels, centers, clusterer, grouped, self.scale, seed, None if ids is None else self.gene_ids_
        )
        self._gene_means, self._gene_stds = scores
        self.feature_names_in_, self.n_features_in_ = np.asarray(adata.var_names, dtype=object), adata.n_vars
        _log.info(
            "%s genes have a trend, %s failed; %s are in %s clusters (%s, resolution %s).", len(self.genes_),
            len(self.failed_), int((self.labels_ >= 0).sum()), self.n_clusters_, type(clusterer).__name__,
            getattr(clusterer, "resolution_", "none"),
        )  # fmt: skip
        return self

    def fit_transform(
        self, adata: AnnData, y: Any = None, genes: Sequence[str] | None = None, lineage: Names = None
    ) -> np.ndarray:
        """Fit, and return the module scores of the cells.

        Parameters
        ----------
        adata : AnnData of shape (n_cells, n_genes)
            As for `fit`.
        y : None
            Ignored: a pipeline hands the labels of the cells through here.
        genes, lineage
            As for `fit`.

        Returns
        -------
        ndarray of shape (n_cells, n_clusters)
        """
        return self.fit(adata, genes=genes, lineage=lineage).transform(adata)

    def transform(self, adata: AnnData) -> np.ndarray:
        """Return a score per cell and cluster: the mean standardised expression of the cluster's genes.

        Parameters
        ----------
        adata : AnnData of shape (n_cells, n_genes)
            These or other cells with the same genes.

        Returns
        -------
        ndarray of shape (n_cells, n_clusters)

        Raises
        ------
        ValueError
            If there is no cluster, or clustered genes are missing.
        """
        check_is_fitted(self)
        check_anndata(adata)
        if self.n_clusters_ == 0:
            raise ValueError(
                f"There is no cluster to score: no gene of {len(self.genes_)} has a trend with a q-value below "
                f"alpha={self.alpha}. Choose other genes, or fit with alpha=None."
            )
        scores = module_scores.score(
            adata, self.genes_, self.labels_, self._gene_means, self._gene_stds, self.layer, self.use_raw,
            self.memory_budget, self._symbols,
        )  # fmt: skip
        wanted = getattr(self, "_sklearn_output_config", {}).get("transform", get_config()["transform_output"])
        # scikit-learn names the columns; the names of the cells it could not know
        return pd.DataFrame(scores, index=adata.obs_names) if wanted == "pandas" else scores

    def cut(self, n_clusters: int | None = None, min_support: float | None = None) -> Self:
        """Return a fitted copy with the clusters of another level of the hierarchy, without a new fit.

        Every finer partition divides clusters of the coarser one. Trends, tests and the shapes of the genes are shared
        with this estimator.

        Parameters
        ----------
        n_clusters : int, default=None
            Number of clusters.
        min_support : float, default=None
            Clusters are divided as far down as there is a division that independent halves of the data agree on by at
            least this much beyond chance.

        Returns
        -------
        TrendClusterer
            Clusters are numbered by the time of their peak, as after `fit`.

        Raises
        ------
        ValueError
            If not exactly one of both is given or it is out of range, or the clusterer has no hierarchy.

        Examples
        --------
        >>> import lineage_clust as lc
        >>> tc = lc.TrendClusterer(lineage="Myeloid", random_state=0).fit(lc.datasets.bone_marrow())
        >>> tc.cut(n_clusters=2).n_clusters_
        2
        """
        check_is_fitted(self)
        if not hasattr(self.clusterer_, "cut") or not hasattr(self, "_grouped") or len(self._grouped) == 0:
            raise ValueError(
                f"There is no hierarchy to cut: {type(self.clusterer_).__name__} made none, or no gene was clustered. Fit "
                "with clusterer=GraphClusterer()."
            )
        other = copy(self)
        clusterer = self.clusterer_.cut(n_clusters, min_support)
        labels = np.full(len(self.labels_), -1)
        chosen = self.scaled_trends_[self._grouped]
        labels[self._grouped], order = order_clusters(clusterer.labels_, chosen, self.pseudotime_)
        centers = _means(self.scaled_trends_, labels)
        other._adopt(clusterer, labels, order, centers)
        known = other.__dict__
        if tables := known.get("_tables"):
            other._tables = replace(tables, labels=labels, centers=centers, clusterer=clusterer)
        else:
            genes = self.gene_table_.assign(cluster=labels)
            if clusterer.confidence_ is not None:
                genes.loc[genes.index[self._grouped], "confidence"] = clusterer.confidence_
            several = self.grid_lineage_ if isinstance(self.lineage_, list) else None
            known["gene_table_"] = genes
            known["cluster_table_"] = cluster_table(genes, centers, self.pseudotime_, several)
        return other

    def predict(self, adata: AnnData, genes: Sequence[str] | None = None, return_confidence: bool = False) -> Predicted:
        """Return the cluster of each gene, also of genes that were not fitted.

        Their trends are fitted in `adata`, these or other cells of the same lineage, under the fitted smoother and a
        copy of the model, and assigned by the fitted clusterer (by the nearest fitted trend, if it cannot predict).

        Parameters
        ----------
        adata : AnnData
            Cells.
        genes : sequence of str, default=None
            Genes; `None` = those that were fitted.
        return_confidence : bool, default=False
            Whether to return, for each gene, the share of its neighbours' votes that its cluster got (NaN where a
            clusterer has no votes).

        Returns
        -------
        labels : ndarray of int, shape (n_genes,)
            -1 = not assigned: no trend, or none that changes significantly by the threshold of the fit.
        confidence : ndarray of shape (n_genes,)
            Only with `return_confidence=True`.
        """
        check_is_fitted(self)
        genes = resolve_genes(
            adata, self.genes_ if genes is None else genes, use_raw=self.use_raw, gene_symbols=self._symbols
        )
        trends = self.trends_for(adata, genes)
        labels, confidence = np.full(len(genes), -1), np.full(len(genes), np.nan)
        if self.n_clusters_ > 0 and len(trends.genes):
            scaled = trends.scaled(self.scale)
            gate = Gate(self.alpha, self.min_deviance_explained, self.min_range, self._pvalue_limit)
            passed = (np.ptp(scaled, axis=1) > 0) & gate.passes(deciding_table(trends))
            clustered = gate.calibrated(self.gene_table_).passes(self.gene_table_)
            place = {gene: row for row, gene in enumerate(genes)}
            rows = np.array([place[gene] for gene in trends.genes])
            if passed.any():
                labels[rows[passed]], confidence[rows[passed]] = assign(
                    self.clusterer_, scaled[passed], self.scaled_trends_[clustered], self.labels_[clustered],
                    self._cluster_order,
                )  # fmt: skip
        return (labels, confidence) if return_confidence else labels

    def trends_for(self, adata: AnnData, genes: Sequence[str] | None = None) -> Trends:
        """Return the trends of genes under the fitted smoother and a copy of the fitted model, on the fitted grid.

        Parameters
        ----------
        adata : AnnData
            These or other cells of the same lineage.
        genes : sequence of str, default=None
            Genes; `None` = those that were fitted.

        Returns
        -------
        Trends
        """
        check_is_fitted(self)
        check_anndata(adata)
        genes = self.genes_ if genes is None else genes
        smoother, model = resolve_pair(self.smoother, self.model, covariates=self.covariates, offset=self.offset)
        model = with_defaults(model, random_state=self.random_state)
        names: list = self.lineage_ if isinstance(self.lineage_, list) else [self.lineage_]
        fits = []
        for name in names:
            fitted = self.smoother_[name] if isinstance(self.lineage_, list) else self.smoother_
            lineage = self.held_out(adata, name, genes, resolve=True)
            fits.append(self._fit_lineage(lineage, fixed_basis(fitted, smoother), model))
        return concatenate([fit.trends for fit in fits], names) if len(names) > 1 else fits[0].trends

    def score(self, adata: AnnData, y: Any = None) -> float:
        """Return the share of held-out deviance that the clusters' mean trends explain.

        Parameters
        ----------
        adata : AnnData
            Cells that were not fitted.
        y : None
            Ignored.

        Returns
        -------
        float
            See :func:`lineage_clust.scoring.trend_deviance`; it ranks models and smoothers, not numbers of clusters.
        """
        from .scoring import trend_deviance

        check_is_fitted(self)
        return trend_deviance(self, adata)

    def held_out(
        self, adata: AnnData, lineage: str | None, genes: Sequence[str] | None = None, resolve: bool = False
    ) -> Lineage:
        """Return a lineage of other cells, read as in `fit`, within the fitted time range.

        Parameters
        ----------
        adata : AnnData
            Cells.
        lineage : str or None
            One of the fitted lineages.
        genes : sequence of str, default=None
            Genes; `None` = those with a trend.
        resolve : bool, default=False
            Whether the cells are to be fitted: `genes` are checked and made unique first, and covariates are read.

        Returns
        -------
        Lineage
        """
        check_is_fitted(self)
        genes = self.genes_ if genes is None else genes
        if resolve:
            genes = resolve_genes(adata, genes, use_raw=self.use_raw, gene_symbols=self._symbols)
        grid = self.pseudotime_[self.grid_lineage_ == ("" if lineage is None else lineage)]
        if len(grid) == 0:
            raise UnknownNameError(f"Lineage {lineage!r} was not fitted; {self.lineage_!r} was.")
        return self._read(adata, lineage, genes, (float(grid[0]), float(grid[-1])), to_fit=resolve)

    @cached_property
    def gene_table_(self) -> pd.DataFrame:
        """One row a gene; made when it is first looked at, as the trends are drawn anew for it."""
        return self._tabulated("gene_table_")

    @cached_property
    def cluster_table_(self) -> pd.DataFrame:
        """One row a cluster; made with the gene table."""
        return self._tabulated("cluster_table_")

    def _tabulated(self, name: str) -> pd.DataFrame:
        check_is_fitted(self, "labels_")
        known = self.__dict__
        tables = known.get("_tables")
        if tables is not None:  # else another thread was faster
            known["gene_table_"], known["cluster_table_"] = tables.make()
            known.pop("_tables", None)
        return known[name]

    @property
    def gene_ids_(self) -> list[str]:
        """What `var_names` has for the genes with a trend."""
        ids = getattr(self, "_gene_ids", None) or {}  # a clusterer of an older file has none
        return [ids.get(gene, gene) for gene in self.genes_]

    @property
    def _symbols(self) -> FittedSymbols | None:
        """By which names genes go in these or other cells, after a fit."""
        ids = getattr(self, "_gene_ids", None)
        return None if ids is None else FittedSymbols(self.gene_symbols, ids)

    @property
    def fitted_range_(self):
        """The time range of the fit, or the parameter, if several lineages have their own."""
        if isinstance(self.lineage_, list):
            return self.time_range
        return float(self.pseudotime_[0]), float(self.pseudotime_[-1])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with `deep`, also those of the defaults that stand in for `None`."""
        params = super().get_params(deep=deep)
        if deep:
            for slot, default in components.DEFAULTS.items():
                if params[slot] is None:
                    params.update({f"{slot}__{name}": value for name, value in default().get_params().items()})
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; those of a component that is `None` are set on its default."""
        stood_in = []
        for slot, default in components.DEFAULTS.items():
            nested = any(name.startswith(f"{slot}__") for name in params)
            if nested and params.get(slot, getattr(self, slot)) is None:
                setattr(self, slot, default())
                params.pop(slot, None)
                stood_in.append(slot)
        try:
            return super().set_params(**params)
        except ValueError:
            for slot in stood_in:
                setattr(self, slot, None)
            raise

    def _read(self, adata, name, genes, time_range=None, to_fit=True, symbols=_AS_FITTED):
        return read_lineage(
            adata,
            name,
            genes=genes,
            time_key=self.time_key,
            lineage_key=self.lineage_key,
            layer=self.layer,
            use_raw=self.use_raw,
            backward=self.backward,
            time_range=self.time_range if time_range is None else time_range,
            endpoint=self.endpoint,
            endpoint_threshold=self.endpoint_threshold,
            weight_threshold=self.weight_threshold,
            gene_symbols=self._symbols if symbols is _AS_FITTED else symbols,
            covariates=self.covariates,
            offset=self.offset,
            n_points=self.n_points,
            memory_budget=self.memory_budget,
            to_fit=to_fit,
        )

    def _fit_lineage(self, lineage, smoother, model):
        with progress_bars(self.show_progress_bar):
            return fit_trends(
                lineage,
                smoother,
                model,
                self.n_points,
                callback=self.callback,
                filter_cells=self.filter_cells,
                prepare_kwargs=self._prepare_kwargs(),
                n_jobs=self.n_jobs,
                backend=self.backend,
                progress=partial(
                    bar, what=f"trends{'' if lineage.name is None else ' of ' + lineage.name}", unit="group"
                ),
            )

    def _prepare_kwargs(self) -> dict:
        names = (
            "time_key",
            "layer",
            "use_raw",
            "backward",
            "weight_threshold",
            "endpoint",
            "endpoint_threshold",
            "filter_cells",
        )
        return {name: getattr(self, name) for name in names}

    def _check_callback(self) -> None:
        for callback in entries(self.callback):
            if callback is not None and not callable(callback):
                raise TypeError(f"callback must be a function or a mapping of functions; got {callback!r}.")
        if self.callback is not None and (self.covariates is not None or self.offset is not None):
            raise ValueError("A callback chooses cells of its own, so covariates and offset cannot go with it.")

    def _cluster(self, clusterer, scaled, grouped, trends, draws):
        """Return labels, and the clusterer's own label of each."""
        labels, order = np.full(len(scaled), -1), np.zeros(0, dtype=int)
        if len(grouped) == 0:
            return labels, order
        drawn = draws(clusterer, [trends.genes[gene] for gene in grouped])
        quietly = config_context(transform_output="default"), progress_bars(self.show_progress_bar)
        with quietly[0], quietly[1], few_threads(len(grouped) * scaled.shape[1]):
            clusterer.fit(scaled[grouped], **({} if drawn is None else {"draws": drawn}))
            codes, names = own_labels(clusterer, scaled[grouped])
        if getattr(clusterer, "confidence_", None) is not None:
            one_a_row(f"confidence_ of {type(clusterer).__name__}", clusterer.confidence_, len(grouped))
        labels[grouped], order = order_clusters(codes, scaled[grouped], trends.grid)
        return labels, names[order]

    def _draws(self, fits, lineages, smoother, model, trends, seed):
        """Return a function of the clusterer and the genes it groups that gives their trends drawn anew, or `None`."""

        def draws(clusterer, genes):
            if not getattr(type(clusterer), "uses_draws", False):
                return None
            if drawing.can_draw(fits):  # made as they are asked for
                if can_wait(clusterer):
                    return None
                return drawing.scaled_posterior_draws(fits, trends, genes, self.scale, seed)
            if getattr(clusterer, "needs_draws", False):
                refit = partial(self._fit_lineage, smoother=smoother, model=model)
                drawn = drawing.half_sample_draws(fits, lineages, refit, genes, random_state=seed)
                drawn = list(drawing.scaled(drawn, trends, genes, self.scale))
                return drawn if len(drawn) > 1 else None
            return None  # they would cost several more fits

        return draws

    def _adopt(self, clusterer: Any, labels: np.ndarray, order: np.ndarray, centers: np.ndarray) -> None:
        """Take over the clusters of a fitted clusterer."""
        self.clusterer_, self.labels_, self._cluster_order = clusterer, labels, order
        self.n_clusters_ = self._n_features_out = len(centers)
        self.cluster_centers_ = centers

    def _check_parameters(self) -> None:
        check_flag("use_raw", self.use_raw)
        check_flag("backward", self.backward)
        check_number("filter_cells", self.filter_cells, or_none=True)
        check_seed("random_state", self.random_state)
        check_jobs(self.n_jobs)
        check_points(self.n_points)
        check_gate(self.alpha, self.min_deviance_explained, self.min_range)
        check_scale(self.scale)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.sparse = True
        tags.requires_fit = True
        return tags


def _means(scaled: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean scaled trend of each cluster, `(n_clusters, n_points)`."""
    n_clusters = int(labels.max(initial=-1)) + 1
    means = [scaled[labels == cluster].mean(axis=0) for cluster in range(n_clusters)]
    return np.array(means).reshape(n_clusters, scaled.shape[1])


def _unique_names(names) -> list[str]:
    if not names:
        raise ValueError("lineage is an empty list. Name at least one lineage.")
    nested = [name for name in names if np.ndim(name) > 0]
    if nested:
        raise TypeError(f"lineage must be a name or a list of names; it holds {nested[0]!r}.")
    if len(set(names)) < len(names):
        raise ValueError(f"lineage names one more than once: {list(names)}.")
    return list(names)
