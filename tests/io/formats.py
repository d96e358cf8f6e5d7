"""Files of both formats for the tests of output."""

import anndata as ad
import pytest

READERS = {"h5ad": ad.read_h5ad, "zarr": ad.read_zarr}
formats = pytest.mark.parametrize("suffix", list(READERS))
cases = pytest.mark.parametrize(
    ("suffix", "name"),
    [
        *(("h5ad", name) for name in ("A", "Mono/Mac", "a\\b", "..", "Ery (spät) é")),
        ("zarr", "Mono/Mac"),
        ("zarr", ".."),
    ],
)


# The types of text differ between releases of pandas and anndata.
ANY_TEXT = {"check_dtype": False, "check_categorical": False, "check_index_type": False}


def only_results(adata):
    """The cells with nothing but what was written; names that they came with are not ours to mend."""
    bare = ad.AnnData(adata.X, obs=adata.obs[[]], var=adata.var, varm=dict(adata.varm), uns=dict(adata.uns))
    assert bare.varm
    return bare


def round_trip(adata, folder, suffix):
    if suffix == "zarr":
        pytest.importorskip("zarr")
    path = folder / f"results.{suffix}"
    getattr(adata, "write_h5ad" if suffix == "h5ad" else "write_zarr")(path)
    return READERS[suffix](path)
