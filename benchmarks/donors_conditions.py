"""`python -m benchmarks.donors --conditions`: rates, coverage, effect sizes and power of comparisons of conditions."""

from __future__ import annotations

import sys
from itertools import product

import numpy as np
import pandas as pd

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.conditions.effects import DifferenceDraws, draw_differences, half_maxima
from lineage_clust.conditions.effects import effects as table_of_effects
from lineage_clust.models.gam.conditions.fit import ConditionFit, fit_conditions
from lineage_clust.models.gam.conditions.significance import level_row
from lineage_clust.trends.trends import adjust

from .conditions_data import KINDS, TIMED, ConditionCells, Design, between, pairs, simulate_conditions
from .conditions_peers import bam_row, bins_of_samples, level_of_means
from .donors_data import EFFECTS, Effect

TESTS = ("level", "shape", "both")
TABLES = ("rates", "coverage", "kinds", "effects", "power")
FAMILIES = ("gaussian", "negative_binomial")
DESIGNS = {
    "4 v 4": between(4, 4), "6 v 6": between(6, 6), "3 v 5": between(3, 5), "12 v 12": between(12, 12),
    "4 pairs": pairs(4), "6 pairs": pairs(6), "2 v 2": between(2, 2), "3 v 3": between(3, 3),
    "5 pairs, 2 without second": pairs(7, 2), "4 v 4, no late cells": between(4, 4, gap=(0.7, 1.1)),
    "4 v 4, gap": between(4, 4, gap=(0.4, 0.6)), "4 v 4 v 4": between(4, 4, 4),
}  # fmt: skip
GRID = np.linspace(0.025, 0.975, 39)
_LEVEL, _Z = 0.95, 1.96
_EFFECT_SIZES = ("level", "log_fold_change_end", "half_max_shift", "largest_difference", "largest_at")


def measure_conditions(
    tables: list[str], n_genes: int, n_cells: int, effects=EFFECTS, designs=None, family: str = "gaussian", seed: int = 0,
    n_sets: int = 1, sizes=("equal", "one half"),
) -> None:  # fmt: skip
    """Print the tables, each with one row per setting and means over `n_sets` data sets.

    The data of a setting do not depend on which others are measured.
    """
    rows: dict[str, list[str]] = {name: [] for name in tables}
    rates = []
    chosen = [(place, name) for place, name in enumerate(DESIGNS) if designs is None or name in designs]
    for (at, effect), (place, name), unequal in product(enumerate(EFFECTS), chosen, sizes):
        if effect not in effects or effect.counts:
            continue
        found: dict[str, list[dict]] = {table: [] for table in tables}
        for number in range(n_sets):
            key = [seed, at, place, unequal != "equal", FAMILIES.index(family), number]
            options = DESIGNS[name], effect, unequal, n_genes, n_cells, family
            for table, row in _measured(key, options, tables).items():
                found[table].append(row)
        setting = f"| {effect.name} | {name} | {unequal} |"
        for table, of_sets in found.items():
            means = pd.DataFrame(of_sets).mean()
            rows[table].append(f"{setting} {_LINES[table](means)} |")
            print(f"{table} {rows[table][-1]}", file=sys.stderr, flush=True)
            if table == "rates":
                rates.append(means)
    for table in tables:
        print(f"\n{_TITLES[table]}\n\n{_HEADERS[table]}", *rows[table], sep="\n", flush=True)
    if rates:
        _report(pd.DataFrame(rates))


def _measured(key: list[int], options: tuple, tables: list[str]) -> dict[str, dict]:
    """Return the rows of one data set, by table."""
    found: dict[str, dict] = {}
    if set(tables) - {"effects"}:
        cells, fit, basis = fitted(key, *options)
        if "rates" in tables:
            found["rates"] = _rates(cells, fit, options[-1])
        if "power" in tables:
            found["power"] = _power(cells, fit)
        if "coverage" in tables:
            found["coverage"] = _coverage(cells, fit, basis)
        if "kinds" in tables:
            found["kinds"] = _kinds(cells, fit, basis)
    if "effects" in tables:
        found["effects"] = _effects(*fitted([*key, 1], *options, timed=True), options[0])
    return found


def fitted(
    key: list[int], design: Design, effect: Effect, unequal: str, n_genes: int, n_cells: int, family: str,
    with_donors: bool = True, timed: bool = False,
) -> tuple[ConditionCells, ConditionFit, np.ndarray]:  # fmt: skip
    """Return cells, their fit, and the basis on `GRID`."""
    n_samples = len(design.condition)
    share = np.full(n_samples, 1 / n_samples)
    if unequal == "one half":
        share[:] = 0.5 / (n_samples - 1)
        share[0] = 0.5
    counts = family != "gaussian"
    sizes = np.maximum((share * n_cells).astype(int), 10)
    cells = simulate_conditions(np.random.default_rng(key), sizes, n_genes, effect, design, counts, timed)
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    basis = smoother.fit_transform(cells.time[:, None])
    return cells, fit_cells(cells, basis, smoother, family, with_donors), smoother.transform(GRID[:, None]).toarray()


