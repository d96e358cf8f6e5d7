"""Read the expression of an AnnData: small matrices in memory unchanged, others block by block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from ...errors import UnknownNameError, did_you_mean, quoted
from ...expression.storage.blocks import BlockedExpression
from ...expression.storage.memory_budget import parse_budget
from ...expression.storage.sources import in_dask, is_stored, nbytes
from ...utils.checking import check_key
from .names import Symbols, gene_names, var_table

_LARGE = 2**20  # number of stored values above which subsets of a matrix in memory are not copied


def expression_of(
    adata: AnnData, genes: Sequence[str], layer: str | None = None, use_raw: bool = False, memory_budget: object = None,
    gene_symbols: Symbols = None,
):  # fmt: skip
    """Return the expression `(n_obs, n_genes)` of some genes in all cells, in the form used by `Lineage`."""
    matrix = expression_matrix(adata, layer, use_raw, memory_budget)
    return take(matrix, np.arange(matrix.shape[0]), columns_of(adata, genes, use_raw, gene_symbols))


def columns_of(adata: AnnData, genes: Sequence[str], use_raw: bool, gene_symbols: Symbols = None) -> np.ndarray:
    """Return the column positions of genes; their names must be unique, other names may be duplicated."""
    position = {name: column for column, name in enumerate(gene_names(adata, use_raw, gene_symbols))}
    return np.array([position[name] for name in genes])


def layer_names(adata: AnnData) -> list[str]:
    """Return the names of layers without None, which is X in anndata 0.13."""
    return [name for name in adata.layers if name is not None]


def expression_matrix(adata: AnnData, layer: str | None, use_raw: bool, memory_budget: object = None):
    """Return a matrix in memory, or a BlockedExpression of one that is large, in dask, or too large in its file."""
    budget = parse_budget(memory_budget)
    matrix: Any = None
    cells: Any = None
    columns: Any = None
    if adata.is_view and not use_raw and getattr(adata, "_adata_ref", None) is not None:
        # accessing X of a view loads it: use the parent instead
        matrix, cells, columns = stored_matrix(adata._adata_ref, layer, use_raw), adata._oidx, adata._vidx
    if not is_stored(matrix) or in_dask(matrix):
        matrix, cells, columns = stored_matrix(adata, layer, use_raw), None, None
    if is_stored(matrix) and (in_dask(matrix) or nbytes(matrix) > budget):
        matrix = BlockedExpression(matrix, budget)
        return matrix if cells is None else matrix[cells][:, columns]
    if cells is not None:
        matrix = stored_matrix(adata, layer, use_raw)
    if not (sparse.issparse(matrix) or isinstance(matrix, np.ndarray)):
        matrix = matrix.to_memory() if hasattr(matrix, "to_memory") else np.asarray(matrix)
    if matrix.dtype.kind == "c":
        raise TypeError("Expression must be real; its dtype is complex. Pass e.g. its absolute values.")
    if sparse.issparse(matrix) and matrix.format not in ("csr", "csc"):
        matrix = matrix.tocsr()
    return BlockedExpression(matrix, budget) if sparse.issparse(matrix) and matrix.nnz >= _LARGE else matrix


def stored_matrix(adata: AnnData, layer: str | None, use_raw: bool):
    """Return X, a layer or raw.X as stored."""
    check_key("layer", layer)
    if use_raw:
        if layer not in (None, "X"):
            raise ValueError(f"use_raw=True and layer={layer!r} are mutually exclusive. Pass one of them.")
        return adata.raw.X
    if layer is None or layer == "X":
        if adata.X is None:
            raise ValueError(f"adata.X is None. Pass layer= one of {quoted(layer_names(adata)) or 'none'}.")
        return adata.X
    if layer not in adata.layers:
        raise UnknownNameError(
            f"Layer {layer!r} is not in adata.layers, which has {quoted(layer_names(adata)) or 'no entry'}."
            f"{did_you_mean(layer, layer_names(adata))}"
        )
    return adata.layers[layer]


def with_annotations(adata: AnnData) -> AnnData:
    """Return the AnnData with its tables loaded if it was opened by `read_lazy`; matrices are not loaded."""
    if isinstance(adata.obs, pd.DataFrame):
        return adata
    tables = {name: _in_memory(table) for name, table in adata.obsm.items()}
    return AnnData(
        adata.X, obs=_in_memory(adata.obs), var=var_table(adata, False), obsm=tables,
        layers=dict(adata.layers), uns=dict(adata.uns), raw=None if adata.raw is None else adata.raw,
    )  # fmt: skip


def _in_memory(table: Any) -> Any:
    if hasattr(table, "to_memory"):
        return table.to_memory()
    return table.compute() if in_dask(table) else table


def take(matrix, cells: np.ndarray, columns: np.ndarray):
    """Return the sub-matrix of some cells and genes, without a copy if all are selected."""
    if isinstance(matrix, BlockedExpression):
        return matrix[cells, columns]
    if len(columns) != matrix.shape[1] or np.any(np.diff(columns) != 1):
        if not (sparse.issparse(matrix) and matrix.format == "csc") and len(cells) < matrix.shape[0]:
            return matrix[cells][:, columns]  # rows first, because they are contiguous
        matrix = matrix[:, columns]
    return matrix[cells] if len(cells) < matrix.shape[0] else matrix
