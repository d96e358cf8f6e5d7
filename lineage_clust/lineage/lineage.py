"""Read a lineage from an AnnData: pseudotime, weights, expression, covariates and offset as plain arrays.

Only this package reads AnnData for fits; models and clusterers receive arrays.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np
from anndata import AnnData
from numpy.typing import ArrayLike
from scipy import sparse

from ..errors import counted, warn
from ..expression.storage.blocks import BlockedExpression
from ..utils.types import Names, TimeRange, WeightThreshold
from .cells.covariates import SIZE_FACTORS, check_identified, design_columns, known_cells, read_covariates, read_offset
from .cells.samples import donors_of, read_donors
from .genes.expression import (
    FittedSymbols,
    Symbols,
    check_anndata,
    columns_of,
    expression_matrix,
    resolve_genes,
    take,
    with_annotations,
)
from .time.pseudotime import read_times
from .time.time_range import warn_of_empty_time
from .weights.branches import warn_of_branches
from .weights.keys import as_names, find_weights
from .weights.source import check_members, clip_weights

__all__ = ["Lineage", "Reader", "check_anndata", "resolve_genes"]

_log = logging.getLogger(__package__)
_OF_CELLS = ("pseudotime", "weights", "cells", "covariates", "offset", "donors", "time_draws")
_FOR_CALLBACKS = ("time_key", "layer", "use_raw", "backward", "weight_threshold", "endpoint", "endpoint_threshold")


class AllCells(NamedTuple):
    """All cells of an AnnData, as stored: pseudotime, weights, expression of all genes, and the columns of some genes."""

    pseudotime: np.ndarray
    weights: np.ndarray
    matrix: Any
    columns: np.ndarray


_NO_CELLS = AllCells(np.zeros(0), np.zeros(0), np.zeros((0, 0)), np.zeros(0, dtype=int))


@dataclass(frozen=True)
class Lineage:
    """One lineage: the cells that are used and their data for the models. It has no name if it is a single trajectory.

    pseudotime, weights : `(n_cells,)`, of cells with finite values and positive weight inside the time range.
    expression : `(n_cells, n_genes)` of `genes`, as stored in the AnnData, or a :class:`.BlockedExpression`.
    start, end : The time range, spanned by the knots and the grid.
    cells : Positions `(n_cells,)` of the cells in the AnnData.
    covariates, covariate_keys : `(n_cells, n_covariates)` columns with weighted mean 0, or `None`; and the key of each.
    offset : `(n_cells,)` on the link scale, or `None`.
    donors : `(n_cells,)` names of donors, which are the replicates; `None` = cells are.
    whole : All cells of the AnnData and their expression of `genes`, for callbacks and for checks of values.
    time_draws : `(n_cells, n_draws)` draws of pseudotime on a common range, of which `pseudotime` is the mean; NaN where a
        cell is not in a draw, or not inside the time range. `None` if pseudotime is taken as known.
    draw_ranges : `(2, n_draws)` least and greatest time of each draw before it was rescaled, or `None`.
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
    covariate_keys: list[str] = field(default_factory=list)
    offset: np.ndarray | None = None
    donors: np.ndarray | None = None
    whole: AllCells = field(default=_NO_CELLS, repr=False)
    time_draws: np.ndarray | None = None
    draw_ranges: np.ndarray | None = None

    def grid(self, n_points: int) -> np.ndarray:
        """Return `(n_points,)` equally spaced pseudotimes from `start` to `end`."""
        return np.linspace(self.start, self.end, n_points)

    def of_cells(self, kept: np.ndarray, **changes: Any) -> Self:
        """Return the lineage in some of its cells, a mask or positions; `changes` must include their `expression`."""
        arrays = {name: getattr(self, name) for name in _OF_CELLS}
        some: dict[str, Any] = {name: None if values is None else values[kept] for name, values in arrays.items()}
        return replace(self, **(some | changes))

    def cells_on_grid(self, n_points: int) -> np.ndarray:
        """Return the summed weight of the cells nearest to each point of `grid`, `(n_points,)`."""
        step = (self.end - self.start) / max(n_points - 1, 1)
        nearest = np.rint((self.pseudotime - self.start) / step).astype(int)
        return np.bincount(np.clip(nearest, 0, n_points - 1), weights=self.weights, minlength=n_points)


