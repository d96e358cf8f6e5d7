"""Time of pyGAM per gene, with CellRank's settings."""

from __future__ import annotations

import numpy as np
from anndata import AnnData
from pygam import GammaGAM, LinearGAM, s

from .data import SHIFT
from .timing import best_of

# cellrank.models.GAM by default: 6 cubic B-splines, lam=3, both penalties, gamma with log link, up to 2,000 iterations
TERM = {"n_splines": 6, "spline_order": 3, "lam": 3, "penalties": ["derivative", "l2"]}
MAX_ITER = 2000


def time_pygam(adata: AnnData, family: str, n_genes: int) -> float:
    """Mean time per gene of fit, and trend with its confidence interval at 200 points.

    Parameters
    ----------
    adata
        As returned by :func:`benchmarks.data.make_data`.
    family
        "gamma": GammaGAM with log link on expression + 0.1; "normal": LinearGAM, one step without iteration.
    n_genes
        Number of genes, evenly spaced among all.
    """
    time, weights = adata.obs["pseudotime"].to_numpy(), adata.obsm["lineages_fwd"]["A"].to_numpy()
    genes = np.linspace(0, adata.n_vars - 1, n_genes).astype(int)
    columns = adata.X[:, genes].toarray().astype(float)
    grid = np.linspace(time.min(), time.max(), 200)[:, None]
    kind, shift = {"gamma": (GammaGAM, SHIFT), "normal": (LinearGAM, 0.0)}[family]

    def fit(column):
        model = kind(s(0, **TERM), max_iter=MAX_ITER).fit(time[:, None], column + shift, weights=weights)
        model.predict(grid)
        model.confidence_intervals(grid)

    return sum(best_of(lambda column=column: fit(column), repeats=2) for column in columns.T) / n_genes
