"""thin_counts: what the two AnnData hold, however the counts are stored."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust import thin_counts


@pytest.fixture(scope="module")
def adata():
    return lc.datasets.simulate_lineage(120, 30, 3, random_state=0)


def dense(matrix):
    matrix = matrix.compute() if hasattr(matrix, "compute") else matrix
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def test_halves_hold_their_counts_and_nothing_made_from_the_whole(adata):
    halves = thin_counts(adata, "counts", 0.7, random_state=1)
    total = adata.layers["counts"].sum()
    for share, half in zip((0.7, 0.3), halves, strict=True):
        assert half.obs_names.equals(adata.obs_names)
        assert half.var_names.equals(adata.var_names)
        assert list(half.layers) == ["counts"]
        assert not half.obsm
        assert not half.varm
        assert half.raw is None
        assert half.X.sum() == pytest.approx(share * total, rel=0.05)
        half.X.data[:] = 0
        assert half.layers["counts"].sum() > 0  # of its own
    assert set(adata.layers) == {"counts"}
    assert "dispersion" not in adata.var


@pytest.mark.parametrize(
    "kind", ["dense", "csc", "dask", "dask by genes", "csr file", "csc file", "dense file", "view"]
)
def test_the_same_seed_splits_in_the_same_way_however_counts_are_stored(adata, kind, tmp_path):
    counts = adata.layers["counts"]
    whole = ad.AnnData(counts, obs=adata.obs, var=adata.var)
    expected = thin_counts(whole, random_state=3)
    if kind == "view":
        stored = ad.AnnData(sparse.vstack([counts, counts]).tocsr())[:120]
    elif kind.startswith("dask"):
        array = pytest.importorskip("dask.array")
        chunks = (50, 10) if kind == "dask by genes" else (50, 30)
        stored = ad.AnnData(array.from_array(counts.toarray(), chunks=chunks))
    else:
        matrix = {"dense": counts.toarray(), "csc": counts.tocsc(), "csr": counts}[kind.split()[0]]
        stored = ad.AnnData(matrix)
        if kind.endswith("file"):
            stored.write_h5ad(tmp_path / "cells.h5ad")
            stored = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    found = thin_counts(stored, random_state=3)
    for one, other in zip(found, expected, strict=True):
        assert hasattr(one.X, "compute") == kind.startswith("dask")
        assert np.array_equal(dense(one.X), dense(other.X))
    if stored.isbacked:
        stored.file.close()


def test_dispersion_may_be_given(adata):
    adata = adata.copy()
    adata.var["phi"] = np.linspace(0, 1, 30)
    by_column = thin_counts(adata, "counts", dispersion="phi", random_state=0)[0]
    by_values = thin_counts(adata, "counts", dispersion=np.linspace(0, 1, 30), random_state=0)[0]
    assert (by_column.X != by_values.X).nnz == 0
    assert by_column.var["dispersion"].tolist() == np.linspace(0, 1, 30).tolist()
    poisson = thin_counts(adata, "counts", dispersion=0, random_state=0)[0]
    assert (poisson.X != by_values.X).nnz > 0


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"layer": "count"}, lc.UnknownNameError, "counts"),
        ({"layer": None}, ValueError, "Only counts can be split"),
        ({"fraction": 1.0}, ValueError, "fraction must be between 0 and 1"),
        ({"dispersion": -1}, ValueError, "finite and not negative"),
        ({"dispersion": [0.1, 0.2]}, ValueError, "one value a gene, 30; it has 2"),
        ({"dispersion": "phi"}, lc.UnknownNameError, "not in adata.var"),
        ({"dispersion": True}, ValueError, "dispersion"),
        ({"random_state": -1}, ValueError, "random_state"),
    ],
)
def test_errors_say_what_to_do(adata, options, error, message):
    with pytest.raises(error, match=message):
        thin_counts(adata, **{"layer": "counts", **options})
