"""The bundled data set agrees with its docstring."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from lineage_clust.datasets import bone_marrow


@pytest.fixture(scope="module")
def adata():
    return bone_marrow()


def test_contents(adata):
    assert adata.shape == (2660, 240)
    assert adata.obs_names.is_unique
    assert adata.var_names.is_unique
    assert {"Klf1", "Car2", "Ermap", "Mpo", "Prtn3", "Elane"} <= set(adata.var_names)
    assert adata.obs["celltype"].nunique() == adata.obs["cluster"].nunique() == 7
    time = adata.obs["palantir_pseudotime"]
    assert time.min() == 0
    assert time.max() == 1


def test_fate_probabilities_sum_to_one(adata):
    fates = adata.obsm["palantir_fate_probabilities"]
    assert isinstance(fates, pd.DataFrame)
    assert list(fates.columns) == ["Ery", "Myeloid"]
    np.testing.assert_allclose(fates.sum(axis=1), 1, atol=1e-6)
    assert fates.to_numpy().min() >= 0


def test_expression_is_normalised_counts(adata):
    counts = adata.layers["counts"]
    assert sparse.issparse(counts)
    assert counts.format == adata.X.format == "csr"
    assert adata.X.dtype == np.float32
    assert adata.X.has_sorted_indices
    assert np.issubdtype(counts.dtype, np.integer)
    counts = counts.toarray()
    expected = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(adata.X.toarray(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("gene", "lineage", "expected"),
    [("Klf1", "Ery", 0.58), ("Car2", "Ery", 0.65), ("Mpo", "Myeloid", 0.68), ("Prtn3", "Myeloid", 0.77)],
)
def test_known_markers_rise_along_their_lineage(adata, gene, lineage, expected):
    weight = adata.obsm["palantir_fate_probabilities"][lineage].to_numpy()
    values = np.column_stack([adata.obs["palantir_pseudotime"], adata[:, gene].X.toarray().ravel()])
    covariance = np.cov(values.T, aweights=weight)
    assert covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) == pytest.approx(expected, abs=0.01)


def test_every_call_is_a_fresh_object(adata):
    other = bone_marrow()
    other.obs["palantir_pseudotime"] = 0.0
    other.X.data[:] = 0
    assert adata.obs["palantir_pseudotime"].max() == 1
    assert adata.X.max() > 0


def test_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bone_marrow()


def test_round_trip(adata, tmp_path):
    from anndata import read_h5ad

    adata.write_h5ad(tmp_path / "copy.h5ad")
    copy = read_h5ad(tmp_path / "copy.h5ad")
    assert (copy.X != adata.X).nnz == 0
    # the kinds of text depend on the versions of anndata and pandas
    pd.testing.assert_frame_equal(copy.obs, adata.obs, check_index_type=False, check_categorical=False)
