"""Simulated lineages without groups: curves vary gradually between genes, so that boundaries are arbitrary."""

from __future__ import annotations

from functools import partial

import numpy as np
from anndata import AnnData

from .quality_curves import lineage_around, peak, rise, smooth_noise

N_GENES = 400
N_CELLS = 1000


def switch_times(rng: np.random.Generator) -> np.ndarray:
    """Return curves with the same rise, each at its own time."""
    return rise(rng.uniform(0.05, 0.95, N_GENES), 0.06)


def peak_times(rng: np.random.Generator) -> np.ndarray:
    """Return curves with a peak of the same width, each at its own time."""
    return peak(rng.uniform(0, 1, N_GENES), 0.1)


def random_shapes(rng: np.random.Generator) -> np.ndarray:
    """Return samples of a Gaussian process."""
    return 0.5 * smooth_noise(rng, N_GENES, 0.25)


def steepness(rng: np.random.Generator) -> np.ndarray:
    """Return curves that rise or fall, abruptly or along the whole lineage."""
    curves = rise(rng.uniform(0.3, 0.7, N_GENES), np.exp(rng.uniform(np.log(0.02), np.log(0.3), N_GENES)))
    curves = (curves - curves.min(axis=1, keepdims=True)) / np.ptp(curves, axis=1)[:, None]
    return np.where(rng.random(N_GENES)[:, None] < 0.5, curves, 1 - curves)


def broad_blob(rng: np.random.Generator) -> np.ndarray:
    """Return one shape with individual deviations of every gene."""
    return rise(np.full(N_GENES, 0.6), 0.1) + 0.25 * smooth_noise(rng, N_GENES, 0.25)


def _made(curves, seed: int) -> AnnData:
    rng = np.random.default_rng(seed)
    return lineage_around(curves(rng), np.zeros(N_GENES, dtype=int), rng, n_cells=N_CELLS)


CONTINUA = {
    "switch times": partial(_made, switch_times, 20261),
    "peak times": partial(_made, peak_times, 20262),
    "Gaussian process": partial(_made, random_shapes, 20263),
    "rise and fall": partial(_made, steepness, 20264),
    "one broad blob": partial(_made, broad_blob, 20265),
}
