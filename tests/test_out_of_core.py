"""Fits of expression in files: equal to fits in memory, in one pass, within the memory budget."""

import subprocess
import sys
import tracemalloc

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.linear_model import Ridge

import lineage_clust as lc
from lineage_clust.expression.storage import sources
from lineage_clust.expression.storage.blocks import BlockedExpression
from tests.fits import read_lineage

SMALL = "3KB"  # less than any of the matrices here


def fitted(adata, model=None, **params):
    params = {"clusterer": KMeans(3, random_state=0), "lineage": "A", **params}
    return lc.TrendClusterer(model, **params).fit(adata)


def opened(adata, path, how):
    if how == "zarr":
        adata.write_zarr(path)
        group = zarr.open(str(path), mode="r")
        X = group["X"] if isinstance(adata.X, np.ndarray) else ad.io.sparse_dataset(group["X"])
        return ad.AnnData(X, obs=adata.obs.copy(), var=adata.var.copy(), obsm=dict(adata.obsm))
    adata.write_h5ad(path)
    if how == "lazy":
        pytest.importorskip("xarray", reason="anndata.experimental.read_lazy needs xarray")
        return ad.experimental.read_lazy(path)
    return ad.read_h5ad(path, backed="r")


def assert_equal_fits(one, other, tolerance=1e-10):
    for name in ("values", "se", "gene_means", "gene_stds"):
        np.testing.assert_allclose(
            getattr(one._result, name), getattr(other._result, name), rtol=tolerance, atol=tolerance
        )
    np.testing.assert_array_equal(one.labels_, other.labels_)
    for column in {"edf", "pvalue", "deviance_explained", "lambda"} & set(one.gene_table_):
        np.testing.assert_allclose(one.gene_table_[column], other.gene_table_[column], rtol=1e-5, atol=1e-6)
    assert list(one.gene_table_["note"]) == list(other.gene_table_["note"])
    assert one.failed_ == other.failed_


@pytest.fixture
def reads(monkeypatch):
    """Count how many values are read from files, part by part."""
    counted = []
    plain = sources._Load.__call__

    def counting(self):
        block = plain(self)
        counted.append(block.size)
        return block

    monkeypatch.setattr(sources._Load, "__call__", counting)
    return counted


@pytest.mark.parametrize("how", ["backed", *(pytest.param(how, marks=pytest.mark.slow) for how in ("zarr", "lazy"))])
@pytest.mark.parametrize("kind", ["csr", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("csc", "dense"))])
def test_a_file_gives_the_fit_in_memory(make_adata, tmp_path, kind, how):
    adata = make_adata(200, kind=kind)
    stored = opened(adata, tmp_path / ("cells.zarr" if how == "zarr" else "cells.h5ad"), how)
    assert isinstance(read_lineage(stored, "A", memory_budget=SMALL).expression, BlockedExpression)
    tc, expected = fitted(stored, memory_budget=SMALL), fitted(adata)
    assert_equal_fits(tc, expected)
    np.testing.assert_allclose(tc.transform(stored), expected.transform(adata), atol=1e-10)
    assert tc.score(stored) == pytest.approx(expected.score(adata), abs=1e-10)
    new = ["rise1", "flat2"]
    np.testing.assert_array_equal(tc.predict(stored, new), expected.predict(adata, new))
    np.testing.assert_allclose(tc.trends_for(stored, new).values, expected.trends_for(adata, new).values, atol=1e-10)


