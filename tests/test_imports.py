"""`import lineage_clust` loads what it needs and leaves the rest to those who use it."""

import subprocess
import sys

import pytest

CODE = """
import sys
import anndata, igraph, sklearn.cluster, sklearn.decomposition, sklearn.neighbors, scipy.stats
before = set(sys.modules)
import lineage_clust
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before}))
"""


@pytest.mark.slow
def test_heavy_libraries_are_loaded_when_used():
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout.split()
    assert "lineage_clust" in out
    assert not {
        "matplotlib",
        "pygam",
        "leidenalg",
        "dask",
        "distributed",
        "zarr",
        "h5py",
        "rpy2",
        "tqdm",
        "numba",
    } & set(out)
