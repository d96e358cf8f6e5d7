"""Pictures: functions that take arrays and return matplotlib objects."""

from .colors import cluster_colors
from .gene import plot_gene_trend
from .panels import plot_clusters
from .strips import Strip, make_strip

__all__ = ["Strip", "cluster_colors", "make_strip", "plot_clusters", "plot_gene_trend"]
