"""Data thinning: every count is split at random into two independent parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

from ..expression.storage.sources import in_dask

_VALUES_A_BLOCK = 2**22
_LEAST_DISPERSION = 1e-12  # counts with smaller dispersion are Poisson, as its inverse may overflow


@dataclass(frozen=True)
class Splitter:
    """Parameters of the split.

    fraction : Expected fraction of the first part.
    dispersion : `(n_genes,)` of the negative binomial, variance = mean + dispersion * mean ** 2; 0 is Poisson.
    seed : Seed. Each cell has its own random numbers, derived from the seed and its position, so that the parts do not
        depend on how the matrix is stored or read.

    For a negative binomial count x of size ``b = 1 / dispersion``, the first part is beta-binomial: binomial of x with a
    probability from Beta(f b, (1 - f) b). The parts are then independent negative binomials of sizes f b and (1 - f) b,
    with means of f and 1 - f times that of x [1]_. With dispersion 0 the probability is f, and the parts are
    independent Poisson counts [2]_.

    References
    ----------
    .. [1] Neufeld, Dharamshi, Gao & Witten (2024). Data thinning for convolution-closed distributions. Journal of Machine
       Learning Research 25(57), 1-35.
    .. [2] Neufeld, Gao, Popp, Battle & Witten (2024). Inference after latent variable estimation for single-cell RNA
       sequencing data. Biostatistics 25(1), 270-287.
    """

    fraction: float
    dispersion: np.ndarray
    seed: int

    def of_rows(self, counts: sparse.csr_matrix, first_row: int = 0) -> np.ndarray:
        """Return the first part of each stored value of some cells, `(n_stored,)`; `counts` are canonical."""
        whole = counts.data.astype(np.int64)
        overdispersed = self.dispersion > _LEAST_DISPERSION
        size = np.divide(1.0, self.dispersion, out=np.zeros(len(overdispersed)), where=overdispersed)
        first = np.empty(len(whole), dtype=np.int64)
        bits = np.random.Philox(key=self.seed)
        generator, state = np.random.Generator(bits), bits.state
        for row, (start, stop) in enumerate(zip(counts.indptr[:-1], counts.indptr[1:], strict=True)):
            # equivalent to Philox(key=seed, counter=cell << 128), in a tenth of the time
            state["state"]["counter"][:] = 0, 0, first_row + row, 0
            bits.state = state
            genes = counts.indices[start:stop]
            share = np.full(stop - start, self.fraction)
            varies = overdispersed[genes]
            own = size[genes[varies]]
            share[varies] = generator.beta(self.fraction * own, (1 - self.fraction) * own)
            first[start:stop] = generator.binomial(whole[start:stop], share)
        return first

    def parts(self, counts: Any) -> tuple[Any, Any]:
        """Return both parts of a matrix, see :meth:`blocks`, as arrays or CSR with the data type of the counts."""
        firsts, seconds = zip(*self.blocks(counts), strict=True)
        stack = (lambda blocks: sparse.vstack(blocks, format="csr")) if sparse.issparse(firsts[0]) else np.vstack
        return stack(firsts), stack(seconds)

    def blocks(self, counts: Any) -> Iterator[tuple[Any, Any]]:
        """Yield both parts of blocks of cells in order.

        `counts` are an array, sparse matrix, or any object whose row slices are one of these; or a dask array with one chunk
        of genes, of which each chunk is a block.
        """
        n_cells, n_genes = counts.shape
        step, lazy = max(1, _VALUES_A_BLOCK // max(1, n_genes)), in_dask(counts)
        ends = np.cumsum(counts.chunks[0]) if lazy else [*range(step, n_cells, step), n_cells]
        for start, stop in pairwise([0, *map(int, ends)]):
            block = counts[start:stop]
            yield self.of_block(block.compute() if lazy else block, start)

    def of_block(self, block: Any, first_row: int = 0) -> tuple[Any, Any]:
        """Return both parts of a block of cells, as an array or CSR.

        raises ValueError : If a value is not a count.
        """
        is_sparse = sparse.issparse(block)
        whole = canonical(block)
        check_counts(whole.data)
        first = whole.copy()
        first.data = self.of_rows(whole, first_row).astype(whole.dtype)
        second = whole.copy()
        second.data = whole.data - first.data
        for part in (first, second):
            part.eliminate_zeros()
        return (first, second) if is_sparse else (first.toarray(), second.toarray())


def canonical(block: Any) -> sparse.csr_matrix:
    """Return a copy of a block of cells as CSR with sorted columns, without duplicates and explicit zeros."""
    if block.dtype == np.float16:  # not supported by sparse matrices
        block = block.astype(np.float32)
    rows = sparse.csr_matrix(block, copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    return rows


def check_counts(values: np.ndarray) -> None:
    """Raise a ValueError unless all values are counts."""
    if values.dtype == bool:
        raise ValueError(
            "Only counts can be split, but the values are True and False. Pass the layer of counts as layer=...."
        )
    with np.errstate(invalid="ignore"):
        wrong = ~((values >= 0) & (values == np.rint(values)) & (values < np.inf))
    if wrong.any():
        raise ValueError(
            f"Only counts can be split, but there is the value {values[wrong][0]!s}. Pass the layer of counts as "
            "layer=...; estimated counts can be rounded (numpy.rint)."
        )
    # larger integers are not all representable, and parts would not add up
    limit = 2**24 if values.dtype == np.float32 else 2**53
    if len(values) and values.max() >= limit:
        raise ValueError(
            f"The count {values.max().item():.4g} is too large to be split exactly; in {values.dtype} counts must be below "
            f"{limit:,}. Store them as {'int64' if limit < 2**53 else 'smaller numbers'}."
        )
