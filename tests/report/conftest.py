"""Fixtures: a small fit and its report."""

import pytest

import lineage_clust as lc
from lineage_clust.report import page, pictures, render


@pytest.fixture(scope="session")
def adata(make_adata):
    return make_adata(n_cells=150, n_genes=40, kind="dense")


@pytest.fixture(scope="session")
def tc(adata):
    clusterer = lc.GraphClusterer(n_neighbors=6, resolution=1.0)
    return lc.TrendClusterer(lineage="A", random_state=0, clusterer=clusterer).fit(adata)


@pytest.fixture(scope="session")
def text(tc):
    return render(tc)


@pytest.fixture
def quick(monkeypatch):
    """Leave the pictures out of the page but what is written about them: drawing them takes most of the time."""
    monkeypatch.setattr(page, "embedded", lambda *_: pictures.Image("data:image/png;base64,", 300, 200, {}))
