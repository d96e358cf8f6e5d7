"""Result of a fit of all genes, of the same form for all families."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .donors.mixture import DonorFit
    from .donors.posterior import DonorPosterior
    from .inference.gene_posterior import GenePosterior
    from .inference.posterior import SharedPosterior
    from .inference.significance import SmoothTests


@dataclass
class GeneEstimates:
    """Fit of all genes; arrays are `(n_genes,)` unless stated otherwise."""

    coefficients: np.ndarray  # (n_columns, n_genes)
    lambda_: np.ndarray
    edf: np.ndarray
    scale: np.ndarray
    deviance_explained: np.ndarray
    converged: np.ndarray
    posterior: SharedPosterior | GenePosterior | DonorPosterior
    tests: SmoothTests | tuple[np.ndarray, np.ndarray]  # or statistics and p-values, if computed during the fit
    note: list[str] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    theta: np.ndarray | None = None
    n_iter: np.ndarray | None = None
    spread: np.ndarray | None = None  # weighted standard deviation of expression
    n_quasi: int = 0  # number of genes with values that have no likelihood
    donors: DonorFit | None = None
    dispersion: np.ndarray | None = None  # variance of counts relative to a Poisson distribution; 0 if hardly larger
