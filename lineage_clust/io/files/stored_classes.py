"""Classes that a file may contain; names are looked up here and never imported, so that a file cannot run code."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from scipy import sparse
from sklearn.decomposition import PCA

from ...clusterers import GraphClusterer
from ...clusterers.distinctness import Bounds
from ...clusterers.neighbors import Neighbors
from ...clusterers.stability import StabilityCurve
from ...clusterers.tree import ClusterTree
from ...lineage.genes.expression import FittedSymbols
from ...lineage.lineage import Reader
from ...models import GAM
from ...models.gam.donors.posterior import DonorPosterior, PosteriorPart
from ...models.gam.inference.posterior import GenePosterior, SharedPosterior, WorkingModels
from ...models.gam.pooled import PooledPosterior
from ...models.gam.smoothing.posterior import SmoothingPosterior
from ...models.gam.smoothing.spectral import Spectrum
from ...models.links import Link
from ...results.gating import Gate
from ...results.result import FitResult
from ...smoothers import BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother
from ...smoothers.gaussian_process import _LandmarkBasis
from ...trends.group_fit import GroupFit
from ...trends.lineage_fit import FittedLineage, GeneTrends, TrendFitter
from ...trends.trends import Trends

CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        GAM, BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother,
        GraphClusterer, StabilityCurve, ClusterTree, Bounds, PCA, Neighbors, _LandmarkBasis, Link, SharedPosterior,
        GenePosterior, WorkingModels, SmoothingPosterior, Spectrum, DonorPosterior, PosteriorPart, PooledPosterior,
        Trends, GroupFit, FittedLineage, GeneTrends, FitResult, Reader, FittedSymbols, TrendFitter, Gate,
    )
}  # fmt: skip
SPARSE: dict[str, Any] = {
    cls.__name__: cls for cls in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array)
}


def digest_of(content: bytes) -> str:
    """Return the digest of a member of a file."""
    return blake2b(content, digest_size=32).hexdigest()
