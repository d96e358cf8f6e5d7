"""Simulated donors in two conditions, with random levels and curves, and genes that differ between the conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from .donors_data import _GRID, _NOISE, Effect, _counted, _curves

_SIZES = {0.0: 0.12, 0.1: 0.25, 0.25: 0.5, 0.5: 0.8}  # sizes of differences, by the size of donor effects


@dataclass(frozen=True)
class ConditionCells:
    """Cells `(n_cells,)` with expression `(n_cells, n_genes)`; `difference` `(201, n_genes)` of the genes that differ.

    For counts, also the log depth of each cell.
    """

    time: np.ndarray
    condition: np.ndarray
    donor: np.ndarray
    Y: np.ndarray
    difference: np.ndarray
    depth: np.ndarray | None = None

    @property
    def logs(self) -> np.ndarray:
        """Expression for methods that do not support counts."""
        return self.Y if self.depth is None else np.log1p(self.Y / np.exp(self.depth)[:, None])

    @property
    def differs(self) -> np.ndarray:
        """Mask of the genes that differ between the conditions."""
        return np.any(self.difference != 0, axis=0)


def simulate_conditions(
    rng: np.random.Generator, sizes: np.ndarray, n_genes: int, effect: Effect, n_first: int | None = None,
    shared: float = 0.0, paired: bool = False, counts: bool = False,
) -> ConditionCells:  # fmt: skip
    """Return cells of donors in two conditions.

    Parameters
    ----------
    rng
        Source of random numbers.
    sizes
        `(n_samples,)` numbers of cells; each sample has its own density along time.
    n_genes
        Number of genes; the last quarter differ, by level, slope, step or bump.
    effect
        Variation between samples, as in :mod:`benchmarks.donors_data`.
    n_first
        Number of samples of the first condition; `None` = half of them.
    shared
        Fraction of the variance of samples' effects that samples of one donor share.
    paired
        Whether every donor has a sample in each condition.
    counts
        Whether expression consists of negative binomial counts of cells with unequal depth; differences are in log
        means.
    """
    n_samples = len(sizes)
    n_first = n_samples // 2 if n_first is None else n_first
    of_sample = (np.arange(n_samples) >= n_first).astype(int)
    donors = np.arange(n_samples) % n_first if paired else np.arange(n_samples)
    sample = np.repeat(np.arange(n_samples), sizes)
    time = np.concatenate([rng.beta(*rng.uniform(0.6, 2.2, 2), size) for size in sizes])
    at = np.round(200 * time).astype(int)
    spread = np.sqrt(rng.gamma(2, 0.5, n_genes))

    def deviation() -> np.ndarray:
        curves = effect.curve * _curves(rng, effect.kind, n_genes) if effect.curve else np.zeros((len(_GRID), n_genes))
        return spread * (effect.shift * rng.standard_normal(n_genes) + curves)

    common = np.sin(3 * _GRID)[:, None] * rng.standard_normal(n_genes)
    difference = np.zeros((len(_GRID), n_genes))
    moving = np.arange(3 * n_genes // 4, n_genes)
    shapes = np.stack([
        np.ones_like(_GRID), 2 * _GRID - 0.5, 2 * expit((_GRID - 0.6) / 0.08) - 0.5,
        np.exp(-0.5 * ((_GRID - 0.5) / 0.15) ** 2),
    ])  # fmt: skip
    signs = rng.choice([-1.0, 1.0], len(moving))
    difference[:, moving] = _SIZES[max(effect.shift, effect.curve)] * shapes[rng.integers(0, 4, len(moving))].T * signs
    own = [deviation() for _ in range(donors.max() + 1)]
    Y = (0.0 if counts else _NOISE) * rng.standard_normal((len(time), n_genes))
    for number in range(n_samples):
        curve = common + np.sqrt(shared) * own[donors[number]] + np.sqrt(1 - shared) * deviation()
        curve = curve + of_sample[number] * difference
        cells = sample == number
        Y[cells] += curve[at[cells]]
    depth = None
    if counts:
        depth, Y = _counted(rng, Y)
        depth = np.log(depth)
    return ConditionCells(time, of_sample[sample], donors[sample], Y, difference, depth)
