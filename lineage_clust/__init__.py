"""Smooth expression trends of genes along lineages, and clusters of genes with similar trends."""

from . import contracts, datasets, models, plotting, scoring
from ._version import __version__ as __version__
from .cellrank import cluster_lineage
from .clusterer import TrendClusterer
from .clusterers import GraphClusterer
from .comparing import Comparison, compare
from .conditions import ConditionComparison, compare_conditions
from .dipping import DippingCheck, dipping_check
from .drivers import DriverSelector, lineage_drivers
from .errors import LineageClustWarning, NoTrendError, UnknownNameError
from .model_selection import PseudotimeKFold
from .models import GAM, MgcvGAM, PyGAM
from .smoothers import BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother
from .thinning import thin_counts
from .trends.gene_trend import FailedTrend, GeneTrend
from .trends.trends import Trends

__all__ = [
    "GAM",
    "BSplineSmoother",
    "Comparison",
    "ConditionComparison",
    "CubicSplineSmoother",
    "CyclicSplineSmoother",
    "DippingCheck",
    "DriverSelector",
    "FailedTrend",
    "GaussianProcessSmoother",
    "GeneTrend",
    "GraphClusterer",
    "LineageClustWarning",
    "MgcvGAM",
    "NoTrendError",
    "PseudotimeKFold",
    "PyGAM",
    "TrendClusterer",
    "Trends",
    "UnknownNameError",
    "cluster_lineage",
    "compare",
    "compare_conditions",
    "contracts",
    "datasets",
    "dipping_check",
    "lineage_drivers",
    "models",
    "plotting",
    "scoring",
    "thin_counts",
]
