"""Ten degenerate genes among 200 do not affect the other 190."""

import re
import time
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.svm import SVR

import lineage_clust as lc
from lineage_clust import GAM, TrendClusterer
from lineage_clust.smoothers import BSplineSmoother

from .fits import QUICK

N_CELLS, N_GOOD = 300, 190
GOOD = [f"good{index}" for index in range(N_GOOD)]
RNG = np.random.default_rng(0)
T = np.sort(RNG.uniform(0, 1, N_CELLS))
W = np.clip(1 / (1 + np.exp(-8 * (T - 0.3) - RNG.normal(0, 1, N_CELLS))), 0.01, 1)
FAMILIES = ["gaussian", "poisson", "negative_binomial", "gamma", "binomial", "inverse_gaussian"]
MODELS = {**{family: GAM(family) for family in FAMILIES}, "ridge": Ridge(), "svr": SVR()}


def good_genes(family):
    rng = np.random.default_rng(1)
    waves = np.sin(2 * np.pi * T[:, None] * rng.uniform(0.3, 1.2, N_GOOD) + rng.uniform(0, 6, N_GOOD))
    mu = np.exp(0.7 + 0.8 * waves)
    if family == "poisson":
        return rng.poisson(mu)
    if family == "negative_binomial":
        return rng.negative_binomial(2, 2 / (2 + mu))
    if family == "gamma":
        return rng.gamma(2, mu / 2)
    if family == "binomial":
        return rng.random(mu.shape) < 0.45 + 0.3 * waves
    if family == "inverse_gaussian":
        return rng.wald(mu, 3)
    return rng.normal(mu, 0.3)


def degenerate_genes():
    rng = np.random.default_rng(2)
    some, zero = rng.poisson(2, N_CELLS).astype(float), np.zeros(N_CELLS)
    genes = {name: zero.copy() for name in ("all zero", "one cell", "least weight")}
    genes["one cell"][150] = 1
    genes["least weight"][np.argsort(W)[:12]] = 1
    genes["constant"] = np.full(N_CELLS, 0.5)
    genes["negative"] = rng.normal(-1, 0.1, N_CELLS)
    genes["nan"], genes["inf"] = some.copy(), some.copy()
    genes["nan"][5], genes["inf"][5] = np.nan, np.inf
    genes["huge"] = rng.uniform(0, 1e300, N_CELLS)
    genes["separated"] = np.where(T > 0.5, 1.0, 0.0)
    genes["overflow"] = np.rint(rng.uniform(2.0**31, 2.0**33, N_CELLS))
    return genes


DEGENERATE = degenerate_genes()
NONFINITE = dict.fromkeys(("nan", "inf"), "expression holds NaN or infinite values")
HUGE = {"huge": "expression so large that its squares overflow"}
POSITIVE = {**NONFINITE, **HUGE, "all zero": "no expression in any cell", "negative": "needs expression of at least 0"}
DIVERGED = "the iterations diverged"
# Genes that must fail, with the reason. Zeros have no likelihood under the last two families, so few others do there.
FAILED = {
    "gaussian": {**NONFINITE, **HUGE},
    "poisson": POSITIVE,
    "negative_binomial": POSITIVE,
    "gamma": {**POSITIVE, "least weight": DIVERGED, "separated": DIVERGED},
    "binomial": {**POSITIVE, "negative": "between 0 and 1", "overflow": "between 0 and 1"},
    "inverse_gaussian": {**POSITIVE, "one cell": DIVERGED, "separated": DIVERGED},
    "ridge": NONFINITE,
    "svr": NONFINITE,
}
# Genes that are degenerate for other families only
SOUND = {
    "gaussian": {"negative", "separated"},
    "poisson": {"separated"},
    "negative_binomial": {"separated"},
    "ridge": {"negative", "separated"},
    "svr": {"negative", "separated"},
}
NOTES = {
    "all zero": "expressed in no cell",
    "one cell": "expressed in 1 cell only",
    "constant": "constant expression",
    "least weight": "expressed in 12 cells only, whose weights add up to 0.68 cells",
    "overflow": r"values of 2\^31 or more",
    "huge": r"values of 2\^31 or more",
    "separated": "perfectly separated|no convergence in 100 iterations",
}


