"""Fits of the same data with fewer cells or genes or other settings, and their agreement with the fit of all data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, confusion_matrix

from lineage_clust import TrendClusterer
from lineage_clust.errors import LineageClustWarning

SHARE = 0.8
SETTINGS = {
    "n_neighbors": ("clusterer__n_neighbors", (10, 20, 30, 50)),
    "n_splines": ("smoother__n_splines", (10, 15, 30)),
    "alpha": ("alpha", (0.05,)),
}
BINS = (0.0, 0.5, 0.7, 0.85, 0.95, 1.0)
BIN_NAMES = tuple(f"{low:g}-{high:g}" for low, high in pairwise(BINS))


def variations(adata: AnnData, repeats: int) -> Iterator[tuple[str, str, AnnData, dict]]:
    """Yield kind, name, data and parameters of each fit to compare with that of all data."""
    for number in range(repeats):
        rng = np.random.default_rng(900 + number)
        cells = np.sort(rng.choice(adata.n_obs, round(SHARE * adata.n_obs), replace=False))
        yield "80 % of cells", f"sample {number}", adata[cells].copy(), {}
    for number in range(repeats):
        rng = np.random.default_rng(950 + number)
        genes = np.sort(rng.choice(adata.n_vars, round(SHARE * adata.n_vars), replace=False))
        yield "80 % of genes", f"sample {number}", adata[:, genes].copy(), {}
    for seed in range(1, repeats + 1):
        yield "random_state", f"random_state={seed}", adata, {"random_state": seed}
    for kind, (parameter, values) in SETTINGS.items():
        for value in values:
            yield kind, f"{kind}={value}", adata, {parameter: value}


def clusters_of(adata: AnnData, lineage: str, parameters: dict) -> pd.DataFrame:
    """Return label and confidence of each gene in a cluster."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LineageClustWarning)  # no clusters are a valid result here
        fitted = TrendClusterer(random_state=0).set_params(**parameters).fit(adata, lineage=lineage)
    table = fitted.gene_table_[["cluster", "confidence"]]
    return table[table["cluster"] >= 0]


def compared(name: str, adata: AnnData, lineage: str, repeats: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row per fit, and one row per clustered gene and sample of cells: its confidence, and whether it stays."""
    whole = clusters_of(adata, lineage, {})
    rows, stays = [row_of(name, "whole", "defaults", whole, whole)], []
    for kind, label, data, parameters in variations(adata, repeats):
        other = clusters_of(data, lineage, parameters)
        rows.append(row_of(name, kind, label, whole, other))
        if kind == "80 % of cells":
            common = whole.index.intersection(other.index)
            kept = staying(whole.loc[common, "cluster"], other.loc[common, "cluster"])
            stays.append(pd.DataFrame({"set": name, "confidence": whole.loc[common, "confidence"], "stays": kept}))
    return pd.DataFrame(rows), pd.concat(stays)


def row_of(name: str, kind: str, label: str, whole: pd.DataFrame, other: pd.DataFrame) -> dict:
    common = whole.index.intersection(other.index)
    return {
        "set": name, "kind": kind, "fit": label, "found": other["cluster"].nunique(), "genes": len(other),
        "common": len(common) / max(len(whole), 1), "confidence": float(other["confidence"].mean()),
        "ari": adjusted_rand_score(whole.loc[common, "cluster"], other.loc[common, "cluster"]) if len(common) else 0.0,
    }  # fmt: skip


def staying(before: pd.Series, after: pd.Series) -> np.ndarray:
    """Return which genes are in the cluster that corresponds to theirs.

    Clusters are matched one to one such that as many genes as possible stay. If there are fewer clusters than before,
    genes of unmatched clusters do not stay.
    """
    if not len(before):
        return np.zeros(0, dtype=bool)
    labels = np.arange(max(before.max(), after.max()) + 1)
    first, second = linear_sum_assignment(confusion_matrix(before, after, labels=labels), maximize=True)
    partner = np.empty(len(labels), dtype=int)
    partner[first] = second
    return partner[before.to_numpy()] == after.to_numpy()


def by_kind(fits: pd.DataFrame) -> pd.DataFrame:
    """Return one row per kind of fit of a set; "within" is the fraction of fits within a quarter of the overall median."""
    median = fits["found"].median()
    near = (fits["found"] - median).abs() <= median / 4
    rows = {}
    for kind, part in fits.groupby("kind", sort=False):
        rows[kind] = {
            "fits": len(part), "clusters": part["found"].median(), "least": part["found"].min(),
            "most": part["found"].max(), "within": near[part.index].mean(), "mean ARI": part["ari"].mean(),
            "least ARI": part["ari"].min(), "genes in common": part["common"].mean(),
        }  # fmt: skip
    return pd.DataFrame(rows).T


def calibration(stays: pd.DataFrame) -> pd.DataFrame:
    """Return the number of pairs of gene and sample, and the fraction that stays, by confidence."""
    bins = pd.cut(stays["confidence"], BINS, labels=list(BIN_NAMES), include_lowest=True)
    grouped = stays["stays"].groupby(bins, observed=False)
    return pd.DataFrame({"genes x samples": grouped.size(), "stay": grouped.mean()})
