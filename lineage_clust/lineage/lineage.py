"""Read a lineage from an AnnData: pseudotime, weights, expression, covariates and offset as plain arrays.

Only this package knows what an AnnData is; models and clusterers see arrays.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, cast

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from ..errors import LineageClustWarning, UnknownNameError, did_you_mean, quoted
from ..expression.blocks import BlockedExpression
from ..utils.types import Names
from .branches import warn_of_branches
from .confounding import check_identified
from .covariates import design_columns, encode_covariates, known_cells, read_covariates
from .donors import donors_of, read_donors
from .expression import columns_of, expression_matrix, take, with_annotations
from .gene_names import Symbols, column_with, gene_names
from .lineage_keys import find_weights
from .membership import check_members
from .modalities import how_to_pass
from .offsets import SIZE_FACTORS, read_offset
from .pseudotime import find_pseudotime
from .time_draws import are_draws, find_draws, mean_of, range_of_draws, ranges_of, rescaled
from .time_range import find_time_range

__all__ = ["Lineage", "check_anndata", "clip_weights", "encode_covariates", "read_lineage", "resolve_genes"]

_log = logging.getLogger(__package__)


@dataclass(frozen=True)
class Lineage:
    """One lineage: the cells that are used and their data for the models.

    Attributes
    ----------
    name
        Name of the lineage; `None` for a single trajectory without weights.
    pseudotime, weights
        Arrays `(n_cells,)` of the cells used: those with finite values and positive weight inside the time range.
    expression
        `(n_cells, n_genes)` array, CSR or CSC matrix, as stored in the AnnData; or
        :class:`~lineage_clust.expression.blocks.BlockedExpression`, if it is read block by block.
    genes
        Names of the columns of `expression`.
    start, end
        The time range, spanned by the knots and the grid.
    cells
        Positions `(n_cells,)` of the cells in the AnnData.
    covariates
        `(n_cells, n_covariates)` columns with weighted mean 0, or `None`.
    covariate_names
        Name of each column of `covariates`.
    covariate_keys
        obs key of each column of `covariates`.
    offset
        `(n_cells,)` on the link scale, or `None`.
    donors
        `(n_cells,)` names of donors, which are the replicates; `None` = cells are.
    whole
        `(pseudotime, weights, matrix, columns)` of all cells of the AnnData, as stored; used by callbacks.
    draws
        `(n_cells, n_draws)` draws of pseudotime on a common range, of which `pseudotime` is the mean; NaN where a cell is not
        in a draw, or not inside the time range. `None` if pseudotime is taken as known.
    draw_ranges
        `(2, n_draws)` least and greatest time of each draw before it was rescaled, or `None`.
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
    covariate_keys: list[str] = field(default_factory=list)
    offset: np.ndarray | None = None
    donors: np.ndarray | None = None
    whole: tuple = field(default=(), repr=False)
    draws: np.ndarray | None = None
    draw_ranges: np.ndarray | None = None

    def grid(self, n_points: int) -> np.ndarray:
        """Return `(n_points,)` equally spaced pseudotimes from `start` to `end`."""
        return np.linspace(self.start, self.end, n_points)

    def cells_on_grid(self, n_points: int) -> np.ndarray:
        """Return the summed weight of the cells nearest to each point of `grid`, `(n_points,)`.

        Examples
        --------
        >>> times = np.array([0.0, 0.1, 0.9, 1.0])
        >>> one = Lineage("Ery", times, np.array([1, 1, 0.5, 1]), np.zeros((4, 0)), [], 0.0, 1.0, np.arange(4))
        >>> one.cells_on_grid(3).tolist()
        [2.0, 0.0, 1.5]
        """
        step = (self.end - self.start) / max(n_points - 1, 1)
        nearest = np.rint((self.pseudotime - self.start) / step).astype(int)
        return np.bincount(np.clip(nearest, 0, n_points - 1), weights=self.weights, minlength=n_points)


