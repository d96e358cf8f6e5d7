"""TrendClusterer: reads, fits, clusters; it composes the parts and holds no mathematics."""

from __future__ import annotations

import warnings
from functools import partial
from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, metadata_routing
from sklearn.utils.validation import check_is_fitted

from . import components, drawing, module_scores
from .assigning import assign
from .errors import LineageClustWarning
from .exports import Exports
from .fitting import fit_trends
from .gene_trends import GeneTrends
from .group_fit import fixed_basis
from .lineage import check_anndata, read_lineage, resolve_genes
from .models.mapping import entries
from .tables import cluster_table, gene_table, order_clusters
from .trends import check_scale, concatenate
from .views import Views


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
        Lineage to fit; `None` = the only one there is. A list clusters the concatenated trends of several lineages.
    time_key, lineage_key : str, default=None
        Where pseudotime and lineage weights are; `None` = found by the names of the usual tools.
    layer : str, default=None
        Layer with the expression; `None` = `X`.
    use_raw : bool, default=False
        Whether to read `adata.raw`.
    backward : bool, default=False
        Whether to look for CellRank's backward keys.
    time_range : None, float or (float, float), default=None
        Range of pseudotime: its end, or start and end (each may be `None`). It is never clipped to the cells.
    endpoint : {"plateau", "argmax"}, default="plateau"
        Rule for an automatic end: last time at which the smoothed weight is at least 98 % of its maximum, or time of
        its first maximum (CellRank's rule).
    endpoint_threshold : float, default=None
        Only cells with at least this weight decide on the end; `None` = the median weight.
    weight_threshold : float or (float, float), default=(0.01, 0.01)
        `(a, b)`: weights below `a` become `b`.
    filter_cells : float, default=None
        Cells in which a gene's expression is at most this are left out for that gene.
    covariates : sequence of str, default=None
        obs keys of unpenalised terms; trends are predicted at their weighted average.
    offset : str or array of shape (n_cells,), default=None
        Known part of the linear predictor: an obs key, "size_factors" or an array. Trends are predicted at offset 0.
    n_points : int, default=200
        Number of grid points of a lineage.
    scale : {"zscore", "minmax"}, None or transformer, default="zscore"
        How trends are made comparable before they are clustered.
    alpha : float, default=0.01
        A gene is clustered only if its trend changes significantly (q-value below `alpha`); `None` clusters all.
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

    Attributes
    ----------
    genes_ : list of str
        Genes with a trend, in input order.
    failed_ : dict of str to str
        Reason by gene, for genes without one.
    lineage_ : str, None or list of str
        The lineage(s).
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
        By gene: cluster, confidence, edf, deviance_explained, pvalue, qvalue, peak, onset, converged, lambda, note.
    cluster_table_ : DataFrame
        By cluster: size, peak, onset, mean deviance explained, top genes.
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
        model=None,
        smoother=None,
        clusterer=None,
        *,
        genes=None,
        lineage=None,
        time_key=None,
        lineage_key=None,
        layer=None,
        use_raw=False,
        backward=False,
        time_range=None,
        endpoint="plateau",
        endpoint_threshold=None,
        weight_threshold=(0.01, 0.01),
        filter_cells=None,
        covariates=None,
        offset=None,
        n_points=200,
        scale="zscore",
        alpha=0.01,
        callback=None,
        n_jobs=None,
        backend="loky",
        random_state=None,
        show_progress_bar=False,
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
        self.covariates = covariates
        self.offset = offset
        self.n_points = n_points
        self.scale = scale
        self.alpha = alpha
        self.callback = callback
        self.n_jobs = n_jobs
        self.backend = backend
        self.random_state = random_state
        self.show_progress_bar = show_progress_bar

    def fit(self, adata, genes=None, lineage=None):
        """Fit the trends and cluster them.

        Parameters
        ----------
        adata : AnnData of shape (n_cells, n_genes)
            Expression, pseudotime and fate probabilities. It is not changed.
        genes : sequence of str, default=None
            Overrides the constructor's `genes`.
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
        names = _unique_names(chosen) if several else [chosen]
        smoother, model = components.resolve_pair(
            self.smoother, self.model, covariates=self.covariates, offset=self.offset
        )
        clusterer = components.with_defaults(
            components.resolve("clusterer", self.clusterer), random_state=self.random_state
        )
        model = components.with_defaults(model, random_state=self.random_state)
        self._check_callback()
        genes = resolve_genes(adata, self.genes if genes is None else genes, use_raw=self.use_raw)
        lineages = [self._read(adata, name, genes) for name in names]
        fits = [self._fit_lineage(one, smoother, model) for one in lineages]
        names = [one.name for one in lineages]
        trends = concatenate([fit.trends for fit in fits], names) if several else fits[0].trends
        scaled, table = trends.scaled(self.scale), gene_table(trends)
        clustering = self._cluster(clusterer, scaled, table, trends, fits)
        scores = module_scores.moments(adata, trends.genes, self.layer, self.use_raw)

        # nothing can fail from here on: an earlier fit is replaced whole or not at all
        self.lineage_ = names if several else names[0]
        self.smoother_ = dict(zip(names, (fit.smoother for fit in fits), strict=True)) if several else fits[0].smoother
        self.model_ = dict(zip(names, (fit.model for fit in fits), strict=True)) if several else fits[0].model
        self.models_ = GeneTrends(fits)
        self.genes_, self.failed_ = list(trends.genes), dict(trends.failed)
        self.pseudotime_, self.grid_lineage_ = trends.grid, trends.grid_lineage
        self.trends_, self.trend_se_, self.scaled_trends_ = trends.values, trends.se, scaled
        self.gene_location_, self.gene_scale_ = trends.location_and_scale(self.scale)
        self.clusterer_ = clusterer
        self.labels_, self._cluster_order, self._pvalue_limit, confidence = clustering
        self.n_clusters_ = self._n_features_out = int(self.labels_.max(initial=-1)) + 1
        self.cluster_centers_ = np.array(
            [scaled[self.labels_ == cluster].mean(axis=0) for cluster in range(self.n_clusters_)]
        ).reshape(self.n_clusters_, len(trends.grid))
        table.insert(0, "cluster", self.labels_)
        table.insert(1, "confidence", confidence)
        self.gene_table_ = table
        self.cluster_table_ = cluster_table(table, self.cluster_centers_, self.pseudotime_)
        self._gene_means, self._gene_stds = scores
        self.feature_names_in_, self.n_features_in_ = np.asarray(adata.var_names, dtype=object), adata.n_vars
        return self

    def fit_transform(self, adata, y=None, genes=None, lineage=None):
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

    def transform(self, adata):
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
            adata, self.genes_, self.labels_, self._gene_means, self._gene_stds, self.layer, self.use_raw
        )
        wanted = getattr(self, "_sklearn_output_config", {}).get("transform", get_config()["transform_output"])
        # scikit-learn names the columns; the names of the cells it could not know
        return pd.DataFrame(scores, index=adata.obs_names) if wanted == "pandas" else scores

    def predict(self, adata, genes=None, return_confidence=False):
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
        genes = resolve_genes(adata, self.genes_ if genes is None else genes, use_raw=self.use_raw)
        trends = self.trends_for(adata, genes)
        labels, confidence = np.full(len(genes), -1), np.full(len(genes), np.nan)
        if self.n_clusters_ > 0 and len(trends.genes):
            scaled = trends.scaled(self.scale)
            passed, clustered = np.ptp(scaled, axis=1) > 0, np.ones(len(self.genes_), dtype=bool)
            if self._pvalue_limit is not None:
                # the gene that set the limit must pass, whatever other genes stood beside it in a product of matrices
                passed &= trends.table["pvalue"].to_numpy(dtype=float) <= self._pvalue_limit * (1 + 1e-6)
                clustered = self.gene_table_["qvalue"].to_numpy() < self.alpha
            place = {gene: row for row, gene in enumerate(genes)}
            rows = np.array([place[gene] for gene in trends.genes])
            if passed.any():
                labels[rows[passed]], confidence[rows[passed]] = assign(
                    self.clusterer_, scaled[passed], self.scaled_trends_[clustered], self.labels_[clustered],
                    self._cluster_order,
                )  # fmt: skip
        return (labels, confidence) if return_confidence else labels

    def trends_for(self, adata, genes=None):
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
        smoother, model = components.resolve_pair(
            self.smoother, self.model, covariates=self.covariates, offset=self.offset
        )
        model = components.with_defaults(model, random_state=self.random_state)
        names = self.lineage_ if isinstance(self.lineage_, list) else [self.lineage_]
        fits = []
        for name in names:
            fitted = self.smoother_[name] if isinstance(self.lineage_, list) else self.smoother_
            lineage = self.held_out(adata, name, genes, resolve=True)
            fits.append(self._fit_lineage(lineage, fixed_basis(fitted, smoother), model))
        return concatenate([fit.trends for fit in fits], names) if len(names) > 1 else fits[0].trends

    def score(self, adata, y=None):
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

    def held_out(self, adata, lineage, genes=None, resolve=False):
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
            Whether `genes` are checked and made unique first.

        Returns
        -------
        Lineage
        """
        genes = self.genes_ if genes is None else genes
        genes = resolve_genes(adata, genes, use_raw=self.use_raw) if resolve else genes
        grid = self.pseudotime_[self.grid_lineage_ == ("" if lineage is None else lineage)]
        return self._read(adata, lineage, genes, time_range=(float(grid[0]), float(grid[-1])))

    @property
    def fitted_range_(self):
        """The time range of the fit, or the parameter, if several lineages have their own."""
        if isinstance(self.lineage_, list):
            return self.time_range
        return float(self.pseudotime_[0]), float(self.pseudotime_[-1])

    def get_params(self, deep=True):
        """Return the parameters; with `deep`, also those of the defaults that stand in for `None`."""
        params = super().get_params(deep=deep)
        if deep:
            for slot, default in components.DEFAULTS.items():
                if params[slot] is None:
                    params.update({f"{slot}__{name}": value for name, value in default().get_params().items()})
        return params

    def set_params(self, **params):
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

    def _read(self, adata, name, genes, time_range=None):
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
            covariates=self.covariates,
            offset=self.offset,
            n_points=self.n_points,
        )

    def _fit_lineage(self, lineage, smoother, model):
        progress = None
        if self.show_progress_bar:
            from tqdm.auto import tqdm

            progress = partial(
                tqdm, desc=f"trends{'' if lineage.name is None else ' of ' + lineage.name}", unit="group"
            )
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
            progress=progress,
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

    def _cluster(self, clusterer, scaled, table, trends, fits):
        """Return labels, the clusterer's own label of each, the largest p-value that is clustered, and confidence."""
        qvalue = table["qvalue"].to_numpy()
        untested = np.isnan(qvalue).all()  # a model without a test says nothing against a gene
        gated = self.alpha is not None and not untested
        passed = qvalue < self.alpha if gated else np.ones(len(qvalue), dtype=bool)
        # Benjamini-Hochberg has a largest p-value that passes: new genes are held against it
        limit = float(np.max(table["pvalue"].to_numpy(dtype=float)[passed], initial=0.0)) if gated else None
        # a constant trend goes with no other: scaled, it is the origin, the nearest neighbour of all noise
        chosen = np.flatnonzero(passed & (np.ptp(scaled, axis=1) > 0))
        labels, order = np.full(len(qvalue), -1), np.zeros(0, dtype=int)
        confidence = np.full(len(qvalue), np.nan)
        if len(chosen):
            drawn = {}
            if getattr(type(clusterer), "uses_draws", False) and drawing.can_draw(fits):
                seed = check_random_state(self.random_state).randint(2**31 - 1)
                names = [trends.genes[gene] for gene in chosen]
                drawn = {"draws": drawing.draws(fits, names, self.scale, random_state=seed)}
            with config_context(transform_output="default"):
                own = np.asarray(clusterer.fit(scaled[chosen], **drawn).labels_)
            labels[chosen], order = order_clusters(own, scaled[chosen], trends.grid)
            if getattr(clusterer, "confidence_", None) is not None:
                confidence[chosen] = clusterer.confidence_
            return labels, order, limit, confidence
        if passed.any():
            reason = f"the {int(passed.sum())} trends that could be are constant. Look at gene_table_."
        else:
            reason = (
                f"none of {len(qvalue)} trends has a q-value below alpha={self.alpha}. Look at gene_table_, or pass "
                "alpha=None to cluster all genes."
            )
        warnings.warn(f"No gene is clustered: {reason}", LineageClustWarning, stacklevel=3)
        return labels, order, limit, confidence

    def _check_parameters(self) -> None:
        if isinstance(self.n_points, bool) or not isinstance(self.n_points, Integral) or self.n_points < 2:
            raise ValueError(f"n_points must be an integer of at least 2; got {self.n_points!r}.")
        number = isinstance(self.alpha, Real) and not isinstance(self.alpha, bool)
        if self.alpha is not None and not (number and 0 < self.alpha <= 1):
            raise ValueError(f"alpha must be None or a number in (0, 1]; got {self.alpha!r}.")
        check_scale(self.scale)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.sparse = True
        tags.requires_fit = True
        return tags


def _unique_names(names) -> list[str]:
    if not names:
        raise ValueError("lineage is an empty list. Name at least one lineage.")
    if len(set(names)) < len(names):
        raise ValueError(f"lineage names one more than once: {list(names)}.")
    return list(names)
