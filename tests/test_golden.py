"""Results and files of all earlier versions: the results are reproduced, and the files can be opened."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

import lineage_clust as lc

FOLDER = Path(__file__).parent / "golden" / "results"
VERSIONS = sorted(path.stem for path in FOLDER.glob("version_*.json"))


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make_golden_results", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture(scope="module")
def expected(version):
    return json.loads((FOLDER / f"{version}.json").read_text(encoding="utf-8"))


def assert_the_same(found: dict, expected: dict, rtol: float) -> None:
    for name, value in expected.items():
        if name in ("genes", "labels", "predicted"):
            assert found[name] == value, name
        else:
            np.testing.assert_allclose(found[name], value, rtol=rtol, atol=1e-7, err_msg=name)


def test_there_is_one_of_this_version():
    assert f"version_{lc.__version__}" in VERSIONS


def test_the_same_is_found_today(make, expected, monkeypatch):
    # p-values of 0.1.0 assumed normal expression
    monkeypatch.setattr("lineage_clust.models.gam.gaussian.higher_moments", lambda *sums: np.zeros((2, len(sums[0]))))
    assert_the_same(make.numbers(make.fitted()), expected, rtol=1e-4)


def test_a_saved_fit_opens_and_says_the_same(make, version, expected):
    tc = lc.TrendClusterer.load(FOLDER / f"{version}.lclust")
    assert_the_same(make.numbers(tc), expected, rtol=1e-6)


def test_written_results_open_and_hold_the_same(version, expected):
    results = ad.read_h5ad(FOLDER / f"{version}.h5ad")
    assert list(results.obs_names) == expected["genes"]
    assert results.obs["clusters"].astype(int).tolist() == expected["labels"]
    np.testing.assert_allclose(results.var["x_test"], expected["pseudotime"], rtol=1e-12)
    np.testing.assert_allclose(results.X[:, ::6], expected["scaled"], rtol=1e-12)
    np.testing.assert_allclose(results.layers["trends"][:, ::6], expected["trends"], rtol=1e-12)
    np.testing.assert_allclose(results.obs["pvalue"], expected["pvalue"], rtol=1e-12)
    assert results.uns["lineage_clust"]["lineage"].tolist() == ["Ery"]
    assert json.loads(results.uns["lineage_clust"]["parameters"])["n_points"] == 20
