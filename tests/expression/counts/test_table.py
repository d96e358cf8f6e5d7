"""Sums over the nodes of a grid: definition, all storages, and that histograms preserve sums of smooth functions."""

from dataclasses import replace

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import digamma

from lineage_clust.expression.counts import table as module
from lineage_clust.expression.counts.bins import values_of_bins
from lineage_clust.expression.counts.table import Shares, Wanted, block_table
from lineage_clust.expression.storage.blocks import BlockedExpression

WANTED = Wanted(squares=True, histogram=True, least_loss=np.square, compiled=True)
COUNTED = Wanted(histogram=True, compiled=True)
FIELDS = ("sums", "squares", "histogram", "statistics", "extremes")
LOOPS = ("tabulate_rows", "tabulate_columns", "add_row", "look_up", "take_note", "count", "put", "share")


@pytest.fixture(params=[pytest.param("compiled", marks=pytest.mark.slow), "as Python", "without numba"])
def way(request, monkeypatch):
    """Use each of the three ways to add up."""
    if request.param == "without numba":
        monkeypatch.setattr(module, "load_compiled", lambda: None)
    else:
        pytest.importorskip("numba", reason="numba (the extra fast) is not installed")
    if request.param == "as Python":
        functions = module.load_compiled()
        for name in LOOPS:
            monkeypatch.setattr(functions, name, getattr(functions, name).py_func)


