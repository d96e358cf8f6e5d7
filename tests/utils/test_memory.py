"""Too fine grids are rejected before they are allocated."""

import numpy as np
import pytest

import lineage_clust as lc
from lineage_clust.clusterers.neighbors import principal_axes
from lineage_clust.utils import memory
from lineage_clust.utils.memory import check_points, machine_memory


def test_the_memory_of_the_machine_is_known_or_assumed(monkeypatch):
    assert machine_memory() > 10**8
    monkeypatch.setattr(memory.os, "sysconf", lambda _: 1 / 0, raising=False)
    with pytest.raises(ZeroDivisionError):
        machine_memory()
    monkeypatch.delattr(memory.os, "sysconf")
    assert machine_memory() == 16 * 10**9


@pytest.mark.parametrize("n_points", [100_001, 10**9, 10**12, 10**30, np.int64(10**12)])
def test_no_grid_has_so_many_points(n_points):
    with pytest.raises(ValueError, match=f"n_points must be at most 100,000; got .*{n_points}.*the default is 200"):
        check_points(n_points)


def test_what_is_held_must_fit(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 8 * 10**9)
    check_points(1000, 100_000)
    check_points(100_000, 1000)
    with pytest.raises(ValueError, match="n_points=1000 is too large .* 200,000 trends: .* 1.6 GB, .* has 8 GB. Lower"):
        check_points(1000, 200_000)


def test_it_is_asked_before_anything_is_computed(make_adata, monkeypatch):
    adata = make_adata(n_cells=60, n_genes=8)
    for n_points in (10**9, 10**12):
        with pytest.raises(ValueError, match=f"at most 100,000; got {n_points}"):
            lc.TrendClusterer(lineage="A", n_points=n_points).fit(adata)
        with pytest.raises(ValueError, match=f"at most 100,000; got {n_points}"):
            lc.GeneTrend("g", "A", np.arange(9.0), np.arange(9.0)).prepare(n_points=n_points)
        with pytest.raises(ValueError, match=f"at most 100,000; got {n_points}"):
            lc.cluster_lineage(adata, lc.GAM(), ["rise0"], "A", time_key="palantir_pseudotime", n_points=n_points)
    monkeypatch.setattr(memory, "machine_memory", lambda: 10**6)
    with pytest.raises(ValueError, match="n_points=5000 is too large for 16 trends"):
        lc.TrendClusterer(lineage=["A", "B"], n_points=5000).fit(adata)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.slow
def test_the_finest_grid_that_is_allowed_can_be_clustered(metric, make_adata):
    clusterer = lc.GraphClusterer(4, metric=metric)
    tc = lc.TrendClusterer(lineage="A", n_points=100_000, clusterer=clusterer, alpha=None, random_state=0)
    tc.fit(make_adata(n_cells=60, n_genes=8))
    assert tc.trends_.shape == (8, 100_000)
    assert tc.n_clusters_ >= 1


def test_axes_of_many_columns_keep_distances():
    rows = np.random.default_rng(0).normal(size=(7, 2500))
    axes = principal_axes(rows)
    assert axes.shape == (2500, 7)
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(rows @ axes, axis=0), axis=1), np.linalg.norm(np.diff(rows, axis=0), axis=1)
    )
