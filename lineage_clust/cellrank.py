"""CellRank's function `cluster_lineage`, implemented with TrendClusterer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from .clusterer import TrendClusterer
from .clusterers import GraphClusterer
from .errors import did_you_mean, quoted
from .io import provenance
from .io.keys import safe_key
from .io.results import to_anndata
from .lineage.annotations import read_annotations
from .lineage.lineage import Reader, check_anndata, resolve_genes
from .plotting import plot_clusters
from .plotting.parts.strips import covariate_strips
from .results.tables import top_order
from .utils.atomic import write_whole
from .utils.documenting import parameters_as
from .utils.types import Seed, TimeRange

if TYPE_CHECKING:
    from anndata import AnnData

    from .trends.gene_trend import FailedTrend, GeneTrend

_PREPARE = ("data_key", "use_raw", "threshold", "weight_threshold", "filter_cells", "gene_symbols", "lineage_key")
_PCA = ("n_comps", "n_components", "svd_solver", "zero_center", "random_state")
_NEIGHBORS = ("n_neighbors", "n_pcs", "use_rep", "knn", "metric", "method", "transformer", "random_state")
_CLUSTERING = (
    "resolution", "n_iterations", "flavor", "directed", "use_weights", "partition_type", "objective_function",
    "random_state", "min_cluster_size",
)  # fmt: skip
_WEIGHTS = {"umap": "umap", "gauss": "gaussian", "gaussian": "gaussian", "jaccard": "jaccard", "binary": "binary"}
_DEFAULT_COMPONENTS = 50


@parameters_as(TrendClusterer.plot, TrendClusterer)
def cluster_lineage(
    adata: AnnData,
    model: Any,
    genes: Sequence[str],
    lineage: str,
    backward: bool = False,
    time_range: TimeRange = None,
    clusters: Sequence[int] | None = None,
    n_points: int = 200,
    time_key: str = "latent_time",
    covariate_key: str | Sequence[str] | None = None,
    ratio: float = 0.05,
    cmap: Any = "viridis",
    norm: bool = True,
    recompute: bool = False,
    callback: Any = None,
    ncols: int = 3,
    sharey: bool | str = False,
    key: str | None = None,
    random_state: Seed = None,
    use_leiden: bool = False,
    show_progress_bar: bool = True,
    n_jobs: int | None = 1,
    backend: str = "loky",
    figsize: tuple[float, float] | None = None,
    dpi: int | None = None,
    save: str | Path | None = None,
    pca_kwargs: Mapping[str, Any] = MappingProxyType({"svd_solver": "arpack"}),
    neighbors_kwargs: Mapping[str, Any] = MappingProxyType({"use_rep": "X"}),
    clustering_kwargs: Mapping[str, Any] = MappingProxyType({}),
    return_models: bool = False,
    smoother: Any = None,
    **kwargs: Any,
) -> Mapping[str, Mapping[str, GeneTrend | FailedTrend]] | None:
    """Cluster the expression trends of genes along a lineage and plot the clusters.

    It has the parameters and defaults of `cellrank.pl.cluster_lineage`: all genes whose fit converged are clustered at
    resolution 1, even if their trend hardly changes, and the time range ends at the first maximum of the smoothed fate
    probability. For new analyses, :class:`lineage_clust.TrendClusterer` has better defaults.

    Parameters
    ----------
    adata : AnnData
        Cells x genes, with pseudotime and fate probabilities. Results are written to `adata.uns[key]`.
    model : estimator or mapping
        Model of the trends, or `{gene: {lineage: model}}` with "*" for all others. `None` = `GAM()`.
    genes : sequence of str
        Genes in `adata.var_names`, or in `adata.raw.var_names` with `use_raw=True`.
    lineage : str
        Lineage whose trends are clustered.
    time_range : None, float or pair of float
        End, or start and end, of pseudotime; `None` entries are estimated from the cells.
    time_key : str
        obs key of pseudotime; `None` = the keys of common tools.
    norm : bool
        Whether trends are scaled to mean 0 and variance 1.
    recompute : bool
        If false, results in `adata.uns[key]` are reused if they were computed from the same data and parameters;
        otherwise they are recomputed, and a warning names the difference.
    callback : callable or mapping, optional
        `(trend, **prepare_kwargs) -> prepared trend`, see :class:`lineage_clust.GeneTrend`.
    key : str, optional
        Key in `adata.uns`; `None` = `lineage_{lineage}_trend`, with characters replaced that files do not support.
    random_state : int, optional
        Seed of the clustering.
    use_leiden : bool
        Leiden instead of Louvain.
    save : str or Path, optional
        File for the figure; ".png" is added to a name without an ending.
    pca_kwargs : mapping
        `n_comps`, `svd_solver`; PCA is used if `neighbors_kwargs` asks for it (`use_rep="X_pca"` or `n_pcs`).
    neighbors_kwargs : mapping
        `n_neighbors`, `n_pcs`, `use_rep`, `metric`, `method`, `transformer`.
    clustering_kwargs : mapping
        `resolution`, `n_iterations`, `flavor`, `use_weights`, `partition_type`. Each mapping is merged over its
        defaults; `random_state` may be in any of them.
    return_models : bool
        Whether to return the fitted models.
    smoother : transformer or "passthrough", optional
        Basis and penalty for pseudotime; `None` = `BSplineSmoother()`. Use "passthrough" with regressors that see
        pseudotime itself, such as SVR.
    **kwargs
        CellRank's arguments of `prepare`: `data_key` (a layer), `use_raw`, `threshold`, `weight_threshold`,
        `filter_cells`, `gene_symbols` (a column of var by which genes are named); `lineage_key` as in TrendClusterer.

    Returns
    -------
    None or mapping of str to mapping of str to GeneTrend
        With `return_models`: gene -> lineage -> :class:`GeneTrend` or a falsy :class:`FailedTrend`. `adata.uns[key]` is
        an AnnData `(n_genes, n_points)`: scaled trends in `X`, `obs["clusters"]`, `var["x_test"]`, trends and standard
        errors in layers, the gene table in obs, the provenance in uns.

    Raises
    ------
    TypeError
        If an argument is unknown or has a wrong type.
    UnknownNameError
        If a gene, key, lineage or covariate is missing.
    ValueError
        If no cells remain to fit, or a cluster does not exist.

    References
    ----------
    Lange et al. (2022). CellRank for directed single-cell fate mapping. Nature Methods 19, 159-170.
    Setty et al. (2019). Characterization of cell fate probabilities in single-cell data with Palantir. Nature
    Biotechnology 37, 451-460.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> adata = lc.datasets.bone_marrow()
    >>> lc.cluster_lineage(
    ...     adata, lc.GAM(), adata.var_names[:60], "Ery", time_key="palantir_pseudotime", random_state=0,
    ...     show_progress_bar=False,
    ... )
    >>> adata.uns["lineage_Ery_trend"].shape
    (60, 200)
    """
    check_anndata(adata)
    options = _prepare_options(kwargs)
    if genes is None:
        raise ValueError("genes is None. Name the genes, e.g. adata.var_names or those of lineage_drivers().")
    genes = resolve_genes(adata, genes, use_raw=options["use_raw"], gene_symbols=options["gene_symbols"])
    graph = graph_parameters(pca_kwargs, neighbors_kwargs, clustering_kwargs, len(genes), use_leiden)
    fitter = TrendClusterer(
        model=model,
        smoother=smoother,
        clusterer=GraphClusterer(
            **{"random_state": random_state, "refine": graph.get("resolution") == "auto", **graph}
        ),
        lineage=lineage,
        time_key=time_key,
        backward=backward,
        time_range=_ordered(time_range),
        endpoint="argmax",
        n_points=n_points,
        scale="zscore" if norm else None,
        alpha=None,
        offset=None,
        callback=callback,
        n_jobs=n_jobs,
        backend=backend,
        random_state=random_state,
        show_progress_bar=show_progress_bar,
        **options,
    )
    key = f"lineage_{safe_key(lineage)}_trend" if key is None else safe_key(key)
    source = provenance.describe(fitter, adata, genes, lineage)
    stored = None if recompute or return_models else provenance.stored_result(adata, key, source)
    models = None
    if stored is None:
        fitter.fit(adata, genes=genes)
        stored = to_anndata(fitter)
        stored.uns["lineage_clust"]["source"] = provenance.to_json(source)
        models = fitter.gene_trends(adata) if return_models else None
    strips = []
    if covariate_key is not None:
        grid, grid_lineage = stored.var["x_test"].to_numpy(), stored.var["lineage"].to_numpy(dtype=object)
        annotations = read_annotations(adata, covariate_key, dict.fromkeys(grid_lineage), Reader.of(fitter))
        strips = covariate_strips(annotations, grid, grid_lineage, cmap)
    figure = plot_clusters(
        np.asarray(stored.X), stored.obs["clusters"].astype(int).to_numpy(), stored.var["x_test"].to_numpy(),
        genes=list(stored.obs_names), importance=top_order(stored.obs), clusters=clusters, ncols=ncols, sharey=sharey,
        figsize=figsize, dpi=dpi, ylabel="scaled expression (z)" if norm else "expression", strips=strips, ratio=ratio,
    )  # fmt: skip
    if save is not None:
        _save(figure, save, dpi)
    adata.uns[key] = stored  # last, so that a failing call does not modify adata
    return None if models is None else {gene: dict(models[gene]) for gene in genes}


def _save(figure, save, dpi) -> None:
    path = Path(save)
    path = path if path.suffix else path.with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix[1:]  # the file is written under another name first
    write_whole(path, lambda draft: figure.savefig(draft, format=suffix, dpi=dpi or 150, bbox_inches="tight"))


def _prepare_options(kwargs: dict) -> dict:
    unknown = [name for name in kwargs if name not in _PREPARE]
    if unknown:
        raise TypeError(
            f"cluster_lineage got an unknown argument {unknown[0]!r}.{did_you_mean(unknown[0], _PREPARE)} Beyond its "
            f"own parameters it takes {quoted(_PREPARE, len(_PREPARE))}."
        )
    layer = kwargs.get("data_key", "X")
    return {
        "layer": None if layer in (None, "X") or kwargs.get("use_raw") else layer,
        "use_raw": bool(kwargs.get("use_raw", False)),
        "endpoint_threshold": kwargs.get("threshold"),
        "weight_threshold": kwargs.get("weight_threshold", (0.01, 0.01)),
        "filter_cells": kwargs.get("filter_cells"),
        "lineage_key": kwargs.get("lineage_key"),
        "gene_symbols": kwargs.get("gene_symbols"),
    }


def _ordered(time_range):
    if isinstance(time_range, (tuple, list)) and len(time_range) == 2 and None not in time_range:
        return tuple(sorted(time_range))  # CellRank takes the bounds in either order
    return time_range


def graph_parameters(pca: Mapping, neighbors: Mapping, clustering: Mapping, n_genes: int, use_leiden: bool) -> dict:
    """Return parameters of GraphClusterer from keywords of `scanpy.pp.pca`, `scanpy.pp.neighbors` and `scanpy.tl.leiden`."""
    pca = _merged("pca_kwargs", {"svd_solver": "arpack"}, pca, _PCA)
    neighbors = _merged("neighbors_kwargs", {"use_rep": "X"}, neighbors, _NEIGHBORS)
    clustering = _merged("clustering_kwargs", {}, clustering, _CLUSTERING)
    parameters: dict = {
        "n_neighbors": neighbors.get("n_neighbors", 15),
        "metric": neighbors.get("metric", "euclidean"),
        "neighbors": neighbors.get("transformer"),
        "weights": _weights(neighbors, clustering),
        "n_components": _components(pca, neighbors, n_genes),
        "method": "leiden" if use_leiden else "louvain",
        "resolution": clustering.get("resolution", 1.0),
        "n_iterations": clustering.get("n_iterations", 2),
        "min_cluster_size": clustering.get("min_cluster_size", 1),
    }
    if neighbors.get("knn", True) is not True:
        raise ValueError(
            "neighbors_kwargs knn=False (a full kernel matrix) is not supported. Raise n_neighbors instead."
        )
    if clustering.get("directed"):
        raise ValueError("clustering_kwargs directed=True is not supported: the graph of neighbours is undirected.")
    flavor = clustering.get("flavor", "igraph")
    if flavor not in ("igraph", "leidenalg", "vtraag"):
        raise ValueError(f"clustering_kwargs flavor must be 'igraph' or 'leidenalg'; got {flavor!r}.")
    if flavor == "leidenalg" and use_leiden:
        parameters["backend"] = "leidenalg"
    objective = clustering.get("objective_function", clustering.get("partition_type"))
    if objective is not None:
        name = objective if isinstance(objective, str) else getattr(objective, "__name__", str(objective))
        parameters["objective"] = name
        if not isinstance(objective, str):
            parameters["backend"] = "leidenalg"
    for source in (pca, neighbors, clustering):
        if "random_state" in source:
            parameters["random_state"] = source["random_state"]
    return parameters


def _merged(name: str, defaults: Mapping, given: Mapping, known: tuple[str, ...]) -> dict:
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a mapping; got {given!r}.")
    unknown = [key for key in given if key not in known]
    if unknown:
        raise TypeError(
            f"{name} got an unknown key {unknown[0]!r}.{did_you_mean(unknown[0], known)} Known are "
            f"{quoted(known, len(known))}."
        )
    return {**defaults, **given}


def _components(pca: dict, neighbors: dict, n_genes: int) -> int | None:
    use_rep = neighbors.get("use_rep")
    if use_rep not in (None, "X", "X_pca"):
        raise ValueError(f"neighbors_kwargs use_rep must be 'X' or 'X_pca'; got {use_rep!r}.")
    n_pcs = neighbors.get("n_pcs")
    if n_pcs == 0 or (use_rep == "X" and not n_pcs):
        return None
    wanted = n_pcs or pca.get("n_comps", pca.get("n_components")) or _DEFAULT_COMPONENTS
    return max(1, min(int(wanted), n_genes))


def _weights(neighbors: dict, clustering: dict) -> str:
    if clustering.get("use_weights", True) is False:
        return "binary"
    method = neighbors.get("method", "umap")
    if method not in _WEIGHTS:
        raise ValueError(f"neighbors_kwargs method must be one of {quoted(_WEIGHTS)}; got {method!r}.")
    return _WEIGHTS[method]
