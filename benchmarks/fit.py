"""Time to fit all genes: the model, the whole TrendClusterer, and one pass over the data as reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from anndata import AnnData

from lineage_clust import GAM, BSplineSmoother, TrendClusterer

from .data import SHIFT
from .timing import best_of


def time_product(adata: AnnData) -> float:
    """Time of one sparse product `Y.T @ w`, a lower bound for any method that reads every value."""
    weights = adata.obsm["lineages_fwd"]["A"].to_numpy()
    transposed = adata.X.T
    return best_of(lambda: transposed @ weights, repeats=10)


def time_fit(adata: AnnData) -> float:
    """Time of `GAM.fit`: REML smoothing parameters, coefficients and their covariance, for all genes."""
    return best_of(_fitting(adata, GAM(), adata.X, tests=False, predicts=False), repeats=10)


def time_tests(adata: AnnData) -> float:
    """Time of `GAM.fit` and of the tests of all genes, which are computed on first access of the p-values."""
    return best_of(_fitting(adata, GAM(), adata.X, predicts=False), repeats=10)


def time_gam(adata: AnnData) -> float:
    """Time of GAM: REML smoothing parameters, tests, and trends with standard errors at 200 points, for all genes."""
    return best_of(_fitting(adata, GAM(), adata.X))


def time_gamma(adata: AnnData, n_genes: int) -> float:
    """Time per gene of the same with a gamma distribution and log link, for some of the genes."""
    genes = np.linspace(0, adata.n_vars - 1, n_genes).astype(int)
    Y = adata.X[:, genes].toarray().astype(float) + SHIFT
    return best_of(_fitting(adata, GAM(family="gamma"), Y), repeats=2) / n_genes


def time_whole(adata: AnnData) -> float:
    """Time of `TrendClusterer.fit`: reading the lineage, trends, tests, graph and clusters."""
    return best_of(lambda: TrendClusterer(random_state=0).fit(adata, lineage="A"))


def time_tables(adata: AnnData) -> float:
    """Time of the same with the tables, which require posterior samples of the trends on first access."""
    return best_of(lambda: TrendClusterer(random_state=0).fit(adata, lineage="A").gene_table_)


def _fitting(adata: AnnData, model: GAM, Y, tests: bool = True, predicts: bool = True) -> Callable[[], object]:
    """Return a function without arguments that fits, tests and predicts, with a precomputed design."""
    time, weights = adata.obs["pseudotime"].to_numpy(), adata.obsm["lineages_fwd"]["A"].to_numpy()
    smoother = BSplineSmoother()
    design = smoother.fit_transform(time[:, None])
    grid = smoother.transform(np.linspace(time.min(), time.max(), 200)[:, None])

    def run():
        model.fit(design, Y, sample_weight=weights, penalty=smoother.penalty_)
        if tests:
            assert len(model.pvalue_) == Y.shape[1]
        if predicts:
            model.predict(grid, return_std=True)

    return run
