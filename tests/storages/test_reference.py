"""Fits of all storages equal a slow mixed model with dense covariances, with smoothing found by brute force."""

from __future__ import annotations

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lineage_clust as lc

from . import reference
from .storages import STORAGES

IN_MEMORY = [name for name in STORAGES if not name.startswith("backed") and name not in ("memory-mapped", "dask")]
DIFFERENCES = ("edf", "log lambda", "trend", "se")


def compare(seed: int, family: str, n_genes: int, most_cells: int = 150) -> dict[str, tuple[float, ...]]:
    """Return the DIFFERENCES of each gene from the reference; those of trend and standard error are relative."""
    rng = np.random.default_rng(seed)
    n_cells = int(rng.integers(26, most_cells))
    times, weights = np.sort(rng.beta(*rng.uniform(0.6, 2.0, 2), n_cells)), rng.uniform(0.01, 1, n_cells)
    mean = rng.uniform(0.5, 5, n_genes) * (
        1 + np.sin(np.outer(times, rng.uniform(-8, 8, n_genes)) + rng.uniform(0, 6, n_genes))
    )
    Y = rng.poisson(mean).astype(float)
    depth = rng.normal(size=n_cells) if family == "gaussian" and rng.random() < 0.5 else None
    storage = str(rng.choice(IN_MEMORY))
    obs = pd.DataFrame({"pt": times, "w": weights, "depth": 0.0 if depth is None else depth})
    adata = ad.AnnData(STORAGES[storage](Y, None), obs.set_index(obs.index.astype(str)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tc = lc.TrendClusterer(
            lc.GAM(family, covariance="bayes"), clusterer=lc.GraphClusterer(2, resolution=1.0), time_key="pt",
            lineage_key="w", time_range=(0.0, 1.0), covariates=None if depth is None else ["depth"], offset=None,
            alpha=None, n_points=25, weight_threshold=(0.0, 0.0),
        ).fit(adata)  # fmt: skip
    table, rows, found = tc.gene_table_, {gene: row for row, gene in enumerate(tc.genes_)}, {}
    for number, gene in enumerate(adata.var_names):
        if gene not in rows or np.ptp(Y[:, number]) == 0:
            continue
        options = {} if depth is None else {"covariate": depth}
        slow = getattr(reference, family)(times, Y[:, number], weights, tc.pseudotime_, **options)
        is_line = slow.edf < 2.1 + (depth is not None)  # whose lambda may be any large number
        found[f"seed {seed}, {storage}, {gene}"] = (
            abs(table.loc[gene, "edf"] - slow.edf),
            0.0 if is_line else abs(np.log(table.loc[gene, "lambda"]) - slow.log_lambda),
            np.abs(tc.trends_[rows[gene]] - slow.trend).max() / np.abs(slow.trend).max(),
            np.abs(tc.trend_se_[rows[gene]] / slow.se - 1).max(),
        )
    return found


def assert_close(found: dict[str, tuple[float, ...]], n_least: int, most: float) -> None:
    assert len(found) >= n_least
    for about, differences in found.items():
        assert max(differences) < most, (about, dict(zip(DIFFERENCES, differences, strict=True)))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.first(1)
def test_gaussian_fits_are_those_of_a_mixed_model(seed):
    assert_close(compare(seed, "gaussian", 3, most_cells=80), 2, 1e-4)


def test_poisson_fits_are_those_of_a_mixed_model():
    assert_close(compare(0, "poisson", 2, most_cells=60), 1, 1e-3)


@pytest.mark.slow
def test_many_gaussian_fits_are_those_of_a_mixed_model():
    for seed in range(100, 110):
        assert_close(compare(seed, "gaussian", 4), 3, 1e-4)


@pytest.mark.slow
def test_many_poisson_fits_are_those_of_a_mixed_model():
    for seed in range(100, 104):
        assert_close(compare(seed, "poisson", 3), 2, 1e-3)
