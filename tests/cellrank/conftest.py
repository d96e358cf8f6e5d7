"""Fixtures: the bundled data, and figures closed after each test."""

import matplotlib.pyplot as plt
import pytest

import lineage_clust as lc


@pytest.fixture
def adata():
    return lc.datasets.bone_marrow()


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")
