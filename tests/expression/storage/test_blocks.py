"""BlockedExpression equals its matrix in all storages: selections, blocks, memory budget, cache, errors."""

import anndata as ad
import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.expression.storage.blocks import BlockedExpression, cell_totals, parse_budget, readable
from lineage_clust.expression.storage.sources import cuts, is_stored, nbytes, parts

KINDS = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}
MATRIX = np.random.default_rng(0).poisson(0.6, (23, 9)).astype(np.float32)


def stored(kind, backend, folder, matrix=MATRIX):
    """Return the matrix as anndata finds it in a file, or in memory."""
    if backend == "memory":
        return KINDS[kind](matrix)
    group = zarr.open_group(str(folder / "m.zarr"), mode="w") if backend == "zarr" else h5py.File(folder / "m.h5", "w")
    ad.io.write_elem(group, "X", KINDS[kind](matrix))
    return group["X"] if kind == "dense" else ad.io.sparse_dataset(group["X"])


PLACES = [(kind, backend) for kind in KINDS for backend in ("hdf5", "zarr")] + [("csr", "memory"), ("csc", "memory")]


@pytest.fixture(params=PLACES, ids="-".join)
def expression(request, tmp_path):
    return BlockedExpression(stored(*request.param, tmp_path), memory_budget=200)  # parts of one value


def test_it_is_the_matrix(expression):
    assert expression.shape == MATRIX.shape
    assert expression.dtype == np.float32
    rebuilt, seen = np.zeros(MATRIX.shape), np.zeros(MATRIX.shape, dtype=int)
    n_blocks = 0
    for rows, columns, block in expression.blocks():
        assert block.dtype == np.float64
        rebuilt[rows, columns] = block.toarray() if sparse.issparse(block) else block
        seen[rows, columns] += 1
        n_blocks += 1
    np.testing.assert_array_equal(rebuilt, MATRIX)
    assert np.all(seen == 1)
    assert n_blocks > 5 or isinstance(expression.stored, zarr.Array)  # which is one chunk


@pytest.mark.parametrize(
    "cells, genes",
    [
        (slice(None), slice(None)),
        (slice(3, 9), [4]),
        ([7, 2, 20], slice(None, None, 2)),
        (np.arange(23)[::-1], np.arange(9)[::-1]),
        (np.arange(23) % 2 == 0, [8, 0, 3]),
        ([], [1]),
    ],
)
@pytest.mark.first(16)
def test_cells_and_genes_are_chosen_as_numpy_does(expression, cells, genes):
    cells = np.asarray(cells, dtype=int) if isinstance(cells, list) else cells
    expected = MATRIX[cells][:, genes]
    expression.memory_budget = 10**6
    for chosen in (expression[cells, genes], expression[cells][:, genes], expression[:, genes][cells]):
        assert chosen.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(chosen), expected)
    np.testing.assert_allclose(chosen @ np.ones((expected.shape[1], 2)), expected @ np.ones((expected.shape[1], 2)))
    np.testing.assert_allclose(chosen.cell_totals(), expected.sum(axis=1))


def test_choosing_twice_chooses_among_the_chosen(expression):
    chosen = expression[[5, 9, 1]][[2, 0]][:, [7, 3]][:, [1]]
    chosen.memory_budget = 10**6
    np.testing.assert_array_equal(np.asarray(chosen), MATRIX[[1, 5]][:, [3]])


def test_a_cell_cannot_be_chosen_twice_and_a_number_chooses_nothing(expression):
    with pytest.raises(IndexError, match="selected more than once"):
        list(expression[[1, 1]].blocks())
    with pytest.raises(IndexError, match=r"For one, use \[\[i\]\]"):
        expression[3]


def test_the_memory_keeps_its_form(tmp_path):
    for kind, convert in KINDS.items():
        matrix = BlockedExpression(stored(kind, "hdf5", tmp_path))[[4, 2]].to_memory()
        assert type(matrix) is np.ndarray if kind == "dense" else matrix.format == kind
        assert matrix.dtype == convert(MATRIX).dtype


def test_more_than_the_budget_is_not_loaded(expression):
    if expression.in_memory:
        assert expression.to_memory() is expression.stored
        expression.check_fits_dense()
        return
    with pytest.raises(
        MemoryError, match=r"9 genes in 23 cells must be loaded into memory, .* memory_budget='200 bytes'"
    ):
        expression.to_memory()


@pytest.mark.parametrize("dtype", ["f2", ">f8", ">i4"])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_that_sparse_matrices_do_not_support(kind, dtype, tmp_path):
    data = stored(kind, "hdf5", tmp_path, MATRIX.astype(np.float64))
    group = data.parent if kind == "dense" else data.group
    name = "X" if kind == "dense" else "data"
    values = group[name][...]
    del group[name]
    group[name] = values.astype(dtype)
    expression = BlockedExpression(group[name] if kind == "dense" else ad.io.sparse_dataset(group), memory_budget=200)
    for _, _, block in expression.blocks():
        assert (block @ np.ones(block.shape[1])).dtype == np.float64
    np.testing.assert_array_equal(expression.cell_totals(), MATRIX.sum(axis=1))
    expression.memory_budget = 10**6
    np.testing.assert_array_equal(np.asarray(expression), MATRIX)


