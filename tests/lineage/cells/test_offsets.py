"""Offsets of cells: an obs key, an array, or size factors."""

import numpy as np
import pytest
from scipy import sparse

from lineage_clust.errors import LineageClustWarning
from lineage_clust.expression.storage.blocks import BlockedExpression
from lineage_clust.lineage.cells.offsets import log_totals
from tests.fits import read_lineage

from ...fits import dense


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("layer", [None, "counts"])
def test_size_factors_are_centred_logs_of_totals_over_all_genes(make_adata, kind, layer):
    adata = make_adata(kind=kind)
    lineage = read_lineage(adata, "A", genes=["rise0"], layer=layer, offset="size_factors")
    matrix = dense(adata.X if layer is None else adata.layers[layer])[lineage.cells]
    expected = np.log(matrix.sum(axis=1))
    np.testing.assert_allclose(lineage.offset, expected - np.average(expected, weights=lineage.weights), atol=1e-6)


@pytest.mark.parametrize("kind", ["dense", "csr", "csc"])
def test_a_value_that_is_not_finite_costs_its_gene_and_not_the_cell(make_adata, kind):
    counts = make_adata(n_cells=60).layers["counts"]
    counts = np.asarray(counts.toarray() if sparse.issparse(counts) else counts, dtype=float)
    expected = counts.sum(axis=1)
    expected[5] -= counts[5, 2]
    counts[5, 2] = np.nan
    matrix = {"dense": counts, "csr": sparse.csr_matrix(counts), "csc": sparse.csc_matrix(counts)}[kind]
    np.testing.assert_allclose(np.exp(log_totals(matrix)), expected)
    np.testing.assert_allclose(np.exp(log_totals(BlockedExpression(matrix, 2**20))), expected)


def test_an_offset_by_key_and_by_array_is_taken_as_it_is(make_adata):
    adata = make_adata()
    depth = adata.obs["depth"].to_numpy()
    for offset in ("depth", depth, list(depth), adata.obs["depth"][::-1]):  # a Series goes by the names of the cells
        lineage = read_lineage(adata, "A", offset=offset)
        np.testing.assert_array_equal(lineage.offset, depth[lineage.cells])


def test_an_empty_cell_has_no_size_factor(make_adata):
    adata = make_adata(kind="dense")
    adata.X[5] = 0
    with pytest.warns(LineageClustWarning, match="1 of 200 cells"):
        lineage = read_lineage(adata, "A", offset="size_factors", time_range=(0, 1))
    assert 5 not in lineage.cells
