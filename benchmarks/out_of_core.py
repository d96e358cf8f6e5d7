"""`python -m benchmarks.out_of_core`: a fit from a backed file, compared with the time to read the file."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad
from joblib import cpu_count

from lineage_clust import GAM, BSplineSmoother, TrendClusterer
from lineage_clust.lineage.lineage import Reader
from lineage_clust.trends.lineage_fit import TrendFitter

from .memory import _resident

_CELLS_A_BLOCK = 10_000


def write_file(
    path: Path, n_cells: int, n_genes: int, density: float, compression: str | None, seed: int = 0, counts: bool = False
) -> int:
    """Write an h5ad file in blocks, CSR in float32, and return the number of nonzero values.

    Half of the genes have a peak along pseudotime, the others are flat. Values are log-normalised expression or counts.
    """
    rng = np.random.default_rng(seed)
    time = rng.uniform(0, 1, n_cells)
    fate = 1 / (1 + np.exp(-8 * (time - 0.4) * rng.choice([-1, 1], n_cells)))
    names = pd.RangeIndex(n_cells).astype(str)
    AnnData(
        obs=pd.DataFrame({"pseudotime": time}, index=names),
        var=pd.DataFrame(index=[f"gene{gene}" for gene in range(n_genes)]),
        obsm={"lineages_fwd": pd.DataFrame({"A": fate, "B": 1 - fate}, index=names)},
    ).write_h5ad(path)
    level = rng.lognormal(0, 0.7, n_genes).astype(np.float32)
    height = np.where(np.arange(n_genes) % 2 == 0, 2.0, 0.0).astype(np.float32)
    peak = rng.uniform(0, 1, n_genes).astype(np.float32)
    level *= density / np.mean(level * (1 + height * 0.15 * np.sqrt(np.pi)))
    indptr = [np.zeros(1, dtype=np.int64)]
    with h5py.File(path, "a") as file:
        if "X" in file:
            del file["X"]
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [n_cells, n_genes]})
        stored = {
            name: group.create_dataset(name, (0,), kind, maxshape=(None,), chunks=(2**17,), compression=compression)
            for name, kind in (("data", np.float32), ("indices", np.int32))
        }
        for first in range(0, n_cells, _CELLS_A_BLOCK):
            t = time[first : first + _CELLS_A_BLOCK, None].astype(np.float32)
            chance = np.minimum(level * (1 + height * np.exp(-(((t - peak) / 0.15) ** 2))), 0.95)
            drawn = rng.random(chance.shape, dtype=np.float32)
            cells, genes = np.nonzero(drawn < chance)
            found = 1 + np.floor(-np.log((drawn[cells, genes] + 1e-9) / chance[cells, genes]))
            n_before = int(indptr[-1][-1])
            for name, values in (("data", found if counts else np.log1p(found)), ("indices", genes)):
                stored[name].resize((n_before + len(cells),))
                stored[name][n_before:] = values
            indptr.append(n_before + np.cumsum(np.bincount(cells, minlength=len(t))))
        group["indptr"] = np.concatenate(indptr)
        return int(indptr[-1][-1])


def read(path: str, cells: int = 20_000) -> dict[str, float]:
    """Return the seconds to read the matrix with anndata in blocks of cells."""
    X = read_h5ad(path, backed="r").X
    start, processor = perf_counter(), process_time()
    for first in range(0, X.shape[0], cells):
        X[first : first + cells]
    return {"seconds": perf_counter() - start, "processor": process_time() - processor}


def trends(path: str) -> dict[str, float]:
    """Return the seconds to fit the trends of all genes, without clusters."""
    adata = read_h5ad(path, backed="r")
    start, processor = perf_counter(), process_time()
    TrendFitter(BSplineSmoother(), GAM(), 200).fit(Reader().read(adata, "A"))
    return {"seconds": perf_counter() - start, "processor": process_time() - processor}


def fit(path: str) -> dict[str, float]:
    """Return the seconds of a fit of all genes, and the peak growth of the process in MB."""
    adata = read_h5ad(path, backed="r")
    before = _resident("VmRSS")
    start, processor = perf_counter(), process_time()
    TrendClusterer(random_state=0).fit(adata, lineage="A")
    figures = {"seconds": perf_counter() - start, "processor": process_time() - processor}
    return {**figures, "growth": (_resident("VmHWM") - before) / 1e6}


def measure(n_cells: int, n_genes: int, density: float, compression: str | None, repeats: int) -> dict[str, dict]:
    """Return the best figures of :func:`read`, :func:`trends` and :func:`fit`, each measured in separate processes.

    With the file in the system's cache and, for reading and trends, also without it.
    """
    figures: dict[str, dict] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        n_values = write_file(path, n_cells, n_genes, density, compression)
        for _ in range(repeats):
            for cached in (True, False):
                for name in ("read", "trends", "fit") if cached else ("read", "trends"):
                    if cached:
                        path.read_bytes()
                    elif not _forgotten(path):
                        continue
                    one = _elsewhere(name, path)
                    key = name if cached else f"{name} from disk"
                    figures[key] = min(figures.get(key, one), one, key=lambda some: some["seconds"])
        figures["file"] = {"values": n_values, "megabytes": path.stat().st_size / 1e6}
    return figures


def main(argv: list[str] | None = None) -> None:
    """Write files into a temporary folder, read and fit them, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.out_of_core", description=__doc__)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--density", type=float, default=0.05, help="share of values that are not zero")
    parser.add_argument("--compression", choices=["none", "lzf", "gzip"], nargs="+", default=["none", "gzip"])
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args(argv)
    print(f"{arguments.genes:,} genes x {arguments.cells:,} cells, float32 CSR in a backed h5ad; {cpu_count()} cores")
    for compression in arguments.compression:
        figures = measure(
            arguments.cells, arguments.genes, arguments.density, None if compression == "none" else compression,
            arguments.repeats,
        )  # fmt: skip
        print("\n" + table(figures, compression), flush=True)


def table(figures: dict[str, dict], compression: str) -> str:
    """Return the figures as lines of text."""
    lines = [
        f"compression {compression}: {figures['file']['values']:,} values, {figures['file']['megabytes']:,.0f} MB",
        f"{'':34}{'seconds':>10}{'processor':>12}{'times reading':>16}",
    ]
    for key, label in (
        ("read", "reading block by block"),
        ("trends", "trends of all genes"),
        ("fit", "whole fit, with clusters"),
        ("read from disk", "reading, file not in cache"),
        ("trends from disk", "trends, file not in cache"),
    ):
        if key in figures:
            one, base = figures[key], figures["read from disk" if key.endswith("disk") else "read"]
            ratio = f"{one['seconds'] / base['seconds']:.2f}"
            lines.append(f"{label:34}{one['seconds']:10.2f}{one['processor']:12.2f}{ratio:>16}")
    lines.append(f"extra memory of the whole fit: {figures['fit']['growth']:.0f} MB")
    return "\n".join(lines)


def _forgotten(path: Path) -> bool:
    """Drop a file from the system's cache; return whether that is supported."""
    if not hasattr(os, "posix_fadvise"):
        return False
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def _elsewhere(name: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.out_of_core", "--measure", name, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps({"read": read, "trends": trends, "fit": fit}[sys.argv[2]](sys.argv[3])))
    else:
        main()
