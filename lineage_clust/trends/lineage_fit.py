"""Fit the trends of the genes of a lineage."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import NoTrendError
from ..lineage.lineage import Lineage
from ..models.mapping import by_gene
from .calling import is_fitted
from .group_fit import GroupFit, failed_group, fit_group
from .pairing import adapt, model_of, smoother_for
from .preparing import prepared_cells
from .trends import Trends


@dataclass(frozen=True)
class FittedLineage:
    """The trends along one lineage, and the groups of genes that were fitted together."""

    name: str | None
    trends: Trends
    groups: list[GroupFit]

    @property
    def model(self):
        """The fitted model; a dictionary by gene if genes were fitted in several groups."""
        if len(self.groups) == 1:
            return self.groups[0].model
        return {gene: group.model for group in self.groups for gene in group.genes}

    @property
    def smoother(self):
        """The fitted smoother; a dictionary by gene if genes were fitted in several groups."""
        if len(self.groups) == 1:
            return self.groups[0].smoother
        return {gene: group.smoother for group in self.groups for gene in group.genes}


def fit_trends(
    lineage: Lineage, smoother, model, n_points: int, *, callback=None, filter_cells=None, prepare_kwargs=None,
    n_jobs=None, backend="loky", progress=None,
) -> FittedLineage:  # fmt: skip
    """Fit one trend per gene along a lineage.

    Parameters
    ----------
    lineage
        As read by :func:`lineage_clust.lineage.read_lineage`.
    smoother, model
        Unfitted components, which are cloned; `model` may be a mapping by gene and lineage.
    n_points
        Number of grid points.
    callback, filter_cells, prepare_kwargs
        Selection of the cells of each gene, see :mod:`lineage_clust.trends.preparing`.
    n_jobs, backend
        Parallel jobs, for models that fit each gene separately.
    progress
        Wraps the iterable of groups of genes, e.g. a progress bar.

    Raises
    ------
    ValueError
        If the lineage has too few distinct times for the smoother.
    NoTrendError
        If every gene fails.
    """
    models = by_gene(model, lineage.genes, lineage.name)
    cells, failed = prepared_cells(lineage, n_points, callback, filter_cells, prepare_kwargs or {})
    together: dict = {}
    for index, (own_model, own_cells) in enumerate(zip(models, cells, strict=True)):
        if own_cells is not None:
            together.setdefault((id(own_model), own_cells.key), []).append(index)
    grid = lineage.grid(n_points)
    groups, indices = [], []
    members_of_groups = list(together.values())
    if progress is not None and len(members_of_groups) > 1:
        members_of_groups = progress(members_of_groups)
    for members in members_of_groups:
        chosen = cells[members[0]]
        genes = [lineage.genes[index] for index in members]
        own_model = adapt(model_of(models[members[0]]), n_jobs, backend)
        try:
            fit = fit_group(
                chosen.x, chosen.w, chosen.expression(members), grid,
                smoother_for(models[members[0]], smoother), own_model, genes=genes,
                covariates=chosen.covariates, offset=chosen.offset, lineage=lineage.name, donors=chosen.donors,
                draws=chosen.draws,
            )  # fmt: skip
        except Exception as error:
            if len(together) == 1 or isinstance(error, MemoryError):  # it concerns every gene
                raise
            stage = "predict" if is_fitted(own_model) else "fit"
            reason = f"{stage}: {type(error).__name__}: {error}"
            fit = failed_group(genes, grid, dict.fromkeys(range(len(genes)), reason), smoother, own_model)
        groups.append(fit)
        indices.append(np.asarray(members))
    trends = _assemble(lineage, grid, groups, indices, failed)
    return FittedLineage(lineage.name, trends, groups)


def _assemble(lineage: Lineage, grid, groups, indices, failed: dict[int, str]) -> Trends:
    """Return the trends of all groups in the order of the lineage's genes."""
    n_genes = len(lineage.genes)
    values = np.full((n_genes, len(grid)), np.nan)
    with_se = bool(groups) and all(group.se is not None or len(group.failed) == len(group.genes) for group in groups)
    se = np.full_like(values, np.nan) if with_se else None
    reasons = dict(failed)
    tables = []
    for group, members in zip(groups, indices, strict=True):
        values[members] = group.values
        if se is not None and group.se is not None:
            se[members] = group.se
        reasons.update({int(members[gene]): reason for gene, reason in group.failed.items()})
        tables.append(group.table)
    if len(reasons) == n_genes:
        reason, count = Counter(reasons.values()).most_common(1)[0]
        raise NoTrendError(f"None of the {n_genes} genes could be fitted; {count} of them because: {reason}", reasons)
    kept = np.setdiff1d(np.arange(n_genes), list(reasons))
    names = [lineage.genes[gene] for gene in kept]
    if len(kept) < n_genes:
        values, se = values[kept], None if se is None else se[kept]
    table = pd.concat(tables) if len(tables) > 1 else tables[0]
    return Trends(
        values,
        grid,
        names,
        se,
        np.full(len(grid), "" if lineage.name is None else lineage.name, dtype=object),
        {lineage.genes[gene]: reasons[gene] for gene in sorted(reasons)},
        table if list(table.index) == names else table.loc[names],
    )
