"""`python -m benchmarks.counts`: negative binomial fits from sums over a grid, of cells, from a file and by mgcv.

All figures of a table are measured in one run on one machine. mgcv is timed in R, if `Rscript` with mgcv is available:
`gam(family = nb(), method = "REML")` and `bam(family = nb(), discrete = TRUE)`, each with its summary.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import h5py
import numpy as np
import zarr
from anndata import read_h5ad
from anndata.io import sparse_dataset
from scipy import sparse

from lineage_clust import GAM, BSplineSmoother
from lineage_clust.expression.storage.blocks import BlockedExpression

from .memory import _resident
from .out_of_core import write_file

_THETA = 1.5
_STORED = ["uncompressed", "gzip", "lzf", "zarr"]  # h5ad, and zarr with its default compressor
_R = r"""
suppressMessages(library(mgcv))
cells <- read.csv("cells.csv"); genes <- read.csv("genes.csv")
for (gene in names(genes)) {
  cells$y <- genes[[gene]]
  full <- system.time(s1 <- summary(gam(y ~ s(t, bs = "ps", k = 20) + offset(o), family = nb(), data = cells, weights = w,
                                        method = "REML")))
  fast <- system.time(s2 <- summary(bam(y ~ s(t, bs = "ps", k = 20) + offset(o), family = nb(), data = cells, weights = w,
                                        discrete = TRUE)))
  cat(full[["elapsed"]], full[["user.self"]] + full[["sys.self"]], fast[["elapsed"]],
      fast[["user.self"]] + fast[["sys.self"]], "\n")
}
"""


def make_counts(n_cells: int, n_genes: int, seed: int = 0, spread: float = 0.4):
    """Return pseudotime, weights, log depth and negative binomial counts (CSR) of genes with strong or weak trends."""
    rng = np.random.default_rng(seed)
    t, weights = rng.beta(1, 1.5, n_cells), np.clip(rng.beta(2, 1, n_cells), 0.01, 1)
    offset = rng.normal(0, spread, n_cells)
    level, size, phase = rng.normal(-0.7, 1.2, n_genes), rng.normal(0, 1, n_genes), rng.uniform(0, 6, n_genes)
    blocks = []
    for first in range(0, n_cells, 5_000):
        some = slice(first, first + 5_000)
        mu = np.exp(level + size * np.sin(3 * t[some, None] + phase) + offset[some, None])
        blocks.append(sparse.csr_matrix(rng.poisson(rng.gamma(_THETA, mu / _THETA)).astype(np.float32)))
    return t, weights, offset, sparse.vstack(blocks, format="csr")


def timed(call, repeats: int = 2) -> dict[str, float]:
    """Return the minimum wall-clock and processor time of several calls."""
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = perf_counter(), process_time()
        call()
        walls.append(perf_counter() - wall)
        processors.append(process_time() - processor)
    return {"seconds": min(walls), "processor": min(processors)}


def measure_fits(n_cells: int, n_genes: int, n_exact: int, n_peer: int) -> dict:
    """Return times of the fit with tests, of the fit of cells, of the Gaussian fit and of mgcv, and agreement of fits."""
    t, weights, offset, Y = make_counts(n_cells, n_genes)
    smoother = BSplineSmoother().fit(t[:, None])
    design, grid = smoother.transform(t[:, None]), smoother.transform(np.linspace(t.min(), t.max(), 200)[:, None])

    def fit(values, **options):
        gam = GAM("negative_binomial", **options)
        return gam.fit(design, values, weights, penalty=smoother.penalty_, offset=offset)

    def gaussian():
        return GAM().fit(design, Y, weights, penalty=smoother.penalty_).pvalue_

    fit(Y), gaussian()  # loads numba
    found = {"n_cells": n_cells, "n_genes": n_genes, "grid": timed(lambda: fit(Y, discretize=True))}
    found["gaussian"] = timed(gaussian)
    found["cells"] = timed(lambda: fit(Y[:, :n_exact], discretize=False), 1)
    found["n_exact"] = n_exact
    one, other = fit(Y[:, :n_exact], discretize=True), fit(Y[:, :n_exact], discretize=False)
    found["agreement"] = agreement(one, other, grid)
    found["mgcv"] = time_mgcv(t, weights, offset, Y[:, :n_peer].toarray()) if n_peer else None
    return found


def agreement(one: GAM, other: GAM, rows) -> dict[str, float]:
    """Return the differences of trends (relative to range and standard errors), sizes and p-values."""
    (trend, _), (exact, se) = (gam.predict(rows, return_std=True) for gam in (one, other))
    error = np.abs(trend - exact).max(axis=0) / np.ptp(exact, axis=0)
    p, exact_p = (np.log10(np.maximum(gam.pvalue_, 1e-300)) for gam in (one, other))
    told = other.theta_ < 100
    return {
        "range_median": float(np.median(error)),
        "range_99": float(np.quantile(error, 0.99)),
        "se_99": float(np.quantile((np.abs(trend - exact) / se).max(axis=0), 0.99)),
        "theta_99": float(np.quantile(np.abs(one.theta_ / other.theta_ - 1)[told], 0.99)),
        "log10_p_median": float(np.median(np.abs(p - exact_p))),
    }


def time_mgcv(t, weights, offset, genes: np.ndarray) -> dict[str, float] | None:
    """Return seconds per gene of mgcv's `gam` and `bam(discrete = TRUE)`; `None` without mgcv."""
    if shutil.which("Rscript") is None:
        return None
    with TemporaryDirectory() as folder:
        cells = np.column_stack([t, weights, offset])
        np.savetxt(Path(folder) / "cells.csv", cells, delimiter=",", header="t,w,o", comments="")
        names = ",".join(f"g{gene}" for gene in range(genes.shape[1]))
        np.savetxt(Path(folder) / "genes.csv", genes, fmt="%d", delimiter=",", header=names, comments="")
        result = subprocess.run(["Rscript", "-e", _R], cwd=folder, capture_output=True, text=True)
    lines = [line.split() for line in result.stdout.splitlines()]
    if result.returncode or not lines:
        return None
    times = np.array(lines, dtype=float).min(axis=0)
    return dict(zip(("gam", "gam_processor", "bam", "bam_processor"), times.tolist(), strict=True))


