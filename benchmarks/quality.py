"""`python -m benchmarks.quality`: recovery of planted modules by this package and other methods.

Prints one line per data set and method, and a summary per method, and writes JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, jaccard_score

from .quality_methods import FAST, METHODS, labels_of
from .quality_sets import HARD, QUICK, SETS

RECOVERABLE = 0.95  # ARI of k-means with the true k above which a set is considered recoverable
LARGE = 10  # minimum number of genes of a large module
_HARD_SEED = 7000


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{len(QUICK)} sets, without the slow peers")
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), help="only these")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("build/quality.json"), help="where the figures go")
    arguments = parser.parse_args(argv)
    methods = arguments.methods or (FAST if arguments.quick else METHODS)
    rows = []
    sets = [(one, arguments.seed + number) for number, one in enumerate(QUICK if arguments.quick else SETS)]
    hard = () if arguments.quick else HARD
    for planted, seed in [*sets, *((one, arguments.seed + _HARD_SEED + number) for number, one in enumerate(hard))]:
        adata = planted.make(seed)
        reference = None
        for name in methods:
            row = {"set": planted.name, "group": planted.group, "method": name, **measure(METHODS[name], adata)}
            if name == "auto":
                reference = row["kmeans_true_k"]
            row["recoverable"] = reference is not None and reference >= RECOVERABLE
            rows.append(row)
            print(line(row), flush=True)
    figures = pd.DataFrame(rows)
    print("\n" + summary(figures[figures["group"] == ""]).to_string(float_format="{:.3f}".format))
    if len(hard):
        print("\n" + summary_by_group(figures[figures["group"] != ""]).to_string(float_format="{:.3f}".format))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {arguments.json}")


def measure(method, adata) -> dict:
    """Return how well a method recovers the planted modules of `adata`."""
    truth = adata.var["module"].to_numpy()
    start = perf_counter()
    labels, fitted = labels_of(method, adata)
    seconds = perf_counter() - start
    varies = truth >= 0
    kept = varies & (labels >= 0)
    row = {
        "planted": len(np.unique(truth[varies])),
        "found": fitted.n_clusters_,
        "ari": adjusted_rand_score(truth[kept], labels[kept]) if kept.any() else np.nan,
        "ari_with_flat": adjusted_rand_score(truth, labels),
        "flat_left_out": float(np.mean(labels[~varies] < 0)) if (~varies).any() else np.nan,
        "varying_kept": float(kept.sum() / varies.sum()) if varies.any() else np.nan,
        **{f"{name}_found": share for name, share in modules_found(truth[varies], labels[varies]).items()},
        "rmse": trend_error(adata, fitted, varies),
        "kmeans_true_k": np.nan,
        "seconds": seconds,
    }
    if kept.any():
        scaled = fitted.scaled_trends_[pd.Index(fitted.genes_).get_indexer(adata.var_names[kept])]
        given = KMeans(min(row["planted"], len(scaled)), n_init=10, random_state=0).fit_predict(scaled)
        row["kmeans_true_k"] = adjusted_rand_score(truth[kept], given)
    return row


def modules_found(truth: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return the fraction of modules that are found, among those with at least ten genes and among all.

    A module is found if, of the clustered genes in the module or in one cluster, more than half are in both.
    """
    modules, sizes = np.unique(truth[truth >= 0], return_counts=True)
    truth, labels = truth[labels >= 0], labels[labels >= 0]
    clusters = np.unique(labels)
    shares = [[jaccard_score(truth == module, labels == one) for one in clusters] for module in modules]
    found = np.array([max(row, default=0.0) > 0.5 for row in shares], dtype=float)
    large = found[sizes >= LARGE]
    return {"large": large.mean() if len(large) else np.nan, "all": found.mean() if len(found) else np.nan}


def trend_error(adata, fitted, varies: np.ndarray) -> float:
    """Return the median over varying genes of the RMS distance between z-scored trend and truth."""
    if not varies.any():
        return np.nan
    grid = adata.uns["simulation"]["grid"]
    rows = pd.Index(fitted.genes_).get_indexer(adata.var_names[varies])
    truth = adata.varm["true_trend"][varies][rows >= 0]
    truth = np.array([np.interp(fitted.pseudotime_, grid, curve) for curve in truth])
    found = fitted.trends_[rows[rows >= 0]]
    return float(np.median(np.sqrt(np.mean((_standardised(found) - _standardised(truth)) ** 2, axis=1))))


def _standardised(curves: np.ndarray) -> np.ndarray:
    centred = curves - curves.mean(axis=1, keepdims=True)
    return centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-12)


def summary(figures: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method over the sets with modules, and its results for sets of flat genes."""
    rows = {}
    for method, part in figures.groupby("method", sort=False):
        planted, flat = part[part["planted"] > 0], part[part["planted"] == 0]
        recoverable = planted[planted["recoverable"]]
        exact = recoverable["found"] == recoverable["planted"]
        rows[method] = {
            "sets": len(recoverable),
            "mean ARI": recoverable["ari"].mean(),
            "least ARI": recoverable["ari"].min(),
            "ARI with flat genes": recoverable["ari_with_flat"].mean(),
            "number exact": exact.mean(),
            "flat left out": planted["flat_left_out"].mean(),
            "varying kept": planted["varying_kept"].mean(),
            "trend error": planted["rmse"].median(),
            "clusters of flat sets": flat["found"].mean(),
            "seconds": part["seconds"].sum(),
        }
    return pd.DataFrame(rows).T


def summary_by_group(figures: pd.DataFrame) -> pd.DataFrame:
    """Return one row per group of sets and method; sets without clusters count as 0."""
    rows, figures = {}, figures.assign(ari=figures["ari"].where(figures["found"] > 0, 0.0))
    for key, part in figures.groupby(["group", "method"], sort=False):
        rows[key] = {
            "sets": len(part),
            "number exact": (part["found"] == part["planted"]).mean(),
            "mean ARI": part["ari"].mean(),
            "least ARI": part["ari"].min(),
            "true k": part["kmeans_true_k"].mean(),
            "modules of 10 genes found": part["large_found"].mean(),
            "modules found": part["all_found"].mean(),
            "varying kept": part["varying_kept"].mean(),
            "seconds": part["seconds"].sum(),
        }
    return pd.DataFrame(rows).T


def line(row: dict) -> str:
    return (
        f"{row['set']:34s} {row['method']:20s} {row['planted']:3d} planted {row['found']:3d} found  ARI {row['ari']:.3f} "
        f"(true k {row['kmeans_true_k']:.3f})  flat out {row['flat_left_out']:.2f}  kept {row['varying_kept']:.2f}  "
        f"error {row['rmse']:.3f}  {row['seconds']:.1f} s"
    )


if __name__ == "__main__":
    main()
