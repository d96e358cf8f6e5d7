"""`python -m benchmarks.thinning`: tests of flat genes in cells ordered by the same genes.

There is no trajectory: counts are negative binomial, with varying depth and dispersion, and pseudotime is the rank of
the cells along the first principal component of the log-normalised counts. Cells are ordered and tested with the same
counts, or with halves from Poisson thinning, or from negative binomial thinning with true and with estimated
dispersions. Tests are of log-normalised values, of these with the log of the total as a covariate, and of counts with
size factors. Reported are fractions of p-values below .05 and .01, of q-values below .01, and numbers of clusters and
genes, averaged over seeds.
"""

from __future__ import annotations

import argparse
import warnings

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from lineage_clust import GAM, LineageClustWarning, TrendClusterer, thin_counts
from lineage_clust.dipping import as_anndata, first_component
from lineage_clust.results.result import result_of
from lineage_clust.trends.trends import adjust

# cells, genes, median count, sd of the genes' log mean, sd of the cells' log depth
DATA = {
    "even depth": (2000, 400, 1.0, 1.0, 0.3),
    "uneven depth": (2000, 1000, 0.5, 1.2, 0.6),
    "high counts": (4000, 400, 3.0, 1.0, 0.5),
}
SPLITS = ("same counts", "Poisson halves", "NB halves, true", "NB halves, estimated")
TESTS = ("gaussian, log1p", "gaussian + depth", "negative binomial")


def no_trajectory(n_cells, n_genes, level, spread, depth_sd, seed) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(np.log(level), spread, n_genes))
    dispersion = np.exp(rng.normal(np.log(0.4), 0.5, n_genes))
    depth = np.exp(rng.normal(0, depth_sd, n_cells))
    rate = rng.gamma(1 / dispersion, dispersion, (n_cells, n_genes)) * mean * depth[:, None]
    cells = ad.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.int32)))
    cells.var["truth"] = dispersion
    cells.obs["log_depth"] = np.log(depth)
    return cells


def halves(cells: ad.AnnData, split: str, seed: int) -> tuple[ad.AnnData, ad.AnnData]:
    if split == "same counts":
        return cells, cells
    dispersion = {"Poisson halves": 0, "NB halves, true": "truth", "NB halves, estimated": "estimate"}[split]
    return thin_counts(cells, dispersion=dispersion, random_state=seed)


def measure(cells: ad.AnnData, split: str, seed: int) -> list[dict]:
    ordering, tested = (
        as_anndata(half.X, half, half.var_names, half.obs.copy()) for half in halves(cells, split, seed)
    )
    tested.obs["time"] = first_component(ordering)
    tested.obs["log_total"] = np.log(np.asarray(tested.layers["counts"].sum(axis=1)).ravel())
    seen = np.asarray((tested.layers["counts"] > 0).sum(axis=0)).ravel() >= 20
    rows = []
    for test in TESTS:
        options = {"covariates": ["log_total"]} if test == "gaussian + depth" else {}
        model = GAM("negative_binomial") if test == "negative binomial" else GAM()
        layer = "counts" if test == "negative binomial" else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LineageClustWarning)
            fitted = TrendClusterer(model, layer=layer, time_key="time", random_state=0, **options).fit(tested[:, seen])
        p = result_of(fitted).decisions["pvalue"].dropna().to_numpy()
        rows.append(
            {
                "split": split, "test": test, "p < .05": np.mean(p < 0.05), "p < .01": np.mean(p < 0.01),
                "q < .01": np.mean(adjust(p) < 0.01), "clusters": fitted.n_clusters_,
                "in clusters": np.mean(fitted.labels_ >= 0),
                "r(time, depth)": abs(np.corrcoef(tested.obs["time"], tested.obs["log_depth"])[0, 1]),
            }
        )  # fmt: skip
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thinning", description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--data", choices=list(DATA), help="one data set instead of all")
    arguments = parser.parse_args(argv)
    for name, setting in DATA.items():
        if arguments.data not in (None, name):
            continue
        rows = []
        for seed in range(100, 100 + arguments.seeds):
            cells = no_trajectory(*setting, seed)
            for split in SPLITS:
                rows += measure(cells, split, seed)
        table = pd.DataFrame(rows).groupby(["split", "test"], sort=False).mean()
        print(f"\n{name}: {setting[0]:,} cells, {setting[1]:,} genes, {arguments.seeds} seeds")
        print(table.round(3).to_string(), flush=True)


if __name__ == "__main__":
    main()
