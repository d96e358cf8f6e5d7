"""Simulated lineages with known ends, for `benchmarks.endpoint`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logit, softmax

KINDS = ("soft", "falling", "hard", "shared")
DENSITIES = {"uniform": (1, 1), "middle": (2, 2), "early": (1.5, 4), "late": (3, 1), "mild": (1.4, 1.1)}
MOST_LEAKED = 0.4  # maximum weight of a cell of another lineage after the end, relative to the weight at the tip


@dataclass(frozen=True)
class Cells:
    """The cells of one simulation.

    Attributes
    ----------
    times, weights
        `(n_cells,)` pseudotime, and weight in the evaluated lineage.
    own
        `(n_cells,)` whether a cell is on the lineage.
    end
        Pseudotime of its last cell.
    rare, late, thins_out
        Whether it contains 2 % of the cells, branches off late, and ends with decreasing density (beta distribution).
    n_outliers
        Number of later cells of other lineages with full weight.
    """

    times: np.ndarray
    weights: np.ndarray
    own: np.ndarray
    end: float
    rare: bool
    late: bool
    thins_out: bool
    n_outliers: int


def simulate(kind: str, seed: int, *, outliers: bool = False) -> Cells:
    """Simulate 2 to 5 lineages of different lengths with 200 to 5,000 cells, of which the first is evaluated.

    In a quarter of the simulations the first lineage contains 2 % of the cells; densities along it are of five types.
    "soft": fate probabilities that rise from the lineage's fraction to 0.65 to 1 at its tip; after its end, cells of
    other lineages keep up to 0.4 of that; "falling": the same, but own cells lose up to 0.4 of their weight along the
    lineage; "hard": 1 for own cells and 0 for others; "shared": the same, but all cells before the first branch point
    have weight 1 (as in slingshot).
    """
    rng = np.random.default_rng([KINDS.index(kind), seed, outliers])
    k, n = int(rng.integers(2, 6)), int(rng.choice([200, 500, 1000, 2000, 5000]))
    rare, late, thins_out = rng.random() < 0.25, rng.random() < 0.25, bool(rng.random() < 0.5)
    share = rng.dirichlet(np.full(k, 3.0))
    if rare:
        share = np.r_[0.02, 0.98 * rng.dirichlet(np.full(k - 1, 3.0))]
    share = np.maximum(share, 0.01) / np.maximum(share, 0.01).sum()
    ends = rng.uniform(0.45, 1, k)
    ends[rng.integers(k)] = 1
    own = rng.choice(k, n, p=share)
    own[:3] = 0
    times = draw_times(rng, ends[own], thins_out)
    last = np.array([times[own == lineage].max(initial=0) for lineage in range(k)])
    last[last == 0] = 1
    branch = np.minimum(rng.uniform(0.1, 0.6, k) * ends, 0.85 * last[0])
    branch[0] = 0.85 * last[0] if late else branch[0]
    branch = np.minimum(branch, 0.9 * last)
    weights = np.eye(k)[own]
    if kind == "shared":
        weights[times < branch.min()] = 1
    elif kind != "hard":
        weights = fates(rng, times, own, share, branch, last, kind == "falling")
    weights = weights[:, 0]
    later = np.flatnonzero((own != 0) & (times > last[0] + 0.03))
    n_own = np.sum(own == 0)
    n_outliers = min(int(rng.integers(1, 6)), n_own // 100, len(later)) if outliers else 0
    weights[rng.choice(later, n_outliers, replace=False)] = 1
    return Cells(times, weights, own == 0, float(last[0]), rare, late, thins_out, n_outliers)


def draw_times(rng: np.random.Generator, ends: np.ndarray, thins_out: bool) -> np.ndarray:
    """Return times up to the end of each cell's lineage, with densities scaled to it or truncated at it."""
    a, b = DENSITIES[rng.choice(list(DENSITIES))]
    times = rng.beta(a, b, len(ends))
    if thins_out:
        return times * ends
    while (over := times > ends).any():
        times[over] = rng.beta(a, b, over.sum())
    return times


def fates(rng, times, own, share, branch, last, falling: bool) -> np.ndarray:
    """Return fate probabilities `(n_cells, n_lineages)`."""
    n, k = len(times), len(share)
    cells, first = np.arange(n), own == 0
    odds = np.log(share) + rng.normal(0, rng.uniform(0.05, 0.4), (n, k))
    tip = np.r_[rng.uniform(0.65, 0.999), rng.uniform(0.75, 0.999, k - 1)]
    progress = np.clip((times - branch[own]) / (last[own] - branch[own]), 0, 1)
    odds[cells, own] += (logit(tip) - logit(share))[own] * np.minimum(1, progress * rng.uniform(1, 3))
    weights = softmax(odds, axis=1)
    if falling:
        weights[first] = set_first(
            weights[first], weights[first, 0] * (1 - rng.uniform(0.1, 0.4) * times[first] / last[0])
        )
    top, after = weights[first, 0].max(), np.clip(times - last[0], 0, None)
    leaked = rng.uniform(0, MOST_LEAKED) * top * np.exp(-after / rng.uniform(0.05, 1))
    leaked = leaked * (rng.random(n) < rng.choice([0.3, 1.0]))
    kept = np.maximum(leaked, np.minimum(weights[:, 0], MOST_LEAKED * top))
    weights = set_first(weights, np.where(~first & (after > 0), kept, weights[:, 0]))
    if rng.random() < 0.3:  # a lineage without certain cells
        weights = set_first(weights, weights[:, 0] * rng.uniform(0.3, 1))
    return weights


def set_first(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return weights with those of the first lineage replaced, and the others rescaled to the same sum."""
    others = weights[:, 1:] * ((1 - values) / weights[:, 1:].sum(axis=1))[:, None]
    return np.column_stack([values, others])