@pytest.mark.parametrize(
    "params",
    [
        {"genes": ["peak3", "rise0", "fall1", "flat4"]},
        {"time_range": (0.1, 0.7), "weight_threshold": (0.4, 0.0)},
        {"covariates": ["batch", "depth"], "offset": "depth"},
        {"smoother": lc.GaussianProcessSmoother(), "model": lc.GAM(covariance="bayes", smoothing="gcv")},
        {"smoother": lc.CubicSplineSmoother(), "model": lc.GAM(fit_intercept=True)},
        {"model": lc.GAM(fit_intercept=False)},
        {"lineage": ["A", "B"], "layer": "X"},
        {"offset": "size_factors"},
    ],
    ids=lambda params: "-".join(params),
)
@pytest.mark.parametrize("kind", ["csr", "dense"])
@pytest.mark.filterwarnings("ignore:The offset is the log of each cell's depth")
@pytest.mark.slow
def test_with_all_that_a_gaussian_fit_can_have(make_adata, tmp_path, params, kind):
    adata = make_adata(400, kind=kind)
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    # collinear splines of a Gaussian process magnify rounding
    tolerance = 1e-5 if "smoother" in params else 1e-10
    assert_equal_fits(fitted(stored, memory_budget=SMALL, **params), fitted(adata, **params), tolerance)


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.first(1)
def test_the_file_is_read_once(make_adata, tmp_path, reads, kind):
    adata = make_adata(400, kind=kind)
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    fitted(stored, memory_budget=SMALL)
    assert len(reads) > 3
    # its first part twice: what kind of values it holds is seen there
    assert sum(reads[1:]) == (adata.X.nnz if sparse.issparse(adata.X) else adata.X.size)


@pytest.mark.slow
def test_raw_is_read_in_blocks(make_adata, tmp_path, reads):
    adata = make_adata(300)
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    assert_equal_fits(fitted(stored, use_raw=True, memory_budget=SMALL), fitted(adata, use_raw=True))
    assert sum(reads[1:]) == adata.raw.X.nnz


@pytest.mark.slow
def test_a_view_of_a_file_is_read_in_blocks(make_adata, tmp_path, reads):
    adata = make_adata(400)
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    cells, genes = np.arange(400) % 3 > 0, list(adata.var_names[::2])
    view = stored[cells, genes]
    assert isinstance(read_lineage(view, "A", memory_budget=SMALL).expression, BlockedExpression)
    assert_equal_fits(fitted(view, memory_budget=SMALL), fitted(adata[cells, genes].copy()))
    assert max(reads[1:]) < adata.X.nnz / 3  # after the sample


@pytest.mark.filterwarnings("ignore:.*looks like counts")
@pytest.mark.parametrize("use_raw", [False, True])
def test_nothing_loads_a_view_of_a_file(make_adata, tmp_path, monkeypatch, use_raw):
    adata = make_adata(300)
    adata.X = adata.layers["counts"].copy()  # for which other matrices are looked into, to name one with logs
    if use_raw:
        adata.raw = adata.copy()
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    cells, genes = np.random.default_rng(0).permutation(300)[:200], list(adata.var_names[::2])
    subset = adata[cells, genes].copy()
    expected = fitted(subset, use_raw=use_raw)
    view, plain = stored[cells, genes], ad.AnnData.X

    def unloaded(self):
        assert not self.is_view
        return plain.fget(self)

    monkeypatch.setattr(ad.AnnData, "X", property(unloaded, plain.fset, plain.fdel))
    assert isinstance(read_lineage(view, "A", memory_budget=SMALL, use_raw=use_raw).expression, BlockedExpression)
    tc = fitted(view, memory_budget=SMALL, use_raw=use_raw)
    assert_equal_fits(tc, expected)
    assert tc.score(view) == pytest.approx(expected.score(subset), abs=1e-10)


def test_what_fits_the_budget_is_read_into_memory(make_adata, tmp_path):
    adata = make_adata(300)
    tc = fitted(opened(adata, tmp_path / "cells.h5ad", "backed"))
    np.testing.assert_array_equal(tc.trends_, fitted(adata).trends_)