def fit_cells(cells: ConditionCells, basis, smoother, family: str, with_donors: bool) -> ConditionFit:
    """Return the fit of simulated cells."""
    return fit_conditions(
        basis, cells.Y, cells.condition, cells.donor if with_donors else None, penalty=smoother.penalty_,
        model=GAM(family), offset=cells.depth,
    )  # fmt: skip


def _rates(cells: ConditionCells, fit: ConditionFit, family: str) -> dict[str, float]:
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    alone = fit_cells(cells, smoother.fit_transform(cells.time[:, None]), smoother, family, False)
    found = {name: fit.curves.pvalues[name] for name in TESTS} | {"cells": alone.curves.pvalues["both"]}
    row = {"q < .01": np.mean(adjust(found["both"])[~cells.differs] < 0.01)}
    for name, pvalue in found.items():
        flat = pvalue[~cells.differs]
        row |= {f"{name} .05": np.mean(flat < 0.05), f"{name} .01": np.mean(flat < 0.01)}
        row[f"{name} power"] = np.mean(pvalue[cells.differs] < 0.01)
    return row


def _power(cells: ConditionCells, fit: ConditionFit) -> dict[str, float]:
    """Return rates of flat genes, and power at p < .05 and at a realised rate of .05."""
    by_kind = {"level": cells.kind == KINDS.index("level"), "shape": cells.kind > KINDS.index("level")}
    found, row = _pvalues(cells, fit), {}
    for name, pvalue in found.items():
        flat, differing = pvalue[~cells.differs], pvalue[by_kind[name.split()[0]]]
        row[f"{name} flat"], row[name] = np.mean(flat < 0.05), np.mean(differing < 0.05)
        row[f"{name} equal"] = np.mean(differing < np.quantile(flat, 0.05))
    return row


def _pvalues(cells: ConditionCells, fit: ConditionFit) -> dict[str, np.ndarray]:
    return {f"{name} GAM": fit.curves.pvalues[name] for name in ("level", "shape")} | {
        "level bins": level_of_means(cells), "shape bins": bins_of_samples(cells)
    }  # fmt: skip


def print_beside_bam(n_genes: int, n_cells: int, effects, designs, family: str, seed: int, n_tested: int) -> None:
    """Print P(p < .05) of genes with and without a difference, of this package, means per bin and mgcv's `bam`."""
    print(
        f"P(p < .05) of {n_tested} genes without a difference / of {n_tested} with one\n\n{_HEADERS['bam']}", flush=True
    )
    for effect, name in product(effects, designs or ["4 v 4", "6 v 6"]):
        key = [seed, 77, EFFECTS.index(effect), list(DESIGNS).index(name), FAMILIES.index(family)]
        cells, fit, _ = fitted(key, DESIGNS[name], effect, "equal", n_genes, n_cells, family)
        print(f"| {effect.name} | {name} | equal | {bam_row(cells, _pvalues(cells, fit), n_tested)} |", flush=True)


def _draws(fit: ConditionFit, basis: np.ndarray, inside: np.ndarray) -> DifferenceDraws:
    n_genes = fit.curves.coefficients.shape[1]
    return draw_differences(fit, basis, GRID, inside, np.arange(0), 0, 0, np.arange(n_genes))


def _coverage(cells: ConditionCells, fit: ConditionFit, basis: np.ndarray) -> dict[str, float]:
    critical, row = _draws(fit, basis, np.arange(len(GRID))).critical(_LEVEL), {}
    pointwise, simultaneous, of_gene = [], [], []
    for condition in range(1, fit.samples.n_conditions):
        estimate, error = fit.difference(basis, condition)
        away = np.abs(estimate - cells.truth(GRID, condition))
        pointwise.append(away < _Z * error)
        simultaneous.append(np.all(away < critical[condition - 1][:, None] * error, axis=1))
        of_gene.append(cells.differs)
    differs = np.concatenate(of_gene)
    for name, band in (("pointwise", np.concatenate(pointwise)), ("simultaneous", np.concatenate(simultaneous))):
        row |= {f"{name} flat": np.mean(band[~differs]), f"{name} differs": np.mean(band[differs])}
    return row


def _kinds(cells: ConditionCells, fit: ConditionFit, basis: np.ndarray) -> dict[str, float]:
    """Return coverage by the kind of a gene's difference, and of the pointwise band at the largest difference."""
    critical = _draws(fit, basis, np.arange(len(GRID))).critical(_LEVEL)[0]
    estimate, error = fit.difference(basis, 1)
    truth = cells.truth(GRID)
    away = np.abs(estimate - truth) / error
    largest = away[np.arange(len(away)), np.abs(truth).argmax(axis=1)]
    bands = {"pointwise": away < _Z, "simultaneous": away.max(axis=1) < critical, "largest": largest < _Z}
    return {
        f"{band} {kind}": np.mean(covered[cells.kind == place])
        for (band, covered), (place, kind) in product(bands.items(), enumerate(KINDS))
    }


