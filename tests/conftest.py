"""Fixtures: a small AnnData, the folder of real data, and settings of the tools."""

from __future__ import annotations

import gc
import os
import shutil
import sys

if "PYTEST_XDIST_WORKER" in os.environ:  # before NumPy is loaded: the workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections import Counter
from importlib.metadata import version
from pathlib import Path

import anndata as ad
import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from scipy import sparse
from sklearn.utils.fixes import parse_version

matplotlib.use("Agg")
settings.register_profile("quick", deadline=None, derandomize=True, max_examples=10)
settings.register_profile(
    "all", settings.get_profile("quick"), max_examples=int(os.environ.get("LINEAGE_CLUST_EXAMPLES", 20))
)

# anndata before 0.12.7, which asks for no pandas below 3, writes the text of pandas 3 only if it is told to: that is how
# tests keep cells of their own. What we give away has to be writable without: tests/utils/test_plain_text.py.
if pd.Index(["text"]).dtype != object and parse_version(version("anndata")) < parse_version("0.12.7"):
    ad.settings.allow_write_nullable_strings = True

SLOW_EXAMPLES = {
    "lineage_clust.cellrank.cluster_lineage", "lineage_clust.conditions.comparing.compare_conditions",
    "lineage_clust.dipping.dipping_check", "lineage_clust.io.files.persistence.save",
    "lineage_clust.models.pygam.pygam.PyGAM", "lineage_clust.scoring.modularity", "lineage_clust.scoring.silhouette",
    "lineage_clust.scoring.trend_deviance",
    "lineage_clust.plotting.conditions.plot_difference_heatmap",
    "lineage_clust.plotting.conditions.plot_difference_volcano",
    "lineage_clust.plotting.conditions.plot_condition_genes", "lineage_clust.plotting.tree.plot_tree",
    "lineage_clust.report.page.write_report", "lineage_clust.scoring.cluster_stability",
    "lineage_clust.scoring.prediction_strength",
}  # fmt: skip
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FORMATS = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}


def pytest_configure(config):
    """Try more examples of each property where slow tests run as well, which `pytest -m ""` asks for."""
    settings.load_profile("quick" if "not slow" in config.option.markexpr else "all")
    gc.disable()  # until tests run: thousands of them are made, and all are kept


def pytest_collection_finish():
    """Leave modules and tests out of later garbage collections, each of which would look through all of them."""
    gc.enable()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)  # before those that `-m` leaves out are left out
def pytest_collection_modifyitems(items):
    """Mark examples in docstrings that are slow, and the cases of a test after those that `first` names."""
    tried = Counter()
    for item in items:
        if item.name in SLOW_EXAMPLES:
            item.add_marker("slow")
        first = item.get_closest_marker("first")
        if first is not None and item.get_closest_marker("slow") is None:
            function = item.nodeid.partition("[")[0]
            tried[function] += 1
            if tried[function] > first.args[0]:
                item.add_marker("slow")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets, which is not part of the repository."""
    asked = os.environ.get("LINEAGE_CLUST_DATA")
    folder = Path(asked) if asked else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data sets are not there ({folder}); set LINEAGE_CLUST_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def make_adata():
    """Return a function that makes a small AnnData, as Palantir would leave it."""
    return _make_adata


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def _make_adata(n_cells: int = 200, n_genes: int = 24, *, kind: str = "csr", seed: int = 0) -> ad.AnnData:
    """Return cells in random order along two lineages "A" and "B", with genes of four kinds.

    Genes are named after what their expression does: `fall0`, `peak0`, `rise0`, `flat0`, `fall1`, ... In lineage A they
    do it as named; in lineage B nothing changes after the branching at pseudotime 0.4.
    """
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, 1, n_cells)
    t[:2] = 0, 1
    toward_a = rng.random(n_cells) < 0.6
    commitment = np.clip((t - 0.4) / 0.3, 0, 1)
    fate = 0.5 + 0.48 * commitment * np.where(toward_a, 1, -1)
    own_time = np.where(toward_a, t, np.minimum(t, 0.4))
    shapes = {
        "fall": 1 / (1 + np.exp((own_time - 0.3) / 0.08)),
        "peak": np.exp(-0.5 * ((own_time - 0.55) / 0.1) ** 2),
        "rise": 1 / (1 + np.exp(-(own_time - 0.75) / 0.06)),
        "flat": np.full(n_cells, 0.5),
    }
    kinds = list(shapes)
    names = [f"{kinds[gene % 4]}{gene // 4}" for gene in range(n_genes)]
    rates = np.column_stack([3 * shapes[name.rstrip("0123456789")] + 0.2 for name in names])
    counts = rng.poisson(rates).astype(np.float32)
    obs = pd.DataFrame(
        {
            "palantir_pseudotime": t,
            "batch": pd.Categorical(np.where(rng.random(n_cells) < 0.5, "first", "second")),
            "depth": rng.normal(10, 2, n_cells),
            "celltype": np.where(t < 0.4, "stem", np.where(toward_a, "A", "B")),
        },
        index=[f"cell{cell}" for cell in range(n_cells)],
    )
    adata = ad.AnnData(FORMATS[kind](np.log1p(counts)), obs=obs, var=pd.DataFrame(index=names))
    adata.layers["counts"] = FORMATS[kind](counts)
    adata.raw = adata.copy()
    fates = pd.DataFrame({"A": fate, "B": 1 - fate}, index=adata.obs_names)
    adata.obsm["palantir_fate_probabilities"] = fates
    return adata


@pytest.fixture(scope="module")
def browser():
    """Chromium, where it is installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    with playwright.sync_playwright() as running:
        try:
            started = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"Chromium cannot be started: {str(error).splitlines()[0]}")
        yield started
        started.close()