def test_poor_and_bad_genes_are_noted(make_adata, tmp_path):
    adata = make_adata(300, kind="dense")
    outside = adata.obs["palantir_pseudotime"].argmax()
    for gene, values in {0: 0.0, 1: 7.0, 2: np.nan, 3: 2.0**32}.items():
        adata.X[:, gene] = values
    adata.X[:, 3] *= np.arange(300) % 2
    adata.X[:, 4] = 0
    adata.X[[5, 70], 4] = 1
    adata.X[outside, 5] = np.inf
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    params = {"time_range": (0, 0.99), "alpha": None}
    one, other = fitted(stored, memory_budget=SMALL, **params), fitted(adata, **params)
    assert one.failed_ == other.failed_
    assert "NaN" in one.failed_[adata.var_names[2]]
    assert list(one.gene_table_["note"]) == list(other.gene_table_["note"])
    assert one.gene_table_["note"].iloc[0] == "expressed in no cell"
    assert adata.var_names[5] in one.genes_


def test_constant_genes_of_any_level(make_adata, tmp_path):
    adata = make_adata(200, 16, kind="dense")
    adata.X = adata.X.astype(np.float64)
    adata.X[:, :12] = np.append(np.arange(3.0, 13), [0.1, 1 / 3])
    for kind in (sparse.csr_matrix, sparse.csc_matrix, np.asarray):
        adata.X = kind(adata.X.toarray() if sparse.issparse(adata.X) else adata.X)
        stored = opened(adata, tmp_path / "cells.h5ad", "backed")
        for budget in ("500", "3KB", "20KB"):
            tc = fitted(stored, memory_budget=budget, alpha=None)
            assert not tc.failed_
            assert tc.gene_table_["note"].iloc[:12].eq("constant expression").all()
        stored.file.close()


@pytest.mark.parametrize("dtype", ["f2", ">f4"])
@pytest.mark.parametrize("how", ["backed", "zarr"])
def test_counts_in_numbers_that_sparse_matrices_do_not_support(make_adata, tmp_path, dtype, how):
    adata = make_adata(200, kind="dense")
    adata.X, adata.raw = adata.layers["counts"].copy(), None
    options = {"model": lc.GAM("poisson", discretize=True), "offset": "size_factors"}
    expected = fitted(adata, **options)
    adata.X = adata.X.astype(dtype)
    stored = opened(adata, tmp_path / "cells", how)
    np.testing.assert_allclose(fitted(stored, memory_budget=SMALL, **options).trends_, expected.trends_, atol=1e-8)


