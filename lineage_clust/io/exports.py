"""Exports of a fit: trends with cells, tables, gene lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd

from ..results.naming import UNASSIGNED
from ..results.result import FitResult, Fitted, result_of
from ..trends.intervals import intervals
from ..utils.checking import check_flag, check_share
from ..utils.constraints import one_of
from . import gene_lists

if TYPE_CHECKING:
    from anndata import AnnData

    from ..trends.gene_trend import FailedTrend, GeneTrend


def gene_trends(
    fitted: Fitted | FitResult, adata: AnnData | None = None
) -> Mapping[str, Mapping[str, GeneTrend | FailedTrend]]:
    """Return the fitted trend of every gene, with the cells' data if `adata` is given.

    Parameters
    ----------
    adata : AnnData, default=None
        The fitted cells. Without them, trends contain no data.

    Returns
    -------
    mapping of str to mapping of str to GeneTrend
    """
    result = result_of(fitted)
    if adata is None:
        return result.models
    return result.models.with_data(result.read(adata, list(result.models)), result.fitter.prepare_kwargs)


@overload
def genes_by_cluster(
    fitted: Fitted | FitResult, unassigned: bool = False, *, names: Literal[False] = False
) -> dict[int, list[str]]: ...
@overload
def genes_by_cluster(
    fitted: Fitted | FitResult, unassigned: bool = False, *, names: Literal[True]
) -> dict[str, list[str]]: ...
def genes_by_cluster(fitted: Fitted | FitResult, unassigned: bool = False, *, names: bool = False) -> Any:
    """Return the genes of each cluster, ordered by how well the mean trend of the cluster explains them.

    The lists can be passed to enrichment tools, with the fitted genes `genes_` as background, and, with names, to plots
    that group genes, such as `scanpy.pl.heatmap(adata, tc.genes_by_cluster(names=True), groupby=...)`.

    Parameters
    ----------
    unassigned : bool, default=False
        Whether to include the genes without a cluster, last, under -1 ("unassigned").
    names : bool, default=False
        Whether keys are the names of the clusters (`cluster_names_`) instead of their numbers (`labels_`).

    Returns
    -------
    dict of int (of str if `names`) to list of str

    Examples
    --------
    >>> import lineage_clust as lc
    >>> tc = lc.TrendClusterer(random_state=0).fit(lc.datasets.bone_marrow(), lineage="Ery")
    >>> lists = tc.genes_by_cluster()
    >>> list(lists) == list(range(tc.n_clusters_))
    True
    >>> list(tc.genes_by_cluster(names=True)) == tc.cluster_names_
    True
    """
    result = result_of(fitted)
    check_flag("unassigned", unassigned)
    check_flag("names", names)
    lists = gene_lists.genes_by_cluster(result.naming, unassigned)
    if not names:
        return lists
    of_clusters = [*result.cluster_names, UNASSIGNED]
    return {of_clusters[cluster]: genes for cluster, genes in lists.items()}


def write_gene_lists(fitted: Fitted | FitResult, path: str | Path, unassigned: bool = False) -> None:
    """Write the genes of each cluster to a file, as one gene set per cluster named by lineage and `cluster_names_`.

    Parameters
    ----------
    path : str or path
        Path of the file, whose suffix defines the format: ".gmt", as read by gseapy, GSEA and others, or ".csv".
    unassigned : bool, default=False
        Whether to include the genes without a cluster as the last set.

    Raises
    ------
    ValueError
        If the suffix is unknown, or a name contains a separator of the format.

    See Also
    --------
    genes_by_cluster : Returns a dictionary instead.
    """
    lists, result = genes_by_cluster(fitted, unassigned), result_of(fitted)
    prefix = "_".join(str(name) for name in result.names if name is not None)
    gene_lists.write_gene_lists(lists, path, prefix, result.cluster_names)


def to_frame(
    fitted: Fitted | FitResult, wide: bool = False, *, values: str = "trend", level: float = 0.95
) -> pd.DataFrame:
    """Return the trends as a table, for other plotting libraries and for files.

    Parameters
    ----------
    wide : bool, default=False
        One row per gene and one column per grid point, instead of one row for each gene and grid point.
    values : {"trend", "lower", "upper", "scaled"}, default="trend"
        Values of a wide table; a long one has a column for each.
    level : float, default=0.95
        Coverage of the interval from `lower` to `upper`, in (0, 1).

    Returns
    -------
    DataFrame
        Long: gene, lineage, pseudotime, trend, lower, upper, scaled, cluster, with `n_genes * n_points` rows in the
        order of `genes_`. The interval is NaN if the model has none. Wide: genes x pseudotime; with several lineages,
        columns have the levels lineage and pseudotime.

    Raises
    ------
    ValueError
        If `values` is unknown, or `level` is not between 0 and 1.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> tc = lc.TrendClusterer(random_state=0).fit(lc.datasets.bone_marrow(), lineage="Ery")
    >>> list(tc.to_frame())
    ['gene', 'lineage', 'pseudotime', 'trend', 'lower', 'upper', 'scaled', 'cluster']
    >>> tc.to_frame(wide=True).shape
    (240, 200)
    """
    result = result_of(fitted)
    check_share("level", level)
    one_of(("trend", "lower", "upper", "scaled")).check("values", values)
    lower, upper = intervals(result.fits, result.genes, level)
    columns = {"trend": result.values, "lower": lower, "upper": upper, "scaled": result.scaled}
    if wide:
        return _wide_frame(columns[values], result.genes, result.pseudotime, result.grid_lineage)
    return _long_frame(columns, result.genes, result.pseudotime, result.grid_lineage, result.labels)


def _long_frame(columns: dict[str, np.ndarray], genes: Sequence[str], grid, grid_lineage, cluster) -> pd.DataFrame:
    """Return a table with one row per gene and grid point.

    columns : Values by name, `(n_genes, n_points)`.
    genes, cluster : `(n_genes,)`.
    grid, grid_lineage : `(n_points,)` pseudotime and lineage.
    """
    n_genes, n_points = len(genes), len(grid)
    return pd.DataFrame(
        {
            "gene": np.repeat(np.asarray(genes, dtype=object), n_points),
            "lineage": np.tile(np.asarray(grid_lineage, dtype=object), n_genes),
            "pseudotime": np.tile(np.asarray(grid, dtype=float), n_genes),
            **{name: values.ravel() for name, values in columns.items()},
            "cluster": np.repeat(np.asarray(cluster), n_points),
        }
    )


def _wide_frame(values: np.ndarray, genes: Sequence[str], grid, grid_lineage) -> pd.DataFrame:
    """Return a table with one row per gene and one column per grid point, with two column levels for several lineages."""
    several = len(set(grid_lineage)) > 1
    levels = [grid_lineage, grid], ["lineage", "pseudotime"]
    columns = pd.MultiIndex.from_arrays(levels[0], names=levels[1]) if several else pd.Index(grid, name="pseudotime")
    return pd.DataFrame(values.copy(), index=pd.Index(genes, name="gene"), columns=columns)
