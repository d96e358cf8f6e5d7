"""All fitted trends, as a mapping that builds each trend on access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import UnknownNameError, did_you_mean, quoted
from .gene_trend import FailedTrend, GeneTrend
from .preparing import with_cells

_STAGES = ("prepare", "predict", "fit")


class _ByLineage(dict):
    """The trends of one gene by lineage; `None` is the name of a single trajectory, as in `lineage_`."""

    def __missing__(self, lineage: object) -> GeneTrend | FailedTrend:
        if lineage is None and list(self) == [""]:
            return self[""]
        raise UnknownNameError(f"Lineage {lineage!r} was not fitted, only {quoted(self)}.{did_you_mean(lineage, self)}")


class GeneTrends(Mapping):
    """Mapping gene -> lineage -> GeneTrend or FailedTrend.

    fits : sequence of FittedLineage. One per lineage. A single trajectory without a name has the key "".
    lineages : sequence of Lineage, optional. The lineages in the same order; trends then contain their cells.
    prepare_kwargs : dict, optional. Settings for the selection of cells.
    terms : sequence of str. What the fit used besides these cells, so that a single trend cannot be fitted again.
    """

    def __init__(self, fits, lineages=None, prepare_kwargs=None, terms=()):
        self._lineages = {"" if one.name is None else one.name: one for one in lineages or ()}
        self._prepare_kwargs = dict(prepare_kwargs or {})
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

    def with_data(self, lineages, prepare_kwargs=None, terms=()) -> GeneTrends:
        """Return the same trends with the cells of lineages that were read again."""
        return GeneTrends(self.fits, lineages, prepare_kwargs, terms)

    def _with_cells(self, gene: str, name: str, group) -> GeneTrend:
        lineage = self._lineages[name]
        trend = with_cells(gene, lineage, lineage.genes.index(gene))
        trend._terms = self._terms
        span = (float(group.grid[0]), float(group.grid[-1]))
        return trend.prepare(**{**self._prepare_kwargs, "time_range": span, "n_points": len(group.grid)})

    def __repr__(self) -> str:
        return f"GeneTrends[{len(self)} genes, lineages {list(self._fits)}]"
