"""Random curves of donors against mgcv's factor smooths (`bs = "fs"`), from `tests/golden/donors/make_mgcv.py`."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from lineage_clust import GAM, BSplineSmoother

GOLDEN = Path(__file__).parents[3] / "golden" / "donors"


@pytest.fixture(scope="module")
def compared():
    sys.path.insert(0, str(GOLDEN))
    try:
        from make_mgcv import data
    finally:
        sys.path.remove(str(GOLDEN))
    time, donors, Y = data()
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    design = smoother.fit_transform(time[:, None])
    fit = GAM().fit(design, Y, penalty=smoother.penalty_, groups=donors)
    expected = {name: np.array(values) for name, values in json.loads((GOLDEN / "mgcv.json").read_text()).items()}
    rows = smoother.transform(np.linspace(0.02, 0.98, 49)[:, None])
    return fit, *fit.predict(rows, return_std=True), expected


def test_trends(compared):
    _, trend, _, expected = compared
    reached = expected["trend"].T
    centred, other = trend - trend.mean(axis=0), reached - reached.mean(axis=0)
    size = np.ptp(reached, axis=0)
    assert np.median(np.sqrt(np.mean((centred - other) ** 2, axis=0)) / size) < 0.01
    assert np.median(np.abs(centred - other).max(axis=0) / size) < 0.02


def test_variances(compared):
    fit, _, _, expected = compared
    assert np.median(fit.shift_variance_ / expected["level_variance"]) == pytest.approx(1.0, abs=0.1)
    assert np.median(fit.curve_variance_ / expected["curve_variance"]) == pytest.approx(1.0, abs=0.1)
    # mgcv's curves have six columns and leave a little of themselves in the residuals
    assert np.median(fit.scale_ / expected["scale"]) == pytest.approx(1.0, abs=0.03)
