"""Simulate the data that `fit_mgcv.R` fits: 400 cells, a lineage weight, 20 genes, of which the last ten are periodic.

Writes `data.csv` to the folder of this file. Values are rounded first, such that R and Python read exactly the same
numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

N_CELLS = 400
SEED = 20240705


def expit(z):
    return 1 / (1 + np.exp(-z))


def bump(t, centre, width):
    return np.exp(-0.5 * ((t - centre) / width) ** 2)


def simulate(seed=SEED):
    """Return `t` (400,), `w` (400,) and `Y` (400, 20)."""
    rng = np.random.default_rng(seed)
    t = np.sort(np.r_[0.0, 1.0, rng.beta(1.5, 1.2, N_CELLS - 2)]).round(6)
    own = np.where(rng.random(N_CELLS) < 0.6, 1.0, -1.0)  # the lineage a cell belongs to
    w = 0.0101 + 0.9899 * expit(own * 14 * np.clip(t - 0.35, 0, None) + rng.normal(0, 0.4, N_CELLS) - 0.2)
    w = np.clip(w, 0.0101, 1.0).round(4)
    turn = 2 * np.pi * t

    def noise(sd):
        return rng.normal(0, sd, N_CELLS)

    genes = [
        np.sin(turn) + 2 * t + noise(0.3),
        3 * expit((t - 0.5) / 0.08) + noise(0.4),
        2 * bump(t, 0.4, 0.12) + noise(0.3),
        3 * np.exp(-4 * t) + noise(0.3),
        3 * bump(t, 0.3, 0.04) + noise(0.3),
        np.sin(10 * t**2) + noise(0.3),
        2 * t + noise(0.5),
        0.25 * np.sin(turn) + noise(1),
        noise(1),
        np.log1p(rng.poisson(0.5 * np.exp(2 * t - 1))),
        # periodic
        np.sin(turn) + noise(0.3),
        np.cos(turn - 1) + noise(0.6),
        np.sin(2 * turn) + noise(0.4),
        np.cos(3 * turn) + noise(0.4),
        0.3 * np.cos(turn + 0.5) + noise(1),
        5 + noise(0.2),
        np.exp(2 * np.cos(turn - 2)) + noise(1),
        2 * np.exp(6 * (np.cos(turn - 6) - 1)) + noise(0.3),
        100 + 10 * np.sin(turn) + 3 * np.cos(2 * turn) + noise(4),
        np.log1p(rng.poisson(np.exp(np.sin(turn)))),
    ]
    return t, w, np.column_stack(genes)


def main():
    t, w, Y = simulate()
    header = ["t", "w"] + [f"y{gene + 1}" for gene in range(Y.shape[1])]
    lines = [",".join(header)]
    for time, weight, values in zip(t, w, Y, strict=True):
        lines.append(",".join([f"{time:.6f}", f"{weight:.4f}", *(f"{value:.4f}" for value in values)]))
    Path(__file__).with_name("data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
