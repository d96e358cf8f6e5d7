"""Names of genes: `var_names`, or the symbols in a column of var."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pandas as pd
from anndata import AnnData
from anndata.utils import make_index_unique

from ..errors import UnknownNameError, did_you_mean, quoted
from ..utils.checking import check_key


@dataclass(frozen=True)
class FittedSymbols:
    """Gene names assigned in a fit, which are used for other cells as well.

    Attributes
    ----------
    column
        Column of var with the symbols of genes that were not fitted.
    ids
        Entry of `var_names` for each name.
    """

    column: str
    ids: Mapping[str, str] = field(default_factory=dict)


Symbols: TypeAlias = str | FittedSymbols | None


def gene_names(adata: AnnData, use_raw: bool = False, gene_symbols: Symbols = None) -> pd.Index:
    """Return the name of each gene.

    Parameters
    ----------
    adata
        Cells x genes.
    use_raw
        Whether to use the genes of `adata.raw`. Symbols are looked up in `adata.var` if `adata.raw.var` lacks the
        column.
    gene_symbols
        Column of var; `None` = `var_names`. Duplicated symbols are made unique as in anndata (the second "A" becomes
        "A-1"); a gene without a symbol keeps its entry of `var_names`.

    Raises
    ------
    TypeError
        If `gene_symbols` is not one name.
    UnknownNameError
        If var has no such column.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> var = pd.DataFrame({"symbol": ["Klf1", "Mpo", "Mpo", None]}, index=["g1", "g2", "g3", "g4"])
    >>> list(gene_names(anndata.AnnData(np.ones((1, 4)), var=var), gene_symbols="symbol"))
    ['Klf1', 'Mpo', 'Mpo-1', 'g4']
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


def gene_ids(adata: AnnData, genes: Sequence[str], use_raw: bool, gene_symbols: Symbols) -> dict[str, str]:
    """Return the entry of `var_names` for each of the given names."""
    ids = (adata.raw if use_raw else adata).var_names
    found = {
        str(name): str(gene_id) for name, gene_id in zip(gene_names(adata, use_raw, gene_symbols), ids, strict=True)
    }
    return {name: found[name] for name in genes}


def column_with(adata: AnnData, unknown: Sequence[object], use_raw: bool) -> str:
    """Return a hint that names the column of var with most of the unknown names, or an empty string."""
    found: tuple[list, object] = ([], None)
    var = var_table(adata, use_raw)
    for column in var.columns:
        if pd.api.types.is_numeric_dtype(var[column]):
            continue
        values = set(var[column].dropna().astype(str))
        hits = [name for name in unknown if str(name) in values]
        if len(hits) > len(found[0]):
            found = hits, column
    if not found[0]:
        return ""
    where = "adata.raw.var" if use_raw else "adata.var"
    return f" {found[0][0]!r} is in {where}[{found[1]!r}]: pass gene_symbols={found[1]!r}."


def var_table(adata: AnnData, use_raw: bool) -> pd.DataFrame:
    """Return var, loaded into memory if the AnnData was opened by `read_lazy`."""
    var = (adata.raw if use_raw else adata).var
    return var if isinstance(var, pd.DataFrame) else var.to_memory()


def _symbols(adata: AnnData, use_raw: bool, column: str) -> pd.Index:
    """Return the symbol of each gene, or its entry of `var_names` where there is none."""
    check_key("gene_symbols", column)
    var = var_table(adata, use_raw)
    own = var
    if use_raw and column not in own:
        own = var_table(adata, False)
    if column not in own:
        raise UnknownNameError(
            f"gene_symbols {column!r} is not in var{' of adata or adata.raw' if use_raw else ''}, which has "
            f"{quoted(own.columns) or 'no column'}.{did_you_mean(column, own.columns)}"
        )
    symbols = own[column].astype(object)
    if own is not var:
        symbols = symbols[~own.index.duplicated()].reindex(var.index)
    missing = symbols.isna() | (symbols.astype(str).str.strip() == "")
    names = [
        str(gene_id) if no_symbol else str(symbol)
        for gene_id, symbol, no_symbol in zip(var.index, symbols, missing, strict=True)
    ]
    return pd.Index(names, dtype=object)


def _unique(names: Sequence[str]) -> pd.Index:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata warns of symbols that already end in "-1"
        return make_index_unique(pd.Index(names, dtype=object))
