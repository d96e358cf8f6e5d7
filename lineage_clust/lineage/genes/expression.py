"""The genes of an AnnData: their names, and their expression, as stored or read block by block."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from anndata import AnnData
from anndata.utils import make_index_unique
from scipy import sparse

from ...errors import UnknownNameError, counted, did_you_mean, quoted
from ...expression.storage.blocks import BlockedExpression, parse_budget
from ...expression.storage.sources import in_dask, is_stored, nbytes
from ...utils.checking import check_key
from ..columns import by_name

_LARGE = 2**20  # number of stored values above which subsets of a matrix in memory are not copied


@dataclass(frozen=True)
class FittedSymbols:
    """Gene names assigned in a fit, which are used for other cells as well.

    `ids` has the entry of `var_names` for each name; `column` of var has the symbols of genes that were not fitted.
    """

    column: str
    ids: Mapping[str, str] = field(default_factory=dict)


Symbols: TypeAlias = str | FittedSymbols | None


def gene_names(adata: AnnData, use_raw: bool = False, gene_symbols: Symbols = None) -> pd.Index:
    """Return the name of each gene: its symbol, made unique as in anndata ("A-1"), or without one its entry of `var_names`.

    With `use_raw` they are the genes of `adata.raw`; symbols may be in `adata.var` as well.
    """
    var_names = (adata.raw if use_raw else adata).var_names
    if gene_symbols is None:
        return var_names
    if not isinstance(gene_symbols, FittedSymbols):
        return _unique(_symbols(adata, use_raw, gene_symbols))
    name_of = {gene_id: name for name, gene_id in gene_symbols.ids.items()}
    fitted = var_names.isin(list(name_of))
    try:
        own = _symbols(adata, use_raw, gene_symbols.column)
    except UnknownNameError:  # other cells do not need the symbols of fitted genes
        own = pd.Index([str(name) for name in var_names], dtype=object)
    names = pd.Series([name_of.get(gene_id, name) for gene_id, name in zip(var_names, own, strict=True)], dtype=object)
    order = [*fitted.nonzero()[0], *(~fitted).nonzero()[0]]  # fitted genes keep their names
    names.iloc[order] = _unique(names.iloc[order]).to_numpy(dtype=object)
    return pd.Index(names, dtype=object)


def check_anndata(adata: object) -> None:
    """Raise a TypeError unless `adata` is an AnnData with cells and genes."""
    if not isinstance(adata, AnnData):
        raise TypeError(f"adata must be an AnnData (cells x genes); got {type(adata).__name__}. {how_to_pass(adata)}")
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise ValueError(f"adata is empty: it has {counted(adata.n_obs, 'cell')} and {counted(adata.n_vars, 'gene')}.")
    others = [name for name in adata.var_names if not isinstance(name, str)]
    if others:
        raise ValueError(
            f"var_names must be strings; {counted(len(others), 'name', 'is', 'are', of=adata.n_vars)} not, such as "
            f"{others[0]!r}. Convert them: adata.var_names = adata.var_names.astype(str)."
        )


def how_to_pass(found: object) -> str:
    """Return a hint on how to obtain an AnnData from the object, such as a MuData, which need not be installed."""
    modalities = getattr(found, "mod", None)
    if not isinstance(modalities, Mapping) or not any(isinstance(one, AnnData) for one in modalities.values()):
        return "Wrap a matrix with anndata.AnnData(X, obs=..., var=...)."
    names = [str(name) for name, one in modalities.items() if isinstance(one, AnnData)]
    best = next((name for name in names if name.lower() in ("rna", "gex", "gene expression")), names[0])
    others = "" if len(names) == 1 else f" It contains {quoted(names)}."
    return f"Pass mdata[{best!r}], the AnnData of one modality.{others}"


def resolve_genes(
    adata: AnnData, genes: Sequence[str] | None, *, use_raw: bool = False, gene_symbols: Symbols = None
) -> list[str]:
    """Return the names of the genes to fit, checked, without duplicates and in the given order.

    `genes` are names, a boolean mask over the genes, or `None` for all; with `gene_symbols` also entries of `var_names`.
    """
    check_anndata(adata)
    if use_raw and adata.raw is None:
        raise ValueError("use_raw=True, but adata.raw is None. Set adata.raw, or pass use_raw=False.")
    var_names = (adata.raw if use_raw else adata).var_names
    names = gene_names(adata, use_raw, gene_symbols)
    if genes is None:
        _check_unique(var_names, use_raw)
        return [str(name) for name in names]
    if isinstance(genes, (str, bytes)):
        raise TypeError(f"genes must be a sequence of names; got the string {genes!r}. Use genes=[{genes!r}].")
    if np.ndim(genes) == 0:
        raise TypeError(
            f"genes must be a sequence of names; got {genes!r} of type {type(genes).__name__}. Pass a list."
        )
    if isinstance(genes, pd.Series) and pd.api.types.is_bool_dtype(genes):
        genes = by_name("genes", genes, var_names, "genes")
    values = list(genes)
    if values and all(isinstance(value, (bool, np.bool_)) for value in values):
        if len(values) != len(var_names):
            raise ValueError(f"A boolean mask of genes needs {counted(len(var_names), 'value')}; got {len(values)}.")
        values = [name for name, chosen in zip(names, values, strict=True) if chosen]
    if not values:
        raise ValueError("genes is empty. Name at least one gene, or pass genes=None for all of them.")
    nested = [value for value in values if not isinstance(value, str) and np.ndim(value) > 0]
    if nested:
        raise TypeError(f"genes must be a flat sequence of names; it contains {nested[0]!r}.")
    known = set(names)
    name_of = {} if gene_symbols is None else dict(zip(var_names, names, strict=True))
    chosen = list(dict.fromkeys(value if value in known else name_of.get(value, value) for value in values))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise UnknownNameError(not_there(adata, unknown, names, use_raw, gene_symbols))
    _check_unique(var_names, use_raw, names.isin(chosen))
    return [str(name) for name in chosen]


def names_by_key(adata: AnnData, use_raw: bool, gene_symbols: Symbols = None) -> dict[str, str]:
    """Return the name of each gene of `adata` or of `adata.raw` by its name and its entry of `var_names`."""
    other = adata.var_names if use_raw or adata.raw is None else adata.raw.var_names
    ids, names = (adata.raw if use_raw else adata).var_names, gene_names(adata, use_raw, gene_symbols)
    names_of_ids = dict(zip(map(str, ids), map(str, names), strict=True))
    return {**{str(name): str(name) for name in other}, **names_of_ids, **{str(name): str(name) for name in names}}


def _check_unique(var_names: pd.Index, use_raw: bool, chosen: np.ndarray | bool = True) -> None:
    twice = var_names[var_names.duplicated(keep=False) & chosen].unique()
    if len(twice):
        remedy = "adata.var_names_make_unique()"
        if use_raw:  # the var_names of raw are read-only
            remedy = "raw = adata.raw.to_adata(), raw.var_names_make_unique() and adata.raw = raw"
        raise ValueError(f"var_names contains {quoted(twice, 5)} more than once. Call {remedy} first.")


def not_there(adata: AnnData, unknown: list, names: Sequence[str], use_raw: bool, gene_symbols: Symbols) -> str:
    """Return the message for unknown genes, with a hint on where they are found."""
    where = "adata.raw.var_names" if use_raw else "adata.var_names"
    if gene_symbols is not None:
        column = getattr(gene_symbols, "column", gene_symbols)
        where = f"adata{'.raw' if use_raw else ''}.var[{column!r}] or {where}"
    in_raw = adata.raw is not None and not use_raw and set(unknown) <= set(adata.raw.var_names)
    they = "It is" if len(unknown) == 1 else "They are"
    hint = f" {they} in adata.raw: pass use_raw=True." if in_raw else column_with(adata, unknown, use_raw)
    what = f"Gene {unknown[0]!r} is" if len(unknown) == 1 else f"{len(unknown)} genes ({quoted(unknown, 5)}) are"
    return f"{what} not in {where}.{hint or did_you_mean(unknown[0], names)}"


def gene_ids(adata: AnnData, genes: Sequence[str], use_raw: bool, gene_symbols: Symbols) -> dict[str, str]:
    """Return the entry of `var_names` for each of the given names."""
    ids = (adata.raw if use_raw else adata).var_names[columns_of(adata, genes, use_raw, gene_symbols)]
    return dict(zip(genes, map(str, ids), strict=True))


def column_with(adata: AnnData, unknown: Sequence[object], use_raw: bool) -> str:
    """Return a hint that names the column of var with most of the unknown names, or an empty string."""
    var = var_table(adata, use_raw)
    texts = {name: set(var[name].dropna().astype(str)) for name in var if not pd.api.types.is_numeric_dtype(var[name])}
    hits = {column: [name for name in unknown if str(name) in values] for column, values in texts.items()}
    best = max(hits, key=lambda column: len(hits[column]), default=None)
    if best is None or not hits[best]:
        return ""
    where = "adata.raw.var" if use_raw else "adata.var"
    return f" {hits[best][0]!r} is in {where}[{best!r}]: pass gene_symbols={best!r}."


def var_table(adata: AnnData, use_raw: bool) -> pd.DataFrame:
    """Return var, loaded into memory if the AnnData was opened by `read_lazy`."""
    var = (adata.raw if use_raw else adata).var
    return var if isinstance(var, pd.DataFrame) else var.to_memory()


def _symbols(adata: AnnData, use_raw: bool, column: str) -> pd.Index:
    """Return the symbol of each gene, or its entry of `var_names` where there is none."""
    check_key("gene_symbols", column)
    var = var_table(adata, use_raw)
    own = var_table(adata, False) if use_raw and column not in var else var
    if column not in own:
        raise UnknownNameError(
            f"gene_symbols {column!r} is not in var{' of adata or adata.raw' if use_raw else ''}, which has "
            f"{quoted(own.columns) or 'no column'}.{did_you_mean(column, own.columns)}"
        )
    symbols = own[column].astype(object)
    if own is not var:
        symbols = symbols[~own.index.duplicated()].reindex(var.index)
    known = symbols.notna() & (symbols.astype(str).str.strip() != "")
    return pd.Index(symbols.where(known, var.index).astype(str), dtype=object)


def _unique(names: Sequence[str]) -> pd.Index:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata warns of symbols that already end in "-1"
        return make_index_unique(pd.Index(names, dtype=object))


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


def whole_of(adata: AnnData) -> AnnData:
    """Return the AnnData of which this one is a view, or itself. Accessing X or raw.X of a view of a file loads it."""
    whole = getattr(adata, "_adata_ref", None)
    return whole if adata.is_view and whole is not None else adata


def expression_matrix(
    adata: AnnData, layer: str | None, use_raw: bool, memory_budget: object = None, load: bool = True
):
    """Return a matrix in memory, or a BlockedExpression of one that is large, in dask, or too large in its file.

    load : Whether to load what is in a file and fits into the budget.
    """
    budget = parse_budget(memory_budget)
    whole = whole_of(adata)
    matrix = stored_matrix(whole, layer, use_raw)
    if is_stored(matrix) and not in_dask(matrix) and (not load or nbytes(matrix) > budget):
        blocked = BlockedExpression(matrix, budget)
        if whole is adata:
            return blocked
        return blocked[adata._oidx] if use_raw else blocked[adata._oidx][:, adata._vidx]
    if whole is not adata:
        matrix = stored_matrix(adata, layer, use_raw)
    if in_dask(matrix):
        return BlockedExpression(matrix, budget)
    if not (sparse.issparse(matrix) or isinstance(matrix, np.ndarray)):
        matrix = matrix.to_memory() if hasattr(matrix, "to_memory") else np.asarray(matrix)
    if matrix.dtype.kind == "c":
        raise TypeError("Expression must be real; its dtype is complex. Pass e.g. its absolute values.")
    if sparse.issparse(matrix) and matrix.format not in ("csr", "csc"):
        matrix = matrix.tocsr()
    return BlockedExpression(matrix, budget) if sparse.issparse(matrix) and matrix.nnz >= _LARGE else matrix


def stored_matrix(adata: AnnData, layer: str | None, use_raw: bool):
    """Return X, a layer or raw.X as stored; objects as numbers, and masked values as NaN."""
    check_key("layer", layer)
    if use_raw:
        if layer not in (None, "X"):
            raise ValueError(f"use_raw=True and layer={layer!r} are mutually exclusive. Pass one of them.")
        return _of_numbers(adata.raw.X, "adata.raw.X")
    if layer is None or layer == "X":
        matrix = adata.X
        if matrix is None:
            raise ValueError(f"adata.X is None. Pass layer= one of {quoted(layer_names(adata)) or 'none'}.")
        return _of_numbers(matrix, "adata.X")
    if layer not in adata.layers:
        raise UnknownNameError(
            f"Layer {layer!r} is not in adata.layers, which has {quoted(layer_names(adata)) or 'no entry'}."
            f"{did_you_mean(layer, layer_names(adata))}"
        )
    return _of_numbers(adata.layers[layer], f"adata.layers[{layer!r}]")


def _of_numbers(matrix: Any, where: str) -> Any:
    if isinstance(matrix, np.ma.MaskedArray):
        matrix = np.ma.filled(matrix.astype(np.float64), np.nan)
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind in "buifc":
        return matrix
    try:
        return matrix.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} must be numeric: {error}.") from error


def with_annotations(adata: AnnData) -> AnnData:
    """Return the AnnData with its tables loaded if it was opened by `read_lazy`; matrices are not loaded."""
    if isinstance(adata.obs, pd.DataFrame):
        return adata
    tables = {name: _in_memory(table) for name, table in adata.obsm.items()}
    layers = {name: adata.layers[name] for name in layer_names(adata)}
    return AnnData(
        adata.X, obs=_in_memory(adata.obs), var=var_table(adata, False), obsm=tables,
        layers=layers, uns=dict(adata.uns), raw=None if adata.raw is None else adata.raw,
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