@dataclass(frozen=True)
class Reader:
    """Settings for reading lineages; each is the parameter of :class:`lineage_clust.TrendClusterer` of the same name.

    `draw_ranges` is set after a fit to draws of pseudotime: the ranges from which they were rescaled, by lineage.
    """

    time_key: Names = None
    lineage_key: Names = None
    layer: str | None = None
    use_raw: bool = False
    backward: bool = False
    time_range: TimeRange = None
    endpoint: str = "plateau"
    endpoint_threshold: float | None = None
    weight_threshold: WeightThreshold = (0.01, 0.0)
    gene_symbols: Symbols = None
    covariates: Sequence[str] | None = None
    offset: str | ArrayLike | None = None
    n_points: int = 200
    memory_budget: int | str | None = None
    sample_key: str | None = None
    draw_ranges: Mapping[Any, np.ndarray] | None = None

    @classmethod
    def of(cls, settings: object) -> Self:
        """Return a reader with the settings that are attributes of an object."""
        given = {field.name: getattr(settings, field.name) for field in fields(cls) if field.name != "draw_ranges"}
        return cls(**given | {"time_key": as_names(given["time_key"])})

    def read(
        self,
        adata: AnnData,
        lineage: str | None = None,
        genes: Sequence[str] | None = None,
        time_range: TimeRange = None,
        to_fit: bool = True,
        among: np.ndarray | None = None,
    ) -> Lineage:
        """Read one lineage.

        time_range : Overrides `time_range` of the settings.
        to_fit : Whether trends are fitted to these cells. If False (for scoring), covariates are not read into the
            design and need not be identifiable.
        among : `(n_obs,)` mask of the cells that may take part; `None` = all.
        """
        check_anndata(adata)
        adata = with_annotations(adata)
        genes = resolve_genes(adata, genes, use_raw=self.use_raw, gene_symbols=self.gene_symbols)
        name, weights_key, weights = find_weights(adata, lineage, self.lineage_key, self.backward)
        raw_weights, weights = weights, clip_weights(weights, self.weight_threshold)
        known = None if self.draw_ranges is None else self.draw_ranges[name]
        times = read_times(adata, self.time_key, name, weights, known)
        pseudotime = times.mean
        if name is None:
            warn_of_branches(adata, pseudotime)
        matrix = expression_matrix(adata, self.layer, self.use_raw, self.memory_budget)
        offset_values = read_offset(adata, self.offset, matrix)
        terms = read_covariates(adata, self.covariates)
        donors = read_donors(adata, self.sample_key) if to_fit else None

        finite_in = {"pseudotime": np.isfinite(pseudotime), "lineage weight": np.isfinite(weights)}
        if offset_values is not None:
            finite_in["offset"] = np.isfinite(offset_values)
        if terms is not None:
            finite_in["covariate"] = known_cells(terms, np.all(list(finite_in.values()), axis=0) & (weights > 0))
        finite = np.all(list(finite_in.values()), axis=0)
        in_all_draws = finite if times.draws is None or not to_fit else np.isfinite(times.draws).all(axis=1)
        n_partly = int(np.sum(finite & (weights > 0) & ~in_all_draws))
        _report_left_out(finite_in, weights != 0, name, weights_key, n_partly)
        if among is not None:
            finite &= among
            if not finite.any():
                raise ValueError("None of the cells that are compared has pseudotime, lineage weight and covariates.")
        check_members(raw_weights[finite], self.weight_threshold, name, weights_key)
        options: dict[str, Any] = {
            "time_range": self.time_range if time_range is None else time_range, "endpoint": self.endpoint,
            "threshold": self.endpoint_threshold, "n_points": self.n_points, "lineage": "" if name is None else name,
        }  # fmt: skip
        start, end = times.span(finite, weights, options)
        times = times.within(start, end)
        inside = finite & np.isfinite(times.mean)
        if not inside.any():
            raise ValueError(
                f"No cell lies in the time range [{start:g}, {end:g}]: pseudotime spans [{pseudotime[finite].min():g}, "
                f"{pseudotime[finite].max():g}]. Set time_range to a part of that."
            )
        check_members(raw_weights[inside], self.weight_threshold, name, weights_key, (start, end))
        if to_fit:
            warn_of_empty_time(pseudotime[finite], weights[finite], start, end, options["lineage"])
        cells = np.flatnonzero(inside & (weights > 0))
        _log.info(
            "Lineage %r: %s of %s cells, pseudotime %.4g to %.4g, weights from %r, %s genes from %s.", name, len(cells),
            adata.n_obs, start, end, weights_key, len(genes), "raw" if self.use_raw else "X" if self.layer is None
            else f"layer {self.layer!r}",
        )  # fmt: skip
        read = columns_of(adata, genes, self.use_raw, self.gene_symbols)
        columns, keys = (
            design_columns(terms.iloc[cells], weights[cells]) if terms is not None and to_fit else (None, [])
        )
        if columns is not None:
            check_identified(pseudotime[cells], weights[cells], columns, keys)
        if offset_values is not None:
            offset_values = offset_values[cells]
            if isinstance(self.offset, str) and self.offset == SIZE_FACTORS:  # trends refer to a cell of average depth
                offset_values = offset_values - np.average(offset_values, weights=weights[cells])
        return Lineage(
            name=name, pseudotime=times.mean[cells], weights=weights[cells], expression=take(matrix, cells, read),
            genes=genes, start=start, end=end, cells=cells, covariates=columns, covariate_keys=keys,
            offset=offset_values,
            donors=None if donors is None else donors_of(donors, cells, pseudotime[cells], weights[cells]),
            whole=AllCells(pseudotime, raw_weights, matrix, read),
            time_draws=None if times.draws is None else times.draws[cells], draw_ranges=times.ranges,
        )  # fmt: skip

    def for_callbacks(self, filter_cells: float | None) -> dict[str, Any]:
        """Return the settings that callbacks receive as keywords."""
        return {**{name: getattr(self, name) for name in _FOR_CALLBACKS}, "filter_cells": filter_cells}

    def with_draw_ranges(self, lineages: Sequence[Lineage]) -> Self:
        """Return the reader to use after a fit: other cells' draws of pseudotime are rescaled as those of the fitted ones."""
        ranges = {lineage.name: lineage.draw_ranges for lineage in lineages if lineage.draw_ranges is not None}
        return replace(self, draw_ranges=ranges) if ranges else self

    def with_symbols(self, ids: Mapping[str, str] | None) -> Self:
        """Return the reader to use after a fit that assigned gene names; `ids` maps names to entries of `var_names`."""
        if ids is None or not isinstance(self.gene_symbols, str):
            return self
        return replace(self, gene_symbols=FittedSymbols(self.gene_symbols, dict(ids)))


