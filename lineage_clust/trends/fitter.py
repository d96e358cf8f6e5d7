"""How trends are fitted: components and settings, kept for fitting other genes or cells in the same way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..lineage.lineage import Lineage
from ..models.mapping import entries
from ..utils.progress import bar, progress_bars
from .group_fit import fixed_basis
from .lineage_fit import FittedLineage, fit_trends


@dataclass(frozen=True)
class TrendFitter:
    """Smoother, model and what chooses the cells of each gene.

    Attributes
    ----------
    smoother, model
        Unfitted, as :func:`lineage_clust.trends.pairing.resolve_pair` returns them.
    n_points
        Of the grid of a lineage.
    callback, filter_cells, prepare_kwargs
        What chooses the cells of each gene, see :mod:`lineage_clust.trends.preparing`.
    n_jobs, backend
        Parallel jobs, for models that work gene by gene.
    show_progress_bar
        Whether long work shows a bar.
    """

    smoother: Any
    model: Any
    n_points: int
    callback: Any
    filter_cells: float | None
    prepare_kwargs: dict[str, Any]
    n_jobs: int | None
    backend: str
    show_progress_bar: bool

    def fit(self, lineage: Lineage) -> FittedLineage:
        """Return the trends of the genes of a lineage."""
        name = "trends" if lineage.name is None else f"trends of {lineage.name}"
        with progress_bars(self.show_progress_bar):
            return fit_trends(
                lineage,
                self.smoother,
                self.model,
                self.n_points,
                callback=self.callback,
                filter_cells=self.filter_cells,
                prepare_kwargs=self.prepare_kwargs,
                n_jobs=self.n_jobs,
                backend=self.backend,
                progress=partial(bar, what=name, unit="group"),
            )

    def with_basis(self, fitted: Any) -> TrendFitter:
        """Return a fitter whose smoother keeps the basis of a fitted one."""
        return replace(self, smoother=fixed_basis(fitted, self.smoother))


def check_callback(callback: Any, covariates: Any = None, offset: Any = None) -> None:
    """Raise an error unless `callback` is a function or a mapping of functions, and goes with the other parameters."""
    for one in entries(callback):
        if one is not None and not callable(one):
            raise TypeError(f"callback must be a function or a mapping of functions; got {one!r}.")
    if callback is not None and (covariates is not None or offset is not None):
        raise ValueError("A callback chooses cells of its own, so covariates and offset cannot go with it.")
