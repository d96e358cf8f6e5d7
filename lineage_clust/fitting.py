"""From a lineage to the trends of its genes: smoother and model put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone

from .lineage import Lineage
from .trends import Trends


@dataclass(frozen=True)
class FittedLineage:
    """The trends along one lineage, with the fitted components that made them."""

    trends: Trends
    smoother: object
    model: object
    genes: list[str]  # the model's targets, failed ones included


def fit_trends(lineage: Lineage, smoother: object, model: object, n_points: int) -> FittedLineage:
    """Fit one trend per gene along a lineage.

    Parameters
    ----------
    lineage
        As read by :func:`lineage_clust.lineage.read_lineage`.
    smoother, model
        Unfitted components; clones of them are fitted.
    n_points
        Number of grid points.

    Raises
    ------
    ValueError
        If the lineage has too few distinct times for the smoother.
    NoTrendError
        If every gene fails.
    """
    smoother = clone(smoother)
    _check_distinct_times(lineage, smoother)
    if getattr(smoother, "domain", ()) is None:
        smoother.set_params(domain=(lineage.start, lineage.end))
    design = smoother.fit(lineage.pseudotime[:, None]).transform(lineage.pseudotime[:, None])
    grid = lineage.grid(n_points)
    grid_design = smoother.transform(grid[:, None])
    if lineage.covariates is not None:
        design = sparse.hstack([sparse.csr_array(design), lineage.covariates], format="csr")
        zeros = np.zeros((n_points, lineage.covariates.shape[1]))  # covariates at their weighted average
        grid_design = sparse.hstack([sparse.csr_array(grid_design), zeros], format="csr")
    model = clone(model).fit(
        design,
        lineage.expression,
        sample_weight=lineage.weights,
        penalty=getattr(smoother, "penalty_", None),
        offset=lineage.offset,
    )
    values, se = (part.T for part in model.predict(grid_design, return_std=True))
    table = pd.DataFrame(
        {
            "edf": model.edf_,
            "deviance_explained": model.deviance_explained_,
            "pvalue": model.pvalue_,
            "converged": model.converged_,
            "lambda": model.lambda_,
            "note": model.note_,
        },
        index=pd.Index(lineage.genes, name="gene"),
    )
    reasons = dict(model.failed_)
    for gene in np.flatnonzero(~np.isfinite(values).all(axis=1)):
        reasons.setdefault(int(gene), "the prediction is not finite")
    kept = np.setdiff1d(np.arange(len(lineage.genes)), list(reasons))
    trends = Trends(
        values[kept],
        grid,
        [lineage.genes[gene] for gene in kept],
        se[kept],
        np.full(n_points, "" if lineage.name is None else lineage.name, dtype=object),
        {lineage.genes[gene]: reason for gene, reason in sorted(reasons.items())},
        table.iloc[kept],
    )
    return FittedLineage(trends, smoother, model, lineage.genes)


def _check_distinct_times(lineage: Lineage, smoother: object) -> None:
    needed = getattr(smoother, "penalty_order", 1) + 1
    found = len(np.unique(lineage.pseudotime))
    if found < needed:
        name = "" if lineage.name is None else f" of lineage {lineage.name!r}"
        raise ValueError(
            f"The {len(lineage.pseudotime)} cells{name} in [{lineage.start:g}, {lineage.end:g}] have {found} distinct "
            f"pseudotime{'s' if found != 1 else ''}; {type(smoother).__name__} needs at least {needed}. Widen "
            "time_range, or check the pseudotime."
        )
