"""Exports of the trends of a fit: by gene with their cells, and as a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from anndata import AnnData

from ..results.result import FitResult, Fitted, result_of
from ..trends.gene_trend import FailedTrend, GeneTrend
from ..trends.preparing import terms_of
from ..utils.checking import check_share
from ..utils.constraints import one_of


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
    cells = result.of_cells(adata, list(result.models))
    return result.models.with_data(cells, result.fitter, terms_of(result.reader))


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
    lower, upper = result.interval(level)
    columns = {"trend": result.values, "lower": lower, "upper": upper, "scaled": result.scaled}
    if wide:
        points = pd.MultiIndex.from_arrays([result.grid_lineage, result.pseudotime], names=["lineage", "pseudotime"])
        points = points if len(set(result.grid_lineage)) > 1 else pd.Index(result.pseudotime, name="pseudotime")
        return pd.DataFrame(columns[values].copy(), index=pd.Index(result.genes, name="gene"), columns=points)
    n_genes, n_points = result.values.shape
    return pd.DataFrame(
        {
            "gene": np.repeat(np.asarray(result.genes, dtype=object), n_points),
            "lineage": np.tile(np.asarray(result.grid_lineage, dtype=object), n_genes),
            "pseudotime": np.tile(result.pseudotime, n_genes),
            **{name: of_genes.ravel() for name, of_genes in columns.items()},
            "cluster": np.repeat(result.labels, n_points),
        }
    )
