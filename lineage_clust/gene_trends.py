"""All fitted trends, as a mapping that builds each when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .gene_trend import FailedTrend, GeneTrend

_STAGES = ("prepare", "predict", "fit")


class GeneTrends(Mapping):
    """Mapping gene -> lineage -> GeneTrend or FailedTrend.

    Parameters
    ----------
    fits : sequence of FittedLineage
        One a lineage. A single trajectory without a name goes by "".
    """

    def __init__(self, fits):
        self._fits = {"" if fit.name is None else fit.name: fit for fit in fits}
        self._positions = {
            name: {gene: (group, column) for group in fit.groups for column, gene in enumerate(group.genes)}
            for name, fit in self._fits.items()
        }
        self._genes = list(dict.fromkeys(g for fit in fits for g in [*fit.trends.genes, *fit.trends.failed]))

    def __getitem__(self, gene: str) -> dict[str, GeneTrend | FailedTrend]:
        if not any(gene in fit.trends.failed or gene in self._positions[name] for name, fit in self._fits.items()):
            raise KeyError(gene)
        return {name: self._build(gene, name) for name in self._fits}

    def __iter__(self) -> Iterator[str]:
        return iter(self._genes)

    def __len__(self) -> int:
        return len(self._genes)

    def _build(self, gene: str, name: str) -> GeneTrend | FailedTrend:
        failed = self._fits[name].trends.failed
        if gene in failed:
            stage, _, reason = failed[gene].partition(": ")
            return FailedTrend(gene, name, stage, reason) if stage in _STAGES else FailedTrend(gene, name, "fit", failed[gene])
        group, column = self._positions[name][gene]
        trend = GeneTrend(gene, name)
        trend._adopt(group, column)
        return trend

    def __repr__(self) -> str:
        return f"GeneTrends[{len(self)} genes, lineages {list(self._fits)}]"
