"""Fixtures: two small lineages, in memory and in a file."""

import anndata
import numpy as np
import pandas as pd
import pytest

from .files import PNG


@pytest.fixture(scope="module")
def small():
    """Two lineages of 120 cells: genes that rise, genes that fall, flat ones."""
    rng = np.random.default_rng(0)
    time = rng.uniform(0, 1, 120)
    signal = np.column_stack([time] * 6 + [-time] * 6 + [np.zeros(120)] * 3)
    adata = anndata.AnnData(
        5 + 3 * signal + rng.normal(0, 0.3, signal.shape),
        obs=pd.DataFrame({"dpt_pseudotime": time, "other": time[::-1]}, index=[f"cell{i}" for i in range(120)]),
        var=pd.DataFrame(index=[f"{kind}{i}" for kind, n in (("up", 6), ("down", 6), ("flat", 3)) for i in range(n)]),
    )
    side = np.where(np.arange(120) % 2, 1, -1)
    fate = 1 / (1 + np.exp(-8 * np.maximum(time - 0.3, 0) * side))
    adata.obsm["lineages_fwd"] = np.column_stack([fate, 1 - fate])
    adata.uns["lineages_fwd_names"] = np.array(["Mono/Mac", "B"])
    adata.layers["double"] = 2 * adata.X
    return adata


@pytest.fixture
def file(small, tmp_path):
    path = tmp_path / "small.h5ad"
    small.write_h5ad(path)
    return path


@pytest.fixture
def quick(monkeypatch):
    """The picture is drawn by other tests."""
    monkeypatch.setattr("lineage_clust.cli.analysing.write_png", lambda plot, path: path.write_bytes(PNG))
