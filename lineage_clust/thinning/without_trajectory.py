"""Counts without a trajectory: simulated, or permuted per gene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ..io.cells import make_anndata
from ..lineage.genes.expression import columns_of, stored_matrix, with_annotations
from .dispersion import estimate_dispersion
from .halves import some_rows

if TYPE_CHECKING:
    from anndata import AnnData

_VALUES_AT_A_TIME = 2**22
COUNTS = "counts"


def counts_of(adata: AnnData, layer: str | None, genes: Sequence[str], n_cells: int, seed: np.random.RandomState):
    """Return the counts of some genes as CSR, of all cells or a random sample of `n_cells`.

    raises ValueError : If a value is not a count.
    """
    adata = with_annotations(adata)
    counts = some_rows(stored_matrix(adata, layer, False), seed, n_cells)
    return counts[:, columns_of(adata, genes, False)]


def simulated(counts: sparse.csr_matrix, seed: np.random.RandomState) -> sparse.csr_matrix:
    """Return simulated negative binomial counts with the mean of each gene and the depth of each cell.

    Each gene keeps its fraction of all counts and its dispersion around the mean of the cell; each cell its expected total.
    """
    dispersion = estimate_dispersion(counts, seed)
    generator = np.random.default_rng(seed.randint(2**31 - 1))
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    means, size = np.asarray(counts.mean(axis=0), dtype=float).ravel(), totals / max(totals.mean(), 1e-300)
    blocks = []
    for genes in _some_genes(counts.shape):
        rate = np.outer(size, means[genes])
        shape = 1 / np.maximum(dispersion[genes], 1e-6)
        rate *= generator.gamma(shape, 1 / shape, rate.shape)
        blocks.append(sparse.csc_matrix(generator.poisson(rate).astype(np.int32)))
    return sparse.hstack(blocks, format="csr")


def permuted(counts: sparse.csr_matrix, seed: np.random.RandomState) -> sparse.csr_matrix:
    """Return counts permuted among all cells, separately per gene; the depth of cells then varies only by chance.

    Permuting among cells with similar totals would keep their depth, but also the association of genes with it: cells
    of one type are often similar in depth, and the types would remain distinct.
    """
    generator = np.random.default_rng(seed.randint(2**31 - 1))
    by_gene = counts.tocsc()
    blocks = []
    for genes in _some_genes(counts.shape):
        blocks.append(sparse.csc_matrix(generator.permuted(by_gene[:, genes].toarray(), axis=0)))
    return sparse.hstack(blocks, format="csr")


def _some_genes(shape: tuple[int, int]) -> Iterator[slice]:
    step = max(1, _VALUES_AT_A_TIME // max(1, shape[0]))
    return (slice(start, start + step) for start in range(0, shape[1], step))


def as_anndata(counts: Any, like: AnnData, genes: Sequence[str], obs: Any = None) -> AnnData:
    """Return an AnnData with the counts in the layer "counts", and log1p of the counts per median total in `X`."""
    totals = np.asarray(counts.sum(axis=1), dtype=float).ravel()
    factor = np.median(totals[totals > 0]) / np.maximum(totals, 1.0) if totals.any() else np.ones(len(totals))
    logs = sparse.csr_matrix(counts.multiply(factor[:, None]))
    np.log1p(logs.data, out=logs.data)
    return make_anndata(logs, obs, like.var.loc[list(genes)], {COUNTS: counts})