def _report_left_out(
    finite_in: dict[str, np.ndarray], members: np.ndarray, name: str | None, weights_key: object, n_partly: int
) -> None:
    """Warn of members without finite values, and of cells without a time in some draws of pseudotime.

    members : Mask of the cells whose weight is not 0: others take no part in any case, and slingshot gives them no time.
    """
    finite = np.all(list(finite_in.values()), axis=0)
    of_members = members if members.any() else np.ones_like(members)
    left_out = int(np.sum(~finite & of_members))
    missing = " or ".join(what for what, values in finite_in.items() if not values[of_members].all())
    if left_out == of_members.sum():
        which = "" if of_members.all() else " of positive weight"
        raise ValueError(
            f"{missing.capitalize()} is NaN or infinite in every cell{which}: no cells remain to fit lineage {name!r}. Check "
            f"time_key and lineage_key (weights were read from {weights_key!r})."
        )
    problems = []
    if left_out:
        problems.append(
            f"{counted(left_out, 'cell', 'is', 'are', of=len(finite))} excluded: their {missing} is NaN or infinite."
        )
    if n_partly:
        problems.append(
            f"In some draws of pseudotime, {counted(n_partly, 'cell', 'has', 'have', of=len(finite))} no time "
            "(NaN or infinite): these cells are fitted in the others."
        )
    if problems:
        warn(" ".join(problems))
