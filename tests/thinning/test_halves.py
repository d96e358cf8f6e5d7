"""thin_counts: content of the two AnnData, for all storages of counts."""

import tracemalloc

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import lineage_clust as lc
from lineage_clust import thin_counts
from lineage_clust.thinning import splitting


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


def stored_as(kind, counts, folder):
    """Return the counts in an AnnData, as stored in memory, in dask or in a file."""
    if kind == "view":
        return ad.AnnData(sparse.vstack([counts, counts]).tocsr())[:120]
    if kind.startswith("dask"):
        array = pytest.importorskip("dask.array")
        chunks = (50, 10) if kind == "dask by genes" else (50, 30)
        return ad.AnnData(array.from_array(counts.toarray(), chunks=chunks))
    forms = {
        "dense": counts.toarray(), "csc": counts.tocsc(), "csr": counts, "objects": counts.toarray().astype(object)
    }  # fmt: skip
    stored = ad.AnnData(forms[kind.split()[0]])
    if kind.endswith("file"):
        stored.write_h5ad(folder / "cells.h5ad")
        stored = ad.read_h5ad(folder / "cells.h5ad", backed="r")
    return stored


KINDS = ["dense", "objects", "csc", "dask", "dask by genes", "csr file", "csc file", "dense file", "view"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.first(2)
def test_the_same_seed_splits_in_the_same_way_however_counts_are_stored(adata, kind, tmp_path):
    counts = adata.layers["counts"]
    expected = thin_counts(ad.AnnData(counts, obs=adata.obs, var=adata.var), random_state=3)
    stored = stored_as(kind, counts, tmp_path)
    found = thin_counts(stored, random_state=3)
    for one, other in zip(found, expected, strict=True):
        assert hasattr(one.X, "compute") == kind.startswith("dask")
        assert np.array_equal(dense(one.X), dense(other.X))
    if stored.isbacked:
        stored.file.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.first(3)
def test_parts_in_files_are_those_in_memory(adata, kind, tmp_path, monkeypatch):
    stored = stored_as(kind, adata.layers["counts"], tmp_path)
    expected = thin_counts(stored, random_state=3)
    monkeypatch.setattr(splitting, "_VALUES_A_BLOCK", 50 * 30)
    paths = tmp_path / "first.h5ad", str(tmp_path / "second.h5ad")
    found = thin_counts(stored, random_state=3, paths=paths)
    for one, other, path in zip(found, expected, paths, strict=True):
        assert one.isbacked
        assert one.file.is_open
        one.file.close()
        whole = ad.read_h5ad(path)
        pd.testing.assert_frame_equal(whole.obs, other.obs)
        pd.testing.assert_frame_equal(whole.var, other.var)
        assert whole.uns["thin_counts"] == other.uns["thin_counts"]
        held = other.X.compute() if kind.startswith("dask") else other.X
        assert sparse.issparse(whole.X) == sparse.issparse(held)
        assert whole.X.dtype == held.dtype
        if sparse.issparse(held):
            assert whole.X.format == held.format
            for name in ("data", "indices", "indptr"):
                np.testing.assert_array_equal(getattr(whole.X, name), getattr(held, name))
        else:
            np.testing.assert_array_equal(whole.X, held)
    if stored.isbacked:
        stored.file.close()


def test_a_layer_is_in_x_of_files_and_parts_of_files_can_be_split_again(adata, tmp_path):
    in_memory, in_files = adata, adata
    for step in "ab":
        in_memory = thin_counts(in_memory, "counts", random_state=0)[1]
        layer = "counts" if step == "a" else None
        in_files = thin_counts(in_files, layer, random_state=0, paths=[tmp_path / f"{step}{part}" for part in "01"])[1]
        assert not in_files.layers
        np.testing.assert_array_equal(dense(in_files.X.to_memory()), dense(in_memory.X))


def test_strings_with_missing_values_are_written(adata, tmp_path):
    adata = adata.copy()
    adata.obs["type"] = np.where(np.arange(adata.n_obs) % 3, "T", None)
    first, second = thin_counts(
        adata, "counts", dispersion=0, paths=[tmp_path / "first.h5ad", tmp_path / "second.h5ad"]
    )
    assert second.obs["type"].isna().tolist() == adata.obs["type"].isna().tolist()
    assert first.obs["type"].dropna().unique().tolist() == ["T"]


@pytest.mark.parametrize("kind", ["csr", "dense"])
def test_files_are_written_without_a_whole_part_in_memory(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(splitting, "_VALUES_A_BLOCK", 2**15)
    counts = np.random.default_rng(0).poisson(1.0, (1000, 2000)).astype(float)  # 16 MB
    stored = stored_as(f"{kind} file", sparse.csr_matrix(counts), tmp_path)
    paths = [tmp_path / "first", tmp_path / "second"]
    thin_counts(stored[:5].to_memory(), dispersion=0, paths=paths)  # imports
    tracemalloc.start()
    try:
        halves = thin_counts(stored, dispersion=0, random_state=0, paths=paths)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4e6
    for half in (stored, *halves):
        half.file.close()


def test_a_failure_leaves_no_file_and_the_old_ones(adata, tmp_path):
    counts = adata.layers["counts"].toarray().astype(float)
    counts[-1, 0] = 0.5
    paths = [tmp_path / "first.h5ad", tmp_path / "second.h5ad"]
    paths[0].write_text("old")
    with pytest.raises(ValueError, match="Only counts can be split"):
        thin_counts(ad.AnnData(counts), dispersion=0, paths=paths)
    assert [path.name for path in tmp_path.iterdir()] == ["first.h5ad"]
    assert paths[0].read_text() == "old"
    with pytest.raises(FileNotFoundError, match="second.h5ad"):
        thin_counts(adata, "counts", dispersion=0, paths=[paths[0], tmp_path / "none" / "second.h5ad"])
    assert paths[0].read_text() == "old"


@pytest.mark.parametrize(
    ("paths", "error", "message"),
    [
        ("ab", ValueError, "paths must be two names of files"),
        (["a"], ValueError, r"got \['a'\]"),
        (["a", 3], TypeError, "must be the name of a file; got 3"),
        (["a", "./a"], ValueError, "paths must be two files; 'a' and 'a' are the same"),
        (["a", "cells.h5ad"], ValueError, "the file of adata"),
    ],
)
def test_odd_paths_are_refused(adata, tmp_path, paths, error, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored = stored_as("csr file", adata.layers["counts"], tmp_path)
    with pytest.raises(error, match=message):
        thin_counts(stored, paths=paths)
    stored.file.close()


@pytest.mark.parametrize("kind", ["csr", "dense"])
def test_the_file_of_a_matrix_is_not_replaced(adata, tmp_path, kind):
    import h5py

    stored_as(f"{kind} file", adata.layers["counts"], tmp_path).file.close()
    with h5py.File(tmp_path / "cells.h5ad") as file:
        X = file["X"] if kind == "dense" else ad.io.sparse_dataset(file["X"])
        with pytest.raises(ValueError, match=r"cells.h5ad', the file of adata"):
            thin_counts(ad.AnnData(X), paths=[tmp_path / "cells.h5ad", tmp_path / "second.h5ad"])


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
