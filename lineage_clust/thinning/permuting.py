"""Cells without a trajectory: the counts of each gene are permuted among cells of similar depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from anndata import AnnData
from scipy import sparse

from ..lineage.expression import columns_of, stored_matrix, with_annotations
from .halves import some_rows

_CELLS_A_STRATUM = 50
_VALUES_AT_A_TIME = 2**22
COUNTS = "counts"


def counts_of(adata: AnnData, layer: str | None, genes: Sequence[str], n_cells: int, seed: np.random.RandomState):
    """Return the counts of some genes as CSR: of all cells, or of `n_cells` of them, chosen at random.

    Raises
    ------
    ValueError
        If a value is not a count.
    """
    adata = with_annotations(adata)
    counts = some_rows(stored_matrix(adata, layer, False), seed, n_cells)
    return counts[:, columns_of(adata, genes, False)]


def permuted(counts: sparse.csr_matrix, seed: np.random.RandomState, keep_depth: bool) -> sparse.csr_matrix:
    """Return counts of which each gene's are permuted among the cells.

    Parameters
    ----------
    counts
        `(n_cells, n_genes)`.
    seed
        Source of the permutations.
    keep_depth
        Permute among about 50 cells of similar totals only, so that the totals of the cells vary as they did.
    """
    n_cells, n_genes = counts.shape
    generator = np.random.default_rng(seed.randint(2**31 - 1))
    order = np.argsort(np.asarray(counts.sum(axis=1)).ravel(), kind="stable")
    n_strata = max(1, n_cells // _CELLS_A_STRATUM) if keep_depth else 1
    strata = np.array_split(order, n_strata)
    by_gene, blocks = counts.tocsc(), []
    step = max(1, _VALUES_AT_A_TIME // max(1, n_cells))
    for start in range(0, n_genes, step):
        block = by_gene[:, start : start + step].toarray()
        for cells in strata:
            block[cells] = generator.permuted(block[cells], axis=0)
        blocks.append(sparse.csc_matrix(block))
    return sparse.hstack(blocks, format="csr")


def as_anndata(counts: Any, like: AnnData, genes: Sequence[str], obs: Any = None) -> AnnData:
    """Return an AnnData with counts in the layer "counts", and log1p of the counts per median total in `X`."""
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    factor = np.median(totals[totals > 0]) / np.maximum(totals, 1.0) if totals.any() else np.ones(len(totals))
    logs = sparse.csr_matrix(counts.multiply(factor[:, None]))
    np.log1p(logs.data, out=logs.data)
    made = AnnData(logs, obs=obs, var=like.var.loc[list(genes)])
    made.layers[COUNTS] = counts
    return made
