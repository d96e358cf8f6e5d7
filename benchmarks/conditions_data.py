"""Simulated donors in several conditions, with random levels and curves, and genes that differ between the conditions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from .donors_data import _GRID, _NOISE, Effect, _counted, _curves

_SIZES = {0.0: 0.12, 0.1: 0.25, 0.25: 0.5, 0.5: 0.8}  # sizes of differences, by the size of donor effects
_FACTORS = np.array([0.0, 1.0, -0.5])  # of the difference, by condition
KINDS = ("none", "level", "slope", "step", "bump")
TIMED = ("none", "higher", "later", "peak")


@dataclass(frozen=True)
class Design:
    """Samples of an experiment: `condition` and `donor` are codes per sample; `gap` = times without cells of condition 1."""

    condition: tuple[int, ...]
    donor: tuple[int, ...]
    gap: tuple[float, float] = (2.0, 2.0)

    @property
    def is_paired(self) -> bool:
        """Whether any donor has samples in several conditions."""
        return len(set(self.donor)) < len(self.donor)


def between(*counts: int, gap: tuple[float, float] = (2.0, 2.0)) -> Design:
    """Return a design with given numbers of donors per condition."""
    condition = np.repeat(np.arange(len(counts)), counts)
    return Design(tuple(condition.tolist()), tuple(range(len(condition))), gap)


def pairs(n_donors: int, n_missing: int = 0) -> Design:
    """Return a design with all donors in both conditions, of which the last `n_missing` have no cells in the second."""
    second = range(n_donors - n_missing)
    return Design((0,) * n_donors + (1,) * len(second), (*range(n_donors), *second))


@dataclass(frozen=True)
class ConditionCells:
    """Cells `(n_cells,)` with expression `(n_cells, n_genes)`, and for counts the log depth of each cell.

    common, difference : `(201, n_genes)` trend in the first condition, and what is added to it in the second.
    kind : `(n_genes,)` kinds of differences, as positions in `KINDS` or `TIMED`.
    """

    time: np.ndarray
    condition: np.ndarray
    donor: np.ndarray
    Y: np.ndarray
    common: np.ndarray
    difference: np.ndarray
    kind: np.ndarray
    depth: np.ndarray | None = None

    @property
    def logs(self) -> np.ndarray:
        """Expression for methods that do not support counts."""
        return self.Y if self.depth is None else np.log1p(self.Y / np.exp(self.depth)[:, None])

    @property
    def differs(self) -> np.ndarray:
        """Mask of the genes that differ between the conditions."""
        return self.kind > 0

    def truth(self, grid: np.ndarray, condition: int = 1) -> np.ndarray:
        """Return the true differences `(n_genes, n_points)` from the first condition."""
        return _FACTORS[condition] * self.difference[np.round(200 * grid).astype(int)].T


def simulate_conditions(
    rng: np.random.Generator, sizes: np.ndarray, n_genes: int, effect: Effect, design: Design, counts: bool = False,
    timed: bool = False,
) -> ConditionCells:  # fmt: skip
    """Return cells of donors in several conditions.

    Parameters
    ----------
    rng
        Source of random numbers.
    sizes
        `(n_samples,)` numbers of cells; each sample has its own density along time.
    n_genes
        Number of genes; the last quarter differ, by level, slope, step or bump.
    effect
        Variation between samples, as in :mod:`benchmarks.donors_data`; samples of a donor share 0.7 of its variance.
    design
        Conditions and donors of the samples.
    counts
        Whether expression consists of negative binomial counts of cells with unequal depth; differences are in log
        means.
    timed
        Genes rise by 1.5, half of them by time 0.4; a quarter each do not differ, are higher by 0.5 in the second
        condition, rise 0.15 later, or have a peak of 0.8.
    """
    sample = np.repeat(np.arange(len(sizes)), sizes)
    time = np.concatenate([rng.beta(*rng.uniform(0.6, 2.2, 2), size) for size in sizes])
    of_sample, donors = np.asarray(design.condition), np.asarray(design.donor)
    kept = (of_sample[sample] != 1) | (time < design.gap[0]) | (time > design.gap[1])
    sample, time = sample[kept], time[kept]
    at = np.round(200 * time).astype(int)
    spread = np.sqrt(rng.gamma(2, 0.5, n_genes))

    def deviation() -> np.ndarray:
        curves = effect.curve * _curves(rng, effect.kind, n_genes) if effect.curve else np.zeros((len(_GRID), n_genes))
        return spread * (effect.shift * rng.standard_normal(n_genes) + curves)

    common, difference, kind = _timed(n_genes) if timed else _untimed(rng, n_genes, effect)
    own = [deviation() for _ in range(donors.max() + 1)]
    shared = 0.7 if design.is_paired else 0.0
    Y = (0.0 if counts else _NOISE) * rng.standard_normal((len(time), n_genes))
    for number in range(len(sizes)):
        curve = common + np.sqrt(shared) * own[donors[number]] + np.sqrt(1 - shared) * deviation()
        curve = curve + _FACTORS[of_sample[number]] * difference
        cells = sample == number
        Y[cells] += curve[at[cells]]
    depth = None
    if counts:
        depth, Y = _counted(rng, Y)
        depth = np.log(depth)
    return ConditionCells(time, of_sample[sample], donors[sample], Y, common, difference, kind, depth)


def _untimed(rng: np.random.Generator, n_genes: int, effect: Effect) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return trends of random size, differences and their kinds."""
    common = np.sin(3 * _GRID)[:, None] * rng.standard_normal(n_genes)
    moving = np.arange(3 * n_genes // 4, n_genes)
    shapes = np.stack([
        np.ones_like(_GRID), 2 * _GRID - 0.5, 2 * expit((_GRID - 0.6) / 0.08) - 0.5,
        np.exp(-0.5 * ((_GRID - 0.5) / 0.15) ** 2),
    ])  # fmt: skip
    signs = rng.choice([-1.0, 1.0], len(moving))
    difference, kind = np.zeros((len(_GRID), n_genes)), np.zeros(n_genes, dtype=int)
    kind[moving] = 1 + rng.integers(0, 4, len(moving))
    difference[:, moving] = _SIZES[max(effect.shift, effect.curve)] * shapes[kind[moving] - 1].T * signs
    return common, difference, kind


def _timed(n_genes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    def rise(at: float) -> np.ndarray:
        return 1.5 * expit((_GRID - at) / 0.07)

    kind = np.arange(n_genes) % len(TIMED)
    peak = 0.8 * np.exp(-0.5 * ((_GRID - 0.6) / 0.12) ** 2)
    added = np.stack([np.zeros_like(_GRID), np.full_like(_GRID, 0.5), rise(0.55) - rise(0.4), peak])
    return np.repeat(rise(0.4)[:, None], n_genes, axis=1), added[kind].T, kind
