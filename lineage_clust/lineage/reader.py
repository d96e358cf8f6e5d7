"""Settings for reading lineages, stored to read other cells in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from anndata import AnnData
from numpy.typing import ArrayLike

from ..utils.types import Names, TimeRange, WeightThreshold
from .annotations import Annotation, read_annotations
from .gene_names import FittedSymbols, Symbols
from .lineage import Lineage, read_lineage
from .lineage_colors import stored_colors

_FOR_CALLBACKS = ("time_key", "layer", "use_raw", "backward", "weight_threshold", "endpoint", "endpoint_threshold")


@dataclass(frozen=True)
class Reader:
    """Settings for reading lineages; each is the parameter of :class:`lineage_clust.TrendClusterer` of the same name.

    `draw_ranges` is known after a fit to draws of pseudotime: how they were rescaled, by name of the lineage.

    Examples
    --------
    >>> import lineage_clust as lc
    >>> Reader(layer="counts").read(lc.datasets.bone_marrow(), "Ery", ["Klf1"]).genes
    ['Klf1']
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
        return cls(
            **{field.name: getattr(settings, field.name) for field in fields(cls) if field.name != "draw_ranges"}
        )

    def read(
        self,
        adata: AnnData,
        lineage: Any,
        genes: Sequence[str],
        time_range: TimeRange = None,
        to_fit: bool = True,
        among: np.ndarray | None = None,
    ) -> Lineage:
        """Read one lineage; see :func:`lineage_clust.lineage.read_lineage`.

        Parameters
        ----------
        adata
            Cells.
        lineage
            Name of the lineage.
        genes
            Names of genes.
        time_range
            Overrides `time_range` of the settings.
        to_fit
            Whether trends are fitted to these cells.
        among
            `(n_obs,)` mask of the cells that may take part; `None` = all.
        """
        settings: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        if time_range is not None:
            settings["time_range"] = time_range
        return read_lineage(adata, lineage, genes=genes, to_fit=to_fit, among=among, **settings)

    def annotations(self, adata: AnnData, keys: str | Sequence[str], lineages: Sequence[str]) -> list[Annotation]:
        """Return covariates of the cells of some lineages."""
        return read_annotations(
            adata, keys, lineages, time_key=self.time_key, lineage_key=self.lineage_key, backward=self.backward,
            weight_threshold=self.weight_threshold,
        )  # fmt: skip

    def colors(self, adata: AnnData, lineages: Sequence) -> dict[str, Any]:
        """Return the colours of some lineages as `adata` has them, see :func:`.lineage_colors.stored_colors`."""
        return stored_colors(adata, list(lineages), self.lineage_key, self.backward)

    def for_callbacks(self, filter_cells: float | None) -> dict[str, Any]:
        """Return the settings that callbacks receive as keywords."""
        return {**{name: getattr(self, name) for name in _FOR_CALLBACKS}, "filter_cells": filter_cells}

    def with_draw_ranges(self, lineages: Sequence[Lineage]) -> Self:
        """Return the reader to use after a fit: other cells' draws of pseudotime are rescaled as those of the fitted ones."""
        ranges = {lineage.name: lineage.draw_ranges for lineage in lineages if lineage.draw_ranges is not None}
        return replace(self, draw_ranges=ranges) if ranges else self

    def with_symbols(self, ids: Mapping[str, str] | None) -> Self:
        """Return the reader to use after a fit that assigned gene names; `ids` maps names to entries of `var_names`."""
        column = self.gene_symbols
        if ids is None or not isinstance(column, str):
            return self
        return replace(self, gene_symbols=FittedSymbols(column, dict(ids)))
