"""`python -m benchmarks.evidence`: false positives among flat genes, and power for weak trends.

Flat genes: fractions of p-values below 0.05 and 0.01, by depth, model and weights. Weak genes: their amplitude is set
such that mgcv's test with unit weights has 80 % power at the 0.01 level; reported is the fraction that is clustered by
default (BH, q < 0.01, among as many flat genes). Without R and mgcv this part is left out. Rare genes are flat and expressed
in 10 to 80 of 500 cells; tested are their trends, with and without an unrelated covariate, and their differences between two
conditions without donors. Few late cells: flat genes in the counts of 80 cells, of which few are late.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, hstack

from lineage_clust import GAM, BSplineSmoother, TrendClusterer, datasets
from lineage_clust.errors import NoTrendError
from lineage_clust.models import ConditionGAM, MgcvGAM
from lineage_clust.trends.trends import adjust

DEPTHS = (500.0, 2_000.0, 10_000.0, 30_000.0)
POWER, LEVEL = 0.8, 0.01
LEVELS = 0.05, 0.01, 1e-3, 1e-4
RATES = [f"p < {level:g}" for level in LEVELS]
EXPRESSING = 10, 20, 40, 80


def flat_genes(n_cells: int, n_genes: int) -> pd.DataFrame:
    """Return the fractions of flat genes that are rejected."""
    rows = []
    for number, depth in enumerate(DEPTHS):
        adata = datasets.simulate_lineage(n_cells, n_genes, 0, depth=depth, random_state=number)
        alone = datasets.simulate_lineage(n_cells, n_genes, 0, depth=depth, n_lineages=1, random_state=number)
        for name, model, options in (
            ("gaussian on log counts", GAM(), {}),
            ("negative binomial", GAM("negative_binomial"), {"layer": "counts", "offset": "log_size_factor"}),
            ("poisson", GAM("poisson"), {"layer": "counts", "offset": "log_size_factor"}),
        ):
            if name == "poisson":  # a Poisson model is valid for Poisson counts only, and these are overdispersed
                options = options | {"layer": "poisson"}
            for weights, cells in (("unit", alone), ("fate", adata)):
                if "poisson" not in cells.layers:
                    cells.layers["poisson"] = poisson_counts(cells, number)
                fitted = TrendClusterer(model, alpha=None, **options).fit(cells, lineage="lineage_1")
                table = fitted.gene_table_
                seen = table.index.isin(
                    cells.var_names[np.asarray((cells.layers["counts"] > 0).sum(axis=0)).ravel() >= 20]
                )
                pvalue = table["pvalue"].to_numpy()[seen]
                rows.append((depth, name, weights, len(pvalue), np.mean(pvalue < 0.05), np.mean(pvalue < 0.01)))
    return pd.DataFrame(rows, columns=["depth", "model", "weights", "genes", "p < .05", "p < .01"])


def rare_genes(n_cells: int, n_genes: int, seed: int = 0) -> pd.DataFrame:
    """Return the fractions of rare flat genes with small p-values, with and without allowing for kurtosis and outliers."""
    rng, rows = np.random.default_rng(seed), []
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    for n_expressing in EXPRESSING:
        t = np.sort(rng.uniform(size=n_cells))
        design = smoother.fit_transform(t[:, None])
        logs = rare_expression(rng, n_cells, n_genes, n_expressing)
        # two of five cells hardly belong to the lineage
        fate = rng.uniform(size=n_cells) * np.where(rng.uniform(size=n_cells) < 0.4, 0.02, 1.0)
        wide = hstack([design, np.random.default_rng(n_expressing).normal(size=(n_cells, 1))], format="csr")
        for weights, w in (("unit", np.ones(n_cells)), ("fate", fate)):
            for covariates, columns in (("none", design), ("one", wide)):
                tests = GAM().fit(columns, logs, w, smoother.penalty_)._tests
                for kurtosis, own in (("allowed for", tests), ("ignored", replace(tests, factors=None, others=None))):
                    rows.append((n_expressing, weights, covariates, kurtosis, *rates(own.run()[1])))
    return pd.DataFrame(rows, columns=["expressing", "weights", "covariates", "kurtosis", *RATES])


def rare_differences(n_cells: int, n_genes: int, seed: int = 0) -> pd.DataFrame:
    """Return the fractions of rare flat genes with small p-values between two conditions, with cells as replicates."""
    rng, rows = np.random.default_rng(seed), []
    smoother = BSplineSmoother(n_splines=10, domain=(0.0, 1.0))
    for n_expressing in EXPRESSING[1:]:
        design = smoother.fit_transform(rng.uniform(size=(n_cells, 1)))
        logs = rare_expression(rng, n_cells, n_genes, n_expressing)
        for share in (0.5, 0.15):
            conditions = rng.uniform(size=n_cells) < share
            gam = ConditionGAM().fit(design, logs, conditions, penalty=smoother.penalty_)
            rows += [(n_expressing, share, test, *rates(pvalue)) for test, pvalue in gam.pvalues_.items()]
    return pd.DataFrame(rows, columns=["expressing", "smaller condition", "test", *RATES])


def few_late_cells(n_cells: int = 80, n_genes: int = 700, n_sets: int = 20) -> pd.DataFrame:
    """Return the fractions of flat genes with small p-values in counts of lineages with few late cells."""
    rows, smoother = [], BSplineSmoother(domain=(0.0, 1.0))
    for family in ("negative_binomial", "poisson"):
        for weights in ("unit", "fate"):
            pvalues: list[float] = []
            for seed in range(n_sets):
                rng = np.random.default_rng(seed)
                t = rng.beta(0.5, 3, n_cells)
                fate = np.where(rng.uniform(size=n_cells) < 0.5, 1.0, 0.05) if weights == "fate" else np.ones(n_cells)
                offset, mean = rng.normal(0, 0.4, n_cells), np.exp(rng.normal(-1, 1.5, n_genes))
                noise = rng.gamma(2, 0.5, (n_cells, n_genes)) if family == "negative_binomial" else 1.0
                counts = csr_array(rng.poisson(np.exp(offset)[:, None] * mean * noise), dtype=float)
                design = smoother.fit_transform((t / t.max())[:, None])
                fitted = GAM(family).fit(design, counts, fate, smoother.penalty_, offset)
                pvalues += fitted.pvalue_[~np.isnan(fitted.pvalue_)].tolist()
            rows.append((family, weights, len(pvalues), *rates(np.array(pvalues))))
    return pd.DataFrame(rows, columns=["family", "weights", "genes", *RATES])


def rare_expression(rng, n_cells: int, n_genes: int, n_expressing: int) -> csr_array:
    size = np.exp(rng.normal(0, 0.4, n_cells))[:, None]
    counts = rng.poisson(n_expressing / n_cells * size * rng.gamma(2.0, 0.5, (n_cells, n_genes)))
    return csr_array(np.log1p(counts / size))


def rates(pvalue: np.ndarray) -> list[float]:
    return [np.mean(pvalue < level) for level in LEVELS]


def poisson_counts(adata, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rate = np.exp(adata.var["baseline"].to_numpy()) / 1e4
    return rng.poisson(adata.obs["total_counts"].to_numpy()[:, None] * rate).astype(np.float32)


def weak_genes(n_cells: int, n_genes: int, seed: int = 0) -> pd.DataFrame:
    """Return, for several shapes, the amplitude with 80 % power and the fraction of such genes that is clustered."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(size=n_cells))
    fate = np.clip(rng.beta(2, 1, n_cells), 0.01, 1)
    shapes = {
        "line": t,
        "late rise": 1 / (1 + np.exp(-(t - 0.75) / 0.06)),
        "peak": np.exp(-0.5 * ((t - 0.5) / 0.1) ** 2),
    }
    smoother = BSplineSmoother(domain=(0.0, 1.0)).fit(t[:, None])
    design = smoother.transform(t[:, None])
    rows = []
    for name, shape in shapes.items():
        amplitude = amplitude_of_power(t, shape, rng)
        y = rng.normal(size=(n_cells, 2 * n_genes))
        y[:, :n_genes] += amplitude * shape[:, None]
        for weights, w in (("unit", np.ones(n_cells)), ("fate", fate)):
            gam = GAM().fit(design, y, w, penalty=smoother.penalty_)
            kept = adjust(gam.pvalue_) < 0.01
            rows.append((name, amplitude, weights, kept[:n_genes].mean(), kept[n_genes:].mean()))
    return pd.DataFrame(rows, columns=["shape", "amplitude", "weights", "kept", "flat kept"])


def amplitude_of_power(t: np.ndarray, shape: np.ndarray, rng, n_genes: int = 150) -> float:
    """Return the amplitude (in standard deviations of a cell) for which mgcv's test has 80 % power at the 0.01 level."""
    low, high = 0.0, 2.0
    for _ in range(7):
        middle = (low + high) / 2
        y = rng.normal(size=(len(t), n_genes)) + middle * shape[:, None]
        found = MgcvGAM(k=20).fit(t[:, None], y).pvalue_ < LEVEL
        low, high = (low, middle) if found.mean() > POWER else (middle, high)
    return (low + high) / 2


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--genes", type=int, default=2000)
    arguments = parser.parse_args(argv)
    print(flat_genes(arguments.cells, arguments.genes).round(4).to_string(index=False))
    for rare in (rare_genes, rare_differences):
        print("\n" + rare(arguments.cells // 2, 10 * arguments.genes).to_string(index=False))
    print("\n" + few_late_cells().to_string(index=False))
    try:
        print("\n" + weak_genes(500, 400).round(3).to_string(index=False))
    except (ImportError, NoTrendError) as error:
        print(f"\nweak genes: left out, for mgcv is needed ({error})")


if __name__ == "__main__":
    main()