@pytest.mark.parametrize(
    "model",
    [
        lc.GAM("poisson"),
        lc.GAM("negative_binomial", dispersion="shrunk"),
        lc.GAM("gaussian", link="log"),
        lc.GAM(expectile=0.8),
    ],
    ids=["poisson", "shrunk", "log", "expectile"],
)
@pytest.mark.parametrize("kind", ["csr", "dense"])
@pytest.mark.filterwarnings("ignore:.*looks like counts")
@pytest.mark.slow
def test_other_families_take_a_bounded_number_of_passes(make_adata, tmp_path, reads, model, kind):
    adata = make_adata(300, 12, kind=kind)
    adata.X, adata.raw = adata.layers["counts"].copy(), None
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    budget = "14KB" if kind == "dense" else "10KB"
    one = fitted(stored, model, offset=None, memory_budget=budget)
    n_values = adata.X.nnz if kind == "csr" else adata.X.size
    n_passes = sum(reads[1:]) / n_values  # the first part is looked at before
    other = fitted(adata, model, offset=None)
    np.testing.assert_allclose(one.trends_, other.trends_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(one._result.gene_means, other._result.gene_means, rtol=1e-14)
    assert list(one.gene_table_["note"]) == list(other.gene_table_["note"])
    assert n_passes == 1 + round(n_passes - 1)
    assert 3 <= n_passes <= (13 if model.dispersion == "gene" else 25)


@pytest.mark.slow
def test_refused_genes_keep_their_places(make_adata, tmp_path):
    adata = make_adata(300, 12, kind="dense")
    adata.X = adata.layers["counts"].copy()
    adata.X[3, [2, 7]] = -1
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    one, other = (fitted(data, lc.GAM("poisson"), memory_budget="10KB") for data in (stored, adata))
    assert list(one.failed_) == list(adata.var_names[[2, 7]])
    assert one.failed_ == other.failed_
    np.testing.assert_allclose(one.trends_, other.trends_, rtol=1e-6)


def test_models_that_need_memory_say_so(make_adata, tmp_path):
    adata = make_adata(150)
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    for params in ({"model": Ridge()}, {"filter_cells": 0.0}, {"callback": lambda trend, **kw: trend.prepare(**kw)}):
        with pytest.raises(MemoryError, match=r"exceeds memory_budget='3 kB'. Raise memory_budget, select fewer genes"):
            fitted(stored, memory_budget=SMALL, **params)
        one, other = fitted(stored, memory_budget="1MB", **params), fitted(adata, **params)
        np.testing.assert_allclose(one.trends_, other.trends_, atol=1e-10)


def test_trends_with_their_cells(make_adata, tmp_path, reads):
    adata = make_adata(300)
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    tc = fitted(stored, memory_budget="8KB")
    trend, expected = (t.gene_trends(a)["rise1"]["A"] for t, a in ((tc, stored), (fitted(adata), adata)))
    np.testing.assert_allclose(trend.y_test, expected.y_test, atol=1e-10)
    np.testing.assert_array_equal(trend.y_all, expected.y_all)


def test_drivers(make_adata, tmp_path):
    adata = make_adata(300)
    for method, how in (("pearson", "lazy"), ("pearson", "backed"), ("spearman", "backed")):
        stored = opened(adata, tmp_path / f"{method}-{how}.h5ad", how)
        one, other = (lc.lineage_drivers(data, "A", method=method) for data in (stored, adata))
        np.testing.assert_allclose(one["A_corr"], other["A_corr"], atol=1e-10)


def test_a_file_that_is_closed_is_an_error_that_says_so(make_adata, tmp_path, monkeypatch):
    stored = opened(make_adata(300), tmp_path / "cells.h5ad", "backed")
    lineage = read_lineage(stored, "A", memory_budget=SMALL)
    stored.file.close()
    with pytest.raises(
        ValueError, match=r'was closed. Keep it open .* reopen it with anndata.read_h5ad\(path, backed="r"\)'
    ):
        list(lineage.expression.blocks())


def test_the_file_is_left_as_it_was(make_adata, tmp_path):
    stored = opened(make_adata(300), tmp_path / "cells.h5ad", "backed")
    before = (tmp_path / "cells.h5ad").read_bytes()
    fitted(stored, memory_budget=SMALL)
    assert stored.isbacked
    assert (tmp_path / "cells.h5ad").read_bytes() == before
    assert list(stored.obs) == list(make_adata(300).obs)


def test_a_wrong_budget_is_refused(make_adata):
    with pytest.raises(ValueError, match="memory_budget must be bytes"):
        fitted(make_adata(), memory_budget="lots")


@pytest.mark.parametrize("n_cells", [30_000, 90_000])
@pytest.mark.slow
def test_memory_is_bounded_by_the_budget(tmp_path, n_cells):
    rng = np.random.default_rng(0)
    X = sparse.csr_matrix(rng.random((n_cells, 60), dtype=np.float32) * (rng.random((n_cells, 60)) < 0.5))
    names = pd.RangeIndex(n_cells).astype(str)
    adata = ad.AnnData(X, obs=pd.DataFrame({"pseudotime": rng.uniform(0, 1, n_cells)}, index=names))
    stored = opened(adata, tmp_path / "cells.h5ad", "backed")
    tracemalloc.start()
    fitted(stored, lineage=None, alpha=None, memory_budget=4_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000 + 300 * n_cells  # pseudotime, weights, and the few splines of each cell


@pytest.mark.slow
def test_no_library_for_files_is_imported_by_this_one():
    code = (
        "import sys, anndata; known = set(sys.modules); import lineage_clust; "
        "print(sorted({'dask', 'distributed', 'zarr', 'h5py', 'xarray'} & (set(sys.modules) - known)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
