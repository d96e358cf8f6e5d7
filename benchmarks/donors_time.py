"""Time of fits of counts with and without donors, in `python -m benchmarks.donors --time`."""

from __future__ import annotations

from time import process_time

import numpy as np
from scipy import sparse

from lineage_clust import GAM, BSplineSmoother

from .donors_data import EFFECTS, simulate_counts

_TOGETHER = 100  # simulated genes
_EFFECT = 2  # levels and curves of 0.25


def sparse_counts(
    rng: np.random.Generator, n_donors: int, n_genes: int, n_cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, sparse.csr_array]:
    """Return time, donors, log depth and counts `(n_cells, n_genes)`, thinned from those of 100 genes to save memory."""
    time, donor, Y, depth, _ = simulate_counts(rng, n_donors, _TOGETHER, n_cells, False, EFFECTS[_EFFECT])
    counts, blocks = Y.astype(np.int64), []
    for number in range(0, n_genes, _TOGETHER):
        kept = rng.binomial(counts, rng.uniform(0.05, 0.6, _TOGETHER))[:, : n_genes - number]
        blocks.append(sparse.csr_array(kept.astype(np.float32)))
    return time, donor, depth, sparse.csr_array(sparse.hstack(blocks))


def measure_time(
    n_genes: int, n_cells: int, n_donors: int, family: str, seed: int, repeats: int = 3
) -> tuple[float, float]:
    """Return the least CPU seconds of fits and tests without and with donors, run in turn; use one thread."""
    time, donor, depth, Y = sparse_counts(np.random.default_rng(seed), n_donors, n_genes, n_cells)
    smoother = BSplineSmoother(domain=(0.0, 1.0))
    design = smoother.fit_transform(time[:, None])
    seconds: list[list[float]] = [[], []]
    for repeat in range(repeats + 1):
        for into, groups in zip(seconds, (None, donor), strict=True):
            start = process_time()
            GAM(family).fit(design, Y, penalty=smoother.penalty_, offset=depth, groups=groups).pvalue_  # noqa: B018
            if repeat:  # the first ones compile
                into.append(process_time() - start)
    return min(seconds[0]), min(seconds[1])
