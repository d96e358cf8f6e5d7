"""Products with a grouped design equal those with the dense matrix, for any pattern of zeros."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.models.gam.pirls import grouped_design as grouped
from lineage_clust.models.gam.pirls.grouped_design import GroupedDesign, dense_columns
from lineage_clust.smoothers import BSplineSmoother


def assert_products_are_dense_ones(X, n_genes=3, seed=0):
    design = GroupedDesign(X)
    rng = np.random.default_rng(seed)
    W, coefficients = rng.uniform(0, 2, (len(X), n_genes)), rng.normal(size=(X.shape[1], n_genes))
    ordered = X[design.order]
    np.testing.assert_allclose(design.predict(coefficients), ordered @ coefficients, atol=1e-12)
    np.testing.assert_allclose(design.cross(W), ordered.T @ W, atol=1e-10)
    np.testing.assert_allclose(design.grams(W), np.einsum("ni,nj,ng->gij", ordered, ordered, W), atol=1e-10)
    return design


@given(n_cells=st.integers(1, 80), n_columns=st.integers(1, 9), density=st.floats(0, 1), seed=st.integers(0, 1000))
def test_products_of_any_pattern(n_cells, n_columns, density, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_cells, n_columns)) * (rng.random((n_cells, n_columns)) < density)
    design = assert_products_are_dense_ones(X, seed=seed)
    assert sorted(design.order) == list(range(n_cells))


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_products_of_b_splines(degree):
    t = np.random.default_rng(1).uniform(0, 1, (700, 1))
    X = BSplineSmoother(12, degree, penalty_order=1, domain=(0, 1)).fit_transform(t).toarray()
    design = assert_products_are_dense_ones(X)
    assert max(len(group.columns) for group in design.groups) <= degree + 1


def test_products_of_b_splines_with_covariates():
    rng = np.random.default_rng(1)
    B = BSplineSmoother(12, domain=(0, 1)).fit_transform(rng.uniform(0, 1, (300, 1))).toarray()
    assert_products_are_dense_ones(np.column_stack([B, rng.normal(size=(300, 2)), np.ones(300)]))


def test_products_of_a_dense_design_are_one_block_after_the_other():
    design = assert_products_are_dense_ones(np.random.default_rng(0).normal(size=(2000, 5)))
    assert all(len(group.columns) == 5 for group in design.groups)
    assert all(group.rows.stop - group.rows.start <= grouped._MAX_ROWS for group in design.groups)


def test_too_many_patterns_are_one_dense_design(monkeypatch):
    monkeypatch.setattr(grouped, "_MAX_GROUPS", 3)
    rng = np.random.default_rng(0)
    design = assert_products_are_dense_ones(rng.normal(size=(60, 8)) * (rng.random((60, 8)) < 0.5))
    assert len(design.groups) == 1


@pytest.mark.parametrize("storage", [np.asarray, sparse.csc_matrix, sparse.csc_array])
@pytest.mark.parametrize("dtype", [np.int32, np.float32, bool])
@pytest.mark.parametrize("columns", [slice(1, 3), np.array([3, 0])], ids=["slice", "list"])
def test_dense_columns(storage, dtype, columns):
    Y = np.random.default_rng(0).integers(0, 3, (7, 4)).astype(dtype)
    order = np.array([6, 5, 4, 3, 2, 1, 0])
    block = dense_columns(storage(Y), columns, order)
    assert block.dtype == np.float64
    np.testing.assert_array_equal(block, Y[order][:, columns])
