"""`python -m benchmarks`: measure, print a table, and write JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from . import fit, memory, pygam_genes
from .data import make_data

FULL = {"n_cells": 10_000, "n_genes": 2_000, "n_gamma": 200, "n_pygam": 8}
QUICK = {"n_cells": 1_000, "n_genes": 200, "n_gamma": 20, "n_pygam": 2}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK['n_genes']} genes x {QUICK['n_cells']} cells")
    parser.add_argument("--cells", type=int, help="instead of the usual number")
    parser.add_argument("--genes", type=int, help="instead of the usual number")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks.json"), help="where the figures go")
    arguments = parser.parse_args(argv)
    sizes = {"n_cells": arguments.cells, "n_genes": arguments.genes}
    figures = measure(**(QUICK if arguments.quick else FULL) | {name: size for name, size in sizes.items() if size})
    print(table(figures))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {arguments.json}")


def measure(n_cells: int, n_genes: int, n_gamma: int, n_pygam: int) -> dict:
    """Return all figures: seconds, MB, and the settings of the measurement."""
    adata = make_data(n_cells, n_genes)
    return {
        "n_cells": n_cells,
        "n_genes": n_genes,
        "n_gamma": n_gamma,
        "n_pygam": n_pygam,
        "density": adata.X.nnz / (n_cells * n_genes),
        "seconds": {
            "product": fit.time_product(adata),
            "fit": fit.time_fit(adata),
            "tests": fit.time_tests(adata),
            "gam": fit.time_gam(adata),
            "whole": fit.time_whole(adata),
            "tables": fit.time_tables(adata),
            "gamma_per_gene": fit.time_gamma(adata, n_gamma),
            "pygam_gamma_per_gene": pygam_genes.time_pygam(adata, "gamma", n_pygam),
            "pygam_normal_per_gene": pygam_genes.time_pygam(adata, "normal", n_pygam),
        },
        "megabytes": memory.measure(adata),
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            **{name: version(name) for name in ("numpy", "scipy", "scikit-learn", "pygam", "igraph")},
        },
    }


def table(figures: dict) -> str:
    """Return the figures as lines of text."""
    seconds, megabytes, n_genes = figures["seconds"], figures["megabytes"], figures["n_genes"]
    lines = [
        f"{n_genes:,} genes x {figures['n_cells']:,} cells, {figures['density']:.0%} non-zeros, "
        f"{figures['environment']['cores']} cores",
        "",
        f"{'':43}{'all genes':>12}{'per gene':>12}{'times the GAM':>15}",
    ]
    for name, label in (
        ("product", "one sparse product Y.T @ w"),
        ("fit", "GAM.fit: smoothness, covariance"),
        ("tests", "GAM.fit and tests"),
        ("gam", "GAM: fit, tests, trends with errors"),
        ("whole", "TrendClusterer.fit, clusters included"),
        ("tables", "TrendClusterer.fit and its tables"),
    ):
        ratio = f"{seconds[name] / seconds['gam']:.2g}"
        lines.append(f"{label:43}{seconds[name]:10.3f} s{1e3 * seconds[name] / n_genes:9.3f} ms{ratio:>15}")
    for name, label, n_measured in (
        ("gamma", "GAM gamma", "n_gamma"),
        ("pygam_gamma", "pyGAM gamma", "n_pygam"),
        ("pygam_normal", "pyGAM normal", "n_pygam"),
    ):
        per_gene = seconds[f"{name}_per_gene"]
        label = f"{label}, {figures[n_measured]} genes measured"
        ratio = f"{per_gene * n_genes / seconds['gam']:,.0f}"
        lines.append(f"{label:43}{per_gene * n_genes:8.0f} s *{1e3 * per_gene:9.1f} ms{ratio:>15}")
    lines += [
        f"GAM.fit takes {seconds['fit'] / seconds['product']:.1f} times the sparse product, with tests "
        f"{seconds['tests'] / seconds['product']:.1f} times",
        "* extrapolated from the genes measured",
        "",
        f"{'TrendClusterer.fit holds at its peak':43}{megabytes['fit_peak']:9.0f} MB",
        f"{'the process grows meanwhile by':43}{megabytes['process_growth']:9.0f} MB",
        f"{'expression, sparse':43}{megabytes['expression_sparse']:9.0f} MB",
        f"{'a dense copy of it would be':43}{megabytes['expression_dense']:9.0f} MB, in double precision "
        f"{megabytes['expression_dense_double']:.0f} MB",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
