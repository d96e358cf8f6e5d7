import anndata
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc
from lineage_clust import BSplineSmoother
from lineage_clust.conditions import effects
from tests.fits import QUICK

SETTINGS = {"time_key": "pseudotime", "n_points": 40, "random_state": 0, "smoother": BSplineSmoother(n_splines=7)}
QUICK_SETTINGS = SETTINGS | {"clusterer": QUICK}


def cells_of_donors(n_donors=8, n_cells=480, n_genes=24, seed=0, shift=0.3):
    """Genes 0-3 are higher in treated donors, 4-7 rise in them later on, the others do not differ; none rises by itself."""
    rng = np.random.default_rng(seed)
    donor = rng.permutation(np.arange(n_cells) % n_donors)
    treated = donor % 2
    time = rng.uniform(size=n_cells)
    Y = 2 + 0.5 * rng.standard_normal((n_cells, n_genes)) + shift * rng.standard_normal((n_donors, n_genes))[donor]
    Y[:, :4] += 1.5 * treated[:, None]
    Y[:, 4:8] += 2.5 * (treated * time)[:, None] + 1e-3
    obs = pd.DataFrame({"pseudotime": time}, index=[f"cell{number}" for number in range(n_cells)])
    obs["donor"] = np.array(list("abcdefghijkl"))[donor]
    obs["condition"] = pd.Categorical(np.array(["control", "treated"])[treated])
    obs["age"] = rng.uniform(20, 60, n_donors)[donor]
    return anndata.AnnData(Y, obs=obs, var=pd.DataFrame(index=[f"gene{number}" for number in range(n_genes)]))


@pytest.fixture(scope="session")
def cells():
    return cells_of_donors()


def sample_less(patch):
    """Take fewer posterior samples, which are most of the time of a comparison of few genes."""
    patch.setattr(effects, "N_DRAWS", 100)
    patch.setattr(effects, "_N_SHIFT_DRAWS", 50)


@pytest.fixture(autouse=True)
def _sample_less(monkeypatch):
    sample_less(monkeypatch)


@pytest.fixture(scope="session")
def found(cells):
    with pytest.MonkeyPatch.context() as patch:
        sample_less(patch)
        return lc.compare_conditions(cells, "condition", "donor", **QUICK_SETTINGS)


@pytest.fixture(scope="session")
def without_donors(cells):
    with pytest.MonkeyPatch.context() as patch:
        sample_less(patch)
        return lc.compare_conditions(cells, "condition", **QUICK_SETTINGS)


@pytest.fixture
def settings():
    return dict(SETTINGS)


@pytest.fixture
def quick_settings():
    return dict(QUICK_SETTINGS)


@pytest.fixture
def make_cells():
    return cells_of_donors
