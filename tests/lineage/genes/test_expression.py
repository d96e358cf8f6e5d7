"""Expression of a lineage: the same values from every storage, without copies."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from lineage_clust.lineage.genes.expression import expression_of
from tests.fits import read_lineage

from ...fits import dense

GENES = ["rise1", "flat0", "fall3"]


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("source", [{}, {"layer": "X"}, {"layer": "counts"}, {"use_raw": True}])
@pytest.mark.parametrize("genes", [GENES, None])
@pytest.mark.first(12)
def test_every_storage_gives_the_same_values(make_adata, kind, source, genes):
    adata = make_adata(kind=kind)
    if source == {"use_raw": True}:
        adata = adata[:, ::-1].copy()  # raw keeps its own genes in its own order
    lineage = read_lineage(adata, "A", genes=genes, **source)
    names = list(adata.raw.var_names if "use_raw" in source else adata.var_names) if genes is None else genes
    reference = make_adata(kind="dense")[lineage.cells][:, names]
    expected = reference.layers["counts"] if source == {"layer": "counts"} else reference.X
    np.testing.assert_array_equal(dense(lineage.expression), expected)
    assert lineage.genes == names


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_sparse_expression_stays_as_it_is(make_adata, kind):
    assert read_lineage(make_adata(kind=kind), "A", genes=GENES).expression.format == kind


def test_a_whole_matrix_is_not_copied(make_adata):
    adata = make_adata(kind="csr")
    lineage = read_lineage(adata, "A", time_range=(-0.2, 1.2))
    assert np.shares_memory(lineage.expression.data, adata.X.data)


@pytest.mark.parametrize("convert", [sparse.csr_array, sparse.csc_array, np.asfortranarray, "dask"])
def test_other_containers_are_read(make_adata, convert):
    adata = make_adata(kind="dense")
    if convert in (sparse.csr_array, sparse.csc_array):
        pytest.importorskip("anndata", "0.11")
    if convert == "dask":
        convert = pytest.importorskip("dask.array").from_array
    adata.layers["other"] = convert(adata.X)
    lineage = read_lineage(adata, "A", genes=GENES, layer="other")
    np.testing.assert_array_equal(dense(lineage.expression), adata[lineage.cells][:, GENES].X)


def test_objects_are_numbers_and_masked_values_are_missing(make_adata):
    adata = make_adata(kind="dense")
    values = adata.X.astype(object)
    values[0, 0] = None
    adata.layers["objects"] = values
    adata.layers["masked"] = np.ma.masked_array(adata.X, np.arange(adata.X.size).reshape(adata.shape) == 0)
    expected = adata.X.copy()
    expected[0, 0] = np.nan
    for layer in ("objects", "masked"):
        found = expression_of(adata, adata.var_names, layer)
        assert type(found) is np.ndarray
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)
    values[0, 0] = "a"
    with pytest.raises(
        ValueError, match=r"^adata.layers\['objects'\] must be numeric: could not convert string to float: 'a'"
    ):
        expression_of(adata, GENES, "objects")


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
def test_a_backed_file_is_read(make_adata, kind, tmp_path):
    adata = make_adata(kind=kind)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    lineage = read_lineage(backed, "A", genes=GENES)
    np.testing.assert_array_equal(dense(lineage.expression), dense(adata[lineage.cells][:, GENES].X))
    backed.file.close()


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
def test_expression_of_all_cells(make_adata, kind):
    adata = make_adata(kind=kind)
    np.testing.assert_array_equal(dense(expression_of(adata, GENES)), dense(adata[:, GENES].X))
    np.testing.assert_array_equal(dense(expression_of(adata, GENES, "counts")), dense(adata[:, GENES].layers["counts"]))


def test_a_view_is_read_as_its_copy(make_adata):
    view = make_adata()[20:150, 3:20]
    one, other = read_lineage(view, "A", genes=["rise1"]), read_lineage(view.copy(), "A", genes=["rise1"])
    assert view.is_view
    np.testing.assert_array_equal(dense(one.expression), dense(other.expression))
    np.testing.assert_array_equal(one.weights, other.weights)
    assert (one.start, one.end) == (other.start, other.end)


def test_a_name_that_is_there_twice_does_not_disturb_the_others(make_adata):
    adata = make_adata(kind="dense")
    adata.var_names = ["twice", "twice", *adata.var_names[2:]]
    lineage = read_lineage(adata, "A", genes=GENES)
    np.testing.assert_array_equal(lineage.expression, adata[lineage.cells].X[:, [6, 3, 12]])
    with pytest.raises(ValueError, match=r"'twice' more than once. Call adata.var_names_make_unique\(\)"):
        read_lineage(adata, "A", genes=["twice"])
    with pytest.raises(ValueError, match="'twice' more than once"):
        read_lineage(adata, "A")


def test_no_expression_matrix(make_adata):
    adata = make_adata()
    adata.X = None
    with pytest.raises(ValueError, match=r"adata.X is None. Pass layer= one of 'counts'"):
        read_lineage(adata, "A")
