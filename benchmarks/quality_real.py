"""`python -m benchmarks.quality_real`: real data sets with independent information to compare clusters with.

Yeast: the published phases of the cell cycle, from four time courses that are clustered jointly. Worm: the age of the
embryo of each cell, which is not used by the fit. Bone marrow: clusters without a reference. The data are not part of
the project; they are located in `$LINEAGE_CLUST_DATA`, else in `../shared/data`.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import read_h5ad
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

from lineage_clust import GAM, BSplineSmoother, GraphClusterer, TrendClusterer
from lineage_clust.errors import LineageClustWarning

from .quality_methods import cellrank_normal, palantir

N_SPLINES = 12  # fewer than the samples of the shortest time course (14), as mgcv requires
COURSES = ("alpha", "cdc15", "cdc28", "elu")


def data_folder() -> Path:
    """Return the folder of the real data sets."""
    return Path(os.environ.get("LINEAGE_CLUST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def yeast(folder: Path) -> pd.DataFrame:
    """Return, by method, number of clusters and ARI with the five published phases.

    A time course has 14 to 24 samples, so few that REML interprets many cycles as noise; GCV smooths less.
    """
    adata = read_h5ad(folder / "yeast_spellman1998.h5ad")
    adata.obsm["lineages"] = pd.get_dummies(adata.obs["timecourse"]).astype(float).set_index(adata.obs_names)
    courses = [name for name in COURSES if name in adata.obsm["lineages"]]
    settings = {
        "smoother": BSplineSmoother(n_splines=N_SPLINES), "lineage": courses, "time_key": "time",
        "lineage_key": "lineages", "weight_threshold": (0.5, 0.0), "layer": "interpolated", "random_state": 0,
    }  # fmt: skip
    rows = {}
    every = {"alpha": None, "model": GAM(smoothing="gcv")}
    for name, options in {
        "auto, REML": {},
        "auto, GCV": {"model": GAM(smoothing="gcv")},
        "auto, GCV, all genes": every,
        "auto, GCV, 25 splines": {"model": GAM(smoothing="gcv"), "smoother": BSplineSmoother(n_splines=25)},
        "auto, GCV, all genes, 25 splines": every | {"smoother": BSplineSmoother(n_splines=25)},
        "resolution 1, GCV, all genes": every | {"clusterer": GraphClusterer(resolution=1.0)},
    }.items():
        fitted = TrendClusterer(**(settings | options)).fit(adata)
        rows[name] = against(adata.var["phase"].astype(str), fitted)
    everything = TrendClusterer(**settings, **every).fit(adata)
    X, phase = everything.scaled_trends_, adata.var.loc[everything.genes_, "phase"].astype(str)
    raw = np.asarray(adata.layers["interpolated"]).T
    for name, points in {"k-means, true k, trends": X, "k-means, true k, samples": standardised(raw)}.items():
        labels = KMeans(5, n_init=10, random_state=0).fit_predict(points)
        rows[name] = {"found": 5, "genes": len(labels), "ARI": adjusted_rand_score(phase, labels)}
    found = {k: KMeans(k, n_init=10, random_state=0).fit_predict(X) for k in range(2, 13)}
    best = max(found, key=lambda k: silhouette_score(X, found[k]))
    rows["k-means, silhouette, trends"] = {
        "found": best, "genes": len(X), "ARI": adjusted_rand_score(phase, found[best]),
    }  # fmt: skip
    return pd.DataFrame(rows).T


def standardised(rows: np.ndarray) -> np.ndarray:
    return (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)


def against(truth: pd.Series, fitted: TrendClusterer) -> dict:
    kept = fitted.labels_ >= 0
    names = np.asarray(fitted.genes_)[kept]
    return {
        "found": fitted.n_clusters_,
        "genes": int(kept.sum()),
        "ARI": adjusted_rand_score(truth[names], fitted.labels_[kept]),
    }


def worm(folder: Path, lineage: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the clusters along a lineage with the age of the embryo, and a comparison of methods.

    Half-maximum times of clusters are computed along pseudotime, as fitted, and along the age of the embryo, from the
    module scores of the same cells. For meaningful clusters, their order is the same.
    """
    adata = read_h5ad(folder / "worm_asg_awa.h5ad")
    age = adata.obs["embryo_time"].to_numpy(dtype=float)
    weight = adata.obsm["palantir_fate_probabilities"][lineage].to_numpy()
    inside = weight > 0.5
    rows, clusters = {}, None
    for name, method in {
        "auto": lambda: TrendClusterer(random_state=0),
        "resolution 1": lambda: TrendClusterer(clusterer=GraphClusterer(resolution=1.0), random_state=0),
        "CellRank's settings": cellrank_normal,
        "Palantir's settings": palantir,
    }.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LineageClustWarning)
            fitted = method().fit(adata, lineage=lineage)
        scores = fitted.transform(adata)[inside]
        table = fitted.cluster_table_[["size", "direction", "peak", "half_max", "amplitude", "top_genes"]].copy()
        table["rho with age"] = [spearmanr(score, age[inside]).statistic for score in scores.T]
        table["age of half-maximum"] = [half_time(score, age[inside]) for score in scores.T]
        moving = table[table["direction"].isin(["up", "down"])]
        rows[name] = {
            "found": fitted.n_clusters_,
            "genes": int((fitted.labels_ >= 0).sum()),
            "least |rho| of up and down": moving["rho with age"].abs().min(),
            "sign right": float(
                np.mean(np.sign(moving["rho with age"]) == np.where(moving["direction"] == "up", 1, -1))
            ),
            "order of half-maxima": spearmanr(moving["half_max"], moving["age of half-maximum"]).statistic,
        }
        clusters = table if clusters is None else clusters
    return clusters, pd.DataFrame(rows).T


def half_time(score: np.ndarray, age: np.ndarray) -> float:
    """Return the age at which the running mean of a score has changed by half of its range."""
    order = np.argsort(age, kind="stable")
    width = max(len(age) // 10, 5)
    kernel = np.ones(width) / width
    smooth, ages = (np.convolve(values[order], kernel, mode="valid") for values in (score, age))
    moved = np.abs(smooth - smooth[0]) >= 0.5 * np.ptp(smooth)
    return float(ages[np.argmax(moved)]) if moved.any() else np.nan


def bone_marrow(folder: Path) -> pd.DataFrame:
    """Return the clusters along the erythroid lineage."""
    adata = read_h5ad(folder / "paul15_tradeseq.h5ad")
    columns = ["size", "direction", "direction_share", "peak", "half_max", "confidence", "top_genes"]
    return TrendClusterer(random_state=0).fit(adata, lineage="Ery").cluster_table_[columns]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality_real", description=__doc__)
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder of the real sets")
    folder = parser.parse_args(argv).data
    if not folder.is_dir():
        raise SystemExit(f"The real sets are not there: set LINEAGE_CLUST_DATA, or pass --data (looked in {folder}).")
    print("Yeast, published phases\n" + yeast(folder).round(3).to_string())
    for lineage in ("ASG", "AWA"):
        clusters, methods = worm(folder, lineage)
        print(f"\nWorm, {lineage}, against the age of the embryo (minutes)\n" + clusters.round(2).to_string())
        print(methods.round(2).to_string())
    print("\nBone marrow, erythroid\n" + bone_marrow(folder).round(2).to_string())


if __name__ == "__main__":
    main()
