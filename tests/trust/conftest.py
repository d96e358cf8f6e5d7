"""Fixtures for the tests of invalid input: immutable data, and the required form of an error."""

from __future__ import annotations

import re
import traceback
import warnings

import joblib
import numpy as np
import pytest

import lineage_clust as lc

# What users must never read: the words of a library behind ours that stumbled over their input.
STUMBLED = re.compile(
    r"broadcast|unhashable|truth value|object has no attribute|not supported between|InternalError|not subscriptable|"
    r"positional argument|could not convert string|must be a string or a real number|out of bounds|shape mismatch|"
    r"cannot be interpreted as an integer|can't multiply|has no len|not iterable|zero-size array|ufunc"
)
BASE = {
    "lineage": "A",
    "n_points": 12,
    "alpha": None,
    "random_state": 0,
    "clusterer": lc.GraphClusterer(4, resolution=1.0),
}


@pytest.fixture(scope="session")
def cells(make_adata):
    """Cells that every test may read and none may change."""
    return make_adata(n_cells=60, n_genes=8)


@pytest.fixture(scope="session")
def fitted(cells):
    return lc.TrendClusterer(**BASE).fit(cells)


@pytest.fixture(scope="session")
def fit():
    """Return a function that fits a TrendClusterer quickly: defaults of these tests, and what is given."""

    def run(adata, **parameters):
        return lc.TrendClusterer(**{**BASE, **parameters}).fit(adata)

    return run


@pytest.fixture(scope="session")
def refuses(contents):
    """Return a function that asserts how a call fails: its class, its words, whose they are, and that nothing changed."""

    def check(call, error, message, adata=None):
        before = None if adata is None else contents(adata)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "The time range")  # is said before a range without cells is refused
            with pytest.raises(error, match=message) as caught:
                call()
        assert not STUMBLED.search(str(caught.value)), caught.value
        assert type(caught.value) is not KeyError
        files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert any("lineage_clust" in file.split("site-packages")[-1] for file in files)
        assert adata is None or contents(adata) == before

    return check


@pytest.fixture(scope="session")
def contents():
    """Return a function that gives a digest of everything that an AnnData holds."""
    return _contents


def _contents(adata) -> str:
    parts = [adata.X, adata.obs, adata.var, *(dict(part) for part in (adata.layers, adata.obsm, adata.varm, adata.uns))]
    return joblib.hash([*parts, None if adata.raw is None else adata.raw.X, np.asarray(adata.obs_names, dtype=str)])
