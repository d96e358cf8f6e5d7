"""Simulate the data that `fit_mgcv.R` fits: 800 cells, a lineage weight, an offset, genes of five families.

Writes `data.csv.gz` and `genes.csv` (the kind of each gene) to the folder of this file. Values are rounded first, such
that R and Python read exactly the same numbers.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np

N_CELLS = 800
SEED = 20240611
SHAPES = ("flat", "linear", "smooth", "peaked", "switch")

# (shape, mean, dispersion): theta of negative binomial, shape parameter of gamma and inverse Gaussian
NEGATIVE_BINOMIAL = [
    ("flat", 0.2, 1), ("flat", 1, 0.5), ("flat", 5, 5), ("flat", 30, 20),
    ("linear", 0.2, 0.5), ("linear", 1, 2), ("linear", 3, 10), ("linear", 10, 1), ("linear", 30, 5),
    ("smooth", 0.3, 1), ("smooth", 1, 1), ("smooth", 2, 5), ("smooth", 5, 0.5), ("smooth", 30, 10),
    ("peaked", 0.2, 2), ("peaked", 1, 5), ("peaked", 3, 1), ("peaked", 10, 20), ("peaked", 30, 2),
    ("switch", 0.3, 2), ("switch", 1, 0.7), ("switch", 3, 3), ("switch", 10, 10), ("switch", 30, 1),
]  # fmt: skip
POISSON = [(shape, mean, None) for shape in SHAPES[1:] for mean in (0.2, 0.7, 2, 7, 25)]
POISSON = [("flat", mean, None) for mean in (0.2, 1, 5, 30)] + POISSON
GAMMA = [
    ("flat", 1, 1), ("flat", 50, 5), ("flat", 0.01, 0.5), ("flat", 3, 20),
    ("linear", 0.5, 2), ("linear", 5, 0.7), ("linear", 1000, 8), ("linear", 1, 1), ("linear", 0.05, 30),
    ("smooth", 1, 1), ("smooth", 10, 4), ("smooth", 0.1, 0.6), ("smooth", 2, 15), ("smooth", 200, 2),
    ("peaked", 1, 2), ("peaked", 5, 10), ("peaked", 0.3, 1), ("peaked", 30, 0.8), ("peaked", 1, 30),
    ("switch", 1, 1), ("switch", 4, 5), ("switch", 0.02, 2), ("switch", 10, 0.5), ("switch", 100, 20),
]  # fmt: skip
BINOMIAL = [(shape, odds, None) for shape in SHAPES[1:] for odds in (-2.5, -1.5, -0.5, 0.5, 1.5)]
BINOMIAL = [("flat", odds, None) for odds in (-2.5, -1, 0, 2)] + BINOMIAL  # the mean is a log odds here
INVERSE_GAUSSIAN = [
    ("flat", 1, 2), ("flat", 10, 50), ("linear", 1, 1), ("linear", 5, 20), ("linear", 0.2, 1), ("smooth", 1, 5),
    ("smooth", 3, 3), ("smooth", 20, 200), ("peaked", 1, 10), ("peaked", 4, 4), ("switch", 1, 3), ("switch", 8, 40),
]  # fmt: skip
FAMILIES = {
    "nb": NEGATIVE_BINOMIAL,
    "poisson": POISSON,
    "gamma": GAMMA,
    "binomial": BINOMIAL,
    "inverse_gaussian": INVERSE_GAUSSIAN,
}


def expit(z):
    return 1 / (1 + np.exp(-z))


def shape_of(t, shape):
    """Return a curve on the link scale."""
    if shape == "flat":
        return np.zeros_like(t)
    if shape == "linear":
        return 1.6 * (t - 0.5)
    if shape == "smooth":
        return 0.9 * np.sin(2 * np.pi * t)
    if shape == "peaked":
        return 2.0 * np.exp(-0.5 * ((t - 0.4) / 0.08) ** 2) - 0.4
    return 2.2 * expit((t - 0.6) / 0.05) - 1.0


def draw(rng, family, eta, dispersion):
    """Return responses as numbers and as the text that is written."""
    if family == "binomial":
        return [str(int(u < p)) for u, p in zip(rng.random(len(eta)), expit(eta), strict=True)]
    mean = np.exp(eta)
    if family == "nb":
        return [str(y) for y in rng.negative_binomial(dispersion, dispersion / (dispersion + mean))]
    if family == "poisson":
        return [str(y) for y in rng.poisson(mean)]
    y = rng.gamma(dispersion, mean / dispersion) if family == "gamma" else rng.wald(mean, dispersion)
    return [f"{value:.5g}" for value in y]


def simulate(seed=SEED):
    """Return the columns of data.csv.gz, as text, and the rows of genes.csv."""
    rng = np.random.default_rng(seed)
    t = np.sort(np.r_[0.0, 1.0, rng.beta(1.5, 1.2, N_CELLS - 2)]).round(6)
    own = np.where(rng.random(N_CELLS) < 0.6, 1.0, -1.0)  # the lineage a cell belongs to
    w = 0.0101 + 0.9899 * expit(own * 14 * np.clip(t - 0.35, 0, None) + rng.normal(0, 0.4, N_CELLS) - 0.2)
    w = np.clip(w, 0.0101, 1.0).round(4)
    offset = rng.normal(0, 0.4, N_CELLS)
    offset = (offset - np.average(offset, weights=w)).round(6)
    columns = {
        "t": [f"{value:.6f}" for value in t],
        "w": [f"{value:.4f}" for value in w],
        "offset": [f"{value:.6f}" for value in offset],
    }
    genes = []
    for family, settings in FAMILIES.items():
        for number, (shape, mean, dispersion) in enumerate(settings, start=1):
            level = mean if family == "binomial" else np.log(mean)
            with_offset = offset if family != "inverse_gaussian" else 0
            name = f"{family}{number}"
            columns[name] = draw(rng, family, level + shape_of(t, shape) + with_offset, dispersion)
            genes.append([name, family, shape, mean, "" if dispersion is None else dispersion])
    return columns, genes


def main():
    columns, genes = simulate()
    here = Path(__file__).parent
    lines = [",".join(row) for row in [list(columns), *zip(*columns.values(), strict=True)]]
    with open(here / "data.csv.gz", "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write(("\n".join(lines) + "\n").encode())
    with open(here / "genes.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([["gene", "family", "shape", "mean", "dispersion"], *genes])


if __name__ == "__main__":
    main()
