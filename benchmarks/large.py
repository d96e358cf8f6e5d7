"""`python -m benchmarks.large`: the whole fit of very many genes in memory, its time and its memory."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from anndata import read_h5ad
from joblib import cpu_count

from lineage_clust import TrendClusterer

from .memory import _resident
from .out_of_core import write_file


def measure(n_cells: int, n_genes: int, density: float) -> dict[str, float]:
    """Return the seconds of a fit, the megabytes by which the process grew at most, and what was found."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        with ProcessPoolExecutor(1) as other:  # whose memory does not count
            n_values = other.submit(write_file, path, n_cells, n_genes, density, None).result()
        adata = read_h5ad(path)
    before, start = _resident("VmRSS"), perf_counter()
    fitted = TrendClusterer(random_state=0).fit(adata, lineage="A")
    seconds = perf_counter() - start
    return {
        "values": n_values,
        "seconds": seconds,
        "growth": (_resident("VmHWM") - before) / 1e6,
        "clustered": int((fitted.labels_ >= 0).sum()),
        "clusters": fitted.n_clusters_,
    }


def main(argv: list[str] | None = None) -> None:
    """Make the data, fit, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--density", type=float, default=0.06, help="share of values that are not zero")
    arguments = parser.parse_args(argv)
    found = measure(arguments.cells, arguments.genes, arguments.density)
    print(
        f"{arguments.genes:,} genes x {arguments.cells:,} cells, {found['values']:,.0f} values, {cpu_count()} cores: "
        f"{found['seconds']:.1f} s and at most {found['growth']:,.0f} MB more than the data; {found['clustered']:,.0f} "
        f"genes in {found['clusters']} clusters"
    )


if __name__ == "__main__":
    main()