def fit(model, Y, genes, storage):
    adata = ad.AnnData(
        storage(np.asarray(Y, dtype=float)),
        obs=pd.DataFrame({"pseudotime": T, "fate": W}, index=[f"cell{cell}" for cell in range(N_CELLS)]),
        var=pd.DataFrame(index=genes),
    )
    began = time.perf_counter()
    fitted = TrendClusterer(model, lineage_key="fate", alpha=None, random_state=0, clusterer=QUICK).fit(adata)
    return fitted, time.perf_counter() - began


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "storage"),
    [
        ("gaussian", sparse.csr_matrix),
        *(pytest.param(name, sparse.csr_matrix, marks=pytest.mark.slow) for name in MODELS if name != "gaussian"),
        *(pytest.param(name, np.asarray, marks=pytest.mark.slow) for name in ("gaussian", "poisson", "ridge")),
    ],
)
def test_the_other_genes_are_fitted_as_if_the_ten_were_absent(name, storage):
    good = np.asarray(good_genes(name), dtype=float)
    names = [*GOOD[:95], *DEGENERATE, *GOOD[95:]]
    whole = np.column_stack([good[:, :95], *DEGENERATE.values(), good[:, 95:]])
    alone, time_alone = fit(MODELS[name], good, GOOD, storage)
    both, time_both = fit(MODELS[name], whole, names, storage)

    rows = [both.genes_.index(gene) for gene in GOOD]
    np.testing.assert_allclose(both.trends_[rows], alone.trends_, rtol=1e-8)
    if alone.trend_se_ is not None:
        np.testing.assert_allclose(both.trend_se_[rows], alone.trend_se_, rtol=1e-8)
    for column in ("edf", "deviance_explained", "pvalue", "lambda"):
        np.testing.assert_allclose(both.gene_table_.loc[GOOD, column], alone.gene_table_[column], rtol=1e-6)

    failed = FAILED[name]
    assert set(both.failed_) == set(failed)
    for gene in DEGENERATE:
        if gene in failed:
            assert failed[gene] in both.failed_[gene]
            continue
        assert np.isfinite(both.trends_[both.genes_.index(gene)]).all()
        if gene not in SOUND.get(name, ()):
            assert re.search(NOTES[gene], both.gene_table_.loc[gene, "note"]), gene
    if name == "inverse_gaussian":  # the mean tends to 0, as its zeros have no likelihood
        assert not both.gene_table_.loc["least weight", "converged"]
        assert np.isnan(both.gene_table_.loc["least weight", "pvalue"])
    assert time_both < 4 * time_alone + 2


@pytest.mark.parametrize("family", ["gaussian", "poisson", "negative_binomial", "gamma"])
@pytest.mark.parametrize("storage", [sparse.csr_matrix, sparse.csc_matrix, np.asarray], ids=["csr", "csc", "dense"])
@pytest.mark.parametrize(
    "dtype", [np.int32, *(pytest.param(one, marks=pytest.mark.slow) for one in (np.int64, np.uint32, np.float32))]
)
@pytest.mark.first(4)
def test_integers_do_not_overflow(family, storage, dtype):
    """Counts near the end of their type are fitted as the numbers that they are."""
    smoother = BSplineSmoother(8).fit(T[:, None])
    B = smoother.transform(T[:, None])
    Y = np.random.default_rng(3).integers(2**31 - 1000, 2**31 - 1, (N_CELLS, 3)).astype(dtype)
    gam = GAM(family).fit(B, storage(Y), W, penalty=smoother.penalty_)
    expected = GAM(family).fit(B, Y.astype(float), W, penalty=smoother.penalty_)
    # sums of squares of sparse expression keep half of the digits, for nothing is taken off its values first
    np.testing.assert_allclose(gam.predict(B), expected.predict(B), rtol=1e-7)
    np.testing.assert_allclose(gam.predict(B), 2.0**31, rtol=1e-3)


def test_counts_that_overflowed_are_refused():
    """They come out negative."""
    overflowed = np.array([2**31 + 5, 3, 4] * 100).astype(np.uint32).view(np.int32)[:, None].astype(float)
    smoother = BSplineSmoother(8).fit(T[:, None])
    with pytest.raises(ValueError, match="family 'poisson' needs expression of at least 0; found -2.14748e\\+09"):
        GAM("poisson").fit(smoother.transform(T[:, None]), overflowed, penalty=smoother.penalty_)


@pytest.mark.parametrize("factor", [1e140, 1e150, 1e160])
def test_a_gene_whose_squares_overflow_costs_itself_only(factor):
    adata = lc.datasets.simulate_lineage(120, 8, 2, n_lineages=1, random_state=0)
    adata.X = np.asarray(adata.X.toarray() if sparse.issparse(adata.X) else adata.X, dtype=np.float64)
    adata.X[:, 0] *= factor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tc = lc.TrendClusterer(alpha=None, clusterer=lc.GraphClusterer(3, resolution=1.0), random_state=0).fit(adata)
    assert tc.failed_ == {adata.var_names[0]: "expression so large that its squares overflow"}
