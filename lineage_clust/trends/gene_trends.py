"""All fitted trends, as a mapping that builds each trend on access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import UnknownNameError, did_you_mean, quoted
from ..models.mapping import by_gene
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
