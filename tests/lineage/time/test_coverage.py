"""Time ranges without cells: gaps, ranges far beyond the cells, and ranges with hardly any weight."""

import warnings

import numpy as np
import pytest

from lineage_clust.errors import LineageClustWarning
from lineage_clust.lineage.time.time_range import warn_of_empty_time

DENSITIES = {
    "uniform": lambda rng, n: rng.random(n),
    "early": lambda rng, n: rng.beta(1, 5, n),
    "both ends": lambda rng, n: rng.beta(0.5, 0.5, n),
    "three groups": lambda rng, n: rng.normal(rng.choice([0.1, 0.35, 0.7], n), 0.12),
    "long tails": lambda rng, n: rng.standard_cauchy(n),
    "days": lambda rng, n: rng.integers(0, 6, n) / 5,
    "rounded": lambda rng, n: np.round(rng.random(n), 2),
}


def messages(times, weights=None, start=None, end=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        weights = np.ones(len(times)) if weights is None else weights
        warn_of_empty_time(times, weights, times.min() if start is None else start, times.max() if end is None else end)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize("density", DENSITIES)
def test_no_gap_is_found_where_there_is_none(density):
    rng = np.random.default_rng(1)
    alarms = [bool(messages(DENSITIES[density](rng, n))) for n in (20, 50, 100, 1000) for _ in range(50)]
    assert np.mean(alarms) < 0.01


@pytest.mark.parametrize("n_cells", [100, 3000])
def test_a_gap_is_named_also_with_light_cells_in_it(n_cells):
    rng = np.random.default_rng(2)
    times = np.where(rng.random(n_cells) < 0.6, rng.uniform(0, 0.35, n_cells), rng.uniform(0.6, 1, n_cells))
    before, after = times[times < 0.5].max(), times[times > 0.5].min()
    (message,) = messages(times)
    assert message.startswith(f"No cell lies between pseudotime {before:.4g} and {after:.4g}, ")
    (message,) = messages(np.r_[times, 0.45, 0.5], np.r_[np.ones(n_cells), 0.05, 0.02])
    assert message.startswith("No cell with a weight of at least 0.1 lies between")
    assert messages(times, start=0.6) == []
    assert messages(10 + 100 * times) == [
        f"No cell lies between pseudotime {10 + 100 * before:.4g} and {10 + 100 * after:.4g}, "
        + messages(times)[0].split(", ", 1)[1]
    ]


def test_ranges_beyond_the_cells_and_ranges_with_hardly_any():
    times = np.linspace(0, 1, 200)
    assert messages(times, start=-0.4, end=1.5) == []
    (message,) = messages(times, start=-1, end=2)
    assert message.startswith(
        "The time range [-1, 2] extends far beyond the cells, which lie between pseudotime 0 and 1: "
    )
    (message,) = messages(times, start=0, end=0.011)
    assert message.startswith("The time range [0, 0.011] holds 1.5 % of the weight (3 cells)")


def test_a_fit_warns_once_and_predictions_do_not(make_adata):
    from tests.fits import read_lineage

    adata = make_adata()
    with pytest.warns(
        LineageClustWarning, match=r"The time range \[-2, 3\] extends far beyond the cells of lineage 'A'"
    ):
        read_lineage(adata, "A", time_range=(-2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_lineage(adata, "A", time_range=(-2, 3), to_fit=False)
