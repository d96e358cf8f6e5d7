"""Draws of the trends from their posterior: what resolution, confidence and shapes are judged by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .fitting import FittedLineage
from .group_fit import design_rows
from .trends import Trends

N_DRAWS = 10


def can_draw(fits: list[FittedLineage]) -> bool:
    """Return whether every lineage was fitted by one model that has a posterior."""
    return all(len(fit.groups) == 1 and hasattr(fit.groups[0].model, "sample") for fit in fits)


def draws(
    fits: list[FittedLineage], genes: list[str], scale: object, n_draws: int = N_DRAWS, random_state: int = 0
) -> Iterator[np.ndarray]:
    """Yield scaled trends `(n_genes, n_points)` drawn from the posterior, lineages side by side.

    The draws of a gene do not depend on its place among the others.

    Parameters
    ----------
    fits
        One a lineage.
    genes
        Which genes, in which order.
    scale
        How trends are scaled, as in :meth:`lineage_clust.Trends.scaled`.
    n_draws
        Number of draws.
    random_state
        Seed.
    """
    by_name = np.argsort(np.asarray(genes, dtype=object))
    back = np.argsort(by_name)
    samples = []
    for number, fit in enumerate(fits):
        group = fit.groups[0]
        position = {gene: index for index, gene in enumerate(group.genes)}
        model = group.model.take_genes([position[genes[index]] for index in by_name])
        rows = design_rows(group.smoother, model, group.grid, group.n_covariates)
        samples.append(model.sample(rows, n_draws, random_state + number))
    grid = np.concatenate([fit.groups[0].grid for fit in fits])
    for parts in zip(*samples, strict=True):
        values = np.concatenate(parts, axis=0).T[back]
        yield Trends(values, grid, list(genes)).scaled(scale)
