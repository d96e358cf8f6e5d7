"""thin_counts: content of the two AnnData, for all storages of counts."""

import anndata as ad
import numpy as np
import pandas as pd
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
@pytest.mark.first(2)
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
        ({"dispersion": [0.1, 0.2]}, ValueError, "one value per gene, 30; it has 2"),
        ({"dispersion": "phi"}, lc.UnknownNameError, "not in adata.var"),
        ({"dispersion": True}, ValueError, "dispersion"),
        ({"random_state": -1}, ValueError, "random_state"),
    ],
)
def test_errors_say_what_to_do(adata, options, error, message):
    with pytest.raises(error, match=message):
        thin_counts(adata, **{"layer": "counts", **options})


@pytest.mark.parametrize("dispersion", [0.0, 0.3])
@pytest.mark.first(1)
def test_parts_split_again_with_the_same_seed_are_independent_of_the_rest(dispersion):
    rng = np.random.default_rng(7)
    rate = rng.gamma(1 / 0.3, 0.3, (1500, 20)) if dispersion else 1.0
    whole = ad.AnnData(rng.poisson(20.0 * rate * np.ones((1500, 20))).astype(np.int32))
    one, other = thin_counts(whole, dispersion=dispersion, random_state=0)
    quarters = [
        part.X for half in (one, other) for part in thin_counts(half.copy(), dispersion=2 * dispersion, random_state=0)
    ]
    for number, a in enumerate(quarters):
        for b in quarters[number + 1 :]:
            found = [np.corrcoef(a[:, gene], b[:, gene])[0, 1] for gene in range(20)]
            assert abs(np.mean(found)) < 0.03  # standard error 0.006; 0.36 and 0.84 with the same random numbers


def test_a_series_of_dispersions_goes_by_the_names_of_the_genes(adata):
    values = pd.Series(np.linspace(0.1, 2, adata.n_vars), index=adata.var_names)
    first, _ = thin_counts(adata, "counts", dispersion=values[::-1], random_state=0)
    np.testing.assert_array_equal(first.var["dispersion"], values)
    plain, _ = thin_counts(adata, "counts", dispersion=values.to_numpy(), random_state=0)
    assert (first.X != plain.X).nnz == 0
    with pytest.raises(lc.UnknownNameError, match="without 1 of the 30 genes"):
        thin_counts(adata, "counts", dispersion=values[1:])


@pytest.mark.parametrize("dispersion", [None, True, [[0.1] * 30]])
def test_what_is_no_dispersion_is_named(adata, dispersion):
    with pytest.raises(ValueError, match="dispersion must be 'estimate', a number"):
        thin_counts(adata, "counts", dispersion=dispersion)


@pytest.mark.parametrize(
    ("counts", "advice"),
    [
        (np.ones((4, 2), dtype=bool), "True and False"),
        (np.full((4, 2), 2**25 + 8, dtype=np.float32), "Store them as int64"),
    ],
)
def test_values_that_cannot_be_split_exactly_are_refused(counts, advice):
    with pytest.raises(ValueError, match=advice):
        thin_counts(ad.AnnData(counts), dispersion=0)


def test_half_precision_and_tiny_dispersions_are_split():
    counts = np.random.default_rng(0).poisson(5, (30, 4))
    whole = ad.AnnData(counts.astype(np.float16))
    expected = thin_counts(whole, dispersion=0, random_state=0)
    found = thin_counts(whole, dispersion=1e-310, random_state=0)
    np.testing.assert_array_equal(found[0].X, expected[0].X)
    np.testing.assert_array_equal(found[0].X + found[1].X, counts)
