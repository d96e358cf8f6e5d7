"""Pictures: functions that take arrays and return matplotlib objects."""

from .colors import cluster_colors
from .gene import plot_gene_trend
from .panels import plot_clusters

__all__ = ["cluster_colors", "plot_clusters", "plot_gene_trend"]