def read_lineage(
    adata: AnnData,
    lineage: str | None = None,
    *,
    genes: Sequence[str] | None = None,
    time_key: Names = None,
    lineage_key: Names = None,
    layer: str | None = None,
    use_raw: bool = False,
    backward: bool = False,
    time_range: object = None,
    endpoint: str = "plateau",
    endpoint_threshold: float | None = None,
    weight_threshold: float | tuple[float, float] = (0.01, 0.0),
    gene_symbols: Symbols = None,
    covariates: Sequence[str] | None = None,
    offset: object = None,
    sample_key: str | None = None,
    n_points: int = 200,
    memory_budget: object = None,
    to_fit: bool = True,
    draw_ranges: Mapping[Any, np.ndarray] | None = None,
    among: np.ndarray | None = None,
) -> Lineage:
    """Read one lineage of an AnnData.

    Parameters
    ----------
    adata
        Cells x genes. It is not modified.
    lineage
        Name of the lineage; `None` = the only lineage. "A, B" is A and B together.
    genes
        Names of genes; `None` = all.
    time_key, lineage_key
        Keys of pseudotime (obs, or obsm with one column per lineage) and weights (obsm, a column of obs, or a list of
        columns); `None` = the keys of Palantir, scanpy, scVelo, CellRank, scFates and slingshot. A list of keys of
        pseudotime means draws of it.
    layer, use_raw
        Which expression to read; `X` by default.
    backward
        Whether to use CellRank's backward keys.
    time_range, endpoint, endpoint_threshold, n_points
        See :func:`lineage_clust.lineage.time_range.find_time_range`.
    weight_threshold
        `(a, b)`: weights below `a` are set to `b`; a single number sets both. At least one weight must reach `a`.
    gene_symbols
        Column of var with the names of genes, see :func:`lineage_clust.lineage.gene_names.gene_names`; `None` =
        var_names.
    covariates
        obs keys of additional, unpenalised terms of the model; categorical covariates are treatment-coded.
    offset
        `None`, an obs key, `"size_factors"`, or an array `(n_obs,)`, on the link scale.
    sample_key
        obs key of the donor of each cell, if donors are the replicates.
    memory_budget
        Bytes, or a string such as "500MB": expression in a file is read in blocks if it is larger. Dask arrays are
        always read in blocks.
    to_fit
        Whether trends are fitted to these cells. If False (for scoring), covariates are not read into the design and
        need not be identifiable.
    draw_ranges
        By name of the lineage, what draws of pseudotime were rescaled by in the fit; `None` = by their own ranges.
    among
        `(n_obs,)` mask of the cells that may take part; `None` = all.

    Returns
    -------
    Lineage

    Raises
    ------
    TypeError
        If `adata` is not an AnnData, or `genes` is a string, or if pseudotime is not numeric.
    UnknownNameError
        If a gene, key or lineage is missing (the message suggests close matches).
    ValueError
        If no cell remains or belongs to the lineage, or if the effects of covariates are confounded with pseudotime or
        with each other.

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
    raw_weights, weights = weights, clip_weights(weights, weight_threshold)
    draws = ranges = None
    if are_draws(time_key):
        stored = find_draws(adata, cast("Sequence[str]", time_key), name)
        ranges = ranges_of(stored, weights) if draw_ranges is None else draw_ranges[name]
        draws = rescaled(stored, ranges)
        pseudotime = mean_of(draws)
    else:
        pseudotime = find_pseudotime(adata, cast("str | None", time_key), name)
    if name is None:
        warn_of_branches(adata, pseudotime)
    matrix = expression_matrix(adata, layer, use_raw, memory_budget)
    offset_values = read_offset(adata, offset, matrix)
    terms = read_covariates(adata, covariates)
    donors = read_donors(adata, sample_key) if to_fit else None

    finite = np.isfinite(pseudotime) & np.isfinite(weights)
    if offset_values is not None:
        finite &= np.isfinite(offset_values)
    if terms is not None:
        finite &= known_cells(terms, finite & (weights > 0))
    _report_left_out(finite, name, weights_key)
    if among is not None:
        finite &= among
        if not finite.any():
            raise ValueError("None of the cells that are compared has pseudotime, lineage weight and covariates.")
    check_members(raw_weights[finite], weight_threshold, name, weights_key)
    options: dict[str, Any] = {
        "time_range": time_range, "endpoint": endpoint, "threshold": endpoint_threshold, "n_points": n_points,
        "lineage": "" if name is None else name,
    }  # fmt: skip
    if draws is None:
        start, end = find_time_range(pseudotime[finite], weights[finite], **options)
        inside = finite & (pseudotime >= start) & (pseudotime <= end)
    else:
        start, end = range_of_draws(draws[finite], weights[finite], options)
        draws = np.where((draws >= start) & (draws <= end), draws, np.nan)
        inside = finite & np.isfinite(draws).any(axis=1)
    if not inside.any():
        raise ValueError(
            f"No cell lies in the time range [{start:g}, {end:g}]: pseudotime spans [{pseudotime[finite].min():g}, "
            f"{pseudotime[finite].max():g}]. Set time_range to a part of that."
        )
    check_members(raw_weights[inside], weight_threshold, name, weights_key, (start, end))
    cells = np.flatnonzero(inside & (weights > 0))
    _log.info(
        "Lineage %r: %s of %s cells, pseudotime %.4g to %.4g, weights from %r, %s genes from %s.", name, len(cells),
        adata.n_obs, start, end, weights_key, len(genes), "raw" if use_raw else "X" if layer is None else f"layer {layer!r}",
    )  # fmt: skip
    read = columns_of(adata, genes, use_raw, gene_symbols)
    columns, column_names, keys = None, [], []
    if terms is not None and to_fit:
        columns, column_names, keys = design_columns(terms.iloc[cells], weights[cells])
    if columns is not None:
        check_identified(pseudotime[cells], weights[cells], columns, keys)
    if offset_values is not None:
        offset_values = offset_values[cells]
        if isinstance(offset, str) and offset == SIZE_FACTORS:  # trends refer to a cell of average depth
            offset_values = offset_values - np.average(offset_values, weights=weights[cells])
    return Lineage(
        name=name,
        pseudotime=pseudotime[cells] if draws is None else mean_of(draws[cells]),
        weights=weights[cells],
        expression=take(matrix, cells, read),
        genes=genes,
        start=start,
        end=end,
        cells=cells,
        covariates=columns,
        covariate_names=column_names,
        covariate_keys=keys,
        offset=offset_values,
        donors=None if donors is None else donors_of(donors, cells, pseudotime[cells], weights[cells]),
        whole=(pseudotime, raw_weights, matrix, read),
        draws=None if draws is None else draws[cells],
        draw_ranges=ranges,
    )


def check_anndata(adata: object) -> None:
    """Raise a TypeError unless `adata` is an AnnData with cells and genes."""
    if not isinstance(adata, AnnData):
        raise TypeError(f"adata must be an AnnData (cells x genes); got {type(adata).__name__}. {how_to_pass(adata)}")
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise ValueError(f"adata is empty: it has {adata.n_obs} cells and {adata.n_vars} genes.")


def resolve_genes(
    adata: AnnData, genes: Sequence[str] | None, *, use_raw: bool = False, gene_symbols: Symbols = None
) -> list[str]:
    """Return the validated names of the genes to fit, without duplicates and in the given order.

    Parameters
    ----------
    adata
        Cells x genes.
    genes
        Names, a boolean mask over the genes of `adata`, or `None` for all.
    use_raw
        Whether the names are those of `adata.raw`.
    gene_symbols
        Column of var with the names. Entries of `var_names` are accepted as well and returned as symbols.

    Raises
    ------
    TypeError
        If `genes` is a string.
    UnknownNameError
        If a name is unknown.
    ValueError
        If no gene is selected, or a selected name refers to several columns.

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
            raise ValueError(f"var_names contains {quoted(twice, 5)} more than once. {_how_to_make_unique(use_raw)}")
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
        raise TypeError(f"genes must be a flat sequence of names; it contains {nested[0]!r}.")
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
                f"var_names contains {quoted(sorted(twice), 5)} more than once. {_how_to_make_unique(use_raw)}"
            )
    return [str(name) for name in chosen]


