"""`python -m benchmarks.out_of_core`: a fit from a backed file, beside the time that reading the file takes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData, read_h5ad

from .memory import _resident

_CELLS_A_BLOCK = 10_000
FULL = {"n_cells": 1_000_000, "n_genes": 2_000}


def write_file(path: Path, n_cells: int, n_genes: int, density: float, compression: str | None, seed: int = 0) -> int:
    """Write an h5ad file block by block, CSR in float32, and return how many values are not zero.

    Half of the genes have a peak somewhere along pseudotime, the others are flat.
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
            name: group.create_dataset(
                name, (0,), kind, maxshape=(None,), chunks=(2**17,), compression=compression
            )
            for name, kind in (("data", np.float32), ("indices", np.int32))
        }
        for first in range(0, n_cells, _CELLS_A_BLOCK):
            t = time[first : first + _CELLS_A_BLOCK, None].astype(np.float32)
            chance = np.minimum(level * (1 + height * np.exp(-(((t - peak) / 0.15) ** 2))), 0.95)
            drawn = rng.random(chance.shape, dtype=np.float32)
            cells, genes = np.nonzero(drawn < chance)
            counts = 1 + np.floor(-np.log((drawn[cells, genes] + 1e-9) / chance[cells, genes]))
            n_before = int(indptr[-1][-1])
            for name, values in (("data", np.log1p(counts)), ("indices", genes)):
                stored[name].resize((n_before + len(cells),))
                stored[name][n_before:] = values
            indptr.append(n_before + np.cumsum(np.bincount(cells, minlength=len(t))))
        group["indptr"] = np.concatenate(indptr)
        return int(indptr[-1][-1])


def read(path: str, cells: int = 20_000) -> dict[str, float]:
    """Return the seconds that it takes to read the matrix with anndata, a block of cells at a time."""
    X = read_h5ad(path, backed="r").X
    X[:1]
    start = perf_counter()
    for first in range(0, X.shape[0], cells):
        X[first : first + cells]
    return {"seconds": perf_counter() - start}


def fit(path: str) -> dict[str, float]:
    """Return seconds and memory in MB of a fit of all genes; `growth` is the process's largest size less that before."""
    from lineage_clust import TrendClusterer

    adata = read_h5ad(path, backed="r")
    before = _resident("VmRSS")
    start = perf_counter()
    fitted = TrendClusterer(random_state=0).fit(adata, lineage="A")
    seconds = perf_counter() - start
    after = _resident("VmHWM")
    return {"seconds": seconds, "growth": (after - before) / 1e6, "before": before / 1e6, "clusters": fitted.n_clusters_}


def main(argv: list[str] | None = None) -> None:
    """Write a file into a temporary folder, read it and fit it, each in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.out_of_core", description=__doc__)
    parser.add_argument("--cells", type=int, default=FULL["n_cells"])
    parser.add_argument("--genes", type=int, default=FULL["n_genes"])
    parser.add_argument("--density", type=float, default=0.05, help="share of values that are not zero")
    parser.add_argument("--compression", choices=["none", "lzf", "gzip"], nargs="+", default=["none", "gzip"])
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args(argv)
    print(f"{arguments.genes:,} genes x {arguments.cells:,} cells, CSR in a backed h5ad; the file is in the system's cache\n")
    print(f"{'compression':12}{'values':>14}{'file':>10}{'reading':>10}{'fit':>10}{'ratio':>8}{'extra memory':>15}")
    for compression in arguments.compression:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "cells.h5ad"
            kind = None if compression == "none" else compression
            n_values = write_file(path, arguments.cells, arguments.genes, arguments.density, kind)
            size = path.stat().st_size / 1e6
            readings, fits = [], []
            for _ in range(arguments.repeats):
                readings.append(_elsewhere("read", path))
                fits.append(_elsewhere("fit", path))
        reading, fitting = (min(one["seconds"] for one in some) for some in (readings, fits))
        growth = max(one["growth"] for one in fits)
        print(
            f"{compression:12}{n_values:14,}{size:7.0f} MB{reading:8.2f} s{fitting:8.2f} s{fitting / reading:8.2f}"
            f"{growth:12.0f} MB",
            flush=True,
        )


def _elsewhere(name: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.out_of_core", "--measure", name, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps({"read": read, "fit": fit}[sys.argv[2]](sys.argv[3])))
    else:
        main()