def measure_files(n_cells: int, n_genes: int, density: float, stored: list[str]) -> list[dict]:
    """Return, for a backed file stored in several ways, times of reading and of fits, each in a separate process."""
    found = []
    with TemporaryDirectory() as folder:
        first = Path(folder) / "cells.h5ad"
        n_values = write_file(first, n_cells, n_genes, density, None, counts=True)
        for way in stored:
            path = Path(folder) / (f"{way}.zarr" if way == "zarr" else f"{way}.h5ad")
            if way == "zarr":
                read_h5ad(first).write_zarr(path)
            else:
                read_h5ad(first).write_h5ad(path, compression=None if way == "uncompressed" else way)
            times: dict = {"stored": way, "n_values": n_values, "n_cells": n_cells}
            for what in ("read", "gaussian", "poisson", "negative_binomial"):
                command = [sys.executable, "-m", "benchmarks.counts", "--one", what, str(path)]
                times[what] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            found.append(times)
    return found


def measure_here(what: str, path: str) -> dict[str, float]:
    """Return times of reading the file, or of one fit from it, and the peak memory of this process in MB."""
    file = zarr.open_group(path, mode="r") if path.endswith(".zarr") else h5py.File(path)
    X = sparse_dataset(file["X"])
    if what == "read":
        steps = range(0, X.shape[0], 20_000)
        return timed(lambda: [X[first : first + 20_000] for first in steps] and None)
    t = file["obs/pseudotime"][:][:, None]
    smoother = BSplineSmoother().fit(t)
    design, Y = smoother.transform(t), BlockedExpression(X)
    offset = None if what == "gaussian" else np.random.default_rng(0).normal(0, 0.4, len(t))
    return timed(
        lambda: GAM(what).fit(design, Y, penalty=smoother.penalty_, offset=offset).pvalue_
    ) | {"peak_mb": _resident("VmHWM") / 1e6}  # fmt: skip


def report(fits: list[dict], files: list[dict]) -> str:
    """Return the figures as text."""
    lines = []
    for found in fits:
        per_gene = 1e3 / found["n_genes"]
        grid, gaussian = found["grid"], found["gaussian"]
        lines.append(
            f"{found['n_genes']:,} genes x {found['n_cells']:,} cells, milliseconds a gene: seconds (processor)"
        )
        lines.append(f"  from the grid         {per_gene * grid['seconds']:9.3f} ({per_gene * grid['processor']:.3f})")
        cells, each = found["cells"], 1e3 / found["n_exact"]
        lines.append(f"  from the cells        {each * cells['seconds']:9.3f} ({each * cells['processor']:.3f})")
        lines.append(
            f"  Gaussian              {per_gene * gaussian['seconds']:9.3f} ({per_gene * gaussian['processor']:.3f})"
        )
        for name in ("gam", "bam") if found["mgcv"] else ():
            times = found["mgcv"][f"{name}_processor"] / (grid["processor"] / found["n_genes"])
            own = 1e3 * found["mgcv"][name], 1e3 * found["mgcv"][f"{name}_processor"]
            lines.append(
                f"  mgcv {name}              {own[0]:9.1f} ({own[1]:.1f}), {times:,.0f} times as much of the processor"
            )
        near = found["agreement"]
        lines.append(
            f"  trends apart by {near['range_median']:.1e} of their range in the median, {near['range_99']:.1e} for 99 % "
            f"of genes ({near['se_99']:.1e} standard errors); theta {near['theta_99']:.1e}, "
            f"log10 p {near['log10_p_median']:.1e}\n"
        )
    for file in files:
        lines.append(
            f"File of {file['n_values']:,} values in {file['n_cells']:,} cells, {file['stored']}: seconds (processor), and "
            "times as long as reading"
        )
        for what in ("read", "gaussian", "poisson", "negative_binomial"):
            own, read = file[what], file["read"]
            ratios = f"{own['seconds'] / read['seconds']:8.1f} ({own['processor'] / read['processor']:.1f})"
            peak = f", {own['peak_mb']:,.0f} MB at most" if "peak_mb" in own else ""
            lines.append(f"  {what:20} {own['seconds']:8.2f} ({own['processor']:.2f}){ratios}{peak}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counts", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("build/counts.json"))
    parser.add_argument("--file", type=int, nargs=2, metavar=("CELLS", "GENES"), default=(1_000_000, 2_000))
    parser.add_argument("--stored", nargs="+", choices=_STORED, default=_STORED[:1], help="how the file is stored")
    parser.add_argument("--density", type=float, default=0.1, help="share of values of the file that are not zero")
    parser.add_argument("--one", nargs=2, metavar=("WHAT", "PATH"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.one:
        print(json.dumps(measure_here(*arguments.one)))
        return
    sizes = [(3_000, 40, 20, 1)] if arguments.quick else [(10_000, 500, 100, 4), (100_000, 500, 20, 2)]
    fits = [measure_fits(*size) for size in sizes]
    size = (5_000, 100) if arguments.quick else arguments.file
    files = measure_files(*size, arguments.density, arguments.stored)
    print(report(fits, files))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"fits": fits, "files": files}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
