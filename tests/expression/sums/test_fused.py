"""The compiled pass equals NumPy and SciPy; its functions are also run uncompiled."""

import numpy as np
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.expression.sums import fused
from lineage_clust.expression.sums.bands import make_bands, no_design
from lineage_clust.expression.sums.sums import block_sums, cell_sums
from lineage_clust.utils import compiling, threads

from ...fits import QUICK

pytest.importorskip("numba", reason="numba (the extra fast) is not installed")

FIELDS = ("products", "sums", "squares", "columns", "nonzero_weight", "totals", "total_squares", "level")


@pytest.fixture(params=[pytest.param("compiled", marks=pytest.mark.slow), "as Python"])
def always(request, monkeypatch):
    """Use the pass for few values as well, in several parts."""
    monkeypatch.setattr(compiling, "_WORTHWHILE", 0)
    monkeypatch.setattr(fused, "_PART", 100)
    if request.param == "as Python":
        functions = fused.load_compiled()
        for name in ("sum_rows", "sum_columns", "add_row", "add_rest", "add_totals", "add_value", "put", "ascend"):
            monkeypatch.setattr(functions, name, getattr(functions, name).py_func)


def problem(dtype=np.float32, n_cells=60, n_genes=12, seed=0):
    rng = np.random.default_rng(seed)
    Y = (rng.poisson(3, size=(n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < 0.4)).astype(dtype)
    kept, genes = np.sort(rng.permutation(n_cells)[: n_cells - 9]), rng.permutation(n_genes)[: n_genes - 3]
    basis = lc.BSplineSmoother(9, domain=(0, 1)).fit_transform(rng.uniform(0, 1, len(kept))[:, None])
    design = sparse.hstack([basis, rng.normal(size=(len(kept), 2))], format="csr")
    return Y, kept, genes, make_bands(design, 9), rng.uniform(0.1, 1, len(kept))


def expected(Y, bands, weights):
    """Return the sums without the compiled pass."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "_WORTHWHILE", np.inf)
        return block_sums(Y, None, bands, weights)


def assert_same(sums, other, fields=FIELDS):
    for name in fields:
        np.testing.assert_allclose(getattr(sums, name), getattr(other, name), rtol=1e-11, atol=1e-11, err_msg=name)
    np.testing.assert_array_equal(sums.n_nonzero, other.n_nonzero)
    np.testing.assert_array_equal(sums.large, other.large)


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.parametrize("dtype", ["f4", *(pytest.param(one, marks=pytest.mark.slow) for one in ("f8", "i4", "u2"))])
@pytest.mark.usefixtures("always")
def test_sums_of_chosen_cells_and_genes(kind, dtype):
    Y, kept, genes, bands, weights = problem(np.dtype(dtype))
    stored = sparse.csr_matrix(Y).asformat(kind)
    sums = cell_sums(BlockedExpression(stored)[kept][:, genes], bands, weights)
    assert_same(sums, expected(sparse.csr_array(Y[kept][:, genes]), bands, weights), FIELDS[:5])
    assert sums.n_cells == len(Y)
    part = block_sums(stored, kept, bands, weights)  # as of a file, with what is known of all cells
    np.testing.assert_allclose(part.totals, Y.astype(float).sum(axis=0))
    np.testing.assert_allclose(part.total_squares, (Y.astype(float) ** 2).sum(axis=0))
    np.testing.assert_allclose(part.products[:, genes], sums.products)


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.usefixtures("always")
def test_values_are_counted(kind):
    Y, kept, genes, bands, weights = problem()
    Y[kept[3], genes[1]] = 2.0**31
    stored = sparse.csr_matrix(Y).asformat(kind)
    carried = (weights[:, None] * (Y[kept][:, genes] != 0)).sum(axis=0)
    sums = cell_sums(BlockedExpression(stored)[kept][:, genes], bands, weights)
    np.testing.assert_allclose(sums.nonzero_weight, carried)
    np.testing.assert_array_equal(sums.n_nonzero, (Y[kept][:, genes] != 0).sum(axis=0))
    assert np.flatnonzero(sums.large).tolist() == [1]


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.usefixtures("always")
def test_a_design_without_bands(kind):
    Y, kept, _, _, weights = problem()
    own, rng = sparse.csr_array(Y[kept]), np.random.default_rng(1)
    for bands in (make_bands(rng.normal(size=(len(kept), 5)), 5), no_design(len(kept))):
        assert_same(block_sums(own.asformat(kind), None, bands, weights), expected(own, bands, weights))


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.usefixtures("always")
def test_a_cell_of_weight_zero_is_as_if_absent(kind):
    Y, kept, _, bands, weights = problem()
    absent = np.arange(len(kept)) % 4 == 0
    spoilt = Y[kept]
    spoilt[np.flatnonzero(absent)[0]] = np.nan
    sums = block_sums(sparse.csr_array(spoilt).asformat(kind), None, bands, np.where(absent, 0.0, weights))
    there = ~absent
    assert_same(sums, expected(sparse.csr_array(Y[kept][there]), bands[there], weights[there]), FIELDS[:5])


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.usefixtures("always")
def test_values_stored_in_parts_stored_zeros_and_indices_in_any_order(kind):
    parts = sparse.csr_array(
        (np.array([1, 2, 4], "f4"), np.array([0, 0, 1], "i4"), np.array([0, 2, 3], "i4")), shape=(2, 2)
    )
    sums = block_sums(parts if kind == "csr" else parts.T.tocsc().T, None, no_design(2), np.ones(2))
    assert sums.squares.tolist() == [9.0, 16.0]
    zeros = sparse.csr_array((np.array([0, 2], "f4"), np.array([1, 0], "i4"), np.array([0, 2, 2], "i4")), shape=(2, 2))
    sums = block_sums(zeros.asformat(kind), None, no_design(2), np.ones(2))
    assert sums.n_nonzero.tolist() == [1, 0]
    assert sums.squares.tolist() == [4.0, 0.0]


@pytest.mark.parametrize("kind", ["csr", "csc"])
@pytest.mark.usefixtures("always")
def test_large_values_of_either_sign_are_found(kind):
    Y = np.array([[1.0, -(2.0**31), 5.0, 2.0], [2.0**31 - 1, 2.0, 0.0, 2.0**30]])
    stored = sparse.csr_array(Y).asformat(kind)
    assert block_sums(stored, None, no_design(2), np.ones(2)).large.tolist() == [True, True, False, False]
    some = BlockedExpression(stored)[np.array([1])][:, np.array([3, 1, 0])]
    assert cell_sums(some, no_design(1), np.ones(1)).large.tolist() == [False, False, True]


def test_sums_do_not_depend_on_the_number_of_threads(always, monkeypatch):
    Y, _, _, _, _ = problem(np.float64, n_cells=400, seed=3)
    bands, weights = make_bands(np.random.default_rng(0).normal(size=(400, 4)), 4), np.linspace(0.1, 1, 400)
    found = []
    for n_threads in (1, 3):
        monkeypatch.setattr(threads, "available_threads", lambda n=n_threads: n)
        found.append(block_sums(sparse.csr_array(Y), None, bands, weights))
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


@pytest.mark.parametrize("why", ["no numba", "few values", "half precision"])
def test_what_it_is_not_for_goes_without_it(why, monkeypatch):
    Y, kept, _, bands, weights = problem()
    own = sparse.csr_array(Y[kept])
    if why != "few values":
        monkeypatch.setattr(compiling, "_WORTHWHILE", 0)
    if why == "no numba":
        monkeypatch.setattr(fused, "load_compiled", lambda: None)
    if why == "half precision":
        own.data = own.data.astype(np.float16)
    assert fused.fused_sums(own, None, None, bands, weights, True) is None
    if why != "half precision":  # which SciPy cannot add up either
        assert_same(block_sums(own, None, bands, weights), expected(own, bands, weights))


@pytest.mark.slow  # compiles
def test_the_whole_fit_is_the_same_with_and_without(make_adata, monkeypatch):
    adata = make_adata(n_cells=300, n_genes=20)
    plain = lc.TrendClusterer(lineage="A", random_state=0, clusterer=QUICK).fit(adata)
    monkeypatch.setattr(compiling, "_WORTHWHILE", 0)
    monkeypatch.setattr("lineage_clust.lineage.genes.expression._LARGE", 0)
    fast = lc.TrendClusterer(lineage="A", random_state=0, clusterer=QUICK).fit(adata)
    np.testing.assert_allclose(fast.trends_, plain.trends_, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(fast.gene_table_["pvalue"], plain.gene_table_["pvalue"], rtol=1e-6)
    np.testing.assert_array_equal(fast.labels_, plain.labels_)
    np.testing.assert_allclose(fast.transform(adata), plain.transform(adata), atol=1e-9)
