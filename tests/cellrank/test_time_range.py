"""The rule endpoint="argmax" reproduces the ends found by CellRank."""

import warnings

import anndata as ad
import numpy as np
import pytest

from lineage_clust.errors import LineageClustWarning
from tests.fits import read_lineage


@pytest.mark.filterwarnings("ignore:.*without encoding metadata")
@pytest.mark.parametrize("lineage", [0, 1])
def test_the_end_is_that_of_cellrank(data_dir, lineage):
    folder = data_dir / "cellrank"
    reference = np.load(folder / "cellrank_2.0.7_reference.npz")
    adata = ad.read_h5ad(folder / "adata_100.h5ad")
    assert list(adata.obs_names) == list(reference["cflare_obs_names"])
    adata.obsm["lineages_fwd"] = reference["cflare_fate"]
    adata.uns["lineages_fwd_names"] = reference["cflare_names"]
    read = read_lineage(adata, lineage, time_key="latent_time", endpoint="argmax")
    np.testing.assert_allclose(read.grid(200), reference[f"cflare_svr_{lineage}_x_test"], rtol=0, atol=1e-12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LineageClustWarning)
        plateau = read_lineage(adata, lineage, time_key="latent_time", endpoint="plateau")
    assert plateau.end > read.end
    lost = np.average(adata.obs["latent_time"] > plateau.end, weights=reference["cflare_fate"][:, lineage])
    assert any("of its weight lies later" in str(warning.message) for warning in caught) == (lost > 0.05)
