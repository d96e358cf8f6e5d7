"""Simulate the data that `fit_mgcv.R` fits: 400 cells, one lineage weight, 36 genes of ten kinds.

Writes `data.csv` to the folder of this file: pseudotime `t` (0 and 1 included, denser in the middle), a weight `w`
in (0.01, 1] that resembles a fate probability, and `y1` to `y36`. Values are rounded first, such that R and Python read
exactly the same numbers. `KINDS` contains the kind of each gene.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

N_CELLS = 400
SEED = 20240229

KINDS = (
    ["smooth"] * 5
    + ["wiggly"] * 4
    + ["peak"] * 4
    + ["weak"] * 4
    + ["flat"] * 6
    + ["linear"] * 3
    + ["sparse"] * 3
    + ["large_mean"] * 2
    + ["tiny_scale"] * 2
    + ["skewed"] * 3
)


def expit(z):
    return 1 / (1 + np.exp(-z))


def bump(t, centre, width):
    return np.exp(-0.5 * ((t - centre) / width) ** 2)


def simulate(seed=SEED):
    """Return `t` (400,), `w` (400,) and `Y` (400, 36)."""
    rng = np.random.default_rng(seed)
    t = np.sort(np.r_[0.0, 1.0, rng.beta(1.6, 1.3, N_CELLS - 2)]).round(6)
    own = np.where(rng.random(N_CELLS) < 0.6, 1.0, -1.0)  # the lineage a cell belongs to
    w = 0.0101 + 0.9899 * expit(own * 14 * np.clip(t - 0.35, 0, None) + rng.normal(0, 0.4, N_CELLS) - 0.2)
    w = np.clip(w, 0.0101, 1.0).round(4)

    def noise(sd):
        return rng.normal(0, sd, N_CELLS)

    genes = [
        # smooth
        np.sin(2 * np.pi * t) + noise(0.3),
        3 * expit((t - 0.5) / 0.08) + noise(0.4),
        2 * bump(t, 0.4, 0.15) + noise(0.3),
        4 * (t - 0.6) ** 2 + noise(0.2),
        3 * np.exp(-4 * t) + noise(0.3),
        # wiggly
        np.sin(4 * np.pi * t) + noise(0.4),
        np.sin(6 * np.pi * t) + noise(0.4),
        np.cos(8 * np.pi * t) + noise(0.5),
        np.sin(10 * t**2) + noise(0.3),
        # peak
        3 * bump(t, 0.3, 0.04) + noise(0.3),
        3 * bump(t, 0.7, 0.02) + noise(0.3),
        2 * bump(t, 0.2, 0.05) + 3 * bump(t, 0.8, 0.06) + noise(0.3),
        2.0 * (t > 0.55) + noise(0.3),
        # weak
        0.25 * np.sin(2 * np.pi * t) + noise(1),
        0.4 * t + noise(1),
        0.5 * bump(t, 0.5, 0.12) + noise(1),
        0.3 * np.cos(3 * np.pi * t) + noise(1),
        # flat
        noise(1),
        noise(1),
        5 + noise(0.1),
        rng.standard_t(4, N_CELLS),
        1 + noise(1) * (0.4 + t),
        rng.poisson(1.0, N_CELLS).astype(float),
        # linear
        2 * t + noise(0.5),
        1 - 3 * t + noise(0.2),
        0.5 + t + noise(1),
        # sparse
        np.log1p(rng.poisson(0.3 * np.exp(2 * t - 1))),
        np.log1p(rng.poisson(2 * bump(t, 0.75, 0.1))),
        np.log1p(20 * (rng.random(N_CELLS) < 0.04)),
        # large_mean
        1e6 + 10 * np.sin(3 * t) + noise(3),
        1e4 + noise(2),
        # tiny_scale
        1e-6 * (np.sin(2 * np.pi * t) + noise(0.4)),
        1e-8 * (3 + t + noise(1)),
        # skewed
        rng.gamma(2, np.exp(1.5 * bump(t, 0.5, 0.2)), N_CELLS),
        np.exp(1.5 * t + noise(0.8)),
        rng.negative_binomial(2, 2 / (2 + 30 * expit((t - 0.4) / 0.1))).astype(float),
    ]
    return t, w, np.column_stack(genes)


def main():
    t, w, Y = simulate()
    decimals = 5 - np.floor(np.log10(Y.std(axis=0))).astype(int)  # six significant digits of what varies
    columns = [[f"{value:.6f}" for value in t], [f"{value:.4f}" for value in w]]
    columns += [
        [f"{value:.{places}f}".rstrip("0").rstrip(".") for value in y] for y, places in zip(Y.T, decimals, strict=True)
    ]
    header = ["t", "w"] + [f"y{gene + 1}" for gene in range(Y.shape[1])]
    lines = [",".join(row) for row in [header, *zip(*columns, strict=True)]]
    Path(__file__).with_name("data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
