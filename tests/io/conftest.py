"""Fixtures: a fitted clusterer for the tests of output."""

import numpy as np
import pytest

from lineage_clust import TrendClusterer

from ..fits import QUICK


@pytest.fixture(scope="module")
def fitted_with(make_adata):
    """Return a function that gives cells and a fitted clusterer, for a name of the lineage; gene flat0 fails."""

    def fit(name="A", **parameters):
        adata = make_adata(n_cells=150, n_genes=12, kind="dense")
        adata.obsm["palantir_fate_probabilities"].columns = [name, "other"]
        adata.X[0, adata.var_names.get_loc("flat0")] = np.nan
        parameters = {"lineage": name, "clusterer": QUICK, "random_state": 0, **parameters}
        return adata, TrendClusterer(**parameters).fit(adata)

    return fit
