"""`python -m benchmarks.donors`: calibration and power of tests of trends with donors as replicates.

For 4 to 24 donors, of equal sizes or one with half of the cells, each with its own density along time, with standard
deviations of levels and curves of 0 to 0.5: the fractions of flat genes with p < .05 and p < .01, and of genes with a
trend with p < .01, for `GAM.fit(groups=)` and other methods; the coverage of 95 % bands of the population trends; the
fraction of flat genes with q < .01 among as many with a trend, and the same if the p-values of flat genes were uniform. Power
is meaningful only for calibrated tests.

With `--alone` only `GAM.fit(groups=)` is run, and with `--cluster` it and `GAM(covariance="cluster")`; with `--sets N` rates
are means over N data sets, each with its own densities.
With `--family negative_binomial` the data are counts of cells with unequal depth, fitted with log depth as offset;
other methods than `GAM` receive `log1p` of counts normalised to the same depth.

`python -m benchmarks.donors --power`: power and time compared with mgcv's `bam` with random curves of donors
(needs R, mgcv and rpy2).

`python -m benchmarks.donors --time --family negative_binomial --genes 2000 --cells 20000 --donors 12`: CPU time of counts.

`python -m benchmarks.donors --rare`: genes that few cells or few donors express.

`python -m benchmarks.donors --conditions`: differences between conditions, in level, shape and both. `--tables` selects from
rates of false positives, coverage of bands (also by the kind of difference) and of effect sizes, and power beside means
per donor and time bin; with `--power`, beside mgcv's `bam`.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
import pandas as pd

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.trends.trends import adjust

from .donors_conditions import DESIGNS, TABLES, measure_conditions, print_beside_bam
from .donors_data import EFFECTS, simulate, simulate_counts
from .donors_peers import cr2_line, moderated_lines, pseudobulk
from .donors_power import measure_power, power_header
from .donors_rare import measure_rare, rare_header
from .donors_time import measure_time

DONORS = (4, 6, 8, 12, 24)
METHODS = ("donors", "cells", "CR2 line", "limma bins", "limma lines")
ALONE, CLUSTER = METHODS[:1], ("donors", "cluster")
_FAR = (".001", ".0001", ".00001")  # levels in the far tail, of which only means over settings are printed
_FEW, _N_UNIFORM = 0.005, 200  # most flat genes with q < .01, and draws of uniform p-values


def pvalues(
    time: np.ndarray,
    donor: np.ndarray,
    Y: np.ndarray,
    family: str = "gaussian",
    depth: np.ndarray | None = None,
    methods: tuple[str, ...] = METHODS,
) -> tuple[dict[str, np.ndarray], dict[str, GAM], np.ndarray]:
    """Return p-values `(n_genes,)` by method, the fits by GAM, and their design.

    `depth` is the log depth of each cell, used as offset for counts.
    """
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    design = smoother.fit_transform(time[:, None])
    logs = Y if depth is None else np.log1p(Y / np.exp(depth)[:, None])
    others = {"CR2 line": cr2_line, "limma bins": pseudobulk, "limma lines": moderated_lines}
    fits, found = {}, {}
    for method in methods:
        if method in others:
            found[method] = others[method](time, donor, logs)
            continue
        model = GAM(family, covariance="cluster" if method == "cluster" else "robust")
        groups = None if method == "cells" else donor
        fits[method] = model.fit(design, Y, penalty=smoother.penalty_, offset=depth, groups=groups)
        found[method] = fits[method].pvalue_
    return found, fits, design


def measure(
    n_genes: int, n_cells: int, donors=DONORS, effects=EFFECTS, seed: int = 11_000, family: str = "gaussian",
    n_sets: int = 1, methods: tuple[str, ...] = METHODS, sizes=("equal", "one half"),
) -> pd.DataFrame:  # fmt: skip
    """Return one row per setting, with means over `n_sets` data sets.

    The data of a setting do not depend on which others are measured.
    """
    rows = []
    for effect, size, n_donors in product(effects, sizes, donors):
        unequal = size != "equal"
        options = n_donors, n_genes, n_cells, unequal, effect
        sets, uniform = [], np.zeros(_N_UNIFORM)
        for number in range(n_sets):
            key = [seed, EFFECTS.index(effect), n_donors, unequal, family != "gaussian", number]
            rates, of_uniform = _rates(np.random.default_rng(key), options, family, methods)
            sets.append(rates)
            uniform += of_uniform / n_sets
        row = {"effects": effect.name, "donors": n_donors, "sizes": size} | pd.DataFrame(sets).mean().to_dict()
        rows.append(row | {"uniform": uniform.mean(), "few": np.mean(uniform < _FEW)})
        print(line(rows[-1]), flush=True)
    return pd.DataFrame(rows)


def _rates(
    rng: np.random.Generator, options: tuple, family: str, methods: tuple[str, ...]
) -> tuple[dict[str, float], np.ndarray]:
    """Return the rejection rates of one data set, by method and level, and the coverage of bands.

    Rates of flat genes with q < .01 if their p-values were uniform, `(_N_UNIFORM,)`, are returned separately.
    """
    depth, effect = None, options[-1]
    if family == "gaussian":
        time, donor, Y, truth = simulate(rng, *options)
    else:
        time, donor, Y, depth, truth = simulate_counts(rng, *options)
    flat = np.ptp(truth, axis=0) == 0
    found, fits, design = pvalues(time, donor, Y, family, depth, methods)
    row = {}
    for method, pvalue in found.items():
        row |= {f"{method} {level}": np.mean(pvalue[flat] < float(level)) for level in (".05", ".01", *_FAR)}
        row[f"{method} power"] = np.mean(pvalue[~flat] < 0.01)
    pvalue = found["donors"]
    row["q < .01"] = np.mean(adjust(pvalue)[flat] < 0.01)
    drawn = (np.where(flat, rng.uniform(size=len(flat)), pvalue) for _ in range(_N_UNIFORM))
    uniform = np.array([np.mean(adjust(one)[flat] < 0.01) for one in drawn])
    if depth is None and not effect.counts:
        for method in CLUSTER:
            if method in fits:
                mean, error = fits[method].predict(design, return_std=True)
                row[f"{method} coverage"] = np.mean(np.abs(mean - truth) < 1.96 * error)
    return row, uniform


def header(methods: tuple[str, ...] = METHODS) -> str:
    """Return the header of the table."""
    coverages = [f"coverage, {method}" if len(_covering(methods)) > 1 else "coverage" for method in _covering(methods)]
    names = ["effects", "donors", "sizes", *methods, "q < .01", "uniform", *coverages]
    return f"| {' | '.join(names)} |\n{'|---' * len(names)}|"


def line(row: dict) -> str:
    """Return one row of the table: `P(p < .05) / P(p < .01) / power` of every method."""
    shown = [method for method in dict.fromkeys((*METHODS, *CLUSTER)) if f"{method} .05" in row]
    cells = [f"{row[f'{m} .05']:.3f} / {row[f'{m} .01']:.3f} / {row[f'{m} power']:.2f}" for m in shown]
    coverages = [row.get(f"{method} coverage") for method in _covering(shown)]
    parts = [row["effects"], str(row["donors"]), row["sizes"], *cells, f"{row['q < .01']:.4f}", f"{row['uniform']:.4f}"]
    return f"| {' | '.join(parts + ['' if one is None else f'{one:.3f}' for one in coverages])} |"


def _covering(methods) -> list[str]:
    return [method for method in CLUSTER if method in methods]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.donors", description=__doc__)
    parser.add_argument("--genes", type=int, default=2_000, help="half of them flat")
    parser.add_argument("--cells", type=int, default=2_400)
    parser.add_argument("--donors", type=int, nargs="+", default=list(DONORS))
    names = [effect.name for effect in EFFECTS]
    parser.add_argument("--effects", nargs="+", choices=names, default=names)
    parser.add_argument("--family", default="gaussian", choices=("gaussian", "negative_binomial"))
    parser.add_argument("--seed", type=int, default=11_000)
    parser.add_argument("--sets", type=int, default=1, help="data sets per setting")
    parser.add_argument("--alone", action="store_true", help="without other methods")
    parser.add_argument("--cluster", action="store_true", help='only beside GAM(covariance="cluster")')
    parser.add_argument("--conditions", action="store_true", help="two conditions, the tests of their differences")
    parser.add_argument("--rare", action="store_true", help="genes of few cells or donors")
    parser.add_argument("--time", action="store_true", help="CPU time of counts with and without donors")
    parser.add_argument("--power", action="store_true", help='beside mgcv\'s bam(bs="fs"), and its time')
    parser.add_argument("--tested", type=int, default=30, help="flat and moving genes, of --power")
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, help="of --conditions")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES), help="of --conditions")
    parser.add_argument("--sizes", nargs="+", choices=("equal", "one half"), default=["equal", "one half"])
    arguments = parser.parse_args(argv)
    effects = [effect for effect in EFFECTS if effect.name in arguments.effects]
    if arguments.time:
        for n_donors in arguments.donors:
            size = arguments.genes, arguments.cells, n_donors
            alone, together = measure_time(*size, arguments.family, arguments.seed)
            print(f"{size}: {alone:.2f} s without donors, {together:.2f} s with donors, {together / alone:.1f} times")
        return
    if arguments.conditions:
        given = arguments.genes, arguments.cells, effects, arguments.designs, arguments.family, arguments.seed
        if arguments.power:
            print_beside_bam(*given, arguments.tested)
        else:
            measure_conditions(arguments.tables, *given, arguments.sets, arguments.sizes)
        return
    if arguments.power:
        print(f"Each cell: P(p < .05) of {arguments.tested} flat genes / of {arguments.tested} with a trend\n")
        print(power_header(), flush=True)
        measure_power(arguments.genes, arguments.cells, arguments.tested, arguments.donors, effects, arguments.seed)
        return
    if arguments.rare:
        print(rare_header(), flush=True)
        for n_donors in arguments.donors:
            measure_rare(arguments.genes, arguments.cells, n_donors, arguments.family, arguments.seed, arguments.sets)
        return
    print("Each cell: P(p < .05) / P(p < .01) of flat genes / share of genes with a trend with p < .01\n")
    methods = CLUSTER if arguments.cluster else ALONE if arguments.alone else METHODS
    print(header(methods), flush=True)
    counts = arguments.family != "gaussian"
    effects = [effect for effect in effects if not (counts and effect.counts)]
    table = measure(
        arguments.genes, arguments.cells, arguments.donors, effects, arguments.seed, arguments.family, arguments.sets,
        methods, arguments.sizes,
    )  # fmt: skip
    for method, (level, low, high) in product(_covering(methods), ((".05", 0.03, 0.07), (".01", 0.004, 0.02))):
        rate = table[f"{method} {level}"]
        print(
            f"\n{method}: P(p < {level}) is in {low:g} to {high:g} in {rate.between(low, high).sum()} of {len(table)} "
            f"settings; mean {rate.mean():.4f}, largest {rate.max():.3f}."
        )
    for method in _covering(methods):
        tail = ", ".join(f"P(p < {level}) {table[f'{method} {level}'].mean():.6f}" for level in _FAR)
        print(f"\n{method}: means of {tail}.")
    print(
        f"\nq < .01 for under {_FEW:.1%} of the flat genes in {(table['q < .01'] < _FEW).sum()} of {len(table)} settings, "
        f"mean {table['q < .01'].mean():.4f}; with uniform p-values of flat genes in {table['few'].sum():.1f} on average, "
        f"mean {table['uniform'].mean():.4f}."
    )


if __name__ == "__main__":
    main()
