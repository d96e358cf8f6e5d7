"""Components and settings for fitting trends, stored to fit other genes or cells in the same way."""

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
    """Smoother, model and the settings that select the cells of each gene.

    Attributes
    ----------
    smoother, model
        Unfitted components, from :func:`lineage_clust.trends.pairing.resolve_pair`.
    n_points
        Number of grid points per lineage.
    callback, filter_cells, prepare_kwargs
        Selection of the cells of each gene, see :mod:`lineage_clust.trends.preparing`.
    n_jobs, backend
        Parallel jobs, for models that fit each gene separately.
    show_progress_bar
        Whether to show progress bars.
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
        """Fit the trends of the genes of a lineage."""
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
        """Return a fitter whose smoother keeps the fitted basis."""
        return replace(self, smoother=fixed_basis(fitted, self.smoother))


def check_callback(
    callback: Any, covariates: Any = None, offset: Any = None, sample_key: Any = None, of_draws: bool = False
) -> None:
    """Raise an error unless `callback` is a function or a mapping of functions that suits the other parameters."""
    for one in entries(callback):
        if one is not None and not callable(one):
            raise TypeError(f"callback must be a function or a mapping of functions; got {one!r}.")
    if callback is not None and (covariates is not None or offset is not None):
        raise ValueError(
            "A callback selects the cells of each gene, so it cannot be combined with covariates or offset."
        )
    if callback is not None and of_draws:
        raise ValueError(
            "A callback selects cells by one pseudotime, so draws of pseudotime (a list as time_key) cannot go with it. "
            "Leave one of them out."
        )
    if callback is not None and sample_key is not None:
        raise ValueError(
            "A callback selects cells whose donors are not known, so sample_key cannot go with it. Leave one of them out."
        )
