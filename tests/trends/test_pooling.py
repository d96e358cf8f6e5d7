"""Attenuation of trends by the uncertainty of pseudotime."""

import numpy as np
import pytest

from lineage_clust import BSplineSmoother
from lineage_clust.trends.pooling import Scatter, attenuation
from lineage_clust.utils.matrices import dense

GRID = np.linspace(0, 1, 200)
SMOOTHER = BSplineSmoother(domain=(0.0, 1.0)).fit(GRID[:, None])


def scatter_of(designs):
    scatter = Scatter(np.sum([weights > 0 for _, weights in designs], axis=0))
    for design, weights in designs:
        scatter.add(design, weights)
    return scatter.coefficients()


def designs(times):
    return [(SMOOTHER.transform(np.clip(one, 0, 1)[:, None]), np.ones(len(one))) for one in times]


def test_equal_draws_flatten_nothing():
    times = np.random.default_rng(0).uniform(size=(1, 500)).repeat(3, axis=0)
    curves = np.array([np.sin(6 * GRID), GRID, np.ones(200)])
    found = attenuation(curves, SMOOTHER.transform(GRID[:, None]), scatter_of(designs(times)))
    assert found == pytest.approx([0, 0, 0], abs=1e-5)


@pytest.mark.parametrize("scatter", [0.02, 0.05])
def test_waves_are_flattened_as_by_noise(scatter):
    rng = np.random.default_rng(1)
    base = rng.uniform(-0.2, 1.2, 30_000)
    times = base + scatter * rng.normal(size=(4, len(base)))
    inside = ((times > 0) & (times < 1)).all(axis=0)
    found = attenuation(
        np.array([np.cos(4 * np.pi * GRID)]), SMOOTHER.transform(GRID[:, None]), scatter_of(designs(times[:, inside]))
    )
    # two draws differ by noise of twice the variance; the wave at the one, given the other, keeps exp(-w^2 s^2)
    assert found[0] == pytest.approx(1 - np.exp(-((4 * np.pi * scatter) ** 2)), abs=0.05)


def test_weights_and_storage():
    rng = np.random.default_rng(2)
    first, second = designs(rng.uniform(size=(2, 50)))
    both = [(dense(one), w) for one, w in (first, second)]
    np.testing.assert_allclose(scatter_of([first, second]), scatter_of(both), atol=1e-8)
    left_out = [(one, np.where(np.arange(50) < 40, w, 0.0)) for one, w in both]
    kept = [(one[:40], w[:40]) for one, w in both]
    np.testing.assert_allclose(scatter_of(left_out), scatter_of(kept), atol=1e-8)


def test_draws_in_any_order_some_of_whose_cells_are_missing():
    """Only neighbouring draws were compared, so that the attenuation depended on their order."""
    rng = np.random.default_rng(3)
    times = rng.uniform(size=400) + rng.normal(size=(5, 400)) * np.array([0.02, 0.3, 0.02, 0.3, 0.1])[:, None]
    some = [(dense(one), (rng.random(400) < 0.9) * 1.0) for one, _ in designs(times)]
    np.testing.assert_allclose(scatter_of(some), scatter_of([some[place] for place in (3, 1, 0, 4, 2)]), atol=1e-9)
    pairs = [(one, other) for one in some for other in some if one is not other]
    crossed, total = (
        sum(other[0].T @ (of[0] * (one[1] * other[1])[:, None]) for one, other, of in both)
        for both in ([(one, other, one) for one, other in pairs], [(one, other, other) for one, other in pairs])
    )
    np.testing.assert_allclose(total @ scatter_of(some), crossed, atol=1e-4)


def test_draws_without_a_common_cell_say_nothing_of_the_scatter():
    scatter, design = Scatter(np.ones(10)), np.random.default_rng(0).random((10, 3))
    for inside in (np.arange(10) < 5, np.arange(10) >= 5):
        scatter.add(design, inside.astype(float))
    coefficients = scatter.coefficients()
    assert np.isnan(coefficients).all()
    assert np.isnan(attenuation(design[:2, :1] @ np.ones((1, 4)), design[:4], coefficients)).all()
