"""`python -m benchmarks.versions`: run time of versions relative to other packages in the same run, stored as JSON.

Seconds of different days and machines are not comparable, but ratios of times measured together are. In every round,
each call and its reference are timed in turn; the median of their ratios over the rounds is stored in
`benchmarks/history/VERSION.json`, and compared with the previous version.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.utils.fixes import parse_version

from lineage_clust import __version__

from . import fit, pygam_genes
from .data import make_data

HISTORY = Path(__file__).parent / "history"
SIZE = {"n_cells": 2_000, "n_genes": 500, "n_gamma": 20, "n_pygam": 4, "rounds": 7}
# Medians of the same code, at a load of three processes per core, differed by a factor of up to 1.7, but their quartiles
# overlapped: slower is defined by both a larger median and disjoint ranges between quartiles.
SLOWER = 1.25


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("--history", type=Path, default=HISTORY, help="the folder of the figures")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if something became slower")
    arguments = parser.parse_args(argv)
    now = measure(**SIZE)
    then = before(arguments.history, now["version"], or_same=arguments.check)
    print(table(now, then))
    slow = slower(now, then)
    if slow:
        print(f"\nslower by more than {SLOWER - 1:.0%} than version {then['version']}: {', '.join(slow)}")
    if arguments.check:
        return int(bool(slow))
    arguments.history.mkdir(parents=True, exist_ok=True)
    path = arguments.history / f"{now['version']}.json"
    path.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten to {path}")
    return 0


def measure(n_cells: int, n_genes: int, n_gamma: int, n_pygam: int, rounds: int) -> dict:
    """Return the ratios of this version, "ours / other": `median`, `lower` and `upper` quartile over the rounds."""
    adata = make_data(n_cells, n_genes)
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        normal = n_genes * pygam_genes.time_pygam(adata, "normal", n_pygam)
        for name, ratio in {
            "GAM.fit / pyGAM normal": fit.time_fit(adata) / normal,
            "GAM.fit, tests, trends / pyGAM normal": fit.time_gam(adata) / normal,
            "the same, gamma / pyGAM gamma": fit.time_gamma(adata, n_gamma)
            / pygam_genes.time_pygam(adata, "gamma", n_pygam),
            "TrendClusterer.fit / pyGAM normal": fit.time_whole(adata) / normal,
            "TrendClusterer.fit and tables / pyGAM normal": fit.time_tables(adata) / normal,
        }.items():
            found.setdefault(name, []).append(ratio)
    return {
        "version": __version__,
        "size": {"n_cells": n_cells, "n_genes": n_genes, "n_gamma": n_gamma, "n_pygam": n_pygam, "rounds": rounds},
        "ratios": {name: summary(ratios) for name, ratios in found.items()},
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
            **{name: version(name) for name in ("numpy", "scipy", "scikit-learn", "pygam", "igraph")},
        },
    }


def summary(ratios: list[float]) -> dict[str, float]:
    """Return median and quartiles, to three digits."""
    lower, median, upper = (float(f"{value:.3g}") for value in np.quantile(ratios, [0.25, 0.5, 0.75]))
    return {"median": median, "lower": lower, "upper": upper}


def before(history: Path, name: str, or_same: bool = False) -> dict | None:
    """Return the figures of the newest version before one, or of itself if available and `or_same`; None without."""
    known = {parse_version(path.stem): path for path in history.glob("*.json")}
    own = parse_version(name)
    earlier = [one for one in known if one < own or (or_same and one == own)]
    return json.loads(known[max(earlier)].read_text(encoding="utf-8")) if earlier else None


def slower(now: dict, then: dict | None) -> list[str]:
    """Return the calls that became slower: a median larger by a quarter, and disjoint ranges between quartiles."""
    if then is None:
        return []
    if now["size"] != then["size"]:
        raise ValueError(
            f"version {then['version']} was measured on {then['size']}, this one on {now['size']}. Ratios depend on the "
            "size: check out that version and measure it again."
        )
    pairs = {name: (now["ratios"][name], then["ratios"][name]) for name in now["ratios"].keys() & then["ratios"].keys()}
    return sorted(
        name
        for name, (new, old) in pairs.items()
        if new["median"] > SLOWER * old["median"] and new["lower"] > old["upper"]
    )


def table(now: dict, then: dict | None) -> str:
    """Return the figures as lines of text."""
    old = {} if then is None else then["ratios"]
    head = "" if then is None else f"{then['version']:>12}{'change':>10}"
    lines = [f"{'ours / peer':46}{now['version']:>12}{'quartiles':>20}{head}"]
    for name, figures in now["ratios"].items():
        line = f"{name:46}{figures['median']:12.3g}{figures['lower']:10.3g}{figures['upper']:10.3g}"
        if name in old:
            line += f"{old[name]['median']:12.3g}{figures['median'] / old[name]['median'] - 1:+10.0%}"
        lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
