"""Sums of blocks of cells: definition, addition, large values, and independence of cells outside the lineage."""

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.expression.sums import sums as module
from lineage_clust.expression.sums.bands import Bands, make_bands, no_design
from lineage_clust.expression.sums.sums import block_sums, cell_sums, column_moments
from lineage_clust.smoothers import BSplineSmoother

KINDS = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_array}


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n_cells, n_genes = draw(st.integers(4, 40)), draw(st.integers(1, 9))
    Y = rng.normal(5, 2, size=(n_cells, n_genes)) * (rng.random((n_cells, n_genes)) < draw(st.sampled_from([0.2, 1.0])))
    kept = np.sort(rng.permutation(n_cells)[: draw(st.integers(2, n_cells))])
    t = rng.uniform(0, 1, len(kept))
    design = BSplineSmoother(9, domain=(0, 1)).fit_transform(t[:, None])
    design = sparse.hstack([design, rng.normal(size=(len(kept), 2))], format="csr")
    return Y.astype(np.float32), kept, design, rng.uniform(0.1, 1, len(kept))


def assert_are_sums(sums, Y, kept, design, weights):
    own, Z = Y[kept].astype(float) - sums.level, design.toarray()
    np.testing.assert_allclose(sums.products, Z.T @ (own * weights[:, None]), atol=1e-9)
    np.testing.assert_allclose(sums.sums, weights @ own, atol=1e-9)
    np.testing.assert_allclose(sums.squares, weights @ own**2, atol=1e-9)
    np.testing.assert_allclose(sums.cubes, weights @ own**3, atol=1e-7)
    np.testing.assert_allclose(sums.fourths, weights @ own**4, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(sums.columns, Z.T @ weights, atol=1e-10)
    np.testing.assert_array_equal(sums.n_nonzero, np.count_nonzero(Y[kept], axis=0))
    np.testing.assert_allclose(sums.nonzero_weight, weights @ (Y[kept] != 0), atol=1e-12)
    np.testing.assert_allclose(sums.totals, Y.astype(float).sum(axis=0), atol=1e-9)
    np.testing.assert_allclose(sums.total_squares, (Y.astype(float) ** 2).sum(axis=0), atol=1e-9)
    assert sums.n_cells == len(Y)


@given(problems(), st.sampled_from(list(KINDS)), st.sampled_from([1, 20, 10**6]))
def test_sums_of_a_block(problem, kind, values):
    Y, kept, design, weights = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_VALUES", values)
        sums = block_sums(KINDS[kind](Y), None if len(kept) == len(Y) else kept, make_bands(design, 9), weights)
    assert_are_sums(sums, Y, kept, design, weights)


@given(problems(), st.sampled_from(list(KINDS)), st.floats(0, 1))
def test_sums_of_blocks_add_up(problem, kind, share):
    Y, kept, design, weights = problem
    bands, cut = make_bands(design, 9), int(share * len(Y))
    first = kept < cut
    one = block_sums(KINDS[kind](Y[:cut]), kept[first], bands[first], weights[first])
    other = block_sums(KINDS[kind](Y[cut:]), kept[~first] - cut, bands[~first], weights[~first])
    for sums in (one.merge(other), other.merge(one)):
        assert_are_sums(sums, Y, kept, design, weights)
    assert_are_sums(one.merge(other).around(np.full(Y.shape[1], 3.0)), Y, kept, design, weights)


@given(problems())
def test_bands_are_the_design(problem):
    _, _, design, weights = problem
    bands = make_bands(design, 9)
    assert bands.values.shape[1] == 4
    Z = design.toarray()
    np.testing.assert_allclose(bands.dense(), Z)
    np.testing.assert_allclose(bands.gram(weights), Z.T @ (Z * weights[:, None]), atol=1e-12)
    np.testing.assert_allclose(make_bands(Z, 9).gram(weights), bands.gram(weights), atol=1e-12)
    np.testing.assert_allclose(bands[::2].dense(), Z[::2])
    np.testing.assert_allclose(bands.with_column(weights).dense(), np.column_stack([Z, weights]))


def test_a_design_without_bands_and_without_columns():
    design = np.random.default_rng(0).normal(size=(7, 4))
    assert make_bands(sparse.csr_array(design), 4).values.shape[1] == 4
    np.testing.assert_array_equal(make_bands(sparse.csr_array(design), 4).dense(), design)
    sums = block_sums(sparse.csr_array(np.ones((7, 2))), None, no_design(7), np.ones(7))
    assert sums.products.shape == (0, 2)
    assert sums.sums.tolist() == [7.0, 7.0]


def test_rows_without_a_value():
    empty = sparse.csr_array(np.array([[0.0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 2, 3]]))
    np.testing.assert_array_equal(make_bands(empty, 6).dense(), empty.toarray())


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cell_outside_the_lineage_cannot_spoil_a_gene(kind, bad):
    Y = np.ones((6, 2))
    Y[4, 0] = bad
    kept, bands = np.array([0, 1, 2, 3, 5]), Bands(np.zeros(5, dtype=int), np.eye(5), np.zeros((5, 0)), 5)
    sums = block_sums(KINDS[kind](Y), kept, bands, np.ones(5))
    assert np.isfinite(sums.products).all()
    assert np.isfinite(sums.squares).all()
    assert not np.isfinite(sums.totals[0])
    inside = block_sums(KINDS[kind](Y), None, no_design(6), np.ones(6))
    assert not np.isfinite(inside.sums[0])
    assert np.isfinite(inside.sums[1])


@pytest.mark.parametrize("kind", list(KINDS))
def test_cells_are_counted_by_gene(kind):
    Y = np.zeros((500, 3))
    Y[:, 0], Y[[3, 250, 499], 1] = 1.0, 2.0
    sums = block_sums(KINDS[kind](Y), None, no_design(500), np.full(500, 0.5))
    assert sums.n_nonzero.tolist() == [500, 3, 0]
    assert sums.nonzero_weight.tolist() == [250.0, 1.5, 0.0]


@pytest.mark.parametrize("kind", list(KINDS))
def test_large_values_of_either_sign_are_found(kind):
    Y = np.array([[1.0, -(2.0**31), 5.0], [2.0**31 - 1, 2.0, 0.0]])
    assert block_sums(KINDS[kind](Y), None, no_design(2), np.ones(2)).large.tolist() == [True, True, False]


def test_values_stored_in_parts_are_summed_first():
    Y = sparse.csr_array((np.array([1.0, 2.0, 4.0]), np.array([0, 0, 1]), np.array([0, 2, 3])), shape=(2, 2))
    sums = block_sums(Y, None, no_design(2), np.ones(2))
    assert sums.squares.tolist() == [9.0, 16.0]
    assert sums.n_nonzero.tolist() == [1, 1]
    assert Y.nnz == 3


@pytest.mark.parametrize("kind", [*KINDS, "zarr"])
@pytest.mark.parametrize("level", [0.1, 1e7, 1e12])
def test_deviations_from_the_mean_do_not_cancel(kind, level):
    Y = level + np.random.default_rng(0).poisson(3, (200, 4))
    Y[:, 2] = level
    if kind == "zarr":
        stored = BlockedExpression(zarr.create_array({}, data=Y, chunks=(70, 3)))
        cell_sums(stored, no_design(200), np.ones(200))  # the sums around 0 are then cached, as after a fit
        assert stored.recall("totals") is not None
    else:
        stored = KINDS[kind](Y)
    means, squares = column_moments(stored)
    np.testing.assert_allclose(means, Y.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(squares, 200 * np.var(Y, axis=0), rtol=1e-9, atol=1e-20)
    assert squares[2] == 0
