"""Reading a lineage out of an AnnData: pseudotime, weights, expression, covariates and offset, as plain arrays.

This module, `expression` and `results` are the only ones that know what an AnnData is.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from .errors import LineageClustWarning, UnknownNameError, did_you_mean, quoted
from .reading.blocks import BlockedExpression
from .reading.expression import columns_of, expression_matrix, take, with_annotations
from .reading.gene_names import Symbols, column_with, gene_names
from .reading.lineage_keys import find_pseudotime, find_weights
from .reading.time_range import find_time_range
from .utils.checking import as_vector, check_key

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lineage:
    """One lineage: the cells that take part, and what the models see of them.

    Attributes
    ----------
    name
        Name of the lineage, `None` for a single trajectory without weights.
    pseudotime, weights
        Arrays `(n_cells,)` of the cells used: those with finite values inside the time range.
    expression
        `(n_cells, n_genes)` array, CSR or CSC matrix, as stored in the AnnData; or
        :class:`~lineage_clust.reading.blocks.BlockedExpression`, if it stays in its file.
    genes
        The names of its columns.
    start, end
        The time range, which knots and grid span.
    cells
        Positions `(n_cells,)` of the cells in the AnnData.
    covariates
        `(n_cells, n_covariates)` columns centred by the weights, or `None`.
    covariate_names
        One name a column of `covariates`.
    offset
        `(n_cells,)` on the link scale, or `None`.
    whole
        `(pseudotime, weights, matrix, columns)` of all cells of the AnnData, as stored: what callbacks prepare from.
    """

    name: str | None
    pseudotime: np.ndarray
    weights: np.ndarray
    expression: np.ndarray | sparse.spmatrix | BlockedExpression
    genes: list[str]
    start: float
    end: float
    cells: np.ndarray
    covariates: np.ndarray | None = None
    covariate_names: list[str] = field(default_factory=list)
    offset: np.ndarray | None = None
    whole: tuple | None = field(default=None, repr=False)

    def grid(self, n_points: int) -> np.ndarray:
        """Return `(n_points,)` equally spaced pseudotimes from `start` to `end`."""
        return np.linspace(self.start, self.end, n_points)


def read_lineage(
    adata: AnnData,
    lineage: str | None = None,
    *,
    genes: Sequence[str] | None = None,
    time_key: str | None = None,
    lineage_key: str | None = None,
    layer: str | None = None,
    use_raw: bool = False,
    backward: bool = False,
    time_range: object = None,
    endpoint: str = "plateau",
    endpoint_threshold: float | None = None,
    weight_threshold: float | tuple[float, float] = (0.01, 0.01),
    gene_symbols: Symbols = None,
    covariates: Sequence[str] | None = None,
    offset: object = None,
    n_points: int = 200,
    memory_budget: object = None,
) -> Lineage:
    """Read one lineage of an AnnData.

    Parameters
    ----------
    adata
        Cells x genes. It is not changed.
    lineage
        Name of the lineage; `None` = the only one there is.
    genes
        Names of genes; `None` = all.
    time_key, lineage_key
        Where pseudotime (obs, or obsm with one column a lineage) and weights (obsm or obs) are; `None` = found by the
        names that Palantir, scanpy, scVelo, CellRank, scFates and slingshot write.
    layer, use_raw
        Which expression to read; `X` by default.
    backward
        Whether to look for CellRank's backward keys.
    time_range, endpoint, endpoint_threshold, n_points
        See :func:`lineage_clust.reading.time_range.find_time_range`.
    weight_threshold
        `(a, b)`: weights below `a` become `b`; one number stands for both.
    gene_symbols
        Column of var by which genes go, see :func:`lineage_clust.reading.gene_names.gene_names`; `None` = var_names.
    covariates
        obs keys of additional, unpenalised terms of the model; categorical ones are treatment-coded.
    offset
        `None`, an obs key, `"size_factors"`, or an array `(n_obs,)`, on the link scale.
    memory_budget
        Bytes, or a string such as "500MB": expression in a file stays there, and is read in blocks, if it is larger.
        What dask holds always stays there.

    Returns
    -------
    Lineage

    Raises
    ------
    TypeError
        If `adata` is not an AnnData, or `genes` is a string, or pseudotime is not numeric.
    UnknownNameError
        If a gene, key or lineage is not there (the message offers close matches).
    ValueError
        If nothing is left to fit.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> lineage = read_lineage(lc.datasets.bone_marrow(), "Ery", genes=["Klf1", "Mpo"])
    >>> lineage.expression.shape[1], lineage.genes
    (2, ['Klf1', 'Mpo'])
    """
    check_anndata(adata)
    adata = with_annotations(adata)
    genes = resolve_genes(adata, genes, use_raw=use_raw, gene_symbols=gene_symbols)
    name, weights_key, weights = find_weights(adata, lineage, lineage_key, backward)
    pseudotime = find_pseudotime(adata, time_key, name)
    raw_weights, weights = weights, clip_weights(weights, weight_threshold)
    matrix = expression_matrix(adata, layer, use_raw, memory_budget)
    offset_values = _read_offset(adata, offset, matrix)
    terms = _covariate_frame(adata, covariates)

    finite = np.isfinite(pseudotime) & np.isfinite(weights)
    if offset_values is not None:
        finite &= np.isfinite(offset_values)
    if terms is not None:
        finite &= terms.replace([np.inf, -np.inf], np.nan).notna().all(axis=1).to_numpy()
    _report_left_out(finite, name, weights_key)
    start, end = find_time_range(
        pseudotime[finite],
        weights[finite],
        time_range=time_range,
        endpoint=endpoint,
        threshold=endpoint_threshold,
        n_points=n_points,
        lineage="" if name is None else name,
    )
    inside = finite & (pseudotime >= start) & (pseudotime <= end)
    if not inside.any():
        raise ValueError(
            f"No cell lies in the time range [{start:g}, {end:g}]: pseudotime spans [{pseudotime[finite].min():g}, "
            f"{pseudotime[finite].max():g}]. Set time_range to a part of that."
        )
    cells = np.flatnonzero(inside & (weights > 0))
    if len(cells) == 0:
        raise ValueError(
            f"Every cell of lineage {name!r} in [{start:g}, {end:g}] has weight 0. Check {weights_key!r}, or set "
            "weight_threshold=(a, b) with b > 0."
        )
    _log.info(
        "Lineage %r: %s of %s cells, pseudotime %.4g to %.4g, weights from %r, %s genes from %s.", name, len(cells),
        adata.n_obs, start, end, weights_key, len(genes), "raw" if use_raw else "X" if layer is None else f"layer {layer!r}",
    )  # fmt: skip
    read = columns_of(adata, genes, use_raw, gene_symbols)
    columns, column_names = (None, []) if terms is None else encode_covariates(terms.iloc[cells], weights[cells])
    if offset_values is not None:
        offset_values = offset_values[cells]
        if isinstance(offset, str) and offset == "size_factors":  # trends are those of a cell of average depth
            offset_values = offset_values - np.average(offset_values, weights=weights[cells])
    return Lineage(
        name=name,
        pseudotime=pseudotime[cells],
        weights=weights[cells],
        expression=take(matrix, cells, read),
        genes=genes,
        start=start,
        end=end,
        cells=cells,
        covariates=columns,
        covariate_names=column_names,
        offset=offset_values,
        whole=(pseudotime, raw_weights, matrix, read),
    )


def check_anndata(adata: object) -> None:
    """Raise a TypeError unless `adata` is an AnnData with cells and genes."""
    if not isinstance(adata, AnnData):
        raise TypeError(
            f"adata must be an AnnData (cells x genes); got {type(adata).__name__}. "
            "Wrap a matrix with anndata.AnnData(X, obs=..., var=...)."
        )
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise ValueError(f"adata is empty: it has {adata.n_obs} cells and {adata.n_vars} genes.")


def resolve_genes(
    adata: AnnData, genes: Sequence[str] | None, *, use_raw: bool = False, gene_symbols: Symbols = None
) -> list[str]:
    """Return the names of the genes to fit: checked, without duplicates, in the order given.

    Parameters
    ----------
    adata
        Cells x genes.
    genes
        Names, a boolean mask over the genes of `adata`, or `None` for all.
    use_raw
        Whether the names are those of `adata.raw`.
    gene_symbols
        Column of var with the names; those of `var_names` are taken too, and returned as their symbols.

    Raises
    ------
    TypeError
        If `genes` is one string.
    UnknownNameError
        If a name is not there.
    ValueError
        If nothing is chosen, or a chosen name stands for several columns.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> adata = anndata.AnnData(np.ones((2, 3)), var=pd.DataFrame(index=["a", "b", "c"]))
    >>> resolve_genes(adata, ["c", "a", "c"])
    ['c', 'a']
    """
    check_anndata(adata)
    if use_raw and adata.raw is None:
        raise ValueError("use_raw=True, but adata.raw is None. Set adata.raw, or pass use_raw=False.")
    var_names = (adata.raw if use_raw else adata).var_names
    names = gene_names(adata, use_raw, gene_symbols)
    if genes is None:
        if len({str(name) for name in var_names}) < len(var_names):
            twice = pd.unique(var_names[var_names.duplicated()])
            raise ValueError(
                f"var_names holds {quoted(twice, 5)} more than once. Call adata.var_names_make_unique() first."
            )
        return [str(name) for name in names]
    if isinstance(genes, (str, bytes)):
        raise TypeError(f"genes must be a sequence of names; got the string {genes!r}. Use genes=[{genes!r}].")
    if np.ndim(genes) == 0:
        raise TypeError(f"genes must be a sequence of names; got {genes!r} of type {type(genes).__name__}.")
    values = list(genes)
    if values and all(isinstance(value, (bool, np.bool_)) for value in values):
        if len(values) != len(var_names):
            raise ValueError(f"A boolean mask of genes needs {len(var_names)} values; got {len(values)}.")
        values = [name for name, chosen in zip(names, values, strict=True) if chosen]
    if not values:
        raise ValueError("genes is empty. Name at least one gene, or pass genes=None for all of them.")
    nested = [value for value in values if np.ndim(value) > 0]
    if nested:
        raise TypeError(f"genes must be a flat sequence of names; it holds {nested[0]!r}.")
    known = set(names)
    name_of = {} if gene_symbols is None else dict(zip(var_names, names, strict=True))
    chosen = list(dict.fromkeys(value if value in known else name_of.get(value, value) for value in values))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise UnknownNameError(_not_there(adata, unknown, names, use_raw, gene_symbols))
    if not var_names.is_unique:
        twice = set(var_names[var_names.duplicated() & names.isin(chosen)])
        if twice:
            raise ValueError(
                f"var_names holds {quoted(sorted(twice), 5)} more than once. Call adata.var_names_make_unique() first."
            )
    return [str(name) for name in chosen]


def _not_there(adata: AnnData, unknown: list, names: pd.Index, use_raw: bool, gene_symbols: Symbols) -> str:
    """Return what to say of names that are no genes, and where they are instead."""
    where = "adata.raw.var_names" if use_raw else "adata.var_names"
    if gene_symbols is not None:
        column = getattr(gene_symbols, "column", gene_symbols)
        where = f"adata{'.raw' if use_raw else ''}.var[{column!r}] or {where}"
    in_raw = adata.raw is not None and not use_raw and unknown[0] in set(adata.raw.var_names)
    hint = " It is in adata.raw: pass use_raw=True." if in_raw else column_with(adata, unknown, use_raw)
    what = f"Gene {unknown[0]!r} is" if len(unknown) == 1 else f"{len(unknown)} genes ({quoted(unknown, 5)}) are"
    return f"{what} not in {where}.{hint or did_you_mean(unknown[0], names)}"


def clip_weights(weights: np.ndarray, weight_threshold: Any) -> np.ndarray:
    """Return the weights with those below `a` set to `b`, for `weight_threshold = (a, b)` or one number for both.

    Examples
    --------
    >>> clip_weights(np.array([0.001, 0.5]), (0.01, 0.0)).tolist()
    [0.0, 0.5]
    """
    pair = (weight_threshold, weight_threshold) if np.ndim(weight_threshold) == 0 else tuple(weight_threshold)
    if len(pair) != 2 or not all(isinstance(value, Real) and 0 <= value < np.inf for value in pair):
        raise ValueError(f"weight_threshold must be a number or a pair (a, b), not negative; got {weight_threshold!r}.")
    finite = np.isfinite(weights)
    least = np.min(weights, where=finite, initial=0)
    if least < 0:
        raise ValueError(f"Lineage weights must not be negative; the least is {least:g}.")
    below, value = pair
    return np.where(finite & (weights < below), float(value), weights)


def encode_covariates(terms: pd.DataFrame, weights: np.ndarray) -> tuple[np.ndarray | None, list[str]]:
    """Return covariates as columns `(n_cells, n_columns)` with weighted mean 0, and the columns' names.

    A categorical term becomes one column a level but the first (treatment coding). Constant columns, which a model
    could not tell from its intercept, are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> terms = pd.DataFrame({"batch": ["a", "b", "b"], "depth": [1.0, 2.0, 6.0]})
    >>> columns, names = encode_covariates(terms, np.ones(3))
    >>> names, columns[:, 1].tolist()
    (['batch[b]', 'depth'], [-2.0, -1.0, 3.0])
    """
    columns, names = [], []
    for key in terms.columns:
        values = terms[key]
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            columns.append(values.to_numpy(dtype=float))
            names.append(str(key))
        else:
            for level in values.astype("category").cat.remove_unused_categories().cat.categories[1:]:
                columns.append((values == level).to_numpy(dtype=float))
                names.append(f"{key}[{level}]")
    kept = [index for index, column in enumerate(columns) if np.ptp(column) > 0]
    if not kept:
        return None, []
    encoded = np.column_stack([columns[index] for index in kept])
    return encoded - np.average(encoded, axis=0, weights=weights), [names[index] for index in kept]


def _covariate_frame(adata: AnnData, covariates: Sequence[str] | None) -> pd.DataFrame | None:
    if covariates is None:
        return None
    if not isinstance(covariates, str) and not np.iterable(covariates):
        raise TypeError(f"covariates must be obs keys; got {covariates!r}. Use e.g. covariates=['batch'].")
    keys = [covariates] if isinstance(covariates, str) else list(covariates)
    for key in keys:
        check_key("A covariate", key)
    keys = list(dict.fromkeys(keys))
    if not keys:
        return None
    for key in keys:
        if key not in adata.obs:
            raise UnknownNameError(f"Covariate {key!r} is not in adata.obs.{did_you_mean(key, adata.obs.columns)}")
    return adata.obs[keys]


def _read_offset(adata: AnnData, offset: Any, matrix) -> np.ndarray | None:
    if offset is None:
        return None
    if isinstance(offset, str):
        if offset == "size_factors":
            if isinstance(matrix, BlockedExpression):
                totals = matrix.cell_totals()
            else:
                totals = np.asarray(matrix.sum(axis=1), dtype=float).ravel()
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.log(totals)
        if offset not in adata.obs:
            raise UnknownNameError(
                f"offset {offset!r} is not in adata.obs.{did_you_mean(offset, adata.obs.columns)} "
                "Pass an obs key, 'size_factors' or an array."
            )
        values = adata.obs[offset]
        if not pd.api.types.is_numeric_dtype(values):
            raise TypeError(f"The offset adata.obs[{offset!r}] must be numeric; its dtype is {values.dtype}.")
        return values.to_numpy(dtype=float, na_value=np.nan)
    values = as_vector("offset", offset) if np.ndim(offset) == 1 else np.asarray(offset)
    if values.shape != (adata.n_obs,):
        raise ValueError(
            f"offset has shape {values.shape}, but adata has {adata.n_obs} cells. Put it in adata.obs and pass its "
            "key: a key follows the cells when they are split, as in cross-validation."
        )
    return values


def _report_left_out(finite: np.ndarray, name: str | None, weights_key: str | None) -> None:
    left_out = int(np.sum(~finite))
    if left_out == len(finite):
        raise ValueError(
            "Pseudotime, lineage weights, covariates or offset are NaN or infinite in every cell: nothing is left to "
            f"fit for lineage {name!r}. Check time_key and lineage_key (weights were read from {weights_key!r})."
        )
    if left_out:
        warnings.warn(
            f"{left_out} of {len(finite)} cells are left out: their pseudotime, lineage weight, covariates or offset "
            "is NaN or infinite.",
            LineageClustWarning,
            stacklevel=3,
        )
