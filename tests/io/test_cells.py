"""h5ad files that are written in blocks of cells."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from lineage_clust.io.cells import written_in_blocks


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_the_file_is_that_of_the_whole(kind, dtype, tmp_path):
    values = np.random.default_rng(0).poisson(0.5, (50, 7)).astype(dtype)
    obs = pd.DataFrame({"type": pd.Categorical(["a", "b"] * 25)}, index=[f"c{cell}" for cell in range(50)])
    tables = ad.AnnData(obs=obs, var=pd.DataFrame({"n": range(7)}, index=list("abcdefg")), uns={"a": 1})
    with written_in_blocks(tmp_path / "cells.h5ad", tables) as append:
        for start in (0, 20, 40):
            append(kind(values[start : start + 20]))
    found = ad.read_h5ad(tmp_path / "cells.h5ad")
    tables.write_h5ad(tmp_path / "tables.h5ad")  # kinds of text depend on the versions of anndata and pandas
    pd.testing.assert_frame_equal(found.obs, ad.read_h5ad(tmp_path / "tables.h5ad").obs)
    assert found.var["n"].tolist() == list(range(7))
    assert found.uns["a"] == 1
    assert found.X.dtype == dtype
    assert sparse.issparse(found.X) == (kind is sparse.csr_matrix)
    np.testing.assert_array_equal(found.X.toarray() if sparse.issparse(found.X) else found.X, values)
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    block = backed.X[10:30]
    np.testing.assert_array_equal(block.toarray() if sparse.issparse(block) else block, values[10:30])
    backed.file.close()
