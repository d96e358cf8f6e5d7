"""Weighted sums over blocks equal those over the whole matrix, for dense and sparse expression."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.expression.sums import moments
from lineage_clust.expression.sums.moments import blocks, weighted_products

KINDS = {"dense": np.asarray, "fortran": np.asfortranarray, "csr": sparse.csr_matrix, "csc": sparse.csc_array}


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n_cells, n_genes = draw(st.integers(1, 30)), draw(st.integers(1, 12))
    Y = rng.normal(size=(n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < draw(st.sampled_from([0.0, 0.2, 1.0])))
    Y = Y.astype(draw(st.sampled_from([np.float64, np.float32, np.int32])))
    return rng.normal(size=(n_cells, 3)), Y, rng.uniform(0.1, 1, n_cells)


@given(problems(), st.sampled_from(list(KINDS)), st.sampled_from([1, 7, 50, 10**6]))
def test_sums_over_blocks_are_the_sums_over_the_whole(problem, kind, block_values):
    Z, Y, weights = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "_BLOCK_VALUES", block_values)
        patch.setattr(BlockedExpression, "_values_a_block", lambda self: block_values)
        products, squares = weighted_products(Z, KINDS[kind](Y), weights)
    plain = Y.astype(float)
    np.testing.assert_allclose(products, Z.T @ np.diag(weights) @ plain, atol=1e-12)
    np.testing.assert_allclose(squares, np.diag(plain.T @ np.diag(weights) @ plain), atol=1e-12)


@given(problems(), st.sampled_from(list(KINDS)), st.sampled_from([1, 7, 50]))
def test_blocks_cover_every_value_once_as_float64(problem, kind, block_values):
    Y = problem[1]
    seen, rebuilt = np.zeros(Y.shape), np.zeros(Y.shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "_BLOCK_VALUES", block_values)
        patch.setattr(BlockedExpression, "_values_a_block", lambda self: block_values)
        for rows, columns, block in blocks(KINDS[kind](Y)):
            assert block.dtype == np.float64
            seen[rows, columns] += 1
            rebuilt[rows, columns] = block.toarray() if sparse.issparse(block) else block
    assert np.all(seen == 1)
    np.testing.assert_array_equal(rebuilt, Y)


def test_blocks_are_bounded(monkeypatch):
    monkeypatch.setattr(moments, "_BLOCK_VALUES", 100)
    Y = np.ones((20, 33))
    assert max(block.size for _, _, block in blocks(Y)) <= 100
    monkeypatch.setattr(BlockedExpression, "_values_a_block", lambda self: 100)
    assert max(block.nnz for _, _, block in blocks(sparse.csr_matrix(Y))) <= 100
    assert max(block.nnz for _, _, block in blocks(sparse.csc_matrix(Y))) <= 100


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_input_is_left_alone(kind):
    Y = KINDS[kind](np.arange(12.0).reshape(4, 3))
    before = Y.copy()
    weighted_products(np.ones((4, 1)), Y, np.ones(4))
    assert abs(Y - before).max() == 0


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix])
def test_values_stored_in_parts_are_summed_first(kind):
    parts = sparse.csr_matrix(
        (np.array([1.0, 2.0, 5.0, -5.0]), np.array([0, 0, 1, 1]), np.array([0, 2, 4])), shape=(2, 2)
    )
    Y = parts if kind is sparse.csr_matrix else kind((parts.data, parts.indices, parts.indptr), shape=(2, 2))
    whole = Y.toarray()
    products, squares = weighted_products(np.ones((2, 1)), Y, np.ones(2))
    np.testing.assert_array_equal(products[0], whole.sum(axis=0))
    np.testing.assert_array_equal(squares, (whole**2).sum(axis=0))
