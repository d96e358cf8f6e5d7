"""Fits of non-Gaussian families from the cells, by penalised iteratively reweighted least squares."""

from __future__ import annotations

from functools import partial

import numpy as np

from ....expression.storage.blocks import BlockedExpression
from ....expression.sums.bands import no_design
from ....expression.sums.sums import cell_sums
from ..design import Design
from ..estimates import GeneEstimates
from .chunks import collected
from .iterations import Likelihood, fit_genes, make_problem
from .results import summarise


def fit_glm(
    design: Design, Y, weights: np.ndarray, offset, smoothing, covariance: str, likelihood: Likelihood, n_jobs=None
) -> GeneEstimates:
    """Fit all genes with one family; for the arguments see :func:`lineage_clust.models.gam.gaussian.fit_gaussian`.

    References
    ----------
    Wood (2017). Generalized Additive Models, 2nd ed., sections 3.1, 6.10 and 6.12.
    """
    problem = make_problem(design, weights, offset, likelihood, smoothing)
    found = None
    if isinstance(Y, BlockedExpression):
        sums = cell_sums(Y, no_design(len(weights)), weights)
        found = sums.counts, sums.carried / weights.max(), sums.large
    counts = None if found is None else found[0]
    parts, failed = fit_genes(problem, design, Y, partial(summarise, design, covariance), n_jobs, counts)
    return collected(parts, failed, Y, design, weights, likelihood, found)