def _how_to_make_unique(use_raw: bool) -> str:
    if use_raw:  # the var_names of raw are read-only
        return "Call raw = adata.raw.to_adata(), raw.var_names_make_unique() and adata.raw = raw first."
    return "Call adata.var_names_make_unique() first."


def _not_there(adata: AnnData, unknown: list, names: pd.Index, use_raw: bool, gene_symbols: Symbols) -> str:
    """Return the message for unknown genes, with a hint on where they are found."""
    where = "adata.raw.var_names" if use_raw else "adata.var_names"
    if gene_symbols is not None:
        column = getattr(gene_symbols, "column", gene_symbols)
        where = f"adata{'.raw' if use_raw else ''}.var[{column!r}] or {where}"
    in_raw = adata.raw is not None and not use_raw and unknown[0] in set(adata.raw.var_names)
    hint = " It is in adata.raw: pass use_raw=True." if in_raw else column_with(adata, unknown, use_raw)
    what = f"Gene {unknown[0]!r} is" if len(unknown) == 1 else f"{len(unknown)} genes ({quoted(unknown, 5)}) are"
    return f"{what} not in {where}.{hint or did_you_mean(unknown[0], names)}"


def clip_weights(weights: np.ndarray, weight_threshold: Any) -> np.ndarray:
    """Set weights below `a` to `b`, for `weight_threshold = (a, b)` or a single number for both.

    Examples
    --------
    >>> clip_weights(np.array([0.001, 0.5]), (0.01, 0.0)).tolist()
    [0.0, 0.5]
    """
    pair = (weight_threshold, weight_threshold) if np.ndim(weight_threshold) == 0 else tuple(weight_threshold)
    if len(pair) != 2 or not all(isinstance(value, Real) and 0 <= value < np.inf for value in pair):
        raise ValueError(
            f"weight_threshold must be a non-negative number or a pair (a, b) of them; got {weight_threshold!r}."
        )
    finite = np.isfinite(weights)
    least = np.min(weights, where=finite, initial=0)
    if least < 0:
        raise ValueError(f"Lineage weights must not be negative; the smallest is {least:g}.")
    below, value = pair
    return np.where(finite & (weights < below), float(value), weights)


def _report_left_out(finite: np.ndarray, name: str | None, weights_key: object) -> None:
    left_out = int(np.sum(~finite))
    if left_out == len(finite):
        raise ValueError(
            "Pseudotime, lineage weights, covariates or offset are NaN or infinite in every cell: no cells remain to "
            f"fit lineage {name!r}. Check time_key and lineage_key (weights were read from {weights_key!r})."
        )
    if left_out:
        warnings.warn(
            f"{left_out} of {len(finite)} cells are excluded: their pseudotime, lineage weight, covariates or offset "
            "is NaN or infinite.",
            LineageClustWarning,
            stacklevel=3,
        )


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names of several lineages as a list; raise an error if they are not unique."""
    if not names:
        raise ValueError("lineage is an empty list. Name at least one lineage.")
    nested = [name for name in names if np.ndim(name) > 0]
    if nested:
        raise TypeError(f"lineage must be a name or a list of names; it contains {nested[0]!r}.")
    if len(set(names)) < len(names):
        raise ValueError(f"lineage contains duplicates: {list(names)}. Pass each name once.")
    return list(names)
