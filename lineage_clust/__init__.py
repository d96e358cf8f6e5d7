"""Which genes rise and fall together along a lineage: smooth expression trends and their clusters."""

__version__ = "0.1.0"

from . import clusterers, datasets, models, plotting, smoothers
from .clusterer import TrendClusterer
from .clusterers import GraphClusterer
from .errors import LineageClustWarning, NoTrendError, UnknownNameError
from .gene_trend import FailedTrend, GeneTrend
from .models import GAM
from .smoothers import BSplineSmoother, CubicSplineSmoother, CyclicSplineSmoother, GaussianProcessSmoother
from .trends import Trends

__all__ = [
    "GAM",
    "BSplineSmoother",
    "CubicSplineSmoother",
    "CyclicSplineSmoother",
    "FailedTrend",
    "GaussianProcessSmoother",
    "GeneTrend",
    "GraphClusterer",
    "LineageClustWarning",
    "NoTrendError",
    "TrendClusterer",
    "Trends",
    "UnknownNameError",
    "clusterers",
    "datasets",
    "models",
    "plotting",
    "smoothers",
]
