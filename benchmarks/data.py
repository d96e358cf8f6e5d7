"""Simulated sparse data of any size for timing, reproducible by seed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

SHIFT = 0.1  # added to expression for families without zeros, such as the gamma
_BLOCK = 200  # genes generated at a time, to avoid a dense copy of the whole


def make_data(n_cells: int, n_genes: int, seed: int = 0) -> AnnData:
    """Return log1p of negative binomial counts along one lineage, as float32 CSR with about 40 % nonzeros.

    Half of the genes have a peak of width 0.15 at a random pseudotime, the others are flat. `obs["pseudotime"]` is
    uniform, `obsm["lineages_fwd"]` has two lineages with probabilities that sum to 1.
    """
    rng = np.random.default_rng(seed)
    time = rng.uniform(0, 1, n_cells)
    fate = np.clip(1 / (1 + np.exp(-8 * (time - 0.4) * rng.choice([-1, 1], n_cells))), 0, 1)
    dispersion = 2.0
    blocks = []
    for first in range(0, n_genes, _BLOCK):
        n_block = min(_BLOCK, n_genes - first)
        base = rng.lognormal(-0.85, 1.0, n_block)
        height = np.where(np.arange(first, first + n_block) % 2 == 0, 2.0, 0.0)
        peak = rng.uniform(0, 1, n_block)
        mean = base * (1 + height * np.exp(-(((time[:, None] - peak) / 0.15) ** 2)))
        counts = rng.poisson(rng.gamma(dispersion, mean / dispersion))
        blocks.append(sparse.csc_matrix(np.log1p(counts, dtype=np.float32)))
    return AnnData(
        sparse.hstack(blocks, format="csr"),
        obs=pd.DataFrame({"pseudotime": time}, index=[f"cell{index}" for index in range(n_cells)]),
        var=pd.DataFrame(index=[f"gene{index}" for index in range(n_genes)]),
        obsm={"lineages_fwd": pd.DataFrame({"A": fate, "B": 1 - fate}, index=[f"cell{i}" for i in range(n_cells)])},
    )
