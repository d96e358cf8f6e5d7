"""`python -m benchmarks.stability`: reproducibility of clusters under small changes of data or settings.

Fits real and simulated lineages without known groups with default settings: all data, random 80 % of the cells and of
the genes, other seeds, and other numbers of neighbours, splines and alpha. Prints, for each set, the number of
clusters, their agreement with the fit of all data (adjusted Rand index of the genes clustered by both), and how many
genes stay in their cluster, by confidence. The real data are located in `$LINEAGE_CLUST_DATA`, else in
`../shared/data`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter

import pandas as pd
from anndata import AnnData, read_h5ad

from .continua import CONTINUA
from .quality_real import data_folder
from .stability_fits import by_kind, calibration, compared

QUICK = ("switch times", "one broad blob")
REAL = {
    "paul15 Ery": ("paul15_tradeseq.h5ad", "Ery"),
    "paul15 Mono": ("paul15_tradeseq.h5ad", "Mono"),
    "paul15 Neu": ("paul15_tradeseq.h5ad", "Neu"),
    "paul15, 240 genes, Ery": ("paul15_pypi_240genes.h5ad", "Ery"),
    "paul15, 240 genes, Myeloid": ("paul15_pypi_240genes.h5ad", "Myeloid"),
    "worm AWA": ("worm_asg_awa.h5ad", "AWA"),
    "worm ASG": ("worm_asg_awa.h5ad", "ASG"),
}
NAMES = (*REAL, *CONTINUA)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stability", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"two samples of each kind, of {' and '.join(QUICK)}")
    parser.add_argument("--sets", nargs="*", choices=NAMES, metavar="SET", help=f"only these of {', '.join(NAMES)}")
    parser.add_argument("--file", nargs="+", metavar=("PATH", "LINEAGE"), help="only these lineages of another h5ad")
    parser.add_argument("--repeats", type=int, help="samples of each kind (default: 10)")
    parser.add_argument("--json", type=Path, default=Path("build/stability.json"), help="where the figures go")
    arguments = parser.parse_args(argv)
    repeats = arguments.repeats or (2 if arguments.quick else 10)
    fits, stays = [], []
    path, *lineages = arguments.file or [None]
    for name in lineages or arguments.sets or (QUICK if arguments.quick else NAMES):
        adata, lineage = (read_h5ad(path), name) if path else load(name)
        if adata is None:
            print(f"\n{name}: left out, for {REAL[name][0]} is not in {data_folder()} (set LINEAGE_CLUST_DATA).")
            continue
        start = perf_counter()
        found, kept = compared(name, adata, lineage, repeats)
        fits.append(found)
        stays.append(kept)
        print(f"\n{name} ({perf_counter() - start:.0f} s)\n" + by_kind(found).to_string(float_format="{:.2f}".format))
        print(calibration(kept).T.to_string(float_format="{:.2f}".format), flush=True)
        write(arguments.json, pd.concat(fits), pd.concat(stays))
    if fits:
        print("\nAll sets\n" + summary(pd.concat(fits, ignore_index=True)).to_string(float_format="{:.2f}".format))
        print(calibration(pd.concat(stays)).T.to_string(float_format="{:.2f}".format))
        print(f"\nwritten to {arguments.json}")


def load(name: str) -> tuple[AnnData | None, str]:
    """Return a data set and the name of its lineage; no data set if its file does not exist."""
    if name in CONTINUA:
        return CONTINUA[name](), "lineage_1"
    file, lineage = REAL[name]
    path = data_folder() / file
    return (read_h5ad(path) if path.is_file() else None), lineage


def summary(fits: pd.DataFrame) -> pd.DataFrame:
    """Return one row per set: the number of clusters over all fits, and the agreement with all data by kind of fit."""
    rows = {}
    for name, part in fits.groupby("set", sort=False):
        others = part[part["kind"] != "whole"]
        median = part["found"].median()
        rows[name] = {
            "whole": part.loc[part["kind"] == "whole", "found"].iloc[0], "median": median,
            "least": part["found"].min(), "most": part["found"].max(),
            "within": ((others["found"] - median).abs() <= median / 4).mean(),
            "mean ARI": others["ari"].mean(), "least ARI": others["ari"].min(),
            **others.groupby("kind", sort=False)["ari"].mean().add_prefix("ARI, "),
        }  # fmt: skip
    return pd.DataFrame(rows).T


def write(path: Path, fits: pd.DataFrame, stays: pd.DataFrame) -> None:
    """Write one record per fit, and the calibration of every set."""
    tables = {name: calibration(part).to_dict("index") for name, part in stays.groupby("set", sort=False)}
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = {"fits": fits.to_dict("records"), "calibration": tables}
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
