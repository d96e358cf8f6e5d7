"""`python -m benchmarks.counts_scaling`: time and memory of fits of counts by number of cells, with a figure.

Each fit is in a process of its own, from the first cells of the file; numba's functions are loaded before. Time has a fixed
part, mostly the iterations of every gene, and one that grows with the stored values: a straight line, which is drawn as well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.expression.storage.blocks import BlockedExpression

from .memory import _resident
from .out_of_core import write_file

FAMILIES = ("gaussian", "negative_binomial")
_CELLS = (16_000, 64_000, 256_000, 512_000)


def measure_here(path: str, n_cells: int, family: str) -> dict[str, float]:
    """Return time and peak memory of this process for a fit with tests of the first cells of a file."""
    from anndata import read_h5ad

    adata = read_h5ad(path, backed="r")

    def fit(some: int) -> None:
        t = adata.obs["pseudotime"].to_numpy()[:some, None]
        smoother = BSplineSmoother().fit(t)
        offset = None if family == "gaussian" else np.random.default_rng(0).normal(0, 0.4, some)
        expression = BlockedExpression(adata.X, keeps_totals=False)[np.arange(some)]
        model = GAM(family, discretize=True).fit(
            smoother.transform(t), expression, penalty=smoother.penalty_, offset=offset
        )
        model.pvalue_  # noqa: B018

    fit(3_000)
    wall, processor = perf_counter(), process_time()
    fit(n_cells)
    times = {"seconds": perf_counter() - wall, "processor": process_time() - processor}
    n_values = int(adata.X.group["indptr"][n_cells])
    return {**times, "peak_mb": _resident("VmHWM") / 1e6, "n_values": n_values}


def measure(path: Path, cells: tuple[int, ...]) -> dict[str, list]:
    """Return the figures of each family at each number of cells."""
    found: dict[str, list] = {}
    for family in FAMILIES:
        for n_cells in cells:
            command = [sys.executable, "-m", "benchmarks.counts_scaling", "--one", str(path), str(n_cells), family]
            own = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            found.setdefault(family, []).append({"n_cells": n_cells, **own})
    return found


def line(rows: list[dict]) -> np.ndarray:
    """Return the CPU time of each further value, and that of none, by weighted least squares: relative errors count."""
    values, times = (np.array([row[name] for row in rows], dtype=float) for name in ("n_values", "processor"))
    return np.polyfit(values, times, 1, w=1 / times)


def draw(found: dict[str, list], path: Path) -> None:
    """Draw time and memory over the number of stored values."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    time, memory = figure.subplots(1, 2)
    for (family, rows), color in zip(found.items(), ("#0072B2", "#D55E00"), strict=True):
        values = np.array([row["n_values"] for row in rows])
        name = family.replace("_", " ")
        time.plot(values / 1e6, [row["processor"] for row in rows], "o", color=color, label=name)
        time.plot(values / 1e6, np.polyval(line(rows), values), "-", color=color, linewidth=1)
        memory.plot(values / 1e6, [row["peak_mb"] for row in rows], "o-", color=color, linewidth=1)
    time.set_ylabel("seconds of CPU time")
    memory.set_ylabel("memory (MB)")
    for ax in (time, memory):
        ax.set(xlabel="million stored values", xlim=(0, 1.05 * ax.dataLim.x1), ylim=(0, 1.1 * ax.dataLim.y1))
        ax.spines[["top", "right"]].set_visible(False)
    time.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counts_scaling", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--file", type=Path, help="an h5ad of counts that is there, with pseudotime in obs")
    parser.add_argument("--figure", type=Path, default=Path("build/scaling_counts.png"))
    parser.add_argument("--json", type=Path, default=Path("build/scaling_counts.json"))
    parser.add_argument("--one", nargs=3, metavar=("PATH", "CELLS", "FAMILY"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.one:
        path, n_cells, family = arguments.one
        print(json.dumps(measure_here(path, int(n_cells), family)))
        return
    cells, n_genes = ((4_000, 8_000), 50) if arguments.quick else (_CELLS, arguments.genes)
    with TemporaryDirectory() as folder:
        path = arguments.file or Path(folder) / "counts.h5ad"
        if arguments.file is None:
            write_file(path, cells[-1], n_genes, 0.1, None, counts=True)
        found = measure(path, cells)
    for family, rows in found.items():
        rate, fixed = line(rows)
        print(f"{family}: {fixed:.2f} s and {1e9 * rate:.1f} ns a value")
        for row in rows:
            print(
                "  {n_values:13,d} values {seconds:8.2f} s ({processor:.2f} s of CPU), {peak_mb:,.0f} MB".format(**row)
            )
    draw(found, arguments.figure)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