@pytest.mark.parametrize("kind", KINDS)
def test_totals_of_cells_are_added_in_double_precision(kind, tmp_path):
    matrix = np.where(np.arange(400) % 2, 1.0, 3e5)[None, :].repeat(3, axis=0).astype(np.float32)
    matrix[1, 7], matrix[2, [3, 8]] = np.nan, (np.inf, -np.inf)
    expected = np.where(np.isfinite(matrix), matrix, 0).astype(float).sum(axis=1)
    for Y in (KINDS[kind](matrix), BlockedExpression(stored(kind, "hdf5", tmp_path, matrix), memory_budget=200)):
        np.testing.assert_array_equal(cell_totals(Y), expected)


def test_a_sample_is_large_enough_within_any_budget(tmp_path):
    assert BlockedExpression(stored("csr", "hdf5", tmp_path), memory_budget=1).head(2**19)[1].shape == MATRIX.shape


@pytest.mark.first(1)
def test_one_gene_at_a_time(expression):
    for gene in range(9):
        np.testing.assert_array_equal(expression.column(gene), MATRIX[:, gene])


@pytest.mark.first(3)
def test_parts_of_genes_fit_the_budget(expression):
    counts = np.count_nonzero(MATRIX, axis=0)
    expression.memory_budget = 1500
    found = list(expression.gene_parts(counts))
    assert len(found) > 1
    np.testing.assert_array_equal(
        np.hstack([part.toarray() if sparse.issparse(part) else part for _, part in found]), MATRIX
    )
    assert [genes.start for genes, _ in found[1:]] == [genes.stop for genes, _ in found[:-1]]


def test_what_was_found_out_is_remembered_for_the_genes_it_is_known_of(expression):
    assert expression.recall("totals") is None
    expression[:, [2, 5]].remember(totals=np.array([20.0, 50.0]))
    assert expression.recall("totals") is None
    assert expression[[1, 2]][:, [5]].recall("totals").tolist() == [50.0]


def test_a_closed_file_is_said_to_be_closed(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        ad.io.write_elem(file, "X", sparse.csr_matrix(MATRIX))
        expression = BlockedExpression(ad.io.sparse_dataset(file["X"]), memory_budget=3000)
        blocks = expression.blocks()
        next(blocks)
    with pytest.raises(ValueError, match="was closed. Keep it open until the fit has finished"):
        list(blocks)


def test_other_errors_of_reading_are_left_alone(expression, monkeypatch):
    monkeypatch.setattr(np, "asarray", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(BlockedExpression(zarr.array(MATRIX)).blocks())


def test_what_is_stored_is_told_from_what_is_in_memory(tmp_path):
    for kind, convert in KINDS.items():
        assert is_stored(stored(kind, "hdf5", tmp_path))
        assert not is_stored(convert(MATRIX))


def test_sizes_in_memory(tmp_path):
    assert nbytes(stored("dense", "zarr", tmp_path)) == MATRIX.nbytes
    assert nbytes(stored("csr", "hdf5", tmp_path)) == np.count_nonzero(MATRIX) * (4 + 4)


def test_dense_parts_end_where_chunks_of_the_file_end(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        data = file.create_dataset("X", data=np.zeros((50, 4)), chunks=(8, 4))
        assert [part.rows.start for part in parts(data, 80)] == [0, 16, 32, 48]
        assert [part.rows.start for part in parts(data, 1)] == [0, 8, 16, 24, 32, 40, 48]
        tall = file.create_dataset("tall", data=np.zeros((50, 6)), chunks=(50, 1))
        assert [part.columns for part in parts(tall, 120)] == [slice(0, 2), slice(2, 4), slice(4, 6)]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 20))
def test_cuts_cover_all_lines_within_bounds(sizes, n_values):
    indptr = np.cumsum([0, *sizes])
    found = list(cuts(indptr, n_values))
    assert [first for first, _ in found] == [0, *(last for _, last in found[:-1])]
    assert found[-1][1] == len(sizes)
    assert all(indptr[last] - indptr[first] <= n_values or last == first + 1 for first, last in found)


@pytest.mark.parametrize(
    "budget, expected",
    [(None, 256 * 10**6), (1000, 1000), ("2GB", 2 * 10**9), ("1.5 kib", 1536), ("300", 300), ("10M", 10**7)],
)
def test_budgets(budget, expected):
    assert parse_budget(budget) == expected


@pytest.mark.parametrize("budget", ["much", "-1MB", 0, -5, True, np.inf, [1], "1 PB"])
def test_no_budgets(budget):
    with pytest.raises(ValueError, match="memory_budget must be bytes, a string such as '500MB', or None"):
        parse_budget(budget)


def test_bytes_are_readable():
    assert [readable(n) for n in (12, 3000, 2.5e6, 1e9)] == ["12 bytes", "3 kB", "2.5 MB", "1 GB"]
