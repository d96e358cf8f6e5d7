"""Select the genes to cluster, cluster them, and read the labels of any clusterer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from ..clusterers.fitted import FittedClusters
from ..contracts.capabilities import confidence_can_wait, declared, fitted_value, has_method, needs_draws
from ..errors import warn
from ..lineage.lineage import Lineage
from ..trends import drawing
from ..trends.lineage_fit import FittedLineage
from ..trends.trends import Trends, arranged_by_name
from ..utils.progress import progress_bars
from ..utils.threads import few_threads
from .gating import Gate
from .tables import order_clusters

Draws = Iterable[np.ndarray] | None


def genes_to_group(scaled: np.ndarray, table: pd.DataFrame, gate: Gate) -> np.ndarray:
    """Return the positions of the genes that pass and are not constant (scaled, at the origin); warn if there are none."""
    passed = gate.passes(table)
    grouped = np.flatnonzero(passed & (np.ptp(scaled, axis=1) > 0))
    if len(grouped) == 0:
        constant = f"the {int(passed.sum())} selected trends are constant. See gene_table_."
        reason = constant if passed.any() else gate.why_none(table)
        warn(f"No gene is clustered: {reason}")
    return grouped


def draws_for(
    clusterer: Any, fits: Sequence[FittedLineage], lineages: Sequence[Lineage],
    refit: Callable[[Lineage], FittedLineage], trends: Trends, genes: Sequence[str], scale: Any, seed: int,
) -> Draws:  # fmt: skip
    """Return scaled draws of trends for a clusterer, from the posterior or halves of the cells; `None` if it needs none."""
    if len(genes) == 0 or not declared(clusterer, "uses_draws"):
        return None
    if drawing.can_draw(fits):  # sampled lazily
        if confidence_can_wait(clusterer):
            return None
        return drawing.scaled(drawing.posterior_draws(fits, genes, random_state=seed), trends, genes, scale)
    if needs_draws(clusterer):
        drawn = drawing.half_sample_draws(fits, lineages, refit, genes, random_state=seed)
        halves = list(drawing.scaled(drawn, trends, genes, scale))
        return halves if len(halves) > 1 else None
    return None  # refits would be needed


def group(
    clusterer: Any, scaled: np.ndarray, grouped: np.ndarray, trends: Trends, draws: Draws, progress: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a clusterer in place to scaled trends at the positions `grouped`, with lineages sorted by name, and their draws.

    Return the cluster of each gene, `(n_genes,)`, numbered by the time of the peak, -1 = unassigned; and the label of
    each cluster in the clusterer.
    """
    labels = np.full(len(scaled), -1)
    if len(grouped) == 0:
        return labels, np.zeros(0, dtype=int)
    quietly = config_context(transform_output="default"), progress_bars(progress)
    with quietly[0], quietly[1], few_threads(len(grouped) * scaled.shape[1]):
        rows = arranged_by_name(scaled[grouped], trends.grid_lineage)
        clusterer.fit(rows, **({} if draws is None else {"draws": draws}))
        codes, names = own_labels(clusterer, rows)
    confidence = fitted_value(clusterer, "confidence_")
    if confidence is not None:
        one_per_row(f"confidence_ of {type(clusterer).__name__}", confidence, len(grouped))
    labels[grouped], order = order_clusters(codes, scaled[grouped], trends.grid, trends.grid_lineage)
    return labels, names[order]


def assign(clusterer, scaled: np.ndarray, fitted: np.ndarray, labels: np.ndarray, order: np.ndarray):
    """Return the cluster of each scaled trend `(n_new, n_points)`, and its share of the votes; NaN if there are none.

    The fitted clusterer, whose labels are in `order`, predicts; or the nearest of the `fitted` trends with `labels` decides.
    """
    if has_method(clusterer, "predict"):
        with config_context(transform_output="default"):
            if isinstance(clusterer, FittedClusters):
                own, confidence = clusterer._vote(scaled)
            else:
                own = one_per_row(f"predict of {type(clusterer).__name__}", clusterer.predict(scaled), len(scaled))
                confidence = np.full(len(scaled), np.nan)
        numbered = np.full(len(own), -1)
        for number, label in enumerate(order):
            numbered[own == label] = number
        return numbered, confidence
    chosen = np.isfinite(fitted).all(axis=1) & (np.ptp(fitted, axis=1) > 0)
    nearest = KNeighborsClassifier(n_neighbors=1).fit(fitted[chosen], labels[chosen])
    return nearest.predict(scaled), np.full(len(scaled), np.nan)


def own_labels(clusterer: Any, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a code from 0 for the cluster of each fitted row, -1 for none, and the sorted labels that are coded.

    Those of a pipeline are of its last step, those of a mixture model predictions; negative ones, NaN and `None` are none.
    """
    name = type(clusterer).__name__
    owner = clusterer[-1] if isinstance(clusterer, Pipeline) else clusterer
    found = fitted_value(owner, "labels_")
    if found is None:
        if not has_method(clusterer, "predict"):
            raise TypeError(f"clusterer must have labels_ after fit; {name} has none, and no predict either.")
        found = clusterer.predict(rows)
    labels = one_per_row(f"labels_ of {name}", found, len(rows))
    there = ~(pd.isna(labels) | [isinstance(label, Real) and label < 0 for label in labels.tolist()])
    codes = np.full(len(rows), -1)
    codes[there], names = pd.factorize(labels[there], sort=True)
    return codes, np.asarray(names)


def one_per_row(what: str, values: Any, n_rows: int) -> np.ndarray:
    """Return values as an array, or raise a ValueError unless there is one per row."""
    values = np.asarray(values)
    if values.shape != (n_rows,):
        raise ValueError(f"{what} must have one value per row, {n_rows}; the shape is {values.shape}.")
    return values