def _effects(cells: ConditionCells, fit: ConditionFit, basis: np.ndarray, design: Design) -> dict[str, float]:
    """Return coverage of the intervals of effect sizes, and the medians of their widths."""
    inside = np.flatnonzero((GRID < design.gap[0]) | (GRID > design.gap[1]))
    found = table_of_effects(fit, _draws(fit, basis, inside), basis, GRID, inside, 1, _LEVEL)
    truth = cells.truth(GRID)[:, inside]
    by_time = cells.common[np.round(200 * GRID[inside]).astype(int)].T
    halves = half_maxima(np.stack([by_time.T, (by_time + truth).T]), GRID[inside])
    coefficients = np.linalg.lstsq(basis, cells.truth(GRID).T, rcond=None)[0]
    at = np.searchsorted(GRID[inside], found["largest_at"].to_numpy() - 1e-9)
    true = {
        "level": level_row(fit.sums) @ coefficients, "log_fold_change_end": truth[:, -1],
        "half_max_shift": halves[1] - halves[0], "largest_difference": truth[np.arange(len(truth)), at],
        "largest_at": GRID[inside][np.abs(truth).argmax(axis=1)],
    }  # fmt: skip
    row = {}
    for name in _EFFECT_SIZES:
        low, high = found[f"{name}_lower"].to_numpy(), found[f"{name}_upper"].to_numpy()
        covered, width = (low <= true[name] + 1e-12) & (true[name] - 1e-12 <= high), high - low
        unique = cells.kind > TIMED.index("higher") if name == "largest_at" else cells.kind >= 0
        row[f"{name} width"] = np.nanmedian(width[unique])
        for place, kind in enumerate(TIMED):
            own = unique & (cells.kind == place)
            if own.any():
                row[f"{name} {kind}"] = np.mean(covered[own])
    return row


def _report(table: pd.DataFrame) -> None:
    """Print the number of settings in which the tests are calibrated."""
    print()
    for name, (level, low, high) in product(TESTS, ((".05", 0.03, 0.07), (".01", 0.004, 0.02))):
        rate = table[f"{name} {level}"]
        print(f"{name}: P(p < {level}) is in {low:g} to {high:g} in {rate.between(low, high).sum()} of {len(table)} "
              f"settings; mean {rate.mean():.4f}.")  # fmt: skip


def _rates_line(row: pd.Series) -> str:
    cells = [f"{row[f'{m} .05']:.3f} / {row[f'{m} .01']:.3f} / {row[f'{m} power']:.2f}" for m in (*TESTS, "cells")]
    return " | ".join([*cells, f"{row['q < .01']:.4f}"])


def _coverage_line(row: pd.Series) -> str:
    return " | ".join(
        f"{row[f'{band} {of}']:.3f}" for band in ("pointwise", "simultaneous") for of in ("flat", "differs")
    )


def _kinds_line(row: pd.Series) -> str:
    return " | ".join(
        " / ".join(f"{row[f'{band} {kind}']:.2f}" for kind in kinds)
        for band, kinds in (("pointwise", KINDS), ("simultaneous", KINDS), ("largest", KINDS[1:]))
    )


def _effects_line(row: pd.Series) -> str:
    cells = []
    for name in _EFFECT_SIZES:
        kinds = [f"{row[f'{name} {kind}']:.2f}" for kind in TIMED if f"{name} {kind}" in row]
        cells.append(f"{' / '.join(kinds)} ({row[f'{name} width']:.2f})" if kinds else "")
    return " | ".join(cells)


def _power_line(row: pd.Series) -> str:
    names = [f"{test} {method}" for test in ("level", "shape") for method in ("GAM", "bins")]
    return " | ".join(f"{row[f'{name} flat']:.3f} / {row[name]:.2f} / {row[f'{name} equal']:.2f}" for name in names)


def _header(*names: str) -> str:
    names = ("effects", "donors", "sizes", *names)
    return f"| {' | '.join(names)} |\n{'|---' * len(names)}|"


_LINES = {
    "rates": _rates_line,
    "coverage": _coverage_line,
    "kinds": _kinds_line,
    "effects": _effects_line,
    "power": _power_line,
}
_TITLES = {
    "rates": "P(p < .05) / P(p < .01) of genes without a difference / share of the others with p < .01",
    "coverage": "Coverage of 95 % bands of differences: genes that do not differ, and genes that do",
    "kinds": f"Coverage of 95 % bands of differences by kind of gene: {' / '.join(KINDS)}",
    "effects": f"Coverage of 95 % intervals of effect sizes (median width); genes: {' / '.join(TIMED)}",
    "power": "P(p < .05) of genes without a difference / with one / with one, where .05 of the others are found",
}
_HEADERS = {
    "rates": _header(*TESTS, "both, cells", "q < .01"),
    "coverage": _header("pointwise, none", "pointwise, differ", "simultaneous, none", "simultaneous, differ"),
    "kinds": _header("pointwise", "simultaneous", "pointwise at the largest difference (without the first kind)"),
    "effects": _header("level", "end", "shift", "largest", "largest at (later / peak)"),
    "bam": _header(
        *(f"{test}, {of}" for test in ("level", "shape") for of in ("donors", "limma", "bam fs")), "bam, a gene"
    ),
    "power": _header("level, donors", "level, limma means", "shape, donors", "shape, limma bins"),
}
