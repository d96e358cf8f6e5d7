"""Tables of trends with one row per gene and time, or one row per gene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def long_frame(columns: dict[str, np.ndarray], genes: Sequence[str], grid, grid_lineage, cluster) -> pd.DataFrame:
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


def wide_frame(values: np.ndarray, genes: Sequence[str], grid, grid_lineage) -> pd.DataFrame:
    """Return a table with one row per gene and one column per grid point, with two column levels for several lineages."""
    several = len(set(grid_lineage)) > 1
    columns = (
        pd.MultiIndex.from_arrays([grid_lineage, grid], names=["lineage", "pseudotime"])
        if several
        else pd.Index(grid, name="pseudotime")
    )
    return pd.DataFrame(values.copy(), index=pd.Index(genes, name="gene"), columns=columns)