def problem(n_cells=50, n_genes=7, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    Y = (rng.poisson(3, (n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < 0.5)).astype(dtype)
    Y[0, 0], Y[1, 1] = 1000, 77
    starts = rng.integers(0, 4, n_cells) * 2
    shares = Shares(starts, rng.normal(size=(n_cells, 3)), rng.uniform(0.1, 1, n_cells), rng.normal(size=n_cells), 9)
    return Y, shares


def expected_sums(Y, shares):
    spread = np.zeros((len(Y), shares.n_nodes))
    for cell, start in enumerate(shares.starts):
        spread[cell, start : start + 3] = shares.values[cell]
    return Y.T.astype(float) @ (spread * shares.weights[:, None])


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array, np.asarray])
@pytest.mark.parametrize("dtype", ["f4", *(pytest.param(one, marks=pytest.mark.slow) for one in ("f8", "i4", "u2"))])
def test_sums_and_statistics(kind, dtype):
    Y, shares = problem(dtype=np.dtype(dtype))
    table = block_table(kind(Y), None, shares, WANTED)
    Y, w, unit = Y.astype(float), shares.weights[:, None], np.exp(-shares.offsets[:, None])
    np.testing.assert_allclose(table.sums, expected_sums(Y, shares), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(table.squares, expected_sums(Y**2, shares), rtol=1e-12, atol=1e-9)
    terms = [w * Y, w * Y**2, w * Y * unit, w * (Y * unit) ** 2, Y != 0, w * (Y != 0), w * Y**2, 0 * Y, Y, Y**2]
    terms.append(w * Y * shares.offsets[:, None])
    np.testing.assert_allclose(
        table.statistics, np.column_stack([np.sum(own, axis=0) for own in terms]), rtol=1e-10, atol=1e-9
    )
    np.testing.assert_array_equal(table.extremes[:, 1], Y.max(axis=0))
    np.testing.assert_allclose(table.extremes[:, 2], np.where(Y != 0, Y * unit, -np.inf).max(axis=0), rtol=1e-12)
    np.testing.assert_allclose(table.histogram[:, 2], w[:, 0] @ (Y == 2), rtol=1e-12)


@pytest.mark.usefixtures("way")
def test_values_that_are_no_counts_are_noted_and_not_counted():
    Y, shares = problem()
    Y[3, 2], Y[4, 2], Y[5, 3], Y[6, 4] = 0.5, 100.25, -1, np.nan
    for kind in (sparse.csr_array, sparse.csc_array):
        table = block_table(kind(Y), None, shares, COUNTED)
        assert table.statistics[:, 7].tolist() == [0, 0, 2, 1, 1, 0, 0]
        assert np.isnan(table.statistics[4, 0])
        assert np.isfinite(table.histogram).all()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_chosen_cells_and_genes(kind):
    Y, shares = problem()
    kept, genes = np.array([3, 4, 9, 20, 41]), np.array([5, 0, 2])
    stored = BlockedExpression(sparse.csr_matrix(Y).asformat(kind))
    table = module.count_table(stored[kept][:, genes], shares[kept], WANTED).answer()
    np.testing.assert_allclose(table.sums, expected_sums(Y[kept][:, genes], shares[kept]), atol=1e-9)
    np.testing.assert_allclose(table.statistics[:, 8], Y[:, genes].sum(axis=0))  # over all cells
    np.testing.assert_allclose(stored[:, genes].recall("totals"), Y[:, genes].sum(axis=0))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("how", ["zarr", "dask"])
@pytest.mark.first(1)
def test_blocks_add_up(how):
    Y, shares = problem()
    stored = zarr.array(Y, chunks=(7, 3))
    if how == "dask":
        stored = pytest.importorskip("dask.array").from_array(Y, chunks=(7, 3))
    table = module.count_table(BlockedExpression(stored, memory_budget="3KB"), shares, WANTED).answer()
    whole = module.count_table(sparse.csr_array(Y), shares, WANTED).answer()
    for name in FIELDS[:3]:
        np.testing.assert_allclose(getattr(table, name), getattr(whole, name), rtol=1e-12, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(table.extremes, whole.extremes)


@pytest.mark.parametrize("kind", ["csr", "csc", "zarr"])
def test_values_of_single_cells_are_kept(kind):
    Y, shares = problem()
    kept, genes, numbers = np.arange(3, 45, 2), np.array([5, 0, 2]), np.full(len(Y), -1)
    numbers[[3, 9, 41]] = [0, 1, 2]
    stored = zarr.array(Y, chunks=(7, 3)) if kind == "zarr" else sparse.csr_matrix(Y).asformat(kind)
    some = BlockedExpression(stored, memory_budget="3KB")[kept][:, genes]
    picked = replace(shares, numbers=numbers)[kept]
    table = module.count_table(some, picked, replace(WANTED, n_picked=3)).answer()
    np.testing.assert_array_equal(table.picked, Y[[3, 9, 41]][:, genes].T)
    assert module.count_table(some, shares[kept], WANTED).answer().picked.shape == (3, 0)


def test_values_stored_in_parts_are_summed_first():
    Y, shares = problem()
    parts = sparse.csr_matrix(Y)
    doubled = sparse.csr_matrix(
        (np.repeat(parts.data / 2, 2), np.repeat(parts.indices, 2), 2 * parts.indptr), shape=Y.shape
    )
    one, other = (block_table(block, None, shares, replace(WANTED, compiled=False)) for block in (parts, doubled))
    for name in FIELDS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)


@given(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=5), st.floats(0.05, 1e3))
def test_sums_of_smooth_functions_of_counts_stay_what_they_are(counts, theta):
    """Exactly below 64, to 1e-6 above, where values are shared among nodes."""
    n = len(counts)
    shares = Shares(np.zeros(n, dtype=int), np.ones((n, 1)), np.linspace(0.5, 1, n), np.zeros(n), 1)
    table = block_table(sparse.csr_array(np.array(counts, dtype=float)[:, None]), None, shares, Wanted(histogram=True))
    values, bins = values_of_bins(), table.histogram[0]
    assert bins.sum() == pytest.approx(shares.weights.sum())
    used = bins != 0
    for function in (np.log, lambda y: digamma(y + theta), lambda y: np.log(y + theta)):
        assert bins[used] @ function(values[used]) == pytest.approx(
            shares.weights @ function(np.array(counts, float)), rel=1e-6
        )
