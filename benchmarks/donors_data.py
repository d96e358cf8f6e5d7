"""Simulated donors with random levels and curves, unequal sizes, and different densities along time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit


@dataclass(frozen=True)
class Effect:
    """Variation between donors: standard deviations of levels and curves, and type of the curves."""

    shift: float
    curve: float
    kind: str = "smooth"
    counts: bool = False

    @property
    def name(self) -> str:
        """Short name without spaces."""
        return f"{self.shift:g}/{self.curve:g}/{self.kind}{'/counts' if self.counts else ''}"


EFFECTS = (
    Effect(0, 0), Effect(0.1, 0.1), Effect(0.25, 0.25), Effect(0.5, 0.5), Effect(0.5, 0), Effect(0, 0.5),
    Effect(0.5, 0.5, "wave"), Effect(0.25, 0.25, "smooth", counts=True),
)  # fmt: skip
_GRID = np.linspace(0, 1, 201)
_NOISE = 0.7
_SIZES = {0.0: 0.06, 0.1: 0.12, 0.25: 0.25, 0.5: 0.4}  # by the size of curves, such that power is neither 0 nor 1


def simulate(
    rng: np.random.Generator, n_donors: int, n_genes: int, n_cells: int, unequal: bool, effect: Effect
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return time `(n_cells,)`, donors, expression and its expectation over donors `(n_cells, n_genes)`.

    The second half of the genes have a rising or falling trend: a line, a step or a bump. The variances of donor
    effects vary between genes (gamma distribution with shape 2). Curves are a Gaussian process with length scale 1/4,
    or waves of 0.5 to 2 periods with random phases. Counts are negative binomial with dispersion 0.3, for cells of
    unequal depth; expression is `log1p` of counts normalised to the same depth, and genes are flat before the
    transformation.
    """
    time, donor, truth, around = _expected(rng, n_donors, n_genes, n_cells, unequal, effect)
    if not effect.counts:
        return time, donor, truth + around + _NOISE * rng.standard_normal(truth.shape), truth
    depth, counts = _counted(rng, truth + around)
    return time, donor, np.log1p(counts / depth[:, None]), truth


def simulate_counts(
    rng: np.random.Generator, n_donors: int, n_genes: int, n_cells: int, unequal: bool, effect: Effect
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return time, donors, counts, log depth `(n_cells,)`, and log expectations of a median donor.

    Otherwise as in `simulate`.
    """
    time, donor, truth, around = _expected(rng, n_donors, n_genes, n_cells, unequal, effect)
    depth, counts = _counted(rng, truth + around)
    return time, donor, counts, np.log(depth), truth


def _counted(
    rng: np.random.Generator, logs: np.ndarray, levels: tuple[float, float] = (-1.0, 2.0)
) -> tuple[np.ndarray, np.ndarray]:
    """Return depths `(n_cells,)` and negative binomial counts of genes with log means between two levels."""
    depth = rng.lognormal(0, 0.3, len(logs))
    mean = depth[:, None] * np.exp(rng.uniform(*levels, logs.shape[1]) + logs)
    return depth, rng.poisson(mean * rng.gamma(1 / 0.3, 0.3, logs.shape))


def _expected(rng, n_donors: int, n_genes: int, n_cells: int, unequal: bool, effect: Effect):
    """Return time, donors, trends `(n_cells, n_genes)` and the donors' deviations from them."""
    share = np.full(n_donors, 1.0 / n_donors)
    if unequal:
        share[:] = 0.5 / (n_donors - 1)
        share[0] = 0.5
    sizes = np.maximum((share * n_cells).astype(int), 10)
    donor = np.repeat(np.arange(n_donors), sizes)
    time = np.concatenate([rng.beta(*rng.uniform(0.6, 2.2, 2), size) for size in sizes])
    truth = np.zeros((len(time), n_genes))
    moving = np.arange(n_genes // 2, n_genes)
    shapes = np.stack(
        [2 * time - 1, 2 * expit((time - 0.6) / 0.08) - 1, 2 * np.exp(-0.5 * ((time - 0.5) / 0.15) ** 2) - 1]
    )
    truth[:, moving] = (shapes[rng.integers(0, 3, len(moving))] * rng.choice([-1.0, 1.0], len(moving))[:, None]).T
    truth *= _SIZES[effect.curve] if effect.curve else _SIZES[0.0] * (1 + 2 * effect.shift)
    spread = np.sqrt(rng.gamma(2, 0.5, n_genes))
    around = np.zeros_like(truth)
    for number in range(n_donors):
        own = donor == number
        around[own] += effect.shift * spread * rng.standard_normal(n_genes)
        if effect.curve:
            curves = effect.curve * spread * _curves(rng, effect.kind, n_genes)
            around[own] += curves[np.round(200 * time[own]).astype(int)]
    return time, donor, truth, around


def _curves(rng: np.random.Generator, kind: str, n_genes: int) -> np.ndarray:
    if kind == "wave":
        periods, phases = rng.uniform(0.5, 2, n_genes), rng.uniform(0, 2 * np.pi, n_genes)
        return np.sqrt(2) * np.sin(2 * np.pi * periods * _GRID[:, None] + phases)
    values, vectors = np.linalg.eigh(np.exp(-0.5 * ((_GRID[:, None] - _GRID) / 0.25) ** 2))
    return (vectors * np.sqrt(np.maximum(values, 0))) @ rng.standard_normal((len(_GRID), n_genes))
