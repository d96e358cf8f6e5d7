"""Fit the trends of the genes of a lineage, and a mapping by gene that builds each trend on access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..contracts.capabilities import has_test
from ..errors import UnknownNameError, check_any_fitted, did_you_mean, quoted
from ..lineage.lineage import Lineage
from ..models.mapping import by_gene
from ..utils.progress import bar, progress_bars
from .gene_trend import FailedTrend, GeneTrend
from .group_fit import GroupFit, failed_group, fit_group
from .pairing import adapt, is_fitted, model_of, smoother_for
from .preparing import prepared_lineages, with_cells
from .trends import Trends

_STAGES = ("prepare", "predict", "fit")


@dataclass(frozen=True)
class FittedLineage:
    """The trends along one lineage, and the groups of genes that were fitted together."""

    name: str | None
    trends: Trends
    groups: list[GroupFit]

    @property
    def model(self):
        """The fitted model; a dictionary by gene if genes were fitted in several groups."""
        return self._by_gene("model")

    @property
    def smoother(self):
        """The fitted smoother; a dictionary by gene if genes were fitted in several groups."""
        return self._by_gene("smoother")

    def columns(self, genes: Sequence[str]) -> Iterator[tuple[GroupFit, list[int], list[int]]]:
        """Yield each group that has some of the genes: it, their columns in it, and their positions, by name."""
        row_of = {gene: row for row, gene in enumerate(genes)}
        for group in self.groups:
            columns = [column for column, gene in enumerate(group.genes) if gene in row_of]
            columns.sort(key=lambda column: group.genes[column])
            if columns:
                yield group, columns, [row_of[group.genes[column]] for column in columns]

    def interval(self, genes: Sequence[str], level: float) -> np.ndarray:
        """Return the ends of pointwise intervals of genes that have a trend, `(2, n_genes, n_points)`; NaN if there are none.

        For models with a link, they are computed on its scale, and so stay within the possible range of the mean.
        """
        ends = np.full((2, len(genes), len(self.trends.grid)), np.nan)
        for group, columns, rows in self.columns(genes):
            found = group.interval(group.grid, level)
            if found is not None:
                ends[:, rows] = np.stack(found)[:, :, columns].transpose(0, 2, 1)
        return ends

    @property
    def has_test(self) -> bool:
        """Whether any of the fitted models tests trends."""
        return any(has_test(group.model) for group in self.groups)

    def _by_gene(self, name: str) -> Any:
        parts = {gene: getattr(group, name) for group in self.groups for gene in group.genes}
        return getattr(self.groups[0], name) if len(self.groups) == 1 else parts


@dataclass(frozen=True)
class TrendFitter:
    """Smoother, model and the settings that select the cells of each gene.

    smoother, model : Unfitted components, from :func:`.resolve_pair`, which are cloned; `model` may be a mapping by gene
        and lineage.
    callback, filter_cells, prepare_kwargs : Selection of the cells of each gene, see :mod:`lineage_clust.trends.preparing`.
    """

    smoother: Any
    model: Any
    n_points: int
    callback: Any = None
    filter_cells: float | None = None
    prepare_kwargs: dict[str, Any] = field(default_factory=dict)
    n_jobs: int | None = None
    backend: str = "loky"
    show_progress_bar: bool = False

    def prepare(self, lineage: Lineage) -> tuple[list[Lineage], dict[str, str]]:
        """Return a lineage for each group of genes that share cells, and why other genes have none."""
        return prepared_lineages(lineage, self.n_points, self.callback, self.filter_cells, self.prepare_kwargs)

    def fit(self, lineage: Lineage) -> FittedLineage:
        """Fit the trends of the genes of a lineage."""
        models = dict(zip(lineage.genes, by_gene(self.model, lineage.genes, lineage.name), strict=True))
        prepared, failed = self.prepare(lineage)
        parts = [part for one in prepared for part in _of_one_model(one, models)]
        grid = lineage.grid(self.n_points)
        what = "trends" if lineage.name is None else f"trends of {lineage.name}"
        several = len(parts) > 1
        with progress_bars(self.show_progress_bar):
            groups = [
                self._fit_group(part, grid, models[part.genes[0]], not several)
                for part in (bar(parts, what, unit="group") if several else parts)
            ]
        return FittedLineage(lineage.name, _assemble(lineage, grid, groups, failed), groups)

    def _fit_group(self, part: Lineage, grid, model, only: bool) -> GroupFit:
        """Fit the genes that share cells and model; if there are other genes, an error affects only these."""
        own = adapt(model_of(model), self.n_jobs, self.backend)
        try:
            return fit_group(part, grid, smoother_for(model, self.smoother), own)
        except Exception as error:
            if only or isinstance(error, MemoryError):
                raise
            stage = "predict" if is_fitted(own) else "fit"
            reasons = dict.fromkeys(range(len(part.genes)), f"{stage}: {type(error).__name__}: {error}")
            return failed_group(part.genes, grid, reasons, self.smoother, own)


def _of_one_model(lineage: Lineage, models: dict[str, Any]) -> list[Lineage]:
    """Return a lineage for each group of genes that share a model."""
    together: dict[int, list[int]] = {}
    for column, gene in enumerate(lineage.genes):
        together.setdefault(id(models[gene]), []).append(column)
    if len(together) == 1:
        return [lineage]
    return [
        replace(lineage, genes=[lineage.genes[column] for column in columns], expression=lineage.expression[:, columns])
        for columns in together.values()
    ]


def _assemble(lineage: Lineage, grid, groups: list[GroupFit], failed: dict[str, str]) -> Trends:
    """Return the trends of all groups in the order of the lineage's genes."""
    reasons = failed | {group.genes[column]: reason for group in groups for column, reason in group.failed.items()}
    order = {gene: place for place, gene in enumerate(lineage.genes) if gene in reasons}
    check_any_fitted({place: reasons[gene] for gene, place in order.items()}, len(lineage.genes))
    names = [gene for gene in lineage.genes if gene not in reasons]
    fitted = [group for group in groups if len(group.failed) < len(group.genes)]
    rows = pd.Index([gene for group in fitted for gene in group.genes]).get_indexer(names)
    errors = [group.se for group in fitted if group.se is not None]
    return Trends(
        np.ascontiguousarray(np.concatenate([group.values for group in fitted])[rows]), grid, names,
        np.ascontiguousarray(np.concatenate(errors)[rows]) if len(errors) == len(fitted) else None,
        np.full(len(grid), "" if lineage.name is None else lineage.name, dtype=object),
        {gene: reasons[gene] for gene in order}, pd.concat([group.table for group in fitted]).loc[names],
    )  # fmt: skip


