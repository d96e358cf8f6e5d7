"""Whether expression values are imputed or denoised: compared with those they were made from, zeros have become positive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ...expression.storage.blocks import BlockedExpression
from ...expression.value_kinds import evenly_spaced
from .expression import expression_matrix, whole_of

if TYPE_CHECKING:
    from anndata import AnnData

_SOURCE_OF_X = "counts"
_N_CELLS, _N_GENES = 500, 500
_N_IN_PART = 2**19


def original_of_imputed(adata: AnnData, layer: str | None, use_raw: bool) -> str | None:
    """Return the layer ("X" = X) with the values that others were imputed from; `None` if these are not imputed.

    X is the source of a layer, and the layer "counts" that of X. Values are imputed if most zeros of the source are
    different positive numbers. Normalised or scaled zeros are not: they are equal in a cell or in a gene, or negative.
    """
    of_x = layer in (None, "X")
    source = _SOURCE_OF_X if of_x else "X"
    if use_raw or (_SOURCE_OF_X not in adata.layers if of_x else whole_of(adata).X is None):
        return None
    values, before = _parts(*(expression_matrix(adata, name, False, load=False) for name in (layer, source)))
    values = values[before == 0]
    positive = values[(values > 0) & np.isfinite(values)]
    most = len(values) / 2
    return source if len(positive) > most and len(np.unique(positive)) > most else None


def _parts(*matrices: Any) -> list[np.ndarray]:
    """Return the values of the same cells and genes of two matrices; none if they are stored gene by gene in a file."""
    n_cells, n_genes = matrices[0].shape
    cells, blocks = np.arange(n_cells), [(np.arange(n_cells), matrix) for matrix in matrices]
    for number, matrix in enumerate(matrices):
        if isinstance(matrix, BlockedExpression):
            where, block = (slice(None), matrix.stored) if matrix.in_memory else matrix.head(_N_IN_PART)
            blocks[number] = np.arange(n_cells)[where], block
            cells = np.intersect1d(cells, blocks[number][0])
    if any(block.shape[1] != n_genes for _, block in blocks):
        return [np.zeros(0)] * 2
    cells = cells[evenly_spaced(len(cells), _N_CELLS)]
    genes = evenly_spaced(n_genes, _N_GENES)
    return [_dense(block, np.searchsorted(where, cells), genes) for where, block in blocks]


def _dense(block: Any, cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
    if not sparse.issparse(block):
        return np.asarray(block)[np.ix_(cells, genes)]
    part = block[:, genes][cells] if block.format == "csc" else block.tocsr()[cells][:, genes]
    return part.toarray()
