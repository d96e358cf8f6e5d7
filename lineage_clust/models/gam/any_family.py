"""Fits of any family by the fastest applicable method, and then with donors as replicates if requested.

The Gaussian family has a closed form. Other families are fitted from sums over a grid, after one pass over the cells,
or from the cells themselves, in many passes, if no grid is suitable or `discretize` is false. Fits are generators that
request sums over cells and return their result, so that several of them can share a pass: see
:mod:`lineage_clust.expression.passes`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import check_any_fitted
from ...expression.passes import Fit
from ..notes import warn_of_zeros
from .donors.cluster_robust import family_clusters
from .donors.glm import add_donors
from .donors.nodes import DonorTable
from .gaussian import fit_gaussian
from .pirls.fit import fit_glm
from .pirls.overdispersion import noted_dispersion
from .pirls.problem import Cells


def fit_family(cells: Cells, y, groups: np.ndarray | None) -> Fit:
    """Fit all genes: a generator that requests sums over the cells and returns a GeneEstimates.

    `groups` are codes `(n_cells,)` of the donors from 0, or `None`.
    """
    if cells.likelihood.closed_form:
        result = yield from fit_gaussian(cells, y, groups)
    elif groups is None:
        result = yield from fit_glm(cells, y)
    else:
        table, clusters = DonorTable(cells, y, groups), cells.choices.covariance == "cluster"
        estimated = replace(cells, choices=replace(cells.choices, infers=clusters))
        result = yield from fit_glm(estimated, y, table.of_all_donors)
        if len(result.failed) < y.shape[1]:
            result = (family_clusters if clusters else add_donors)(cells, result, table)
    check_any_fitted(result.failed, y.shape[1])
    warn_of_zeros(cells.likelihood.family.name, result.n_quasi, y.shape[1])
    if result.dispersion is not None:
        result.note = noted_dispersion(result.note, result.dispersion)
    return result