class _ByLineage(dict):
    """The trends of one gene by lineage; `None` is the name of a single trajectory, as in `lineage_`."""

    def __missing__(self, lineage: object) -> GeneTrend | FailedTrend:
        if lineage is None and list(self) == [""]:
            return self[""]
        raise UnknownNameError(f"Lineage {lineage!r} was not fitted, only {quoted(self)}.{did_you_mean(lineage, self)}")


class GeneTrends(Mapping):
    """Mapping gene -> lineage -> GeneTrend or FailedTrend; a single trajectory without a name has the key "".

    lineages, fitter : The lineages of the fits and the settings that select cells; trends then contain their cells.
    terms : What the fit used besides these cells, so that a single trend cannot be fitted again.
    """

    def __init__(self, fits, lineages=None, fitter=None, terms=()):
        self._lineages = {"" if one.name is None else one.name: one for one in lineages or ()}
        self._fitter = fitter
        self._terms = tuple(terms)
        self._fits = {"" if fit.name is None else fit.name: fit for fit in fits}
        self._positions = {
            name: {gene: (group, column) for group in fit.groups for column, gene in enumerate(group.genes)}
            for name, fit in self._fits.items()
        }
        self._genes = list(dict.fromkeys(g for fit in fits for g in [*fit.trends.genes, *fit.trends.failed]))

    @property
    def fits(self) -> list:
        """The fitted lineages from which the trends are built."""
        return list(self._fits.values())

    def __getitem__(self, gene: str) -> dict[str, GeneTrend | FailedTrend]:
        if gene not in self:
            raise UnknownNameError(f"Gene {gene!r} was not fitted.{did_you_mean(gene, self._genes)}")
        return _ByLineage({name: self._build(gene, name) for name in self._fits})

    def __contains__(self, gene: object) -> bool:
        return any(gene in fit.trends.failed or gene in self._positions[name] for name, fit in self._fits.items())

    def __iter__(self) -> Iterator[str]:
        return iter(self._genes)

    def __len__(self) -> int:
        return len(self._genes)

    def _build(self, gene: str, name: str) -> GeneTrend | FailedTrend:
        failed = self._fits[name].trends.failed
        if gene in failed:
            stage, _, reason = failed[gene].partition(": ")
            return FailedTrend(gene, name, *((stage, reason) if stage in _STAGES else ("fit", failed[gene])))
        group, column = self._positions[name][gene]
        trend = self._with_cells(gene, name, group) if name in self._lineages else GeneTrend(gene, name)
        trend._adopt(group, column)
        return trend

    def with_data(self, lineages, fitter, terms=()) -> GeneTrends:
        """Return the same trends with the cells of lineages that were read again."""
        return GeneTrends(self.fits, lineages, fitter, terms)

    def _with_cells(self, gene: str, name: str, group) -> GeneTrend:
        lineage = self._lineages[name]
        trend = with_cells(gene, lineage, lineage.genes.index(gene))
        trend._terms = self._terms
        span = (float(group.grid[0]), float(group.grid[-1]))
        (prepare,) = by_gene(self._fitter.callback, [gene], lineage.name, "callback", complete=False)
        settings = {**self._fitter.prepare_kwargs, "time_range": span, "n_points": len(group.grid)}
        if prepare is None:
            return trend.prepare(**settings)
        return prepare(trend, gene=gene, lineage=lineage.name, **settings)

    def __repr__(self) -> str:
        return f"GeneTrends[{len(self)} genes, lineages {list(self._fits)}]"
