"""`python -m benchmarks.scaling`: run time by numbers of cells and genes, with a figure.

The number of cells varies at a fixed number of genes, and vice versa. The slope on log axes shows the growth of time:
1 = linear.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from lineage_clust import TrendClusterer, datasets

from .peers import LINEAGE, time_trends
from .timing import best_of

CELLS, GENES = (2_000, 4_000, 8_000, 16_000, 32_000), (500, 1_000, 2_000, 4_000, 8_000)
QUICK_CELLS, QUICK_GENES = (300, 600), (40, 80)


def measure(cells: tuple[int, ...], genes: tuple[int, ...], n_genes: int, n_cells: int) -> dict:
    """Return seconds of trends and of the whole fit, by number of cells and by number of genes."""
    found: dict = {"cells": [], "genes": [], "n_genes": n_genes, "n_cells": n_cells}
    largest = datasets.simulate_lineage(cells[-1], n_genes, 8, random_state=0)
    for number in cells:
        found["cells"].append((number, *times(largest[:number].copy())))
    largest = datasets.simulate_lineage(n_cells, genes[-1], 8, random_state=0)
    order = np.random.default_rng(0).permutation(genes[-1])
    for number in genes:
        found["genes"].append((number, *times(largest[:, np.sort(order[:number])].copy())))
    return found


def times(adata) -> tuple[float, float]:
    """Return seconds of the trends and of the whole fit."""
    del adata.layers["counts"]
    clusterer = TrendClusterer(lineage=LINEAGE, random_state=0)
    return best_of(lambda: time_trends(adata), 2), best_of(lambda: clusterer.fit(adata), 2)


def slopes(rows: list) -> np.ndarray:
    """Return the exponents of the growth of both times: slopes of straight lines on log axes."""
    values = np.log(np.array(rows, dtype=float))
    return np.polyfit(values[:, 0], values[:, 1:], 1)[0]


def draw(found: dict, path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    fixed = {"cells": f"{found['n_genes']:,} genes", "genes": f"{found['n_cells']:,} cells"}
    for ax, what in zip(figure.subplots(1, 2), ("cells", "genes"), strict=True):
        values = np.array(found[what], dtype=float)
        for column, name, color in ((1, "trends, errors, tests", "#0072B2"), (2, "whole fit", "#D55E00")):
            slope = slopes(found[what])[column - 1]
            ax.loglog(values[:, 0], values[:, column], "o-", color=color, label=f"{name} (slope {slope:.2f})")
        line = values[-1, 1] * values[:, 0] / values[-1, 0]
        ax.loglog(values[:, 0], line, ":", color="0.5", label="linear")
        sizes = values[:, 0].astype(int)
        ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
        ax.minorticks_off()
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set(xlabel=f"{what}, at {fixed[what]}", ylabel="seconds")
        ax.legend(frameon=False, fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few cells and genes")
    parser.add_argument("--figure", type=Path, default=Path("build/scaling.png"))
    parser.add_argument("--json", type=Path, default=Path("build/scaling.json"))
    arguments = parser.parse_args(argv)
    sizes = (QUICK_CELLS, QUICK_GENES, 40, 300) if arguments.quick else (CELLS, GENES, 1_000, 4_000)
    found = measure(*sizes)
    for what in ("cells", "genes"):
        print(
            what,
            *(f"\n  {number:7,d} {trends:8.2f} s trends {whole:8.2f} s whole" for number, trends, whole in found[what]),
        )
        print("  slopes: trends {:.2f}, whole {:.2f}".format(*slopes(found[what])))
    draw(found, arguments.figure)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
