"""`python -m benchmarks.endpoint`: the automatic end of a lineage, in simulated and real data.

Simulated: the distance to the true end, the lost weight of own cells, and warnings, compared with the rule of version
0.1.0 (median weight, smoothed weight at 98 % of its maximum). Real: the ends of every lineage by both rules, with the
original weights, with hard weights (1 for the lineage with the highest weight), and of the cells with a weight above
0.5. The real data sets are located as in `benchmarks.quality_real`.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import read_h5ad
from scipy.ndimage import convolve1d

from lineage_clust.errors import LineageClustWarning
from lineage_clust.lineage.time.time_range import find_time_range
from lineage_clust.lineage.weights.source import clip_weights

from .endpoint_sets import KINDS, Cells, simulate
from .quality_real import data_folder

NEAR, LOST = 0.03, 0.05
FIRST_SEED = 40_000  # the constants of the rule were chosen with other seeds


def rule_of_0_1_0(times: np.ndarray, weights: np.ndarray, n_points: int = 200) -> float:
    """Return the end according to version 0.1.0."""
    if np.ptp(weights) == 0:
        return float(times.max())
    kept = weights >= np.median(weights)
    times, weights = times[kept], weights[kept]
    order = np.lexsort((weights, times))
    window = max(1, n_points // 20)
    smoothed = convolve1d(weights[order], np.full(window, 1 / window), mode="nearest")
    return float(times[order][smoothed >= 0.98 * smoothed.max()][-1])


def end_and_warning(times: np.ndarray, weights: np.ndarray) -> tuple[float, str]:
    """Return the end by the default rule, and the warning, if any."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LineageClustWarning)
        end = find_time_range(times, clip_weights(weights, (0.01, 0.0)))[1]
    return end, " ".join(str(warning.message) for warning in caught)


def judged(cells: Cells) -> dict:
    """Return the errors of the ends of one simulation."""
    end, warning = end_and_warning(cells.times, cells.weights)
    before = rule_of_0_1_0(cells.times, cells.weights)
    own = cells.weights[cells.own]
    lost, lost_before = (own[cells.times[cells.own] > bound].sum() / own.sum() for bound in (end, before))
    return {
        "near": abs(end - cells.end) <= NEAR,
        "near, 0.1.0": abs(before - cells.end) <= NEAR,
        "error": abs(end - cells.end),
        "lost": lost > LOST,
        "lost in silence": lost > LOST and not warning,
        "lost, 0.1.0": lost_before > LOST,
        "warned of lost weight": "lies later" in warning,
        "called outliers": "outliers" in warning,
        "called falling": "decrease along" in warning,
        "reversed, noticed": "backwards" in end_and_warning(1 - cells.times, cells.weights)[1],
    }


def simulated(n_sets: int) -> pd.DataFrame:
    """Return fractions of the simulations, by kind of weights and of lineage."""
    groups: dict[str, list[dict]] = {}
    for kind in KINDS:
        for seed in range(FIRST_SEED, FIRST_SEED + n_sets):
            cells = simulate(kind, seed)
            row = judged(cells)
            names = [kind, "all"] + [name for name in ("rare", "late") if getattr(cells, name)]
            for name in names:
                groups.setdefault(name, []).append(row)
            cells = simulate(kind, seed, outliers=True)
            if cells.n_outliers:
                name = "outliers, thins out" if cells.thins_out else "outliers, stops short"
                groups.setdefault(name, []).append(judged(cells))
    rows = {}
    order = [*KINDS, "all", "rare", "late", "outliers, stops short", "outliers, thins out"]
    for name in (name for name in order if name in groups):
        table = pd.DataFrame(groups[name])
        rows[name] = {
            "sets": len(table),
            **{column: f"{table[column].mean():.1%}" for column in table if column != "error"},
            "mean error": f"{table['error'].mean():.3f}",
        }
    return pd.DataFrame(rows).T


def real_lineages(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield name, pseudotime, weights and the weights of all lineages `(n_cells, n_lineages)`."""
    for name in ("paul15_pypi_240genes", "paul15_tradeseq", "worm_asg_awa"):
        adata = read_h5ad(folder / f"{name}.h5ad")
        times, fate = adata.obs["palantir_pseudotime"].to_numpy(float), adata.obsm["palantir_fate_probabilities"]
        for lineage in fate:
            yield f"{name}, {lineage}", times, fate[lineage].to_numpy(float), fate.to_numpy(float)
        if name == "paul15_tradeseq":  # contains the same cells as another file
            slingshot = adata.obsm["slingshot_cell_weights"]
            for lineage in slingshot:
                times = adata.obsm["slingshot_pseudotime"][lineage].to_numpy(float)
                kept = np.isfinite(times)
                weights = slingshot.to_numpy(float)[kept]
                yield f"slingshot, {lineage}", times[kept], slingshot[lineage].to_numpy(float)[kept], weights
    adata = read_h5ad(folder / "cellrank" / "adata_100.h5ad")
    fate = np.load(folder / "cellrank" / "cellrank_2.0.7_reference.npz")["cflare_fate"]
    for lineage in range(2):
        yield f"cellrank, {lineage}", adata.obs["latent_time"].to_numpy(float), fate[:, lineage], fate


def real(folder: Path) -> pd.DataFrame:
    """Return the ends of every real lineage, by 0.1.0 -> now; an asterisk marks a warning."""
    rows = {}
    for name, times, weights, everyone in real_lineages(folder):
        hard, sure = (weights == everyone.max(axis=1)).astype(float), weights > 0.5
        rows[name] = {
            "as they are": ends(times, weights),
            "hard": ends(times, hard),
            "cells above 0.5": ends(times[sure], weights[sure]),
            "after the end": f"{weights[times > end_and_warning(times, weights)[0]].sum() / weights.sum():.1%}",
            "reversed, noticed": "backwards" in end_and_warning(times.max() - times, weights)[1],
        }
    return pd.DataFrame(rows).T


def ends(times: np.ndarray, weights: np.ndarray) -> str:
    if np.sum(weights > 0) < 3:
        return "-"
    end, warning = end_and_warning(times, weights)
    return f"{rule_of_0_1_0(times, weights):.3f} -> {end:.3f}{' *' if warning else ''}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-sets", type=int, default=300, help="simulations of each kind of weights")
    pd.set_option("display.width", 220, "display.max_columns", 20)
    print(simulated(parser.parse_args().n_sets))
    if data_folder().is_dir():
        print(real(data_folder()))


if __name__ == "__main__":
    main()
