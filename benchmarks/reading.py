"""`python -m benchmarks.reading`: effects of unsuitable weights, values or covariates.

Three tables: the threshold of weights in rare lineages; counts and depth; a batch confounded with time. All data are
simulated, so that the changing genes are known.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from lineage_clust import GAM, GraphClusterer, TrendClusterer
from lineage_clust.errors import LineageClustWarning

_LEVEL = 0.01


def floors(n_cells: int = 10_000, n_genes: int = 100, seeds: int = 3) -> pd.DataFrame:
    """Return the fractions of significant genes in a lineage with one-hot weights, by its fraction of the cells.

    Half of the genes are flat in the lineage and rise in all other cells; half rise in the lineage and are flat
    elsewhere.
    """
    rows = []
    for share in (0.02, 0.05, 0.1, 0.3):
        for floor in (0.01, 0.0):
            called = np.mean([_rare(share, floor, n_cells, n_genes, seed) for seed in range(seeds)], axis=0)
            rows.append((share, floor, *called))
    return pd.DataFrame(rows, columns=["share of cells", "floor", "flat called", "changing found"])


def _rare(share: float, floor: float, n_cells: int, n_genes: int, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(100 + seed)
    time, own = rng.random(n_cells), rng.random(n_cells) < share
    flat = np.arange(n_genes) < n_genes // 2
    rises = own[:, None] != flat  # flat genes rise in the other lineages
    values = np.where(rises, 2 * time[:, None], 1.0) + rng.normal(0, 0.5, (n_cells, n_genes))
    adata = _anndata(values, time)
    adata.obs["rare"] = own.astype(float)
    return _called(adata, flat, lineage_key="rare", weight_threshold=(0.01, floor), time_range=(0, 1))


def depths(n_genes: int = 200, seeds: int = 2) -> pd.DataFrame:
    """Return the fraction of significant flat genes if depth changes along pseudotime, and the frequency of a warning."""
    ways: list[tuple] = [
        ("counts, Gaussian", None, {"layer": "counts"}),
        ("counts, negative binomial", GAM("negative_binomial"), {"layer": "counts"}),
        ("the same, with offset", GAM("negative_binomial"), {"layer": "counts", "offset": "size_factors"}),
        ("log-normalised, Gaussian", None, {}),
    ]
    rows = []
    for n_cells in (500, 3000):
        for change in (1.0, 1.1, 1.2, 1.5, 2.0):
            row: list = [n_cells, change]
            for _, model, options in ways:
                found = [_at_depth(change, n_cells, n_genes, seed, model, options) for seed in range(seeds)]
                row += list(np.mean(found, axis=0))
            rows.append(row)
    names = [name for way, _, _ in ways for name in (way, "warned")]
    return pd.DataFrame(rows, columns=["cells", "depth changes", *names])


def _at_depth(change, n_cells, n_genes, seed, model, options) -> tuple[float, float]:
    rng = np.random.default_rng(200 + seed)
    time = rng.random(n_cells)
    depth = change**time * rng.lognormal(0, 0.3, n_cells)
    means = np.outer(depth, rng.lognormal(0, 1, n_genes))
    counts = rng.negative_binomial(3, 3 / (3 + means)).astype(np.float32)
    adata = _anndata(np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4), time)
    adata.layers["counts"] = sparse.csr_matrix(counts)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        called, _ = _called(adata, np.ones(n_genes, dtype=bool), model, **options)
    said = [str(one.message) for one in caught if issubclass(one.category, LineageClustWarning)]
    return called, float(any("a typical gene" in one or "looks like counts" in one for one in said))


def batches(n_genes: int = 120, seeds: int = 2) -> pd.DataFrame:
    """Return the fractions of significant genes with two batches that partly overlap in time, with and without covariate.

    In the second batch every gene is shifted by a random amount; a third of the genes is flat otherwise.
    """
    rows = []
    for n_cells in (300, 2000):
        for overlap in (0.0, 0.02, 0.1, 0.3, 1.0):
            row: list = [n_cells, overlap]
            for covariates in (None, ["batch"]):
                found = [_in_batches(overlap, n_cells, n_genes, seed, covariates) for seed in range(seeds)]
                known = [one for one in found if one is not None]
                row += list(np.mean(known, axis=0)) if known else [np.nan, np.nan]
            rows.append([*row, sum(one is None for one in found)])
    names = [
        "flat called",
        "changing found",
        "flat called, covariate",
        "changing found, covariate",
        f"refused of {seeds}",
    ]
    return pd.DataFrame(rows, columns=["cells", "overlap", *names])


def _in_batches(overlap, n_cells, n_genes, seed, covariates) -> tuple[float, float] | None:
    rng = np.random.default_rng(300 + seed)
    time = rng.random(n_cells)
    late = rng.random(n_cells) < np.clip((time - 0.5) / max(overlap, 1e-9) + 0.5, 0, 1)
    flat = np.arange(n_genes) % 3 == 0
    centre = rng.uniform(0.2, 0.8, n_genes)
    shapes = np.where(
        np.arange(n_genes) % 3 == 1, _switch(time, centre), np.exp(-0.5 * ((time[:, None] - centre) / 0.15) ** 2)
    )
    values = 0.6 * np.where(flat, 0.0, shapes) + np.outer(late, rng.normal(0, 0.3, n_genes))
    adata = _anndata(values + rng.normal(0, 0.7, values.shape), time)
    adata.obs["batch"] = np.where(late, "second", "first")
    try:
        return _called(adata, flat, covariates=covariates)
    except ValueError:
        return None


def _switch(time: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(time[:, None] - centre) / 0.08))


def _anndata(values: np.ndarray, time: np.ndarray) -> AnnData:
    return AnnData(values, obs=pd.DataFrame({"pseudotime": time}, index=[f"cell{cell}" for cell in range(len(time))]))


def _called(adata, flat, model=None, **options) -> tuple[float, float]:
    """Return the fractions of flat and of changing genes with a q-value below 0.01."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No gene is clustered")
        tc = TrendClusterer(model, clusterer=GraphClusterer(resolution=0.1), random_state=0, **options).fit(adata)
    called = (tc.gene_table_["qvalue"] < _LEVEL).reindex(adata.var_names, fill_value=False).to_numpy()
    return called[flat].mean(), called[~flat].mean() if (~flat).any() else np.nan


TABLES = {"floors": floors, "depths": depths, "batches": batches}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="which tables; all of them by default")
    for name in parser.parse_args(argv).tables or TABLES:
        print(f"\n{name}\n{TABLES[name]().to_string(index=False, float_format='%.2f')}", flush=True)


if __name__ == "__main__":
    main()
