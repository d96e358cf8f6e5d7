"""`python -m benchmarks.large`: time and memory of a complete fit of very many genes in memory."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from anndata import read_h5ad
from joblib import cpu_count

from lineage_clust import GAM, TrendClusterer

from .memory import _resident
from .out_of_core import write_file


def measure(n_cells: int, n_genes: int, density: float, family: str = "gaussian") -> dict[str, float]:
    """Return the seconds of a fit, the peak growth of the process in megabytes, and the numbers of genes and clusters."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        with ProcessPoolExecutor(1) as other:  # memory of another process does not count
            n_values = other.submit(write_file, path, n_cells, n_genes, density, None, 0, family != "gaussian").result()
        adata = read_h5ad(path)
    before, start, processor = _resident("VmRSS"), perf_counter(), process_time()
    offset = None if family == "gaussian" else "size_factors"
    fitted = TrendClusterer(GAM(family), offset=offset, random_state=0).fit(adata, lineage="A")
    return {
        "values": n_values,
        "seconds": perf_counter() - start,
        "processor": process_time() - processor,
        "growth": (_resident("VmHWM") - before) / 1e6,
        "clustered": int((fitted.labels_ >= 0).sum()),
        "clusters": fitted.n_clusters_,
    }


def main(argv: list[str] | None = None) -> None:
    """Simulate data, fit, and print time and memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--density", type=float, default=0.06, help="share of values that are not zero")
    parser.add_argument("--family", default="gaussian", help="of logs; any other, of counts with size factors")
    arguments = parser.parse_args(argv)
    found = measure(arguments.cells, arguments.genes, arguments.density, arguments.family)
    print(
        f"{arguments.genes:,} genes x {arguments.cells:,} cells, {found['values']:,.0f} values, {cpu_count()} cores: "
        f"{found['seconds']:.1f} s ({found['processor']:.1f} s of CPU) and at most {found['growth']:,.0f} MB more than the "
        f"data; {found['clustered']:,.0f} genes in {found['clusters']} clusters"
    )


if __name__ == "__main__":
    main()
