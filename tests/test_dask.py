"""Fits of dask arrays: sums are tasks, in threads or processes of a cluster, and the array is never collected."""

import os
import signal

import anndata as ad
import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.model_selection import cross_val_score

import lineage_clust as lc
from lineage_clust.expression.storage import tasks as block_tasks
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.expression.sums.sums import Sums

dask = pytest.importorskip("dask", reason="dask is not installed (the extra 'dask' has it)")
da = pytest.importorskip("dask.array", reason="dask.array is not installed (the extra 'dask' has it)")


def chunked(matrix, rows=70, columns=-1, convert=np.asarray):
    whole = matrix.toarray() if sparse.issparse(matrix) else matrix
    return da.from_array(whole, chunks=(rows, columns)).map_blocks(
        convert, dtype=whole.dtype, meta=convert(whole[:0, :0])
    )


def in_dask(adata, **chunks):
    other = adata.copy()
    other.X = chunked(adata.X, **chunks)
    return other


def fitted(adata, **params):
    return lc.TrendClusterer(clusterer=KMeans(3, random_state=0), lineage="A", **params).fit(adata)


def assert_equal_fits(one, other, atol=1e-10):
    for name in ("values", "se", "gene_means", "gene_stds"):
        np.testing.assert_allclose(getattr(one._result, name), getattr(other._result, name), rtol=1e-10, atol=atol)
    np.testing.assert_array_equal(one.labels_, other.labels_)
    for column in ("edf", "pvalue", "deviance_explained"):
        np.testing.assert_allclose(one.gene_table_[column], other.gene_table_[column], rtol=1e-8, atol=1e-10)
    assert list(one.gene_table_["note"]) == list(other.gene_table_["note"])


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="distributed is not installed (the extra 'dask' has it)")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize("columns", [-1, 7])
@pytest.mark.parametrize("convert", [np.asarray, sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
@pytest.mark.first(2)
def test_chunks_of_any_kind_give_the_fit_in_memory(make_adata, convert, columns):
    adata = make_adata(300)
    assert_equal_fits(fitted(in_dask(adata, convert=convert, columns=columns)), fitted(adata))


def test_chunks_of_different_kinds(make_adata):
    adata, kinds = make_adata(300), [np.asarray, sparse.csr_matrix, sparse.csc_array]
    mixed = adata.copy()
    mixed.X = chunked(adata.X).map_blocks(
        lambda block, block_info: kinds[block_info[0]["chunk-location"][0] % 3](block), dtype=adata.X.dtype,
        meta=sparse.csr_matrix((0, 0), dtype=adata.X.dtype),
    )  # fmt: skip
    for params in ({}, {"model": lc.GAM(link="log"), "alpha": None}):
        assert_equal_fits(fitted(mixed, **params), fitted(adata, **params))


def test_covariates_and_offset(make_adata):
    adata = make_adata(300, kind="dense")
    params = {"covariates": ["batch", "depth"], "offset": "depth"}
    assert_equal_fits(fitted(in_dask(adata), **params), fitted(adata, **params))


@pytest.mark.parametrize("family", ["poisson", "gamma"])
@pytest.mark.first(1)
def test_other_families(make_adata, family):
    adata = make_adata(300, 8, kind="dense")
    adata.X = adata.layers["counts"].copy() if family == "poisson" else adata.X + np.float32(0.5)
    model = lc.GAM(family)
    one, other = fitted(in_dask(adata), model=model, memory_budget="50KB"), fitted(adata, model=model)
    np.testing.assert_allclose(one.trends_, other.trends_, rtol=1e-6)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
@pytest.mark.parametrize("where", ["threads", "file", pytest.param("cluster", marks=pytest.mark.slow)])
@pytest.mark.first(2)
def test_counts_are_summed_alike_wherever_they_are(make_adata, family, where, request, tmp_path):
    adata = make_adata(400, 8)
    adata.X = sparse.csr_matrix(adata.layers["counts"], dtype=np.float32)
    params = {"model": lc.GAM(family, discretize=True), "offset": "size_factors"}
    one = fitted(adata, **params)
    if where == "file":
        adata.write_h5ad(tmp_path / "counts.h5ad")
        other = fitted(ad.read_h5ad(tmp_path / "counts.h5ad", backed="r"), memory_budget="100KB", **params)
    else:
        if where == "cluster":
            request.getfixturevalue("cluster")
        other = fitted(in_dask(adata, convert=sparse.csr_matrix), **params)
    np.testing.assert_allclose(other.trends_, one.trends_, rtol=1e-6)
    np.testing.assert_allclose(other._result.se, one._result.se, rtol=1e-6)
    np.testing.assert_allclose(other.gene_table_["pvalue"], one.gene_table_["pvalue"], rtol=1e-5)


def test_what_follows_a_fit(make_adata):
    adata = make_adata(300)
    lazy, tc = in_dask(adata, convert=sparse.csr_matrix), fitted(adata)
    np.testing.assert_allclose(tc.transform(lazy), tc.transform(adata), atol=1e-10)
    assert tc.score(lazy) == pytest.approx(tc.score(adata), abs=1e-10)
    np.testing.assert_array_equal(tc.predict(lazy, ["rise1", "fall2"]), tc.predict(adata, ["rise1", "fall2"]))
    drivers, expected = (lc.lineage_drivers(one, "A") for one in (lazy, adata))
    np.testing.assert_allclose(drivers["A_corr"], expected["A_corr"], atol=1e-10)


def test_the_matrix_is_never_gathered(make_adata, monkeypatch):
    results = []
    compute = block_tasks._compute
    monkeypatch.setattr(block_tasks, "_compute", lambda tasks: results.append(compute(tasks)) or results[-1])
    fitted(in_dask(make_adata(300), convert=sparse.csr_matrix))
    look, sums = (result for (result,) in results)  # at the kind of values in the first block, then all of them
    assert look.shape[0] < 300
    assert isinstance(sums, Sums)


def test_the_sums_do_not_depend_on_the_scheduler(make_adata):
    lazy = in_dask(make_adata(300))
    with dask.config.set(scheduler="synchronous"):
        one = fitted(lazy)
    np.testing.assert_array_equal(one.trends_, fitted(lazy).trends_)


def test_a_view_that_anndata_made_of_a_dask_array_is_read_in_blocks(make_adata):
    view = in_dask(make_adata(300))[:200]
    whole = ad.AnnData(view.X, obs=view.obs, var=view.var, obsm=dict(view.obsm))
    assert isinstance(whole.X, da.Array)
    assert_equal_fits(fitted(whole), fitted(make_adata(300)[:200]))


_QUICK = {"lineage": "A", "clusterer": KMeans(3, random_state=0), "n_points": 30}
_ON_CELLS = {
    "a view": lambda cells: lc.TrendClusterer(**_QUICK).fit(cells[:200]).trends_,
    "a search": lambda cells: cross_val_score(lc.TrendClusterer(**_QUICK), cells, cv=2),
    "folds": lambda cells: np.concatenate([test for _, test in lc.PseudotimeKFold(3).split(cells)]),
    "drivers": lambda cells: lc.DriverSelector("A", n_genes=5).fit(cells).drivers_["A_corr"],
    "conditions": lambda cells: lc.compare_conditions(cells, "half", "donor", lineage="A", n_points=30).table[
        "pvalue_level"
    ],
    "a strip": lambda cells: lc.TrendClusterer(**_QUICK).fit(cells).plot(adata=cells, covariate_key="batch") and 0,
    "colours": lambda cells: lc.TrendClusterer(**_QUICK).fit(cells).plot_genes(["rise0"], cells, color="batch") and 0,
    "cluster_lineage": lambda cells: np.size(
        lc.cluster_lineage(cells, lc.GAM(), ["rise0", "flat0"], "A", time_key=None)
    ),
}


@pytest.mark.filterwarnings("ignore::lineage_clust.LineageClustWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("use", _ON_CELLS.values(), ids=_ON_CELLS)
def test_cells_that_are_read_lazily_are_read_by_all_that_takes_cells(make_adata, tmp_path, use):
    pytest.importorskip("xarray", reason="anndata.experimental.read_lazy needs xarray")
    adata = make_adata(300)
    adata.obs["half"] = np.where(np.arange(300) % 2, "one", "other")
    adata.obs["donor"] = [f"{half}{number % 5}" for number, half in enumerate(adata.obs["half"])]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    lazy = ad.experimental.read_lazy(tmp_path / "cells.h5ad")
    np.testing.assert_allclose(use(lazy), use(adata), atol=1e-8)


@pytest.mark.slow
def test_processes_of_a_cluster_give_the_fit_in_memory(make_adata, cluster):
    adata = make_adata(400)
    assert_equal_fits(fitted(in_dask(adata, convert=sparse.csr_matrix)), fitted(adata))


@pytest.mark.slow
def test_a_file_is_read_by_the_processes_of_a_cluster(make_adata, cluster, tmp_path):
    pytest.importorskip("xarray", reason="anndata.experimental.read_lazy needs xarray")
    adata = make_adata(400)
    for path, write in ((tmp_path / "cells.h5ad", adata.write_h5ad), (tmp_path / "cells.zarr", adata.write_zarr)):
        write(path)
        assert_equal_fits(fitted(ad.experimental.read_lazy(path)), fitted(adata))


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_costs_nothing(make_adata, cluster, tmp_path):
    adata, mark = make_adata(400), tmp_path / "killed"

    def deadly(block, block_info=None):
        if block_info and block_info[0]["chunk-location"][0] == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        return sparse.csr_matrix(block)

    other = adata.copy()
    whole = da.from_array(adata.X.toarray(), chunks=(50, -1))
    other.X = whole.map_blocks(deadly, dtype=whole.dtype, meta=sparse.csr_matrix((0, 0), dtype=whole.dtype))
    mark.unlink(missing_ok=True)
    tc = fitted(other)
    assert mark.exists()
    assert_equal_fits(tc, fitted(adata))


@pytest.mark.slow
def test_the_chosen_cells_and_genes_of_chunks(make_adata):
    matrix = make_adata(100).X.toarray()
    expression = BlockedExpression(chunked(matrix, 30, 7, sparse.csr_matrix))[[5, 3, 70]][:, [9, 2]]
    np.testing.assert_array_equal(np.asarray(expression), matrix[[5, 3, 70]][:, [9, 2]])


@pytest.fixture
def adata_of_donors(make_adata):
    """Cells of six donors, three of whom are treated."""
    adata = make_adata(300, kind="dense")
    donor = np.arange(adata.n_obs) % 6
    adata.obs["donor"], adata.obs["drug"] = donor.astype(str), np.where(donor < 3, "no", "yes")
    adata.X = adata.X + 2 * (donor < 3)[:, None] * (np.arange(adata.n_vars) < 6)
    return adata


def test_donors_are_those_in_memory(adata_of_donors):
    one, other = (fitted(cells, sample_key="donor") for cells in (in_dask(adata_of_donors), adata_of_donors))
    assert_equal_fits(one, other, atol=1e-8)


@pytest.mark.slow
def test_comparisons_are_those_in_memory(adata_of_donors):
    options = {"lineage": "A", "n_points": 20, "clusterer": KMeans(2, random_state=0), "random_state": 0}
    cells = in_dask(adata_of_donors), adata_of_donors
    one, other = (lc.compare_conditions(some, "drug", "donor", **options) for some in cells)
    np.testing.assert_allclose(one.trends, other.trends, atol=1e-8)
    np.testing.assert_allclose(one.table["pvalue_both"], other.table["pvalue_both"], rtol=1e-6)
