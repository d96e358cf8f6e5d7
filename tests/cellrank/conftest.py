"""A fixture: the bundled data."""

import pytest

import lineage_clust as lc


@pytest.fixture
def adata():
    return lc.datasets.bone_marrow()
