"""`python -m benchmarks.shapes`: coverage of intervals of peaks, onsets, half-maximum times and amplitudes.

Curves are waves of 0.3 to 1.3 periods ("smooth"), sigmoids ("switch") and Gaussian peaks and dips in the middle
("bump") or within a tenth of the ends of the range ("end"), with amplitudes of 1 to 4 standard deviations of a cell.
Fate probabilities diverge at time 0.4, where cells of the other fate stop ("branch"). The truth is defined for any
weights: the weighted mean of the expected expression at each time.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from scipy.special import expit

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.trends.shapes import shapes, uncertainty

KINDS, CELLS, WEIGHTS = ("smooth", "switch", "bump", "end"), (300, 1000, 5000), ("unit", "fate", "branch")
AMPLITUDES = ((1.0, 4.0), (1.0, 1.0), (2.0, 2.0), (4.0, 4.0))
GRID, FINE = np.linspace(0, 1, 200), np.linspace(0, 1, 2001)
BRANCH_POINT, GAIN, N_DRAWS = 0.4, 12.0, 40
LEVELS = 0.2, 1.6  # means (odds) of non-Gaussian families at a curve value of 0
THETA, SHAPE = 2.0, 2.0  # of negative binomial and gamma
SAMPLERS = {
    "gaussian": lambda mean, rng: mean + rng.normal(size=mean.shape),
    "poisson": lambda mean, rng: rng.poisson(mean).astype(float),
    "negative_binomial": lambda mean, rng: rng.poisson(rng.gamma(THETA, mean / THETA)).astype(float),
    "gamma": lambda mean, rng: rng.gamma(SHAPE, mean / SHAPE),
    "binomial": lambda mean, rng: rng.binomial(1, mean).astype(float),
}
_ESTIMATES = ("peak", "onset", "half_max", "amplitude")


def curves(kind: str, n_genes: int, amplitude: tuple[float, float], rng: np.random.Generator, family: str = "gaussian"):
    """Return a function from times to true curves `(n_times, n_genes)`, on the scale of the response."""
    if family != "gaussian":
        level, predictor = np.log(rng.uniform(*LEVELS, n_genes)), curves(kind, n_genes, amplitude, rng)
        inverse_link = expit if family == "binomial" else np.exp
        return lambda t: inverse_link(level + predictor(t))
    size = rng.uniform(*amplitude, n_genes) * rng.choice([-1, 1], n_genes)
    centre = rng.uniform(0.2, 0.8, n_genes)
    if kind == "smooth":
        periods, phase = rng.uniform(0.3, 1.3, n_genes), rng.uniform(0, 2 * np.pi, n_genes)
        return lambda t: size * 0.5 * np.sin(2 * np.pi * periods * t[:, None] + phase)
    if kind == "switch":
        width = rng.uniform(0.03, 0.1, n_genes)
        return lambda t: size * expit((t[:, None] - centre) / width)
    width = rng.uniform(0.08, 0.2, n_genes)
    if kind == "end":
        centre = rng.choice([0.0, 0.9], n_genes) + rng.uniform(0, 0.1, n_genes)
    return lambda t: size * np.exp(-0.5 * ((t[:, None] - centre) / width) ** 2)


def fates(t: np.ndarray, own: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return fate probabilities; those below 0.01 are 0."""
    fate = expit(np.where(own, GAIN, -GAIN) * np.clip(t - BRANCH_POINT, 0, None) + rng.normal(0, 0.3, t.shape))
    return np.where(fate < 0.01, 0.0, fate)


def own_share(rng: np.random.Generator) -> np.ndarray:
    """Return the fraction of the weight at each time of `FINE` that belongs to cells of the lineage's own fate."""
    own, others = (fates(FINE, np.full((2000, 1), fate), rng).mean(axis=0) for fate in (True, False))
    return own / (own + others)


def coverage(
    kind: str, n_cells: int, weights: str, amplitude: tuple[float, float], n_genes: int, seed: int, family: str = "gaussian",
    n_designs: int = 4,
) -> pd.Series:  # fmt: skip
    """Return the coverage of the intervals."""
    inside = []
    for design in range(n_designs):
        rng = np.random.default_rng([seed, design, n_cells])
        t = np.sort(rng.uniform(size=n_cells))
        own = rng.random(n_cells) < 0.5
        w = np.ones(n_cells) if weights == "unit" else fates(t, own, rng)
        t, own, w = t[w > 0], own[w > 0], w[w > 0]
        curve = curves(kind, n_genes, amplitude, rng, family)
        truth, mean = curve(FINE), curve(t)
        if weights == "branch":
            share = own_share(rng)[:, None]
            truth = share * truth + (1 - share) * curve(np.minimum(FINE, BRANCH_POINT))
            mean = np.where(own[:, None], mean, curve(np.minimum(t, BRANCH_POINT)))
        smoother = BSplineSmoother(domain=(0.0, 1.0)).fit(t[:, None])
        expression = SAMPLERS[family](mean, rng)
        gam = GAM(family).fit(smoother.transform(t[:, None]), expression, w, penalty=smoother.penalty_)
        rows = smoother.transform(GRID[:, None])
        draws = np.array([drawn.T for drawn in gam.sample(rows, N_DRAWS, seed, unconditional=True)])
        found, expected = uncertainty(gam.predict(rows).T, draws, GRID), shapes(truth.T, FINE)
        inside.append(pd.DataFrame({name: _holds(found, name, expected[name]) for name in _ESTIMATES}))
    return pd.concat(inside).mean()


def _holds(found: pd.DataFrame, name: str, truth: pd.Series) -> pd.Series:
    return truth.between(found[f"{name}_lower"] - 1e-9, found[f"{name}_upper"] + 1e-9)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__)
    parser.add_argument("--genes", type=int, default=250, help="curves a set of cells, of which there are four")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--family", choices=SAMPLERS, default="gaussian")
    parser.add_argument("--amplitude", type=float, nargs=2, help="smallest and largest; several if not given")
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--cells", type=int, nargs="+", default=CELLS)
    parser.add_argument("--weights", choices=WEIGHTS, nargs="+", default=WEIGHTS)
    arguments = parser.parse_args(argv)
    for amplitude in AMPLITUDES if arguments.amplitude is None else [arguments.amplitude]:
        unit = "standard deviations of a cell" if arguments.family == "gaussian" else "on the scale of the link"
        print(f"\namplitude {amplitude[0]:g} to {amplitude[1]:g} {unit}")
        for kind in arguments.kinds:
            for n_cells in arguments.cells:
                for weights in arguments.weights:
                    shares = coverage(
                        kind, n_cells, weights, amplitude, arguments.genes, arguments.seed, arguments.family
                    )
                    print(
                        f"{kind:7s} {n_cells:5d} {weights:7s}" + "".join(f"{share:9.3f}" for share in shares),
                        flush=True,
                    )


if __name__ == "__main__":
    main()
