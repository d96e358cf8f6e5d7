"""The default end of a lineage: its last cell with at least half of the highest weight."""

import sys
import warnings
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineage_clust.errors import LineageClustWarning
from lineage_clust.lineage.time.time_range import find_time_range
from lineage_clust.lineage.weights.source import clip_weights
from lineage_clust.trends.gene_trend import GeneTrend

_spec = spec_from_file_location("endpoint_sets", Path(__file__).parents[3] / "benchmarks" / "endpoint_sets.py")
endpoint_sets = sys.modules["endpoint_sets"] = module_from_spec(_spec)
_spec.loader.exec_module(endpoint_sets)
simulate = endpoint_sets.simulate

quietly = pytest.mark.filterwarnings("ignore::lineage_clust.errors.LineageClustWarning")
seeds = st.integers(0, 10_000)


def end_of(times, weights, **options):
    return find_time_range(times, weights, lineage="A", **options)[1]


# ---- weights of all kinds


@pytest.mark.parametrize("n_lineages", [2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(5))
def test_one_hot_weights_reach_to_the_end(n_lineages, seed):
    rng = np.random.default_rng(seed)
    times, lineages = rng.random(2000), np.eye(n_lineages)[rng.integers(0, n_lineages, 2000)]
    for weights in lineages.T:
        assert end_of(times, weights) == times[weights == 1].max() > 0.98


@pytest.mark.parametrize("share", [0.5, 0.1, 0.02])
@pytest.mark.parametrize("floor", [0.0, 0.01])
def test_how_rare_the_lineage_is_does_not_matter(share, floor):
    times = np.linspace(0, 1, 5001)
    own = (np.arange(5001) % round(1 / share) == 0) & (times <= 0.8)
    assert end_of(times, np.where(own, 1.0, floor)) == times[own].max()


def test_most_certain_cells_may_come_late():
    times = np.linspace(0, 1, 2001)
    late = (times > 0.85) & (np.arange(2001) % 3 == 0)
    weights = np.where(late, np.interp(times, [0.85, 1], [0.4, 0.95]), 0.3 * (times <= 0.85))
    assert end_of(times, weights) == times[late].max()


def test_own_weights_may_fall_with_time_to_little_more_than_half():
    times = np.linspace(0, 1, 1001)
    own = np.arange(1001) % 4 == 0
    weights = np.where(own, 1 - 0.45 * times, 0)
    with pytest.warns(LineageClustWarning, match="decrease along pseudotime") as caught:
        assert end_of(times, weights) == times[own].max()
    assert "%" not in str(caught[0].message)


def test_weight_leaked_into_a_longer_lineage_is_cut_off():
    rng = np.random.default_rng(0)
    times = np.sort(rng.random(3000))
    own = (rng.random(3000) < 0.4) & (times < 0.7)
    leaked = np.where(times < 0.7, 0.5 - 0.5 * times, 0.2 * np.exp(-(times - 0.7) / 0.04))
    weights = np.where(own, 0.5 + 0.6 * times, leaked)
    assert end_of(times, weights) == times[own].max()


@pytest.mark.parametrize("kind", endpoint_sets.KINDS)
@pytest.mark.first(1)
def test_ends_of_simulated_lineages(kind):
    near = []
    for seed in range(50_000, 50_100):
        cells = simulate(kind, seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", LineageClustWarning)
            end = end_of(cells.times, clip_weights(cells.weights, (0.01, 0.0)))
        near.append(abs(end - cells.end) <= 0.03)
        lost = np.sum(cells.weights[cells.own & (cells.times > end)]) / np.sum(cells.weights[cells.own])
        assert lost <= 0.05 or caught, f"{lost:.0%} of the own weight lost without a warning, seed {seed}"
    assert np.mean(near) >= 0.95


# ---- outliers


@pytest.mark.parametrize("n_outliers", [1, 3, 5])
def test_a_few_late_cells_with_full_weight_are_outliers(n_outliers):
    times = np.linspace(0, 1, 2001)
    weights = np.where(times <= 0.7, np.arange(2001) % 3 == 0, 0).astype(float)
    end = times[weights > 0].max()
    weights[[1600, 1650, 1700, 1900, 1950][:n_outliers]] = 1
    with pytest.warns(
        LineageClustWarning, match=rf"ends at pseudotime 0.69.* Later cells .* \({n_outliers}, up to .* as outliers"
    ):
        assert end_of(times, weights) == end


def test_a_few_cells_with_far_higher_weights_are_outliers():
    times = np.linspace(0, 1, 2001)
    weights = np.where(times <= 0.7, 0.2, 0.01)
    weights[[600, 800, 1000]] = 1
    assert end_of(times, weights) == pytest.approx(0.7, abs=0.002)


@quietly
@pytest.mark.parametrize("power", [0, 1, 2])
def test_last_cells_of_an_end_that_thins_out_are_no_outliers(power):
    rng = np.random.default_rng(power)
    kept = []
    for _ in range(200):
        own = 0.9 * rng.beta(1, 1 + power, 400)
        weights = np.repeat([1.0, 0.0], 400)
        kept.append(end_of(np.r_[own, rng.random(400)], weights) == own.max())
    assert np.mean(kept) >= 0.97


def test_a_lineage_of_few_cells_keeps_its_last():
    times, weights = np.linspace(0, 1, 200), np.zeros(200)
    weights[[10, 40, 50, 90, 190]] = 1
    assert end_of(times, weights) == times[190]


# ---- reversed pseudotime, and weight after the end


def committed(seed, n_cells=400):
    """Cells of two lineages that part: weights go from 0.5 to 0 or 1."""
    rng = np.random.default_rng(seed)
    times, own = rng.random(n_cells), rng.random(n_cells) < 0.5
    fate = 0.5 + 0.49 * np.clip((times - 0.3) / 0.6, 0, 1)
    return times, np.where(own, fate, 1 - fate)


@given(seed=seeds)
def test_a_reversed_pseudotime_is_named(seed):
    times, weights = committed(seed)
    assert end_of(times, weights) > 0.9
    with pytest.warns(
        LineageClustWarning, match="'A' decrease along pseudotime, from .* If pseudotime runs backwards, reverse"
    ):
        end_of(1 - times, weights)


def test_a_lineage_that_fades_says_how_much_lies_after_its_end():
    times = np.linspace(0, 1, 1001)
    weights = np.interp(times, [0, 0.2, 0.6, 1], [0.6, 1, 1, 0.2])
    with pytest.warns(
        LineageClustWarning, match="ends at pseudotime 0.85.* 7% of its weight lies later.*set time_range"
    ):
        assert end_of(times, weights) == pytest.approx(0.85, abs=0.01)


def test_weights_that_fall_at_once_do_not_collapse_the_range():
    times = np.linspace(0, 1, 1001)
    with pytest.warns(LineageClustWarning, match="is at pseudotime 0.01, but the lineage starts at 0.*backwards"):
        assert end_of(times, np.where(times <= 0.01, 1, 0.3)) == 1.0


# ---- laws


@quietly
@given(seed=seeds, kind=st.sampled_from(endpoint_sets.KINDS), outliers=st.booleans())
def test_the_order_of_the_cells_does_not_matter(seed, kind, outliers):
    cells = simulate(kind, seed, outliers=outliers)
    times = np.round(cells.times, 2)  # ties
    order = np.random.default_rng(seed).permutation(len(times))
    assert end_of(times[order], cells.weights[order]) == end_of(times, cells.weights)


@quietly
@given(seed=seeds, kind=st.sampled_from(endpoint_sets.KINDS), factor=st.floats(0.01, 100))
def test_the_unit_of_the_weights_does_not_matter(seed, kind, factor):
    cells = simulate(kind, seed)
    assert end_of(cells.times, factor * cells.weights) == end_of(cells.times, cells.weights)


@quietly
@given(seed=seeds, kind=st.sampled_from(endpoint_sets.KINDS))
def test_cells_of_other_lineages_do_not_matter(seed, kind):
    cells = simulate(kind, seed)
    belong = cells.weights > 0
    start = cells.times[belong].min()
    assert find_time_range(cells.times[belong], np.r_[cells.weights[belong]]) == (
        start,
        end_of(cells.times, cells.weights),
    )


@quietly
@given(seed=seeds, kind=st.sampled_from(endpoint_sets.KINDS))
def test_the_end_is_the_time_of_a_cell_that_belongs(seed, kind):
    cells = simulate(kind, seed)
    end = end_of(cells.times, cells.weights)
    assert cells.weights[cells.times == end].max() >= 0.5 * np.quantile(cells.weights[cells.weights > 0], 0.5)


def test_one_gene_alone_finds_the_same_end():
    times, weights = committed(0)
    trend = GeneTrend("a", "A", times, times, weights).prepare(n_points=50)
    assert trend.x_test[-1] == end_of(times, weights)
