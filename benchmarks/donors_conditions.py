"""Conditions of `python -m benchmarks.donors --conditions`: rejection rates of genes without a difference."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.models.gam.conditions.fit import fit_conditions
from lineage_clust.trends.trends import adjust

from .conditions_data import ConditionCells, simulate_conditions
from .donors_data import EFFECTS
from .donors_peers import moderated

TESTS = ("level", "shape", "both")
DESIGNS = {
    "2 v 2": (2, 2), "3 v 3": (3, 3), "4 v 4": (4, 4), "6 v 6": (6, 6), "3 v 5": (3, 5), "12 v 12": (12, 12),
}  # fmt: skip
PAIRS = {"4 pairs": 4, "6 pairs": 6}  # number of donors in both conditions


def moderated_means(cells: ConditionCells) -> np.ndarray:
    """Return p-values of moderated t-tests of the donors' means."""
    samples = np.unique(np.column_stack([cells.condition, cells.donor]), axis=0)
    logs = cells.logs
    means = np.stack([logs[(cells.condition == c) & (cells.donor == d)].mean(axis=0) for c, d in samples])
    groups = [means[samples[:, 0] == c] for c in (0, 1)]
    df = len(means) - 2
    variance, prior_df = moderated(sum(((one - one.mean(axis=0)) ** 2).sum(axis=0) for one in groups) / df, df)
    error = np.sqrt(variance * sum(1 / len(one) for one in groups))
    return 2 * stats.t.sf(np.abs(groups[1].mean(axis=0) - groups[0].mean(axis=0)) / error, df + prior_df)


def measure_conditions(
    n_genes: int, n_cells: int, effects=EFFECTS, seed: int = 21_000, designs=None, family: str = "gaussian"
) -> pd.DataFrame:
    """Return one row per setting."""
    rows = []
    settings = [*product(DESIGNS, ("equal", "one half")), *product(PAIRS, ("equal",))]
    settings = [one for one in settings if designs is None or one[0] in designs]
    for number, (effect, (design, unequal)) in enumerate(product([e for e in effects if not e.counts], settings)):
        rng = np.random.default_rng(seed + number)
        paired = design in PAIRS
        first, second = (PAIRS[design],) * 2 if paired else DESIGNS[design]
        n_samples = first + second
        share = np.full(n_samples, 1 / n_samples)
        if unequal == "one half":
            share[:] = 0.5 / (n_samples - 1)
            share[0] = 0.5
        sizes = np.maximum((share * n_cells).astype(int), 10)
        counts = family != "gaussian"
        cells = simulate_conditions(rng, sizes, n_genes, effect, first, 0.7 if paired else 0.0, paired, counts)
        smoother = BSplineSmoother(domain=(0.0, 1.0))
        basis = smoother.fit_transform(cells.time[:, None])
        fit, alone = (
            fit_conditions(
                basis,
                cells.Y,
                cells.condition,
                donors,
                penalty=smoother.penalty_,
                model=GAM(family),
                offset=cells.depth,
            )
            for donors in (cells.donor, None)
        )
        flat, found = ~cells.differs, {name: fit.curves.pvalues[name] for name in TESTS}
        found["means"], found["cells"] = moderated_means(cells), alone.curves.pvalues["both"]
        row = {"effects": effect.name, "donors": design, "sizes": unequal}
        for name, pvalue in found.items():
            row |= {f"{name} .05": np.mean(pvalue[flat] < 0.05), f"{name} .01": np.mean(pvalue[flat] < 0.01)}
            row[f"{name} power"] = np.mean(pvalue[~flat] < 0.01)
        row["q < .01"] = np.mean(adjust(found["both"])[flat] < 0.01)
        grid = np.linspace(0.025, 0.975, 39)
        truth = cells.difference[np.round(200 * grid).astype(int)].T
        estimate, error = fit.difference(smoother.transform(grid[:, None]).toarray(), 1)
        row["coverage"] = np.mean(np.abs(estimate - truth) < 1.96 * error)
        rows.append(row)
        print(condition_line(row), flush=True)
    return pd.DataFrame(rows)


def condition_header() -> str:
    """Return the header of the table."""
    names = " | ".join([*TESTS, "both, cells", "level, donors' means"])
    return f"| effects | donors | sizes | {names} | q < .01 | coverage |\n" + "|---" * 10 + "|"


def condition_line(row: dict) -> str:
    """Return one row of the table: `P(p < .05) / P(p < .01) / power` of every test."""
    shown = [*TESTS, "cells", "means"]
    cells = [f"{row[f'{m} .05']:.3f} / {row[f'{m} .01']:.3f} / {row[f'{m} power']:.2f}" for m in shown]
    parts = [row["effects"], row["donors"], row["sizes"], *cells, f"{row['q < .01']:.4f}", f"{row['coverage']:.3f}"]
    return f"| {' | '.join(parts)} |"


def report_conditions(table: pd.DataFrame) -> None:
    """Print the number of settings in which the tests are calibrated."""
    for name, (level, low, high) in product(TESTS, ((".05", 0.03, 0.07), (".01", 0.004, 0.02))):
        inside = table[f"{name} {level}"].between(low, high)
        print(f"{name}: P(p < {level}) is in {low:g} to {high:g} in {inside.sum()} of {len(table)} settings.")
